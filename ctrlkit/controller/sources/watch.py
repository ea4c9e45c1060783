"""
From changes in a cache to keys in a work queue: Watch, the mappers that find the keys, and predicates.

    Watch(networks, to_self, predicate=generation_changed | labels_changed)
    Watch(pods, to_owner(STATEFULSETS), predicate=label_selector("app=net") & ~annotations_changed)

A mapper gets one Record: metadata is at hand, `record.value` decodes the object. Both the old and the new state are
mapped, so a child that changes its owner concerns the one it leaves and the one it comes to.

The four predicates that compare two states reject only updates that left their field unchanged: additions, deletions,
another object of the same name, and one that can be read at last always pass. Rows H1 to H3, H5, H8, P9; B22.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from ctrlkit.cache import Cause, Change, Delivery, Informer
from ctrlkit.controller.causes import CauseKind
from ctrlkit.controller.sources.source import Sink, as_keys
from ctrlkit.model import AnyResource, LabelSelector, ObjectKey, ObjectMeta, Record, Resource
from ctrlkit.workqueue import LOW, NORMAL

T = TypeVar("T")

SLICE: Final = 100
"""Objects of a replay that are mapped in one turn of the loop."""

Mapper = Callable[[Record[T]], Iterable[ObjectKey | str]]
"""Says which keys a state of an object concerns."""


@dataclass(frozen=True, slots=True)
class Watch(Generic[T]):
    """
    A source of keys: the changes of one informer, mapped to keys. `Watch(pods, to_owner(STATEFULSETS))`.

    Shape   `predicate` says which changes matter; without one all do. `forgets_failures` says after which
            changes a key is tried as if it had never failed: with `generation_changed` a new spec is tried at once,
            however long the old one has failed. `priority` is that of all its keys; without one it is LOW for
            first lists, resyncs and objects that a new list found unchanged, else NORMAL. `delivery` says whether
            this watch, when it is behind, sees every change or the latest of each object.
    Units   `resync_s` (at least 1): about so often every object is mapped again; 0 is never. `batch_s`: a key is
            reconciled so long after the first change that leads to it, once for all that come meanwhile; 0 is at once.
    Errors  TypeError for a kind in place of its informer, and for `to_owner` without a kind; ValueError for another
            `resync_s`, and a negative `batch_s`.
    """

    informer: Informer[T]
    mapper: Mapper[T]
    predicate: Callable[[Change[Any]], bool] | None = None
    forgets_failures: Callable[[Change[Any]], bool] | None = None
    priority: int | None = None
    resync_s: float = 0.0
    batch_s: float = 0.0
    delivery: Delivery = Delivery.EVERY

    def __post_init__(self) -> None:
        given: object = self.informer
        if isinstance(given, Resource):
            raise TypeError(f"Watch: {given} is a kind; give it the informer, manager.informer(KIND)")
        mapper: object = self.mapper
        if mapper is to_owner:
            raise TypeError("Watch: to_owner makes a mapper; write to_owner(KIND), with the kind of the owner")
        if self.resync_s and not self.resync_s >= 1:
            raise ValueError(f"Watch of {self.name}: resync_s must be at least 1, or 0 for never; got {self.resync_s}")
        if not self.batch_s >= 0:
            raise ValueError(f"Watch of {self.name}: batch_s must be 0 or more seconds; got {self.batch_s}")

    @property
    def name(self) -> str:
        """The informer's name."""
        return self.informer.name

    @property
    def owner(self) -> AnyResource | None:
        """The kind of the owners that `to_owner` leads to; None where another mapper does."""
        mapper: object = self.mapper
        return mapper.resource if isinstance(mapper, _ToOwner) else None

    async def run(self, sink: Sink) -> None:
        """As Source.run: the first list is in when this handler has seen it."""
        end = self.begin(sink)
        try:
            await asyncio.Event().wait()
        finally:
            end()

    def begin(self, sink: Sink) -> Callable[[], object]:
        """As `run`, without a task that waits; return what ends it."""
        registration = self.informer.add_handler(
            self.handler(sink), name=sink.name, delivery=self.delivery, resync_s=self.resync_s
        )
        registration.when_synced(sink.synced)
        return partial(self.informer.remove_handler, registration)

    async def replay(self, sink: Sink) -> None:
        """As Source.replay: what the cache holds."""
        handle = self.handler(sink)
        records = iter(self.informer.lister.records())
        while part := list(islice(records, SLICE)):
            for record in part:
                handle(Change(None, record, Cause.INITIAL))
            await asyncio.sleep(0)

    def handler(self, sink: Sink) -> Callable[[Change[T]], None]:
        """Return a handler that puts the keys a change concerns into a sink."""
        resource, mapper, kind = self.informer.resource, _checked(self.mapper), _relation(self.mapper)
        predicate, forgets, fixed, batch_s = self.predicate, self.forgets_failures, self.priority, self.batch_s
        add = sink.add_changed

        def on_change(change: Change[T]) -> None:
            old, new = change.old, change.new
            judged = change if old is None or old.fault is None else _as_judged(change)
            if predicate is not None:
                try:
                    if not predicate(judged):
                        return
                except Exception as error:  # noqa: BLE001 - the watch loop ends here: a user's function costs us no change
                    sink.failed("predicate", error, key=str(change.key))  # a reconcile too many does no harm
            if kind is CauseKind.EVENT:  # both states have the key, and nothing of a user's is asked
                record = old if new is None else new
                keys: Iterable[ObjectKey] = () if record is None else (record.key,)
            else:
                keys = _keys(mapper, change, sink)
            if forgets is not None and _forgets(forgets, judged, sink):
                for key in keys:
                    sink.forget_failures(key)
            priority = fixed if fixed is not None else NORMAL if change.cause is Cause.WATCH else _priority(change)
            for key in keys:
                add(key, kind, resource, change, priority, batch_s=batch_s)

        return on_change


