"""Reads volumes, claims and classes for the plans, and changes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.fakes.cluster.loops.storage_plan import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    PROVISIONED_BY,
    SELECTED_NODE,
    Claim,
    Class,
    Holder,
    Phase,
    Volume,
)
from ctrlkit.fakes.tracker.kinds.storage.volume_sources import SOURCES
from ctrlkit.fakes.tracker.kinds.storage.volumes import CLASS_ANNOTATION, class_of
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.model import LabelSelector, ObjectKey, Unstructured


def read_volume(volume: Unstructured) -> Volume:
    """Read the fields of a PersistentVolume that plans depend on."""
    metadata, spec = volume.metadata, volume["spec"]
    annotations, held = metadata.annotations or {}, spec.get("claimRef")
    source = next((name for name in SOURCES if spec.get(name) is not None), "")
    key = ObjectKey((held or {}).get("namespace", ""), (held or {}).get("name", ""))
    return Volume(
        name=metadata.name,
        size=quantity_value((spec.get("capacity") or {}).get("storage", "0")),
        modes=frozenset(spec.get("accessModes") or ()),
        class_name=class_of(volume),
        volume_mode=spec.get("volumeMode") or "Filesystem",
        attributes_class=spec.get("volumeAttributesClassName") or "",
        labels=metadata.labels or {},
        phase=volume.at("status.phase") or Phase.PENDING,
        holder=None if held is None else Holder(key, held.get("uid", "")),
        policy=spec.get("persistentVolumeReclaimPolicy", ""),
        source=source,
        host_path=volume.at("spec.hostPath.path") or "",
        provisioned_by=annotations.get(PROVISIONED_BY, ""),
        is_bound_by_controller=BOUND_BY_CONTROLLER in annotations,
        is_deleting=metadata.deleting,
    )


def read_claim(claim: Unstructured) -> Claim:
    """Read the fields of a PersistentVolumeClaim that plans depend on."""
    metadata, spec = claim.metadata, claim["spec"]
    annotations, selector = metadata.annotations or {}, spec.get("selector")
    has_class = CLASS_ANNOTATION in annotations or spec.get("storageClassName") is not None
    return Claim(
        key=claim.key,
        uid=metadata.uid,
        request=quantity_value(requested(claim)),
        modes=frozenset(spec.get("accessModes") or ()),
        class_name=class_of(claim) if has_class else None,
        volume_mode=spec.get("volumeMode") or "Filesystem",
        attributes_class=spec.get("volumeAttributesClassName") or "",
        selector=None if selector is None else LabelSelector.of_object(selector),
        volume_name=spec.get("volumeName") or "",
        phase=claim.at("status.phase") or Phase.PENDING,
        is_bound=BIND_COMPLETED in annotations,
        has_node=SELECTED_NODE in annotations,
    )


def read_class(storage_class: Unstructured) -> Class:
    """Read the fields of a StorageClass that plans depend on."""
    return Class(
        name=storage_class.key.name,
        provisioner=storage_class["provisioner"],
        waits=storage_class.get("volumeBindingMode") == "WaitForFirstConsumer",
    )


def requested(claim: Unstructured) -> str:
    """Return how much storage a claim asks for."""
    return str(((claim.at("spec.resources.requests")) or {}).get("storage", "0"))


def held_for(volume: Unstructured, claim: Unstructured) -> Unstructured | None:
    """Return a volume that names a claim as the one it is bound to; None if it does."""
    before = read_volume(volume)
    held, key = before.holder, claim.key
    if held == Holder(key, claim.metadata.uid):
        return None
    reference = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": key.namespace,
        "name": key.name,
        "uid": claim.metadata.uid,
        "resourceVersion": claim.metadata.resource_version,
    }
    changed = Unstructured({**volume, "spec": {**volume["spec"], "claimRef": reference}})
    return changed if before.is_kept_for(read_claim(claim)) else annotated(changed, {BOUND_BY_CONTROLLER: "yes"})


def freed(volume: Unstructured) -> Unstructured:
    """Return a volume that is not bound: one that a user kept for a claim stays reserved for whoever has the name."""
    spec, metadata = dict(volume["spec"]), dict(volume["metadata"])
    annotations = dict(metadata.get("annotations") or {})
    if BOUND_BY_CONTROLLER in annotations:
        del annotations[BOUND_BY_CONTROLLER], spec["claimRef"]
        metadata["annotations"] = annotations
    else:
        spec["claimRef"] = {name: value for name, value in spec["claimRef"].items() if name != "uid"}
    return Unstructured({**volume, "metadata": metadata, "spec": spec})


def completed(claim: Unstructured, volume: str) -> Unstructured | None:
    """Return a claim that names its volume, and says so; None if it does."""
    notes = {BIND_COMPLETED: "yes"}
    if claim.at("spec.volumeName") == volume:
        return None if BIND_COMPLETED in (claim.metadata.annotations or {}) else annotated(claim, notes)
    named = Unstructured({**claim, "spec": {**claim["spec"], "volumeName": volume}})
    return annotated(named, notes | {BOUND_BY_CONTROLLER: "yes"})


def annotated(thing: Unstructured, notes: Mapping[str, str]) -> Unstructured:
    """Return an object with annotations added; those that are there stay as they are."""
    metadata = thing["metadata"]
    return Unstructured(
        {**thing, "metadata": metadata | {"annotations": {**notes, **(metadata.get("annotations") or {})}}}
    )


def claim_status(claim: Unstructured, phase: Phase, volume: Unstructured | None) -> dict[str, Any]:
    """
    Return the status of a claim in a phase, with what its volume has.

    The capacity is taken over when the phase changes: later on it may differ, while the volume grows.
    """
    status: dict[str, Any] = dict(claim.get("status") or {})
    before = status.get("phase")
    status["phase"] = phase.value
    if volume is None:
        for name in ("accessModes", "capacity", "currentVolumeAttributesClassName"):
            status.pop(name, None)
        return status
    spec = volume["spec"]
    status["accessModes"] = list(spec.get("accessModes") or ())
    if before != phase:
        status["capacity"] = dict(spec.get("capacity") or {})
    if before == Phase.PENDING and spec.get("volumeAttributesClassName"):
        status["currentVolumeAttributesClassName"] = spec["volumeAttributesClassName"]
    return status
