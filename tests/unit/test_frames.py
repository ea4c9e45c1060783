"""Which line of own code an error came from, and at which one a task waits."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ctrlkit.bounded import BoundedDict
from ctrlkit.frames import place_of_error, place_of_task


def line_of(function: Callable[..., object], text: str) -> str:
    """The place of the line of a function that has a text."""
    lines, first = inspect.getsourcelines(function)
    number = next(at for at, line in enumerate(lines) if text in line)
    return f"test_frames.py:{first + number} in {function.__name__}"


async def sleeps() -> None:
    await asyncio.sleep(3600)


async def waits_for_an_event() -> None:
    async with asyncio.timeout(3600):
        await asyncio.Event().wait()


async def waits_for_others() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sleeps())


async def numbers() -> AsyncIterator[int]:
    await asyncio.sleep(3600)
    yield 1


async def loops() -> None:
    async for _ in numbers():
        pass


async def calls(inner: Callable[[], Awaitable[None]]) -> None:
    await inner()


@pytest.mark.parametrize(
    ("inner", "text"),
    [(sleeps, "sleep("), (waits_for_an_event, "wait()"), (waits_for_others, "async with"), (loops, "async for")],
)
async def test_a_task_waits_at_the_innermost_line_of_own_code(inner: Callable[[], Awaitable[None]], text: str) -> None:
    """However many coroutines of the library are below it."""
    task = asyncio.create_task(calls(inner))
    await asyncio.sleep(1)
    assert place_of_task(task) == line_of(inner, text)
    task.cancel()


def parses() -> None:
    json.loads("{")


def looks_up() -> None:
    BoundedDict[str, int](limit=1).popitem()


async def is_too_long() -> None:
    async with asyncio.timeout(1):
        await asyncio.sleep(3600)


@pytest.mark.parametrize(("function", "text"), [(parses, "loads"), (looks_up, "popitem")])
def test_an_error_came_from_the_innermost_line_of_own_code(function: Callable[[], None], text: str) -> None:
    """Not from the library's line that raised it, nor from the framework's."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - any
        function()
    assert place_of_error(raised.value) == line_of(function, text)


def test_an_error_without_lines_of_own_code_came_from_where_its_cause_did() -> None:
    """As one that the framework makes of another; of a group, the first that has such lines."""
    with pytest.raises(ValueError, match="Expecting") as raised:
        parses()
    error = RuntimeError("wrapped")
    error.__cause__ = raised.value
    assert place_of_error(error) == line_of(parses, "loads")
    assert place_of_error(ExceptionGroup("some", [KeyError("none"), error])) == line_of(parses, "loads")
    error.__cause__ = error
    assert place_of_error(error) == ""


async def test_a_time_limit_says_what_it_cut_off() -> None:
    """The line that awaited when the time was over, or the limit's own: both lead there."""
    with pytest.raises(TimeoutError) as raised:
        await is_too_long()
    assert place_of_error(raised.value) == line_of(is_too_long, "async with")
    raised.value.__traceback__ = None
    assert place_of_error(raised.value) == line_of(is_too_long, "sleep")
