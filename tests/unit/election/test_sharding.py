"""A group of replicas: what happens when one joins, leaves, crashes or is cut off, when, and at what price."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from ctrlkit.client import Client
from ctrlkit.election import LeaseTimes, Sharding
from ctrlkit.election.group import plan
from ctrlkit.errors import ApiError, ConfigError, Conflict, Forbidden
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import Action, ObjectKey, Options, Unstructured
from ctrlkit.model.kinds import LEASES
from tests.support.bad_network import Network
from tests.support.candidates import LATENCY_S, true_time
from tests.support.clocks import SkewedLoop
from tests.support.replicas import Replica, Replicas, Work

TIMES = LeaseTimes()
SHARDS = 12
CALL_S = 2 * LATENCY_S
LOOK_S = 0.25
"""How often the judge looks: times are known to that."""

MOVED_S = TIMES.retry_s + TIMES.longest_rest_s + 10 * CALL_S + LOOK_S
"""How long a join or a leave takes, without drains (sharding.py)."""
CRASHED_S = MOVED_S + TIMES.lease_s + TIMES.retry_s
"""How long a crash takes."""


def scene(play: Callable[[Replicas, FakeClientset], Awaitable[None]], *, seed: int = 0) -> None:
    """Play on a loop of its own, whose true time the judge knows."""

    async def played() -> None:
        clientset = FakeClientset()
        async with Network(clientset) as network:
            replicas = Replicas(network, shards=SHARDS, times=TIMES)
            try:
                await play(replicas, clientset)
            finally:
                await replicas.end()

    with asyncio.Runner(loop_factory=lambda: SkewedLoop(seed=seed)) as runner:
        runner.run(played())


async def settled(replicas: Replicas, within_s: float) -> float:
    """Watch until shares are even and complete; how long that took."""
    began_at = true_time()
    assert await replicas.watch(within_s, until=replicas.is_settled), replicas.reports()
    return true_time() - began_at


def holders(clientset: FakeClientset) -> dict[int, str]:
    """Whom each shard's Lease names."""
    return {shard: holder(clientset, f"net-shard-{shard}") for shard in range(SHARDS)}


def holder(clientset: FakeClientset, name: str) -> str:
    return str(clientset.tracker.get(LEASES, ObjectKey("default", name)).at("spec.holderIdentity") or "")


def leases(clientset: FakeClientset, role: str) -> list[str]:
    """The names of the Leases of a role that one selector finds."""
    selected = Options(label_selector=f"ctrlkit.dev/sharding=net,ctrlkit.dev/sharding-role={role}")
    return [lease.key.name for lease in clientset.tracker.list(LEASES, "default", selected)]


def begun(replica: Replica) -> list[int]:
    return [shard for _, what, shard in replica.work.log if what == "begin"]


# ---- joins, leaves, crashes ------------------------------------------------------------------------------------------


def test_those_who_start_together_share_evenly_and_move_nothing() -> None:
    """Each waits one retry period to see the others; no shard is begun twice, none is ended."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        for _ in range(3):
            replicas.join()
        assert await settled(replicas, 60) <= TIMES.retry_s + 10 * CALL_S + LOOK_S
        assert sorted(shard for replica in replicas.there for shard in begun(replica)) == list(range(SHARDS))
        assert replicas.moves() == SHARDS
        assert holders(clientset) == plan({replica.name for replica in replicas.there}, SHARDS)

    scene(play)


@pytest.mark.parametrize("drain_s", [0.0, 6.0, 40.0])
def test_one_joins_and_gets_its_share_once_that_is_drained(drain_s: float) -> None:
    """Only what the two plans differ by moves; its Lease stays with the old holder, renewed, until nothing runs."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        old = [replicas.join(drain_s=drain_s) for _ in range(2)]
        await settled(replicas, 60)
        before, moves = holders(clientset), replicas.moves()
        new = replicas.join()
        after = plan({replica.name for replica in (*old, new)}, SHARDS)
        moving = [shard for shard in range(SHARDS) if before[shard] != after[shard]]
        if drain_s > TIMES.lease_s:
            await replicas.watch(drain_s)
            assert all(holder(clientset, f"net-shard-{shard}") == before[shard] for shard in moving)
            [report] = replicas.reports()[new.name]
            assert report.startswith("sharding:net waits for shards ")
            assert report.endswith(f", held by {', '.join(replica.name for replica in old)}")
        assert await settled(replicas, 90) <= MOVED_S + drain_s
        assert holders(clientset) == after
        assert replicas.moves() - moves == 3 * len(moving)  # end, ended, begin
        assert sorted(begun(new)) == [shard for shard in range(SHARDS) if after[shard] == new.name]

    scene(play)


