"""
Sharding: several replicas share the keys. Each key belongs to a shard, and the holder of a shard's Lease acts on it.

In       A list of the group's Leases each retry period: who is alive.
Out      begin, end and cut_off of shards (ShardWork); `owns`, which says whether a key may be acted on now.
Owns     The Lease that announces this replica, and a candidate for each shard.

    announce ─► who is alive (group.py) ─► which shards each is to have (group.py) ─► acquire or hand over (shard.py)

Why no two replicas act on one key at once

H-a  A key has one shard: the same function everywhere, of the same number of shards everywhere. Whoever joins with
     another number is refused by the Lease of the group before it acquires anything.
H-b  At most one replica acts on a shard: it begins after its Elector has acquired the shard's Lease, `owns` is false
     from the moment the Elector's term is over, and no two terms of one Lease overlap (state.py, S-a to S-c, with what
     that rests on).
H-c  A shard that is handed over is released after end() has returned, so nothing of it runs any more; the Lease is
     renewed until then.
H-d  A shard whose lease is lost is cut off in that moment: for what is cancelled then, lease_s - renew_s remain before
     another can begin. This replica itself acquires it again only after end() has returned. While it has not after that
     time, `check` says that the process is not well: nothing but its end keeps what goes on from acting.
H-e  Who is alive, and so the plan, decides only what a replica tries to acquire and what it gives away. Views that
     differ, or are wrong, cost time and nothing else.

How long it takes until each shard is held by the one that is to have it, if every call takes at most d, a drain at most
e, and nobody else comes or goes (the names are those of LeaseTimes)

    one joins, or leaves    retry_s + longest_rest_s + e + 10 x d
    one crashes             lease_s + 2 x retry_s + 10 x d for its shards; for others that move on account of that, as
                            above from then on

What it costs   In each retry_s a replica renews what it holds, announces itself and looks at the group once: with S
                shards on n replicas (ceil(S / n) + 2) / retry_s requests a second, that is 5 for 32 shards on 4
                replicas with the usual times. Each shard it waits for while another hands it over costs no more than
                one it holds. Longer times are cheaper.

RBAC            leases of coordination.k8s.io in their namespace: get, list, create, update; and delete, to remove the
                Leases of replicas that are gone (without it they stay, and are passed over).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.election.elector import Elector, LeadershipLost
from ctrlkit.election.group import Group, MemberLease, Membership, Role, plan, shard_of
from ctrlkit.election.lease import LeaseRecord, LeaseTimes
from ctrlkit.election.shard import Shard, ShardState, ShardWork
from ctrlkit.errors import AlreadyExists, Conflict, CtrlkitError, NotFound, TimedOut
from ctrlkit.failures import FailureLog, describe
from ctrlkit.model import ObjectKey, Unstructured
from ctrlkit.model.kinds import LEASES
from ctrlkit.telemetry import logger

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardingStatus:
    """
    What one replica knows of its group, for debug pages.

    `members` are alive, `plan` says which of them is to have each shard, `holders` which replica the Lease named at the
    latest look ("" is nobody), `looked_s_ago` how old that is, None before the first. `held`, `waiting` and
    `handing_over` are this replica's own shards.
    """

    name: str
    identity: str
    shards: int
    members: tuple[str, ...]
    plan: Mapping[int, str]
    holders: Mapping[int, str]
    held: tuple[int, ...]
    waiting: tuple[int, ...]
    handing_over: tuple[int, ...]
    looked_s_ago: float | None
    last_error: str


class Sharding:
    """
    Takes part in a group of replicas that share keys.

        sharding = Sharding(client, name="greeter", namespace="demo", shards=32, identity=default_identity())
        await sharding.run(work)

    Shape   `name` names the group and begins the names of its Leases: a DNS label. `shards` is the same for all
            replicas and for good: several times as many as there will ever be replicas, as shares differ by one.
            `identity` is shared with no other replica that runs.
    Errors  ValueError for names and numbers that cannot be used. ConfigError from `run` where the group has another
            number of shards. Failures of the server are logged, seen in `status`, and tried again.
    Owner   One event loop. It runs once.
    """

    def __init__(
        self,
        client: Client,
        *,
        name: str,
        namespace: str,
        shards: int,
        identity: str,
        times: LeaseTimes = LeaseTimes(),  # noqa: B008 - a frozen value
    ) -> None:
        self.name = name
        """The name of the group."""
        self.identity = identity
        """The name of this replica."""
        self.times = times
        """The times of the Leases."""
        self._client = client
        self._group = group = Group(name, namespace, shards)
        self._log = logger("sharding", group=name, identity=identity)
        self._failures = FailureLog(self._log)

        def candidate(lease: ObjectKey, role: Role) -> Elector:
            return Elector(client, lease, identity=identity, times=times, labels=group.labels(role))

        self._member = candidate(group.of_member(identity), Role.MEMBER)
        self._shards = tuple(
            Shard(number, candidate(group.of_shard(number), Role.SHARD), log=self._log) for number in range(shards)
        )
        self._membership = Membership()
        self._members: frozenset[str] = frozenset()
        self._removed: frozenset[MemberLease] = frozenset()  # whose removal was tried
        self._plan: Mapping[int, str] = {}
        self._holders: Mapping[int, str] = {}
        self._announced = asyncio.Event()
        self._looked_at: float | None = None
        self._last_error = ""
        self._was_run = False
        self._is_leaving = False
        self._running: dict[int, asyncio.Task[None]] = {}

    # ---- whose is what -----------------------------------------------------------------------------------------------

    def shard_of(self, key: ObjectKey) -> int:
        """Return the shard of a key; it is the same in every process."""
        return shard_of(str(key), self._group.shards)

    def owns(self, key: ObjectKey) -> bool:
        """Whether this replica may act on a key now; false from the moment its lease of the shard is over."""
        return self._shards[self.shard_of(key)].acts()

    # ---- the run -----------------------------------------------------------------------------------------------------

    async def run(self, work: ShardWork) -> None:
        """
        Take part until cancelled; then hand all shards over. A second cancellation cuts off what still runs.

        Errors  ConfigError where the group has another number of shards; RuntimeError for a second run; what `work`
                raises, with everything cut off.
        """
        if self._was_run:
            raise RuntimeError(f"run sharding {self.name}: it was run before; make a new one")
        self._was_run = True
        await self._join()
        async with asyncio.TaskGroup() as tasks:
            announcing = tasks.create_task(self._announce(), name=f"announce {self._member.lease}")
            try:
                await self._announced.wait()
                await asyncio.sleep(self.times.retry_s)  # who starts together sees each other before anybody moves
                while True:
                    await self._try(self._look())
                    self._follow(tasks, work)
                    await self._remove_forgotten()
                    await asyncio.sleep(self.times.retry_s)
            except asyncio.CancelledError:
                await self._leave(announcing)
                raise

    async def _join(self) -> None:
        """Make sure that all of the group mean the same by a shard."""
        lease: Unstructured | None = None
        while lease is None:
            lease = await self._try(self._group_lease())
            if lease is None:
                await asyncio.sleep(self.times.retry_s)
        self._group.check(lease)

    async def _group_lease(self) -> Unstructured:
        try:
            return await self._client.get(LEASES, self._group.key)
        except NotFound:
            with contextlib.suppress(AlreadyExists):  # those who start together make it together
                return await self._client.create(LEASES, self._group.lease())
        return await self._client.get(LEASES, self._group.key)

    async def _announce(self) -> None:
        """Hold this replica's own Lease: that is all that others know of it."""
        while True:
            await self._member.acquire()
            self._announced.set()
            with contextlib.suppress(LeadershipLost):  # the Elector says why, in the log
                await self._member.hold()

    async def _look(self) -> None:
        asked_at = monotonic()
        leases = await self._client.list(LEASES, namespace=self._group.namespace, label_selector=self._group.selector)
        answered_at = monotonic()
        sight = self._group.read(leases, lasts_s=self.times.lease_s)
        self._membership.look(sight.members, asked_at=asked_at, answered_at=answered_at)
        for number, lease in sight.shards.items():
            if self._shards[number].is_at_rest:
                self._shards[number].elector.observe(lease)
        self._holders = {number: LeaseRecord.of(lease).holder for number, lease in sorted(sight.shards.items())}
        self._looked_at = answered_at
        self._last_error = ""
        self._failures.forget("")

    def _follow(self, tasks: asyncio.TaskGroup, work: ShardWork) -> None:
        """Want what the plan gives to this replica, and let go of all else."""
        members = self._membership.alive
        if members != self._members:
            joined, left = sorted(members - self._members), sorted(self._members - members)
            self._log.info("members_changed", members=len(members), joined=joined, left=left)
            self._members, self._plan = members, plan(members, self._group.shards)
        for shard in self._shards:
            if self._plan.get(shard.number) != self.identity:
                shard.let_go()
                continue
            shard.want()
            running = self._running.get(shard.number)
            if running is None or running.done():
                self._running[shard.number] = tasks.create_task(shard.run(work), name=f"shard {shard.elector.lease}")

    async def _remove_forgotten(self) -> None:
        """Remove the Leases of members that will not come back: one replica does, and tries each once."""
        if not self._members or self.identity != min(self._members):
            return
        forgotten = self._membership.forgotten
        for gone in forgotten - self._removed:
            try:
                async with asyncio.timeout(self.times.call_limit_s):
                    await self._client.delete(LEASES, gone.lease, version=gone.version)
            except (NotFound, Conflict):
                pass  # another removed it, or it has come back
            except (CtrlkitError, TimeoutError) as error:
                self._log.warning("member_not_removed", lease=str(gone.lease), error=str(error) or "no answer")
            else:
                self._log.info("member_removed", lease=str(gone.lease))
        self._removed = forgotten

    async def _leave(self, announcing: asyncio.Task[None]) -> None:
        """Let go of everything and say so, so that others wait for shards already while they are drained."""
        self._is_leaving = True
        for shard in self._shards:
            shard.let_go()
        announcing.cancel()
        await asyncio.wait([announcing])
        try:
            async with asyncio.timeout(self.times.call_limit_s):
                await self._client.delete(LEASES, self._member.lease)
        except (CtrlkitError, TimeoutError):
            await self._member.release()  # it may not delete, or the server has other troubles
        if self._running:
            await asyncio.wait(self._running.values())

    def _in(self, *states: ShardState) -> tuple[int, ...]:
        return tuple(shard.number for shard in self._shards if shard.state in states)

    async def _try(self, call: Awaitable[T]) -> T | None:
        """Do what the server may refuse; the next round tries it again."""
        limit_s = self.times.call_limit_s
        try:
            async with asyncio.timeout(limit_s):
                return await call
        except TimeoutError:
            self._failed(TimedOut(f"reach the group {self.name}: no answer within {limit_s:.3g} s; it is tried again"))
        except Exception as error:  # noqa: BLE001 - whatever fails on the way to the server is a try that failed
            self._failed(error)
        return None

    def _failed(self, error: Exception) -> None:
        self._last_error = describe(error)
        self._failures.tell("group_not_reached", error, about="")

    # ---- what others may ask -----------------------------------------------------------------------------------------

    @property
    def electors(self) -> tuple[Elector, ...]:
        """The candidates of this replica: its own Lease, then each shard's."""
        return (self._member, *(shard.elector for shard in self._shards))

    def status(self) -> ShardingStatus:
        """Return a snapshot."""
        return ShardingStatus(
            name=self.name,
            identity=self.identity,
            shards=self._group.shards,
            members=tuple(sorted(self._members)),
            plan=self._plan,
            holders=self._holders,
            held=self._in(ShardState.HELD),
            waiting=self._in(ShardState.ACQUIRING),
            handing_over=self._in(ShardState.HANDING_OVER, ShardState.LOST, ShardState.RELEASING),
            looked_s_ago=None if self._looked_at is None else monotonic() - self._looked_at,
            last_error=self._last_error,
        )

    def busy(self) -> tuple[str, ...]:
        """What is still to do, in words; empty when this replica holds the shards it is to have, and no others."""
        if not self._was_run:
            return ()
        status = self.status()
        reports = []
        if self._looked_at is None and not self._is_leaving:
            reports.append(f"joins its group{f': {self._last_error}' if self._last_error else ''}")
        if status.waiting:
            holders = sorted({self._holders.get(number, "") for number in status.waiting} - {"", self.identity})
            held_by = f", held by {', '.join(holders)}" if holders else ""
            reports.append(f"waits for {_list(status.waiting)}{held_by}")
        if status.handing_over:
            reports.append(f"hands over {_list(status.handing_over)}")
        return tuple(f"sharding:{self.name} {report}" for report in reports)

    def check(self) -> str:
        """
        Return "" when healthy, else why not: a lease is held and nothing renews or releases it, so a loop hangs; or one
        was lost, and what it protected goes on.
        """
        hangs = (elector.check() for elector in self.electors)
        goes_on = (shard.check() for shard in self._shards)
        return next(filter(None, (*hangs, *goes_on)), "")


def _list(shards: tuple[int, ...]) -> str:
    return f"shard{'s' if len(shards) > 1 else ''} {', '.join(map(str, shards))}"
