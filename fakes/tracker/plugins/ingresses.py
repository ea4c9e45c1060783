"""Admission for ingresses: the default class."""

from __future__ import annotations

from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.networking.ingresses import CLASS_ANNOTATION, DEFAULT_ANNOTATION
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.kinds.tables import section

_CLASSES = ("networking.k8s.io", "ingressclasses")


def choose_class(core: Core, ingress: Plain, old: Object | None) -> None:
    """Give a new ingress that names no class the default one: the newest, by name where they are as old."""
    spec = ingress["spec"]
    noted = CLASS_ANNOTATION in section(ingress["metadata"], "annotations")
    if old is not None or noted or spec.get("ingressClassName") is not None:
        return
    found = [
        stored
        for stored in core.store.collection(_CLASSES).all()
        if section(stored.metadata, "annotations").get(DEFAULT_ANNOTATION) == "true"
    ]
    if found:
        newest = max(stored.metadata["creationTimestamp"] for stored in found)
        spec["ingressClassName"] = min(
            stored.key.name for stored in found if stored.metadata["creationTimestamp"] == newest
        )
