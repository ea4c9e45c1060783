"""Containers as objects of this process behave as the kubelet expects of processes, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from ctrlkit.fakes.cluster.node.addresses import Addresses
from ctrlkit.fakes.cluster.node.image_runtime import InProcessRuntime
from ctrlkit.fakes.cluster.node.programs import AlwaysReady
from ctrlkit.fakes.cluster.node.runtime import (
    ContainerId,
    ContainerSpec,
    Exec,
    Exited,
    ProbeAction,
    ProbeResult,
    Running,
)

ID = ContainerId("uid-1", "main")
PROBE = Exec(("check",))


def spec(image: str = "web:1") -> ContainerSpec:
    return ContainerSpec(id=ID, image=image, environment={}, secrets=frozenset({"hunter2"}))


async def test_a_ready_program_runs_until_it_is_stopped() -> None:
    """Asked to end, it has ended by SIGTERM; its end is reported."""
    async with InProcessRuntime(images={"web": lambda address, spec: AlwaysReady()}) as runtime:
        exits: list[ContainerId] = []
        runtime.on_exit(exits.append)
        assert runtime.open_sandbox("uid-1") == "198.18.0.1"
        await runtime.start(spec())
        assert isinstance(runtime.state(ID), Running)
        assert await runtime.probe(ID, PROBE, timeout_s=1) == ProbeResult(ok=True)
        runtime.stop(ID, grace_s=30)
        await asyncio.sleep(30 + 2)
        ended = runtime.state(ID)
        assert isinstance(ended, Exited)
        assert (ended.exit_code, ended.cause, exits) == (143, "SIGTERM", [ID])
        assert not (await runtime.probe(ID, PROBE, timeout_s=1)).ok


async def test_a_test_can_make_a_program_fail_its_probe_and_exit() -> None:
    """And the program is started anew in the same sandbox."""
    async with InProcessRuntime(images={"web": lambda address, spec: AlwaysReady()}) as runtime:
        runtime.open_sandbox("uid-1")
        await runtime.start(spec())
        program = runtime.program(ID)
        assert isinstance(program, AlwaysReady)
        program.ready = False
        assert await runtime.probe(ID, PROBE, timeout_s=1) == ProbeResult(ok=False, output="not ready")
        await asyncio.sleep(0)
        program.exit(2)
        await asyncio.sleep(1)
        ended = runtime.state(ID)
        assert isinstance(ended, Exited)
        assert (ended.exit_code, ended.signal) == (2, 0)
        await runtime.start(spec())
        assert isinstance(runtime.state(ID), Running)


class Broken(AlwaysReady):
    async def run(self) -> int:
        raise ValueError("cannot log in with hunter2")

    async def probe(self, action: ProbeAction) -> ProbeResult:
        await asyncio.sleep(60)
        return ProbeResult(ok=True)


class Stubborn(Broken):
    async def run(self) -> int:
        while True:
            try:
                return await super(Broken, self).run()
            except asyncio.CancelledError:
                await asyncio.sleep(10)
                return 5


async def test_a_program_that_breaks_is_a_container_that_exits() -> None:
    """Its error is the message."""
    async with InProcessRuntime(images={"web": lambda address, spec: Broken()}) as runtime:
        runtime.open_sandbox("uid-1")
        await runtime.start(spec())
        said = 'command timed out: "check" timed out after 2s'
        assert await runtime.probe(ID, PROBE, timeout_s=2) == ProbeResult(ok=False, output=said)
        ended = runtime.state(ID)
        assert isinstance(ended, Exited)
        assert (ended.exit_code, ended.message) == (1, "ValueError('cannot log in with hunter2')")


@pytest.mark.parametrize(("grace_s", "code"), [(30.0, 5), (3.0, 137)])
async def test_a_program_has_its_grace_period_to_end(grace_s: float, code: int) -> None:
    """This one takes ten seconds."""
    async with InProcessRuntime(images={"web": lambda address, spec: Stubborn()}) as runtime:
        runtime.open_sandbox("uid-1")
        await runtime.start(spec())
        await asyncio.sleep(1)
        runtime.stop(ID, grace_s=grace_s)
        await asyncio.sleep(grace_s + 2)
        ended = runtime.state(ID)
        assert isinstance(ended, Exited)
        assert ended.exit_code == code


async def test_a_container_stopped_in_the_moment_of_its_start_has_ended() -> None:
    """Its program never got a turn."""
    async with InProcessRuntime(images={"web": lambda address, spec: AlwaysReady()}) as runtime:
        runtime.open_sandbox("uid-1")
        await runtime.start(spec())
        runtime.stop(ID, grace_s=0)
        await asyncio.sleep(0 + 2)
        assert isinstance(runtime.state(ID), Exited)


async def test_closing_a_sandbox_forgets_the_pod() -> None:
    """Its address goes to another, later."""
    addresses = Addresses(block="10.244.0.0/30")
    async with InProcessRuntime(images={"web": lambda address, spec: AlwaysReady()}, addresses=addresses) as runtime:
        runtime.open_sandbox("uid-1")
        await runtime.start(spec())
        await runtime.close_sandbox("uid-1")
        assert runtime.state(ID) is None
        assert runtime.program(ID) is None
        assert [runtime.open_sandbox(uid) for uid in ("uid-1", "uid-2")] == ["10.244.0.2", "10.244.0.1"]


async def test_stop_returns_at_once_and_a_second_one_may_only_shorten_the_grace() -> None:
    """As a kubelet does it: a pod that is deleted again with a shorter grace period ends sooner, never later."""
    async with InProcessRuntime(images={"web": lambda address, spec: Stubborn()}) as runtime:
        loop, ends = asyncio.get_running_loop(), list[float]()
        runtime.on_exit(lambda _: ends.append(loop.time() - began))
        runtime.open_sandbox("uid-1")
        await runtime.start(spec())
        await asyncio.sleep(1)
        began = loop.time()
        runtime.stop(ID, grace_s=9)
        runtime.stop(ID, grace_s=60)
        runtime.stop(ID, grace_s=5)
        assert isinstance(runtime.state(ID), Running)
        await asyncio.sleep(60)
        assert ends == [5]
