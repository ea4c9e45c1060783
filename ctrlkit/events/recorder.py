"""
Record Events: what a controller did with an object, shown by `kubectl describe`.

In       event(), from reconcilers; it never waits and never fails.
Out      Events of core/v1 or events.k8s.io/v1: new ones, and higher counts on those that said the same before.
Owns     A bounded buffer of Events to write, one writer, and the memory of which Events were written.

E-a  Events about one object are written in the order in which they were recorded.
E-b  What says the same while it waits to be written is written once, with its count.
E-c  Whatever the server does, a reconcile does not notice; what is dropped is logged and counted.
E-d  What was dropped is still part of its Event's count, and told by the next write of that Event, if there is one.

What becomes of an occurrence is decided by `correlate` (core/v1) or `series` (events.k8s.io/v1); this module only
carries it out. Rows E1, E2, E12, B15.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from ctrlkit.backoff import Backoff
from ctrlkit.client import Client
from ctrlkit.client.bodies import whole_object
from ctrlkit.clock import monotonic, now, random_source
from ctrlkit.errors import AlreadyExists, ApiError, CtrlkitError, NotFound
from ctrlkit.events.correlate import Correlator, cut
from ctrlkit.events.forms import CoreForm, EventForm, EventNames, EventsApi, SeriesForm
from ctrlkit.events.occurrence import Counted, Decision, Entry, EventType, Occurrence, Reference
from ctrlkit.events.series import SeriesBook
from ctrlkit.failures import FailureLog
from ctrlkit.model import AnyResource, ObjectKey, ObjectMeta, Options
from ctrlkit.telemetry import LogLevel, logger

PENDING_MAX = 1000
TRIES = 12
RETRY = Backoff(base_s=1.0, cap_s=10.0)


class DropReason(StrEnum):
    """
    Why an Event was not written: spam filter, full buffer, refused by the server, not delivered, malformed, or recorded
    after the end.
    """

    SPAM = "spam"
    BUFFER_FULL = "buffer_full"
    REFUSED = "refused"
    UNDELIVERED = "undelivered"
    MALFORMED = "malformed"
    ENDED = "ended"


class _State(Enum):
    NEW = "new"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderStatistics:
    """
    A snapshot of an event recorder; all numbers but the last two only grow.

    Shape   Occurrences: `recorded`; `merged`, of those, into an Event that was to be written anyway, or is a series;
            `aggregated`, of those, into an Event that combines similar messages; `told`, known to the server, as
            counts of Events; `dropped`, by reason; `recovered`, told after all, by a later count. Writes: `created`,
            `updated`. `pending` Events wait to be written; `untold` occurrences are neither told nor dropped yet:
            recorded = told + untold + all dropped - recovered.
    """

    recorded: int
    merged: int
    aggregated: int
    told: int
    dropped: Mapping[DropReason, int]
    recovered: int
    created: int
    updated: int
    pending: int
    untold: int


class EventRecorder:
    """
    Records Events in the name of one component.

        recorder.event(network.metadata, NETWORKS, EventType.NORMAL, "Created", "created service net-svc")

    Shape   At most PENDING_MAX Events wait to be written. A message is cut at 1024 bytes of UTF-8. Nothing secret
            belongs into one. `component` is the controller's name; servers take letters, digits, `-`, `_`, `.` and `/`.
            `host` is for components that are at work on one node of many, as a kubelet. `field_manager` is the name in
            which Events are written, the client's unless given.
    Errors  None. `statistics()` counts what was dropped, and why.
    Owner   One event loop. `Manager.recorder` makes it and runs it; what is recorded before waits.
    """

    def __init__(
        self,
        client: Client,
        component: str,
        *,
        api: EventsApi = EventsApi.CORE_V1,
        host: str = "",
        field_manager: str = "",
    ) -> None:
        self.component = component
        """In whose name it records."""
        self.host: str = host
        """The node it records for, of a component that has one on each."""
        self.api = api
        """The API that its Events are written to."""
        self._client = Client(client.transport, field_manager=field_manager) if field_manager else client
        self._correlator = Correlator()
        self._series = SeriesBook()
        self._form: EventForm = (CoreForm if api is EventsApi.CORE_V1 else SeriesForm)(component, host)
        self._names = EventNames.of(client)
        self._promise: Callable[..., bool] | None = getattr(client.transport, "promise", None)  # of the fakes
        self._make_body = self._whole_body
        self._options = Options(field_manager=self._client.field_manager)
        self._pending: deque[Entry] = deque()
        self._writing: Entry | None = None
        self._work = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._state = _State.NEW
        self._counts: Counter[str] = Counter()
        self._dropped: Counter[DropReason] = Counter()
        self._log = logger("recorder", component=component)
        self._failures = FailureLog(self._log)

    # ---- for reconcilers --------------------------------------------------------------------------------------------

    def event(
        self,
        regarding: ObjectMeta,
        resource: AnyResource,
        event_type: EventType,
        reason: str,
        message: str,
        *,
        action: str = "",
        related: tuple[ObjectMeta, AnyResource] | None = None,
        field_path: str = "",
    ) -> None:
        """
        Record an Event about an object: `reason` in CamelCase for machines, `message` for people.

            recorder.event(net.metadata, NETWORKS, EventType.WARNING, "NodeLost", "node 2 is gone", action="Connect",
                           related=(pod.metadata, PODS))

        `regarding` is the object's metadata, `resource` its kind. `action` is what the controller tried, the reason by
        default; `related` is another object that is involved; `field_path` the part of the object that is meant, as
        `spec.containers{web}`. It never waits and never raises.
        """
        self._counts["recorded"] += 1
        about = Occurrence(
            regarding=Reference.to(regarding, resource),
            related=Reference.to(*related) if related else None,
            type=event_type,
            reason=cut(reason),
            action=cut(action) if action else "",
            message=cut(message),
            field_path=field_path,
            version=regarding.resource_version,
        )
        if not (regarding.name and reason and isinstance(event_type, EventType)):
            self._dropped[DropReason.MALFORMED] += 1
            self._tell_dropped(about, "it needs an object with a name, a reason, and a type that is an EventType")
            return
        if self._state is _State.ENDED:
            self._dropped[DropReason.ENDED] += 1
            self._tell_dropped(about, "the recorder has ended")
            return
        book = self._correlator if self.api is EventsApi.CORE_V1 else self._series
        recorded = book.record(about, wall=now(), at=monotonic())
        self._counts["aggregated"] += recorded.entry.combined
        if recorded.leaving is not None:
            self._enqueue(recorded.leaving)
        self._carry_out(recorded.entry, recorded.decision)

    def _carry_out(self, entry: Entry, decision: Decision) -> None:
        match decision:
            case Decision.SPAM:
                self._drop(entry, DropReason.SPAM)
                key = str(ObjectKey(entry.about.regarding.namespace, entry.about.regarding.name))
                self._log.debug("event_held_back", key=key, reason=entry.about.reason)
            case Decision.COUNT:
                self._counts["merged"] += 1
            case Decision.WRITE if entry.waits:
                self._counts["merged"] += 1
            case Decision.WRITE if len(self._pending) < PENDING_MAX:
                self._enqueue(entry)
            case Decision.WRITE:
                self._drop(entry, DropReason.BUFFER_FULL)
                self._tell_dropped(entry.about, "the buffer is full")

    # ---- for whoever runs it ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write what is recorded, until cancelled. RuntimeError for a second run."""
        if self._state is not _State.NEW:
            raise RuntimeError(f"run recorder {self.component}: it was run before; make a new one")
        self._state = _State.RUNNING
        self._series.begin(monotonic())
        try:
            while True:
                await self._wait_for_work()
                while self._pending:
                    await self._write_next()
                self._settled.set()
        finally:
            self._state = _State.ENDED

    async def flush(self, *, timeout_s: float) -> int:
        """
        Wait until all that was recorded is written, series included; returns how many Events are not after `timeout_s`
        seconds.
        """
        for entry in self._series.untold():
            self._enqueue(entry)
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            left = self._left()
            self._log.warning("events_abandoned", count=left)
            return left
        return 0

    def busy(self) -> tuple[str, ...]:
        """What is not written yet, in words; a series that is only counted on is idle."""
        left = self._left()
        return (f"recorder:{self.component} has {left} events to write",) if left else ()

    def statistics(self) -> RecorderStatistics:
        """Return a snapshot."""
        counts = self._counts
        return RecorderStatistics(
            recorded=counts["recorded"],
            merged=counts["merged"],
            aggregated=counts["aggregated"],
            told=counts["told"],
            dropped={reason: self._dropped[reason] for reason in DropReason},
            recovered=counts["recovered"],
            created=counts["created"],
            updated=counts["updated"],
            pending=self._left(),
            untold=counts["recorded"] - counts["told"] - self._dropped.total() + counts["recovered"],
        )

    # ---- the writer -------------------------------------------------------------------------------------------------

    async def _wait_for_work(self) -> None:
        """Return when something waits to be written, a series by its time included."""
        if self.api is EventsApi.CORE_V1:
            await self._work.wait()
        else:
            try:
                async with asyncio.timeout_at(self._series.next_look()):
                    await self._work.wait()
            except TimeoutError:
                for entry in self._series.look(monotonic()):
                    self._enqueue(entry)
        self._work.clear()

    def _enqueue(self, entry: Entry) -> None:
        entry.waits = True
        self._pending.append(entry)
        self._settled.clear()
        self._work.set()

    async def _write_next(self) -> None:
        entry = self._writing = self._pending.popleft()
        entry.waits = False
        try:
            await self._write(entry)
        except asyncio.CancelledError:
            if not entry.waits:
                self._pending.appendleft(entry)
                entry.waits = True
            raise
        finally:
            self._writing = None

    async def _write(self, entry: Entry) -> None:
        """Tell the server of all that this Event counts now."""
        count, lost = entry.count, entry.lost
        try:
            await self._deliver(entry)
        except Exception as error:  # noqa: BLE001 - no Event is worth those after it
            reason = DropReason.REFUSED if isinstance(error, ApiError) else DropReason.UNDELIVERED
            self._drop(entry, reason, occurrences=count - entry.told - lost)
            self._tell_dropped(entry.about, error)
            if reason is DropReason.UNDELIVERED:
                return
        else:
            self._counts["told"] += count - entry.told
            self._counts["recovered"] += lost
            entry.told = count
            entry.lost -= lost
        if self.api is EventsApi.EVENTS_V1:
            self._series.ended(entry, monotonic())

    async def _deliver(self, entry: Entry) -> None:
        """Count up the Event that is there, or make it where there is none, or none any more."""
        is_new = entry.key is None
        if entry.key is None:
            entry.key = self._names.new(entry.about.regarding)
        key, resource = entry.key, self._form.resource
        if is_new and self._is_promised(key, entry):
            self._counts["created"] += 1
            return
        body, patch = self._form.body(key, entry.counted()), self._form.patch(entry)
        if entry.told:
            try:
                await _until_answered(lambda: self._client.patch(resource, key, patch))
            except NotFound:
                pass
            else:
                self._counts["updated"] += 1
                return
        tries = 0

        async def create() -> None:
            nonlocal tries
            tries += 1
            await self._client.create(resource, body)

        try:
            await _until_answered(create)
        except AlreadyExists:
            if is_new and tries == 1:  # another recorder took the name in the same instant
                entry.key = None
                await self._deliver(entry)
                return
            self._log.debug("event_existed", key=str(key))  # an earlier try arrived, and only its answer was lost
            await _until_answered(lambda: self._client.patch(resource, key, patch))
            self._counts["updated"] += 1
        else:
            self._counts["created"] += 1

    def _is_promised(self, key: ObjectKey, entry: Entry) -> bool:
        """Whether the Transport creates a new Event, and asks for its body when somebody looks at it."""
        if self._promise is None:
            return False
        return self._promise(self._form.resource, key, self._make_body, entry.counted(), options=self._options)

    def _whole_body(self, key: ObjectKey, counted: Counted) -> dict[str, Any]:
        return whole_object(self._form.resource, self._form.body(key, counted))

    # ---- what is not written ----------------------------------------------------------------------------------------

    def _drop(self, entry: Entry, reason: DropReason, *, occurrences: int = 1) -> None:
        self._dropped[reason] += occurrences
        entry.lost += occurrences

    def _tell_dropped(self, about: Occurrence, why: str | Exception) -> None:
        """Of many Events that fail for one reason not each is told: a refusal of one is mostly a refusal of all."""
        key, kind = str(ObjectKey(about.regarding.namespace, about.regarding.name)), about.regarding.kind
        facts: dict[str, Any] = {"key": key, "kind": kind, "reason": about.reason}
        if isinstance(why, str):
            self._failures.say("event_dropped", why, what="", **facts, error=why)
            return
        is_late = isinstance(why, ApiError) and _is_of_ending_namespace(why)
        level = LogLevel.DEBUG if is_late else LogLevel.WARNING
        self._failures.tell("event_dropped", why, about=(type(why), is_late), level=level, **facts)

    def _left(self) -> int:
        return len(self._pending) + (self._writing is not None)


def _is_of_ending_namespace(error: ApiError) -> bool:
    """Whether an Event came too late for its namespace, which happens to every one that ends."""
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ())


async def _until_answered(call: Callable[[], Awaitable[object]]) -> None:
    """Make a call, again and again with growing delays where no answer came; a refusal is an answer."""
    for failures in range(TRIES - 1):
        try:
            await call()
        except ApiError:
            raise
        except CtrlkitError:
            await asyncio.sleep(RETRY.delay_s(failures, random_source()))
        else:
            return
    await call()
