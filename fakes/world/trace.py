"""
The timeline of a world: change ⇒ cause ⇒ reconcile ⇒ writes.

Its entries come from the tracker's log, the calls of the parts, and the beginnings and ends of reconciles. A change is
noticed at the next call, reconcile or move of time after it. Successful reads are left out.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple, cast

from structlog.contextvars import get_contextvars

from ctrlkit.controller.observer import Run
from ctrlkit.controller.reconcile import Result, Verdict
from ctrlkit.errors import CtrlkitError
from ctrlkit.failures import describe
from ctrlkit.fakes.clientset.clientset import Write, plain_kind
from ctrlkit.fakes.releases.simulated import LeftUndone
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.store import Write as Made
from ctrlkit.model import AnyResource, Verb

KEPT_ENTRIES: Final = 10_000
SHOWN_ENTRIES: Final = 30
"""How many of the last entries a failure shows."""

RUSH_MAX: Final = 200
"""Reconciles of one key within a virtual second, after which a warning names it."""

RECONCILES_MAX: Final = 1000
"""Reconciles of one key at one virtual instant, after which the world counts as stuck."""

ERROR_MAX: Final = 160
"""Characters of an error message that an entry keeps."""

TEST: Final = "test"
CLUSTER: Final = "cluster"
"""The name of the part that is a cluster's loops."""
PART: ContextVar[str] = ContextVar("fakes_world_part", default=TEST)
"""The part of a world that the current task belongs to."""
_RECONCILE: ContextVar[str] = ContextVar("fakes_world_reconcile", default="")
"""The reconcile that the current task belongs to."""


class Changed(NamedTuple):
    """An object was created, updated or deleted: at which version of the server, and by which part."""

    at_s: float
    by: str
    version: int
    resource: str
    key: str
    how: str

    def __str__(self) -> str:
        return f"{self.resource} {self.key} {self.how} at {self.version}"


@dataclass(frozen=True, slots=True)
class Began:
    """A reconcile began."""

    at_s: float
    by: str
    run: Run

    def __str__(self) -> str:
        attempt = f", attempt {self.run.attempt}" if self.run.attempt > 1 else ""
        causes = "; ".join(_IN_A_SENTENCE.get(cause, cause) for cause in self.run.causes) or "nothing that was noted"
        return f"reconcile began{attempt}: because of {causes}"


class Called(NamedTuple):
    """A write, or a failed call, with the versions of its changes and its error."""

    at_s: float
    by: str
    write: Write
    versions: tuple[int, ...]
    error: str

    def __str__(self) -> str:
        made = f" => {', '.join(map(str, self.versions))}" if self.versions else ""
        if self.error:
            return f"  {self.write}{made}{', but' if made else ' failed:'} {self.error}"
        return f"  {self.write}{made or ' => no change'}"


