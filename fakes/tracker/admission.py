"""
Admission: rules for writes that depend on other objects, as the server's built-in plug-ins have them.

A plug-in either completes an object before the rules of its kind are checked, or refuses a write that breaks none. The
tables name the plug-ins of a kind; their modules are read when the kind is first written.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import namespace_terminating, not_found
from ctrlkit.fakes.tracker.store import Identity
from ctrlkit.model import Action, ObjectKey, Options, kinds

Plain = dict[str, Any]
Object = Mapping[str, Any]

_COMPLETING: Mapping[Identity, tuple[str, ...]] = {
    ("", "persistentvolumeclaims"): ("storage:choose_class", "storage:protect_claim"),
    ("", "persistentvolumes"): ("storage:protect_volume",),
    ("", "pods"): ("limits:fill_in_pod", "pods:admit_pod"),
    ("networking.k8s.io", "ingresses"): ("ingresses:choose_class",),
    ("storage.k8s.io", "volumeattributesclasses"): ("storage:protect_attributes",),
}
"""By kind: functions `(core, plain, old)` that change `plain` in place, `module:name` below the package `plugins`."""

_REFUSING: Mapping[Identity, tuple[str, ...]] = {
    ("", "persistentvolumeclaims"): ("limits:check_claim", "storage:check_growth"),
    ("", "pods"): ("limits:check_pod", "pods:refuse_overhead"),
}
"""By kind: functions `(core, plain, old)` that raise an ApiError."""


_QUOTAS: Identity = ("", "resourcequotas")


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


def complete(core: Core, served: Strategy, plain: Plain, old: Object | None) -> None:
    """Let the plug-ins complete a new or changed object; `old` is None for a new one."""
    for place in _COMPLETING.get(served.resource.identity, ()):
        _plugin(place)(core, plain, old)


def admit(
    core: Core, served: Strategy, plain: Plain, old: Object | None, options: Options, *, subresource: str = ""
) -> None:
    """Let the plug-ins look at an object that breaks no rule of its kind. Errors: Forbidden."""
    if subresource:
        return
    for place in _REFUSING.get(served.resource.identity, ()):
        _plugin(place)(core, plain, old)
    if served.resource.namespaced and len(core.store.collection(_QUOTAS)):
        from ctrlkit.fakes.tracker.plugins.quotas import check  # noqa: PLC0415  # few servers have a quota

        check(core, served, plain, old, dry_run=options.dry_run)


@functools.cache
def _plugin(place: str) -> Callable[[Core, Plain, Object | None], None]:
    module, _, name = place.partition(":")
    found: Callable[[Core, Plain, Object | None], None] = getattr(
        importlib.import_module(f"ctrlkit.fakes.tracker.plugins.{module}"), name
    )
    return found
