"""What the conditions of a terminating namespace say about what is left in it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ctrlkit import clock
from ctrlkit.model import AnyResource, ObjectMeta

_FINE: Mapping[str, tuple[str, str]] = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}
"""The reason and the message of each condition while it is False."""


@dataclass(slots=True)
class Remains:
    """How many objects of each kind are left, and how many each finalizer holds."""

    kinds: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)

    def add(self, resource: AnyResource, objects: Iterable[ObjectMeta]) -> None:
        """Count the objects of a kind."""
        for one in objects:
            self.kinds[f"{resource.plural}.{resource.group}"] += 1
            self.finalizers.update(one.finalizers or ())


def conditions(old: Sequence[Mapping[str, Any]], remains: Remains, now: datetime) -> list[dict[str, Any]]:
    """Return the conditions of a namespace; the time of one changes with its status alone."""
    true: dict[str, tuple[str, str]] = {}
    if remains.kinds:
        left = ", ".join(f"{kind} has {count} resource instances" for kind, count in sorted(remains.kinds.items()))
        true["NamespaceContentRemaining"] = ("SomeResourcesRemain", f"Some resources are remaining: {left}")
    if remains.finalizers:
        held = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(remains.finalizers.items()))
        text = f"Some content in the namespace has finalizers remaining: {held}"
        true["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", text)
    before = {one["type"]: one for one in old}
    found = []
    for name, fine in _FINE.items():
        status = "True" if name in true else "False"
        reason, message = true.get(name, fine)
        is_same = name in before and before[name]["status"] == status
        since = before[name]["lastTransitionTime"] if is_same else clock.timestamp(now)
        found.append(
            {"type": name, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
        )
    return [*found, *(dict(one) for one in old if one["type"] not in _FINE)]
