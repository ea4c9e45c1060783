"""What an image declares without a process is played, and what nothing declares is a stand-in."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ctrlkit.errors import InternalError
from ctrlkit.fakes.cluster import NEVER_S, AlwaysReady, CommandAnswer, Exits, Image, ImageRuntime, Line
from ctrlkit.fakes.cluster.node.images.declarations import InProcessProgramFactory
from ctrlkit.fakes.cluster.node.runtime import (
    CommandResult,
    ContainerId,
    ContainerRefused,
    ContainerSpec,
    Exec,
    Exited,
    Grpc,
    HttpGet,
    ProbeAction,
    ProbeResult,
    Running,
    TcpSocket,
)
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams

pytestmark = pytest.mark.virtual_time
ID = ContainerId("uid-1", "main")
POD = PodRef("default", "web", "uid-1")


@asynccontextmanager
async def running(image: Image | None, *command: str, **fields: Any) -> AsyncIterator[ImageRuntime]:
    """A runtime in which a container of the image runs."""
    async with ImageRuntime(images={"web": image} if image is not None else {}) as runtime:
        runtime.open_sandbox("uid-1")
        await start(runtime, *command, **fields)
        await asyncio.sleep(0)
        yield runtime


async def start(runtime: ImageRuntime, *command: str, **fields: Any) -> None:
    """Start it, or start it again."""
    await runtime.start(ContainerSpec(id=ID, image="web:2", command=command, environment={}, **fields))


async def ended(runtime: ImageRuntime) -> Exited:
    """Let time pass until it has ended."""
    while isinstance(runtime.state(ID), Running):  # noqa: ASYNC110  # on virtual time, to the second
        await asyncio.sleep(1)
    state = runtime.state(ID)
    assert isinstance(state, Exited)
    return state


async def log(runtime: ImageRuntime) -> str:
    """What it has written."""
    return b"".join([piece async for piece in await runtime.logs(POD, "main", LogOptions())]).decode()


async def execute(runtime: ImageRuntime, *command: str) -> tuple[int, str, str]:
    """Run a command in it as a client: exit code, stdout, stderr."""
    out, err = bytearray(), bytearray()

    async def stdout(data: bytes) -> None:
        out.extend(data)

    async def stderr(data: bytes) -> None:
        err.extend(data)

    code = await runtime.exec(POD, "main", command, Streams(stdin=None, stdout=stdout, stderr=stderr))
    return code, out.decode(), err.decode()


async def probe(runtime: ImageRuntime, action: ProbeAction) -> ProbeResult:
    """Probe it."""
    return await runtime.probe(ID, action, timeout_s=5)


@pytest.mark.parametrize(
    ("exits", "code", "number", "reason", "took_s"),
    [
        (Exits(), 0, 0, "", 0),
        (Exits(3, after_s=60), 3, 0, "", 60),
        (Exits.by_signal(signal.SIGSEGV, after_s=2), 139, 11, "", 2),
        (Exits.oom(after_s=5), 137, 9, "OOMKilled", 5),
    ],
)
async def test_a_container_ends_as_its_image_says(
    exits: Exits, code: int, number: int, reason: str, took_s: float
) -> None:
    """With an exit code, by a signal, or because it had too much memory."""
    async with running(Image(exits=exits)) as runtime:
        state = await ended(runtime)
        assert (state.exit_code, state.signal, state.reason) == (code, number, reason)
        assert (state.finished_at - state.started_at).total_seconds() == took_s


async def test_an_end_may_be_that_of_one_start() -> None:
    """The third one here; its message is the termination message."""
    async with running(Image(exits={3: Exits(1, message="out of luck")})) as runtime:
        for _ in range(2):
            runtime.end("uid-1", 0)
            assert (await ended(runtime)).exit_code == 0
            await start(runtime)
            await asyncio.sleep(0)
        state = await ended(runtime)
        assert (state.exit_code, state.message) == (1, "out of luck")
        await start(runtime)
        await asyncio.sleep(100)
        assert isinstance(runtime.state(ID), Running)


@pytest.mark.parametrize(
    ("stops", "code", "took_s"),
    [(None, 143, 0), (Exits(0, after_s=5), 0, 5), (Exits(1, after_s=60), 137, 30), (Exits(after_s=NEVER_S), 137, 30)],
)
async def test_a_container_stops_as_its_image_says(stops: Exits | None, code: int, took_s: float) -> None:
    """What takes longer than the grace period is killed."""
    async with running(Image(stops=stops)) as runtime:
        runtime.stop(ID, grace_s=30)
        state = await ended(runtime)
        assert state.exit_code == code
        assert (state.finished_at - state.started_at).total_seconds() == took_s


async def test_a_log_grows_over_time() -> None:
    """Lines come at once, later, and again and again."""
    lines = ("starting", Line("ready", after_s=5), Line("tick", after_s=10, every_s=60))
    async with running(Image(logs=lines)) as runtime:
        assert await log(runtime) == "starting\n"
        await asyncio.sleep(6)
        assert await log(runtime) == "starting\nready\n"
        await asyncio.sleep(130)
        assert await log(runtime) == "starting\nready\ntick\ntick\ntick\n"


@pytest.mark.parametrize(
    ("probes", "action", "results"),
    [
        (True, HttpGet(80), [True, True]),
        (False, TcpSocket(80), [False, False]),
        ([True, False], TcpSocket(80), [True, False, False]),
        ([True, False, ...], Exec(("check",)), [True, False, True, False]),
        ({"/a": False}, HttpGet(80, "/a"), [False]),
        ({"/a": False}, HttpGet(80, "/b"), [True]),
        ({8080: [503, 204]}, HttpGet(8080, "/b"), [False, True]),
        ({"check -v": 1, "check": 0}, Exec(("check", "-v")), [False]),
        ({"check": 0}, Exec(("check", "-v")), [True]),
        ({9000: False}, Grpc(9000), [False]),
        (lambda action: action.port == 80, TcpSocket(80), [True]),
    ],
)
async def test_probes_are_answered_as_declared(probes: Any, action: ProbeAction, results: list[bool]) -> None:
    """One after another; the last answer stays, unless `...` stands behind it."""
    async with running(Image(probes=probes)) as runtime:
        assert [(await probe(runtime, action)).ok for _ in results] == results


@pytest.mark.parametrize(
    ("answer", "action", "said"),
    [
        ("no database", HttpGet(80), "no database"),
        (False, HttpGet(80), "HTTP probe failed with statuscode: 500"),
        (404, HttpGet(80), "HTTP probe failed with statuscode: 404"),
        (False, TcpSocket(80), "dial tcp 198.18.0.1:80: connect: connection refused"),
        (False, Grpc(80), 'service unhealthy (responded with "NOT_SERVING")'),
    ],
)
async def test_a_failed_probe_says_what_a_real_one_would(answer: Any, action: ProbeAction, said: str) -> None:
    """Or what the image says."""
    async with running(Image(probes=answer)) as runtime:
        assert (await probe(runtime, action)).output == said


async def test_nothing_listens_before_a_container_is_ready_and_at_other_ports() -> None:
    """Connections are refused, in the words of a kubelet."""
    async with running(Image(ready_after_s=20, ports=(80,))) as runtime:
        refused = "dial tcp 198.18.0.1:80: connect: connection refused"
        assert await probe(runtime, TcpSocket(80)) == ProbeResult(ok=False, output=refused)
        got = await probe(runtime, HttpGet(80, "/healthz"))
        assert got.output == f'Get "http://198.18.0.1:80/healthz": {refused}'
        await asyncio.sleep(20)
        assert (await probe(runtime, TcpSocket(80))).ok
        assert not (await probe(runtime, TcpSocket(81))).ok


async def test_answers_of_probes_begin_anew_with_each_start() -> None:
    """As the program does."""
    async with running(Image(probes=[False, True])) as runtime:
        assert [(await probe(runtime, TcpSocket(1))).ok for _ in range(2)] == [False, True]
        runtime.end("uid-1")
        await ended(runtime)
        await start(runtime)
        assert not (await probe(runtime, TcpSocket(1))).ok


async def test_commands_are_answered_as_declared() -> None:
    """For clients, hooks and probes alike: the whole command first, then its first words."""
    execs: dict[str, str | int | CommandAnswer] = {
        "cli info": '{"a": 1}',
        "cli": 3,
        "slow": CommandAnswer(output="out\n", error="err\n", exit_code=1, takes_s=2),
    }
    async with running(Image(execs=execs)) as runtime:
        assert await execute(runtime, "/usr/bin/cli", "info") == (0, '{"a": 1}\n', "")
        assert await execute(runtime, "cli", "other") == (3, "", "")
        assert await execute(runtime, "slow", "-v") == (1, "out\n", "err\n")
        assert await runtime.run(ID, ["slow"]) == CommandResult(1, "out\nerr\n")
        assert not (await probe(runtime, Exec(("cli",)))).ok
        assert (await probe(runtime, Exec(("cli", "info")))).ok
        with pytest.raises(InternalError, match='exec: "vi": executable file not found in'):
            await execute(runtime, "vi")
        with pytest.raises(ContainerRefused, match='exec: "vi": executable file not found in'):
            await runtime.run(ID, ["vi"])


async def test_a_function_may_answer_commands() -> None:
    """What it returns, or its coroutine."""

    async def answer(command: tuple[str, ...]) -> str:
        await asyncio.sleep(1)
        return " ".join(command)

    async with running(Image(execs=answer)) as runtime:
        assert await execute(runtime, "a", "b") == (0, "a b\n", "")


async def test_what_cannot_be_started_says_why() -> None:
    """As a container runtime does."""
    async with ImageRuntime(images={"web": Image(refuses="permission denied")}) as runtime:
        runtime.open_sandbox("uid-1")
        with pytest.raises(ContainerRefused, match="RunContainerError: permission denied"):
            await start(runtime)


async def test_a_stand_in_runs_is_ready_and_says_what_it_is() -> None:
    """In its log, and where a command is to be run in it; hooks and probes pass."""
    async with running(None) as runtime:
        note = 'Image "web:2" is not declared: a stand-in for it runs and is ready, and does nothing'
        assert (await runtime.pull("web:2")).note == note
        assert await log(runtime) == f"ctrlkit: {note}\n"
        assert await execute(runtime, "ls", "/") == (126, "", f"ctrlkit: {note}; ls was not run\n")
        for action in (Exec(("check",)), HttpGet(80), TcpSocket(1), Grpc(2)):
            assert (await probe(runtime, action)).ok
        assert await runtime.run(ID, ["nginx", "-s", "quit"]) == CommandResult(0)


async def test_the_small_script_of_a_command_is_run() -> None:
    """In this process; then other commands of that kind can be run too, on the same files."""
    script = "touch /tmp/healthy; echo up; sleep 30; rm -f /tmp/healthy; sleep 600"
    async with running(None, "/bin/sh", "-c", script) as runtime:
        check = Exec(("cat", "/tmp/healthy"))
        await asyncio.sleep(1)
        assert await log(runtime) == "up\n"
        assert (await probe(runtime, check)).ok
        assert (await execute(runtime, "sh", "-c", "echo $((1 + 2))"))[:2] == (0, "3\n")
        await asyncio.sleep(30)
        assert not (await probe(runtime, check)).ok
        assert (await ended(runtime)).exit_code == 0


async def test_a_declared_image_has_a_shell_if_it_says_so() -> None:
    """Besides the commands that it declares."""
    async with running(Image(shell=True, execs={"psql": "1"})) as runtime:
        assert await execute(runtime, "echo", "a") == (0, "a\n", "")
        assert await execute(runtime, "psql") == (0, "1\n", "")
    async with running(Image()) as runtime:
        said = 'ctrlkit: the image "web:2" is declared without commands; echo was not run\n'
        assert await execute(runtime, "echo") == (126, "", said)


async def test_a_function_makes_a_program_or_says_what_is_played() -> None:
    """From the address of the pod and what the container was started with."""
    async with ImageRuntime() as runtime:
        runtime.open_sandbox("uid-1")
        runtime.images["web"] = lambda address, spec: AlwaysReady()
        await start(runtime)
        assert type(runtime.program(ID)) is AlwaysReady
        factories: tuple[InProcessProgramFactory, ...] = (
            lambda address, spec: Exits(4),
            lambda address, spec: Image(exits=Exits(4)),
        )
        for factory in factories:
            runtime.images["web"] = factory
            await runtime.close_sandbox("uid-1")
            runtime.open_sandbox("uid-1")
            await start(runtime)
            assert (await ended(runtime)).exit_code == 4


async def test_a_container_shows_its_secrets_if_it_writes_them() -> None:
    """In its log and in what commands print: a kubelet hides nothing."""
    image = Image(logs=["bob:hunter2"], execs={"env": "PASSWORD=hunter2"})
    async with running(image, secrets=frozenset({"hunter2"})) as runtime:
        assert await log(runtime) == "bob:hunter2\n"
        assert (await runtime.run(ID, ["env"])).output == "PASSWORD=hunter2\n"


@pytest.mark.parametrize(
    ("policy", "code", "message"),
    [("File", 1, ""), ("FallbackToLogsOnError", 1, "no database\n"), ("FallbackToLogsOnError", 0, "")],
)
async def test_the_log_stands_in_for_a_termination_message_if_the_pod_says_so(
    policy: str, code: int, message: str
) -> None:
    """Of a container that failed."""
    image = Image(logs=["no database"], exits=Exits(code))
    async with running(image, termination_message_policy=policy) as runtime:
        assert (await ended(runtime)).message == message


HTTP, COMMAND = HttpGet(80, "/ready"), Exec(("ready",))


@pytest.mark.parametrize(
    ("image", "action", "is_at_once"),
    [
        (None, HTTP, True),
        (Image(probes=[True, False, ...]), HTTP, True),
        (Image(probes=[True, False, ...]), COMMAND, True),
        (Image(probes={"/ready": 503}), HTTP, True),
        (Image(ready_after_s=60), COMMAND, True),
        (Image(ports=(81,)), HTTP, True),
        (Image(probes=lambda action: False), HTTP, False),
        (Image(execs={"ready": 1}), COMMAND, False),
        (Image(make=lambda address, spec: AlwaysReady()), HTTP, False),
    ],
)
async def test_an_answer_that_is_declared_is_there_at_once(
    image: Image | None, action: ProbeAction, is_at_once: bool
) -> None:
    """It is that of a probe, and counts as one; functions, commands and programs have to be asked."""
    async with running(image) as one, running(image) as other:
        for _ in range(3):
            assert one.answer(ID, action) == (await probe(other, action) if is_at_once else None)
        await one.close_sandbox("uid-1")
        assert one.answer(ID, action) is None
