"""Nodes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.model import value_at


def _selected_value(node: Object, path: str) -> Any:
    value = value_at(node, path)
    return bool(value) if path == "spec.unschedulable" else value


def _cells(node: Object, now: datetime) -> list[Any]:
    info = section(section(node, "status"), "nodeInfo")
    return [
        name_of(node),
        _node_status(node),
        ",".join(_node_roles(section(node, "metadata"))) or NONE,
        age_of(node, now),
        info.get("kubeletVersion", ""),
        _node_address(node, "InternalIP"),
        _node_address(node, "ExternalIP"),
        *(info.get(key) or "<unknown>" for key in ("osImage", "kernelVersion", "containerRuntimeVersion")),
    ]


def _node_status(node: Object) -> str:
    conditions = section(node, "status").get("conditions") or ()
    ready = next((condition for condition in conditions if condition.get("type") == "Ready"), None)
    status = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return status + (",SchedulingDisabled" if section(node, "spec").get("unschedulable") else "")


def _node_roles(metadata: Object) -> list[str]:
    prefix = "node-role.kubernetes.io/"
    labels = section(metadata, "labels")
    roles = {label.removeprefix(prefix) for label in labels if label.startswith(prefix)}
    roles.add(labels.get("kubernetes.io/role", ""))
    return sorted(role for role in roles if role)


def _node_address(node: Object, address_type: str) -> str:
    addresses = section(node, "status").get("addresses") or ()
    return next((point.get("address", "") for point in addresses if point.get("type") == address_type), NONE)


NODES = Strategy(
    selectable_fields=("spec.unschedulable",),
    selected_value=_selected_value,
    cells=_cells,
)
