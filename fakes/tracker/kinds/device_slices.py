"""ResourceSlices, in which drivers say what devices there are."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.kinds.core.pod_scheduling import node_selector_causes
from ctrlkit.fakes.tracker.kinds.devices import EFFECTS, key_causes, list_causes, named, qualified_causes
from ctrlkit.fakes.tracker.kinds.storage.volume_sources import driver_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.model import value_at

_MANY, _FEW = 32, 8
_DEVICES_MAX, _ADVANCED_DEVICES_MAX = 128, 64
_CONSUMED_MAX, _TAINTS_MAX, _CONDITIONS_MAX = 2, 16, 4
_POOL_MAX, _VALUE_BYTES_MAX = 253, 64
_PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_ONE_PLACE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)


def _fill_in_slice(resource_slice: Plain) -> None:
    for device in resource_slice["spec"].get("devices") or ():
        for taint in device.get("taints") or ():
            if taint.get("timeAdded") is None:
                taint["timeAdded"] = clock.timestamp(exchanges.now())


def _slice_causes(resource_slice: Object, old: Object | None) -> Iterator[Cause]:
    spec = resource_slice["spec"]
    yield from driver_causes(spec["driver"], "spec.driver")
    yield from _pool_causes(spec["pool"], "spec.pool")
    if old is not None:
        before = old["spec"]
        yield from Cause.changed("spec.pool.name", spec["pool"]["name"], before["pool"]["name"])
        for name in ("driver", "nodeName"):
            yield from Cause.changed(f"spec.{name}", spec.get(name), before.get(name))
    yield from _place_causes(spec, "spec", _PLACES, "must be either unset or set to a non-empty string")
    terms = section(spec, "nodeSelector").get("nodeSelectorTerms") or []
    if spec.get("nodeSelector") is not None and len(terms) != 1:
        yield Cause.wrong("spec.nodeSelector.nodeSelectorTerms", terms, "must have exactly one node selector term")
    places = _set_places(spec, _PLACES)
    if not places:
        yield Cause.required("spec", _ONE_PLACE)
    elif len(places) > 1:
        yield Cause.wrong("spec", f"{{{', '.join(places)}}}", f"{_ONE_PLACE}, but multiple fields are set")
    if spec.get("sharedCounters") is not None and spec.get("devices") is not None:
        yield Cause.wrong("spec", "", "only one of `sharedCounters` or `devices` is allowed")
    devices, by_device = spec.get("devices") or (), bool(spec.get("perDeviceNodeSelection"))
    most = _ADVANCED_DEVICES_MAX if any(_is_advanced(device) for device in devices) else _DEVICES_MAX
    check = functools.partial(_one_device_causes, by_device=by_device)
    yield from list_causes(devices, most, "spec.devices", check, named)
    yield from list_causes(spec.get("sharedCounters") or (), _FEW, "spec.sharedCounters", _counters_causes, named)


def _is_advanced(device: Object) -> bool:
    lists = ("bools", "ints", "strings", "versions")
    attributes = section(device, "attributes").values()
    in_lists = any(one.get(name) is not None for one in attributes for name in lists)
    return in_lists or bool(device.get("taints") or device.get("consumesCounters"))


def _set_places(plain: Object, names: Iterable[str]) -> list[str]:
    """Name the fields that say on which nodes devices are, as a server quotes them."""
    return [
        f"`{name}`" for name in names if plain.get(name) or (name == "nodeSelector" and plain.get(name) is not None)
    ]


def _place_causes(plain: Object, path: str, names: Iterable[str], empty: str) -> Iterator[Cause]:
    for name in names:
        value, here = plain.get(name), f"{path}.{name}"
        if value == "":
            yield Cause.wrong(here, value, empty)
        elif value is False:
            yield Cause.wrong(here, value, "must be either unset or set to true")
        elif name == "nodeName" and value:
            yield from Cause.all_wrong(here, value, formats.subdomain(value))
        elif name == "nodeSelector" and value is not None:
            yield from node_selector_causes(value, here)


def _counters_causes(counters: Object, path: str, name: str = "name") -> Iterator[Cause]:
    if counters[name]:
        yield from Cause.all_wrong(f"{path}.{name}", counters[name], formats.dns_label(counters[name]))
    else:
        yield Cause.required(f"{path}.{name}")
    names = counters.get("counters") or {}
    if not names:
        yield Cause.required(f"{path}.counters")
    elif len(names) > _MANY:
        yield Cause.too_many(f"{path}.counters", len(names), _MANY)
    else:
        for one in names:
            yield from Cause.all_wrong(f"{path}.counters", one, formats.dns_label(one))


def _consumed_causes(consumed: Object, path: str) -> Iterator[Cause]:
    return _counters_causes(consumed, path, "counterSet")


def _consumed_name(consumed: Object) -> str:
    return str(consumed["counterSet"])


def _one_device_causes(device: Object, path: str, *, by_device: bool) -> Iterator[Cause]:
    yield from Cause.all_wrong(f"{path}.name", device["name"], formats.dns_label(device["name"]))
    attributes, capacity = section(device, "attributes"), section(device, "capacity")
    if len(attributes) + len(capacity) > _MANY:
        text = f"the total number of attributes and capacities must not exceed {_MANY}"
        yield Cause.wrong(path, len(attributes) + len(capacity), text)
    for name, attribute in attributes.items():
        yield from qualified_causes(name, f"{path}.attributes")
        yield from _attribute_causes(attribute, f"{path}.attributes[{name}]")
    for name, one in capacity.items():
        yield from qualified_causes(name, f"{path}.capacity")
        if one.get("requestPolicy") is not None and not device.get("allowMultipleAllocations"):
            yield Cause.forbidden(f"{path}.capacity[{name}].requestPolicy", "allowMultipleAllocations must be true")
    yield from list_causes(device.get("taints") or (), _TAINTS_MAX, f"{path}.taints", _taint_causes)
    consumed = device.get("consumesCounters") or ()
    yield from list_causes(consumed, _CONSUMED_MAX, f"{path}.consumesCounters", _consumed_causes, _consumed_name)
    yield from _device_place_causes(device, path, by_device=by_device)
    yield from _binding_causes(device, path)


def _device_place_causes(device: Object, path: str, *, by_device: bool) -> Iterator[Cause]:
    names = _PLACES[:3]
    if not by_device:
        if any(device.get(name) is not None for name in names):
            text = (
                "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true"
            )
            yield Cause.wrong(path, None, f"{text} in the ResourceSlice spec")
        return
    yield from _place_causes(device, path, names, "must not be empty")
    places = _set_places(device, names)
    text = (
        "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to"
    )
    if not places:
        yield Cause.required(path, f"{text} true in the ResourceSlice spec")
    elif len(places) > 1:
        yield Cause.wrong(path, f"{{{', '.join(places)}}}", f"{text} true in the ResourceSlice spec")


def _attribute_causes(attribute: Object, path: str) -> Iterator[Cause]:
    given = {name: value for name, value in attribute.items() if value is not None}
    for name in ("string", "version"):
        values = [given.get(name), *(given.get(f"{name}s") or ())]
        for index, value in enumerate(values):
            here = f"{path}.{name}s[{index - 1}]" if index else f"{path}.{name}"
            if value is not None and name == "version" and not _SEMVER.fullmatch(value):
                yield Cause.wrong(here, value, "must be a string compatible with semver.org spec 2.0.0")
            if value is not None and len(value.encode()) > _VALUE_BYTES_MAX:
                yield Cause.too_long(here, _VALUE_BYTES_MAX)
    for name, value in given.items():
        if value == []:
            yield Cause.wrong(f"{path}.{name}", value, "must not be empty if specified")
    if len(given) != 1:
        yield Cause.wrong(path, given or "", "exactly one value must be specified")


def _taint_causes(taint: Object, path: str) -> Iterator[Cause]:
    key, value, effect = (taint.get(name) or "" for name in ("key", "value", "effect"))
    yield from key_causes(key, f"{path}.key")
    yield from Cause.all_wrong(f"{path}.value", value, formats.label_value(value))
    if not effect:
        yield Cause.required(f"{path}.effect")
    elif effect not in EFFECTS:
        yield Cause.unsupported(f"{path}.effect", effect, EFFECTS)


def _binding_causes(device: Object, path: str) -> Iterator[Cause]:
    names = ("bindingConditions", "bindingFailureConditions")
    wanted, failures = (device.get(name) or [] for name in names)
    for name, found in zip(names, (wanted, failures), strict=True):
        yield from list_causes(found, _CONDITIONS_MAX, f"{path}.{name}", key_causes, str)
    for index, one in enumerate(failures):
        if one in wanted:
            text = "bindingFailureConditions must not overlap with bindingConditions"
            yield Cause.wrong(f"{path}.bindingFailureConditions[{index}]", one, text)
    for name, found, other, others in ((names[0], wanted, names[1], failures), (names[1], failures, names[0], wanted)):
        if others and not found:
            yield Cause.wrong(f"{path}.{name}", None, f"{name} are required to use {other}")


def _pool_causes(pool: Object, path: str) -> Iterator[Cause]:
    name, count, generation = pool["name"], pool["resourceSliceCount"], pool["generation"]
    if not name:
        yield Cause.required(f"{path}.name")
    else:
        if len(name) > _POOL_MAX:
            yield Cause.too_long(f"{path}.name", _POOL_MAX)
        for part in name.split("/"):
            yield from Cause.all_wrong(f"{path}.name", part, formats.subdomain(part))
    if count <= 0:
        yield Cause.wrong(f"{path}.resourceSliceCount", count, "must be greater than zero")
    if generation < 0:
        yield Cause.wrong(f"{path}.generation", generation, "must be greater than or equal to zero")


def _slice_cells(resource_slice: Object, now: datetime) -> list[Any]:
    spec = section(resource_slice, "spec")
    node = spec.get("nodeName")
    if node is None:
        node = "<all>" if spec.get("allNodes") else "<some>" if spec.get("nodeSelector") is not None else ""
    return [
        name_of(resource_slice),
        node,
        spec.get("driver", ""),
        section(spec, "pool").get("name", ""),
        age_of(resource_slice, now),
    ]


def _selected(resource_slice: Object, path: str) -> Any:
    return value_at(resource_slice, path) or ""


RESOURCE_SLICES = Strategy(
    generation=True,
    selectable_fields=("spec.driver", "spec.nodeName"),
    selected_value=_selected,
    defaults=_fill_in_slice,
    validate=_slice_causes,
    cells=_slice_cells,
    deleted_is_shown=True,
)
