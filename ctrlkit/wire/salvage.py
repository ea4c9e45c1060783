"""What can still be read of an object that is not as it should be, so that it is seen and not lost (row B14)."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ctrlkit.model import ObjectMeta


def read_loosely(data: bytes) -> dict[str, Any] | None:
    """A JSON object, with wrong UTF-8 replaced; None where it is none."""
    try:
        value = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def salvage_metadata(item: Any) -> ObjectMeta:
    """
    The fields of an object's metadata that are as they should be.

    >>> meta = salvage_metadata({"metadata": {"name": "a", "resourceVersion": "7", "labels": 5}})
    >>> meta.name, meta.resource_version, meta.labels
    ('a', '7', None)
    """
    metadata = item.get("metadata") if isinstance(item, dict) else None
    fields = metadata.items() if isinstance(metadata, dict) else ()
    return msgspec.convert({name: value for name, value in fields if _fits(name, value)}, ObjectMeta)


def _fits(name: str, value: Any) -> bool:
    try:
        msgspec.convert({name: value}, ObjectMeta)
    except msgspec.ValidationError:
        return False
    return True
