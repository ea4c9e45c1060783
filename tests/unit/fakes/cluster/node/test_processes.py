"""Containers as processes: they get an address, a folder and an environment; how they end is known; nothing is left."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace

import pytest

from ctrlkit.bitcoin.bitcoin_conf import CONF_FILE, HOME, arguments, bitcoin_conf
from ctrlkit.bitcoin.network import Configuration, NodeOptions, Ports, Spec
from ctrlkit.bitcoin.rotation import auth_line
from ctrlkit.bitcoin.rpc import Credentials, RpcClient
from ctrlkit.fakes.bitcoind.binaries import BinaryNotFound, find_bitcoind
from ctrlkit.fakes.cluster.node.addresses import FewAddresses
from ctrlkit.fakes.cluster.node.image_runtime import ProcessRuntime
from ctrlkit.fakes.cluster.node.images import Image, real_bitcoind, simulated_bitcoind
from ctrlkit.fakes.cluster.node.runtime import (
    FALLBACK_TO_LOGS,
    ContainerId,
    ContainerRefused,
    ContainerSpec,
    Exec,
    Exited,
    HttpGet,
    Mount,
    ProbeResult,
    Running,
    TcpSocket,
    Volume,
    VolumeFile,
)
from tests.support.any_command import ANY_COMMAND
from tests.support.loopback import own_address
from tests.support.processes import HAS_PIDFD, command_lines, process_ended

pytestmark = [pytest.mark.real_time, pytest.mark.skipif(not HAS_PIDFD, reason="needs pidfd_open (Linux)")]
ID = ContainerId("uid-1", "main")
LOGIN = {"BC_RPC_USER": "bob", "BC_RPC_PASSWORD": "hunter2"}


def programs() -> ProcessRuntime:
    return ProcessRuntime(images={"program": ANY_COMMAND})


def shell(script: str, *, container: ContainerId = ID, secrets: frozenset[str] = frozenset()) -> ContainerSpec:
    return ContainerSpec(
        id=container,
        image="program",
        command=("/bin/sh", "-c", script),
        environment={"GREETING": "hello"},
        secrets=secrets,
        termination_message_policy=FALLBACK_TO_LOGS,
    )


class Exits:
    """The ends a runtime reports, to be waited for."""

    def __init__(self, runtime: ProcessRuntime) -> None:
        self._queue: asyncio.Queue[ContainerId] = asyncio.Queue()
        self._runtime = runtime
        runtime.on_exit(self._queue.put_nowait)

    async def next(self) -> Exited:
        state = self._runtime.state(await self._queue.get())
        assert isinstance(state, Exited)
        return state


@pytest.mark.parametrize(
    ("policy", "code", "words"),
    [(FALLBACK_TO_LOGS, 3, "hello from hunter2\n"), (FALLBACK_TO_LOGS, 0, ""), ("File", 3, "")],
)
async def test_a_program_that_ends_is_reported_with_its_code_and_last_words(policy: str, code: int, words: str) -> None:
    """The words go into the pod's status if the pod says so, as they are."""
    async with programs() as runtime:
        exits = Exits(runtime)
        runtime.open_sandbox("uid-1")
        program = shell(f"echo $GREETING from hunter2; exit {code}", secrets=frozenset({"hunter2"}))
        await runtime.start(replace(program, termination_message_policy=policy))
        ended = await exits.next()
        assert (ended.exit_code, ended.signal, ended.message) == (code, 0, words)


async def test_a_program_that_a_signal_ends_is_reported_with_the_signal() -> None:
    """As a container's status has it: 128 and the signal's number."""
    async with programs() as runtime:
        exits = Exits(runtime)
        runtime.open_sandbox("uid-1")
        await runtime.start(shell("kill -SEGV $$"))
        ended = await exits.next()
        assert (ended.exit_code, ended.signal, ended.cause) == (139, 11, "SIGSEGV")


