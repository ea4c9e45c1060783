"""
The types of the built-in kinds: facts of a server's OpenAPI documents, kept in types.json (made by extract.py).

A field is a word and, behind it, how lists and maps merge: `[]Container! merge=name keys=name`. A word is `s` text, `b`
bool, `i32`/`i64` integer, `n` number, `y` base64, `q` quantity, `t`/`u` time in (micro)seconds, `x` integer or text,
`?` anything, or the name of a type; with `[]` before it a list, with `{}` a map. `!` behind it says that the server
always sends the field, `*` that it tells an empty value from none.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

import msgspec

from ctrlkit.model import AnyResource


class Field(NamedTuple):
    """
    One field of a type.

    Shape   `word` is its type without the mark, `mark` is "!", "*" or "". `merge_key` is the key of a list under a
            strategic merge patch, "" for a list of scalars that is merged as a set, None for one that is replaced.
            `map_keys` are the keys of a list under server-side apply; `is_set` and `atomic` say that it is a set there,
            or that the value is replaced whole.
    """

    word: str = "?"
    mark: str = ""
    merge_key: str | None = None
    map_keys: tuple[str, ...] = ()
    is_set: bool = False
    atomic: bool = False

    @staticmethod
    def parse(text: str) -> Field:
        """
        A field as types.json has it.

        >>> Field.parse("[]ContainerPort merge=containerPort keys=containerPort,protocol").map_keys
        ('containerPort', 'protocol')
        """
        word, *merging = text.split(" ")
        bare = word.rstrip("!*")
        given = dict(part.partition("=")[::2] for part in merging)
        return Field(
            word=bare,
            mark=word[len(bare) :],
            merge_key=given.get("merge"),
            map_keys=tuple(given["keys"].split(",")) if "keys" in given else (),
            is_set="set" in given,
            atomic="atomic" in given,
        )


Shape = Mapping[str, Field]
"""The fields of a type, by name."""

PLAIN: Shape = {}
"""The shape of what is not described, as in a custom resource: maps merge by field, and lists are replaced whole."""


class _Facts(msgspec.Struct, frozen=True):
    kinds: dict[str, str]
    atomic: frozenset[str]
    types: dict[str, dict[str, str]]


@functools.cache
def _facts() -> _Facts:
    text = resources.files(__package__).joinpath("types.json").read_bytes()
    return msgspec.json.decode(text, type=_Facts)


def type_of(resource: AnyResource) -> str:
    """The name of the type of a kind's objects, "" where the kind is not described."""
    return _facts().kinds.get(f"{resource.api_version} {resource.kind}", "")


@functools.cache
def fields_of(name: str) -> Shape:
    """The fields of a type, none where it is not described."""
    return {field: Field.parse(text) for field, text in _facts().types.get(name, {}).items()}


def is_described(name: str) -> bool:
    """Whether a word is the name of a type with fields."""
    return name in _facts().types


def is_atomic(name: str) -> bool:
    """Whether server-side apply takes objects of a type as one value."""
    return name in _facts().atomic


def shape_of(resource: AnyResource) -> Shape:
    """
    The shape of a kind's objects; of a kind that is not described, its metadata alone.

    >>> from ctrlkit.model.kinds import PODS
    >>> child(child(shape_of(PODS), "spec"), "containers")["ports"].merge_key
    'containerPort'
    """
    name = type_of(resource)
    return fields_of(name) if name else {"metadata": Field("ObjectMeta")}


def child(shape: Shape, name: str) -> Shape:
    """The shape of a field's value, or of its items."""
    field = shape.get(name)
    return fields_of(field.word.removeprefix("[]")) if field else PLAIN
