"""
The history of a template, as StatefulSets and DaemonSets keep it in ControllerRevisions. Pure.

A revision has the template as `data`, a number that grows, and a name that says whose it is and what it holds. What is
wanted again gets a new number and keeps its name.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ctrlkit.fakes.cluster.loops.hashes import content_hash
from ctrlkit.model import AnyResource, ObjectMeta, Unstructured, to_plain

DATA_HASH = "controller.kubernetes.io/hash"
"""The label of a StatefulSet's revision: the hash of its data."""

_NAME_MAX = 223
_EXACT = 2**53
_ESCAPES = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The fields of a ControllerRevision that decisions depend on."""

    name: str
    number: int
    data: Mapping[str, Any]
    uid: str = ""
    created: str = ""


@dataclass(frozen=True, slots=True)
class Keep:
    """The newest revision is the one that is wanted."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class Renumber:
    """An older revision is wanted again: give it this number."""

    revision: Revision
    number: int


@dataclass(frozen=True, slots=True)
class Create:
    """No revision is the one that is wanted: make it, with this number."""

    number: int


Choice = Keep | Renumber | Create


def read_revision(one: Unstructured) -> Revision:
    """Read a ControllerRevision."""
    return Revision(
        name=one.metadata.name,
        number=int(one.get("revision") or 0),
        data=one.get("data") or {},
        uid=one.metadata.uid,
        created=one.at("metadata.creationTimestamp") or "",
    )


def data_of(template: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the data of a template's revision: a patch that brings the template back.

    >>> data_of({"spec": {}})
    {'spec': {'template': {'spec': {}, '$patch': 'replace'}}}
    """
    return {"spec": {"template": {**template, "$patch": "replace"}}}


def template_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the template that data brings back.

    >>> template_of(data_of({"spec": {}}))
    {'spec': {}}
    """
    template = (data.get("spec") or {}).get("template") or {}
    return {name: value for name, value in template.items() if name != "$patch"}


def data_hash(data: Mapping[str, Any], collisions: int | None) -> str:
    """
    Return the hash of data as servers write it; with `collisions`, another.

    >>> data_hash({}, 0)
    'cccc864bc'
    """
    suffix = "" if collisions is None else str(collisions)
    return content_hash(_encode(data) + suffix.encode())


def revision_name(owner: str, digest: str) -> str:
    """Return the name of an owner's revision."""
    return f"{owner[:_NAME_MAX]}-{digest}"


def in_order(revisions: Iterable[Revision]) -> list[Revision]:
    """Order revisions by their numbers."""
    return sorted(revisions, key=lambda one: (one.number, one.created, one.name))


def next_number(ordered: Sequence[Revision]) -> int:
    """Return the number of the next revision."""
    return ordered[-1].number + 1 if ordered else 1


def is_same(data: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two data bring the same back: a field that is null is none."""
    return data == other or _without_nulls(data) == _without_nulls(other)


def choose(ordered: Sequence[Revision], data: Mapping[str, Any]) -> Choice:
    """
    Decide which revision is that of some data.

    >>> first, second = (Revision(name=f"web-{n}", number=n, data=data_of({"n": n})) for n in (1, 2))
    >>> choose([first, second], data_of({"n": 2})).revision.name
    'web-2'
    >>> choose([first, second], data_of({"n": 1})).number, choose([], {})
    (3, Create(number=1))
    """
    same = [one for one in ordered if is_same(one.data, data)]
    if not same:
        return Create(next_number(ordered))
    if is_same(ordered[-1].data, data):
        return Keep(ordered[-1])
    return Renumber(same[-1], next_number(ordered))


def surplus(ordered: Sequence[Revision], *, live: Collection[str], limit: int | None) -> list[Revision]:
    """
    Return the oldest revisions that are more than `limit`; those whose names are `live` do not count.

    >>> past = [Revision(name=name, number=number, data={}) for number, name in enumerate("abcd")]
    >>> [one.name for one in surplus(past, live={"a", "d"}, limit=1)], surplus(past, live=(), limit=None)
    (['b'], [])
    """
    past = [one for one in ordered if one.name not in live]
    return past[: max(0, len(past) - limit)] if limit is not None and limit >= 0 else []


def new_revision(
    owner: ObjectMeta,
    owners: AnyResource,
    *,
    name: str,
    number: int,
    data: Mapping[str, Any],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """Build a ControllerRevision of an owner, whose annotations it gets."""
    return {
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": dict(labels),
            **({"annotations": dict(owner.annotations)} if owner.annotations else {}),
            "ownerReferences": [to_plain(owners.owner_reference(owner))],
        },
        "data": dict(data),
        "revision": number,
    }


def _encode(data: Mapping[str, Any]) -> bytes:
    """Return data as Go writes a map: sorted, with what HTML knows escaped, and with numbers that are 64-bit floats."""
    text = json.dumps(_as_floats(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.translate(_ESCAPES).encode()


def _as_floats(value: Any) -> Any:
    """Round whole numbers to what a float can hold."""
    match value:
        case dict():
            return {name: _as_floats(one) for name, one in value.items()}
        case list():
            return [_as_floats(one) for one in value]
        case int() if abs(value) > _EXACT:
            return int(Decimal(repr(float(value))))
        case _:
            return value


def _without_nulls(value: Any) -> Any:
    match value:
        case Mapping():
            return {name: _without_nulls(one) for name, one in value.items() if one is not None}
        case list() | tuple():
            return [_without_nulls(one) for one in value]
        case _:
            return value
