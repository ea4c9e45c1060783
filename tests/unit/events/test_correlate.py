"""Many occurrences, few Events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.events.correlate import COMBINED, SPAM_BURST, SPAM_REFILL_S, Correlator
from ctrlkit.events.occurrence import Decision, EventType, Occurrence, Recorded, Reference

POD = Reference("v1", "Pod", "demo", "web-0", "u1")
PULLED = Occurrence(regarding=POD, type=EventType.NORMAL, reason="Pulled", message="pulled the image")
START = datetime(2026, 1, 1, tzinfo=UTC)


def record(correlator: Correlator, occurrence: Occurrence = PULLED, at: float = 0.0) -> Recorded:
    return correlator.record(occurrence, wall=START + timedelta(seconds=at), at=at)


def saying(message: object) -> Occurrence:
    return replace(PULLED, message=f"message {message}")


def up_to(count: int) -> list[Occurrence]:
    return [saying(number) for number in range(count)]


@dataclass(frozen=True)
class Story:
    """What was said before, each `every` seconds, and what becomes of one thing more."""

    before: list[Occurrence]
    now: Occurrence
    count: int
    decision: Decision = Decision.WRITE
    combined: bool = False
    every: float = 0.0


STORIES = {
    "a single event": Story([], PULLED, 1),
    "the same is counted": Story([PULLED], PULLED, 2),
    "the same is counted however often": Story([PULLED] * 10, PULLED, 11),
    "the same too often is spam": Story([PULLED] * SPAM_BURST, PULLED, 26, Decision.SPAM),
    "the same often, but slowly, is not": Story([PULLED] * 60, PULLED, 61, every=SPAM_REFILL_S),
    "other reasons are other events": Story(
        [replace(PULLED, reason=f"Reason{number}") for number in range(20)], replace(PULLED, reason="Other"), 1
    ),
    "other objects are other sources": Story(
        [replace(PULLED, regarding=POD._replace(uid=f"u{number}")) for number in range(2, 60)], PULLED, 1
    ),
    "the tenth message is combined": Story(up_to(9), saying("new"), 1, combined=True),
    "later ones raise its count": Story(up_to(15), saying("new"), 7, combined=True),
    "a message known from before goes its own way": Story(up_to(9), saying(4), 2),
    "messages at long intervals are not combined": Story(up_to(20), saying("new"), 1, every=601.0),
    "at intervals of the window they are": Story(up_to(9), saying("new"), 1, combined=True, every=600.0),
    "combined ones may be spam too": Story(up_to(25), saying("new"), 17, Decision.SPAM, combined=True),
    "types are apart": Story(up_to(25), replace(PULLED, type=EventType.WARNING), 1),
}


@pytest.mark.behaviour("E4", "E5", "E6", "E7")
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_the_story_of_the_correlator(story: Story) -> None:
    """Row 21 of the acceptance tests: aggregation, counting and spam with exact numbers."""
    correlator, at = Correlator(), 0.0
    for earlier in story.before:
        record(correlator, earlier, at)
        at += story.every
    recorded = record(correlator, story.now, at)
    assert (recorded.entry.count, recorded.decision, recorded.entry.combined) == (
        story.count,
        story.decision,
        story.combined,
    )
    assert recorded.entry.about.message == (COMBINED if story.combined else "") + story.now.message


@pytest.mark.behaviour("E4")
def test_ten_messages_are_nine_events_and_a_combined_one() -> None:
    """E4: the prefix, a count of 1, and the newest message; 600 s count from the last similar event."""
    correlator = Correlator()
    entries = [record(correlator, said).entry for said in up_to(10)]
    assert [entry.combined for entry in entries] == [False] * 9 + [True]
    assert len(set(map(id, entries))) == 10
    assert entries[9].about.message == "(combined from similar events): message 9"
    assert (entries[9].count, entries[9].first) == (1, START)
    assert record(correlator, saying(10), at=600.0).entry is entries[9]
    assert entries[9].about.message == "(combined from similar events): message 10"
    assert record(correlator, saying(11), at=1200.0).entry is entries[9]
    assert not record(correlator, saying(12), at=1800.1).entry.combined


@pytest.mark.behaviour("E6")
def test_26_events_are_25_writes_and_after_300_s_one_more() -> None:
    """E6: the filter counts all reasons and messages of an object together; what it holds is counted all the same."""
    correlator = Correlator()
    said = [replace(PULLED, reason=f"Reason{number % 7}") for number in range(26)]
    fates = [record(correlator, occurrence).decision for occurrence in said]
    assert fates == [Decision.WRITE] * 25 + [Decision.SPAM]
    assert record(correlator, at=299.9).decision is Decision.SPAM
    passing = record(correlator, at=300.0)
    assert (passing.decision, passing.entry.count) == (Decision.WRITE, 2)
    assert record(correlator, at=599.0).decision is Decision.SPAM
    later = [record(correlator, at=600.0 + 100 * SPAM_REFILL_S).decision for _ in range(26)]
    assert later == [Decision.WRITE] * 25 + [Decision.SPAM]


@pytest.mark.behaviour("E8", "B27")
def test_the_key_is_chosen_once() -> None:
    """B27: whatever is learnt of a combined Event is found by the next one that is combined, and nowhere else."""
    correlator = Correlator()
    entries = [record(correlator, said).entry for said in up_to(10)]
    entries[9].told = 1
    again = record(correlator, saying(77)).entry
    assert (again.told, again.count) == (1, 2)
    plain = replace(PULLED, message="(combined from similar events): message 77")
    assert record(correlator, plain, at=9999.0).entry is not again


@pytest.mark.behaviour("B27")
@given(st.lists(st.integers(0, 30), max_size=80))
def test_for_any_messages_the_first_nine_have_events_of_their_own(messages: list[int]) -> None:
    """B27: which messages are combined depends on their order alone, never on chance."""
    correlator = Correlator()
    first = set(list(dict.fromkeys(messages))[:9])
    for message in messages:
        assert record(correlator, saying(message)).entry.combined is (message not in first)


occurrences = st.builds(
    lambda pod, reason, message, warns: Occurrence(
        regarding=POD._replace(name=f"web-{pod}"),
        type=EventType.WARNING if warns else EventType.NORMAL,
        reason=f"Reason{reason}",
        message=f"message {message}",
    ),
    pod=st.integers(0, 1),
    reason=st.integers(0, 2),
    message=st.integers(0, 20),
    warns=st.booleans(),
)


@given(st.lists(st.tuples(occurrences, st.floats(0, 700))))
def test_for_any_sequence_writes_are_bounded_and_counts_add_up(sequence: list[tuple[Occurrence, float]]) -> None:
    """Of one object and type 25 writes, and one for each 300 s; each occurrence is counted by one Event."""
    correlator, at, passed = Correlator(), 0.0, Counter[tuple[str, EventType]]()
    entries = {}
    for occurrence, later in sequence:
        at += later
        recorded = record(correlator, occurrence, at)
        entries[id(recorded.entry)] = recorded.entry
        passed[occurrence.regarding.name, occurrence.type] += recorded.decision is Decision.WRITE
    assert sum(entry.count for entry in entries.values()) == len(sequence)
    assert all(count <= SPAM_BURST + at // SPAM_REFILL_S for count in passed.values())


@pytest.mark.behaviour("E5", "E7")
def test_memories_are_bounded() -> None:
    """E5, E7: 4096 entries; what was met longest ago is forgotten, and begins anew."""
    correlator = Correlator()
    first = record(correlator).entry
    for number in range(4096):
        record(correlator, replace(PULLED, regarding=POD._replace(name=f"web-{number}", uid=f"x{number}")))
    assert record(correlator).entry is not first
