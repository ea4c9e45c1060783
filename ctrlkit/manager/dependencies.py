"""
Dependencies: what a program needs from outside of the cluster, opened and closed with its manager.

    @dependency
    async def registry() -> AsyncIterator[Registry]:
        async with aiohttp.ClientSession("https://registry.example.com") as session:
            yield Registry(session)

Each has a task of its own from its opening to its end, so that what it opens may be bound to a task, as task groups and
time limits are.

M-f  No controller that uses a dependency starts before it is open; it is closed when their reconciles have ended, and
     the lease is given back after that. Those opened first are closed last.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ctrlkit import clock
from ctrlkit.errors import CtrlkitError
from ctrlkit.failures import describe, is_foreseen
from ctrlkit.manager.tasks import ManagedTasks
from ctrlkit.telemetry import logger

if TYPE_CHECKING:
    from ctrlkit.manager.manager import Manager

T = TypeVar("T")


class DependencyFailed(CtrlkitError):
    """What a program needs from outside could not be opened, or closed."""


class Dependency(Generic[T]):
    """
    What @dependency makes of a function: a description, of which each manager opens an instance of its own.

    Shape   `function` is the plain function.
    """

    name: str
    __name__: str

    def __init__(self, function: Callable[..., AsyncIterator[T]]) -> None:
        self._takes_manager = _parameters(function)
        self.name = self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.function = function
        """The plain function."""

    def open(self, manager: Manager) -> AbstractAsyncContextManager[T]:
        """Open an instance for the length of a block, as a manager does."""
        return asynccontextmanager(self.function)(*((manager,) if self._takes_manager else ()))

    def __repr__(self) -> str:
        return f"<dependency {self.name}>"


def dependency(function: Callable[..., AsyncIterator[T]]) -> Dependency[T]:
    """
    Make of an async generator function, which yields once, something that reconcilers can use.

        @dependency
        async def registry() -> AsyncIterator[Registry]:
            async with Registry.connect() as opened:
                yield opened

        @reconciler(CACHES, uses=[registry])
        async def caches(cache: Cache, context: Context) -> Outcome:
            await context.use(registry).register(cache.metadata.name)

    Shape   What stands before the yield opens it, before controllers start; what stands behind closes it, after they
            have ended. The function takes nothing, or the Manager. A manager opens one instance for all who use it. In
            the full form a build function has it by `manager.use(registry)`. In tests `world.provide(registry, fake)`
            puts another in its place, and nothing is opened.
    Errors  TypeError for anything but an async generator function of at most one parameter.
    """
    return Dependency(function)


class Provided(Generic[T]):
    """The instance of a dependency that a manager has, or will have: `value` once it is open."""

    def __init__(self, wanted: Dependency[T]) -> None:
        self.name: str = wanted.name
        """The dependency's name."""
        self._instances: list[T] = []

    @property
    def value(self) -> T:
        """The instance; RuntimeError before the manager has opened it."""
        if not self._instances:
            raise RuntimeError(
                f"use dependency {self.name}: it is not open; it is from the start of controllers to their end, so ask "
                "for its value in a reconcile"
            )
        return self._instances[0]

    def is_open(self) -> bool:
        """Whether there is a value."""
        return bool(self._instances)

    def put(self, instance: T) -> None:
        """Have an instance, as when the manager has opened it."""
        self._instances[:] = [instance]


