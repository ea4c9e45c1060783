"""
The version log: every object at every version that is kept.

One counter numbers the writes of all kinds, deletions included. Objects are kept as JSON bytes, which nobody can
change, so every version of an object can be handed out as it is; the parsed form is made when a rule needs it and stays
inside. Lists of an older version are rebuilt by undoing the changes after it, and watchers hold a place in the log, no
queue. What is kept for each write has no references that lead back to it, so that the garbage collector need not look.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker.refusals import plain_failure
from ctrlkit.fakes.tracker.schema.depth import TooDeep, check_levels, decode, encode
from ctrlkit.model import ObjectKey

Identity = tuple[str, str]
"""What names a kind: its group and plural, as `Resource.identity`."""

KEPT_CHANGES = 10_000
"""Changes of one kind that are kept at least; older ones are compacted away as the log doubles."""

KEPT_BYTES = 128 * 1024 * 1024
"""Size of the objects that the changes of one kind keep, at most; where they are larger, fewer changes are kept."""

LARGE_BYTES = 16 * 1024
"""Above this size, the watch line of an object is shared by new watches, and dropped with its next version."""

FRESH = 64
"""How many of the newest states keep what they were made of, until somebody looks: most are looked at soon."""

OBJECT_BYTES_MAX = 1536 * 1024
"""The largest object that etcd takes. A real server counts built-in kinds in protobuf, which is a little shorter."""

_MESSAGE_BYTES_MAX = 2 * 1024 * 1024
"""The largest message that a server sends to etcd."""


def _too_large(size_bytes: int) -> ApiError:
    if size_bytes > _MESSAGE_BYTES_MAX:
        fact = f"trying to send message larger than max ({size_bytes} vs. {_MESSAGE_BYTES_MAX})"
        return plain_failure(f"rpc error: code = ResourceExhausted desc = {fact}")
    return plain_failure("etcdserver: request is too large")


class Stored(msgspec.Struct, eq=False, gc=False):
    """
    One object at one version.

    Shape   `tail` is its JSON without the opening `{"kind":...,"apiVersion":...,`, which differs between the versions a
            kind is served at. `_made` is what the tail was made of, for those who look soon.
    """

    key: ObjectKey
    version: int
    tail: bytes
    _made: dict[str, Any] | None = None
    _plain: dict[str, Any] | None = None
    _added: tuple[bytes, bytes] | None = None

    def added_line(self, head: bytes) -> bytes:
        """Return the ADDED line for a new watch; that of a large object is shared by all watches."""
        if self._added is not None and self._added[0] == head:
            return self._added[1]
        line = event_line("ADDED", head, self.tail)
        if len(line) > LARGE_BYTES:
            self._added = (head, line)
        return line

    def keep(self, plain: Mapping[str, Any]) -> None:
        """Take what the object was written as for its parsed form; it is not to be changed."""
        metadata = plain["metadata"] | {"resourceVersion": str(self.version)}
        self._plain = {**plain, "metadata": metadata}

    def forget(self) -> None:
        """Drop the parsed form and the watch line of an object that has a newer version."""
        self._made = self._plain = self._added = None

    def settle(self) -> None:
        """Drop what the tail was made of, if nobody has looked."""
        self._made = None

    @property
    def plain(self) -> dict[str, Any]:
        """The parsed object, without kind and apiVersion; not to be changed."""
        if self._plain is None:
            self._plain, self._made = self._made or _parsed(self.tail), None
        return self._plain

    @property
    def metadata(self) -> dict[str, Any]:
        """The parsed metadata."""
        metadata: dict[str, Any] = (self._plain or self.plain)["metadata"]
        return metadata

    @property
    def labels(self) -> dict[str, str] | None:
        """The object's labels."""
        return self.metadata.get("labels")


class Change(msgspec.Struct, eq=False, gc=False):
    """One write: the object before and after it (None for a deletion), and the lines of watches."""

    version: int
    key: ObjectKey
    before: Stored | None
    after: Stored | None
    _kind: str = ""
    _head: bytes = b""
    _line: bytes = b""

    @property
    def size_bytes(self) -> int:
        """The size of the object after the write; that before it counts for an earlier change."""
        return len(self.after.tail) if self.after is not None else 0

    def line(self, kind: str, head: bytes) -> bytes:
        """
        Return the watch line of a `kind` of event (ADDED, MODIFIED, DELETED), built once for all that are alike.

        DELETED carries the last state the object had, or had inside a selection, at the version of this change.
        """
        if kind != self._kind or head != self._head:
            tail = self._gone() if kind == "DELETED" or self.after is None else self.after.tail
            self._kind, self._head, self._line = kind, head, event_line(kind, head, tail)
        return self._line

    def _gone(self) -> bytes:
        if self.before is None:
            raise ValueError(f"nothing went away at version {self.version}")
        metadata = self.before.metadata | {"resourceVersion": str(self.version)}
        return encode_tail(self.before.plain | {"metadata": metadata})