@pytest.mark.behaviour("L11")
@pytest.mark.parametrize("drain_s", [0.0, 6.0])
def test_one_leaves_and_gives_everything_back(drain_s: float) -> None:
    """It says that it goes before it drains, so that others wait already; in the end it has left no Lease behind."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        leaver = replicas.join(drain_s=drain_s)
        stayer = replicas.join()
        await settled(replicas, 60)
        its_own = leaver.owned()
        replicas.leave(leaver)
        await replicas.watch(1.0)
        assert leases(clientset, "member") == [stayer.sharding.electors[0].name]
        if drain_s:
            assert leaver.owned() == set()
            assert leaver.sharding.status().handing_over == tuple(sorted(its_own))
            assert leaver.sharding.busy()[0].startswith("sharding:net hands over shards ")
        assert await settled(replicas, 60) <= MOVED_S + drain_s
        assert leaver in replicas.gone
        assert set(holders(clientset).values()) == {stayer.name}
        assert leaver.sharding.busy() == ()

    scene(play)


@pytest.mark.behaviour("L6", "L7")
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 6))])
def test_the_shards_of_one_that_crashed_are_soon_served_by_others(seed: int) -> None:
    """In little more than the lease: others have watched its shards' Leases all the time."""

    async def play(replicas: Replicas, _clientset: FakeClientset) -> None:
        for _ in range(3):
            replicas.join()
        await settled(replicas, 60)
        await replicas.watch(20 + seed * 0.37)
        victim = replicas.there[seed % 3]
        lost = victim.owned()
        await replicas.crash(victim)
        began_at = true_time()

        def served() -> bool:
            return lost <= {shard for replica in replicas.there for shard in replica.work.acting}

        assert await replicas.watch(60, until=served)
        assert TIMES.lease_s - TIMES.retry_s <= true_time() - began_at
        assert true_time() - began_at <= TIMES.lease_s + 2 * TIMES.retry_s + 10 * CALL_S + LOOK_S
        await settled(replicas, CRASHED_S - (true_time() - began_at))

    scene(play, seed=seed)


@pytest.mark.behaviour("L3", "B3")
def test_one_that_is_cut_off_stops_before_others_begin_and_comes_back() -> None:
    """It stops by its own clock `renew_s` after its last renewal, at once; it takes nobody for dead meanwhile."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        for _ in range(3):
            replicas.join(drain_s=30.0)
        await settled(replicas, 60)
        lonely = replicas.there[0]
        its_own = lonely.owned()
        replicas.trouble(lonely, [("cut", 60.0)])
        cut_at = true_time()
        await replicas.watch(TIMES.renew_s + LOOK_S)
        assert lonely.work.acting == lonely.owned() == set()
        cuts = [(at, shard) for at, what, shard in lonely.work.log if what == "cut off"]
        assert {shard for _, shard in cuts} == its_own
        assert all(at <= cut_at + TIMES.renew_s for at, _ in cuts)
        await replicas.watch(60 - TIMES.renew_s - LOOK_S)
        assert set(holders(clientset).values()) == {replica.name for replica in replicas.there[1:]}
        assert len(lonely.context.copy().run(lonely.sharding.status).members) == 3
        assert lonely.context.copy().run(lonely.sharding.status).last_error.startswith("reach the group net: no answer")
        await settled(replicas, MOVED_S + 30.0 + TIMES.call_limit_s + TIMES.retry_s)
        assert len(lonely.work.acting) == SHARDS // 3

    scene(play)


def test_one_that_can_renew_its_shards_but_not_announce_itself_hands_them_over() -> None:
    """It judges itself as others judge it: so all come to one plan."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        mute, other = replicas.join(), replicas.join()
        await settled(replicas, 60)
        its_lease = mute.sharding.electors[0].name

        def refuse(action: object) -> None:
            if getattr(action, "name", "") == its_lease:
                raise Forbidden("no")

        clientset.prepend_reactor("update", LEASES, refuse)
        assert await replicas.watch(CRASHED_S, until=lambda: len(other.work.acting) == SHARDS)
        assert mute.work.acting == set()

    scene(play)


