"""The tasks of one owner."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from ctrlkit.clock import monotonic
from ctrlkit.errors import NotSynced
from ctrlkit.manager.tasks import ManagedTasks


async def fail(error: BaseException) -> None:
    await asyncio.sleep(1)
    raise error


async def forever(name: str, ends: list[str], cleanup_s: float = 0.0) -> None:
    try:
        await asyncio.sleep(1e9)
    finally:
        await asyncio.sleep(cleanup_s)
        ends.append(name)


async def test_a_failure_is_told_and_stops_nobody() -> None:
    """It is the owner who ends the others, in its order: the part started last first."""
    told = asyncio.Event()
    parts, ends = ManagedTasks(told.set), list[str]()
    with capture_logs() as lines:
        parts.start("caches", forever("caches", ends))
        parts.start("recorder", forever("recorder", ends, cleanup_s=5))
        parts.start("admission", fail(NotSynced("fill the caches: pods")))
        await told.wait()
        assert ends == []
        await parts.end_all()
    assert ends == ["recorder", "caches"]
    with pytest.raises(NotSynced, match="pods"):
        parts.raise_failures()
    (line,) = lines
    assert (line["event"], line["name"], line["error"], line["exc_info"]) == (
        "part_failed",
        "admission",
        "fill the caches: pods",
        None,
    )


async def test_one_error_is_taken_out_of_its_groups_and_several_are_raised_together() -> None:
    """A TaskGroup inside a part wraps its error; nobody wants to read that."""
    parts = ManagedTasks(lambda: None)
    parts.start("a", fail(ExceptionGroup("outer", [ExceptionGroup("inner", [KeyError("spec")])])))
    await asyncio.sleep(2)
    await parts.end_all()
    with pytest.raises(KeyError):
        parts.raise_failures()
    parts.start("b", fail(OSError("disk")))
    await asyncio.sleep(2)
    with pytest.raises(ExceptionGroup, match="2 parts of the manager failed") as caught:
        parts.raise_failures()
    assert [type(error) for error in caught.value.exceptions] == [KeyError, OSError]


async def test_a_failure_of_the_very_last_moment_is_not_lost() -> None:
    """A task that is done, and whose end nobody has seen yet."""

    async def fail_at_once() -> None:
        raise KeyError("spec")

    parts = ManagedTasks(lambda: None)
    task = parts.start("a", fail_at_once())
    await asyncio.sleep(0)
    assert task.done()
    assert parts.failures == []
    await parts.end_all()
    with pytest.raises(KeyError):
        parts.raise_failures()


async def test_a_part_that_others_cancel_has_failed() -> None:
    """Its work is not done any more, and nobody would know."""
    parts = ManagedTasks(lambda: None)
    task = parts.start("caches", forever("caches", []))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)
    with pytest.raises(RuntimeError, match="caches was cancelled"):
        parts.raise_failures()


async def test_whoever_is_cancelled_again_and_again_still_leaves_nobody_behind() -> None:
    """The owner's end may be cancelled as often as one likes: all have ended when it is over."""
    parts, ends = ManagedTasks(lambda: None), list[str]()
    parts.start("caches", forever("caches", ends, cleanup_s=5))
    parts.start("recorder", forever("recorder", ends, cleanup_s=5))
    owner = asyncio.create_task(parts.end_all())
    for _ in range(6):
        await asyncio.sleep(0)
        owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert parts.left == ()


async def test_after_giving_up_nobody_waits_for_what_does_not_end() -> None:
    """Neither a wait that goes on when it is said, nor one that comes later; what has ended by then was awaited."""
    let_go = asyncio.Event()

    async def stubborn() -> None:
        while not let_go.is_set():
            with suppress(asyncio.CancelledError):
                await let_go.wait()

    parts, ends = ManagedTasks(lambda: None), list[str]()
    work = parts.start("work", stubborn())
    parts.start("caches", forever("caches", ends))
    await asyncio.sleep(1)
    parts.give_up_in(5)
    await parts.end((work,))
    assert 6 <= monotonic() < 6.5
    assert await parts.wait((work,)) == {work}
    await parts.end_all()
    assert monotonic() < 6.5
    assert (parts.left, ends) == (("work",), ["caches"])
    parts.raise_failures()
    let_go.set()
    await asyncio.sleep(0.1)
    assert parts.left == ()