class Write(msgspec.Struct, frozen=True, gc=False):
    """What a write did, without the objects: `how` is created, updated or deleted; `kind` is `plural.group`."""

    version: int
    kind: str
    key: ObjectKey
    how: str


class Waker(Protocol):
    """Waits for changes of a collection."""

    def wake(self) -> None:
        """Note that there is a change, or that the collection is closed."""
        ...


class Collection:
    """
    All objects of one kind, with their history.

    Shape   `floor` is the oldest version whose state can still be told. `dropped` counts the changes compacted away, so
            that `dropped + index` is a place in the log that stays valid.
    """

    def __init__(self, identity: Identity, floor: int) -> None:
        self.identity = identity
        self.name: str = ".".join(filter(None, (identity[1], identity[0])))
        """The kind as `plural.group`."""
        self.floor: int = floor
        self.closed: bool = False
        self.dropped: int = 0
        self.end: int = 0
        """The position in the log of the next change."""
        self.changes: list[Change] = []
        self.kept_bytes: int = 0
        self._objects: dict[ObjectKey, Stored] = {}
        self._paths: list[tuple[str, ObjectKey]] = []
        self._wakers: dict[str, dict[Waker, None]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def find(self, key: ObjectKey) -> Stored | None:
        """The object as it is now."""
        return self._objects.get(key)

    def all(self) -> Iterator[Stored]:
        """Return the objects as they are now, in the order of `namespace/name`."""
        return (self._objects[key] for _, key in self._paths)

    def within(self, namespace: str) -> Iterator[Stored]:
        """Return the objects of a namespace, or of all for "", in the same order."""
        if not namespace:
            return self.all()
        start = bisect.bisect_left(self._paths, (f"{namespace}/",))
        end = bisect.bisect_left(self._paths, (f"{namespace}0",))  # "0" is the character after "/"
        return (self._objects[key] for _, key in self._paths[start:end])

    def at(self, version: int, namespace: str) -> list[Stored]:
        """Return the objects as they were at a version not older than `floor`, in the same order."""
        if not self.changes or self.changes[-1].version <= version:
            return list(self.within(namespace))
        then = {stored.key: stored for stored in self.within(namespace)}
        for change in reversed(self.changes):
            if change.version <= version:
                break
            if namespace and change.key.namespace != namespace:
                continue
            if change.before is None:
                then.pop(change.key, None)
            else:
                then[change.key] = change.before
        return sorted(then.values(), key=lambda stored: str(stored.key))

    def place_after(self, version: int) -> int:
        """Return the position in the log of the first change after a version."""
        return self.dropped + bisect.bisect_right(self.changes, version, key=lambda change: change.version)

    def after(self, version: int) -> list[Change]:
        """Return the changes after a version that are kept, at the cost of these alone."""
        start = len(self.changes)
        while start and self.changes[start - 1].version > version:
            start -= 1
        return self.changes[start:]

    def since(self, place: int) -> Iterator[Change]:
        """Yield the changes from a position in the log on, without those compacted away."""
        for index in range(max(0, place - self.dropped), len(self.changes)):
            yield self.changes[index]

    def put(self, change: Change) -> None:
        """Add a change, and wake those who wait for it."""
        key = change.key
        if change.after is None:
            del self._objects[key]
            del self._paths[bisect.bisect_left(self._paths, (str(key), key))]
        else:
            if change.before is None:
                bisect.insort(self._paths, (str(key), key))
            self._objects[key] = change.after
        self.changes.append(change)
        self.end += 1
        self.kept_bytes += change.size_bytes
        if change.before is not None:
            change.before.forget()
        if len(self.changes) >= 2 * KEPT_CHANGES:
            self.compact(self.changes[-KEPT_CHANGES].version)
        elif self.kept_bytes > KEPT_BYTES:
            self.compact(self.changes[len(self.changes) // 2].version)
        self._wake(change.key.namespace)

    def compact(self, version: int) -> None:
        """Drop the history before a version."""
        count = bisect.bisect_right(self.changes, version, key=lambda change: change.version)
        self.kept_bytes -= sum(change.size_bytes for change in self.changes[:count])
        del self.changes[:count]
        self.dropped += count
        self.floor = max(self.floor, version)

    def close(self) -> None:
        """End all watches: the kind is not served any more."""
        self.closed = True
        for wakers in self._wakers.values():
            for waker in wakers:
                waker.wake()

    @property
    def is_watched(self) -> bool:
        """Whether anybody waits for changes."""
        return bool(self._wakers)

    def subscribe(self, namespace: str, waker: Waker) -> None:
        """Wake `waker` at changes in a namespace, or at all for ""."""
        self._wakers.setdefault(namespace, {})[waker] = None

    def unsubscribe(self, namespace: str, waker: Waker) -> None:
        """Stop waking `waker`."""
        wakers = self._wakers.get(namespace, {})
        wakers.pop(waker, None)
        if not wakers:
            self._wakers.pop(namespace, None)

    def _wake(self, namespace: str) -> None:
        for waker in self._wakers.get("", ()):
            waker.wake()
        if namespace:
            for waker in self._wakers.get(namespace, ()):
                waker.wake()


class Promises:
    """Objects of one kind that are there, and are made once somebody looks at the kind."""

    def __init__(self, collection: Collection, make: Callable[[ObjectKey, Any], object]) -> None:
        self.collection: Collection = collection
        self.make: Callable[[ObjectKey, Any], object] = make
        """Writes an object."""
        self.made: dict[ObjectKey, tuple[int, object]] = {}
        """For each its version, and what it is made of."""
        self.namespaces: set[str] = set()
        """Where there may be new objects."""

    def has(self, key: ObjectKey) -> bool:
        """Whether there is an object of this name."""
        return key in self.made or self.collection.find(key) is not None


def version_at(moment: datetime) -> int:
    """
    Return a version that no server has given out before a moment, if it began at the version of an earlier one.

    >>> from datetime import UTC
    >>> version_at(datetime.fromtimestamp(2, tz=UTC))
    2000000

    Microseconds since 1970: no server writes as fast as that, and they stay below 2**53 until the year 2255.
    """
    return int(moment.timestamp() * 1_000_000)


class Store:
    """
    The collections of all kinds and the one version they share. `version` is that of the newest write.

    Versions begin after `begins_at`, and nothing is known of those before.
    """

    def __init__(self, *, begins_at: int = 0) -> None:
        self.version: int = begins_at
        self._floor = begins_at
        self._collections: dict[Identity, Collection] = {}
        self.populated: frozenset[Identity] = frozenset()
        """The kinds that have objects."""
        self._begun: dict[Identity, None] = {}
        self._followers: list[Callable[[Identity], None]] = []
        self.promised: dict[Identity, Promises] = {}
        """The kinds of which objects are promised, which nobody has looked at since."""
        self._rest_on: frozenset[Identity] = frozenset()
        self._making: int = 0
        self.writes: deque[Write] = deque(maxlen=KEPT_CHANGES)
        """The newest writes of all kinds, oldest first."""
        self._fresh: deque[Stored] = deque()

    def collection(self, identity: Identity) -> Collection:
        """Return the collection of a kind, made if there is none."""
        collection = self._collections.get(identity)
        if collection is None and identity in self.promised:
            self.keep_promises()
            collection = self._collections[identity]
        elif collection is None:
            collection = self._collections[identity] = Collection(identity, self._floor)
        return collection

    def open(self, identity: Identity) -> None:
        """Begin the history of a kind."""
        self.keep_promises()
        self._collections.setdefault(identity, Collection(identity, self.version))

    def collections(self) -> tuple[Collection, ...]:
        """Return all collections."""
        self.keep_promises()
        return tuple(self._collections.values())

    def on_first_object(self, follower: Callable[[Identity], None]) -> Callable[[], None]:
        """
        Call a function with each kind that has or had an object, now or once the first one is stored.

        What is returned ends it.
        """
        self._followers.append(follower)
        for identity in self._begun:
            follower(identity)
        return lambda: self._followers.remove(follower)

    def write(self, identity: Identity, key: ObjectKey, plain: Mapping[str, Any]) -> Stored:
        """
        Store a new state of an object at the next version, which is set in its metadata.

        Errors  ApiError (code 500) for an object that is too large for etcd, as a real server says it.
        """
        if identity in self._rest_on:
            self.keep_promises()
        version = self._making or self.version + 1
        stored = _stored(key, version, plain)
        if len(stored.tail) > OBJECT_BYTES_MAX:
            raise _too_large(len(stored.tail))
        collection = self.collection(identity)
        # from here on nothing can fail
        self._fresh.append(stored)
        if len(self._fresh) > FRESH:
            self._fresh.popleft().settle()
        before = collection.find(key)
        collection.put(Change(version, key, before, stored))
        if self._making:
            return stored
        self.version = version
        self.writes.append(Write(version, collection.name, key, "created" if before is None else "updated"))
        if identity not in self.populated:
            self.populated |= {identity}
        if identity not in self._begun:
            self._begun[identity] = None
            for follower in self._followers:
                follower(identity)
        return stored

    def promises(
        self, identity: Identity, make: Callable[[ObjectKey, Any], object], *, rest_on: frozenset[Identity]
    ) -> Promises | None:
        """
        Begin to promise objects of a kind, which `make` writes; None while it has none, or somebody watches it.

        Before an object of a kind that they rest on is written or removed, all promises are kept.
        """
        collection = self.collection(identity)
        if collection.is_watched or identity not in self.populated:
            return None
        self._rest_on |= rest_on
        promises = self.promised[identity] = Promises(self._collections.pop(identity), make)
        return promises

    def promise(self, promises: Promises, key: ObjectKey, facts: object) -> Write:
        """Take the next version for a new object, which is made of facts later; return what was written."""
        self.version = version = self.version + 1
        promises.made[key] = (version, facts)
        write = Write(version, promises.collection.name, key, "created")
        self.writes.append(write)
        return write

    def keep_promises(self) -> None:
        """Write all objects that are promised, each at its version."""
        if not self.promised:
            return
        promised, self.promised, self._rest_on = self.promised, {}, frozenset()
        self._collections |= {identity: promises.collection for identity, promises in promised.items()}
        try:
            for promises in promised.values():
                for key, (self._making, facts) in promises.made.items():
                    promises.make(key, facts)
        finally:
            self._making = 0

    def remove(self, identity: Identity, key: ObjectKey) -> Stored:
        """Remove an object at the next version; return its last state. Errors: KeyError."""
        if identity in self._rest_on:
            self.keep_promises()
        collection = self.collection(identity)
        before = collection.find(key)
        if before is None:
            raise KeyError(str(key))
        self.version += 1
        collection.put(Change(self.version, key, before, None))
        self.writes.append(Write(self.version, collection.name, key, "deleted"))
        if not len(collection):
            self.populated -= {identity}
        return before

    def drop(self, identity: Identity) -> None:
        """Close the collection of a kind and drop it with its history."""
        self.keep_promises()
        self.populated -= {identity}
        collection = self._collections.pop(identity, None)
        if collection is not None:
            collection.close()

    def compact(self) -> None:
        """Drop all history."""
        self.keep_promises()
        self._floor = self.version
        for collection in self._collections.values():
            collection.compact(self.version)


_METADATA = (
    *("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp"),
    *("deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers"),
    "managedFields",
)
"""All fields of metadata, in the order in which a server writes them."""


def encode_tail(plain: Mapping[str, Any]) -> bytes:
    """
    Encode an object without its opening brace, kind and apiVersion; metadata comes first, its fields in order.

    Sets of fields are deeper than the fields they name: where only they have too many levels, they are left out.
    Errors  TooDeep.
    """
    return _encoded(_in_order(plain))[0]


def _stored(key: ObjectKey, version: int, plain: Mapping[str, Any]) -> Stored:
    """Make the state of an object at a version, which is set in its metadata. Errors: TooDeep."""
    metadata = plain["metadata"] | {"resourceVersion": str(version)}
    return Stored(key, version, *_encoded(_in_order({**plain, "metadata": metadata})))


def _in_order(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without kind and apiVersion, as it is encoded."""
    given: Mapping[str, Any] = plain["metadata"]
    metadata = {name: given[name] for name in _METADATA if name in given}
    rest = {name: value for name, value in plain.items() if name not in ("kind", "apiVersion", "metadata")}
    return {"metadata": metadata, **rest}


def _encoded(plain: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Encode an object whose fields are in order, without the opening brace; return also what was encoded."""
    document = encode(plain)
    try:
        check_levels(document)
    except TooDeep:
        metadata = plain["metadata"]
        if "managedFields" not in metadata:
            raise
        without = {name: value for name, value in metadata.items() if name != "managedFields"}
        return _encoded({**plain, "metadata": without})
    return document[1:], plain


def _parsed(tail: bytes) -> dict[str, Any]:
    plain: dict[str, Any] = decode(b"{" + tail)
    return plain


def event_line(kind: str, head: bytes, tail: bytes) -> bytes:
    """Encode a line of a watch."""
    return b'{"type":"%b","object":%b%b}' % (kind.encode(), head, tail)
