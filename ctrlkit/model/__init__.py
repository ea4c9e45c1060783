"""Values: keys, metadata, resources, selectors, patches, records, API calls. No I/O, nothing that waits."""

from __future__ import annotations

from ctrlkit.model.action import Action, Effect, Lines, Options, Transport, Verb, Write
from ctrlkit.model.conditions import (
    Condition,
    find_condition,
    is_condition,
    read_conditions,
    remove_conditions,
    set_conditions,
)
from ctrlkit.model.definition import Column, Definition, ScaleFields
from ctrlkit.model.immutable import is_immutable
from ctrlkit.model.meta import ObjectKey, ObjectMeta, OwnerReference, PartialObjectMetadata, is_newer, meta_of
from ctrlkit.model.patches import (
    ApplyPatch,
    JsonPatch,
    MergePatch,
    OnConflict,
    Patch,
    PatchType,
    StrategicMergePatch,
)
from ctrlkit.model.resource import AnyResource, Resource, Scope, custom_resource
from ctrlkit.model.schema import NO_DEFAULT, Rule, Schema
from ctrlkit.model.selectors import FieldSelector, LabelSelector
from ctrlkit.model.unstructured import Unstructured
from ctrlkit.model.values import digest, to_plain, value_at
from ctrlkit.model.watch import Applied, Bookmark, Deleted, Record, Snapshot, Unusable, WatchEvent

__all__ = [
    "NO_DEFAULT",
    "Action",
    "AnyResource",
    "Applied",
    "ApplyPatch",
    "Bookmark",
    "Column",
    "Condition",
    "Definition",
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
    "Rule",
    "ScaleFields",
    "Schema",
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
    "digest",
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
