"""
What a recorded story and ours have in common, fact by fact.

A fact is that a row (a distinct status) is there, what the row tells anew in each field, and when; that an Event is
there, how often, when, and in which order. Rows that only some recordings showed may be missing or there.

Times are compared on a common clock: rows that both sides have are laid beside each other, and between two of them a
real kubelet may be up to two seconds later (it looks at its containers once in a second) and half as late again as it
says (it draws waiting times of up to that).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.kubelet.form import Row, common, facts, moment, signature
from tests.kubelet.play import Seen, event_key
from tests.kubelet.story import VARIES, Story

SLACK_S = 2.0
DRAWN = 0.5
COUNTS = 0.5
"""A count may be off by one and by half, for it depends on times that are drawn."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: where it is from, what was recorded and what is here, as texts."""

    where: str
    recorded: str
    here: str
    same: bool


@dataclass(slots=True)
class Comparison:
    """All facts of a story."""

    facts: list[Fact] = field(default_factory=list)

    def note(self, where: str, recorded: object, here: object, *, same: bool | None = None) -> None:
        """Add a fact."""
        self.facts.append(Fact(where, str(recorded), str(here), recorded == here if same is None else same))

    @property
    def differences(self) -> list[Fact]:
        """The facts that are not the same."""
        return [fact for fact in self.facts if not fact.same]


def compare(story: Story, seen: Seen) -> Comparison:
    """Compare what was recorded with what is seen here."""
    found = Comparison()
    for pod in story.pods:
        _compare_rows(found, story, pod, seen.pods.get(pod, []))
    for pod in seen.pods.keys() - story.pods.keys():
        found.note(f"{pod}", "no such pod", "a pod", same=False)
    _compare_events(found, story.events, seen.events)
    return found


class _Clock:
    """Converts our seconds to recorded ones, by the rows that both sides have."""

    def __init__(self, pairs: Iterable[tuple[float, float]]) -> None:
        self._here: list[float] = [0.0]
        self._there: list[float] = [0.0]
        for here, there in pairs:
            if here > self._here[-1]:
                self._here.append(here)
                self._there.append(there)

    def latest(self, here: float) -> float:
        """Return when at last something happens there that happens here at a time."""
        there = self.recorded(here)
        return there + max(0.0, there - self._there[-1]) * DRAWN + SLACK_S

    def recorded(self, here: float) -> float:
        """Return the recorded time that one of ours corresponds to."""
        i = bisect_left(self._here, here)
        if i == len(self._here):
            return self._there[-1] + here - self._here[-1]
        if i == 0:
            return here
        share = (here - self._here[i - 1]) / (self._here[i] - self._here[i - 1])
        return self._there[i - 1] + share * (self._there[i] - self._there[i - 1])


def _compare_rows(found: Comparison, story: Story, pod: str, here: Sequence[Row]) -> None:
    recorded, allowed = story.pods[pod], set(story.sometimes.get(pod, ()))
    there, ours = [signature(row) for row in recorded], [signature(row) for row in here]
    pairs = dict(common(there, ours))
    clock = _Clock((here[j]["at"], recorded[i]["at"]) for i, j in pairs.items())
    previous: Row = {}
    at, at_here, row_here = 0.0, 0.0, Row()
    for i, row in enumerate(recorded):
        where = f"{pod} row {i + 1}"
        if i not in pairs:
            found.note(f"{where} is there", _short(row), "-", same=False)
            continue
        mine = here[pairs[i]]
        found.note(f"{where} is there", _short(row), _short(mine), same=True)
        waited, waited_here = row["at"] - at, mine["at"] - at_here
        same = abs(waited - waited_here) <= SLACK_S + DRAWN * max(waited, 0)
        found.note(f"{where} at", f"{waited:.1f} s later", f"{waited_here:.1f} s later", same=same)
        _compare_facts(found, where, (previous, row), (row_here, mine), clock)
        previous, row_here, at, at_here = row, mine, row["at"], mine["at"]
    for j, row in enumerate(here):
        is_late = clock.latest(row["at"]) > story.until
        if j not in pairs.values() and ours[j] not in allowed and ours[j] not in there and not is_late:
            found.note(f"{pod} has a row more", "-", _short(row), same=False)