async def test_a_container_sees_its_own_environment_and_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test must not pass because of what the developer has set."""
    async with programs() as runtime:
        monkeypatch.setenv("OURS", "1")
        exits = Exits(runtime)
        runtime.open_sandbox("uid-1")
        await runtime.start(shell('echo "$GREETING,$OURS,$HOME"; exit 1'))
        assert (await exits.next()).message == f"hello,,{runtime.folder}/uid-1/main\n"


async def test_stop_asks_first() -> None:
    """SIGTERM lets a node write its chain."""
    async with programs() as runtime:
        runtime.open_sandbox("uid-1")
        await runtime.start(shell('trap "exit 7" TERM; echo up > up; while :; do sleep 0.01; done'))
        await until(runtime, Exec(("/bin/sh", "-c", "test -f up")))
        runtime.stop(ID, grace_s=60)
        await ended_container(runtime)
        state = runtime.state(ID)
        assert isinstance(state, Exited)
        assert state.exit_code == 7


async def test_stop_forces_what_does_not_end_and_all_it_started() -> None:
    """A child of the program dies with it, and holds no file of the pod any more."""
    async with programs() as runtime:
        runtime.open_sandbox("uid-1")
        await runtime.start(shell('trap "" TERM; sleep 600 & echo $! > child; while :; do sleep 0.01; done'))
        await until(runtime, Exec(("/bin/sh", "-c", "test -s child")))
        child = int((runtime.folder / "uid-1" / "main" / "child").read_text())
        runtime.stop(ID, grace_s=0.01)
        await ended_container(runtime)
        state = runtime.state(ID)
        assert isinstance(state, Exited)
        assert state.signal == 9
        await process_ended(child)


async def test_what_a_program_leaves_behind_ends_with_it() -> None:
    """When the first process of a container ends, the container has ended."""
    async with programs() as runtime:
        exits = Exits(runtime)
        runtime.open_sandbox("uid-1")
        await runtime.start(shell("sleep 600 & echo $!; exit 1"))
        await process_ended(int((await exits.next()).message))


async def test_probes_run_in_the_containers_folder_and_environment() -> None:
    """A probe holds if its command exits with 0."""
    async with programs() as runtime:
        runtime.open_sandbox("uid-1")
        await runtime.start(shell("sleep 600", secrets=frozenset({"hello"})))
        script = 'echo "$GREETING $PWD"; exit 1'
        result = await runtime.probe(ID, Exec(("/bin/sh", "-c", script)), timeout_s=60)
        assert result == ProbeResult(ok=False, output=f"hello {runtime.folder}/uid-1/main")
        assert await runtime.probe(ID, Exec(("true",)), timeout_s=60) == ProbeResult(ok=True)
        with pytest.raises(ContainerRefused, match="no-such-thing is no program to run here"):
            await runtime.probe(ID, Exec(("no-such-thing",)), timeout_s=60)


async def test_a_probe_that_hangs_has_failed_and_is_killed() -> None:
    """Otherwise each period would leave another process."""
    async with programs() as runtime:
        runtime.open_sandbox("uid-1")
        await runtime.start(shell("sleep 600"))
        result = await runtime.probe(ID, Exec(("/bin/sh", "-c", "echo $$ > pid; sleep 600")), timeout_s=0.3)
        said = 'command timed out: "/bin/sh -c echo $$ > pid; sleep 600" timed out after 300ms'
        assert result == ProbeResult(ok=False, output=said)
        await process_ended(int((runtime.folder / "uid-1" / "main" / "pid").read_text()))


async def test_a_probe_of_what_does_not_run_fails() -> None:
    """Before the start, and for a pod nobody knows."""
    async with programs() as runtime:
        assert not (await runtime.probe(ID, Exec(("true",)), timeout_s=1)).ok


async def test_network_probes_ask_the_pods_own_address() -> None:
    """A connection, and a status below 400."""
    async with programs() as runtime:
        address = runtime.open_sandbox("uid-1")
        await runtime.start(shell("sleep 600"))

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readline()
            status = b"404 Not Found" if b"/missing" in request else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(answer, address, 0) as server:
            port = server.sockets[0].getsockname()[1]
            assert await runtime.probe(ID, HttpGet(port, "/healthz"), timeout_s=60) == ProbeResult(True, status=200)
            missing = await runtime.probe(ID, HttpGet(port, "/missing"), timeout_s=60)
            assert missing == ProbeResult(ok=False, output="HTTP probe failed with statuscode: 404", status=404)
            assert (await runtime.probe(ID, TcpSocket(port), timeout_s=60)).ok
            strange = await runtime.probe(ID, HttpGet(port, f"@127.0.0.1:{port}/healthz"), timeout_s=60)
            assert strange.ok, "a path is a path, and leads to no other host"
        for action in (TcpSocket(70000), HttpGet(70000), TcpSocket(-1)):
            assert not (await runtime.probe(ID, action, timeout_s=60)).ok
        refused = await runtime.probe(ID, TcpSocket(port), timeout_s=60)
        assert refused == ProbeResult(ok=False, output=f"dial tcp {address}:{port}: connect: connection refused")


async def test_pods_have_addresses_and_folders_of_their_own() -> None:
    """And both go when the sandbox closes."""
    async with programs() as runtime:
        first, second = runtime.open_sandbox("uid-1"), runtime.open_sandbox("uid-2")
        assert first != second
        assert runtime.open_sandbox("uid-1") == first
        await runtime.start(shell("sleep 600"))
        await runtime.start(shell("sleep 600", container=ContainerId("uid-2", "main")))
        await runtime.close_sandbox("uid-1")
        await runtime.close_sandbox("uid-1")
        assert runtime.state(ID) is None
        assert sorted(path.name for path in runtime.folder.iterdir()) == ["uid-2"]


async def _until_listening(runtime: ProcessRuntime, port: int) -> None:
    while True:
        if (await runtime.probe(ID, TcpSocket(port), timeout_s=60)).ok:
            return
        await asyncio.sleep(0.05)


async def test_pods_that_share_an_address_cannot_listen_at_one_port() -> None:
    """As on macOS with 127.0.0.1 alone: the second is told what to type, and runs when the first has gone."""
    address = own_address(7)
    node = simulated_bitcoind()
    images = {"bitcoind": node, "program": ANY_COMMAND}
    other = ContainerId("uid-2", "main")
    async with ProcessRuntime(images=images, addresses=FewAddresses([address])) as runtime:
        assert [runtime.open_sandbox("uid-1"), runtime.open_sandbox("uid-2")] == [address, address]
        await runtime.start(ContainerSpec(id=ID, image="bitcoind", environment=LOGIN))
        await _until_listening(runtime, node.ports[0])
        with pytest.raises(ContainerRefused, match=f"ports 18332 and 18444 of {address}: .*sudo ifconfig lo0"):
            await runtime.start(ContainerSpec(id=other, image="bitcoind", environment=LOGIN))
        await runtime.start(shell("sleep 600", container=other))
        await runtime.close_sandbox("uid-1")
        await runtime.start(ContainerSpec(id=ContainerId("uid-2", "node"), image="bitcoind", environment=LOGIN))


async def test_processes_and_stand_ins_live_side_by_side() -> None:
    """In one pod, too: what is declared as a process is one, all else lives in this process."""
    async with programs() as runtime:
        exits = Exits(runtime)
        address = runtime.open_sandbox("uid-1")
        other = ContainerId("uid-1", "other")
        await runtime.start(shell("echo from a process; exit 4"))
        script = ("sh", "-c", "sleep 86243")
        await runtime.start(ContainerSpec(id=other, image="busybox:1", command=script, environment={}))
        assert (await exits.next()).exit_code == 4
        assert isinstance(runtime.state(other), Running)
        assert address.startswith("127."), "as soon as an image is a process"
        assert runtime.program(other) is not None
        assert not any(b"86243" in line for line in command_lines().values())


async def test_what_cannot_run_is_refused_with_the_kubelets_reason() -> None:
    """Before any process is made."""
    async with programs() as runtime:
        runtime.open_sandbox("uid-1")
        with pytest.raises(ContainerRefused, match="RunContainerError: /no/such is no program") as refused:
            await runtime.start(ContainerSpec(id=ID, image="program", command=("/no/such",), environment={}))
        assert refused.value.reason == "RunContainerError"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/tmp/x", "a\0b", "-x", "x.log", "a" * 300])
async def test_a_name_that_is_a_path_makes_no_folder(name: str) -> None:
    """Servers refuse such names; a runtime does not rest on that."""
    async with programs() as runtime:
        with pytest.raises(ContainerRefused, match="CreateContainerError: no folder of a container can be called"):
            runtime.open_sandbox(name)
        runtime.open_sandbox("uid-1")
        with pytest.raises(ContainerRefused, match="CreateContainerError"):
            await runtime.start(shell("true", container=ContainerId("uid-1", name)))
        assert list(runtime.folder.rglob("*")) == []


async def test_a_refusal_tells_no_secret() -> None:
    """A program's name or a flag may hold one, by mistake."""
    async with ProcessRuntime(images={"bitcoind": simulated_bitcoind()}) as runtime:
        runtime.open_sandbox("uid-1")
        for command in (
            ("hunter2",),
            ("bitcoind", "-hunter2"),
            ("bitcoind", "-conf=hunter2"),
            ("bitcoin-cli", "hunter2"),
        ):
            spec = ContainerSpec(
                id=ID, image="bitcoind", command=command, environment={}, secrets=frozenset({"hunter2"})
            )
            with pytest.raises(ContainerRefused) as refused:
                await runtime.start(spec)
            assert "hunter2" not in str(refused.value)


