"""
The objects of one kind, by key, with their indexes. Pure: its one writer changes it, and gets the changes back.

S-a  After `replace` a scope holds exactly the objects of the snapshot; those of before as well where some of its items
     could not be read, as nobody knows which these are.
S-b  For one key, versions only rise, until a `replace` says otherwise: late and doubled events change nothing.
S-c  An object whose version and uid did not change is no change, unless it could not be used before, and now can; or
     the server's history was rewritten: then versions of before and after it cannot be compared, and every object
     counts as changed.

Rows F2, F8, S2, S3; B14.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from ctrlkit import telemetry
from ctrlkit.cache.change import Cause, Change
from ctrlkit.errors import DecodeError
from ctrlkit.failures import FailureLog
from ctrlkit.model import Applied, Deleted, ObjectKey, Record, Snapshot, is_newer

T = TypeVar("T")

IndexFunction = Callable[[Record[Any]], Iterable[str]]
"""What `Informer.add_index` takes: a function that says under which values a Record is found."""


class Index(Generic[T]):
    """
    The keys of the objects that an index function puts under each value. Values without objects leave no trace.

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
        key = record.key
        try:
            values = tuple(self._function(record))
            hash(values)  # what is no value is found out before anything is changed
            if len(values) > 1:
                values = tuple(sorted(set(values)))
        except BaseException:
            self.discard(key)
            raise
        before = self._values.get(key)
        if values == before:
            return
        if before is not None:
            self.discard(key)
        self._values[key] = values
        for value in values:
            self._keys.setdefault(value, set()).add(key)

    def discard(self, key: ObjectKey) -> None:
        """Forget an object."""
        for value in self._values.pop(key, ()):
            keys = self._keys[value]
            keys.discard(key)
            if not keys:
                del self._keys[value]

    def keys(self, value: str) -> list[ObjectKey]:
        """The keys of a value, in order."""
        keys = self._keys.get(value)
        return sorted(keys) if keys else []

    def __len__(self) -> int:
        return len(self._keys)


_KEY: Final = attrgetter("key")
NAMESPACE = "namespace"
QUARANTINED_TOLD = 10
"""So many at a time get a log line of their own; statistics list all."""


