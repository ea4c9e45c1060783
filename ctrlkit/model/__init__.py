"""Kubernetes words as values: no I/O, no clock of their own, nothing that waits."""

from __future__ import annotations

from ctrlkit.model.action import Action, Options, Verb
from ctrlkit.model.bodies import to_plain
from ctrlkit.model.conditions import (
    Condition,
    find_condition,
    is_condition,
    read_conditions,
    remove_conditions,
    set_conditions,
)
from ctrlkit.model.immutable import is_immutable
from ctrlkit.model.keys import ObjectKey, is_newer
from ctrlkit.model.meta import ObjectMeta, OwnerReference, PartialObjectMetadata, meta_of
from ctrlkit.model.patches import (
    ApplyPatch,
    JsonPatch,
    MergePatch,
    OnConflict,
    Patch,
    PatchType,
    StrategicMergePatch,
)
from ctrlkit.model.paths import value_at
from ctrlkit.model.resource import AnyResource, Resource, Scope, custom_resource
from ctrlkit.model.selectors import FieldSelector, LabelSelector
from ctrlkit.model.transport import Lines, Transport
from ctrlkit.model.unstructured import Unstructured
from ctrlkit.model.watch import Applied, Bookmark, Deleted, Record, Snapshot, Unusable, WatchEvent
from ctrlkit.model.writes import Effect, Write

__all__ = [
    "Action",
    "AnyResource",
    "Applied",
    "ApplyPatch",
    "Bookmark",
    "Condition",
    "Deleted",
    "Effect",
    "FieldSelector",
    "JsonPatch",
    "LabelSelector",
    "Lines",
    "MergePatch",
    "ObjectKey",
    "ObjectMeta",
    "OnConflict",
    "Options",
    "OwnerReference",
    "PartialObjectMetadata",
    "Patch",
    "PatchType",
    "Record",
    "Resource",
    "Scope",
    "Snapshot",
    "StrategicMergePatch",
    "Transport",
    "Unstructured",
    "Unusable",
    "Verb",
    "WatchEvent",
    "Write",
    "custom_resource",
    "find_condition",
    "is_condition",
    "is_immutable",
    "is_newer",
    "meta_of",
    "read_conditions",
    "remove_conditions",
    "set_conditions",
    "to_plain",
    "value_at",
]
