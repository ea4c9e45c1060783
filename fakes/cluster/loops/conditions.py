"""Conditions of a status, as controllers of workloads keep them: the newest change stands last. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ctrlkit import clock

Condition = dict[str, Any]


def with_condition(conditions: Iterable[Condition], new: Mapping[str, Any], now: datetime) -> list[Condition]:
    """
    Set a condition; one with the same status and reason stays as it is.

    >>> from datetime import UTC
    >>> then = datetime(2026, 1, 1, tzinfo=UTC)
    >>> ready = {"type": "Ready", "status": "True", "reason": "Up"}
    >>> with_condition([], ready, then)
    [{'type': 'Ready', 'status': 'True', 'lastTransitionTime': '2026-01-01T00:00:00Z', 'reason': 'Up'}]

    Shape   `lastTransitionTime` changes with the status alone. One that has a `lastUpdateTime` gets a new one.
    """
    kept = list(conditions)
    old = next((one for one in kept if one["type"] == new["type"]), None)
    if old is not None and (old["status"], old.get("reason")) == (new["status"], new.get("reason")):
        return kept
    stamp = clock.timestamp(now)
    changed = old["lastTransitionTime"] if old is not None and old["status"] == new["status"] else stamp
    times = {"lastUpdateTime": stamp} if "lastUpdateTime" in new else {}
    head = {"type": new["type"], "status": new["status"], **times, "lastTransitionTime": changed}
    rest = {name: new[name] for name in ("reason", "message") if new.get(name)}
    return [*without_condition(kept, new["type"]), head | rest]


def without_condition(conditions: Iterable[Condition], name: str) -> list[Condition]:
    """Leave out a condition."""
    return [one for one in conditions if one["type"] != name]
