"""Admission for storage: default classes, growth of claims, and finalizers that protect what is in use."""

from __future__ import annotations

from typing import Any

from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.storage.classes import default_of
from ctrlkit.fakes.tracker.kinds.storage.volumes import CLASS_ANNOTATION, class_of
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.kinds.tables import name_of, section
from ctrlkit.fakes.tracker.refusals import forbidden
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.model import ObjectKey, kinds

_CLASSES = ("storage.k8s.io", "storageclasses")
_RESIZE_TEXT = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)


def protect_volume(_core: Core, volume: Plain, old: Object | None) -> None:
    """Protect a new volume from removal while a claim uses it."""
    _protect(volume, old, "kubernetes.io/pv-protection")


def protect_claim(_core: Core, claim: Plain, old: Object | None) -> None:
    """Protect a new claim from removal while a pod uses it."""
    _protect(claim, old, "kubernetes.io/pvc-protection")


def protect_attributes(_core: Core, attributes_class: Plain, old: Object | None) -> None:
    """Protect a new VolumeAttributesClass from removal while a claim uses it."""
    _protect(attributes_class, old, "kubernetes.io/vac-protection")


def _protect(plain: Plain, old: Object | None, finalizer: str) -> None:
    have = plain["metadata"].get("finalizers") or []
    if old is None and finalizer not in have:
        plain["metadata"]["finalizers"] = [*have, finalizer]


def choose_class(core: Core, claim: Plain, old: Object | None) -> None:
    """Give a new claim that names no class the default one: the newest, by name where they are as old."""
    has_class = CLASS_ANNOTATION in section(claim["metadata"], "annotations") or "storageClassName" in claim["spec"]
    if old is not None or has_class:
        return
    chosen = default_of(stored.plain for stored in core.store.collection(_CLASSES).all())
    if chosen:
        claim["spec"]["storageClassName"] = chosen


def check_growth(core: Core, claim: Plain, old: Object | None) -> None:
    """Refuse a larger request of a claim whose class does not allow growth. Errors: Forbidden."""
    if old is None or _size(claim) <= _size(old):
        return
    name = name_of(claim)
    if section(old, "status").get("phase") != "Bound":
        raise forbidden(kinds.PERSISTENT_VOLUME_CLAIMS, name, "Only bound persistent volume claims can be expanded")
    wanted = class_of(claim)
    stored = core.store.collection(_CLASSES).find(ObjectKey("", wanted)) if wanted == class_of(old) else None
    if stored is None or not stored.plain.get("allowVolumeExpansion"):
        raise forbidden(kinds.PERSISTENT_VOLUME_CLAIMS, name, _RESIZE_TEXT)


def _size(claim: Object) -> Any:
    return quantity_value(section(section(claim["spec"], "resources"), "requests").get("storage") or "0")
