"""The four kinds of patches. What they send may hold secrets, so their `repr` leaves it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class PatchType(Enum):
    """The kind of a patch; the value is its content type."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class JsonPatch:
    """RFC 6902: a list of operations, carried out in order or not at all."""

    operations: Sequence[Mapping[str, Any]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class MergePatch:
    """RFC 7386: fields given replace, fields given as None are removed, lists are replaced whole."""

    fields: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class StrategicMergePatch:
    """Kubernetes' merge that knows list keys; built-in kinds only."""

    fields: object = field(repr=False)


class OnConflict(Enum):
    """What an apply does with fields that another manager owns: fail with Conflict, or take them."""

    FAIL = "fail"
    FORCE = "force"


@dataclass(frozen=True, slots=True)
class ApplyPatch:
    """Server-side apply: all fields that this manager wants; the object is created if missing."""

    fields: object = field(repr=False)
    on_conflict: OnConflict = OnConflict.FAIL


Patch = JsonPatch | MergePatch | StrategicMergePatch | ApplyPatch
"""What `Client.patch` takes."""
