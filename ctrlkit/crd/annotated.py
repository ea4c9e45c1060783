"""Types as people write them: what is around a type, the members of a union, the arguments of a generic class."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Generic, Literal, NotRequired, Required, TypeVar, Union, get_args, get_origin

import msgspec

from ctrlkit.model.schema import Schema

_AROUND: Final = (Required, NotRequired, typing.Final)


def origin_of(type_: Any) -> Any:
    """Return the class of a generic type, `Box` of `Box[int]`; any other type itself."""
    return get_origin(type_) or type_


def name_of(type_: Any) -> str:
    """Return how a refusal calls a type."""
    return getattr(type_, "__name__", None) or str(type_)


def peeled(type_: Any) -> tuple[Any, tuple[Any, ...]]:
    """
    Return a type without Annotated, Required, NewType and aliases around it, and its annotations.

    >>> peeled(Annotated[int, "small"])
    (<class 'int'>, ('small',))
    """
    annotations: tuple[Any, ...] = ()
    while True:
        origin = get_origin(type_)
        if origin is Annotated:
            annotations = (*type_.__metadata__, *annotations)
            type_ = type_.__origin__
        elif origin in _AROUND or getattr(origin, "_name", "") == "ReadOnly":
            (type_,) = get_args(type_)
        elif hasattr(type_, "__supertype__"):
            type_ = type_.__supertype__
        elif type(type_).__name__ == "TypeAliasType":
            type_ = type_.__value__
        elif type(origin).__name__ == "TypeAliasType":
            type_ = substituted(origin.__value__, dict(zip(origin.__type_params__, get_args(type_), strict=False)))
        else:
            return type_, tuple(_spread(annotations))


def _spread(annotations: Sequence[Any]) -> Iterator[Any]:
    """Annotations, and those that a `Field` of pydantic holds."""
    for one in annotations:
        yield one
        if isinstance(getattr(one, "metadata", None), list):
            yield from one.metadata


def union_of(type_: Any) -> tuple[list[Any], bool] | None:
    """
    Return the members of a union without None, and whether None is one; None for another type.

    >>> union_of(int | None)
    ([<class 'int'>], True)
    """
    if get_origin(type_) is Literal and None in get_args(type_):
        values = tuple(value for value in get_args(type_) if value is not None)
        return ([Literal[values]] if values else []), True
    if get_origin(type_) not in (Union, types.UnionType):
        return None
    members: list[Any] = []
    may_be_none = False
    for member in get_args(type_):
        inner, annotations = peeled(member)
        below = union_of(inner)
        if below is not None:
            members += [Annotated[(one, *annotations)] if annotations else one for one in below[0]]
        elif inner not in (type(None), msgspec.UnsetType):
            members.append(member)
        may_be_none |= inner is type(None) or (below is not None and below[1])
    return members, may_be_none


def may_be_none(type_: Any) -> bool:
    """Return whether None is a value of a type."""
    found = union_of(peeled(type_)[0])
    return found is not None and found[1]


def merged(annotations: Sequence[Any]) -> Schema | None:
    """Return what all Schemas among annotations say together; None where there is none."""
    said: Schema | None = None
    for one in annotations:
        if isinstance(one, Schema):
            said = one if said is None else said.with_more(one)
    return said


# ---- generic classes -------------------------------------------------------------------------------------------------


def hints_of(type_: Any) -> dict[str, Any]:
    """Return the annotations of a class and its bases, with the arguments of a generic class in their places."""
    cls = origin_of(type_)
    given = dict(_bindings(cls, get_args(type_)))
    found = typing.get_type_hints(cls, include_extras=True)
    owners = {name: base for base in reversed(cls.__mro__) for name in vars(base).get("__annotations__", ())}
    everywhere = {variable: one for binding in given.values() for variable, one in binding.items()}
    return {
        name: substituted(hint, given.get(owners.get(name), everywhere) or everywhere) for name, hint in found.items()
    }


def _bindings(cls: Any, arguments: Sequence[Any]) -> Iterator[tuple[Any, Mapping[Any, Any]]]:
    """For a class and each of its bases what its type variables stand for."""
    own = dict(zip(getattr(cls, "__parameters__", ()), arguments, strict=False))
    for base in vars(cls).get("__orig_bases__", ()) or getattr(cls, "__bases__", ()):
        origin = origin_of(base)
        if origin not in (Generic, object):
            yield from _bindings(origin, [substituted(one, own) for one in get_args(base)])
    yield cls, own


def substituted(type_: Any, given: Mapping[Any, Any]) -> Any:
    """Return a type with type variables replaced by what they stand for."""
    if isinstance(type_, TypeVar):
        return given.get(type_, type_)
    wanted = getattr(type_, "__parameters__", ())
    if not given or not wanted or isinstance(type_, type):
        return type_
    return type_[tuple(given.get(one, one) for one in wanted)]


def meant_by(variable: TypeVar) -> Any:
    """Return what a type variable that nobody gave a type stands for: its default, its bound, or anything."""
    default = getattr(variable, "__default__", None)
    if isinstance(default, type):
        return default
    if variable.__constraints__:
        return Union[variable.__constraints__]  # noqa: UP007
    return variable.__bound__ or Any
