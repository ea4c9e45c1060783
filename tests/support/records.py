"""Records and changes in a word."""

from __future__ import annotations

from typing import Any

from ctrlkit.model import Applied, Deleted, ObjectKey, ObjectMeta, Record, Snapshot


def record(key: str, version: int | str, **labels: str) -> Record[dict[str, Any]]:
    """An object of which only key, version and labels matter."""
    namespace, name = ObjectKey.parse(key)
    meta = ObjectMeta(namespace=namespace, name=name, resource_version=str(version), labels=labels or None)
    return Record(meta, {"key": key, "version": str(version)}, dict)


def snapshot(version: int | str, *records: Record[dict[str, Any]]) -> Snapshot[dict[str, Any]]:
    """A collection at a version."""
    return Snapshot(records, str(version))


def applied(key: str, version: int | str, **labels: str) -> Applied[dict[str, Any]]:
    """An object came or changed."""
    return Applied(record(key, version, **labels))


def deleted(key: str, version: int | str) -> Deleted[dict[str, Any]]:
    """An object went."""
    return Deleted(record(key, version))
