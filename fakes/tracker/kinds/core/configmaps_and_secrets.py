"""ConfigMaps and Secrets."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats, go_json

_DATA_BYTES_MAX = 1024 * 1024
_SEALED = "field is immutable when `immutable` is set"
_REQUIRED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}
_JSON_KINDS = ("kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson")
_TOKEN = "kubernetes.io/service-account-token"
_ACCOUNT_ANNOTATION = "kubernetes.io/service-account.name"
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
    for key in data:
        yield from Cause.all_wrong(f"data[{key}]", key, formats.config_key(key))
        if key in binary:
            yield Cause.wrong(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in binary:
        yield from Cause.all_wrong(f"binaryData[{key}]", key, formats.config_key(key))
    if _size(data, 1) + _size(binary, 0.75) > _DATA_BYTES_MAX:
        yield Cause.too_long("[]", _DATA_BYTES_MAX)


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
    yield from _content_causes(plain, kind, data)


def _content_causes(plain: Object, kind: str, data: Object) -> Iterator[Cause]:
    for key in _REQUIRED_KEYS.get(kind, ()):
        is_empty = kind == "kubernetes.io/ssh-auth" and not data.get(key)
        if key not in data or is_empty:
            yield Cause.required(f"data[{key}]")
        elif kind in _JSON_KINDS:
            problem = go_json.object_problem(base64.b64decode(data[key]))
            if problem:
                yield Cause.wrong(f"data[{key}]", "<secret contents redacted>", problem)
    if kind == "kubernetes.io/basic-auth" and not any(key in data for key in _BASIC_AUTH_KEYS):
        yield from (Cause.required(f"data[{key}]") for key in _BASIC_AUTH_KEYS)
    if kind == _TOKEN and not section(plain["metadata"], "annotations").get(_ACCOUNT_ANNOTATION):
        yield Cause.required(f"metadata.annotations[{_ACCOUNT_ANNOTATION}]")


def _secret_warnings(plain: Object, _old: object) -> Iterator[str]:
    data = plain.get("data") or {}
    if plain["type"] != "kubernetes.io/tls":
        return
    for key, what in (("tls.crt", "certificate"), ("tls.key", "key")):
        if b"-----BEGIN " not in base64.b64decode(data.get(key) or ""):
            yield f"tls: failed to find any PEM data in {what} input"
            return


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
    warn=_secret_warnings,
    cells=_secret_cells,
)
