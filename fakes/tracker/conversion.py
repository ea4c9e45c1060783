"""
Kinds that are served in several forms of which one is stored: the others are converted as they are read and written.

A `Conversion` stands in the Strategy of a form that is not stored. Whoever reads goes through `collection_of`, and
`Core.write` stores: nothing else knows that there is another form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from ctrlkit.fakes.tracker.exchanges import Question, Unanswered
from ctrlkit.fakes.tracker.store import Change, Collection, Stored, Waker, encode_tail
from ctrlkit.model import AnyResource, ObjectKey

Plain = dict[str, Any]


class Conversion(NamedTuple):
    """
    How a form of a kind and the stored one come from each other; objects are without kind and apiVersion.

    Shape   `stored` is the kind as it is stored. Neither function changes what it is given. To show and store again
            changes nothing that the stored form has.
    """

    stored: AnyResource
    show: Callable[[Mapping[str, Any]], Plain]
    """Converts an object as it is stored to this form."""
    store: Callable[[Mapping[str, Any]], Plain]
    """Converts an object of this form to the stored one."""

    def shown(self, stored: Stored) -> Stored:
        """Convert a stored object."""
        return Stored(stored.key, stored.version, encode_tail(self.show(stored.plain)))


class Shows(Protocol):
    """Shows stored objects in another form."""

    def shown(self, stored: Stored) -> Stored:
        """Convert a stored object."""
        ...


class ConvertedCollection:
    """A collection as one of its other forms shows it; places and versions are those of the collection."""

    def __init__(self, collection: Collection, conversion: Shows) -> None:
        self._collection = collection
        self._conversion = conversion

    @property
    def floor(self) -> int:
        """As `Collection.floor`."""
        return self._collection.floor

    @property
    def closed(self) -> bool:
        """As `Collection.closed`."""
        return self._collection.closed

    @property
    def dropped(self) -> int:
        """As `Collection.dropped`."""
        return self._collection.dropped

    @property
    def end(self) -> int:
        """As `Collection.end`."""
        return self._collection.end

    def place_after(self, version: int) -> int:
        """As `Collection.place_after`."""
        return self._collection.place_after(version)

    def find(self, key: ObjectKey) -> Stored | None:
        """As `Collection.find`."""
        return self._shown(self._collection.find(key))

    def within(self, namespace: str) -> Iterator[Stored]:
        """As `Collection.within`."""
        return iter(self._all(self._collection.within(namespace)))

    def at(self, version: int, namespace: str) -> list[Stored]:
        """As `Collection.at`."""
        return self._all(self._collection.at(version, namespace))

    def since(self, place: int) -> Iterator[Change]:
        """As `Collection.since`."""
        changes = list(self._collection.since(place))
        self._all(stored for change in changes for stored in (change.before, change.after) if stored is not None)
        for change in changes:
            yield Change(change.version, change.key, self._shown(change.before), self._shown(change.after))

    def subscribe(self, namespace: str, waker: Waker) -> None:
        """As `Collection.subscribe`."""
        self._collection.subscribe(namespace, waker)

    def unsubscribe(self, namespace: str, waker: Waker) -> None:
        """As `Collection.unsubscribe`."""
        self._collection.unsubscribe(namespace, waker)

    def _all(self, found: Iterable[Stored]) -> list[Stored]:
        """Convert objects. Errors: Unanswered, with the questions of all of them."""
        shown: list[Stored] = []
        missing: list[Question] = []
        for stored in found:
            try:
                shown.append(self._conversion.shown(stored))
            except Unanswered as unanswered:
                missing += unanswered.questions
        if missing:
            raise Unanswered(missing)
        return shown

    def _shown(self, stored: Stored | None) -> Stored | None:
        return None if stored is None else self._conversion.shown(stored)
