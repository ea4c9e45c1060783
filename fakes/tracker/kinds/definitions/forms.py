"""
The versions of a custom kind: as which of them objects are stored, and how they are shown at the others.

A stored object keeps the form that it was written in. When it is read, it is pruned and completed by the schema of the
version that it was stored as, converted, and pruned by the schema of the version that is asked for, all as the
definition is now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from ctrlkit.fakes.tracker.schema.custom import CustomSchema
from ctrlkit.fakes.tracker.store import Stored, encode_tail
from ctrlkit.model import ObjectKey

Plain = dict[str, Any]
Object = Mapping[str, Any]
Convert = Callable[[Object, str, str], Plain]
"""Converts an object without kind and apiVersion from one version to another."""

_REMEMBERED = 1024


def unconverted(plain: Object, _version: str, _wanted: str) -> Plain:
    """The conversion strategy None: only the apiVersion changes, which objects here do not have."""
    return dict(plain)


class Era(NamedTuple):
    """From which version of the store on objects were stored as a version of their kind."""

    after: int
    version: str


@dataclass(frozen=True)
class Forms:
    """
    How the objects of one definition are stored and shown, from a change of the definition to the next.

    Shape   `schemas` by version, those not served included; `since` is the version of the store after which objects
            were written by these schemas; `eras` with the newest last.
    """

    schemas: Mapping[str, CustomSchema]
    eras: tuple[Era, ...]
    since: int = 0
    convert: Convert = unconverted
    _shown: dict[tuple[ObjectKey, int, str], Stored] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def stored_as(self) -> str:
        """The version as which objects are stored now."""
        return self.eras[-1].version

    def changed(self, schemas: Mapping[str, CustomSchema], stored_as: str, now: int) -> Forms:
        """These forms after a change of the definition at a version of the store; the same if they do not change."""
        if stored_as == self.stored_as and {version: one.openapi for version, one in schemas.items()} == {
            version: one.openapi for version, one in self.schemas.items()
        }:
            return self
        eras = self.eras if stored_as == self.stored_as else (*self.eras, Era(now, stored_as))
        return replace(self, schemas=schemas, eras=eras, since=now, _shown={})

    def converted_by(self, convert: Convert) -> Forms:
        """These forms with another way to convert; the same if it is the same."""
        return self if convert == self.convert else replace(self, convert=convert, _shown={})

    @cached_property
    def asks(self) -> bool:
        """Whether a webhook converts."""
        return self.convert is not unconverted and not self._is_single

    def asks_at(self, version: str) -> bool:
        """Whether a webhook converts what is written at a version."""
        return self.asks and version != self.stored_as

    def foresee(self, plain: Object, version: str) -> None:
        """Convert what is about to be written, there and back, if a webhook does. Errors: Unanswered, the last time."""
        self.read(self.stored(plain, version), version)

    def is_as_stored(self, version: str) -> bool:
        """Whether every object is shown at a version as it is stored."""
        return version == self.stored_as and not self.since and self._is_single

    @cached_property
    def _is_single(self) -> bool:
        return len(self.schemas) == 1

    def is_new(self, stored: Stored) -> bool:
        """Whether an object was written since the definition changed."""
        return stored.version > self.since

    def shown(self, stored: Stored, version: str) -> Stored:
        """Return a stored object as a version shows it."""
        if version == self.stored_as and self._is_single and self.is_new(stored):
            return stored
        known = (stored.key, stored.version, version)
        found = self._shown.get(known)
        if found is None:
            if len(self._shown) >= _REMEMBERED:
                self._shown.clear()
            plain = self._read(stored.plain, self._version_of(stored), version)
            is_same = plain == stored.plain
            found = stored if is_same else Stored(stored.key, stored.version, encode_tail(plain))
            self._shown[known] = found
        return found

    def stored(self, plain: Object, version: str) -> Plain:
        """
        Return what is stored of an object that was written at a version.

        A kind with a single version has no other reader: its objects are stored as they are read, with all defaults.
        """
        schema = self.schemas[self.stored_as]
        if self._is_single:
            return schema.complete(plain)[0]
        return dict(plain) if version == self.stored_as else schema.pruned(self.convert(plain, version, self.stored_as))

    def read(self, plain: Object, version: str) -> Plain:
        """Return an object that would be stored now as a version shows it."""
        return self._read(plain, self.stored_as, version)

    def is_same(self, stored: Stored, plain: Object) -> bool:
        """Whether an object is stored as it would be written now."""
        return self._version_of(stored) == self.stored_as and stored.plain == plain

    def _version_of(self, stored: Stored) -> str:
        return next((era.version for era in reversed(self.eras) if era.after < stored.version), self.eras[0].version)

    def _read(self, plain: Object, version: str, wanted: str) -> Plain:
        schema = self.schemas.get(version)
        read = schema.complete(plain)[0] if schema is not None else dict(plain)
        if version == wanted:
            return read
        converted, target = self.convert(read, version, wanted), self.schemas.get(wanted)
        return target.pruned(converted) if target is not None else converted


class View(NamedTuple):
    """The forms as one version shows them."""

    forms: Forms
    version: str

    def shown(self, stored: Stored) -> Stored:
        """Return a stored object as the version shows it."""
        return self.forms.shown(stored, self.version)


def version_rank(version: str) -> tuple[int, int, int, str]:
    """
    Return a sort key for API versions: stable before beta before alpha, then the higher number.

    >>> sorted(["v1alpha1", "v1", "v2beta1", "v2", "mine"], key=version_rank)
    ['v2', 'v1', 'v2beta1', 'v1alpha1', 'mine']
    """
    found = re.fullmatch(r"v(?P<major>\d+)((?P<stage>alpha|beta)(?P<minor>\d+))?", version)
    if not found:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[found["stage"]]
    return (stage, -int(found["major"]), -int(found["minor"] or 0), version)


def deprecation(definition: Object, version: Object) -> str:
    """Return the warning that a server gives with each request for a version; "" if the version is not deprecated."""
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning") is not None:
        return str(version["deprecationWarning"])
    spec = definition["spec"]
    kind, rank = spec["names"]["kind"], version_rank(version["name"])
    newer = [
        one["name"]
        for one in spec["versions"]
        if one.get("served") and not one.get("deprecated") and version_rank(one["name"]) < rank
    ]
    use = f"; use {spec['group']}/{min(newer, key=version_rank)} {kind}" if newer else ""
    return f"{spec['group']}/{version['name']} {kind} is deprecated{use}"
