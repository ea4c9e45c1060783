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
from urllib.parse import urlencode

from hypothesis import strategies as st

from ctrlkit.fakes.releases import KindFacts
from ctrlkit.fakes.tracker.schema.types import Types
from tests.judge.differential.seeds import NAMESPACE, Plain, part_seed, seed_of

_DEPTH_MAX = 3
_TEXTS = ("", "a", "b", "A_b", "a.b", "a/b", "x" * 64, "10.0.0.1", "http", "1", "é")
_NUMBERS = (0, 1, -1, 2, 30, 80, 65535, 65536, 2**31 - 1)
_QUANTITIES = ("0", "1", "100m", "1Gi", "-1", "1.5", "0.1")
_WRONG: tuple[Any, ...] = (None, True, 7, "text", [], {}, [1], {"a": 1}, 1.5)
_PARTS = (
    "status",
    "scale",
    "approval",
    "resize",
    "ephemeralcontainers",
    "eviction",
    "binding",
    "token",
)
"""The subresources that are tried, where a kind has them."""

_VERBS = {"create": "create", "update": "update", "merge": "patch", "strategic": "patch", "apply": "patch"}
"""The verbs of steps, and what each is in the facts of a kind."""

_METADATA = ("labels", "annotations", "finalizers", "ownerReferences", "generateName")


@dataclass(frozen=True, slots=True)
class Step:
    """
    One request.

    Shape   `verb` is create, update, apply, delete, or a kind of patch: merge, strategic. `given` are changes to the
            seed (create, apply) or to what the server has (update), a patch, or the options of a delete. `part` is a
            subresource, "" for the object itself; `query` are the parameters.
    """

    verb: str
    given: Any
    part: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """The verb, and the subresource if there is one."""
        return f"{self.verb} {self.part}".strip()


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
        self._forms = {"": (kind.type, seed_of(kind))}
        for part in _PARTS:
            if (facts := kind.subresources.get(part)) is not None:
                seed = part_seed(kind, facts)
                self._forms[part] = (kind.type if facts.kind == kind.kind else facts.kind, seed)
        base = f"/apis/{kind.group}/{kind.version}" if kind.group else "/api/v1"
        self.collection: str = (
            f"{base}/namespaces/{NAMESPACE}/{kind.plural}" if kind.namespaced else f"{base}/{kind.plural}"
        )
        self.object: str = f"{self.collection}/{self._forms[''][1]['metadata']['name']}"

    def seed(self, part: str = "") -> Plain:
        """Return the valid body that all begins with."""
        return copy.deepcopy(self._forms[part][1])

    def path(self, step: Step) -> str:
        """Return where a step's request goes, with its parameters."""
        place = f"{self.object}/{step.part}" if step.part else self.object
        place = self.collection if step.word == "create" else place
        return f"{place}?{urlencode(step.query)}" if step.query else place

    def changes(self, part: str = "") -> st.SearchStrategy[list[Change]]:
        """Return a strategy for some changes to a seed, or to what the server made of it."""
        return st.lists(self._change(part), max_size=3)

    def sequences(self) -> st.SearchStrategy[list[Step]]:
        """Return a strategy for some steps, of which the first creates the object."""
        steps = [st.builds(Step, st.just("delete"), _DELETE_OPTIONS, query=_query("delete"))]
        for part in self._forms:
            verbs = self.kind.subresources[part].verbs if part else _VERBS
            steps += [
                st.builds(Step, st.just(verb), self._given(verb, part), st.just(part), _query(verb))
                for verb, needed in _VERBS.items()
                if needed in verbs
            ]
        create = st.builds(Step, st.just("create"), self.changes(), query=_query("create"))
        return st.tuples(create, st.lists(st.one_of(steps), max_size=3)).map(lambda both: [both[0], *both[1]])

    def _given(self, verb: str, part: str) -> st.SearchStrategy[Any]:
        return self.changes(part).map(_as_patch) if verb in ("merge", "strategic") else self.changes(part)

    def _change(self, part: str) -> st.SearchStrategy[Change]:
        name, seed = self._forms[part]
        places = list(self._places(name, seed, ()))
        if part in seed:
            places = [place for place in places if place[0][0] in (part, "metadata")]
        leaves = list(_leaves(seed, ()))
        new = st.sampled_from(places).flatmap(
            lambda place: self._value(place[1], place[2], 0).map(lambda value: Change("put", place[0], value))
        )
        wrong = st.tuples(st.sampled_from([place[0] for place in places]), st.sampled_from(_WRONG)).map(
            lambda both: Change("put", *both)
        )
        drop = st.sampled_from(leaves).map(lambda path: Change("drop", path))
        items = [path for path in leaves if isinstance(path[-1], int)]
        twice = [st.sampled_from(items).map(lambda path: Change("twice", path))] if items else []
        unknown = st.sampled_from([place[0] for place in places]).map(lambda path: Change("put", (*path[:-1], "é"), 1))
        return st.one_of(new, new, new, drop, *twice, wrong, unknown)

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


def _query(verb: str) -> st.SearchStrategy[dict[str, str]]:
    """Return a strategy for the parameters of a request: none most of the time, unless the verb needs some."""
    if verb == "apply":
        needed = {"fieldManager": st.sampled_from(("one", "two"))}
        return st.one_of(st.fixed_dictionaries(needed), st.fixed_dictionaries(needed, optional=_OPTIONS[verb]))
    some = st.fixed_dictionaries({}, optional=_OPTIONS.get(verb, _OPTIONS[""]))
    return st.one_of(st.just({}), st.just({}), some)


_DRY_RUN = {"dryRun": st.sampled_from(("All", "Some"))}
_WRITE = _DRY_RUN | {"fieldValidation": st.sampled_from(("Strict", "Warn", "Ignore", "Some"))}
_OPTIONS: Mapping[str, Mapping[Any, st.SearchStrategy[Any]]] = {
    "": _WRITE | {"fieldManager": st.sampled_from(("two", "é" * 65))},
    "apply": _WRITE | {"force": st.just("true")},
    "delete": _DRY_RUN,
}
"""The parameters of requests by verb, "" for the others."""

_DELETE_OPTIONS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "propagationPolicy": st.sampled_from(("Foreground", "Background", "Orphan", "Some", "")),
            "gracePeriodSeconds": st.sampled_from((0, 1, -1, 30, "1")),
            "preconditions": st.sampled_from(({}, {"uid": "a"}, {"resourceVersion": "1"}, {"uid": 1})),
            "dryRun": st.sampled_from((["All"], [], ["Some"], "All")),
            "orphanDependents": st.booleans(),
            "kind": st.sampled_from(("DeleteOptions", "Pod")),
            "é": st.just(1),
        },
    ),
)