def to_self(record: Record[Any]) -> tuple[ObjectKey, ...]:
    """Map an object to its own key, also when it is gone."""
    return (record.key,)


class _ToMapped(Generic[T]):
    """The mapper that to_mapped() makes; equal for the same function."""

    __slots__ = ("_function",)

    def __init__(self, function: Mapper[T]) -> None:
        self._function = function

    def __call__(self, record: Record[T]) -> tuple[ObjectKey, ...]:
        return tuple(dict.fromkeys(as_keys(self._function(record), "a mapper")))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ToMapped) and self._function == other._function

    def __hash__(self) -> int:
        return hash(self._function)

    def __repr__(self) -> str:
        return f"to_mapped({getattr(self._function, '__qualname__', repr(self._function))})"


class _ToOwner:
    """The mapper that to_owner() makes; equal for equal owners."""

    __slots__ = ("_group", "_kind", "_namespaced", "resource")

    def __init__(self, resource: AnyResource) -> None:
        self.resource = resource
        self._group, self._kind, self._namespaced = resource.group, resource.kind, resource.namespaced

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ToOwner) and (self._group, self._kind) == (other._group, other._kind)

    def __hash__(self) -> int:
        return hash((self._group, self._kind))

    def __repr__(self) -> str:
        return f"to_owner({self.resource})"

    def __call__(self, record: Record[Any]) -> tuple[ObjectKey, ...]:
        owner = record.meta.controller
        if owner is None or owner.kind != self._kind or owner.group != self._group:
            return ()
        return (ObjectKey(record.key.namespace if self._namespaced else "", owner.name),)


def to_owner(resource: AnyResource) -> Callable[[Record[Any]], tuple[ObjectKey, ...]]:
    """
    Make a mapper to the object of a kind that controls this one, matched by group and kind in any version.

    >>> from ctrlkit.model import ObjectMeta
    >>> from ctrlkit.model.kinds import PODS, STATEFULSETS
    >>> owner = STATEFULSETS.owner_reference(ObjectMeta(name="net-sts", namespace="demo", uid="1"))
    >>> pod = Record(ObjectMeta(name="net-sts-0", namespace="demo", owner_references=(owner,)), None, str)
    >>> [str(key) for key in to_owner(STATEFULSETS)(pod)], to_owner(PODS)(pod)
    (['demo/net-sts'], ())
    """
    return _ToOwner(resource)


