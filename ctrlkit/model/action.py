"""
An API call as data, what performs it, and what a write led to.

The client builds an Action, a Transport performs it. RestTransport turns it into HTTP, the embedded API server turns
HTTP back into it, FakeClientset records it and hands it to the object tracker. What is to be done with calls (record,
fail, delay, count) is written against this type, once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, Protocol

from ctrlkit.model.meta import ObjectKey, OwnerReference
from ctrlkit.model.patches import PatchType
from ctrlkit.model.resource import AnyResource


class Verb(StrEnum):
    """The verb of a call, as in RBAC."""

    writes: bool
    """Whether the verb changes state."""

    GET = "get"
    LIST = "list"
    WATCH = "watch"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    DELETE_COLLECTION = "deletecollection"

    def __init__(self, name: str) -> None:
        self.writes = name not in ("get", "list", "watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    The options of a call, by the API's names in snake case; empty, None or False means not sent.

    Shape   `metadata_only` asks a reading verb for the metadata of objects alone; it travels in a header. `parameters`
            are those that one subresource has for itself, by their names in the query, such as a log's
            `("tailLines", "10")`; a name may be there several times, as `command` of an exec is.
    Units   `timeout_s` whole seconds after which the server ends a list or watch; `grace_period_s` whole seconds.
    """

    label_selector: str = ""
    field_selector: str = ""
    limit: int = 0
    continue_token: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    timeout_s: int = 0
    allow_watch_bookmarks: bool = False
    send_initial_events: bool | None = None
    metadata_only: bool = False
    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = ""
    force: bool = False
    propagation_policy: str = ""
    grace_period_s: int | None = None
    precondition_uid: str = ""
    precondition_version: str = ""
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """
    One API call.

    >>> from ctrlkit.model.kinds import STATEFULSETS
    >>> str(Action(verb=Verb.UPDATE, resource=STATEFULSETS, namespace="demo", name="net-sts", subresource="scale"))
    'update statefulsets.apps/scale demo/net-sts'

    Shape   `namespace` is empty for cluster-scoped kinds and for all namespaces. `body` is plain JSON data that only
            the Action holds: an object for create, update and most patches, a list for a JSON patch, else None. It may
            hold secrets, so `repr` leaves it out.
    """

    verb: Verb
    resource: AnyResource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    body: Any = field(default=None, repr=False)
    patch_type: PatchType | None = None
    options: Options = field(default_factory=Options)

    @property
    def key(self) -> ObjectKey:
        """The object the call is about; its name is empty for collections and for creates by generateName."""
        return ObjectKey(self.namespace, self.name)

    def __str__(self) -> str:
        what = f"{self.resource}/{self.subresource}" if self.subresource else str(self.resource)
        where = str(self.key) if self.name else (self.namespace or ("*" if self.resource.namespaced else ""))
        return f"{self.verb} {what} {where}".rstrip()


Lines = AsyncIterator[Sequence[bytes]]
"""The lines of a watch, several at a time as they arrive, without their newlines."""


class Transport(Protocol):
    """
    Performs Actions: over HTTP, or on a fake in this process.

    Shape   Answers are JSON documents as bytes, watches are JSON lines (without the newline), several at a time as they
            arrive. Bytes are what cannot be changed, so a fake may hand out what it stores.
    Errors  ApiError for a refusal, TransportError where no answer came. `watch` raises both on entering, and while
            iterating TransportError where the stream breaks; a stream that ends cleanly just ends. A Status inside the
            stream is a line like any other.
    """

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch."""
        ...

    def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        """Open a watch; leaving the context closes it."""
        ...


class Effect(Enum):
    """What a write did: gave an object a state, or asked for its deletion."""

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
