"""What the server has against ConfigMaps, Secrets and PersistentVolumeClaims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.validation_metadata import selector_causes
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

Plain = Mapping[str, Any]

_DATA_BYTES_MAX = 1024 * 1024
_SEALED = "field is immutable when `immutable` is set"
_REQUIRED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}
_BASIC_AUTH_KEYS = ("username", "password")
_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_VOLUME_MODES = ("Block", "Filesystem")


def config_map_causes(plain: Plain, old: Plain | None) -> Iterator[Cause]:
    """What the server has against a ConfigMap."""
    if old is not None:
        yield from _sealed_causes(plain, old, ("data", "binaryData"))
    data, binary = plain.get("data") or {}, plain.get("binaryData") or {}
    for part, other, values in (("data", "binaryData", data), ("binaryData", "data", binary)):
        for key in values:
            yield from Cause.all_wrong(f"{part}[{key}]", key, formats.config_key(key))
            if key in (binary if part == "data" else data):
                yield Cause.wrong(f"{part}[{key}]", key, f"duplicate of key present in {other}")
    if _size(data, 1) + _size(binary, 0.75) > _DATA_BYTES_MAX:
        yield Cause.too_long("", _DATA_BYTES_MAX)


def secret_causes(plain: Plain, old: Plain | None) -> Iterator[Cause]:
    """What the server has against a Secret."""
    kind, data = plain["type"], plain.get("data") or {}
    if old is not None:
        if kind != old["type"]:
            yield Cause.wrong("type", kind, "field is immutable")
        yield from _sealed_causes(plain, old, ("data",))
    for key in data:
        yield from Cause.all_wrong(f"data[{key}]", key, formats.config_key(key))
    if _size(data, 0.75) > _DATA_BYTES_MAX:
        yield Cause.too_long("data", _DATA_BYTES_MAX)
    for key in _REQUIRED_KEYS.get(kind, ()):
        if key not in data:
            yield Cause.required(f"data[{key}]")
    if kind == "kubernetes.io/basic-auth" and not any(key in data for key in _BASIC_AUTH_KEYS):
        yield from (Cause.required(f"data[{key}]") for key in _BASIC_AUTH_KEYS)


def claim_causes(plain: Plain, old: Plain | None) -> Iterator[Cause]:
    """What the server has against a claim; of a change of its spec it shows a diff too, which is left out here."""
    spec = plain["spec"]
    if old is not None and spec is old["spec"]:
        return
    modes = spec.get("accessModes") or []
    if not modes:
        yield Cause.required("spec.accessModes", "at least 1 access mode is required")
    if "selector" in spec:
        yield from selector_causes(spec["selector"], "spec.selector")
    for mode in modes:
        if mode not in _ACCESS_MODES:
            yield Cause.unsupported("spec.accessModes", mode, _ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        yield Cause.forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes")
    yield from _size_causes(spec)
    if spec.get("storageClassName"):
        name = spec["storageClassName"]
        yield from Cause.all_wrong("spec.storageClassName", name, formats.subdomain(name))
    if spec["volumeMode"] not in _VOLUME_MODES:
        yield Cause.unsupported("spec.volumeMode", spec["volumeMode"], _VOLUME_MODES)
    if old is not None:
        yield from _claim_change_causes(spec, old)


def _size_causes(spec: Plain) -> Iterator[Cause]:
    size = (spec["resources"].get("requests") or {}).get("storage")
    if size is None:
        yield Cause.required("spec.resources[storage]")
    elif quantity_value(size) <= 0:
        yield Cause.wrong("spec.resources[storage]", size, "must be greater than zero")


def _claim_change_causes(spec: Plain, old: Plain) -> Iterator[Cause]:
    before = old["spec"]
    if _fixed(spec, old) != _fixed(before, old):
        yield Cause.forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        )
    had, size = (
        quantity_value((one["resources"].get("requests") or {}).get("storage") or "0") for one in (before, spec)
    )
    if size < had:
        yield Cause.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")


def _fixed(spec: Plain, old: Plain) -> dict[str, Any]:
    """What of a claim's spec may not change; its volume and its class may be named once."""
    free = {
        "volumeAttributesClassName",
        *(name for name in ("volumeName", "storageClassName") if not old["spec"].get(name)),
    }
    fixed = {name: value for name, value in spec.items() if name not in free}
    if (old.get("status") or {}).get("phase") == "Bound":
        requests = {name: size for name, size in (spec["resources"].get("requests") or {}).items() if name != "storage"}
        fixed["resources"] = {**spec["resources"], "requests": requests}
    return fixed


def _sealed_causes(plain: Plain, old: Plain, parts: tuple[str, ...]) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    if not plain.get("immutable"):
        yield Cause.forbidden("immutable", _SEALED)
    for part in parts:
        if (plain.get(part) or {}) != (old.get(part) or {}):
            yield Cause.forbidden(part, _SEALED)


def _size(values: Plain, bytes_per_character: float) -> int:
    return int(sum(len(value) for value in values.values()) * bytes_per_character)
