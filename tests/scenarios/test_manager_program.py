"""`ctrlkit run` and `run()`: a process of its own against the embedded server, over HTTP, to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from ctrlkit.errors import ServiceUnavailable
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import Action, MergePatch
from ctrlkit.model.kinds import CONFIG_MAPS, EVENTS, LEASES
from tests.support.greetings import GREETINGS, greeting
from tests.support.processes import process_ended, process_of

pytestmark = pytest.mark.real_time

LIMIT_S = 30.0

PROGRAM = """
import asyncio
from ctrlkit import DONE, custom_resource
from ctrlkit.manager import reconciler, run
from ctrlkit.model.kinds import CONFIG_MAPS

GREETINGS = custom_resource(group="demo.example.com", kind="Greeting", plural="greetings")

@reconciler(GREETINGS, owns=[CONFIG_MAPS])
async def greet(greeting, context):
    if greeting.at("spec.text") == "slowly":
        print("slow", flush=True)
        await asyncio.sleep(1)
    while greeting.at("spec.text") == "for ever":
        try:
            print("for ever", flush=True)
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass
    fields = {"data": {"text": greeting.at("spec.text")}}
    await context.client.apply(CONFIG_MAPS, context.key, fields)
    return DONE

if __name__ == "__main__":
    run(greet)
