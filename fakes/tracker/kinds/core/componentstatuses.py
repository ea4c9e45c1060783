"""ComponentStatuses: the health of a cluster's parts, which the server looks up whenever it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import name_of

_PARTS = ("controller-manager", "scheduler", "etcd-0")
_WORDS = {"True": "Healthy", "False": "Unhealthy"}


def _report() -> Iterator[Plain]:
    """Whatever stands for the parts of this cluster is in this process, and well."""
    for name in _PARTS:
        yield {"metadata": {"name": name}, "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]}


def _cells(status: Object, _now: datetime) -> list[Any]:
    health: Object = next((one for one in status.get("conditions") or () if one["type"] == "Healthy"), {})
    shown = _WORDS.get(health.get("status", ""), "Unknown")
    return [name_of(status), shown, health.get("message", ""), health.get("error", "")]


COMPONENT_STATUSES = Strategy(report=_report, deprecated="v1 ComponentStatus is deprecated in v1.19+", cells=_cells)
