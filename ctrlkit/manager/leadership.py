"""
The right to work: of several replicas the leader has it, or each for its shards; a single one has it by itself.

In       An Elector or a Sharding, and the controllers that need the right.
Out      `elected`, which lets workers start; the cancelling of all work when the right is lost; Events on the Lease.

Controllers of Replicas.ALL need no right, and are stopped all the same: after a loss the process should end.
Rows L15, M5, M6, M8.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ctrlkit.clock import monotonic
from ctrlkit.controller import Controller, Replicas
from ctrlkit.election.elector import LeadershipLost
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import LEASES

if TYPE_CHECKING:
    from ctrlkit.election import Elector, Sharding


ELECTION: Final = "leader-election"
"""The component in whose name Events about the Lease are recorded."""


class Leadership:
    """
    Acquires and keeps the right to work for one manager, and cancels all work when it is lost.

    Shape   `is_lost` is set when the right is lost; `on_loss` is called then, with the seconds until another replica
            may have it. `recorder` is where Events on the Lease go.
    Errors  ValueError for an elector beside a sharding.
    Owner   The manager runs it after its controllers are warm, ends it after their work, and then calls `release`.
    """

    def __init__(
        self,
        *,
        elector: Elector | None,
        sharding: Sharding | None,
        recorder: Callable[[str], EventRecorder],
        controllers: Callable[[], Sequence[Controller]],
        on_loss: Callable[[float], None],
    ) -> None:
        if elector is not None and sharding is not None:
            raise ValueError("Manager: an elector lets one replica work, a sharding lets all of them; give it one")
        self.elected: asyncio.Event = asyncio.Event()
        self.is_lost: bool = False
        self.recorder: EventRecorder | None = None
        self._elector = elector
        self._sharding = sharding
        self._controllers = controllers
        self._on_loss = on_loss
        self._takeover = None if sharding is None else ShardTakeover(sharding, controllers)
        self._trying = False
        self._term: asyncio.Timeout | None = None
        if elector is not None:
            self.recorder = recorder(ELECTION)
            elector.note = elector.note or self._note

    @property
    def is_shared(self) -> bool:
        """Whether there may be other replicas."""
        return self._elector is not None or self._sharding is not None

    def may_work(self, controller: Controller) -> asyncio.Event | None:
        """
        What a controller waits for; from now on it starts what it has the right to, and nothing else.

        With shards it waits for nothing, for it has a right to each key by itself. The right may end while the event
        loop hangs, and workers be the first to go on: so they ask for each key.
        """
        if not self.is_shared or controller.replicas is Replicas.ALL:
            return None
        if self._sharding is not None:
            controller.restrict(self._sharding.owns)
            return None
        controller.restrict(self._may_start)
        return self.elected

    async def run(self, *, is_over: Callable[[], bool]) -> None:
        """
        Acquire the right and keep it, until cancelled; one that comes after the stop has begun is not used.

        Errors  LeadershipLost, and whatever else ends it: all work is cut off by then.
        """
        self._trying = True
        try:
            if self._elector is not None:
                await self._elector.acquire()
        finally:
            self._trying = False
        if is_over():
            return
        self.elected.set()
        try:
            if self._elector is not None:
                await self._hold(self._elector)
            elif self._sharding is not None and self._takeover is not None:
                await self._sharding.run(self._takeover)
        except Exception:
            self._cut_off()
            raise

    async def release(self, *, flush_s: float) -> None:
        """Give the lease back, and write the Event that says so; nothing where it is not ours any more."""
        if self._elector is not None and self.recorder is not None and not self.is_lost:
            await self._elector.release()
            await self.recorder.flush(timeout_s=flush_s)

    def busy(self) -> tuple[str, ...]:
        """What is not done yet: a lease that nobody is known to hold; for another's a candidate waits without end."""
        if self._sharding is not None and self._takeover is not None:
            return (*self._sharding.busy(), *self._takeover.busy())
        if self._elector is None or not self._trying:
            return ()
        status = self._elector.status()
        if status.holder:
            return ()
        return (f"manager waits for lease {status.name}" + (f": {status.last_error}" if status.last_error else ""),)

    async def _hold(self, elector: Elector) -> None:
        try:
            async with asyncio.timeout(None) as self._term:
                await elector.hold()
        except TimeoutError:
            raise LeadershipLost(
                f"hold lease {elector.name}: its time was over before a renewal was heard of; keep the event loop free"
            ) from None
        finally:
            self._term = None

    def _may_start(self, _key: ObjectKey) -> bool:
        """
        Asked from the election on: the term's own clock decides (S-a in election/state.py).

        A key that is told no is dropped, so the term is over then, even if a late renewal comes in the same turn.
        """
        if self._elector is None or self._elector.is_leading():
            return True
        if self._term is not None and not self._term.expired():
            self._term.reschedule(monotonic())
        return False

    def _cut_off(self) -> None:
        self.is_lost = True
        self.elected.clear()
        for controller in self._controllers():
            controller.stop()
            controller.cut_off(lambda _key: True)
        either = self._elector or self._sharding
        if either is not None:
            self._on_loss(either.times.lease_s - either.times.renew_s)

    def _note(self, reason: str, message: str) -> None:
        if self._elector is not None and self.recorder is not None:
            self.recorder.event(self._elector.meta, LEASES, EventType.NORMAL, reason, message)


GATHER_S: Final = 0.1
"""Shards that come within this time are taken up together: to find their keys, all that is cached is looked at."""


class ShardTakeover:
    """
    Starts and stops work on shards as this replica acquires and loses them; the ShardWork of a manager.

    Owner   One timer, while shards are to be taken up.
    """

    def __init__(self, sharding: Sharding, controllers: Callable[[], Iterable[Controller]]) -> None:
        self._sharding = sharding
        self._controllers = controllers
        self._begun: set[int] = set()

    def begin(self, shard: int) -> None:
        """Enqueue the keys of a shard: changes that came while it was another replica's are in no queue here."""
        if not self._begun:
            asyncio.get_running_loop().call_later(GATHER_S, self._take_up)
        self._begun.add(shard)

    async def end(self, shard: int) -> None:
        """Return once no key of a shard is being reconciled; `owns` already prevents new reconciles from starting."""
        async with asyncio.TaskGroup() as tasks:
            for controller in self._sharing():
                tasks.create_task(controller.quiesce(self._of({shard})), name=f"{controller.name}:quiesce {shard}")

    def cut_off(self, shard: int) -> None:
        """Cancel the reconciles of a shard whose lease is lost."""
        for controller in self._sharing():
            controller.cut_off(self._of({shard}))

    def busy(self) -> tuple[str, ...]:
        """What is not done yet."""
        return ("manager takes up the keys of new shards",) if self._begun else ()

    def _take_up(self) -> None:
        begun, self._begun = self._begun, set()
        for controller in self._sharing():
            controller.enqueue_known(self._of(begun))

    def _sharing(self) -> list[Controller]:
        return [controller for controller in self._controllers() if controller.replicas is Replicas.LEADER]

    def _of(self, shards: Collection[int]) -> Callable[[ObjectKey], bool]:
        return lambda key: self._sharding.shard_of(key) in shards