def _compare_facts(
    found: Comparison, where: str, recorded: tuple[Row, Row], here: tuple[Row, Row], clock: _Clock
) -> None:
    before, now = dict(facts(_without_time(recorded[0]))), dict(facts(_without_time(recorded[1])))
    before_here, now_here = dict(facts(_without_time(here[0]))), dict(facts(_without_time(here[1])))
    for path, value in now.items():
        is_old = before.get(path, VARIES) == value and before_here.get(path) == now_here.get(path)
        if value != VARIES and not is_old:
            mine = now_here.get(path, "-")
            found.note(f"{where} {path}", value, mine, same=_same(value, mine, clock))
    unsure = tuple(path for path, value in now.items() if value == VARIES)
    for path, value in now_here.items():
        if path not in now and before_here.get(path, VARIES) != value and not path.startswith(unsure):
            found.note(f"{where} {path}", "-", value, same=False)


def _same(recorded: Any, here: Any, clock: _Clock) -> bool:
    there, mine = moment(recorded), moment(here)
    if there is None or mine is None:
        return bool(recorded == here)
    return min(abs(there - mine), abs(there - clock.recorded(mine))) <= SLACK_S + 1


def _compare_events(
    found: Comparison, recorded: Sequence[Mapping[str, Any]], here: Sequence[Mapping[str, Any]]
) -> None:
    known = {event_key(event): event for event in recorded}
    ours = {event_key(event): event for event in here}
    for key, event in known.items():
        mine = ours.get(key)
        if mine is None:
            if not event.get("sometimes"):
                found.note(f"{_event(event)} is there", event["message"], "-", same=False)
            continue
        found.note(f"{_event(event)} is there", event["message"], mine["message"], same=True)
        low, high = event["count"]
        fits = low * (1 - COUNTS) - 1 <= mine["count"] <= high * (1 + COUNTS) + 1
        found.note(f"{_event(event)} count", f"{low} to {high}", mine["count"], same=fits)
        for name in sorted(event.keys() & {"host", "reportingController", "reportingInstance"}):
            found.note(f"{_event(event)} {name}", event[name], mine.get(name, "-"))
        same = abs(mine["at"] - event["at"]) <= SLACK_S + DRAWN * event["at"]
        found.note(f"{_event(event)} at", f"{event['at']:.1f}", f"{mine['at']:.1f}", same=same)
    for key, event in ours.items():
        if key not in known:
            found.note(f"{_event(event)} is one more", "-", event["message"], same=False)
    _compare_order(
        found, [key for key, event in known.items() if not event.get("unordered") and key in ours], list(ours)
    )


def _compare_order(found: Comparison, known: Sequence[tuple[Any, ...]], ours: Sequence[tuple[Any, ...]]) -> None:
    """Those of one container come one after another; containers are started and stopped side by side."""
    for about in dict.fromkeys((key[0], key[4]) for key in known if key[-1] == "kubelet"):
        there = [repr(key) for key in known if (key[0], key[4], key[-1]) == (*about, "kubelet")]
        mine = [repr(key) for key in ours if repr(key) in there]
        together = {i for i, _ in common(there, mine)}
        for i, key in enumerate(there):
            found.note(f"order of the Events of {' '.join(about)}", key, "elsewhere", same=i in together)


def _event(event: Mapping[str, Any]) -> str:
    return f"Event {event['reason']} of {event['object']} {event.get('fieldPath', '')}".strip()


def _without_time(row: Row) -> Row:
    return {key: value for key, value in row.items() if key != "at"}


def _short(row: Row) -> str:
    """Show a row in few words."""
    if row.get("gone"):
        return "gone"
    status = row["status"]
    words = [status["phase"], status.get("reason", "")]
    for kind in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        words += [_container(name, one) for name, one in status.get(kind, {}).items()]
    words += [("+" if one["status"] == "True" else "-") + name for name, one in status.get("conditions", {}).items()]
    if "deletion" in row:
        words.append(f"deleted with {row['deletion']['grace']} s")
    return " ".join(filter(None, words))


def _container(name: str, status: Mapping[str, Any]) -> str:
    kind, state = next(iter(status["state"].items()), ("", dict[str, Any]()))
    what = state.get("reason", "") if kind != "running" else ""
    code = f" {state['exitCode']}" if "exitCode" in state else ""
    marks = ("ready " if status["ready"] else "") + ("started " if status.get("started") else "")
    return f"{name}[{kind} {what}{code} {marks}restarts {status['restartCount']}]"
