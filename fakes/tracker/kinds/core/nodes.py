"""Nodes."""

from __future__ import annotations

from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Strategy
from ctrlkit.model import kinds, value_at


def _selected_value(node: Object, path: str) -> Any:
    value = value_at(node, path)
    return bool(value) if path == "spec.unschedulable" else value


NODES = Strategy(
    resource=kinds.NODES,
    short_names=("no",),
    subresources=frozenset({"status"}),
    selectable_fields=("spec.unschedulable",),
    selected_value=_selected_value,
)
