"""
Sources of keys: what a controller asks of a source, and the sink into which a source puts its keys.

In       Whatever a source listens to: a cache (Watch), a program (Feed), the clock (Schedule), or something of yours.
Out      Keys, each with its cause and its priority, in the queue of one controller.

A source is a description. One may be given to several controllers, each of which runs it for itself.

A replica that may not reconcile a key does not keep it, nor what led to it: it has not been elected, or another one
holds the key's shard. When it may, each source is asked for all that it knows (`replay`). Keys that come from outside
of any cache may not be known by then; of those the latest are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ctrlkit.bounded import BoundedDict
from ctrlkit.cache import Change
from ctrlkit.controller.causes import CauseKind, Causes
from ctrlkit.controller.retries import PendingRetries
from ctrlkit.failures import FailureLog
from ctrlkit.model import AnyResource, ObjectKey
from ctrlkit.telemetry import logger
from ctrlkit.workqueue import LOW, NORMAL, WorkQueue

KEPT_MAX: Final = 10_000
"""Keys from outside of any cache that are kept for a controller that may not reconcile them now; the latest ones."""


class Source(Protocol):
    """
    Says which objects are to be reconciled.

        class Orders:
            name = "orders"

            async def run(self, sink: Sink) -> None:
                sink.synced()
                async for order in subscribe():
                    sink.add(f"shop/{order.name}", f"order {order.state}")

            async def replay(self, sink: Sink) -> None:
                pass

    What run() raises stops the controller, and is raised by it; where it may fail it should try again by itself.
    """

    @property
    def name(self) -> str:
        """Its name in log lines and reports."""
        ...

    async def run(self, sink: Sink) -> None:
        """
        Add keys until cancelled, or as long as there are any.

        Once all that was there at the beginning was added, it calls `sink.synced()`: no worker starts before that.
        """
        ...

    async def replay(self, sink: Sink) -> None:
        """
        Add all keys that are known already, as those of a cache are, and return; nothing where none are.

        It is called when this replica was elected, or came to hold a shard.
        """
        ...


@dataclass(slots=True)
class Enqueuer:
    """
    Adds keys to one controller's queue, for all of its sinks.

    Shape   `is_open` is false while the controller may not work, and no key is its own then. `owns` is None while every
            key is. `failures` counts mappers, predicates and the like that raised.
    """

    controller: str
    queue: WorkQueue[ObjectKey]
    causes: Causes
    retries: PendingRetries
    is_open: bool = True
    owns: Callable[[ObjectKey], bool] | None = None
    failures: int = 0
    _kept: BoundedDict[ObjectKey, tuple[CauseKind, str, int]] = field(
        default_factory=lambda: BoundedDict(limit=KEPT_MAX)
    )
    _logged_dropped: bool = False

    def owned(self, key: ObjectKey) -> bool:
        """Whether a key is this replica's to reconcile now."""
        return self.is_open and (self.owns is None or self.owns(key))

    def add(self, key: ObjectKey, kind: CauseKind, words: str, priority: int) -> bool:
        """Enqueue a key, if it is this replica's; return whether it is."""
        if not self.owned(key):
            return False
        self.causes.note(key, kind, words)
        self.queue.add(key, priority=priority)
        return True

    def keep(self, key: ObjectKey, kind: CauseKind, words: str, priority: int) -> None:
        """As `add`, for what no cache shows: a key that is another replica's is kept in case this one gets it."""
        if self.add(key, kind, words, priority):
            return
        dropped = self._kept.put(key, (kind, words, priority))
        if dropped is not None and not self._logged_dropped:
            self._logged_dropped = True
            log = logger("controller", controller=self.controller)
            log.warning("kept_key_dropped", key=str(dropped[0]))

    def add_kept(self, where: Callable[[ObjectKey], bool]) -> None:
        """Enqueue the kept keys that pass `where` and are this replica's now."""
        for key in [key for key in self._kept if where(key) and self.owned(key)]:
            self.add(key, *self._kept.pop(key))


