"""What passes between a stream and a store."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.cache.reflector.events import DELETIONS_REMEMBERED, EventFilter, StreamedList
from ctrlkit.cache.reflector.machine import Reason, StreamStep
from ctrlkit.model import Applied, Bookmark, Deleted
from tests.support.records import applied, deleted


def keys(events: list[Applied[Any] | Deleted[Any]]) -> list[str]:
    return [f"{event.record.key}@{event.record.version}" for event in events]


def test_what_comes_again_after_its_deletion_does_not_come_back() -> None:
    """Only a newer object of the name does."""
    intake: EventFilter[Any] = EventFilter()
    assert keys(intake.take([applied("d/a", 5), deleted("d/a", 7)])) == ["d/a@5", "d/a@7"]
    assert keys(intake.take([applied("d/a", 5), applied("d/a", 7), applied("d/b", 6)])) == ["d/b@6"]
    assert keys(intake.take([applied("d/a", 8)])) == ["d/a@8"]
    intake.take([deleted("d/a", 9), deleted("d/a", 7)])
    assert keys(intake.take([applied("d/a", 8)])) == []


def test_versions_that_are_no_numbers_are_let_through() -> None:
    """They have no order, so nothing can be said to be late."""
    intake: EventFilter[Any] = EventFilter()
    intake.take([deleted("d/a", "x")])
    assert keys(intake.take([applied("d/a", "w")])) == ["d/a@w"]


def test_deletions_are_not_remembered_for_ever() -> None:
    """A thousand, and none from before a list."""
    intake: EventFilter[Any] = EventFilter()
    intake.take([deleted(f"d/{number}", number + 1) for number in range(DELETIONS_REMEMBERED + 1)])
    assert keys(intake.take([applied("d/0", 1), applied("d/1", 1)])) == ["d/0@1"]
    intake.clear()
    assert keys(intake.take([applied("d/1", 1)])) == ["d/1@1"]


@pytest.mark.behaviour("R20", "R14")
def test_a_streamed_list_ends_at_its_marker_and_at_no_other_bookmark() -> None:
    """What follows the marker is handed back."""
    collecting: StreamedList[Any] = StreamedList(StreamStep("", Reason.FIRST), known=lambda record: record)
    assert collecting.take([applied("d/a", 3), Bookmark("4"), applied("d/b", 2), applied("d/b", 5)]) == ()
    assert (collecting.version, len(collecting.records)) == (None, 2)
    rest = collecting.take(
        [deleted("d/a", 6), applied("d/a", 3), Bookmark("7", ends_initial_events=True), Bookmark("8")]
    )
    assert collecting.version == "7"
    assert [record.version for record in collecting.records.values()] == ["5"]
    assert rest == [Bookmark("8")]