def test_a_shard_that_is_wanted_back_while_it_drains_is_begun_again() -> None:
    """The newcomer leaves before the drain is over: the Lease never changes hands, and the keys are taken up again."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        stayer = replicas.join(drain_s=20.0)
        await settled(replicas, 60)
        newcomer = replicas.join()
        await replicas.watch(MOVED_S)
        draining = set(stayer.context.copy().run(stayer.sharding.status).handing_over)
        assert len(draining) == SHARDS // 2
        replicas.leave(newcomer)
        await replicas.watch(25.0)
        assert stayer.owned() == set(range(SHARDS))
        assert Counter(begun(stayer)) == Counter(list(range(SHARDS)) + list(draining))
        assert begun(newcomer) == []
        transitions = [
            clientset.tracker.get(LEASES, f"default/net-shard-{shard}").at("spec.leaseTransitions")
            for shard in range(SHARDS)
        ]
        assert transitions == [0] * SHARDS

    scene(play)


# ---- price -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, pytest.param(2, marks=pytest.mark.long), 4])
def test_at_rest_a_replica_sends_no_more_than_the_stated_requests(size: int) -> None:
    """(ceil(S / n) + 2) / retry_s a second: a renewal for each shard and for itself, and one list. No watch, no get."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        for _ in range(size):
            replicas.join()
        await settled(replicas, 60)
        await replicas.watch(10)
        clientset.clear_actions()
        before = {replica: replica.way.calls.copy() for replica in replicas.there}
        await replicas.watch(100)
        for replica in replicas.there:
            calls = replica.way.calls - before[replica]
            rounds = 100 / TIMES.retry_s + 1
            assert set(calls) == {"update", "list"}
            assert calls["list"] <= rounds
            assert calls["update"] <= rounds * (math.ceil(SHARDS / size) + 1)

    scene(play)


# ---- the Leases ------------------------------------------------------------------------------------------------------


def test_one_selector_finds_all_leases_of_the_group_and_one_deleted_by_hand_comes_back_with_its_labels() -> None:
    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        replica = replicas.join()
        await settled(replicas, 60)
        assert leases(clientset, "group") == ["net-shards"]
        assert leases(clientset, "member") == [replica.sharding.electors[0].name]
        assert len(leases(clientset, "shard")) == SHARDS
        clientset.tracker.delete(LEASES, f"default/{replica.sharding.electors[0].name}")
        clientset.tracker.delete(LEASES, "default/net-shard-3")
        moves = replicas.moves()
        await replicas.watch(10)
        assert leases(clientset, "member") == [replica.sharding.electors[0].name]
        assert len(leases(clientset, "shard")) == SHARDS
        assert replicas.moves() == moves

    scene(play)


@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.long)])
def test_the_lease_of_a_replica_that_is_gone_for_good_is_removed_by_one_of_the_others(size: int) -> None:
    """After ten times its duration, at the version that was seen; the others do not even try."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        for _ in range(size):
            replicas.join()
        await settled(replicas, 60)
        await replicas.crash(replicas.there[1])
        await replicas.watch(10 * TIMES.lease_s - 5)
        assert len(leases(clientset, "member")) == size
        await replicas.watch(10)
        assert len(leases(clientset, "member")) == size - 1
        assert [write.verb for write in clientset.writes].count("delete") == 1

    scene(play)


@pytest.mark.long
def test_without_the_right_to_delete_nothing_else_is_worse() -> None:
    """Who leaves then says so in its Lease, and what is gone for good stays, and is passed over."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        def refuse(_action: object) -> None:
            raise Forbidden("no")

        clientset.prepend_reactor("delete", LEASES, refuse)
        leaver, stayer = replicas.join(), replicas.join()
        await settled(replicas, 60)
        replicas.leave(leaver)
        await settled(replicas, MOVED_S)
        assert holder(clientset, leaver.sharding.electors[0].name) == ""
        await replicas.watch(12 * TIMES.lease_s)
        assert stayer.owned() == set(range(SHARDS))
        assert stayer.sharding.status().last_error == ""

    scene(play)


