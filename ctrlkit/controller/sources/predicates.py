"""
Which changes of a watched object matter (row H8). Pure.

    Watch(networks, to_self, predicate=generation_changed | labels_changed)
    Watch(pods, to_owner(STATEFULSETS), predicate=label_selector("app=net") & ~annotations_changed)

The four that compare two states say no only to an update that left their field as it was: whatever came, went, or is
another object of the same name, matters. So do resyncs, unless one of the four stands before them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ctrlkit.cache import Change
from ctrlkit.model import LabelSelector, ObjectMeta


@dataclass(frozen=True, slots=True)
class Predicate:
    """
    A question about a Change that can be joined with others by `&`, `|` and `~`; also a decorator for one's own.

    >>> from ctrlkit.cache import Cause
    >>> from ctrlkit.model import Record
    >>> def state(generation, **labels):
    ...     return Record(ObjectMeta(name="a", generation=generation, labels=labels), None, str)
    >>> change = Change(state(1), state(1, app="net"), Cause.WATCH)
    >>> generation_changed(change), (generation_changed | labels_changed)(change), (~labels_changed)(change)
    (False, True, False)

    What stands to the right of `&` and `|` is asked only if the left has not decided, and may be any function.
    """

    holds: Callable[[Change[Any]], bool]

    def __call__(self, change: Change[Any]) -> bool:
        """Whether the change matters."""
        return self.holds(change)

    def __and__(self, other: Callable[[Change[Any]], bool]) -> Predicate:
        return Predicate(lambda change: self.holds(change) and other(change))

    def __or__(self, other: Callable[[Change[Any]], bool]) -> Predicate:
        return Predicate(lambda change: self.holds(change) or other(change))

    def __invert__(self) -> Predicate:
        return Predicate(lambda change: not self.holds(change))


def label_selector(selector: str) -> Predicate:
    """
    Whether one of the two states has such labels: an object that leaves the selection matters once more.

    >>> from ctrlkit.cache import Cause
    >>> from ctrlkit.model import Record
    >>> record = Record(ObjectMeta(name="a", labels={"app": "net"}), None, str)
    >>> label_selector("app in (net, web)")(Change(None, record, Cause.WATCH))
    True

    Errors  ValueError for a selector that cannot be read.
    """
    matches = LabelSelector.parse(selector).matches
    return Predicate(
        lambda change: any(
            matches(record.meta.labels or {}) for record in (change.new, change.old) if record is not None
        )
    )


def _updated(same: Callable[[ObjectMeta, ObjectMeta], bool]) -> Predicate:
    """True but for updates of one object of which `same` says that nothing happened."""

    def holds(change: Change[Any]) -> bool:
        if change.old is None or change.new is None:
            return True
        old, new = change.old.meta, change.new.meta
        return old.uid != new.uid or not same(old, new)

    return Predicate(holds)


generation_changed = _updated(lambda old, new: new.generation > 0 and old.generation == new.generation)
"""The spec changed, or deletion was asked for. Kinds without generations, such as ConfigMaps, always pass."""

resource_version_changed = _updated(lambda old, new: old.resource_version == new.resource_version)
"""Anything changed: no to resyncs."""

labels_changed = _updated(lambda old, new: (old.labels or {}) == (new.labels or {}))
"""A label came, went or has another value."""

annotations_changed = _updated(lambda old, new: (old.annotations or {}) == (new.annotations or {}))
"""An annotation came, went or has another value."""
