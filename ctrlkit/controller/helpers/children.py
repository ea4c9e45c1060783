"""
Children: objects that another one controls, applied so that they are as wanted.

In       The owner, and the fields that a child should have.
Out      Server-side applies; none where the cache shows the child as it was left.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller.helpers.apply import Applier
from ctrlkit.controller.helpers.converge import Convergence
from ctrlkit.controller.helpers.owners import set_controller_reference
from ctrlkit.model import AnyResource, ObjectMeta, Resource, Unstructured, meta_of, to_plain
from ctrlkit.telemetry import logger
from ctrlkit.wire.codec import Codec

U = TypeVar("U")


class Children:
    """
    Applies the children of objects of one kind, as the client's field manager.

        children = Children(client, SITES)
        deployment = await children.apply(site.metadata, deployments.lister, Deployment(spec=...))

    Shape   A child without a name is called as its owner is, and one without a namespace is in its owner's; the owner
            controls it. An object that nobody controls becomes a child, which is logged. The program keeps the fields
            that it applies, and loses those that it applies no more.
    Errors  AlreadyOwned where another object controls the child; ValueError for a child in another namespace than its
            owner; the client's.
    Owner   One event loop, as an Applier.
    """

    def __init__(self, client: Client, resource: AnyResource) -> None:
        self._resource = resource
        self._applier = Applier(client)
        self._codecs: dict[AnyResource, Codec[Any]] = {}
        self._log = logger("controller")

    async def apply(self, owner: ObjectMeta, children: Lister[U], wanted: object) -> U:
        """See that there is a child with the wanted fields; return it as it is then."""
        kind = children.resource
        child: dict[str, Any] = to_plain(wanted)
        metadata = child["metadata"] = dict(child.get("metadata") or {})
        metadata.setdefault("name", owner.name)
        if kind.namespaced and owner.namespace:
            metadata.setdefault("namespace", owner.namespace)
        have = children.find_record(meta_of(child).key)
        if have is not None and have.meta.controller is not None:
            set_controller_reference(_head(kind, have.meta), owner, self._resource)  # refused where it is another's
        set_controller_reference(child, owner, self._resource)
        current: Any = None if have is None else have.value
        result, after = await self._applier.apply(kind, child, current=current)
        if have is not None and have.meta.controller is None and result is not Convergence.UNCHANGED:
            who = f"{self._resource} {owner.key}"
            self._log.info("child_taken_over", child=f"{kind} {have.key}", owner=who)
        if result is Convergence.UNCHANGED and current is not None:
            unchanged: U = current
            return unchanged
        return self._decoded(kind, after)

    def _decoded(self, kind: Resource[U], thing: Unstructured) -> U:
        codec = self._codecs.get(kind)
        if codec is None:
            codec = self._codecs[kind] = Codec(kind)
        decoded: U = codec.decode_object(msgspec.json.encode(thing))
        return decoded


def _head(kind: AnyResource, meta: ObjectMeta) -> dict[str, Any]:
    return {"kind": kind.kind, "metadata": to_plain(meta)}