@pytest.mark.parametrize("error", [pytest.param(Forbidden("no"), marks=pytest.mark.long), Conflict("changed")])
def test_whatever_is_answered_to_the_removal_of_a_lease_one_replica_tries_it_once(error: ApiError) -> None:
    """Another was faster, it has come back, or it may not be done: the others do not even try, and all go on."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        tried: list[Action] = []

        def refuse(action: Action) -> None:
            tried.append(action)
            raise error

        for _ in range(3):
            replicas.join()
        await settled(replicas, 60)
        crashed = replicas.there[0]
        clientset.prepend_reactor("delete", LEASES, refuse)
        await replicas.crash(crashed)
        await replicas.watch(12 * TIMES.lease_s)
        assert [action.name for action in tried] == [crashed.sharding.electors[0].name]
        assert len(replicas.there) == 2
        assert replicas.is_settled()

    with capture_logs() as lines:
        scene(play)
    told = [line["error"] for line in lines if line["event"] == "member_not_removed"]
    assert told == ([] if isinstance(error, Conflict) else [str(error)])


def test_a_replica_that_was_asked_to_end_ends_as_one_that_was() -> None:
    """Whoever awaits it learns that it did not end by itself."""

    async def play(replicas: Replicas, _clientset: FakeClientset) -> None:
        replica = replicas.join()
        await settled(replicas, 60)
        task = replica.task
        assert task is not None
        replicas.leave(replica)
        await asyncio.wait([task])
        assert task.cancelled()

    scene(play)


@pytest.mark.parametrize("shards", [SHARDS - 1, pytest.param(SHARDS + 1, marks=pytest.mark.long)])
def test_a_replica_with_another_number_of_shards_is_refused_before_it_takes_any(shards: int) -> None:
    """A key would have two shards."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        replicas.join()
        await settled(replicas, 60)
        sharding = Sharding(Client(clientset), name="net", namespace="default", shards=shards, identity="other")
        clientset.clear_actions()
        with pytest.raises(ConfigError, match=f"join the group net with {shards} shards: it has {SHARDS}"):
            await sharding.run(Work("other", lambda: None))
        assert not [write for write in clientset.writes if "other" in write.key]
        await replicas.watch(60)

    scene(play)


def test_a_group_is_joined_once_the_server_answers() -> None:
    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        with clientset.faults.outage(Calls()):
            replica = replicas.join()
            await replicas.watch(30)
            assert replica.context.copy().run(replica.sharding.busy)[0].startswith("sharding:net joins its group: ")
        await settled(replicas, 2 * TIMES.retry_s + 10 * CALL_S + 2.0)

    scene(play)


