"""Whether values of a type are immutable, so that all readers can share them."""

from __future__ import annotations

from functools import cache
from typing import Any, get_origin

from msgspec import inspect

from ctrlkit.model.read_only import read_only_fields

_SCALARS = (
    inspect.NoneType,
    inspect.BoolType,
    inspect.IntType,
    inspect.FloatType,
    inspect.StrType,
    inspect.BytesType,
    inspect.DateTimeType,
    inspect.DateType,
    inspect.TimeType,
    inspect.TimeDeltaType,
    inspect.UUIDType,
    inspect.DecimalType,
    inspect.EnumType,
    inspect.LiteralType,
)


def is_immutable(python_type: Any) -> bool:
    """
    Whether nothing reachable from a value of this type can be changed: frozen Structs of scalars and tuples.

    >>> import msgspec
    >>> class Spec(msgspec.Struct, frozen=True):
    ...     nodes: int
    ...     peers: tuple[str, ...] = ()
    >>> class Labelled(msgspec.Struct, frozen=True):
    ...     labels: dict[str, str]
    >>> is_immutable(Spec), is_immutable(Labelled)
    (True, False)
    """
    return _of_type(python_type)


@cache
def _of_type(python_type: Any) -> bool:
    """Looked at once: each client makes codecs of its own, for the same few types."""
    return _is_immutable(inspect.type_info(python_type), frozenset())


def _is_immutable(shape: inspect.Type, seen: frozenset[type]) -> bool:
    match shape:
        case inspect.StructType(cls=named, fields=fields):
            python_type = get_origin(named) or named  # of a generic one, its class
            if python_type in seen:
                return True  # a type inside itself is judged once
            if not python_type.__struct_config__.frozen:
                return False
            seen |= {python_type}
            shown = read_only_fields(python_type)
            inner = tuple(_values(field.type) if field.name in shown else field.type for field in fields)
        case inspect.UnionType(types=inner) | inspect.TupleType(item_types=inner):
            pass
        case inspect.VarTupleType(item_type=item) | inspect.FrozenSetType(item_type=item) | inspect.Metadata(type=item):
            inner = (item,)
        case _:
            return isinstance(shape, _SCALARS)
    return all(_is_immutable(each, seen) for each in inner)


def _values(shape: inspect.Type) -> inspect.Type:
    """What a mapping that is shown as a read-only view holds, or a union of it with None."""
    match shape:
        case inspect.UnionType(types=types):
            return inspect.UnionType(types=tuple(map(_values, types)))
        case inspect.DictType(value_type=value):
            return value
    return shape
