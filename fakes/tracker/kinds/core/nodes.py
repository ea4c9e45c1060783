"""Nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.pod_resources import round_amounts
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause, struct_text
from ctrlkit.fakes.tracker.schema import addresses, formats
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.model import value_at

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


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
        info.get("osImage") or "<unknown>",
        (info.get("kernelVersion") or "<unknown>") + (f" ({machine})" if (machine := info.get("architecture")) else ""),
        info.get("containerRuntimeVersion") or "<unknown>",
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


def _fill_in(node: Plain) -> None:
    spec, status = node["spec"], section(node, "status")
    ranges = spec.get("podCIDRs") or []
    if spec.get("podCIDR") and ranges[:1] != [spec["podCIDR"]]:
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif ranges:
        spec["podCIDR"] = ranges[0]
    spec.pop("configSource", None)  # a feature that is gone
    if status.get("capacity") and not status.get("allocatable"):
        node["status"] = {**status, "allocatable": dict(status["capacity"])}
    _fill_in_status(node)


def _fill_in_status(node: Plain) -> None:
    if node.get("status"):
        round_amounts(node["status"], "capacity", "allocatable")


def _causes(node: Object, old: Object | None) -> Iterator[Cause]:
    """Say what is wrong with a node; a change is asked what a new one is as well, so some is said twice."""
    yield from _taint_causes(node["spec"].get("taints") or ())
    yield from _size_causes(section(node, "status"))
    yield from _range_causes(node["spec"].get("podCIDRs") or [])
    if old is not None:
        yield from _change_causes(node, old)


def _size_causes(status: Object) -> Iterator[Cause]:
    for name in ("capacity", "allocatable"):
        for resource, size in section(status, name).items():
            if quantity_value(size) < 0:
                yield Cause.wrong(f"status.{name}.{resource}", size, "must be greater than or equal to 0")


def _range_causes(ranges: list[str]) -> Iterator[Cause]:
    for index, text in enumerate(ranges):
        yield from Cause.all_wrong(f"spec.podCIDRs[{index}]", text, addresses.address_range(text))
    versions = [network.version for text in ranges if (network := addresses.parsed_range(text)) is not None]
    if len(ranges) > 2 or (len(ranges) == 2 and len(set(versions)) < 2):
        yield Cause.wrong("spec.podCIDRs", ranges, "may specify no more than one CIDR for each IP family")


def _change_causes(node: Object, before: Object) -> Iterator[Cause]:
    spec, old, status = node["spec"], before["spec"], section(node, "status")
    yield from _size_causes(status)
    seen: set[tuple[str, str]] = set()
    for index, point in enumerate(status.get("addresses") or ()):
        key = (point["type"], point["address"])
        if key in seen:
            shown = struct_text({"Type": key[0], "Address": key[1]})
            yield Cause(f"status.addresses[{index}]", "FieldValueDuplicate", f"Duplicate value: {shown}")
        seen.add(key)
    had, now = old.get("podCIDRs") or [], spec.get("podCIDRs") or []
    text = 'node updates may not change {} except from "" to valid'
    if had and had != now:
        yield Cause.forbidden("spec.podCIDRs", text.format("podCIDR"))
    if old.get("providerID") and old["providerID"] != spec.get("providerID"):
        yield Cause.forbidden("spec.providerID", text.format("providerID"))
    yield from _taint_causes(spec.get("taints") or ())
    if spec.get("externalID", "") != old.get("externalID", ""):
        yield Cause.forbidden("spec.externalID", "may not be updated")


def _taint_causes(taints: Sequence[Object]) -> Iterator[Cause]:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        path, key, value, effect = f"metadata.taints[{index}]", taint["key"], taint.get("value", ""), taint["effect"]
        yield from Cause.all_wrong(f"{path}.key", key, formats.label_key(key))
        complaints = formats.label_value(value)
        if complaints:
            yield Cause.wrong(f"{path}.value", value, ";".join(complaints))
        if not effect:
            yield Cause.required(f"{path}.effect")
        elif effect not in _EFFECTS:
            yield Cause.unsupported(f"{path}.effect", effect, _EFFECTS)
        if (key, effect) in seen:
            shown = struct_text({"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint.get("timeAdded")})
            text = f"Duplicate value: {shown}: taints must be unique by key and effect pair"
            yield Cause(path, "FieldValueDuplicate", text)
        seen.add((key, effect))


def _warnings(node: Object, _old: object) -> Iterator[str]:
    if node["spec"].get("externalID"):
        yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"
    ranges = node["spec"].get("podCIDRs") or ()
    for index, text in enumerate(ranges):
        yield from addresses.range_warnings(f"spec.podCIDRs[{index}]", text)


NODES = Strategy(
    defaults=_fill_in,
    defaults_beside_spec=_fill_in_status,
    takes_status=True,
    validate=_causes,
    validate_status=_change_causes,
    warn=_warnings,
    selectable_fields=("spec.unschedulable",),
    selected_value=_selected_value,
    cells=_cells,
)
