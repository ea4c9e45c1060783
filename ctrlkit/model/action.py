"""
An API call as data: the one form that client, transports, fakes and server share.

The client builds an Action, a Transport performs it. RestTransport turns it into HTTP, the embedded API server turns
HTTP back into it, FakeClientset records it and hands it to the object tracker. What is to be done with calls (record,
fail, delay, count) is written against this type, once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ctrlkit.model.keys import ObjectKey
from ctrlkit.model.patches import PatchType
from ctrlkit.model.resource import AnyResource


class Verb(StrEnum):
    """What a call asks for, in RBAC's words."""

    GET = "get"
    LIST = "list"
    WATCH = "watch"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    DELETE_COLLECTION = "deletecollection"

    @property
    def writes(self) -> bool:
        """Whether the verb changes state."""
        return self not in (Verb.GET, Verb.LIST, Verb.WATCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    All options a call can carry, by their server names in snake case; empty, None or False means not sent.

    Shape   `metadata_only` asks a reading verb for the metadata of objects alone; it travels in a header.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """
    One call.

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
