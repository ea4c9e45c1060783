"""The types that are no objects in JSON: times, quantities, numbers or texts, raw JSON, lists with a name."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ctrlkit.fakes.apiserver.protobuf.messages import META, RUNTIME
from ctrlkit.fakes.apiserver.protobuf.wire import Malformed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_API = "k8s.io.api"
_EXTENSIONS = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions"

Fields = Mapping[str, Any]
"""The fields of a message; where they were read, all of them."""


@dataclass(frozen=True, slots=True)
class Special:
    """
    How one type travels.

    Shape   `read` converts its fields to JSON, and is told whether the message had any byte. `write` converts JSON to
            fields; None stands for no bytes. `go_name` is the name that errors have, if it is another than the type's.
    """

    read: Callable[[Fields, bool], Any]
    write: Callable[[Any], Fields | None]
    is_list: bool = False
    go_name: str = ""


def _read_time(fields: Fields, there: bool) -> str | None:  # noqa: FBT001 - as Special.read
    return _shown(_moment(fields["seconds"]), "seconds") if there else None


def _read_micro_time(fields: Fields, there: bool) -> str | None:  # noqa: FBT001 - as Special.read
    if not there:
        return None
    micros = int(fields["nanos"] / 1000)  # towards zero, as Go truncates
    return _shown(_moment(fields["seconds"], micros), "microseconds")


def _moment(seconds: int, micros: int = 0) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=micros)
    except OverflowError:
        raise Malformed("Time.MarshalJSON: year outside of range [0,9999]") from None


def _shown(moment: datetime, timespec: str) -> str | None:
    if moment == datetime.min.replace(tzinfo=UTC):
        return None
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def _write_time(value: Any) -> Fields | None:
    moment = _parsed(value)
    return None if moment is None else {"seconds": (moment - _EPOCH) // timedelta(seconds=1)}


def _write_micro_time(value: Any) -> Fields | None:
    fields = _write_time(value)
    moment = _parsed(value)
    return None if fields is None or moment is None else {**fields, "nanos": moment.microsecond * 1000}


def _parsed(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _read_number_or_text(fields: Fields, _: object) -> Any:
    match fields["type"]:
        case 0:
            return fields["intVal"]
        case 1:
            return fields["strVal"]
    raise Malformed("impossible IntOrString.Type")


def _write_number_or_text(value: Any) -> Fields:
    return {"type": 1, "strVal": value} if isinstance(value, str) else {"type": 0, "intVal": value}


def _read_raw(fields: Fields, _: object) -> Any:
    """Return the value of raw JSON; None where there is none."""
    raw = base64.b64decode(fields.get("raw") or fields.get("Raw") or "")
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"json: {error}") from None


def _write_raw(value: Any) -> Fields:
    return {} if value is None else {"raw": base64.b64encode(msgspec.json.encode(value))}


def _write_field_set(value: Any) -> Fields:
    return {} if value is None else {"Raw": base64.b64encode(msgspec.json.encode(value, order="sorted"))}


def _read_schema_or_bool(fields: Fields, _: object) -> Any:
    return fields["allows"] if fields["schema"] is None else fields["schema"]


def _write_schema_or_bool(value: Any) -> Fields:
    return {"allows": True, "schema": value} if isinstance(value, dict) else {"allows": value is True}


def _read_schema_or(name: str) -> Callable[[Fields, bool], Any]:
    return lambda fields, _: fields[name] or fields["schema"]


def _write_schema_or(name: str) -> Callable[[Any], Fields]:
    return lambda value: {name: value} if isinstance(value, list) else {"schema": value}


_NAMED_LIST = Special(lambda fields, _: fields["items"], lambda value: {"items": value}, is_list=True)
_RAW_OBJECT = Special(_read_raw, _write_raw)

SPECIAL: Mapping[str, Special] = {
    f"{META}.Time": Special(_read_time, _write_time, go_name="Timestamp"),
    f"{META}.MicroTime": Special(_read_micro_time, _write_micro_time, go_name="Timestamp"),
    f"{META}.FieldsV1": Special(_read_raw, _write_field_set),
    f"{META}.Verbs": _NAMED_LIST,
    f"{RUNTIME}.RawExtension": _RAW_OBJECT,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": Special(
        lambda fields, there: fields["string"] if there else "0",
        lambda value: {"string": "0" if value is None else str(value)},
    ),
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": Special(_read_number_or_text, _write_number_or_text),
    **{
        f"{_API}.{group}.{version}.ExtraValue": _NAMED_LIST
        for group in ("authentication", "authorization", "certificates")
        for version in ("v1", "v1beta1")
    },
    **{
        f"{_EXTENSIONS}.{version}.{name}": special
        for version in ("v1", "v1beta1")
        for name, special in {
            "JSON": _RAW_OBJECT,
            "JSONSchemaPropsOrBool": Special(_read_schema_or_bool, _write_schema_or_bool),
            "JSONSchemaPropsOrArray": Special(_read_schema_or("jSONSchemas"), _write_schema_or("jSONSchemas")),
            "JSONSchemaPropsOrStringArray": Special(_read_schema_or("property"), _write_schema_or("property")),
        }.items()
    },
}
"""By the full name of the message."""
