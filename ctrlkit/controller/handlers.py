"""
From changes in a cache to keys in a work queue; the only bridge between the two.

In       Changes, from an informer's handler.
Out      The keys that a change concerns, asked of a mapper for its old and its new state.

A mapper sees one Record: metadata is at hand, `record.value` decodes the object. Because both states are asked, a child
that changes its owner concerns the one it leaves and the one it comes to. Rows H1 to H3, H5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ctrlkit.cache import Change, Informer, Registration
from ctrlkit.model import AnyResource, ObjectKey, Record

T = TypeVar("T")

Mapper = Callable[[Record[T]], Iterable[ObjectKey]]
"""Says which keys a state of an object concerns."""


@dataclass(frozen=True, slots=True)
class Watch(Generic[T]):
    """One informer whose changes lead to reconciles, and how: `Watch(pods, to_owner(STATEFULSETS))`."""

    informer: Informer[T]
    mapper: Mapper[T]


def to_self(record: Record[Any]) -> tuple[ObjectKey, ...]:
    """The object itself (row H1); the last known state is enough where it is gone (H5, B22)."""
    return (record.key,)


def to_owner(resource: AnyResource) -> Mapper[Any]:
    """
    The object of a kind that controls this one, matched by group and kind, whatever the version (row H2).

    >>> from ctrlkit.model import ObjectMeta
    >>> from ctrlkit.model.kinds import PODS, STATEFULSETS
    >>> owner = STATEFULSETS.owner_reference(ObjectMeta(name="net-sts", namespace="demo", uid="1"))
    >>> pod = Record(ObjectMeta(name="net-sts-0", namespace="demo", owner_references=(owner,)), None, str)
    >>> [str(key) for key in to_owner(STATEFULSETS)(pod)], to_owner(PODS)(pod)
    (['demo/net-sts'], ())
    """

    def keys_of_owner(record: Record[Any]) -> tuple[ObjectKey, ...]:
        owner = record.meta.controller
        if owner is None or (owner.group, owner.kind) != (resource.group, resource.kind):
            return ()
        return (ObjectKey(record.key.namespace if resource.namespaced else "", owner.name),)

    return keys_of_owner


def to_mapped(function: Callable[[Record[T]], Iterable[ObjectKey | str]]) -> Mapper[T]:
    """
    Whatever a function says, in keys or their text, each once (row H3).

    >>> from ctrlkit.model import ObjectMeta
    >>> to_network = to_mapped(lambda pod: [f"{pod.key.namespace}/{pod.meta.labels['app']}"])
    >>> to_network(Record(ObjectMeta(name="a", namespace="demo", labels={"app": "net"}), None, str))
    (ObjectKey(namespace='demo', name='net'),)
    """

    def mapped_keys(record: Record[T]) -> tuple[ObjectKey, ...]:
        return tuple(dict.fromkeys(ObjectKey.of(key) for key in function(record)))

    return mapped_keys


def connect(
    watch: Watch[T],
    *,
    name: str,
    add: Callable[[ObjectKey], None],
    failed: Callable[[Record[T], Exception], None],
    noted: Callable[[Change[T], ObjectKey], None] | None = None,
) -> Registration[T]:
    """
    Have every change of a watch add its keys, each once; `noted` is told which change led to which key.

    A mapper that raises for one state is reported to `failed`; the keys of the other state are added all the same.
    """

    def on_change(change: Change[T]) -> None:
        keys: dict[ObjectKey, None] = {}
        for record in (change.old, change.new):
            if record is None:
                continue
            try:
                keys.update(dict.fromkeys(_keys(watch.mapper(record))))
            except Exception as error:  # noqa: BLE001 - the watch loop ends here: a user's function costs us no change
                failed(record, error)
        for key in keys:
            if noted is not None:
                noted(change, key)
            add(key)

    return watch.informer.add_handler(on_change, name=name)


def _keys(mapped: Iterable[ObjectKey | str]) -> Iterable[ObjectKey]:
    """What a mapper returned, as keys; a text alone is refused, for it would be taken letter by letter."""
    if isinstance(mapped, str):
        raise TypeError(f"a mapper returned the text {mapped[:64]!r}; return a list of keys")
    return map(ObjectKey.of, mapped)