@dataclass(frozen=True, slots=True)
class Ended:
    """A reconcile ended; `outcome` is that of the `reconciled` log line, or `cut off`."""

    at_s: float
    by: str
    run: Run
    outcome: str
    error: str = ""
    next_s: float = 0.0

    def __str__(self) -> str:
        after = f", again after {self.next_s:g} s" if self.next_s else ""
        return f"reconcile ended: {self.outcome}{after}" + (f": {self.error}" if self.error else "")


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that the test did to the world, such as a crash of a part; or what the world does not do."""

    at_s: float
    by: str
    text: str

    def __str__(self) -> str:
        return self.text


Entry = Changed | Began | Called | Ended | Noted
_Created = tuple[float, str, AnyResource, Made]
"""A call that is most often not looked at: when and by whom, of which kind, and what it made."""


def _called(created: _Created) -> Called:
    at_s, by, resource, made = created
    return Called(at_s, by, Write(Verb.CREATE, plain_kind(resource), str(made.key)), (made.version,), "")


class Trace:
    """
    The timeline of one world; `str()` of it is the whole text.

    Shape   `entries` are the last 10,000, oldest first; `at_s` is virtual time since the loop began. `standstill`
            describes a key that is reconciled over and over while no time passes; "" if there is none. `rush` describes
            the first one that is while hardly any passes, and `rushed` is set then, until that is told. `loops` are
            those of a cluster that run in the world: what others would do is noted once for each kind.
    """

    def __init__(self, tracker: Tracker, *, loops: Collection[str] = ()) -> None:
        self._tracker = tracker
        self._left_undone = LeftUndone(loops)
        self._entries: deque[Entry | _Created] = deque(maxlen=KEPT_ENTRIES)
        self._log = tracker.log
        self._seen = tracker.version
        self._lost = 0
        self._instant = 0.0
        self._begun: Counter[str] = Counter()  # reconciles at this instant
        self._second = 0
        self._begun_in_second: Counter[str] = Counter()
        self.standstill: str = ""
        self.rush: str = ""
        self.rushed: asyncio.Event = asyncio.Event()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries so far."""
        self.catch_up()
        return tuple(self._shown())

    def _shown(self, first: int = 0) -> Iterator[Entry]:
        """The entries from one on, as others see them."""
        for entry in islice(self._entries, first, None):
            yield _called(cast("_Created", entry)) if type(entry) is tuple else cast("Entry", entry)

    def __len__(self) -> int:
        return len(self._entries)

    def __str__(self) -> str:
        return self.text()

    def text(self, last: int | None = None) -> str:
        """Format the entries, or the last ones, one line each."""
        self.catch_up()
        count = len(self._entries)
        left_out = 0 if last is None else max(0, count - last)
        lines = [_line(entry) for entry in self._shown(left_out)]
        return "\n".join([*([f"({left_out} earlier entries)"] if left_out else []), *lines])

    def recent(self) -> str:
        """Format the last entries, as a failure shows them."""
        return self.text(SHOWN_ENTRIES)

    def last_error(self, controller: str, key: str) -> str:
        """The error of the last reconcile of a key; "" if it succeeded."""
        for entry in reversed(self._entries):
            if isinstance(entry, Ended) and (entry.run.controller, str(entry.run.key)) == (controller, key):
                return entry.error
        return ""

    # ---- recording -----------------------------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Add the changes that no call made: those of the test itself, and of code that uses no client."""
        if self._log.version != self._seen:
            changes = self._new_changes(TEST)
            self._entries.extend(changes)
            self._note_left_undone(changes)

    def called(self, write: Write, error: CtrlkitError | None, *, changes: tuple[Changed, ...]) -> None:
        """Add a call that writes, or failed, and the changes that it made."""
        by = changes[0].by if changes else caller()
        versions = tuple([change.version for change in changes])
        told = _short(f"{type(error).__name__}: {error}") if error else ""
        self._entries.append(Called(changes[0].at_s if changes else _now(), by, write, versions, told))
        if changes:
            kind = str(write.resource)
            for change in changes:
                if change.key != write.key or change.resource != kind or change.how == "deleted":
                    self._entries.append(change)
            self._note_left_undone(changes)

    def promised(self, resource: AnyResource, made: Made) -> None:
        """Add a create that made the newest version, of a kind with which no loop has anything to do."""
        self._seen = made.version
        now, by = _now(), caller()
        if made.kind == resource.plural and not resource.group:
            self._entries.append((now, by, resource, made))
            return
        self._entries.append(_called((now, by, resource, made)))
        self._entries.append(Changed(now, by, made.version, made.kind, str(made.key), made.how))

    def changes_of_call(self) -> tuple[Changed, ...]:
        """The changes since the last check, all made by a call of the current part."""
        if self._log.version == self._seen:
            return ()
        return self._new_changes(caller())

    def reconcile_began(self, run: Run) -> None:
        """Add the beginning of a reconcile (Observer); CtrlkitError, which ends the part, for a key in a standstill."""
        self.catch_up()
        now, by = _now(), _by(run.controller, str(run.key))
        _RECONCILE.set(by)
        self._entries.append(Began(now, by, run))
        if now != self._instant:
            self._instant = now
            self._begun.clear()
        self._begun[by] += 1
        if not self.rushed.is_set():
            self._count_in_second(now, by, run)
        if self._begun[by] > RECONCILES_MAX:
            self.standstill = self.standstill or self._describe_standstill(now, by)
            raise CtrlkitError(self.standstill)

    def _count_in_second(self, now: float, by: str, run: Run) -> None:
        """Notice the first key that is reconciled too often while a second passes."""
        if int(now) != self._second:
            self._second = int(now)
            self._begun_in_second.clear()
        self._begun_in_second[by] += 1
        if self._begun_in_second[by] > RUSH_MAX and self._begun[by] <= RUSH_MAX:  # else it is a standstill
            causes = "; ".join(_IN_A_SENTENCE.get(cause, cause) for cause in run.causes) or "nothing that was noted"
            self.rush = (
                f"pass time: {by} was reconciled {RUSH_MAX} times within one virtual second, the last time because of "
                f"{causes}; an hour of that takes minutes, so let it wait longer"
            )
            self.rushed.set()

    def reconcile_ended(self, run: Run, verdict: Verdict | None) -> None:
        """Add the end of a reconcile (Observer)."""
        self.catch_up()
        by = _RECONCILE.get()
        _RECONCILE.set("")
        if verdict is None:
            self._entries.append(Ended(_now(), by, run, "cut off"))
            return
        error = "" if verdict.error is None else _short(describe(verdict.error))
        next_s = verdict.delay_s if verdict.result is Result.REQUEUE_AFTER else 0.0
        self._entries.append(Ended(_now(), by, run, str(verdict.result), error, next_s))

    def note(self, text: str) -> None:
        """Add an act of the test that is neither a call nor a change."""
        self.catch_up()
        self._entries.append(Noted(_now(), TEST, text))

    def _note_left_undone(self, changes: Iterable[Changed]) -> None:
        for change in changes:
            if change.how == "created" and (does := self._left_undone.of(change.resource)):
                text = f"no loop of {change.resource} runs here: a cluster {does}; see docs/simulated.md"
                self._entries.append(Noted(change.at_s, CLUSTER, text))

    def _describe_standstill(self, now: float, by: str) -> str:
        calls = Counter(str(entry.write) for entry in self._shown() if isinstance(entry, Called) and entry.by == by)
        writes = ", ".join(f"{write} ({count} times)" for write, count in calls.most_common(3)) or "nothing"
        return (
            f"no time passes: {by} was reconciled {RECONCILES_MAX} times at {now:g} virtual seconds, and wrote "
            f"{writes}; each of its reconciles leads to the next, so have it write only what differs from what is there"
        )

    def _new_changes(self, by: str) -> tuple[Changed, ...]:
        before, self._seen = self._seen, self._log.version
        now = _now()
        return tuple(
            [
                Changed(now, by, write.version, write.kind, str(write.key), write.how)
                for write in self._tracker.writes(before)
            ]
        )


def caller() -> str:
    """Name the current part of the world, or its controller and key during a reconcile."""
    part = _RECONCILE.get() or PART.get()
    if part == TEST:  # perhaps a controller that the test runs by itself
        values = get_contextvars()
        if "controller" in values and "key" in values:
            return _by(str(values["controller"]), str(values["key"]))
    return part


def _by(controller: str, key: str) -> str:
    part = PART.get()
    return f"{controller} {key}" if part in (TEST, "manager") else f"{part}: {controller} {key}"


_IN_A_SENTENCE = {"retry": "a retry", "requeue": "its own wish", "woken": "a call", "takeover": "a takeover"}


def _line(entry: Entry) -> str:
    return f"{entry.at_s:10.3f}  {entry.by:<28}  {entry}"


def _short(error: str) -> str:
    line = error.partition("\n")[0]
    return line if len(line) <= ERROR_MAX else f"{line[: ERROR_MAX - 3]}..."


def _now() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:  # the trace is printed after the loop has ended
        return 0.0
