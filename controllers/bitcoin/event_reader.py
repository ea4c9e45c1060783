"""
Reads the Events of the few objects that do not say themselves why they do not go on.

    EVENTS_AFTER_S after they are first wanted, and every EVENTS_AGAIN_S for as long as they are; one list for each
    object, of EVENTS_OBJECTS_MAX objects of a network at most: those that were not read yet, or longest ago

In between, and for an object whose Events may not be listed, there is what was read before, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ctrlkit import clock
from ctrlkit.bitcoin.objects import EVENTS, Event, Involved
from ctrlkit.client import Client
from ctrlkit.errors import ApiError, TransportError
from ctrlkit.model import ObjectKey

EVENTS_AFTER_S: Final = 10.0
"""So long something may take to come right before its Events are read."""

EVENTS_AGAIN_S: Final = 30.0
"""Seconds between two reads of the Events of one network."""

EVENTS_OBJECTS_MAX: Final = 5
"""Most objects of one network whose Events are read in a pass."""


@dataclass(slots=True)
class _Remembered:
    due_at: float
    events: dict[Involved, Sequence[Event]] = field(default_factory=dict)
    """The object that was read longest ago comes first."""


class EventReader:
    """
    Reads Events, and remembers them until `forget`.

    Errors  None: what an Event says is worth no failing pass.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._networks: dict[ObjectKey, _Remembered] = {}

    async def read(self, network: ObjectKey, wanted: Iterable[Involved]) -> tuple[Event, ...]:
        """Return the Events of objects in a network's namespace, as they are known by now."""
        objects = dict.fromkeys(wanted)
        if not objects:
            self.forget(network)
            return ()
        known = self._networks.setdefault(network, _Remembered(clock.monotonic() + EVENTS_AFTER_S))
        if clock.monotonic() >= known.due_at:
            unread = [one for one in objects if one not in known.events]
            turn = (unread + [one for one in known.events if one in objects])[:EVENTS_OBJECTS_MAX]
            others = {one: events for one, events in known.events.items() if one in objects and one not in turn}
            known.events = others | {one: await self._list(network.namespace, one) for one in turn}
            known.due_at = clock.monotonic() + EVENTS_AGAIN_S
        return tuple(event for one in objects for event in known.events.get(one, ()))

    def again_s(self, network: ObjectKey) -> float | None:
        """Return in how many seconds Events are to be read again; None where none are wanted."""
        known = self._networks.get(network)
        return None if known is None else max(known.due_at - clock.monotonic(), 0.0)

    def forget(self, network: ObjectKey) -> None:
        """Forget a network that is gone, or whose objects go on."""
        self._networks.pop(network, None)

    async def _list(self, namespace: str, about: Involved) -> Sequence[Event]:
        fields = {"involvedObject.kind": about.kind, "involvedObject.name": about.name, "involvedObject.uid": about.uid}
        selector = ",".join(f"{name}={value}" for name, value in fields.items() if value)
        try:
            return await self._client.list(EVENTS, namespace=namespace, field_selector=selector)
        except (ApiError, TransportError):
            return ()
