"""What begins with the first object of a kind: most kinds of a small cluster never have one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from ctrlkit.controller import DONE, Controller, Outcome, Request
from ctrlkit.controller.sources.source import Sink
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.store import Identity
from ctrlkit.manager import Manager
from ctrlkit.model import AnyResource, ObjectKey

AddLoop = Callable[[Manager], None]


def key_of(identity: Identity) -> ObjectKey:
    """
    Return the key of a kind: the name that its CustomResourceDefinition would have.

    >>> str(key_of(("apps", "deployments"))), str(key_of(("", "pods")))
    ('deployments.apps', 'pods')
    """
    group, plural = identity
    return ObjectKey("", f"{plural}.{group}" if group else plural)


class FirstObjects:
    """A source of keys of kinds: each of `kinds` that has objects, once."""

    name = "first objects"

    def __init__(self, tracker: Tracker, kinds: Iterable[Identity]) -> None:
        self._tracker = tracker
        self._kinds = frozenset(kinds)

    async def run(self, sink: Sink) -> None:
        """Add the kinds that have objects, and then each that gets its first one."""
        end = self._follow(sink)
        try:
            sink.synced()
            await asyncio.Event().wait()
        finally:
            end()

    async def replay(self, sink: Sink) -> None:
        """Add the kinds that have objects."""
        self._follow(sink)()

    def _follow(self, sink: Sink) -> Callable[[], None]:
        def add(identity: Identity) -> None:
            if identity in self._kinds:
                sink.add(key_of(identity), "its first object")

        return self._tracker.on_first_object(add)


def add_when_used(manager: Manager, tracker: Tracker | None, loops: Sequence[tuple[AnyResource, AddLoop]]) -> None:
    """
    Add loops to a manager, each once its kind has an object; without the server's tracker all of them at once.

    A loop that is added late sees all objects: its informers list them. One that stands there with several kinds is
    added with the first of them.
    """
    if tracker is None:
        for add in dict.fromkeys(add for _, add in loops):
            add(manager)
        return
    waiting = [(key_of(resource.identity), add) for resource, add in loops]

    async def begin(request: Request) -> Outcome:
        begun = dict.fromkeys(add for key, add in waiting if key == request.key)
        waiting[:] = [(key, add) for key, add in waiting if add not in begun]
        for add in begun:
            add(manager)
        return DONE

    source = FirstObjects(tracker, (resource.identity for resource, _ in loops))
    manager.add(Controller(name="loops", reconcile=begin, watches=[source]))
