"""When a silent stream is given up."""

from __future__ import annotations

import asyncio

import pytest

from ctrlkit import clock
from ctrlkit.cache.reflector.options import END_GRACE_S, MARKER_PATIENCE_S, SILENCE_S
from ctrlkit.cache.reflector.reflector import guarded
from ctrlkit.cache.reflector.watchdog import DOUBT_S, Watchdog


def watching(*, bookmark_at: float | None = None) -> Watchdog:
    """A watch of 300 s opened at 0, with or without a bookmark."""
    watchdog = Watchdog()
    watchdog.opened(0.0, timeout_s=300)
    if bookmark_at is not None:
        watchdog.heard(bookmark_at)
        watchdog.bookmark(bookmark_at)
    return watchdog


@pytest.mark.behaviour("R8")
def test_a_server_without_bookmarks_has_until_after_the_end_of_the_watch() -> None:
    """It may have nothing to say; but it should have ended the watch by then."""
    assert watching().deadline == 300 + END_GRACE_S
    watchdog = watching()
    watchdog.heard(310.0)
    assert watchdog.deadline == 310 + END_GRACE_S


@pytest.mark.behaviour("R8")
def test_a_server_with_bookmarks_has_three_minutes() -> None:
    """It was heard to send them, on this watch or an earlier one."""
    watchdog = watching(bookmark_at=60.0)
    assert watchdog.deadline == 60 + SILENCE_S
    watchdog.heard(100.0)
    assert watchdog.deadline == 100 + SILENCE_S
    watchdog.opened(1000.0, timeout_s=300)
    assert watchdog.deadline == 1000 + SILENCE_S


def test_a_bookmark_at_the_end_of_a_watch_says_nothing_of_those_in_between() -> None:
    """All servers send that one."""
    watchdog = watching(bookmark_at=298.0)
    watchdog.opened(300.0, timeout_s=300)
    assert watchdog.deadline == 600 + END_GRACE_S


def test_who_was_given_up_must_show_its_bookmarks_again() -> None:
    """A server that stopped sending them costs one watch, not one every three minutes."""
    watchdog = watching(bookmark_at=60.0)
    watchdog.gave_up()
    watchdog.opened(240.0, timeout_s=300)
    assert watchdog.deadline == 540 + END_GRACE_S


@pytest.mark.behaviour("R22", "B17")
def test_a_streamed_list_has_some_seconds_after_each_object_for_the_next_or_the_end() -> None:
    """From when it is open, and however long it is."""
    watchdog = Watchdog()
    watchdog.asked(0.0, timeout_s=300)
    assert watchdog.deadline == 300 + END_GRACE_S
    watchdog.opened(20.0, timeout_s=300, collecting=True)
    assert watchdog.deadline == 20 + MARKER_PATIENCE_S
    watchdog.heard(25.0)
    assert watchdog.deadline == 25 + MARKER_PATIENCE_S
    watchdog.collected()
    assert watchdog.deadline == 320 + END_GRACE_S


def test_patience_that_the_server_asks_for_is_no_silence() -> None:
    """A watch that is not open yet is waited for, whatever the last one taught of bookmarks; looked at all the time."""
    watchdog = watching(bookmark_at=60.0)
    watchdog.asked(400.0, timeout_s=300)
    assert watchdog.deadline == 700 + END_GRACE_S
    assert watchdog.next_check_at(400.0) == 400 + MARKER_PATIENCE_S
    watchdog.opened(650.0, timeout_s=300)
    assert watchdog.deadline == 650 + SILENCE_S
    assert watchdog.next_check_at(650.0) == 650 + DOUBT_S


@pytest.mark.behaviour("B14")
def test_what_nobody_can_read_leaves_the_stream_half_a_minute() -> None:
    """From the first such line on, and on this stream only."""
    watchdog = watching()
    watchdog.doubt(10.0)
    watchdog.heard(20.0)
    watchdog.doubt(20.0)
    assert watchdog.deadline == 10 + DOUBT_S
    watchdog.opened(50.0, timeout_s=300)
    assert watchdog.deadline == 350 + END_GRACE_S


async def test_the_guard_follows_the_deadline_wherever_it_moves() -> None:
    """Later as things come; earlier where bookmarks are learnt."""
    watchdog = watching()

    async def wait() -> None:
        async with guarded(watchdog):
            await asyncio.sleep(100)
            watchdog.heard(100.0)
            watchdog.bookmark(100.0)
            await asyncio.sleep(1e9)

    with pytest.raises(TimeoutError):
        await wait()
    assert clock.monotonic() == 100 + SILENCE_S


async def test_a_guard_whose_block_ends_leaves_nothing_behind() -> None:
    """No timer that fires into what comes later."""
    async with guarded(watching()):
        await asyncio.sleep(1)
    await asyncio.sleep(1000)
