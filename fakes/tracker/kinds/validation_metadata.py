"""What the server has against labels, annotations, owner references, finalizers and selectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

Plain = Mapping[str, Any]

_TOLD_MAX = 10
_ANNOTATION_BYTES_MAX = 256 * 1024
_OWNER_FIELDS = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
_SET_OPERATORS = ("In", "NotIn")
_KEY_OPERATORS = ("Exists", "DoesNotExist")


def metadata_causes(metadata: Plain, path: str = "metadata") -> Iterator[Cause]:
    """What the server has against an object's metadata, its name apart."""
    if not metadata.keys() & {"labels", "annotations", "ownerReferences", "finalizers"}:
        return
    yield from label_causes(metadata.get("labels"), f"{path}.labels")
    yield from annotation_causes(metadata.get("annotations"), f"{path}.annotations")
    yield from _owner_causes(metadata.get("ownerReferences") or [], f"{path}.ownerReferences")
    finalizers = metadata.get("finalizers") or []
    for name in finalizers:
        yield from Cause.all_wrong(f"{path}.finalizers", name, formats.label_key(name))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        yield Cause.wrong(f"{path}.finalizers", finalizers, text)


def label_causes(labels: Plain | None, path: str) -> Iterator[Cause]:
    """What the server has against labels."""
    for key, value in (labels or {}).items():
        yield from Cause.all_wrong(path, key, formats.label_key(key))
        yield from Cause.all_wrong(path, value, formats.label_value(value))


def annotation_causes(annotations: Plain | None, path: str) -> Iterator[Cause]:
    """What the server has against annotations."""
    size_bytes = 0
    for key, value in (annotations or {}).items():
        yield from Cause.all_wrong(path, key, formats.label_key(key.lower()))
        size_bytes += len(key.encode()) + len(value.encode())
    if size_bytes > _ANNOTATION_BYTES_MAX:
        yield Cause.too_long(path, _ANNOTATION_BYTES_MAX)


def selector_causes(selector: Plain, path: str) -> Iterator[Cause]:
    """What the server has against a label selector in an object."""
    yield from label_causes(selector.get("matchLabels"), f"{path}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        operator, values = expression["operator"], expression.get("values") or []
        if operator in _SET_OPERATORS and not values:
            yield Cause.required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in _KEY_OPERATORS and values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield Cause.forbidden(f"{here}.values", text)
        elif operator not in (*_SET_OPERATORS, *_KEY_OPERATORS):
            yield Cause.wrong(f"{here}.operator", operator, "not a valid selector operator")
        yield from Cause.all_wrong(f"{here}.key", expression["key"], formats.label_key(expression["key"]))
        for place, value in enumerate(values):
            yield from Cause.all_wrong(f"{here}.values[{place}]", value, formats.label_value(value))


def _owner_causes(owners: list[Plain], path: str) -> Iterator[Cause]:
    for index, owner in enumerate(owners):
        here = f"{path}[{index}]"
        version = owner.get("apiVersion") or ""
        if not version:
            yield Cause.required(f"{here}.apiVersion", "must not be empty")
        elif version.count("/") > 1 or version.endswith("/"):
            yield Cause.wrong(f"{here}.apiVersion", version, "must be <group>/<version> or <version>")
        for name in ("kind", "name", "uid"):
            if not owner.get(name):
                yield Cause.required(f"{here}.{name}", "must not be empty")
        if owner.get("kind") == "Event" and version in ("v1", "events.k8s.io/v1"):
            group = "" if version == "v1" else "events.k8s.io"
            text = f"{group}/v1, Kind=Event is disallowed from being an owner"
            yield Cause.invalid(here, _in_go_order([owner])[1:-1], text)
    controllers = [f"{one.get('kind')}/{one.get('name')}" for one in owners if one.get("controller")]
    for other in controllers[1:_TOLD_MAX]:  # each time the server tells of all references
        found = f'Found "true" in references for {controllers[0]} and {other}'
        yield Cause.invalid(path, _in_go_order(owners), f"Only one reference can have Controller set to true. {found}")


def _in_go_order(owners: list[Plain]) -> str:
    """References as JSON, their fields in the order the server's type has them in."""
    return msgspec.json.encode([{name: one[name] for name in _OWNER_FIELDS if name in one} for one in owners]).decode()
