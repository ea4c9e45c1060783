"""RFC 7386 merge patches, as a server's library performs them."""

from __future__ import annotations

from typing import Any

from ctrlkit.fakes.tracker.schema.depth import decode, encode
from ctrlkit.fakes.tracker.schema.nodes import SCALARS


def merge(target: Any, patch: Any) -> Any:
    """
    Merge as RFC 7386 does: null removes, objects merge, other values replace. The inputs are not changed.

    >>> merge({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": 4}})
    {'b': {'c': 4, 'd': 3}}
    """
    if not isinstance(target, dict):
        text = encode(patch)
        return without_nulls(patch) if b"null" in text else decode(text)
    if not isinstance(patch, dict):
        return patch
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value if type(value) in SCALARS else merge(merged.get(name), value)
    return merged


def without_nulls(value: Any) -> Any:
    """
    A value without nulls in its objects; those in lists stay.

    >>> without_nulls({"a": None, "b": [None, {"c": None}]})
    {'b': [None, {}]}
    """
    if isinstance(value, dict):
        return {
            name: inner if type(inner) in SCALARS else without_nulls(inner)
            for name, inner in value.items()
            if inner is not None
        }
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