async def test_a_probe_may_run_only_what_the_image_declares() -> None:
    """It is refused, and says what there is."""
    async with ProcessRuntime(images={"bitcoind": simulated_bitcoind()}) as runtime:
        runtime.open_sandbox("uid-1")
        await runtime.start(ContainerSpec(id=ID, image="bitcoind", environment=LOGIN))
        for command in (
            ("/bin/sh", "-c", "touch proof"),
            ("true",),
            ("bitcoin-cli", "-rpcconnect=10.0.0.1", "stop"),
            (),
        ):
            with pytest.raises(ContainerRefused, match="that a pod may"):
                await runtime.probe(ID, Exec(command), timeout_s=60)
        assert not list(runtime.folder.rglob("proof"))


async def test_leaving_the_runtime_ends_all_and_removes_its_folder() -> None:
    """Also where the block ends with an error."""
    runtime, pids = programs(), []
    with suppress(ZeroDivisionError):
        async with runtime:
            for number in range(3):
                container = ContainerId(f"uid-{number}", "main")
                runtime.open_sandbox(container.pod_uid)
                await runtime.start(shell("echo $$ > pid; sleep 600", container=container))
                await until(runtime, Exec(("/bin/sh", "-c", "test -s pid")), container)
                pids.append(int((runtime.folder / container.pod_uid / "main" / "pid").read_text()))
            raise ZeroDivisionError
    assert not runtime.folder.exists()
    for pid in pids:
        await process_ended(pid)


