"""
Events for people: what a controller did with an object, shown by `kubectl describe`.

In       event(), from reconcilers; it never waits and never fails.
Out      core/v1 Events: a new one, or a higher count on the one that said the same before.
Owns     A bounded buffer of events to write, one writer, and the memory of which Events were written.

E-a  Events about one object are written in the order in which they were recorded.
E-b  What says the same while it waits to be written is written once, with its count.
E-c  Whatever the server does, a reconcile does not notice; what is lost is logged and counted.

Rows E1 to E3, E5, B15. Aggregation of similar events and the spam filter are not here yet.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from ctrlkit.backoff import Backoff
from ctrlkit.client import Client
from ctrlkit.clock import now, random_source, timestamp
from ctrlkit.errors import AlreadyExists, CtrlkitError, NotFound, TransportError
from ctrlkit.model import AnyResource, ObjectKey, ObjectMeta, StrategicMergePatch
from ctrlkit.model.kinds import EVENTS
from ctrlkit.telemetry import logger

PENDING_MAX = 1000
REMEMBERED_MAX = 4096
TRIES = 12
RETRY = Backoff(base_s=1.0, cap_s=10.0)
MESSAGE_MAX = 1024

_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


class EventType(StrEnum):
    """Whether an Event tells of the course of things or of trouble."""

    NORMAL = "Normal"
    WARNING = "Warning"


class _Subject(NamedTuple):
    """All that two Events must share to be one Event with a count."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    type: EventType
    reason: str
    message: str


@dataclass(slots=True)
class _Occurrences:
    """How often something was recorded since it was last written, and when."""

    count: int
    first: str
    last: str
    version: str


@dataclass(frozen=True, slots=True)
class _Written:
    """An Event on the server, as far as this recorder knows."""

    key: ObjectKey
    count: int


class EventRecorder:
    """
    Records Events in the name of one component.

        recorder.event(network.metadata, NETWORKS, EventType.NORMAL, "Created", "created service net-svc")

    Shape   At most PENDING_MAX different events wait to be written; the REMEMBERED_MAX written last are remembered. A
            message is cut at MESSAGE_MAX characters. Nothing secret belongs into one.
    Errors  None. `dropped` counts what found the buffer full, was refused by the server, or could not be delivered.
    Owner   `Manager.recorder` makes it and runs it; what is recorded before waits.
    """

    def __init__(self, client: Client, component: str) -> None:
        self.component = component
        self.dropped = 0
        self._client = client
        self._pending: OrderedDict[_Subject, _Occurrences] = OrderedDict()
        self._writing = False
        self._work = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._written: OrderedDict[_Subject, _Written] = OrderedDict()
        self._last_stamp = 0
        self._log = logger("recorder", component=component)

    def event(
        self, regarding: ObjectMeta, resource: AnyResource, event_type: EventType, reason: str, message: str
    ) -> None:
        """Say something about an object of a kind: `reason` in CamelCase for machines, `message` for people."""
        subject = _Subject(
            api_version=resource.api_version,
            kind=resource.kind,
            namespace=regarding.namespace,
            name=regarding.name,
            uid=regarding.uid,
            type=event_type,
            reason=reason,
            message=message if len(message) <= MESSAGE_MAX else f"{message[: MESSAGE_MAX - 3]}...",
        )
        moment = timestamp(now())
        waiting = self._pending.get(subject)
        if waiting is not None:
            waiting.count += 1
            waiting.last = moment
        elif len(self._pending) < PENDING_MAX:
            self._pending[subject] = _Occurrences(1, moment, moment, regarding.resource_version)
            self._settled.clear()
            self._work.set()
        else:
            self._drop(subject, "the buffer is full", count=1)

    async def run(self) -> None:
        """Write what is recorded, until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._pending:
                subject, occurrences = self._pending.popitem(last=False)
                self._writing = True
                try:
                    await self._write(subject, occurrences)
                finally:
                    self._writing = False
            self._settled.set()

    async def flush(self, *, timeout_s: float) -> int:
        """Wait until all that was recorded is written; returns how much is not after `timeout_s` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            left = len(self._pending) + self._writing
            self._log.warning("events_abandoned", count=left)
            return left
        return 0

    def busy(self) -> tuple[str, ...]:
        """What is not written yet, in words."""
        left = len(self._pending) + self._writing
        return (f"recorder:{self.component} has {left} events to write",) if left else ()

    async def _write(self, subject: _Subject, occurrences: _Occurrences) -> None:
        """Count up the Event that said the same before, or make one where there is none any more (E2, E5)."""
        try:
            earlier = self._written.pop(subject, None)
            written = await self._count_up(earlier, occurrences) if earlier else None
            self._written[subject] = written or await self._create(subject, occurrences)
        except CtrlkitError as error:
            self._drop(subject, str(error), count=occurrences.count)
        if len(self._written) > REMEMBERED_MAX:
            self._written.popitem(last=False)

    async def _count_up(self, earlier: _Written, occurrences: _Occurrences) -> _Written | None:
        count = earlier.count + occurrences.count
        patch = StrategicMergePatch({"count": count, "lastTimestamp": occurrences.last})
        try:
            await _deliver(lambda: self._client.patch(EVENTS, earlier.key, patch))
        except NotFound:
            return None
        return _Written(earlier.key, count)

    async def _create(self, subject: _Subject, occurrences: _Occurrences) -> _Written:
        key = ObjectKey(subject.namespace or "default", self._new_name(subject.name))
        body = self._body(key, subject, occurrences)
        try:
            await _deliver(lambda: self._client.create(EVENTS, body))
        except AlreadyExists:
            self._log.debug("event_existed", key=str(key))  # an earlier try arrived, and only its answer was lost
        return _Written(key, occurrences.count)

    def _body(self, key: ObjectKey, subject: _Subject, occurrences: _Occurrences) -> dict[str, Any]:
        involved = {
            "apiVersion": subject.api_version,
            "kind": subject.kind,
            "namespace": subject.namespace,
            "name": subject.name,
            "uid": subject.uid,
            "resourceVersion": occurrences.version,
        }
        return {
            "metadata": {"namespace": key.namespace, "name": key.name},
            "involvedObject": {name: value for name, value in involved.items() if value},
            "type": subject.type.value,
            "reason": subject.reason,
            "message": subject.message,
            "source": {"component": self.component},
            "reportingComponent": self.component,
            "firstTimestamp": occurrences.first,
            "lastTimestamp": occurrences.last,
            "count": occurrences.count,
        }

    def _new_name(self, name: str) -> str:
        """The object's name and the time in nanoseconds, made unique; a UUID where that is no valid name (E3)."""
        self._last_stamp = max(int(now().timestamp() * 1e6) * 1000, self._last_stamp + 1)
        full = f"{name}.{self._last_stamp:x}"
        if len(full) <= 253 and _DNS_NAME.fullmatch(full):
            return full
        return str(uuid.UUID(int=random_source().getrandbits(128), version=4))

    def _drop(self, subject: _Subject, why: str, *, count: int) -> None:
        self.dropped += count
        key = str(ObjectKey(subject.namespace, subject.name))
        self._log.warning("event_dropped", key=key, kind=subject.kind, reason=subject.reason, error=why)


async def _deliver(call: Callable[[], Awaitable[object]]) -> None:
    """Make a call, again and again with growing delays where no answer came (E2); an answer is an answer."""
    for failures in range(TRIES - 1):
        try:
            await call()
        except TransportError:
            await asyncio.sleep(RETRY.delay_s(failures, random_source()))
        else:
            return
    await call()
