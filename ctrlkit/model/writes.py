"""What a write came to, as far as a mirror of the collection can tell whether it has seen it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ctrlkit.model.keys import ObjectKey
from ctrlkit.model.meta import OwnerReference
from ctrlkit.model.resource import AnyResource


class Effect(Enum):
    """Whether an object was given a state, or asked to end."""

    WRITTEN = "written"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """
    One write that a server has carried out.

    Shape   `version` is the one the write made; empty where the server did not tell, as for some deletes. `uid` may be
            empty too. `labels` and `owner_references` are those the object has now. `server` is whatever carried the
            write there: two writes are comparable when it is the same object. `verb` and `subresource` are those of the
            call, for people.
    """

    resource: AnyResource
    key: ObjectKey
    effect: Effect
    version: str
    uid: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()
    server: object = None
    verb: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        return f"{self.resource} {self.key} {self.effect.value}{f' at {self.version}' if self.version else ''}"
