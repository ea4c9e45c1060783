"""
Health checks of a manager, and the heartbeat of its event loop. No HTTP here: server.py does that.

    healthz     ping, and that a leader renews its lease in time
    readyz      ping, that the event loop is not held up, that webhooks can be called, each informer with its cause,
                each controller

A check is a function that returns "" when all is well, and else the reason. Whether the process should be restarted is
asked at /healthz, whether it is ready at /readyz. An informer that has filled once is ready, and stays so while its
watch is down: its note says what is wrong, and so does the metric `informer_failing`.

Whatever blocks the loop, a reconcile that computes or a call that does not await, delays watches, lease renewals and
all other keys too: a timer each second measures by how much. Rows B4, L13, M9.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Final

from ctrlkit.clock import monotonic
from ctrlkit.histogram import Histogram, HistogramStatistics
from ctrlkit.manager.endpoints.holding import Holder, HoldingWatch
from ctrlkit.names import unique_names
from ctrlkit.telemetry import logger

if TYPE_CHECKING:
    from ctrlkit.cache import Informer
    from ctrlkit.controller import Controller
    from ctrlkit.manager.manager import Manager
    from ctrlkit.manager.webhooks.server import WebhookServer


BEAT_S: Final = 1.0
REMEMBERED_BEATS: Final = 60

LATE_MAX_S: Final = 5.0
"""A beat that is late by so much is logged, and makes this process unready for a minute."""


class Heartbeat:
    """
    Measures while `beating()` is entered.

    Owner   One event loop; it has one timer, no task, and a thread that sees what holds it.
    """

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=REMEMBERED_BEATS)
        self._histogram = Histogram()
        self._timer: asyncio.TimerHandle | None = None
        self._watch = HoldingWatch()
        self._holder = Holder()
        self._log = logger("endpoints")

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Measure for as long as this lasts."""
        self._set(monotonic() + BEAT_S)
        try:
            with self._watch.watching():
                yield
        finally:
            if self._timer is not None:
                self._timer.cancel()

    @property
    def worst_s(self) -> float:
        """The longest delay in the last minute."""
        return max(self._late, default=0.0)

    @property
    def holder(self) -> Holder:
        """What ran when the loop was held last, as far as it was seen."""
        return self._holder

    def statistics(self) -> HistogramStatistics:
        """All delays so far."""
        return self._histogram.statistics()

    def _set(self, due: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(due, self._beat, due)

    def _beat(self, due: float) -> None:
        now = monotonic()
        late_s = max(0.0, now - due)
        self._late.append(late_s)
        self._histogram.observe(late_s)
        holder = self._watch.beat()
        if late_s >= LATE_MAX_S:
            self._holder = holder
            known = {name: value for name, value in holder._asdict().items() if value}
            self._log.warning("loop_held", held_s=round(late_s, 1), **known)
        self._set(now + BEAT_S)


class CheckKind(StrEnum):
    """The endpoint at which a check is asked."""

    HEALTHZ = "healthz"  # would a restart help?
    READYZ = "readyz"  # are the caches filled, and the controllers ready to work?


class Reasons(Enum):
    """Whether the one who asks may know why a check failed."""

    SHOWN = "shown"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    The answer of one check. A note on a check that passed tells of something that is not as it should be, and not bad
    enough.
    """

    failed: bool
    note: str = ""


Check = Callable[[], Finding]

_PASSED = Finding(failed=False)


class Checks:
    """
    The named checks that were added to one manager; those of its parts are made by checks_of().

    >>> checks = Checks()
    >>> checks.add("queue-service", lambda: "no answer for 20 s", kind=CheckKind.READYZ)
    >>> checks.of(CheckKind.READYZ)["queue-service"]()
    Finding(failed=True, note='no answer for 20 s')

    Errors  ValueError for a name that is taken, empty, or unfit for a path.
    """

    def __init__(self) -> None:
        self._checks: dict[CheckKind, dict[str, Check]] = {kind: {} for kind in CheckKind}

    def add(self, name: str, check: Callable[[], str], *, kind: CheckKind) -> None:
        """Ask `check` from now on: "" is fine, anything else says why not. It must return at once."""
        if not name or not name.isprintable() or any(sign in name for sign in "/?#% "):
            raise ValueError(f"add a check to {kind}: {name!r} cannot stand in a path; use letters, digits, - . and :")
        if name in self._checks[kind]:
            raise ValueError(f"add a check to {kind}: there is one named {name!r}; choose another name")
        self._checks[kind][name] = worded(check)

    def of(self, kind: CheckKind) -> Mapping[str, Check]:
        """The checks of one kind, by name, in the order in which they were added."""
        return self._checks[kind]


def worded(check: Callable[[], str]) -> Check:
    """A check of the form that users write; one that raises has failed."""

    def ask() -> Finding:
        try:
            why_not = check()
        except Exception as error:  # noqa: BLE001 - whatever a check raises is its answer, and the others go on
            return Finding(failed=True, note=f"the check itself raised {error!r}")
        return Finding(failed=True, note=why_not) if why_not else _PASSED

    return ask


@dataclass(frozen=True, slots=True)
class Report:
    """What is answered: `failed` is status 500, else 200."""

    failed: bool
    text: str


def report(
    kind: CheckKind, checks: Mapping[str, Check], *, exclude: Collection[str], verbose: bool, reasons: Reasons
) -> Report:
    """
    The answer to /healthz or /readyz: `ok`, or a line for each check, always where one fails.

    >>> checks = {"ping": ping, "cache": worded(lambda: "not filled yet")}
    >>> print(report(CheckKind.READYZ, checks, exclude=(), verbose=False, reasons=Reasons.WITHHELD).text)
    [+]ping ok
    [-]cache failed: reason withheld
    readyz check failed
    """
    failed = False
    lines: list[str] = []
    for name, check in checks.items():
        if name in exclude:
            lines.append(f"[+]{name} excluded: ok")
            continue
        finding = check()
        failed = failed or finding.failed
        lines.append(_line(name, finding, reasons))
    unknown = sorted(set(exclude) - checks.keys())
    if unknown:
        lines.append(f"warn: some health checks cannot be excluded: no matches for {', '.join(map(repr, unknown))}")
    if failed:
        return Report(failed=True, text="\n".join([*lines, f"{kind} check failed"]))
    return Report(failed=False, text="\n".join([*lines, f"{kind} check passed"]) if verbose or unknown else "ok")


def single(check: Check, reasons: Reasons) -> Report:
    """The answer to /healthz/NAME: `ok`, or the reason."""
    finding = check()
    if not finding.failed:
        return Report(failed=False, text="ok")
    why = finding.note if reasons is Reasons.SHOWN else "reason withheld"
    return Report(failed=True, text=f"failed: {why}")


def ping() -> Finding:
    """That somebody answers at all."""
    return _PASSED


def _line(name: str, finding: Finding, reasons: Reasons) -> str:
    note = finding.note.replace("\n", " ") if reasons is Reasons.SHOWN else ""
    if finding.failed:
        return f"[-]{name} failed: {note or 'reason withheld'}"
    return f"[+]{name} ok" + (f" ({note})" if note else "")


def checks_of(manager: Manager, heartbeat: Heartbeat, kind: CheckKind) -> Mapping[str, Check]:
    """All checks of a kind that there are now, by name: those of the parts, then those that were added."""
    own: dict[str, Check] = {"ping": ping}
    match kind:
        case CheckKind.HEALTHZ:
            if manager.elector is not None:
                own["leader-election"] = worded(manager.elector.check)
            if manager.sharding is not None:
                own["sharding"] = worded(manager.sharding.check)
        case CheckKind.READYZ:
            own["event-loop"] = worded(lambda: loop_lag(heartbeat))
            if manager.webhook_server is not None:
                own["webhooks"] = _webhooks_check(manager.webhook_server)
            for name, informer in unique_names((f"informer:{each.name}", each) for each in manager.informers):
                own[name] = _informer_check(informer)
            for name, controller in unique_names((f"controller:{each.name}", each) for each in manager.controllers):
                own[name] = worded(_controller_check(controller))
    return {**own, **manager.checks.of(kind)}


def loop_lag(heartbeat: Heartbeat) -> str:
    """Why the event loop is not well."""
    if heartbeat.worst_s < LATE_MAX_S:
        return ""
    at = f", last at {heartbeat.holder.where}" if heartbeat.holder.where else ""
    return (
        f"the event loop was held up for {heartbeat.worst_s:.1f} s within the last minute{at}; "
        "find the call that blocks"
    )


def _informer_check(informer: Informer[Any]) -> Check:
    def ask() -> Finding:
        if not informer.has_synced():
            return Finding(failed=True, note=informer.lag())
        return Finding(failed=False, note="; ".join(_behind(informer)))

    return ask


def _webhooks_check(server: WebhookServer) -> Check:
    def ask() -> Finding:
        problem = server.check()
        return Finding(failed=True, note=problem) if problem else Finding(failed=False, note=server.note())

    return ask


def _behind(informer: Informer[Any]) -> Iterator[str]:
    for scope, error in informer.failing().items():
        how = "not served" if scope in informer.skipped else "behind"
        yield f"{scope} is {how}: {error}" if scope else f"{how}: {error}"


def _controller_check(controller: Controller) -> Any:
    return lambda: "" if controller.has_synced() else "its handlers have not seen all of the first lists yet"