async def test_simulated_nodes_run_as_processes() -> None:
    """The probe of the bitcoin controller holds once the node has warmed up."""
    async with ProcessRuntime(images={"bitcoind": simulated_bitcoind()}) as runtime:
        await until_ready_node(runtime)


async def real_image() -> Image:
    """The image of real nodes; the test is skipped where there are none."""
    try:
        bitcoind = find_bitcoind(None)
    except BinaryNotFound as error:
        pytest.skip(str(error))
    if bitcoind is None:
        pytest.skip("no bitcoind: run `make bitcoind`, or name one in $BITCOIND")
    return await real_bitcoind(bitcoind)


async def test_real_nodes_run_as_processes() -> None:
    """The same with bitcoind and bitcoin-cli."""
    async with ProcessRuntime(images={"bitcoind": await real_image()}) as runtime:
        await until_ready_node(runtime)


async def test_simulated_nodes_of_the_layout_with_a_mounted_configuration_run_as_processes() -> None:
    """The version is that of the image's tag."""
    version = await run_node_of_a_network(simulated_bitcoind())
    assert version == 290100


@pytest.mark.long
async def test_real_nodes_of_the_layout_with_a_mounted_configuration_run_as_processes() -> None:
    """Whatever options of Bitcoin Core the configuration has."""
    await run_node_of_a_network(await real_image())


async def run_node_of_a_network(image: Image) -> int:
    """
    Run two pods on one claim, one after the other, as the controller makes them; return the version of the node.

    They are ready by the cookie, take both credentials of a rotation, and the chain of the first is that of the second.
    """
    spec = Spec(nodes=1, ports=Ports(zmq=28332), peers=["127.77.1.9"])
    options = NodeOptions(configuration=Configuration(prune_mib=550, extra=["blockfilterindex=1", "v2transport=0"]))
    old, new = (Credentials(user="bc-user", password=word) for word in ("hunter2", "hunter3"))
    conf = bitcoin_conf(spec, options, [auth_line(one, salt="5a17") for one in (old, new)])
    version = 0
    async with ProcessRuntime(images={"bitcoin": image}) as runtime, RpcClient() as client:
        exits = Exits(runtime)
        for number, pod in enumerate(("uid-1", "uid-2")):
            container = ContainerId(pod, "bitcoind")
            runtime.volumes.write(pod, Volume(name="data", kept_as="pv-net-sts-0"))
            files = {CONF_FILE.removeprefix(f"{HOME}/"): VolumeFile(content=conf.encode())}
            runtime.volumes.write(pod, Volume(name="config", files=files))
            address = runtime.open_sandbox(pod)
            mounts = (
                Mount(path="/var/lib/bitcoin", volume="data"),
                Mount(path=HOME, volume="config", read_only=True),
            )
            await runtime.start(
                ContainerSpec(
                    id=container,
                    image="docker.io/bitcoin/bitcoin:29.1",
                    command=("bitcoind",),
                    args=arguments(spec),
                    environment={"HOME": HOME},
                    mounts=mounts,
                )
            )
            await until(runtime, Exec(("bitcoin-cli", "getblockchaininfo")), container)
            for credentials in (old, new):
                answer = await client.node(address, credentials).answer()
                assert (answer.height, answer.added) == (3 * number, {"127.77.1.9": False})
                version = answer.version
            await client.node(address, new).generate(3)
            assert json.loads((await runtime.run(container, ("bitcoin-cli", "getpeerinfo"))).output) == []
            assert (await runtime.run(container, ("bitcoin-cli", "-rpcwait", "getblockcount"))).output == str(
                3 * number + 3
            )
            runtime.stop(container, grace_s=60)
            assert (await exits.next()).exit_code == 0
            await runtime.close_sandbox(pod)
    return version


