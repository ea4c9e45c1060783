"""
Pydantic models as the types of kinds. Nothing here imports pydantic: where there is a model, it is loaded already.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from inspect import signature
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

_ENCODED_LATER: Final = frozenset({"kubernetes", "kubernetes_asyncio"})
"""Packages whose models hold bytes that whoever sends them encodes."""


def is_model(type_: object) -> bool:
    """Whether a type is a pydantic model."""
    return isinstance(type_, type) and hasattr(type_, "__pydantic_validator__") and hasattr(type_, "model_fields")


def model_decoder(model: type[T]) -> Callable[[bytes], T]:
    """
    Return the function that reads a model from JSON.

    Its errors are msgspec.ValidationError, as those of other types: what is wrong first, where, and no value.
    """
    validate: Callable[[bytes], T] = model.model_validate_json  # type: ignore[attr-defined]

    def decode(data: bytes) -> T:
        try:
            return validate(data)
        except ValueError as error:
            raise msgspec.ValidationError(_fact(error)) from None

    return decode


def _fact(error: Any) -> str:
    if not hasattr(error, "errors"):
        return f"{type(error).__name__} in a validator of the model"
    found = error.errors(include_url=False, include_input=False, include_context=False)
    first, more = found[0], len(found) - 1
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    return f"{first['msg']} - at `${path}`" + (f", and {more} more" if more else "")


def dump_model(value: Any) -> bytes:
    """Return a model as JSON, in the names in which it travels."""
    model: Any = type(value)
    data: bytes = value.model_dump_json(by_alias=True, **_without_computed(model)).encode()
    return data


@cache
def _without_computed(model: Hashable) -> dict[str, bool]:
    """How a model is asked to leave out what it computes of other fields; older ones know no way."""
    option = "exclude_computed_fields"
    dump: Callable[..., Any] = model.model_dump  # type: ignore[attr-defined]
    return {option: True} if option in signature(dump).parameters else {}


def dump_plain(value: Any) -> Any:
    """
    Return a model as plain data, in the names in which it travels.

    A field that is None is left out if that is its default, as it is for what is absent; so is what is computed of
    other fields, which no definition has. Bytes are as the model writes them in JSON; models of the package
    `kubernetes` have them encoded, as they travel.
    """
    mode = "python" if type(value).__module__.partition(".")[0] in _ENCODED_LATER else "json"
    return _without_nothing(value, value.model_dump(mode=mode, by_alias=True))


def _without_nothing(value: Any, dumped: Any) -> Any:
    if is_model(type(value)) and isinstance(dumped, dict):
        names = {attribute: name for name, attribute in model_fields(type(value)).items()}
        for attribute, computed in type(value).model_computed_fields.items():
            dumped.pop(computed.alias or attribute, None)
        for attribute, field in type(value).model_fields.items():
            inner, name = getattr(value, attribute), names[attribute]
            if inner is None and not field.is_required() and field.default is None:
                dumped.pop(name, None)
            elif name in dumped:
                dumped[name] = _without_nothing(inner, dumped[name])
    elif isinstance(value, list | tuple) and isinstance(dumped, list):
        return [_without_nothing(one, plain) for one, plain in zip(value, dumped, strict=True)]
    elif isinstance(value, dict) and isinstance(dumped, dict):
        return {name: _without_nothing(value.get(name), plain) for name, plain in dumped.items()}
    return dumped


def model_fields(model: Any) -> dict[str, str]:
    """Return the names of a model's fields in Python, by those in which they travel."""
    return {field.serialization_alias or field.alias or name: name for name, field in model.model_fields.items()}


def as_model_field(type_: Any) -> Any:
    """Return how pydantic reads and writes a type of this package that stands as a field in a model."""
    from pydantic_core import core_schema  # noqa: PLC0415  # a model asks

    def read(value: Any) -> Any:
        return value if isinstance(value, type_) else msgspec.convert(value, type_)

    return core_schema.no_info_plain_validator_function(
        read, serialization=core_schema.plain_serializer_function_ser_schema(msgspec.to_builtins)
    )
