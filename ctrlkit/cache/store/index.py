"""Further ways to find objects: a function gives each object its values, an index finds the objects of a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from ctrlkit.model import ObjectKey, Record

T = TypeVar("T")
IndexFunction = Callable[[Record[Any]], Iterable[str]]


class Index(Generic[T]):
    """
    value -> keys, kept in step with the store (row S2). Values without objects leave no trace.

    >>> from ctrlkit.model import ObjectMeta
    >>> index = Index(lambda record: (record.meta.labels or {}).values())
    >>> index.put(Record(ObjectMeta(name="a", labels={"x": "1", "y": "2"}), None, str))
    >>> [str(key) for key in index.keys("2")], index.keys("3")
    (['a'], [])

    Cost    put and discard are O(values of the object); keys() is O(n log n) in what it returns.
    """

    __slots__ = ("_function", "_keys", "_values")

    def __init__(self, function: IndexFunction) -> None:
        self._function = function
        self._keys: dict[str, set[ObjectKey]] = {}
        self._values: dict[ObjectKey, tuple[str, ...]] = {}  # in order, each once; a set would take four times the room

    def put(self, record: Record[T]) -> None:
        """Index an object anew. Whatever the function raises passes, and the object is then under no value."""
        values = self._values_of(record)
        if values == self._values.get(record.key):
            return
        self.discard(record.key)
        self._values[record.key] = values
        for value in values:
            self._keys.setdefault(value, set()).add(record.key)

    def _values_of(self, record: Record[T]) -> tuple[str, ...]:
        try:
            values = tuple(self._function(record))
            hash(values)  # what is no value is found out before anything is changed
            return values if len(values) < 2 else tuple(sorted(set(values)))
        except BaseException:
            self.discard(record.key)
            raise

    def discard(self, key: ObjectKey) -> None:
        """Forget an object."""
        for value in self._values.pop(key, ()):
            keys = self._keys[value]
            keys.discard(key)
            if not keys:
                del self._keys[value]

    def keys(self, value: str) -> list[ObjectKey]:
        """The keys of a value, in order."""
        return sorted(self._keys.get(value, ()))

    def __len__(self) -> int:
        return len(self._keys)
