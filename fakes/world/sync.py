"""
A world for plain functions: the same one, on a loop of its own, which runs while the test waits.

    with World.sync(network, kinds=[NETWORKS]) as world:
        world.manage(build)
        world.settle()
        assert world.clientset.writes == [...]

Inside of the block the world's loop counts as the running one, so that all that does not wait (`tracker`, `faults`,
`clientset`, `manage`) is used as in a coroutine, at the world's time. What is a coroutine function elsewhere, such as
the verbs of `client`, is run by `run`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from ctrlkit.errors import CtrlkitError
from ctrlkit.fakes.loop import VirtualTimeLoop, at_hand
from ctrlkit.fakes.manifests import Seeded
from ctrlkit.fakes.world.common import PATIENCE_S, CommonWorld
from ctrlkit.fakes.world.running import Part

T = TypeVar("T")


class SyncWorld(CommonWorld):
    """
    A World whose waits are plain calls; see World for what it is made of.

    Errors  as World's, and CtrlkitError where a loop runs already: in a coroutine there is `async with World(...)`.
    Owner   The `with` block, in one thread. At its end the loop is closed.
    """

    def __enter__(self) -> Self:
        if self._loop.is_closed():
            raise RuntimeError("enter the world: it has ended; make a new one")
        with ExitStack() as exits:
            exits.enter_context(at_hand(self._loop))
            self.run(self._enter())
            self._exits_of_loop = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        try:
            self.run(self._leave(error))
        finally:
            self._exits_of_loop.close()
            self._runner.close()

    def __del__(self) -> None:
        """Close the loop of a world that was not entered."""
        loop: VirtualTimeLoop | None = getattr(self, "_loop", None)
        if loop is not None:
            loop.close()

    def run(self, coroutine: Awaitable[T]) -> T:
        """
        Run a coroutine, or what else can be awaited, on the world's loop, and return its result.

            made = world.run(world.client.create(CONFIG_MAPS, {...}))

        Errors  TypeError for what is no coroutine, CtrlkitError where the world does not wait for this code.
        """
        __tracebackhide__ = True
        loop = self._loop
        if not inspect.isawaitable(coroutine):
            raise TypeError(
                f"run {coroutine!r} in a world: it is no coroutine; call a function of one, as in "
                "world.run(world.client.list(PODS)); what a world does itself, as settle(), is a plain call"
            )
        if loop.is_running() or asyncio._get_running_loop() is not loop:
            if asyncio.iscoroutine(coroutine):
                coroutine.close()
            fact = "the world runs this code itself" if loop.is_running() else "this is outside of its block or thread"
            raise CtrlkitError(
                f"wait in a world for plain functions: {fact}; wait in the test's own code, in the block"
            )
        asyncio._set_running_loop(None)
        try:
            return loop.run_until_complete(coroutine)
        finally:
            asyncio._set_running_loop(loop)

    def define(self, *definitions: Seeded) -> None:
        """See World.define."""
        self.run(self._define(*definitions))

    def stop(self, part: Part) -> None:
        """See World.stop."""
        __tracebackhide__ = True
        self.run(self._stop(part))

    def crash(self, part: Part) -> None:
        """See World.crash."""
        self.run(self._crash(part))

    def settle(self, *, patience_s: float = PATIENCE_S) -> None:
        """See World.settle."""
        __tracebackhide__ = True
        self.run(self._settle(patience_s=patience_s))

    def advance(self, duration: float | str) -> None:
        """See World.advance."""
        __tracebackhide__ = True
        self.run(self._advance(duration))

    def pass_time(self, duration: float | str) -> None:
        """See World.pass_time."""
        __tracebackhide__ = True
        self.run(self._pass_time(duration))

    def until(self, predicate: Callable[[], object | Awaitable[object]], *, within: float | str = PATIENCE_S) -> Any:
        """See World.until."""
        __tracebackhide__ = True
        return self.run(self._until(predicate, within=within))

    def _find_loop(self) -> VirtualTimeLoop:
        if asyncio._get_running_loop() is not None:
            raise CtrlkitError(
                "make a world for plain functions: a loop runs here, so this is a coroutine, or another such world's "
                "block; in a coroutine write `async with World(...)`"
            )
        loop = VirtualTimeLoop()
        self._loop = loop
        self._runner = asyncio.Runner(loop_factory=lambda: loop)
        self._runner.get_loop()
        return loop
