"""
A cluster in a test: an API server, the managers under test and, if asked for, a cluster's own loops, on virtual time.

    async with World(network, kinds=[NETWORKS]) as world:
        world.manage(build)
        await world.settle()
        assert world.clientset.writes == [...]

Without coroutines it is `with World.sync(...) as world:`, and the same without `await`.

A world is settled when no task can run, every cache has reached the newest version of what it selects, every handler
has seen every change, and no key is ready, running or waiting for a retry. Until then, virtual time moves from timer to
timer; after ten virtual minutes `NeverSettled` names the parts that are behind, and why. It also names a key that is
reconciled a thousand times while no time passes. A pending RequeueAfter counts as settled; a test passes it with
`advance`. The first unforeseen exception ends all waiting, unless `allow_failures` permits it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, ClassVar, Self

from ctrlkit.fakes.manifests import Seeded
from ctrlkit.fakes.world.common import PATIENCE_S, CommonWorld, NeverHeld, NeverSettled
from ctrlkit.fakes.world.running import Part
from ctrlkit.fakes.world.sync import SyncWorld

__all__ = ["NeverHeld", "NeverSettled", "World"]


class World(CommonWorld):
    """
    One API server and the parts that run against it.

    Shape   `objects` are plain dicts with apiVersion and kind, and paths of files, as `seed` takes them; they exist
            from the start and do not appear in `clientset.actions`. `kinds` are custom kinds to serve without their
            CustomResourceDefinition. `cluster` are the loops of a cluster to run (ctrlkit.fakes.cluster.Loop, or ALL).
            By default there are none: a test of one controller plays the cluster itself and sees no writes but the
            controller's. `seed` determines all jitter
            and all generated names; tests with the same seed run the same way. `server` is the Kubernetes release whose
            API server it is, such as "1.36". With `furnished` there is from the start what a new cluster has: roles,
            priority classes, flow control, the Service `kubernetes`, and the StorageClass `standard` of the cluster's
            own provisioner if that is among the loops; else its first claim without a class makes it. `plugins` are the
            admission plug-ins that are on. With `rbac` managers may do what roles and bindings allow to the one they
            act as: `acting_as` is a username such as "system:serviceaccount:demo:web", without it the service account
            that the seeded workloads have. The test itself, its client and the cluster's loops are administrators.
            `nodes` are those of a cluster with a kubelet: how many, or each by its name or as a
            ctrlkit.fakes.cluster.Node. `images` says what its containers do, as ctrlkit.fakes.cluster.Image; more can
            be said at any time with `world.images[name] = ...`. Containers of other images run until they are stopped.
    Errors  NeverSettled from `settle`, and from every wait during which no virtual time passes; UnforeseenFailure, and
            the exception that ended a part, from `settle`, `advance`, `pass_time`, `until` and at the end. RuntimeError
            for a world that is entered twice, and for a part that is started outside of its block. CtrlkitError on
            entering a world on a loop without virtual time. ValueError for a `cluster` of anything but loops, and for
            `nodes` or `images` where no kubelet plays them.
    Owner   The `async with` block. Its end cancels every part, the last one started first, and awaits it. An exception
            that leaves the block carries the end of the trace as a note.
    """

    sync: ClassVar[type[SyncWorld]] = SyncWorld
    """Makes a world for plain functions, of the same arguments."""

    async def __aenter__(self) -> Self:
        await self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave(error)

    async def define(self, *definitions: Seeded) -> None:
        """Apply CustomResourceDefinitions, objects or files, and wait until their kinds are served."""
        await self._define(*definitions)

    async def stop(self, part: Part) -> None:
        """End a part gracefully, as SIGTERM would; raises the exception that ended it before, if there is one."""
        await self._stop(part)

    async def crash(self, part: Part) -> None:
        """End a part abruptly, as the loss of its machine would: it sends nothing more."""
        await self._crash(part)

    async def settle(self, *, patience_s: float = PATIENCE_S) -> None:
        """Wait until nothing is left to do now; NeverSettled after `patience_s` virtual seconds."""
        __tracebackhide__ = True
        await self._settle(patience_s=patience_s)

    async def advance(self, duration: float | str) -> None:
        """Let virtual time pass ("30s", "1h30m", or seconds) and run all that falls due; then settle."""
        __tracebackhide__ = True
        await self._advance(duration)

    async def pass_time(self, duration: float | str) -> None:
        """Let virtual time pass and run all that falls due, without settling."""
        __tracebackhide__ = True
        await self._pass_time(duration)

    async def until(
        self, predicate: Callable[[], object | Awaitable[object]], *, within: float | str = PATIENCE_S
    ) -> Any:
        """
        Let virtual time pass until `predicate()` is true, and return its result; NeverHeld after `within`.

            await world.until(lambda: world.tracker.get(NETWORKS, "demo/net").at("status.ready"))

        The predicate is called whenever no task can run; NotFound counts as false.
        """
        __tracebackhide__ = True
        return await self._until(predicate, within=within)
