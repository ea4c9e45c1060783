"""The schemas of types that are one value each, as they travel: those of Python, and those that pydantic knows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from ctrlkit.model import Condition, ObjectMeta, Unstructured

JsonSchema = dict[str, Any]

ANYTHING: Final[JsonSchema] = {"x-kubernetes-preserve-unknown-fields": True}
ANY_OBJECT: Final[JsonSchema] = {"type": "object", **ANYTHING}

_TIME: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?(Z|[-+][0-2][0-9]:?[0-5][0-9])?$"
_DURATION: Final = r"^[-+]?P([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?$"
_DECIMAL: Final = r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"

SCALARS: Final[Mapping[object, JsonSchema]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bytes: {"type": "string", "format": "byte"},
    bytearray: {"type": "string", "format": "byte"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "pattern": _TIME},
    timedelta: {"type": "string", "pattern": _DURATION, "minLength": 3},
    UUID: {"type": "string", "format": "uuid"},
    Decimal: {"type": "string", "pattern": _DECIMAL},
}

_CONDITION: Final[JsonSchema] = {
    "description": "What was last seen of one aspect of the object.",
    "type": "object",
    "required": ["lastTransitionTime", "message", "reason", "status", "type"],
    "properties": {
        "type": {
            "type": "string",
            "maxLength": 316,
            "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        },
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "reason": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        },
        "message": {"type": "string", "maxLength": 32768},
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        "lastTransitionTime": {"type": "string", "format": "date-time"},
    },
}
"""The limits of metav1.Condition, which are the same in each kind."""

KNOWN: Final[Mapping[object, JsonSchema]] = {
    ObjectMeta: ANY_OBJECT,
    Unstructured: ANY_OBJECT,
    Condition: _CONDITION,
    Any: ANYTHING,
    object: ANYTHING,
    msgspec.Raw: ANYTHING,
    dict: ANY_OBJECT,
}


class NoSchema(ValueError):
    """Why no schema says a type, and what to do; as two texts."""


# ---- pydantic's own --------------------------------------------------------------------------------------------------

_KEPT: Final = ("type", "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "multipleOf")
_FORMATS: Final = frozenset({"uri", "email", "ipv4", "ipv6", "uuid", "uuid3", "uuid4", "uuid5", "date", "date-time"})
"""The formats of pydantic that a server knows by the same name."""

_NETWORKS: Final = ("ipv4network", "ipv6network", "ipvanynetwork", "ipv4interface", "ipv6interface", "ipvanyinterface")

_SCALAR_TYPES: Final = ("string", "integer", "number", "boolean")


def scalar_of_pydantic(type_: Any) -> JsonSchema:
    """
    Return the schema of a value that pydantic reads and writes, such as an AnyUrl, as far as a server knows it.

    Errors  NoSchema for what is no single value, is written as something else than it is read, or is not written.
    """
    import pydantic  # noqa: PLC0415  # a model asks

    if "Secret" in getattr(type_, "__qualname__", "") and str(type_.__module__).startswith("pydantic"):
        raise NoSchema("it is written as asterisks", "name a Secret that holds the value, and read that")
    if type_ is getattr(pydantic, "NaiveDatetime", None):
        raise NoSchema("a server takes times with a zone, and it reads those without", "make it an AwareDatetime")
    try:
        adapter = pydantic.TypeAdapter(type_)
        read, written = (adapter.json_schema(mode=mode) for mode in ("validation", "serialization"))
    except Exception as error:  # noqa: BLE001 - whatever a type of somebody's own raises
        raise NoSchema(f"pydantic has no schema of it: {' '.join(str(error).split())[:200]}", _SAY_IT) from None
    if not (read.keys() <= {"anyOf", "title", "description"} or read.get("type") == written.get("type")):
        raise NoSchema(f"it is read as {read.get('type')} and written as {written.get('type') or 'anything'}", _SAY_IT)
    if written.get("type") not in _SCALAR_TYPES:
        raise NoSchema("it is no single value", _SAY_IT)
    schema: JsonSchema = {name: written[name] for name in _KEPT if name in written}
    if schema.get("format") == "uri":
        return {**schema, "pattern": _url_pattern(adapter.core_schema)}
    if schema.get("format") in _NETWORKS:
        schema["format"] = "cidr"
    elif schema.get("format") not in _FORMATS:
        schema.pop("format", None)
    return schema


_SAY_IT: Final = "use a type of Python's own, or a class of fields"


def _url_pattern(core: Any) -> str:
    """What a URL begins with: a path alone, which a server takes for one, is none to pydantic."""
    while isinstance(core, Mapping) and core.get("type") != "url":
        core = core.get("schema")
    schemes: Sequence[str] = (core or {}).get("allowed_schemes") or ()
    named = "|".join(map(re.escape, schemes))
    return f"^(?i:{named})://." if schemes else "^[A-Za-z][A-Za-z0-9+.-]*:."