class Dependencies:
    """
    The dependencies of one manager.

    Units   `grace_s` is how long the closing of each may take; then it is cut off.
    Owner   The manager: it opens with `start`, waits with `wait_open`, and calls `close` on its way to the end.
    """

    def __init__(self, manager: Manager, tasks: ManagedTasks, *, grace_s: float) -> None:
        self._manager = manager
        self._tasks = tasks
        self._grace_s = grace_s
        self._held: dict[Dependency[Any], _Held] = {}
        self._given: dict[Dependency[Any], Any] = {}
        self._log = logger("manager")

    def use(self, wanted: Dependency[T]) -> Provided[T]:
        """Return the one instance, which `start` opens."""
        held = self._held.get(checked_dependency(wanted, "use"))
        if held is None:
            before = next(reversed(self._held.values()), None)
            held = self._held[wanted] = _Held(Provided(wanted), before)
            if wanted in self._given:
                held.put(self._given[wanted])
        return cast("Provided[T]", held.provided)

    def provide(self, wanted: Dependency[T], instance: T) -> None:
        """Put an instance in place of what would be opened; RuntimeError once it is used."""
        if checked_dependency(wanted, "provide") in self._held:
            raise RuntimeError(f"provide {wanted.name}: the manager uses it already; provide it before its build")
        self._given[wanted] = instance

    def start(self) -> None:
        """Open those that are not open yet, one after the other."""
        for wanted, held in self._held.items():
            if held.task is None and not held.opened.is_set():
                held.task = self._tasks.start(f"dependency:{wanted.name}", self._hold(wanted, held))

    async def wait_open(self, *, timeout_s: float) -> None:
        """Return when all are open; DependencyFailed after so long."""
        try:
            async with asyncio.timeout(timeout_s):
                for held in tuple(self._held.values()):
                    await held.opened.wait()
        except TimeoutError:
            late = ", ".join(self.opening())
            raise DependencyFailed(
                f"open dependency {late}: it was not open within {timeout_s:g} s; see what it waits for, or allow more "
                "time with sync_timeout_s"
            ) from None

    def opening(self) -> tuple[str, ...]:
        """The names of those that are not open yet."""
        return tuple(wanted.name for wanted, held in self._held.items() if not held.opened.is_set())

    async def close(self) -> None:
        """Close those that are open, the last one first; those that open just now are cut off."""
        for wanted, held in reversed(self._held.items()):
            if held.task is None:
                continue
            if held.opened.is_set():
                held.closing.set()
                if await self._tasks.wait([held.task], timeout_s=self._grace_s):
                    self._log.warning("dependency_cut_off", dependency=wanted.name, within_s=self._grace_s)
            await self._tasks.end([held.task])

    async def _hold(self, wanted: Dependency[Any], held: _Held) -> None:
        if held.before is not None:
            await held.before.opened.wait()
        began = clock.monotonic()
        try:
            async with wanted.open(self._manager) as instance:
                held.put(instance)
                took_ms = round((clock.monotonic() - began) * 1000, 1)
                self._log.info("dependency_opened", dependency=wanted.name, took_ms=took_ms)
                await held.closing.wait()
        except Exception as error:
            if not is_foreseen(error):
                error.add_note(f"in dependency {wanted.name}")
                raise
            step = "keep" if held.opened.is_set() else "open"
            step = "close" if held.closing.is_set() else step
            raise DependencyFailed(f"{step} dependency {wanted.name}: {describe(error)}") from error


class _Held:
    """A dependency of a manager, and the one that is opened before it."""

    def __init__(self, provided: Provided[Any], before: _Held | None) -> None:
        self.provided = provided
        self.before = before
        self.task: asyncio.Task[None] | None = None
        self.opened = asyncio.Event()
        self.closing = asyncio.Event()

    def put(self, instance: Any) -> None:
        self.provided.put(instance)
        self.opened.set()


def checked_dependency(wanted: Dependency[T], verb: str) -> Dependency[T]:
    """Return a dependency. Errors: TypeError for what is none."""
    given: object = wanted
    if not isinstance(given, Dependency):
        name = getattr(given, "__name__", repr(given))
        raise TypeError(f"{verb} {name}: it is no dependency; write @dependency above the function that opens it")
    return wanted


def _parameters(function: Callable[..., object]) -> int:
    """How many arguments a dependency's function takes: none or one."""
    name = getattr(function, "__qualname__", repr(function))
    if not inspect.isasyncgenfunction(function):
        raise TypeError(
            f"@dependency: {name} is no async generator; write `async def {name}() -> AsyncIterator[...]`, with one "
            "yield between what opens it and what closes it"
        )
    parameters = inspect.signature(function).parameters
    needed = [
        each for each in parameters.values() if each.default is each.empty and each.kind is not each.VAR_POSITIONAL
    ]
    if len(needed) > 1:
        raise TypeError(f"@dependency: {name} takes {len(needed)} arguments; write it with none, or with the manager")
    return len(needed)
