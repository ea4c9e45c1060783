"""Dynamic resource allocation: DeviceClasses, ResourceClaims and their templates, ResourceSlices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.kinds.storage.volume_sources import driver_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause, json_text
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.model import value_at

_MODES = ("All", "ExactCount")
_MANY, _FEW = 32, 8
_DEVICES_MAX = 128
_POOL_MAX = 253
_ONE_REQUEST = "exactly one of `exactly` or `firstAvailable` is required"
_ONE_PLACE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"


def _config_causes(configs: Sequence[Object], path: str) -> Iterator[Cause]:
    for index, config in enumerate(configs):
        if config.get("opaque") is None:
            yield Cause.required(f"{path}[{index}].opaque")


def _fill_in_devices(devices: Plain | None) -> None:
    for request in (devices or {}).get("requests") or ():
        exactly = request.get("exactly")
        for one in (*([exactly] if exactly is not None else ()), *(request.get("firstAvailable") or ())):
            mode = one["allocationMode"] = one.get("allocationMode") or "ExactCount"
            if mode == "ExactCount" and not one.get("count"):
                one["count"] = 1
            for toleration in one.get("tolerations") or ():
                toleration["operator"] = toleration.get("operator") or "Equal"


# ---- rules of claims ------------------------------------------------------------------------------------------------


def _device_causes(devices: Object, path: str) -> Iterator[Cause]:
    requests = devices.get("requests") or ()
    if len(requests) > _MANY:
        yield Cause.too_many(f"{path}.requests", len(requests), _MANY)
    names: set[str] = set()
    for index, request in enumerate(requests):
        here = f"{path}.requests[{index}]"
        yield from _request_causes(request, here)
        if request["name"] in names:
            yield Cause.duplicate(here, request["name"])
        names.add(request["name"])
    known = names | {
        f"{request['name']}/{one['name']}" for request in requests for one in request.get("firstAvailable") or ()
    }
    for name in ("constraints", "config"):
        for index, one in enumerate(devices.get(name) or ()):
            for place, wanted in enumerate(one.get("requests") or ()):
                if wanted not in known:
                    text = "must be the name of a request in the claim or the name of a request and a subrequest "
                    yield Cause.wrong(f"{path}.{name}[{index}].requests[{place}]", wanted, text + "separated by '/'")
    yield from _config_causes(devices.get("config") or (), f"{path}.config")


def _request_causes(request: Object, path: str) -> Iterator[Cause]:
    name, exactly, first = request["name"], request.get("exactly"), request.get("firstAvailable") or ()
    yield from Cause.all_wrong(f"{path}.name", name, formats.dns_label(name))
    if exactly is None and not first:
        yield Cause.required(path, _ONE_REQUEST)
    elif exactly is not None and first:
        yield Cause.wrong(path, None, f"{_ONE_REQUEST}, but multiple fields are set")
    elif exactly is not None:
        yield from _exact_causes(exactly, f"{path}.exactly")
    elif len(first) > _FEW:
        yield Cause.too_many(f"{path}.firstAvailable", len(first), _FEW)
    else:
        for index, one in enumerate(first):
            here = f"{path}.firstAvailable[{index}]"
            yield from Cause.all_wrong(f"{here}.name", one["name"], formats.dns_label(one["name"]))
            yield from _exact_causes(one, here)


def _exact_causes(one: Object, path: str) -> Iterator[Cause]:
    name, mode, count = one["deviceClassName"], one["allocationMode"], one.get("count") or 0
    if name:
        yield from Cause.all_wrong(f"{path}.deviceClassName", name, formats.subdomain(name))
    else:
        yield Cause.required(f"{path}.deviceClassName")
    yield from _selector_causes(one.get("selectors") or (), f"{path}.selectors")
    if mode not in _MODES:
        yield Cause.unsupported(f"{path}.allocationMode", mode, _MODES)
    elif mode == "All" and count:
        yield Cause.wrong(f"{path}.count", count, "must not be specified when allocationMode is 'All'")
    elif mode == "ExactCount" and count <= 0:
        yield Cause.wrong(f"{path}.count", count, "must be greater than zero")


def _selector_causes(selectors: Sequence[Object], path: str) -> Iterator[Cause]:
    """Check that selectors have an expression; what it says is not compiled here."""
    if len(selectors) > _MANY:
        yield Cause.too_many(path, len(selectors), _MANY)
    for index, selector in enumerate(selectors):
        if selector.get("cel") is None:
            yield Cause.required(f"{path}[{index}].cel")


def _changed(plain: Object, old: Object) -> Iterator[Cause]:
    if plain["spec"] != old["spec"]:
        yield Cause.invalid("spec", json_text(plain["spec"]), "field is immutable")


# ---- ResourceClaim --------------------------------------------------------------------------------------------------


def _fill_in_claim(claim: Plain) -> None:
    _fill_in_devices(claim["spec"].get("devices"))


def _claim_causes(claim: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None:
        yield from _changed(claim, old)
        return
    yield from _device_causes(section(claim["spec"], "devices"), "spec.devices")


def _claim_state(claim: Object) -> str:
    status = section(claim, "status")
    states = []
    if section(claim, "metadata").get("deletionTimestamp"):
        states.append("deleted")
    if status.get("allocation") is None:
        states += [] if states else ["pending"]
        return ",".join(states)
    states.append("allocated")
    states.append("reserved") if status.get("reservedFor") else None
    return ",".join(states)


def _claim_cells(claim: Object, now: datetime) -> list[Any]:
    return [name_of(claim), _claim_state(claim), age_of(claim, now)]


RESOURCE_CLAIMS = Strategy(
    kept_by_status=("metadata",),
    defaults=_fill_in_claim,
    validate=_claim_causes,
    validate_status=lambda *_: (),
    cells=_claim_cells,
    deleted_is_shown=True,
)


# ---- ResourceClaimTemplate ------------------------------------------------------------------------------------------


def _fill_in_template(template: Plain) -> None:
    _fill_in_devices(section(template["spec"], "spec").get("devices"))


def _template_causes(template: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None:
        yield from _changed(template, old)
        return
    yield from _device_causes(section(section(template["spec"], "spec"), "devices"), "spec.spec.devices")


def _plain_cells(plain: Object, now: datetime) -> list[Any]:
    return [name_of(plain), age_of(plain, now)]


RESOURCE_CLAIM_TEMPLATES = Strategy(
    defaults=_fill_in_template, validate=_template_causes, cells=_plain_cells, deleted_is_shown=True
)


# ---- DeviceClass ----------------------------------------------------------------------------------------------------


def _class_causes(device_class: Object, _old: object) -> Iterator[Cause]:
    spec = section(device_class, "spec")
    yield from _selector_causes(spec.get("selectors") or (), "spec.selectors")
    yield from _config_causes(spec.get("config") or (), "spec.config")
    name = spec.get("extendedResourceName")
    if name is not None and ("/" not in name or formats.label_key(name)):
        text = "must be a valid extended resource name"
        yield Cause.wrong("spec.extendedResourceName", name, text)


DEVICE_CLASSES = Strategy(
    checks_base=False, generation=True, validate=_class_causes, cells=_plain_cells, deleted_is_shown=True
)


# ---- ResourceSlice --------------------------------------------------------------------------------------------------


def _fill_in_slice(resource_slice: Plain) -> None:
    for device in resource_slice["spec"].get("devices") or ():
        for taint in device.get("taints") or ():
            if taint.get("timeAdded") is None:
                taint["timeAdded"] = clock.timestamp(exchanges.now())


def _slice_causes(resource_slice: Object, old: Object | None) -> Iterator[Cause]:
    spec = resource_slice["spec"]
    yield from driver_causes(spec["driver"], "spec.driver")
    yield from _pool_causes(spec["pool"], "spec.pool")
    places = [spec.get("nodeName") is not None, spec.get("nodeSelector") is not None]
    places += [bool(spec.get("allNodes")), bool(spec.get("perDeviceNodeSelection"))]
    if spec.get("nodeName") is not None:
        yield from Cause.all_wrong("spec.nodeName", spec["nodeName"], formats.subdomain(spec["nodeName"]))
    if not any(places):
        yield Cause.required("spec", _ONE_PLACE)
    devices = spec.get("devices") or ()
    if len(devices) > _DEVICES_MAX:
        yield Cause.too_many("spec.devices", len(devices), _DEVICES_MAX)
    names: set[str] = set()
    for index, device in enumerate(devices):
        path = f"spec.devices[{index}]"
        yield from Cause.all_wrong(f"{path}.name", device["name"], formats.dns_label(device["name"]))
        if device["name"] in names:
            yield Cause.duplicate(path, device["name"])
        names.add(device["name"])
    if old is not None:
        before = old["spec"]
        yield from Cause.changed("spec.pool.name", spec["pool"]["name"], before["pool"]["name"])
        for name in ("driver", "nodeName"):
            yield from Cause.changed(f"spec.{name}", spec.get(name), before.get(name))


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
