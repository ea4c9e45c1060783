"""The types of the built-in kinds of a release: the fields of each, and how they merge."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ctrlkit.fakes.releases import NEWEST, Release, release
from ctrlkit.fakes.tracker.schema.forms import FORMS
from ctrlkit.model import AnyResource


class Field(NamedTuple):
    """
    One field of a type.

    Shape   `word` is its type without the mark, `mark` is "!", "*", "!*" or "". `merge_key` is the key of a list under
            a strategic merge patch, "" for a list of scalars that is merged as a set, None for one that is replaced.
            `map_keys` are the keys of a list under server-side apply; `is_set` and `atomic` say that it is a set there,
            or that the value is replaced whole, `granular` that it is not, whatever its type says. `retains` says that
            a strategic merge patch may name the keys to keep.
            `enum` are the values that are allowed, if not all. `off` says that the server reads the field and drops it.
            `go_type` is the type's name in Go, "" where it follows from the word. `within` names the Go structs that
            the field is embedded with, "" for none.
    """

    word: str = "?"
    mark: str = ""
    merge_key: str | None = None
    map_keys: tuple[str, ...] = ()
    is_set: bool = False
    atomic: bool = False
    granular: bool = False
    retains: bool = False
    required: bool = False
    enum: tuple[str, ...] = ()
    off: bool = False
    go_type: str = ""
    within: str = ""

    @staticmethod
    def parse(text: str) -> Field:
        """
        Read a field as the facts of a release have it.

        >>> Field.parse("[]ContainerPort merge=containerPort keys=containerPort,protocol").map_keys
        ('containerPort', 'protocol')
        """
        word, *attributes = text.split(" ")
        bare = word.rstrip("!*")
        given = dict(part.partition("=")[::2] for part in attributes)
        return Field(
            word=bare,
            mark=word[len(bare) :],
            merge_key=given.get("merge"),
            map_keys=tuple(given["keys"].split(",")) if "keys" in given else (),
            is_set="set" in given,
            atomic="atomic" in given,
            granular="granular" in given,
            retains="retain" in given,
            required="required" in given,
            enum=tuple(given["enum"].split("|")) if "enum" in given else (),
            off="off" in given,
            go_type=given.get("go", ""),
            within=given.get("in", ""),
        )


class Shape(dict[str, Field]):
    """The fields of a type, by name; `name` is that of the type, "" for what is not described."""

    __slots__ = ("name", "types")

    def __init__(
        self, fields: Mapping[str, Field] = MappingProxyType({}), types: Types | None = None, name: str = ""
    ) -> None:
        super().__init__(fields)
        self.types: Types | None = types
        self.name: str = name


PLAIN = Shape()
"""The shape of what is not described, as in a custom resource: maps merge by field, and lists are replaced whole."""


def child(shape: Shape, name: str) -> Shape:
    """Return the shape of a field's value, or of its items."""
    field = shape.get(name)
    return shape.types.fields_of(field.word.removeprefix("[]")) if field and shape.types else PLAIN


class Types:
    """
    The types of one release; its facts are read when the first type is asked for.

    >>> from ctrlkit.model.kinds import PODS
    >>> types = Types(NEWEST)
    >>> child(child(types.shape_of(PODS), "spec"), "containers")["ports"].merge_key
    'containerPort'
    """

    def __init__(self, release_name: str) -> None:
        self.release_name: str = release_name
        self._shapes: dict[str, Shape] = {}

    @functools.cached_property
    def release(self) -> Release:
        """The facts."""
        return release(self.release_name)

    @functools.cached_property
    def _by_kind(self) -> Mapping[tuple[str, str, str], str]:
        return {(kind.group, kind.version, kind.kind): kind.type for kind in self.release.kinds}

    def type_of(self, resource: AnyResource) -> str:
        """Return the name of the type of a kind's objects, "" for a kind that the release does not have."""
        return self._by_kind.get((resource.group, resource.version, resource.kind), "")

    def fields_of(self, name: str) -> Shape:
        """Return the fields of a type, none if it is not described."""
        shape = self._shapes.get(name)
        if shape is None:
            texts = self.release.types.get(name) or FORMS.get(name, {})
            shape = self._shapes[name] = Shape({field: Field.parse(text) for field, text in texts.items()}, self, name)
        return shape

    def is_described(self, name: str) -> bool:
        """Whether a word is the name of a type with fields."""
        return name in self.release.types or name in FORMS

    def is_atomic(self, name: str) -> bool:
        """Whether server-side apply takes objects of a type as one value."""
        return name in self.release.atomic

    def shape_of(self, resource: AnyResource) -> Shape:
        """Return the shape of a kind's objects; of a kind that the release does not have, its metadata alone."""
        name = self.type_of(resource)
        return self.fields_of(name) if name else Shape({"metadata": Field("ObjectMeta")}, self)


@functools.cache
def types_of(release_name: str = NEWEST) -> Types:
    """Return the types of a release, which all its servers share."""
    return Types(release_name)
