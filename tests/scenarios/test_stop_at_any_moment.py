"""
SIGTERM at random moments of a busy program: it always ends well.

The program is a process of its own against the embedded server, with leader election. The moment is when the server has
seen so many of its calls: while its caches fill, while it takes the lease, in the middle of any of its writes.
"""

from __future__ import annotations

import asyncio
import random
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from ctrlkit.errors import NotFound
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Action, Lines
from ctrlkit.model.kinds import CONFIG_MAPS, LEASES
from tests.support.busy_program import OBJECTS
from tests.support.effort import tries

TIMES = tries(4, thorough=50)
AT_A_TIME = 4
GRACE_S = 5
DEADLINE_S = 60
"""For a process to start, be stopped and end, on a machine that is busy with others."""


class Moment:
    """The moment in which a server has seen so many calls about one namespace."""

    def __init__(self, calls: int) -> None:
        self.has_come = asyncio.Event()
        self._left = calls

    def called(self) -> None:
        """One more."""
        self._left -= 1
        if self._left <= 0:
            self.has_come.set()


class Stage:
    """An embedded server, and the moments that programs in namespaces of their own wait for."""

    def __init__(self, tracker: Tracker, kubeconfig: Path) -> None:
        self.tracker = tracker
        self._kubeconfig = kubeconfig
        self.moments: dict[str, Moment] = {}

    async def run_and_stop(self, namespace: str, calls: int) -> None:
        """Run the program until the server has seen so many calls, send SIGTERM, and see how it ends."""
        for number in range(OBJECTS):
            for side in ("left", "right"):
                metadata = {"name": f"{side}-{number}", "namespace": namespace}
                item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"step": "0"}}
                seed(self.tracker, item)
        moment = self.moments[namespace] = Moment(calls)
        flags = ["--namespaces", namespace, "--leader-elect", "--lease-name=busy", "--lease-namespace", namespace]
        command = [sys.executable, "-m", "tests.support.busy_program", "--kubeconfig", str(self._kubeconfig), *flags]
        settings = ["--grace-s", str(GRACE_S), "--endpoints-address=off", "--log-format=json"]
        process = await asyncio.create_subprocess_exec(*command, *settings, stdout=PIPE, stderr=PIPE)
        said = asyncio.create_task(process.communicate())
        try:
            async with asyncio.timeout(DEADLINE_S):
                came = asyncio.create_task(moment.has_come.wait())
                await asyncio.wait([came, said], return_when=asyncio.FIRST_COMPLETED)
                came.cancel()
                if process.returncode is None:
                    process.terminate()
                _, errors = await asyncio.shield(said)
        finally:
            if process.returncode is None:
                process.kill()
            await asyncio.wait([said])
        log = errors.decode()
        assert moment.has_come.is_set(), log
        assert process.returncode == 0, f"after {calls} calls: {log[-4000:]}"
        assert "Traceback" not in log
        assert "reconcile_cancelled" not in log
        self.assert_ended_well(namespace, calls)

    def assert_ended_well(self, namespace: str, calls: int) -> None:
        """No pair is half done, and nobody has to wait for the lease."""
        steps = {item.metadata.name: item.at("data.step") for item in self.tracker.list(CONFIG_MAPS, namespace)}
        for number in range(OBJECTS):
            assert steps[f"left-{number}"] == steps[f"right-{number}"], f"after {calls} calls"
        try:
            lease = self.tracker.get(LEASES, f"{namespace}/busy")
        except NotFound:
            return
        assert not lease.at("spec.holderIdentity"), f"after {calls} calls"


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """The server, and a count of the calls that it sees."""
    tracker = Tracker()
    clientset = FakeClientset(tracker)
    set_up = Stage(tracker, folder / "kubeconfig")

    def count(action: Action) -> None:
        moment = set_up.moments.get(action.namespace)
        if moment is not None:
            moment.called()

    async def counted(action: Action, call_next: Callable[[Action], Awaitable[bytes]]) -> bytes:
        count(action)
        return await call_next(action)

    def counted_watch(
        action: Action, call_next: Callable[[Action], AbstractAsyncContextManager[Lines]]
    ) -> AbstractAsyncContextManager[Lines]:
        count(action)
        return call_next(action)

    clientset.intercept(counted)
    clientset.intercept_watch(counted_watch)
    async with ApiServer(clientset, tracker.registry, security=Security.INSECURE).serve() as server:
        server.write_kubeconfig(folder / "kubeconfig")
        yield set_up


@pytest.mark.real_time
@pytest.mark.timeout(300)
@pytest.mark.behaviour("B2", "L11", "M3", "M4", "M8", "M13")
async def test_a_busy_program_ends_well_whenever_it_is_stopped(tmp_path: Path) -> None:
    """Status 0 within the deadline, no reconcile half done, no lease left behind."""
    chance = random.Random(7)
    first = TIMES * 3 // 4
    moments = [*range(1, first + 1), *(chance.randrange(first + 1, 400) for _ in range(TIMES - first))]
    free = asyncio.Semaphore(AT_A_TIME)
    async with stage(tmp_path) as set_up, asyncio.TaskGroup() as programs:

        async def one(number: int, calls: int) -> None:
            async with free:
                await set_up.run_and_stop(f"run-{number}", calls)

        for number, calls in enumerate(moments):
            programs.create_task(one(number, calls))
