"""Context: what a function decorated with @reconciler gets beside its object, for the length of one reconcile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from structlog.typing import FilteringBoundLogger

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import Children, Request
from ctrlkit.controller.helpers.status import patch_status
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.manager.dependencies import Dependency
from ctrlkit.model import AnyResource, ObjectKey, ObjectMeta, Resource, to_plain

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """
    What a function decorated with @reconciler gets beside the object itself.

    Shape   `meta` is the object's metadata, whatever fields its Python type has. `log` carries the controller, the key
            and the attempt. `listers`, `instances`, `children`, `recorder` and `object` are behind `lister`, `use`,
            `apply`, `event` and `set_status`; a test that calls the plain function leaves out those it does not need.
    """

    request: Request
    meta: ObjectMeta
    resource: AnyResource
    client: Client
    listers: Mapping[AnyResource, Lister[Any]]
    recorder: EventRecorder
    log: FilteringBoundLogger
    instances: Mapping[Dependency[Any], Any] = field(default_factory=dict)
    children: Children | None = None
    object: Any = None
    _status: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def key(self) -> ObjectKey:
        """The object's key."""
        return self.request.key

    def lister(self, resource: Resource[U]) -> Lister[U]:
        """The lister of a kind that the decorator names; LookupError for any other."""
        found = self.listers.get(resource)
        if found is None:
            raise LookupError(
                f"look up {resource} for {self.resource} {self.key}: no cache has it in this form; name it in "
                "@reconciler(..., owns=[...]) or watches={...}"
            )
        return found

    def use(self, wanted: Dependency[T]) -> T:
        """The manager's instance of a dependency that the decorator names; LookupError for any other."""
        if wanted not in self.instances:
            raise LookupError(
                f"use {wanted} for {self.resource} {self.key}: nobody opens it; name it in @reconciler(..., uses=[...])"
            )
        return cast(T, self.instances[wanted])

    async def apply(self, resource: Resource[U], wanted: object) -> U:
        """
        See that the object has a child with the wanted fields; return the child as it is then.

            deployment = await context.apply(DEPLOYMENTS, Deployment(metadata=ObjectMeta(), spec=...))

        Shape   The kind is one that the decorator names. A child that has no name is called as the object is, and is in
                its namespace. The object becomes its controller. Fields that are applied no more are taken back; those
                of others stay. Where the cache shows the child as it was left, nothing is sent.
        Errors  As Children.apply; LookupError for a kind that the decorator does not name.
        """
        children = self.children or Children(self.client, self.resource)
        return await children.apply(self.meta, self.lister(resource), wanted)

    async def set_status(self, wanted: object) -> None:
        """
        See that the object has a status, as ctrlkit.set_status does.

            await context.set_status(CacheStatus(ready=3, conditions=(Condition(type="Ready", ...),)))

        The first status is written whole, zeros included. Of an object whose status has a type, one that is all
        defaults is not written where the object shows no other: docs/howto/status.md says how to have it written.
        """
        have, shown_by = self._status.get("now"), None
        if have is None:
            have, shown_by = to_plain(self.object or {}).get("status") or {}, self.object
        self._status["now"] = await patch_status(self.client, self.resource, self.meta, have, wanted, shown_by=shown_by)

    def event(self, event_type: EventType, reason: str, message: str) -> None:
        """Record an Event about the object; never waits, never fails."""
        self.recorder.event(self.meta, self.resource, event_type, reason, message)
