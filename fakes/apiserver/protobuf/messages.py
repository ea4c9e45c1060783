"""The messages of a release: which type has which fields, out of the release's `protobuf.json`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import msgspec

META = "k8s.io.apimachinery.pkg.apis.meta.v1"
RUNTIME = "k8s.io.apimachinery.pkg.runtime"
_SCALARS = frozenset({"string", "int32", "int64", "bool", "bytes", "double"})
_IN_EVERY_GROUP = frozenset(f"{verb}Options" for verb in ("Create", "Delete", "Get", "List", "Patch", "Update"))


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `type` is a scalar or the full name of a message, `mark` is `*`, `[]`, `{}` or nothing."""

    json_name: str
    number: int
    mark: str
    type: str
    options: tuple[str, ...]
    go_name: str

    @property
    def is_message(self) -> bool:
        """Whether the value is a message."""
        return self.type not in _SCALARS

    @property
    def is_inline(self) -> bool:
        """Whether the fields of the value stand beside it in JSON."""
        return "inline" in self.options


@dataclass(frozen=True, slots=True)
class Message:
    """A type: its name in Go and its fields by number, in their order."""

    name: str
    full_name: str
    fields: dict[int, Field]


@dataclass(frozen=True)
class Messages:
    """The messages of a release; each is made when it is first asked for."""

    release: str
    _made: dict[str, Message] = field(default_factory=dict)

    @cached_property
    def _table(self) -> dict[str, Any]:
        text = files("ctrlkit.fakes.releases").joinpath(self.release, "protobuf.json").read_bytes()
        table: dict[str, Any] = msgspec.json.decode(text)
        return table

    def of_kind(self, api_version: str, kind: str) -> Message | None:
        """
        Return the message of a kind, None if there is none.

        The kinds of the server itself (Status, APIResourceList ...) belong to v1, options to every group version.
        """
        packages = [self._table["packages"].get(api_version or "v1", "")]
        if api_version in ("", "v1") or (packages[0] and kind in _IN_EVERY_GROUP):
            packages.append(META)
        for package in packages:
            if kind in self._table["messages"].get(package, ()):
                return self.of_type(f"{package}.{kind}")
        return None

    def kinds(self) -> Iterator[tuple[str, str]]:
        """Yield apiVersion and kind of all that has metadata."""
        for api_version, package in self._table["packages"].items():
            for name, fields in self._table["messages"][package].items():
                if fields.get("metadata", [0])[0] == 1:
                    yield api_version, name

    def of_type(self, full_name: str) -> Message:
        """Return a message by its full name. Errors: KeyError."""
        made = self._made.get(full_name)
        if made is None:
            package, _, name = full_name.rpartition(".")
            rows = self._table["messages"][package][name]
            fields = sorted((_field(package, json_name, *row) for json_name, row in rows.items()), key=_number)
            made = self._made[full_name] = Message(name, full_name, {one.number: one for one in fields})
        return made


@cache
def messages_of(release: str) -> Messages:
    """Return the messages of a release, such as `1.36`."""
    return Messages(release)


def _number(one: Field) -> int:
    return one.number


def _field(  # noqa: PLR0917 - a row of the table
    package: str, json_name: str, number: int, text: str, options: str = "", go_name: str = ""
) -> Field:
    base = text.lstrip("*[]{}")
    mark = text[: len(text) - len(base)]
    full = base if base in _SCALARS or "." in base else f"{package}.{base}"
    named = go_name or f"{json_name[:1].upper()}{json_name[1:]}"
    return Field(json_name, number, mark, full, tuple(options.split()), named)
