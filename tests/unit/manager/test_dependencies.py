"""Outside clients: opened before controllers, closed after them, and replaced in a world."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import CtrlkitError
from ctrlkit.fakes import World
from ctrlkit.manager import Context, DependencyFailed, Manager, dependency, reconciler
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS
from tests.support.greetings import GREETINGS, greeting


class Registry:
    """Stands for what is outside."""

    def __init__(self) -> None:
        self.names: list[str] = []


def _fail(error: Exception) -> None:
    raise error


async def test_it_is_open_as_long_as_controllers_work_and_closed_behind_them() -> None:
    """One instance for all who use it, in both forms; the last one opened is closed first."""
    log: list[str] = []

    @dependency
    async def outer() -> AsyncIterator[Registry]:
        log.append("open outer")
        yield Registry()
        log.append("close outer")

    @dependency
    async def inner(manager: Manager) -> AsyncIterator[str]:
        log.append(f"open inner as {manager.client.field_manager}")
        async with asyncio.timeout(3600), asyncio.TaskGroup():  # which belong to a task
            yield "inner"
        log.append("close inner")

    @reconciler(GREETINGS, uses=[outer, inner])
    async def short(_thing: Unstructured, context: Context) -> Outcome:
        context.use(outer).names.append(f"{context.use(inner)} {context.key.name}")
        try:
            await asyncio.sleep(20)
        finally:
            log.append("reconcile ended")
        return DONE

    def build(manager: Manager) -> list[Controller]:
        registry, informer = manager.use(outer), manager.informer(CONFIG_MAPS)
        with pytest.raises(RuntimeError, match="dependency outer: it is not open"):
            _ = registry.value

        async def reconcile(_request: Request) -> Outcome:
            return DONE

        full = Controller(name="full", reconcile=reconcile, watches=[Watch(informer, to_self)])
        return [short(manager), full]

    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(build)
        await world.pass_time("10s")
        assert log == ["open outer", "open inner as tests.unit.manager.test_dependencies"]
        assert manager.use(outer).value.names == ["inner hello"]
        await world.stop(manager)
    assert log[2:] == ["reconcile ended", "close inner", "close outer"]


async def test_a_world_puts_another_in_its_place() -> None:
    """Nothing is opened then; after a restart as before it."""

    @dependency
    async def registry() -> AsyncIterator[Registry]:
        _fail(AssertionError("the real one"))
        yield Registry()

    @reconciler(GREETINGS, uses=[registry])
    async def register(_thing: Unstructured, context: Context) -> Outcome:
        context.use(registry).names.append(context.key.name)
        return DONE

    async with World(greeting(), kinds=[GREETINGS]) as world:
        fake = Registry()
        world.provide(registry, fake)
        manager = world.manage(register)
        await world.settle()
        await world.stop(manager)
        world.restart(manager)
        await world.settle()
        assert fake.names == ["hello", "hello"]


def test_a_world_of_plain_functions_does_too() -> None:
    """World.sync has `provide` as well."""

    @dependency
    async def registry() -> AsyncIterator[Registry]:
        yield Registry()

    @reconciler(GREETINGS, uses=[registry])
    async def register(_thing: Unstructured, context: Context) -> Outcome:
        context.use(registry).names.append(context.key.name)
        return DONE

    with World.sync(greeting(), kinds=[GREETINGS]) as world:
        fake = Registry()
        world.provide(registry, fake)
        world.manage(register)
        world.settle()
        assert fake.names == ["hello"]


async def test_what_cannot_be_opened_ends_the_program_in_one_line() -> None:
    """The controllers never start; a mistake in the function keeps its own type and says where it was made."""
    for error, kind, words in (
        (
            ConnectionRefusedError("no route"),
            DependencyFailed,
            "open dependency down: ConnectionRefusedError: no route",
        ),
        (KeyError("url"), KeyError, "url"),
    ):

        @dependency
        async def down(error: Exception = error) -> AsyncIterator[str]:
            _fail(error)
            yield ""

        @reconciler(GREETINGS, uses=[down])
        async def never(_thing: Unstructured, _context: Context) -> Outcome:
            raise AssertionError("it was called")

        async with World(greeting(), kinds=[GREETINGS]) as world:
            manager = world.manage(never)
            with pytest.raises(kind, match=words) as raised:
                await world.settle()
            assert issubclass(kind, CtrlkitError) or "in dependency down" in raised.value.__notes__
            with pytest.raises(kind):
                await world.stop(manager)


async def test_one_that_is_never_open_is_named_and_can_be_stopped() -> None:
    """After the time that the first lists have; a stop in the middle of the opening ends it."""
    log: list[str] = []

    @dependency
    async def slow() -> AsyncIterator[str]:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("gave up")
        yield ""

    @reconciler(GREETINGS, uses=[slow])
    async def never(_thing: Unstructured, _context: Context) -> Outcome:
        raise AssertionError("it was called")

    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(never)
        await world.pass_time("60s")
        assert "dependency slow is not open" in manager.busy()
        await world.stop(manager)
        assert log == ["gave up"]
        second = world.manage(never, name="second")
        with pytest.raises(DependencyFailed, match="open dependency slow: it was not open within 120 s"):
            await world.pass_time("121s")
        with pytest.raises(DependencyFailed):
            await world.stop(second)


async def test_one_that_ends_by_itself_ends_the_manager() -> None:
    """What it raises while it is used is told as that."""

    @dependency
    async def failing() -> AsyncIterator[str]:
        async with asyncio.TaskGroup() as group:
            group.create_task(_break())
            yield "open"

    async def _break() -> None:
        await asyncio.sleep(5)
        raise ConnectionResetError("gone")

    @reconciler(GREETINGS, uses=[failing])
    async def greet(_thing: Unstructured, _context: Context) -> Outcome:
        return DONE

    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(greet)
        await world.settle()
        with pytest.raises(DependencyFailed, match="keep dependency failing: ConnectionResetError: gone"):
            await world.pass_time("6s")
        with pytest.raises(DependencyFailed):
            await world.stop(manager)


async def test_mistakes_are_told_with_what_to_write() -> None:
    """A function of another form, one that nobody names, one that is given too late."""

    async def plain() -> Registry:
        return Registry()

    async def greedy(_one: str, _other: str) -> AsyncIterator[str]:
        yield ""

    @dependency
    async def registry() -> AsyncIterator[Registry]:
        yield Registry()

    @reconciler(GREETINGS)
    async def forgot(_thing: Unstructured, context: Context) -> Outcome:
        context.use(registry)
        return DONE

    with pytest.raises(TypeError, match=r"plain is no async generator; write `async def .*plain\(\)"):
        dependency(plain)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="greedy takes 2 arguments"):
        dependency(greedy)
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.allow_failures(LookupError)
        manager = world.manage(forgot)
        with pytest.raises(TypeError, match="use Registry: it is no dependency; write @dependency above"):
            manager.use(Registry)  # type: ignore[arg-type]
        manager.use(registry)
        with pytest.raises(RuntimeError, match="provide registry: the manager uses it already"):
            manager.provide(registry, Registry())
        await world.pass_time("1s")
        assert "name it in @reconciler(..., uses=[...])" in str(world.trace.last_error("forgot", "demo/hello"))
