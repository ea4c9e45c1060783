"""
How `kubectl apply --server-side` takes over an object that it applied on its own side before.

The annotation with what was applied last gives the manager `kubectl`, and no other, the right to change fields that
still have the values in it; and it is kept up to date, for a kubectl that goes back to its old way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.ownership.fieldsets import FieldSet, difference
from ctrlkit.fakes.tracker.ownership.object_fields import applied, compare
from ctrlkit.fakes.tracker.ownership.typed_merge import problems
from ctrlkit.fakes.tracker.refusals import json_text
from ctrlkit.fakes.tracker.schema.nodes import Node
from ctrlkit.model import Action

_KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_ANNOTATIONS_BYTES_MAX = 256 * 1024
_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def allowed_conflicts(served: Strategy, action: Action, live: Mapping[str, Any], node: Node) -> FieldSet:
    """Return the fields that kubectl may take from other managers: those it applied last, if they are unchanged."""
    text = _last_applied(live) if action.options.field_manager == _KUBECTL else ""
    try:
        last = msgspec.json.decode(text) if text else None
    except msgspec.DecodeError:
        return {}
    if not isinstance(last, dict) or last.get("apiVersion") != served.resource.api_version:
        return {}
    if any(True for _ in problems(last, node)):
        return {}
    changed, removed = compare(last, live, node)
    return difference(difference(applied(last, node), changed), removed)


def with_last_applied(action: Action, plain: dict[str, Any]) -> dict[str, Any]:
    """Return an object that was applied to, the annotation in it up to date if it has one and kubectl applied."""
    if action.options.field_manager != _KUBECTL or not _last_applied(plain):
        return plain
    body, meta = action.body, action.body.get("metadata") or {}
    if LAST_APPLIED in (meta.get("annotations") or {}):
        others = {name: value for name, value in meta["annotations"].items() if name != LAST_APPLIED}
        body = {**body, "metadata": {**meta, "annotations": others}}
    annotations = {**plain["metadata"]["annotations"], LAST_APPLIED: json_text(body).translate(_HTML) + "\n"}
    if (
        sum(len(name.encode()) + len(str(value).encode()) for name, value in annotations.items())
        > _ANNOTATIONS_BYTES_MAX
    ):
        del annotations[LAST_APPLIED]
    return {**plain, "metadata": {**plain["metadata"], "annotations": annotations}}


def _last_applied(plain: Mapping[str, Any]) -> str:
    text = ((plain.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    return text if isinstance(text, str) else ""