class Store(Generic[T]):
    """
    Records by key.

    >>> from ctrlkit.model import ObjectMeta
    >>> def record(name, version):
    ...     return Record(ObjectMeta(name=name, namespace="demo", resource_version=version), None, str)
    >>> store = Store()
    >>> changes = store.replace(Snapshot([record("a", "1"), record("b", "2")], "2"), cause=Cause.INITIAL)
    >>> [change.kind.value for change in store.replace(Snapshot([record("b", "3")], "3"), cause=Cause.RELIST)]
    ['deleted', 'updated']
    >>> len(store)
    1

    Shape   A scope is a namespace, or "" for all there is; scopes of one store do not overlap. `transform` makes what
            is stored and published out of each object, once for each change; it keeps name and version.
    Cost    get, apply O(1) and the indexes' share; replace O(size of the scope).
    Errors  ValueError for an index name taken, KeyError for one unknown. An index function that raises costs its object
            the place in that index, and a log line.
    """

    def __init__(self, *, transform: Callable[[Record[T]], Record[T]] | None = None) -> None:
        self.index_failures: int = 0
        self._transform = transform
        self._records: dict[ObjectKey, Record[T]] = {}
        self._ordered: list[ObjectKey] | None = None
        self._in_order = True  # whether the records lie in the order of their keys: so they are looked through fastest
        self._quarantine: dict[ObjectKey, DecodeError] = {}
        self._namespaces: dict[str, set[ObjectKey]] = {}  # the one index that every store has, in its smallest form
        self._indexes: dict[str, Index[T]] = {}
        self._log = telemetry.logger("store")
        self._failure_log = FailureLog(self._log)

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: ObjectKey) -> Record[T] | None:
        """The record of a key, if there is one."""
        return self._records.get(key)

    def known(self, record: Record[T]) -> Record[T]:
        """The stored record of this very state of the object, or this one where there is none."""
        have = self._records.get(record.key)
        return record if have is None or _tells_new(record, have) else have

    def holds(self, record: Record[T]) -> bool:
        """Whether this very state of the object is stored: the same version of the same object, and as it is stored."""
        have = self._records.get(record.key)
        if have is None or not _is_same(have, record):
            return False
        stored = record if self._transform is None else self._transform(record)
        if have.fault is not None or stored.fault is not None:
            return True  # there is nothing more to compare
        try:
            return have.meta == stored.meta and have.value == stored.value
        except DecodeError:
            return True  # as above; it was not decoded until now

    def keys(self, namespace: str = "") -> list[ObjectKey]:
        """All keys, or a namespace's, in order of namespace and name; the list is the caller's."""
        if namespace:
            return sorted(self._namespaces.get(namespace, ()))
        if self._ordered is None:
            self._ordered = sorted(self._records)
        return self._ordered.copy()

    @property
    def quarantine(self) -> Mapping[ObjectKey, DecodeError]:
        """The objects that could not be decoded, with their errors, until a state of them can."""
        return MappingProxyType(self._quarantine)

    @property
    def indexes(self) -> frozenset[str]:
        """The names of the indexes that were added."""
        return frozenset(self._indexes)

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Add a way to find objects, at any time; those already here are indexed at once."""
        if name in self._indexes or name == NAMESPACE:
            raise ValueError(
                f"add index {name!r}: the name is taken; choose another one or use the index that is there"
            )
        index = self._indexes[name] = Index[T](function)
        for record in self._records.values():
            self._put_into(name, index, record)

    def keys_by(self, index: str, value: str) -> list[ObjectKey]:
        """The keys an index has under a value, in order."""
        if index == NAMESPACE:
            return sorted(self._namespaces.get(value, ()))
        try:
            return self._indexes[index].keys(value)
        except KeyError:
            known = ", ".join(sorted((NAMESPACE, *self._indexes)))
            raise KeyError(
                f"index {index!r} does not exist; add it before it is asked for (there are: {known})"
            ) from None

    def replace(self, snapshot: Snapshot[T], *, cause: Cause, scope: str = "") -> list[Change[T]]:
        """Make a scope equal to a snapshot; returns deletions, then what came or changed in the list's order."""
        listed = {record.key: record for record in snapshot.records}
        here = self._namespaces.get(scope, ()) if scope else self._records
        gone = [] if snapshot.unreadable else sorted(key for key in here if key not in listed)
        changes = [Change(self._remove(key), None, cause) for key in gone]
        is_rewritten = cause is Cause.REWRITTEN
        for key, record in listed.items():
            old = self._records.get(key)
            if old is not record and (old is None or is_rewritten or _tells_new(record, old)):
                changes.append(Change(old, self._put(record, old), cause))
        return changes

    def apply(self, event: Applied[T] | Deleted[T]) -> Change[T] | None:
        """Carry out one event; None where it tells nothing new."""
        record = event.record
        old = self._records.get(record.key)
        if isinstance(event, Deleted):
            if old is None or is_newer(old.meta.resource_version, than=record.meta.resource_version):
                return None
            self._remove(record.key)
            return Change(record if self._transform is None else self._transform(record), None, Cause.WATCH)
        if old is not None:
            before, after = old.meta.resource_version, record.meta.resource_version
            if is_newer(before, than=after) or (before == after and not _cures(record, old)):
                return None
        return Change(old, self._put(record, old), Cause.WATCH)

    def select(
        self, pick: Callable[[Sequence[Record[T]]], Sequence[Record[T]]], namespace: str = ""
    ) -> list[Record[T]]:
        """What `pick` leaves of the records of a namespace, or of all, in order of namespace and name."""
        if namespace:
            here = [self._records[key] for key in self._namespaces.get(namespace, ())]
            return sorted(pick(here), key=_KEY)
        if not self._in_order:
            keys = self.keys()
            self._records = dict(zip(keys, map(self._records.__getitem__, keys), strict=True))
            self._in_order = True
        return [*pick([*self._records.values()])]

    def records(self, keys: Iterable[ObjectKey]) -> list[Record[T]]:
        """The records of the keys that are here."""
        return [record for key in keys if (record := self._records.get(key)) is not None]

    def _put(self, record: Record[T], old: Record[T] | None) -> Record[T]:
        """Store an object in the place of its earlier state; returns what is stored."""
        if self._transform is not None:
            record = self._transform(record)
        key = record.key
        if old is None:
            self._ordered = None
            self._in_order = False
            self._namespaces.setdefault(key.namespace, set()).add(key)
        self._records[key] = record
        if record.fault is not None:
            if key not in self._quarantine and len(self._quarantine) < QUARANTINED_TOLD:
                self._log.warning("object_quarantined", key=str(key), error=str(record.fault))
            self._quarantine[key] = record.fault
        elif self._quarantine:
            self._quarantine.pop(key, None)
        for name, index in self._indexes.items():
            self._put_into(name, index, record)
        return record

    def _put_into(self, name: str, index: Index[T], record: Record[T]) -> None:
        try:
            index.put(record)
        except Exception as error:  # noqa: BLE001 - a user's function must not cost us the object
            self.index_failures += 1
            where = f"index function {name}"
            self._failure_log.tell(
                "index_function_failed", error, about=name, where=where, index=name, key=str(record.key)
            )

    def _remove(self, key: ObjectKey) -> Record[T]:
        siblings = self._namespaces[key.namespace]
        siblings.discard(key)
        if not siblings:
            del self._namespaces[key.namespace]
        for index in self._indexes.values():
            index.discard(key)
        self._ordered = None
        self._quarantine.pop(key, None)
        return self._records.pop(key)


def _is_same(one: Record[T], other: Record[T]) -> bool:
    """Whether two records are of one state of one object; what has no version is never known to be."""
    return bool(other.version) and one.version == other.version and one.meta.uid == other.meta.uid


def _tells_new(record: Record[T], have: Record[T]) -> bool:
    """Whether a listed state of an object differs from the stored one."""
    return not _is_same(have, record) or _cures(record, have)


def _cures(record: Record[T], have: Record[T]) -> bool:
    """Whether what could not be used can be, in the same version: it was spoilt on its way."""
    return have.fault is not None and record.fault is None
