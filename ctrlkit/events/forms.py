"""
Write an Event as core/v1, with a count and two times, or as events.k8s.io/v1, with a series. Pure.

Rows E3, E5, E9, E11. Both are the same objects on the server, which shows each under either group.
"""

from __future__ import annotations

import platform
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol
from weakref import WeakKeyDictionary

from ctrlkit.clock import micro_timestamp, now, random_source, timestamp
from ctrlkit.events.occurrence import Counted, Entry, Reference
from ctrlkit.model import ObjectKey, Patch, Resource, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import EVENTS, EVENTS_V1
from ctrlkit.names import is_subdomain

INSTANCE_MAX = 128


class EventsApi(StrEnum):
    """
    The API that Events are written to.

    CORE_V1 is what most dashboards and alerts read: similar events are combined, and a spam filter protects the server.
    EVENTS_V1 has an action, a related object, and series whose count is written now and then only.
    """

    CORE_V1 = "v1"
    EVENTS_V1 = "events.k8s.io/v1"


class EventForm(Protocol):
    """The form of Events in one API."""

    @property
    def resource(self) -> Resource[Unstructured]:
        """Where Events are written."""
        ...

    def body(self, key: ObjectKey, entry: Counted) -> dict[str, Any]:
        """A new Event."""
        ...

    def patch(self, entry: Entry) -> Patch:
        """The patch for an Event that exists and has a new count."""
        ...


@dataclass(frozen=True, slots=True)
class CoreForm:
    """Events of core/v1, in the name of a component, and of the host that it is at work on; "" for none."""

    component: str
    host: str = ""
    resource: Resource[Unstructured] = EVENTS

    def body(self, key: ObjectKey, entry: Counted) -> dict[str, Any]:
        """A new Event; one of several messages has a source and no reporter, as client-go writes it."""
        about = entry.about
        reporter = {"reportingComponent": self.component} | ({"reportingInstance": self.host} if self.host else {})
        return {
            "metadata": {"namespace": key.namespace, "name": key.name},
            "involvedObject": _plain_reference(about.regarding, about.version, about.field_path),
            **({"related": _plain_reference(about.related)} if about.related else {}),
            **({"action": about.action} if about.action else {}),
            "type": about.type.value,
            "reason": about.reason,
            "message": about.message,
            "source": {"component": self.component, **({"host": self.host} if self.host else {})},
            **({} if entry.combined else reporter),
            "firstTimestamp": timestamp(entry.first),
            "lastTimestamp": timestamp(entry.last),
            "count": entry.count,
        }

    def patch(self, entry: Entry) -> Patch:
        """The count, the time, and the message, which is the newest one where several are combined."""
        return StrategicMergePatch(
            {"count": entry.count, "lastTimestamp": timestamp(entry.last), "message": entry.about.message}
        )


@dataclass(frozen=True, slots=True)
class SeriesForm:
    """Events of events.k8s.io/v1, in the name of a component at work on this machine, or on the host that is given."""

    component: str
    host: str = ""
    resource: Resource[Unstructured] = EVENTS_V1

    def body(self, key: ObjectKey, entry: Counted) -> dict[str, Any]:
        """A new Event; one that occurred again before it was written begins with its series."""
        about = entry.about
        return {
            "metadata": {"namespace": key.namespace, "name": key.name},
            "eventTime": micro_timestamp(entry.first),
            **({"series": _series(entry)} if entry.count > 1 else {}),
            "reportingController": self.component,
            "reportingInstance": f"{self.component}-{self.host or platform.node()}"[:INSTANCE_MAX],
            "action": about.action or about.reason,
            "reason": about.reason,
            "regarding": _plain_reference(about.regarding, about.version, about.field_path),
            **({"related": _plain_reference(about.related)} if about.related else {}),
            "note": about.message,
            "type": about.type.value,
        }

    def patch(self, entry: Entry) -> Patch:
        """The series; servers refuse a change of anything else."""
        return StrategicMergePatch({"series": _series(entry)})


class EventNames:
    """
    Names of Events: the object's, a dot, and the time in hexadecimal nanoseconds; a UUID where that is no name.

    Each is another one, though time may stand still between two.
    """

    _by_client: ClassVar[WeakKeyDictionary[object, EventNames]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._last_stamp = 0

    @classmethod
    def of(cls, client: object) -> EventNames:
        """The names that all recorders of one client choose from."""
        return cls._by_client.setdefault(client, EventNames())

    def new(self, regarding: Reference) -> ObjectKey:
        """The key of a new Event about an object; of one without namespace, in `default`."""
        self._last_stamp = max(int(now().timestamp() * 1e6) * 1000, self._last_stamp + 1)
        name = f"{regarding.name}.{self._last_stamp:x}"
        if not is_subdomain(name):
            name = str(uuid.UUID(int=random_source().getrandbits(128), version=4))
        return ObjectKey(regarding.namespace or "default", name)


def _plain_reference(reference: Reference, version: str = "", field_path: str = "") -> dict[str, str]:
    fields = {
        "apiVersion": reference.api_version,
        "kind": reference.kind,
        "namespace": reference.namespace,
        "name": reference.name,
        "uid": reference.uid,
        "resourceVersion": version,
        "fieldPath": field_path,
    }
    return {name: value for name, value in fields.items() if value}


def _series(entry: Counted | Entry) -> dict[str, Any]:
    return {"count": entry.count, "lastObservedTime": micro_timestamp(entry.last)}
