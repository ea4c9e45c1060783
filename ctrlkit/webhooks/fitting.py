"""Objects that do not fit their type: all that is wrong with them, and what can be read of them all the same."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Mapping
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec

from ctrlkit.webhooks.denied import Cause
from ctrlkit.wire.documents import UNREADABLE, explain

_PLACE: Final = re.compile(r"(?P<fact>.*) - at `\$\.?(?P<field>.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>.*)`")


def cause_of(error: Exception, at: str = "") -> Cause:
    """
    Return what a decoder's error says, with the path of the field as servers write it.

    >>> print(cause_of(ValueError("Expected `int` <= 9 - at `$.spec.port`")))
    spec.port: Expected int <= 9
    >>> print(cause_of(ValueError("Object missing required field `host` - at `$.spec`")))
    spec.host: is required
    """
    fact, field = explain(error), ""
    if found := _PLACE.fullmatch(fact):
        fact, field = found["fact"], found["field"]
    if missing := _MISSING.fullmatch(fact):
        fact, field = "is required", f"{field}.{missing['name']}"
    return Cause(".".join(filter(None, (*at.split("."), *field.split(".")))).replace(".[", "["), fact.replace("`", ""))


class Fitting:
    """
    An object read as a type that it does not fit, as an error says.

    Shape   `causes` are all that does not fit. `value` is the object with what is outside of limits as it is, such as
            a number that is too large; `is_readable` says whether there was nothing worse, so that there is one.
    """

    def __init__(self, raw: Any, type_: Any, error: Exception) -> None:
        self.causes: list[Cause] = []
        self.is_readable: bool = True
        self.value: Any = self._read_parts(raw, type_, "", error)

    def _read(self, raw: Any, type_: Any, at: str) -> Any:
        try:
            return msgspec.json.decode(msgspec.json.encode(raw), type=type_)
        except UNREADABLE as error:
            return self._read_parts(raw, type_, at, error)

    def _read_parts(self, raw: Any, type_: Any, at: str, error: Exception) -> Any:
        origin, arguments = get_origin(type_), get_args(type_)
        if origin is Annotated:
            before = len(self.causes)
            value = self._read(raw, arguments[0], at)
            if len(self.causes) == before:
                self.causes.append(cause_of(error, at))  # all but the limit is kept
            return value
        if origin in (Union, types.UnionType):
            some = [one for one in arguments if one is not types.NoneType]
            return self._read(raw, some[0], at) if len(some) == 1 else self._unreadable(error, at)
        if isinstance(raw, dict) and _is_plain_class(type_):
            return self._read_fields(raw, type_, at, error)
        if isinstance(raw, dict) and origin in (dict, Mapping):
            return {name: self._read(one, arguments[1], f"{at}.{name}") for name, one in raw.items()}
        if isinstance(raw, list) and (origin is list or (origin is tuple and arguments[1:] == (...,))):
            return origin(self._read(one, arguments[0], f"{at}[{number}]") for number, one in enumerate(raw))
        return self._unreadable(error, at)

    def _read_fields(self, raw: dict[str, Any], cls: Any, at: str, error: Exception) -> Any:
        from ctrlkit.crd.fields import fields_of  # noqa: PLC0415  # few objects do not fit

        before, given = len(self.causes), {}
        for field in fields_of(cls, described=False):
            if field.wire_name in raw:
                given[field.name] = self._read(raw[field.wire_name], field.type, f"{at}.{field.wire_name}")
            elif not field.has_default:
                self._unreadable(ValueError(f"Object missing required field `{field.wire_name}`"), at)
        if len(self.causes) == before:
            return self._unreadable(error, at)  # what the class says as a whole
        try:
            return cls(**given) if self.is_readable else None
        except (TypeError, ValueError) as worse:
            return self._unreadable(worse, at)

    def _unreadable(self, error: Exception, at: str) -> None:
        self.is_readable = False
        self.causes.append(cause_of(error, at))


def _is_plain_class(type_: Any) -> bool:
    """Whether a class is made of its fields alone: no tag, and none that it forbids."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        config = type_.__struct_config__
        return not (config.tag or config.array_like or config.forbid_unknown_fields)
    return isinstance(type_, type) and dataclasses.is_dataclass(type_)