async def until_ready_node(runtime: ProcessRuntime) -> None:
    exits = Exits(runtime)
    runtime.open_sandbox("uid-1")
    await runtime.start(ContainerSpec(id=ID, image="christianb93/bitcoind:v1.0", environment=LOGIN))
    command = ("/usr/local/bin/bitcoin-cli", "-regtest", "-conf=/bitcoin.conf", "getnetworkinfo")
    await until(runtime, Exec(command))
    assert not any(b"hunter2" in line for line in command_lines().values())
    runtime.stop(ID, grace_s=60)
    await ended_container(runtime)
    assert (await exits.next()).exit_code == 0


async def until(runtime: ProcessRuntime, action: Exec, container: ContainerId = ID) -> None:
    """Probe until it holds; the test's time limit bounds it, and each try takes the time of a process."""
    while not (await runtime.probe(container, action, timeout_s=60)).ok:
        assert isinstance(runtime.state(container), Running), runtime.state(container)


async def ended_container(runtime: ProcessRuntime) -> None:
    """Nothing but its state is asked, so this looks again and again; the test's time limit bounds it."""
    while isinstance(runtime.state(ID), Running):  # noqa: ASYNC110  # see above
        await asyncio.sleep(0.01)


async def test_a_mounted_path_that_the_image_declares_is_the_folder_of_the_volume() -> None:
    """What is projected into it is read, what the program writes stays; other paths of a pod do not reach it."""
    image = replace(ANY_COMMAND, mounts={"/srv/data": "data", "/etc/app": "etc"})
    async with ProcessRuntime(images={"program": image}) as runtime:
        exits = Exits(runtime)
        runtime.volumes.write("uid-1", Volume(name="etc", files={"port": VolumeFile(content=b"80")}))
        runtime.volumes.write("uid-1", Volume(name="disk", kept_as="pv-1"))
        runtime.open_sandbox("uid-1")
        mounts = (Mount(path="/etc/app", volume="etc", read_only=True), Mount(path="/srv", volume="disk"))
        await runtime.start(replace(shell("cat etc/port > data/seen && ls etc > data/names"), mounts=mounts))
        assert (await exits.next()).exit_code == 0
        assert runtime.volumes.read("uid-1", "disk", "data/seen") == b"80"
        assert runtime.volumes.read("uid-1", "disk", "data/names") == b"port\n"
        await runtime.close_sandbox("uid-1")
        assert "uid-1" not in {path.name for path in runtime.folder.iterdir()}
        runtime.volumes.write("uid-2", Volume(name="disk", kept_as="pv-1"))
        assert runtime.volumes.read("uid-2", "disk", "data/seen") == b"80"


@pytest.mark.long
async def test_the_chain_of_a_node_outlives_its_pod_on_a_claim() -> None:
    """The data directory of a bitcoin node is where the articles' image has it."""
    cli = ("bitcoin-cli", "-regtest", "-conf=/bitcoin.conf")
    mine = ("generatetoaddress", "3", "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8")
    async with ProcessRuntime(images={"bitcoind": simulated_bitcoind()}) as runtime:
        for number, pod in enumerate(("uid-1", "uid-2")):
            container = ContainerId(pod, "main")
            runtime.volumes.write(pod, Volume(name="chain", kept_as="pv-net-sts-0"))
            runtime.open_sandbox(pod)
            mounts = (Mount(path="/root/.bitcoin", volume="chain"),)
            await runtime.start(ContainerSpec(id=container, image="bitcoind", environment=LOGIN, mounts=mounts))
            await until(runtime, Exec((*cli, "getnetworkinfo")), container)
            count = await runtime.run(container, (*cli, "getblockcount"))
            assert count.output.strip() == str(3 * number)
            assert (await runtime.run(container, (*cli, *mine))).exit_code == 0
            await runtime.close_sandbox(pod)