def test_an_error_is_told_once_and_forgotten_when_the_group_is_reached_again() -> None:
    """Each outage by itself, however alike they are."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        replica = replicas.join()
        await settled(replicas, 60)
        for _ in range(2):
            with clientset.faults.outage(Calls("list", LEASES)):
                await replicas.watch(4 * TIMES.retry_s)
                assert replica.sharding.status().last_error
            await replicas.watch(2 * TIMES.retry_s)
            assert replica.sharding.status().last_error == ""

    with capture_logs() as lines:
        scene(play)
    assert [line["event"] for line in lines if line["log_level"] != "debug"].count("group_not_reached") == 2


# ---- its own end -----------------------------------------------------------------------------------------------------


def test_without_a_server_a_replica_ends_all_the_same() -> None:
    """It stops what runs, and waits no longer for the server than a release may take; the Leases expire."""

    async def play(replicas: Replicas, _clientset: FakeClientset) -> None:
        replica = replicas.join()
        await settled(replicas, 60)
        replicas.trouble(replica, [("cut", 600.0)])
        replicas.leave(replica)
        began_at = true_time()
        assert await replicas.watch(60, until=lambda: replica in replicas.gone)
        assert true_time() - began_at <= TIMES.call_limit_s + TIMES.renew_s + LOOK_S
        assert [what for _, what, _ in replica.work.log if what == "ended"] == ["ended"] * SHARDS

    scene(play)


def test_a_second_cancellation_cuts_off_what_the_first_one_drains() -> None:
    """What still runs then keeps its Lease until that expires."""

    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        replica = replicas.join(drain_s=1000.0)
        await settled(replicas, 60)
        task = replica.task
        assert task is not None
        task.cancel()
        await replicas.watch(30)
        assert replica.work.acting == set(range(SHARDS))
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert replica.work.acting == set()
        assert set(holders(clientset).values()) == {replica.name}

    scene(play)


def test_a_mistake_of_the_work_ends_the_run_and_cuts_everything_off() -> None:
    async def play(replicas: Replicas, clientset: FakeClientset) -> None:
        work = Work("one", lambda: None)
        sharding = Sharding(Client(clientset), name="other", namespace="default", shards=3, identity="one")
        task = asyncio.create_task(sharding.run(work))
        await asyncio.sleep(5)
        assert work.acting == {0, 1, 2}

        def mistake() -> None:
            raise ZeroDivisionError

        work.changed = mistake
        clientset.tracker.create(LEASES, another_member(clientset, sharding))
        with pytest.raises(ExceptionGroup) as caught:
            await task
        assert caught.group_contains(ZeroDivisionError)
        assert work.acting == set()
        with pytest.raises(RuntimeError, match="run sharding other: it was run before; make a new one"):
            await sharding.run(work)

    scene(play)


def another_member(clientset: FakeClientset, sharding: Sharding) -> Unstructured:
    """The Lease of a replica like that one, made by hand."""
    its_own = clientset.tracker.get(LEASES, sharding.electors[0].lease)
    metadata = {"name": "other-member-two", "namespace": "default", "labels": its_own["metadata"]["labels"]}
    return Unstructured({"metadata": metadata, "spec": {"holderIdentity": "two", "leaseDurationSeconds": 15}})


# ---- what others ask -------------------------------------------------------------------------------------------------


def test_the_status_tells_all_that_a_debug_page_needs() -> None:
    async def play(replicas: Replicas, _clientset: FakeClientset) -> None:
        first, second = replicas.join(), replicas.join()
        assert first.sharding.busy() == ()  # it has not begun
        assert first.sharding.check() == ""
        await replicas.watch(1.0)
        assert first.sharding.busy() == ("sharding:net joins its group",)
        await settled(replicas, 60)
        await replicas.watch(5.0)
        status = first.sharding.status()
        assert (status.name, status.identity, status.shards) == ("net", first.name, SHARDS)
        assert status.members == (first.name, second.name)
        assert status.plan == status.holders == plan({first.name, second.name}, SHARDS)
        assert set(status.held) == first.work.acting == first.owned()
        assert status.waiting == status.handing_over == ()
        assert status.looked_s_ago is not None
        assert status.looked_s_ago < TIMES.retry_s + CALL_S
        assert first.sharding.check() == ""
        for number in range(50):
            key = ObjectKey("demo", f"net-{number}")
            owners = [replica for replica in (first, second) if replica.sharding.owns(key)]
            assert [replica.sharding.shard_of(key) in replica.work.acting for replica in owners] == [True]

    scene(play)


def test_what_cannot_be_used_is_refused_when_it_is_made() -> None:
    client = Client(FakeClientset())
    with pytest.raises(ValueError, match="shards must be at least 1"):
        Sharding(client, name="net", namespace="demo", shards=0, identity="a")
    with pytest.raises(ValueError, match="want a name of lower-case letters"):
        Sharding(client, name="Net", namespace="demo", shards=4, identity="a")
    with pytest.raises(ValueError, match="identity must not be empty"):
        Sharding(client, name="net", namespace="demo", shards=4, identity="")
