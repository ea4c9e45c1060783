"""All that a reconciler sees of a cache."""

from __future__ import annotations

import builtins
from typing import Generic, TypeVar

from ctrlkit.cache.store import Store
from ctrlkit.errors import NotFound
from ctrlkit.model import LabelSelector, ObjectKey, Record, Resource

T = TypeVar("T")


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
    >>> pods.get("demo/b")
    Traceback (most recent call last):
      ...
    ctrlkit.errors.NotFound: pods "b" not found; ...

    Shape   Keys are ObjectKey or "namespace/name". Lists are in order of namespace and name (B24).
    Errors  NotFound from `get`; DecodeError where an object does not fit the resource's type; KeyError for an index
            that does not exist; ValueError for a selector that cannot be read.
    """

    def __init__(self, resource: Resource[T], store: Store[T]) -> None:
        self.resource = resource
        self._store = store

    def find(self, key: ObjectKey | str) -> T | None:
        """The object, or None where the cache has none."""
        record = self.find_record(key)
        return None if record is None else record.value

    def get(self, key: ObjectKey | str) -> T:
        """The object; NotFound where the cache has none."""
        record = self.find_record(key)
        if record is None:
            name = ObjectKey.of(key).name
            raise NotFound(f'{self.resource} "{name}" not found', details={"name": name, "kind": self.resource.plural})
        return record.value

    def list(self, *, namespace: str = "", selector: LabelSelector | str = "") -> builtins.list[T]:
        """The objects of a namespace, or of all, whose labels match."""
        return [record.value for record in self.records(namespace=namespace, selector=selector)]

    def by_index(self, index: str, value: str) -> builtins.list[T]:
        """The objects that an index has under a value."""
        return [record.value for record in self._store.records(self._store.keys_by(index, value))]

    def keys(self, *, namespace: str = "") -> builtins.list[ObjectKey]:
        """The keys of a namespace, or of all."""
        return self._store.keys(namespace)

    def find_record(self, key: ObjectKey | str) -> Record[T] | None:
        """The record, for its metadata alone: nothing is decoded."""
        return self._store.get(ObjectKey.of(key))

    def records(self, *, namespace: str = "", selector: LabelSelector | str = "") -> builtins.list[Record[T]]:
        """The records of a namespace, or of all, whose labels match."""
        wanted = LabelSelector.parse(selector) if isinstance(selector, str) else selector
        found = self._store.records(self._store.keys(namespace))
        return [record for record in found if wanted.matches(record.meta.labels)] if wanted.requirements else found

    def __len__(self) -> int:
        return len(self._store)
