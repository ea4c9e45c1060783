"""
All that a reconciler sees of a cache: reads by key, by index and by selector.

A large cache is searched while the loop waits, so what can be done once is not done for each record: a label's value is
judged when it is seen for the first time, the place of a field is looked up before the records are, and labels are read
without the views that protect them.

Rows S2, S3; B24.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from ctrlkit.cache.store.store import Store
from ctrlkit.errors import NotFound
from ctrlkit.model import FieldSelector, LabelSelector, ObjectKey, Record, Resource, value_at
from ctrlkit.model.meta import read_labels
from ctrlkit.model.selectors import FieldTerm, Operator, Requirement, field_text

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """
    A page of a list as it was when the list was begun; `following()` returns the next one.

    `remaining` objects follow. What changes in the cache meanwhile is not seen.
    """

    items: list[T]
    _all: list[Record[T]]
    _end: int
    _limit: int

    @property
    def remaining(self) -> int:
        """How many objects come after this page."""
        return max(0, len(self._all) - self._end)

    def following(self) -> Page[T] | None:
        """The next page of the same list."""
        return _page(self._all, self._end, self._limit) if self.remaining else None


class Lister(Generic[T]):
    """
    Reads of one kind from memory; what it returns is yours and cannot damage the cache.

    >>> from ctrlkit.cache.change import Cause
    >>> from ctrlkit.model import ObjectMeta, Snapshot
    >>> from ctrlkit.model.kinds import PODS
    >>> store, meta = Store(), ObjectMeta(name="a", namespace="demo", labels={"app": "net"})
    >>> _ = store.replace(Snapshot([Record(meta, {"spec": {}}, dict)], "1"), cause=Cause.INITIAL)
    >>> pods = Lister(PODS, store)
    >>> pods.find("demo/a"), pods.find("demo/b"), len(pods.list(selector="app=net"))
    ({'spec': {}}, None, 1)
    >>> pods.list(fields="metadata.namespace=demo,spec.nodeName=")
    [{'spec': {}}]
    >>> pods.get("demo/b")
    Traceback (most recent call last):
      ...
    ctrlkit.errors.NotFound: pods "b" not found; ...

    Shape   Keys are ObjectKey or "namespace/name". Lists are in order of namespace and name. `selector` is about
            labels. `fields` compares any field by its path, as text; an empty value is a missing one. Terms about
            metadata cost no decoding, those about the name no search where they are exact.
    Errors  NotFound from `get`; DecodeError where an object that is asked for does not fit the resource's type: the
            others can be had by key, and all as `records`. KeyError for an index that does not exist; ValueError for a
            selector that cannot be read, a field that the type does not have, or from `find` and `get` a key without a
            namespace where the kind has them, or with one where it has none. TypeError for a selector that is neither
            one nor a text.
    """

    def __init__(self, resource: Resource[T], store: Store[T]) -> None:
        self.resource = resource
        """The kind, with the Python type of its objects."""
        self._store = store

    def find(self, key: ObjectKey | str) -> T | None:
        """The object, or None where the cache has none."""
        record = self._store.get(self._placed(key))
        return None if record is None else record.value

    def get(self, key: ObjectKey | str) -> T:
        """The object; NotFound where the cache has none."""
        key = self._placed(key)
        record = self._store.get(key)
        if record is None:
            name = key.name
            raise NotFound(f'{self.resource} "{name}" not found', details={"name": name, "kind": self.resource.plural})
        return record.value

    def list(
        self, *, namespace: str = "", selector: LabelSelector | str = "", fields: FieldSelector | str = ""
    ) -> builtins.list[T]:
        """The objects of a namespace, or of all, whose labels and fields match."""
        return [record.value for record in self.records(namespace=namespace, selector=selector, fields=fields)]

    def page(
        self,
        *,
        limit: int,
        namespace: str = "",
        selector: LabelSelector | str = "",
        fields: FieldSelector | str = "",
    ) -> Page[T]:
        """
        The first `limit` objects of a list; `Page.following` returns the rest, as it is now.

            page = pods.page(limit=100)
            while page is not None:
                ...
                page = page.following()
        """
        if limit < 1:
            raise ValueError(f"page of {self.resource}: limit must be at least 1, got {limit}")
        return _page(self.records(namespace=namespace, selector=selector, fields=fields), 0, limit)

    def by_index(self, index: str, value: str) -> builtins.list[T]:
        """The objects that an index has under a value."""
        return [record.value for record in self.records_by_index(index, value)]

    def keys(self, *, namespace: str = "") -> builtins.list[ObjectKey]:
        """The keys of a namespace, or of all."""
        return self._store.keys(namespace)

    def find_record(self, key: ObjectKey | str) -> Record[T] | None:
        """The record, for its metadata alone: nothing is decoded. None for any key that the cache does not have."""
        return self._store.get(key if isinstance(key, ObjectKey) else ObjectKey.parse(key))

    def records(
        self, *, namespace: str = "", selector: LabelSelector | str = "", fields: FieldSelector | str = ""
    ) -> builtins.list[Record[T]]:
        """The records of a namespace, or of all, whose labels and fields match."""
        if selector == "" == fields:
            return self._store.records(self._store.keys(namespace))
        labels = LabelSelector.parse(selector) if isinstance(selector, str) else selector
        terms = FieldSelector.parse(fields) if isinstance(fields, str) else fields
        if not isinstance(labels, LabelSelector):
            raise TypeError(_no_text("selector", "label", "app=x", labels))
        if not isinstance(terms, FieldSelector):
            raise TypeError(_no_text("fields", "field", "metadata.name=x", terms))
        if not labels.requirements and not terms.terms:
            return self._store.records(self._store.keys(namespace))
        return self._select(namespace, labels, terms)

    def records_by_index(self, index: str, value: str) -> builtins.list[Record[T]]:
        """The records that an index has under a value."""
        keys = self._store.keys_by(index, value)
        return self._store.records(keys) if keys else []

    def __len__(self) -> int:
        return len(self._store)

    def _placed(self, key: ObjectKey | str) -> ObjectKey:
        """The key, with a namespace exactly where the kind has them; ValueError else."""
        if not isinstance(key, ObjectKey):
            key = ObjectKey.parse(key)
        if bool(key.namespace) is self.resource.namespaced:
            return key
        if self.resource.namespaced:
            raise ValueError(f'look up {self.resource} "{key}": a namespace is needed; write "namespace/name"')
        raise ValueError(
            f'look up {self.resource} "{key}": {self.resource} do not live in namespaces; write "{key.name}"'
        )

    def _select(self, namespace: str, labels: LabelSelector, terms: FieldSelector) -> builtins.list[Record[T]]:
        """An exact name or namespace leaves few records over to look at."""

        def pick(records: Sequence[Record[T]]) -> Sequence[Record[T]]:
            return with_fields(with_labels(records, labels), terms)

        exact = {path: value for path, equal, value in terms.terms if equal}
        where = namespace or exact.get("metadata.namespace", "")
        name = exact.get("metadata.name")
        if name and (where or not self.resource.namespaced):
            return [*pick(self._store.records([ObjectKey(where, name)]))]
        return self._store.select(pick, where)


def _no_text(argument: str, kind: str, example: str, value: object) -> str:
    if isinstance(value, dict) and value:
        example = ",".join(f"{path}={text}" for path, text in value.items())
    return f'{argument} is a {type(value).__name__}, not a {kind} selector or its text; write "{example}"'


def _page(records: list[Record[T]], begin: int, limit: int) -> Page[T]:
    end = begin + limit
    return Page([record.value for record in records[begin:end]], records, end, limit)


_NONE: Final[Mapping[str, str]] = {}
_METADATA: Final = "metadata."
_TEXTS: Final[dict[str, Callable[[Any], str]]] = {
    "metadata.name": attrgetter("key.name"),
    "metadata.namespace": attrgetter("key.namespace"),
}
"""Fields that are text for sure, and at hand."""


def with_labels(records: Sequence[Record[T]], selector: LabelSelector) -> Sequence[Record[T]]:
    """
    Those whose labels meet all requirements, in the order in which they came.

    >>> from ctrlkit.model import ObjectMeta
    >>> records = [Record(ObjectMeta(name=name, labels={"app": name}), None, str) for name in "abc"]
    >>> [str(record.key) for record in with_labels(records, LabelSelector.parse("app in (a, c)"))]
    ['a', 'c']
    """
    ordered = sorted(selector.requirements, key=_leaves_many)
    for first, second in zip_longest(ordered[::2], ordered[1::2]):
        one, label = _Verdicts(first), first.label
        two, other = _Verdicts(second), "" if second is None else second.label
        labels = map(read_labels, map(attrgetter("meta"), records))
        records = [
            record
            for record, had in zip(records, labels, strict=True)
            if one[(have := had or _NONE).get(label)] and two[have.get(other)]
        ]
    return records


def with_fields(records: Sequence[Record[T]], selector: FieldSelector) -> Sequence[Record[T]]:
    """
    Those whose fields meet all terms, in the order in which they came; what the metadata rules out is not decoded.

    Errors  DecodeError for an object that is looked into and does not fit its type; ValueError for a field that the
            type does not have.
    """
    others: list[FieldTerm] = []
    for term in selector.terms:
        if term[0].startswith(_METADATA):
            records = _with_metadata(records, term)
        else:
            others.append(term)
    return _with_values(records, FieldSelector(tuple(others))) if others else records


def _leaves_many(requirement: Requirement) -> bool:
    """Whether it is one that most objects meet, as a rule: it is asked last."""
    return requirement.operator not in (Operator.EQUALS, Operator.IN)


class _Verdicts(dict[str | None, bool]):
    """What a requirement says of each value of its label, None for a missing one; no requirement says yes to all."""

    def __init__(self, requirement: Requirement | None) -> None:
        super().__init__()
        self._requirement = requirement

    def __missing__(self, value: str | None) -> bool:
        asked = self._requirement
        labels = {} if asked is None or value is None else {asked.label: value}
        verdict = self[value] = asked is None or asked.matches(labels)
        return verdict


def _with_metadata(records: Iterable[Record[T]], term: FieldTerm) -> list[Record[T]]:
    path, wanted, want = term
    read = _TEXTS.get(path)
    if read is not None:
        return [record for record in records if (read(record) == want) is wanted]
    path = path.removeprefix(_METADATA)
    return [record for record in records if (field_text(value_at(record.meta, path)) == want) is wanted]


def _with_values(records: Iterable[Record[T]], terms: FieldSelector) -> list[Record[T]]:
    found = []
    for record in records:
        value = record.value
        if terms.matches(lambda path, value=value: value_at(value, path)):  # type: ignore[misc]
            found.append(record)
    return found
