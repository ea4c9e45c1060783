"""
Which records a selector picks, of many at once. Pure.

A large cache is looked through while the loop waits, so what can be done once is not done for each record: a label's
value is judged when it is seen for the first time, the place of a field is looked up before the records are, and labels
are read without the views that protect them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from operator import attrgetter
from typing import Any, Final, TypeVar

from ctrlkit.model import FieldSelector, LabelSelector, Record, value_at
from ctrlkit.model.meta import read_labels
from ctrlkit.model.selectors import FieldTerm, Operator, Requirement, field_text

T = TypeVar("T")

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
