"""TaintNodesByCondition: a new node takes no pods until its controller has seen that it is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.admission import Object, Plain
    from ctrlkit.fakes.tracker.core import Core

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"

NEW_TAINT = {"key": NOT_READY, "effect": "NoSchedule"}
"""The taint that a new node has."""


def taint_new(_core: Core, node: Plain, old: Object | None) -> None:
    """Give a new node the taint, unless it has it."""
    if old is not None:
        return
    taints = node["spec"].get("taints") or []
    if not any((one.get("key"), one.get("effect")) == tuple(NEW_TAINT.values()) for one in taints):
        node["spec"]["taints"] = [*taints, dict(NEW_TAINT)]