def to_mapped(function: Mapper[T]) -> Callable[[Record[T]], tuple[ObjectKey, ...]]:
    """
    Make a mapper of a function that returns keys or their text; duplicates are dropped.

    >>> from ctrlkit.model import ObjectMeta
    >>> def networks_of(pod):
    ...     name = (pod.meta.labels or {}).get("app")  # an object without labels has None
    ...     return [f"{pod.key.namespace}/{name}"] if name else []
    >>> to_mapped(networks_of)(Record(ObjectMeta(name="a", namespace="demo", labels={"app": "net"}), None, str))
    (ObjectKey(namespace='demo', name='net'),)
    """
    return _ToMapped(function)


def _relation(mapper: Mapper[Any]) -> CauseKind:
    if mapper is to_self:
        return CauseKind.EVENT
    return CauseKind.OWNER if isinstance(mapper, _ToOwner) else CauseKind.MAPPED


def _priority(change: Change[Any]) -> int:
    """Row P9."""
    cause = change.cause
    if cause in (Cause.WATCH, Cause.REWRITTEN):
        return NORMAL
    if cause is Cause.RELIST:
        same = change.old is not None and change.new is not None and change.old.version == change.new.version
        return LOW if same else NORMAL
    return LOW


def _as_judged(change: Change[T]) -> Change[T]:
    """What predicates see of a change: an object that could not be read before, and can be now, is a new one."""
    old, new = change.old, change.new
    if old is None or new is None or old.fault is None or new.fault is not None:
        return change
    return Change(None, new, change.cause)


def _forgets(forgets: Callable[[Change[Any]], bool], change: Change[Any], sink: Sink) -> bool:
    """The answer of a predicate; one that raises is logged and counts as true."""
    try:
        return forgets(change)
    except Exception as error:  # noqa: BLE001 - as in the handler of a watch
        sink.failed("predicate", error, key=str(change.key))
        return True


def _checked(mapper: Mapper[Any]) -> Callable[[Record[Any]], Iterable[ObjectKey]]:
    """A mapper that returns keys and nothing else: one of ours, or a user's that is held to it."""
    return mapper if isinstance(mapper, _ToOwner | _ToMapped) else _ToMapped(mapper)


def _keys(mapper: Callable[[Record[Any]], Iterable[ObjectKey]], change: Change[Any], sink: Sink) -> Iterable[ObjectKey]:
    """
    The keys of both states, each once.

    A mapper that raises for one state is logged; the keys of the other state are found all the same.
    """
    keys: dict[ObjectKey, None] = {}
    for record in (change.old, change.new):
        if record is None:
            continue
        try:
            for key in mapper(record):
                keys[key] = None
        except Exception as error:  # noqa: BLE001 - the watch loop ends here: a user's function costs us no change
            sink.failed("mapper", error, key=str(record.key))
    return keys


@dataclass(frozen=True, slots=True)
class Predicate:
    """
    A filter for changes that can be combined by `&`, `|` and `~`; also a decorator for functions of yours.

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
    Make a predicate that passes a change if its old or its new state has such labels.

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


generation_changed: Predicate = _updated(lambda old, new: new.generation > 0 and old.generation == new.generation)
"""The spec changed, or deletion was asked for. Kinds without generations, such as ConfigMaps, always pass."""

resource_version_changed: Predicate = _updated(lambda old, new: old.resource_version == new.resource_version)
"""Anything changed: no to resyncs."""

labels_changed: Predicate = _updated(lambda old, new: (old.labels or {}) == (new.labels or {}))
"""A label came, went or has another value."""

annotations_changed: Predicate = _updated(lambda old, new: (old.annotations or {}) == (new.annotations or {}))
"""An annotation came, went or has another value."""
