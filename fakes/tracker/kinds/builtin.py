"""What is particular to objects of built-in kinds as they are made and changed, beyond their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.pod_defaults import quality_of_service
from ctrlkit.fakes.tracker.kinds.defaults import fill_in
from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.model import AnyResource, kinds

Plain = dict[str, Any]

_FIRST_STATUS: Mapping[tuple[str, str], Plain] = {
    kinds.NAMESPACES.identity: {"phase": "Active"},
    kinds.PODS.identity: {"phase": "Pending"},
    kinds.PERSISTENT_VOLUME_CLAIMS.identity: {"phase": "Pending"},
}
_NAME_LABEL = "kubernetes.io/metadata.name"


def fill_in_new(resource: AnyResource, plain: Plain) -> None:
    """Fill in what a new object begins with; `plain` is changed."""
    fill_in(resource, plain)
    identity = resource.identity
    if "status" not in plain and (status := _FIRST_STATUS.get(identity) or typed.blank_status(resource)) is not None:
        plain["status"] = dict(status)
    if identity == kinds.NAMESPACES.identity:
        _label_namespace(plain)
        finalizers = plain["spec"].get("finalizers") or []
        plain["spec"]["finalizers"] = [*finalizers, *(["kubernetes"] if "kubernetes" not in finalizers else [])]
    elif identity == kinds.PODS.identity:
        plain["status"]["qosClass"] = quality_of_service(plain["spec"])


def fill_in_changed(resource: AnyResource, plain: Plain, old: Mapping[str, Any]) -> None:
    """Fill in what an update left out; `plain` is changed, but for the parts it shares with `old`."""
    if "spec" not in plain or plain["spec"] is not old.get("spec"):
        fill_in(resource, plain)
    if resource.identity == kinds.NAMESPACES.identity:
        _label_namespace(plain)
        finalizers = (old.get("spec") or {}).get("finalizers")
        plain["spec"] = {**plain["spec"], **({"finalizers": finalizers} if finalizers else {})}


def fill_in_status(resource: AnyResource, plain: Plain, old: Mapping[str, Any]) -> None:
    """Keep what of a status nobody changes; `plain` is changed."""
    quality = (old.get("status") or {}).get("qosClass")
    if resource.identity == kinds.PODS.identity and quality:
        plain["status"] = {**(plain.get("status") or {}), "qosClass": quality}


def _label_namespace(plain: Plain) -> None:
    metadata = plain["metadata"]
    plain["metadata"] = {**metadata, "labels": {**(metadata.get("labels") or {}), _NAME_LABEL: metadata["name"]}}
