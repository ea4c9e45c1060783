"""Many occurrences, one Event with a series."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.events.occurrence import REMEMBERED_MAX, Decision, Entry, EventType, Occurrence, Recorded, Reference
from ctrlkit.events.series import SeriesBook

POD = Reference("v1", "Pod", "demo", "web-0", "u1")
NODE = Reference("v1", "Node", "", "node-1", "u2")
FAILED = Occurrence(regarding=POD, type=EventType.WARNING, reason="Failed", action="Pull", message="no route")
START = datetime(2026, 1, 1, tzinfo=UTC)


def record(book: SeriesBook, occurrence: Occurrence = FAILED, at: float = 0.0) -> Recorded:
    return book.record(occurrence, wall=START + timedelta(seconds=at), at=at)


def tell(entry: Entry, book: SeriesBook, at: float = 0.0) -> None:
    """The write of an entry succeeded."""
    entry.told = entry.count
    book.ended(entry, at)


@pytest.mark.behaviour("E9")
def test_the_first_is_written_and_the_second_and_then_no_more() -> None:
    """E9: create, a series of two, then counts in memory."""
    book = SeriesBook()
    rulings = [record(book, at=float(number)) for number in range(5)]
    assert [recorded.decision for recorded in rulings] == [
        Decision.WRITE,
        Decision.WRITE,
        Decision.COUNT,
        Decision.COUNT,
        Decision.COUNT,
    ]
    (entry,) = {recorded.entry for recorded in rulings}
    assert (entry.count, entry.first, entry.last) == (5, START, START + timedelta(seconds=4))


@pytest.mark.behaviour("E9")
@pytest.mark.parametrize(
    ("other", "same"),
    [
        (replace(FAILED, message="refused"), True),
        (replace(FAILED, version="8"), False),
        (replace(FAILED, type=EventType.NORMAL), False),
        (replace(FAILED, action="Push"), False),
        (replace(FAILED, reason="Refused"), False),
        (replace(FAILED, regarding=NODE), False),
        (replace(FAILED, related=NODE), False),
    ],
)
def test_what_says_the_same(other: Occurrence, same: bool) -> None:
    """E9: type, action, reason, related and regarding with its version, and not the note: the first one's stays."""
    book = SeriesBook()
    entry = record(book).entry
    assert (record(book, other).entry is entry) is same
    assert entry.about == FAILED


@pytest.mark.behaviour("E10")
def test_a_live_series_is_written_each_30_minutes() -> None:
    """E10: if it gained something."""
    book = SeriesBook()
    book.begin(0.0)
    entry, looked = record(book).entry, {}
    tell(entry, book)
    for minute in range(1, 61):
        at = minute * 60.0
        record(book, at=at)
        if minute == 1:
            tell(entry, book, at)
        if at >= book.next_look():
            due = book.look(at)
            looked[minute] = len(due)
            for each in due:
                tell(each, book, at)
    assert looked == {minute: int(minute in (30, 60)) for minute in range(6, 61, 6)}


@pytest.mark.behaviour("E10")
def test_a_series_that_ended_is_written_a_last_time_and_leaves() -> None:
    """E10: idle for more than 6 minutes at one of the looks, which come each 6 minutes."""
    book = SeriesBook()
    book.begin(0.0)
    entry = record(book).entry
    for at in (0.0, 100.0):
        record(book, at=at)
    assert book.look(360.0) == []
    assert book.look(720.0) == [entry]
    tell(entry, book, 721.0)
    assert record(book, at=722.0).entry is not entry


@pytest.mark.behaviour("E10")
def test_a_lone_event_just_leaves() -> None:
    """E10: nothing is written."""
    book = SeriesBook()
    book.begin(0.0)
    entry = record(book, at=10.0).entry
    tell(entry, book, 10.0)
    assert book.look(360.0) == []
    assert record(book, replace(FAILED, reason="Other"), at=361.0).decision is Decision.WRITE
    assert book.look(720.0) == []
    assert record(book, at=721.0).entry is not entry


@pytest.mark.behaviour("E10")
def test_an_ended_series_stays_while_its_last_write_fails_or_when_it_goes_on() -> None:
    """E10: an undelivered write is tried again at the next look; a new occurrence makes it live again."""
    book = SeriesBook()
    book.begin(0.0)
    entry = record(book).entry
    for _ in range(2):
        record(book)
    assert book.look(400.0) == [entry]
    assert book.look(800.0) == [entry]
    assert record(book, at=801.0).entry is entry
    tell(entry, book, 802.0)
    assert record(book, at=803.0).entry is entry


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1000)), max_size=60))
def test_for_any_sequence_what_is_written_adds_up(sequence: list[tuple[int, float]]) -> None:
    """Each occurrence is counted once, by an Event that is told it in the end, and writes are few."""
    book, at, writes = SeriesBook(), 0.0, 0
    book.begin(at)
    entries: dict[int, Entry] = {}
    looks = 0

    def write(entry: Entry) -> None:
        nonlocal writes
        writes += 1
        tell(entry, book, at)

    for reason, later in sequence:
        at += later
        while book.next_look() <= at:
            looks += 1
            for due in book.look(at):
                write(due)
        recorded = record(book, replace(FAILED, reason=f"Reason{reason}"), at)
        entries[id(recorded.entry)] = recorded.entry
        if recorded.decision is Decision.WRITE:
            write(recorded.entry)
    for entry in book.untold():
        write(entry)
    assert sum(entry.told for entry in entries.values()) == len(sequence)
    assert writes <= 2 * len(entries) + 3 * (looks + 1)


def test_the_book_is_bounded_and_what_has_to_leave_is_written() -> None:
    """The entry that nothing was added to for longest makes room."""
    book = SeriesBook()
    oldest = record(book).entry
    for _ in range(2):
        record(book)
    for number in range(REMEMBERED_MAX - 1):
        record(book, replace(FAILED, reason=f"Reason{number}"))
    assert record(book, replace(FAILED, reason="Last")).leaving is oldest
    assert record(book).entry is not oldest