"""


class Server:
    """The embedded server, its clientset, and where a program finds both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clientset = FakeClientset()
        self.clientset.tracker.registry.register_custom(GREETINGS)
        self.tracker = self.clientset.tracker
        self.tracker.create(GREETINGS, greeting(namespace="default"))
        self.changed = asyncio.Event()
        self.clientset.intercept(self._note)
        (folder / "program.py").write_text(textwrap.dedent(PROGRAM))

    async def _note(self, action: Action, call_next: Callable[[Action], Awaitable[bytes]]) -> bytes:
        answer = await call_next(action)
        self.changed.set()
        return answer

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for calls until something holds."""
        async with asyncio.timeout(LIMIT_S):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    def texts(self) -> dict[str, str]:
        """What ConfigMaps say."""
        maps = self.tracker.list(CONFIG_MAPS, "default")
        return {item.key.name: str(item.at("data.text")) for item in maps}

    def holder(self) -> str | None:
        """Who holds the lease; None where there is none."""
        leases = self.tracker.list(LEASES, "default")
        return str(leases[0].at("spec.holderIdentity") or "") if leases else None

    @asynccontextmanager
    async def program(self, *arguments: str, **variables: str) -> AsyncIterator[Process]:
        """A process in the folder of the program; killed if it is still there at the end."""
        environ = {
            "PATH": "/usr/bin:/bin",
            "CTRLKIT_KUBECONFIG": str(self.folder / "kc"),
            "CTRLKIT_ENDPOINTS_ADDRESS": "off",
            **variables,
        }
        async with process_of(sys.executable, *arguments, env=environ, cwd=self.folder) as process:
            yield process


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    served = Server(tmp_path)
    async with ApiServer(served.clientset, served.tracker.registry).serve() as running:
        running.write_kubeconfig(tmp_path / "kc")
        yield served


async def ended(process: Process) -> tuple[int, str, str]:
    """The exit status and what was said."""
    async with asyncio.timeout(LIMIT_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


ELECT = {"CTRLKIT_LEADER_ELECT": "true", "CTRLKIT_LEASE_NAME": "greeter", "CTRLKIT_LEASE_NAMESPACE": "default"}


@pytest.mark.behaviour("M3", "M6", "M13", "L15")
async def test_ctrlkit_run_leads_works_and_gives_the_lease_back_on_a_signal(server: Server) -> None:
    """M3, M13: SIGTERM in the middle of a reconcile; it ends, the lease is released, the status is 0."""
    command = ("-m", "ctrlkit", "run", "program:greet", "--identity", "me", "--log-format", "json")
    async with server.program(*command, **ELECT) as process:
        await server.until(lambda: server.texts() == {"hello": "hello, world"})
        assert server.holder() == "me"
        server.tracker.patch(GREETINGS, "default/hello", MergePatch({"spec": {"text": "slowly"}}))
        assert process.stdout is not None
        assert await process.stdout.readline() == b"slow\n"
        process.send_signal(signal.SIGTERM)
        status, _, log = await ended(process)
    assert (status, server.texts(), server.holder()) == (0, {"hello": "slowly"}, "")
    assert sorted(event["message"] for event in server.tracker.list(EVENTS, "default")) == [
        "me became leader",
        "me stopped leading",
    ]
    assert '"event": "stop_requested"' in log


@pytest.mark.behaviour("M5")
async def test_a_program_that_loses_its_lease_ends_with_status_1_and_a_line(server: Server) -> None:
    """M5: its pod is started again; the log, then the one line."""
    times = {"CTRLKIT_LEASE_S": "2", "CTRLKIT_RENEW_S": "1", "CTRLKIT_RETRY_S": "0.2"}
    async with server.program("program.py", "--identity", "me", **ELECT, **times) as process:
        await server.until(lambda: server.texts() == {"hello": "hello, world"})
        server.clientset.faults.fail(Calls(resource=LEASES), ServiceUnavailable("etcd"), times=None)
        status, _, said = await ended(process)
    assert status == 1
    assert said.splitlines()[-1].startswith("program.py: hold lease default/greeter as me: ")
    assert "Traceback" not in said


@pytest.mark.behaviour("M5")
async def test_a_program_that_goes_on_although_its_lease_is_lost_is_ended(server: Server) -> None:
    """M5: a reconcile that swallows its cancellation; the process is gone before another may lead for long."""
    times = {"CTRLKIT_LEASE_S": "2", "CTRLKIT_RENEW_S": "1", "CTRLKIT_RETRY_S": "0.2"}
    async with server.program("program.py", "--identity", "me", **ELECT, **times) as process:
        await server.until(lambda: server.texts() == {"hello": "hello, world"})
        server.tracker.patch(GREETINGS, "default/hello", MergePatch({"spec": {"text": "for ever"}}))
        assert process.stdout is not None
        assert await process.stdout.readline() == b"for ever\n"
        server.clientset.faults.fail(Calls(resource=LEASES), ServiceUnavailable("etcd"), times=None)
        status, _, said = await ended(process)
    assert status == 1
    assert said.splitlines()[-1].startswith("stop after a lost lease: 1 reconciles go on although they were cut off")
    assert said.splitlines()[-1].endswith("[greet default/hello]")
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "command",
    ["ctrlkit run", *(pytest.param(name, marks=pytest.mark.long) for name in ("run()", "bitcoin-controller run"))],
)
async def test_a_signal_ends_a_program_whose_credential_plugin_hangs(server: Server, command: str) -> None:
    """In order and with status 0; the plugin ends too."""
    fifo = server.folder / "fifo"
    os.mkfifo(fifo)
    hangs = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": "/bin/sh"}
    user = {"exec": {**hangs, "args": ["-c", f"echo $$ > {fifo}; exec sleep 1000"]}}
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
    }
    kubeconfig = server.folder / "hangs"
    kubeconfig.write_text(yaml.safe_dump(config))
    starts = {
        "ctrlkit run": ["-m", "ctrlkit", "run", "program:greet"],
        "run()": ["program.py"],
        "bitcoin-controller run": ["-m", "ctrlkit.bitcoin", "run"],
    }
    arguments = [*starts[command], "--kubeconfig", str(kubeconfig), "--endpoints-address=off"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    async with (
        asyncio.timeout(LIMIT_S),
        process_of(sys.executable, *arguments, env=environment, cwd=server.folder) as program,
    ):
        plugin = int(await asyncio.to_thread(fifo.read_text))
        program.send_signal(signal.SIGTERM)
        status, _, errors = await ended(program)
        assert (status, "Traceback" in errors) == (0, False), errors
        await process_ended(plugin)


async def test_a_program_tells_bad_settings_in_one_line_with_status_2(server: Server) -> None:
    """And a Lease without a namespace, outside a pod, with status 1."""
    async with server.program("program.py", CTRLKIT_GRACE_S="abc") as process:
        status, _, said = await ended(process)
    assert (status, said) == (2, "program.py: CTRLKIT_GRACE_S=abc: grace_s takes seconds, 0 or more, such as 30\n")
    async with server.program("program.py", "--leader-elect", "--lease-name", "greeter") as process:
        status, _, said = await ended(process)
    assert status == 1
    assert said.startswith("program.py: find the namespace of lease greeter: this is no pod that could tell; name it ")
    assert said.count("\n") == 1


async def test_a_program_serves_its_endpoints(server: Server) -> None:
    """The address is in the log, for a port that was any free one."""
    async with server.program("program.py", CTRLKIT_ENDPOINTS_ADDRESS="127.0.0.1:0") as process:
        await server.until(lambda: server.texts() == {"hello": "hello, world"})
        process.send_signal(signal.SIGINT)
        status, _, log = await ended(process)
    assert status == 0, log
    assert "127.0.0.1:" in log
