"""Admission: rules for writes that hold for all kinds and depend on other objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import namespace_terminating, not_found
from ctrlkit.model import Action, ObjectKey, kinds


def admit_new(core: Core, served: Strategy, action: Action, body: Mapping[str, Any]) -> None:
    """Refuse a new object in a namespace that does not exist (NotFound) or is being deleted (Forbidden)."""
    if not served.resource.namespaced:
        return
    namespace = core.store.collection(kinds.NAMESPACES.identity).find(ObjectKey("", action.namespace))
    if namespace is None:
        raise not_found(kinds.NAMESPACES, action.namespace)
    if namespace.metadata.get("deletionTimestamp"):
        name = (body.get("metadata") or {}).get("name") or ""
        raise namespace_terminating(served.resource, name, action.namespace)
