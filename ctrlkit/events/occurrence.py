"""Values of this package: an occurrence that a controller recorded, and the Event that tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Final, NamedTuple

from ctrlkit.model import AnyResource, ObjectKey, ObjectMeta

REMEMBERED_MAX: Final = 4096
"""How many entries each memory of a recorder keeps."""


class EventType(StrEnum):
    """The type of an Event: Normal or Warning."""

    NORMAL = "Normal"
    WARNING = "Warning"


class Reference(NamedTuple):
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    @classmethod
    def to(cls, meta: ObjectMeta, resource: AnyResource) -> Reference:
        """
        The reference to an object of a kind.

        >>> from ctrlkit.model.kinds import PODS
        >>> Reference.to(ObjectMeta(name="web-0", namespace="demo", uid="u1"), PODS).kind
        'Pod'
        """
        return cls(resource.api_version, resource.kind, meta.namespace, meta.name, meta.uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """
    One thing that happened to an object. Two that are equal are one Event with a count.

    Shape   `version` is the object's resourceVersion at the time; it does not count. `field_path` is the part of the
            object that is meant, as `spec.containers{web}`.
    """

    regarding: Reference
    type: EventType
    reason: str
    message: str
    action: str = ""
    related: Reference | None = None
    field_path: str = ""
    version: str = field(default="", compare=False)

    @property
    def details(self) -> tuple[str, Reference | None, str]:
        """What distinguishes it from others of the same object, type, reason and message."""
        return (self.action, self.related, self.field_path)


@dataclass(frozen=True, slots=True)
class Counted:
    """What an Event tells, at one time: fields as those of an Entry, which go on counting."""

    about: Occurrence
    first: datetime
    last: datetime
    count: int
    combined: bool = False


@dataclass(slots=True, eq=False)
class Entry:
    """
    One Event, on the server or on its way there: the key is found once for each occurrence, and carried along.

    Shape   `count` occurrences were recorded, the server knows of `told`; 0 means that it has no such Event yet. `lost`
            of the others were dropped when they came, and are told with the next write all the same. `key` is empty
            until the first write. `waits` while it is in the buffer; `combined` says that it stands for several
            messages.
    Units   `first` and `last` are wall time; `last_at` is `last` on the loop's clock.
    """

    about: Occurrence
    first: datetime
    last: datetime
    last_at: float
    combined: bool = False
    count: int = 1
    told: int = 0
    lost: int = 0
    waits: bool = False
    key: ObjectKey | None = None

    def counted(self) -> Counted:
        """What it is to tell now."""
        return Counted(self.about, self.first, self.last, self.count, self.combined)

    def occurred_again(self, about: Occurrence, wall: datetime, at: float) -> None:
        """Count one more."""
        self.count += 1
        self.last, self.last_at = wall, at
        if self.combined:
            self.about = about


class Decision(Enum):
    """What to do with an occurrence: write it now, count it and write it later, or hold it back as spam."""

    WRITE = "write"
    COUNT = "count"
    SPAM = "spam"


class Recorded(NamedTuple):
    """The Event of an occurrence, and what to do; `leaving` had to make room, and is to be written a last time."""

    entry: Entry
    decision: Decision
    leaving: Entry | None = None
