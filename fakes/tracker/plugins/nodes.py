"""TaintNodesByCondition: a new node takes no pods until its controller has seen that it is ready."""

from __future__ import annotations

from ctrlkit.fakes.tracker.admission import Object, Plain
from ctrlkit.fakes.tracker.core import Core

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def taint_new(_core: Core, node: Plain, old: Object | None) -> None:
    """Give a new node the taint, unless it has it."""
    if old is not None:
        return
    taints = node["spec"].get("taints") or []
    if not any((one.get("key"), one.get("effect")) == tuple(NOT_READY.values()) for one in taints):
        node["spec"]["taints"] = [*taints, dict(NOT_READY)]
