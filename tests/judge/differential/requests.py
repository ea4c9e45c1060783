"""
Random requests about one kind: objects made from a valid one by changes that fit the kind's types, or nearly.

A change puts a value of the right type, or of a wrong one, somewhere; takes a field away; or repeats an item of a list.
All of it is plain data, so that hypothesis can shrink it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from ctrlkit.fakes.releases import KindFacts
from ctrlkit.fakes.tracker.schema.types import Types
from tests.judge.differential.seeds import NAMESPACE, Plain, seed_of

_DEPTH_MAX = 3
_TEXTS = ("", "a", "b", "A_b", "a.b", "a/b", "x" * 64, "10.0.0.1", "http", "1", "é")
_NUMBERS = (0, 1, -1, 2, 30, 80, 65535, 65536, 2**31 - 1)
_QUANTITIES = ("0", "1", "100m", "1Gi", "-1", "1.5", "0.1")
_WRONG: tuple[Any, ...] = (None, True, 7, "text", [], {}, [1], {"a": 1}, 1.5)
_METADATA = ("labels", "annotations", "finalizers", "ownerReferences", "generateName")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `body` is sent as JSON unless it is None."""

    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A change at a path; see `changed`."""

    what: str
    path: tuple[str | int, ...]
    value: Any = None


def changed(plain: Plain, changes: list[Change]) -> Plain:
    """
    Return an object with changes; those whose place is not there do nothing.

    >>> changed({"a": {"b": [1]}}, [Change("put", ("a", "c"), 2), Change("twice", ("a", "b", 0))])
    {'a': {'b': [1, 1], 'c': 2}}
    """
    result = copy.deepcopy(plain)
    for change in changes:
        *way, last = change.path
        place: Any = result
        for step in way:
            place = _below(place, step)
        if isinstance(place, dict) and isinstance(last, str):
            _change_dict(place, last, change)
        elif isinstance(place, list) and isinstance(last, int) and last < len(place):
            _change_list(place, last, change)
    return result


def _below(place: Any, step: str | int) -> Any:
    if isinstance(place, dict) and isinstance(step, str):
        return place.get(step)
    return place[step] if isinstance(place, list) and isinstance(step, int) and step < len(place) else None


def _change_dict(place: Plain, last: str, change: Change) -> None:
    if change.what == "put":
        place[last] = copy.deepcopy(change.value)
    elif change.what == "drop":
        place.pop(last, None)


def _change_list(place: list[Any], last: int, change: Change) -> None:
    match change.what:
        case "put":
            place[last] = copy.deepcopy(change.value)
        case "drop":
            del place[last]
        case "twice":
            place.append(copy.deepcopy(place[last]))


class Requests:
    """Makes requests about one kind of a release."""

    def __init__(self, kind: KindFacts, types: Types) -> None:
        self.kind = kind
        self._types = types
        self._seed = seed_of(kind)
        base = f"/apis/{kind.group}/{kind.version}" if kind.group else "/api/v1"
        self.collection: str = (
            f"{base}/namespaces/{NAMESPACE}/{kind.plural}" if kind.namespaced else f"{base}/{kind.plural}"
        )
        self.object: str = f"{self.collection}/{self._seed['metadata']['name']}"

    @property
    def seed(self) -> Plain:
        """The valid object that all begins with."""
        return copy.deepcopy(self._seed)

    def changes(self) -> st.SearchStrategy[list[Change]]:
        """Return a strategy for some changes to the seed, or to what the server made of it."""
        return st.lists(self._change(), max_size=3)

    def sequences(self) -> st.SearchStrategy[list[tuple[str, Any]]]:
        """Return a strategy for steps: a word and what belongs to it; the runner makes requests of them."""
        step = st.one_of(
            st.tuples(st.just("create"), self.changes()),
            st.tuples(st.just("update"), self.changes()),
            st.tuples(st.just("merge"), self._patch()),
            st.tuples(st.just("strategic"), self._patch()),
            st.tuples(st.just("apply"), st.tuples(self.changes(), st.sampled_from(("one", "two")))),
            st.tuples(st.just("status"), self.changes()),
            st.tuples(st.just("delete"), st.just(None)),
        )
        return st.tuples(st.tuples(st.just("create"), self.changes()), st.lists(step, max_size=3)).map(
            lambda both: [both[0], *both[1]]
        )

    def _change(self) -> st.SearchStrategy[Change]:
        places = list(self._places(self.kind.type, self._seed, ()))
        leaves = list(_leaves(self._seed, ()))
        new = st.sampled_from(places).flatmap(
            lambda place: self._value(place[1], place[2], 0).map(lambda value: Change("put", place[0], value))
        )
        wrong = st.tuples(st.sampled_from([place[0] for place in places]), st.sampled_from(_WRONG)).map(
            lambda both: Change("put", *both)
        )
        drop = st.sampled_from(leaves).map(lambda path: Change("drop", path))
        items = [path for path in leaves if isinstance(path[-1], int)]
        twice = [st.sampled_from(items).map(lambda path: Change("twice", path))] if items else []
        return st.one_of(new, new, new, drop, *twice, wrong)

    def _places(
        self, name: str, value: Any, path: tuple[str | int, ...]
    ) -> Iterator[tuple[tuple[str | int, ...], str, tuple[str, ...]]]:
        """Yield the fields that an object has or could have: path, word and enum."""
        for field_name, known in self._types.fields_of(name).items():
            if not path and field_name in ("apiVersion", "kind"):
                continue
            if path == ("metadata",) and field_name not in _METADATA:
                continue
            here = (*path, field_name)
            yield here, known.word, known.enum
            inner = value.get(field_name) if isinstance(value, dict) else None
            if self._types.is_described(known.word) and isinstance(inner, dict):
                yield from self._places(known.word, inner, here)
            elif known.word.startswith("[]") and isinstance(inner, list):
                for index, item in enumerate(inner):
                    yield from self._places(known.word[2:], item, (*here, index))

    def _value(self, word: str, enum: tuple[str, ...], depth: int) -> st.SearchStrategy[Any]:
        if enum and word == "s":
            return st.sampled_from((*enum[:6], "Nope"))
        if word.startswith("[]"):
            return st.lists(self._value(word[2:], enum, depth + 1), max_size=2)
        if word.startswith("{}"):
            return st.dictionaries(
                st.sampled_from(("a", "cpu", "example.com/x", "A b")), self._value(word[2:], (), depth + 1), max_size=2
            )
        if self._types.is_described(word):
            return self._struct(word, depth)
        return st.sampled_from(_SCALARS.get(word, _TEXTS))

    def _struct(self, word: str, depth: int) -> st.SearchStrategy[Any]:
        fields = self._types.fields_of(word)
        if depth >= _DEPTH_MAX:
            return st.just({})
        needed = {
            name: self._value(known.word, known.enum, depth + 1) for name, known in fields.items() if known.required
        }
        others = [name for name in fields if name not in needed]
        chosen = st.lists(st.sampled_from(others), max_size=2, unique=True) if others else st.just([])
        return chosen.flatmap(
            lambda names: st.fixed_dictionaries(
                needed | {name: self._value(fields[name].word, fields[name].enum, depth + 1) for name in names}
            )
        )

    def _patch(self) -> st.SearchStrategy[Plain]:
        """Return a strategy for a part of an object: what some changes put, or null for what they drop."""
        return self.changes().map(_as_patch)


_SCALARS: Mapping[str, tuple[Any, ...]] = {
    "b": (True, False),
    "i32": _NUMBERS,
    "i64": _NUMBERS,
    "n": _NUMBERS,
    "q": _QUANTITIES,
    "x": (*_NUMBERS[:6], "50%", "a", "150%"),
    "y": ("dg==", "", "!"),
    "t": ("2026-01-01T00:00:00Z",),
    "u": ("2026-01-01T00:00:00.000000Z",),
    "?": ({"a": 1},),
}
"""Values of the right type, by its word; texts for any other."""


def _leaves(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        here = (*path, step)
        if here not in (("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"), ("metadata", "namespace")):
            yield here
        yield from _leaves(inner, here)


def _as_patch(changes: list[Change]) -> Plain:
    patch: Plain = {}
    for change in changes:
        way = [step for step in change.path if isinstance(step, str)]
        if len(way) != len(change.path):
            continue
        place = patch
        for step in way[:-1]:
            inner = place.setdefault(step, {})
            if not isinstance(inner, dict):
                break
            place = inner
        else:
            place[way[-1]] = None if change.what == "drop" else change.value
    return patch
