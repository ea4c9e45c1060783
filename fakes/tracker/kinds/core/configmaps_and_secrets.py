"""ConfigMaps and Secrets."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

_DATA_BYTES_MAX = 1024 * 1024
_SEALED = "field is immutable when `immutable` is set"
_REQUIRED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}
_BASIC_AUTH_KEYS = ("username", "password")


def _fill_in_secret(plain: Plain) -> None:
    plain.setdefault("type", "Opaque")
    texts = plain.pop("stringData", None)
    if texts:
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        plain["data"] = (plain.get("data") or {}) | encoded


def _config_map_causes(plain: Object, old: Object | None) -> Iterator[Cause]:
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


def _secret_causes(plain: Object, old: Object | None) -> Iterator[Cause]:
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


def _sealed_causes(plain: Object, old: Object, parts: tuple[str, ...]) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    if not plain.get("immutable"):
        yield Cause.forbidden("immutable", _SEALED)
    for part in parts:
        if (plain.get(part) or {}) != (old.get(part) or {}):
            yield Cause.forbidden(part, _SEALED)


def _size(values: Object, bytes_per_character: float) -> int:
    return int(sum(len(value) for value in values.values()) * bytes_per_character)


def _config_map_cells(config_map: Object, now: datetime) -> list[Any]:
    count = len(section(config_map, "data")) + len(section(config_map, "binaryData"))
    return [name_of(config_map), count, age_of(config_map, now)]


def _secret_cells(secret: Object, now: datetime) -> list[Any]:
    return [name_of(secret), secret.get("type", ""), len(section(secret, "data")), age_of(secret, now)]


CONFIG_MAPS = Strategy(
    validate=_config_map_causes,
    cells=_config_map_cells,
)
SECRETS = Strategy(
    selectable_fields=("type",),
    defaults=_fill_in_secret,
    validate=_secret_causes,
    cells=_secret_cells,
)