class Sink:
    """
    Takes the keys of one source of one controller.

    Owner   The controller makes it, the source uses it, on the controller's loop and only while it is run.
    """

    def __init__(self, enqueuer: Enqueuer, name: str) -> None:
        self.name: str = f"{enqueuer.controller}:{name}"
        """The name of the source."""
        self._enqueuer = enqueuer
        self._synced = asyncio.Event()
        self._failures = FailureLog(logger("controller", controller=enqueuer.controller, source=name))

    def add(self, key: ObjectKey | str, cause: str, *, priority: int = NORMAL) -> None:
        """
        Enqueue a key, or its text, for a cause in a few words.

        One that another replica reconciles now is kept in case this one gets it; only the latest KEPT_MAX are.
        """
        self._enqueuer.keep(ObjectKey.of(key), CauseKind.SOURCE, cause, priority)

    def remind(self, key: ObjectKey | str, cause: str, *, priority: int = LOW) -> None:
        """As `add`, but a key that another replica reconciles now is dropped."""
        self._enqueuer.add(ObjectKey.of(key), CauseKind.SOURCE, cause, priority)

    def add_changed(
        self,
        key: ObjectKey,
        kind: CauseKind,
        resource: AnyResource,
        change: Change[Any],
        priority: int,
        *,
        batch_s: float = 0.0,
    ) -> None:
        """As `add`, for a change of a watched object; put into words when somebody reads them."""
        enqueuer = self._enqueuer
        if enqueuer.is_open and (enqueuer.owns is None or enqueuer.owns(key)):
            enqueuer.causes.note_change(key, kind, resource, change)
            if batch_s:
                enqueuer.queue.add_batched(key, batch_s, priority=priority)
            else:
                enqueuer.queue.add(key, priority=priority)

    def forget_failures(self, key: ObjectKey) -> None:
        """Reset the failures of a key: its next one counts as its first."""
        self._enqueuer.retries.forget(key)

    def synced(self) -> None:
        """Note that all keys that existed at the start were added; workers wait for that."""
        self._synced.set()

    def has_synced(self) -> bool:
        """Whether `synced` was called."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return once `has_synced`."""
        await self._synced.wait()

    def failed(self, step: str, error: Exception, **what: Any) -> None:
        """Log and count an exception of a user's function; the source goes on."""
        self._enqueuer.failures += 1
        where = f"{step} of {self.name}"
        self._failures.tell("source_failed", error, about=step, where=where, step=step, **what)


class Replay(Sink):
    """A sink for all that a source knows: only some keys of it pass, and they can wait."""

    def __init__(self, enqueuer: Enqueuer, name: str, where: Callable[[ObjectKey], bool]) -> None:
        super().__init__(enqueuer, name)
        self._where = where

    def add(self, key: ObjectKey | str, cause: str, *, priority: int = LOW) -> None:
        """As Sink.add, if the key passes."""
        key = ObjectKey.of(key)
        if self._where(key):
            self._enqueuer.add(key, CauseKind.TAKEOVER, "takeover", min(priority, LOW))

    def remind(self, key: ObjectKey | str, cause: str, *, priority: int = LOW) -> None:
        """The same: nothing of a replay is kept."""
        self.add(key, cause, priority=priority)

    def add_changed(
        self,
        key: ObjectKey,
        kind: CauseKind,
        resource: AnyResource,
        change: Change[Any],
        priority: int,
        *,
        batch_s: float = 0.0,
    ) -> None:
        """As Sink.add_changed, if the key passes; at once."""
        self.add(key, kind.value, priority=priority)

    def forget_failures(self, key: ObjectKey) -> None:
        """Nothing: the keys are as new here."""


def as_keys(found: Iterable[ObjectKey | str], who: str) -> list[ObjectKey]:
    """
    What a user's function returned, as keys.

    >>> as_keys(["demo/a"], "a mapper")
    [ObjectKey(namespace='demo', name='a')]

    Errors  TypeError for one key alone, or its text: taken as a list it would be another list of keys.
    """
    if isinstance(found, str | ObjectKey):
        raise TypeError(f"{who} returned one key, {str(found)[:64]!r}; return a list of keys")
    return [key if isinstance(key, ObjectKey) else ObjectKey.parse(key) for key in found]
