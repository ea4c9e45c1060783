"""One candidate, and two, against a server: what they ask of it, when, and what they say of themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit import clock
from ctrlkit.client import Client
from ctrlkit.election import Elector, LeadershipLost, LeaseRecord, LeaseTimes
from ctrlkit.errors import ConfigError, Conflict, Forbidden, InternalError, TooManyRequests
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.loop import SKEW, Skew
from ctrlkit.model import Action, MergePatch, ObjectKey, Verb
from ctrlkit.model.kinds import LEASES, NAMESPACES

KEY = ObjectKey("default", "net")
READS = Calls("get", LEASES)
WRITES = Calls("update", LEASES)
ALL = Calls(resource=LEASES)


class Lines:
    """Two candidates of one server, each on a clientset of its own."""

    def __init__(self) -> None:
        self.a_set = FakeClientset()
        self.b_set = FakeClientset(self.a_set.tracker)
        self.a = Elector(self.a_set.client, KEY, identity="a")
        self.b = Elector(self.b_set.client, KEY, identity="b")

    @property
    def record(self) -> LeaseRecord:
        return LeaseRecord.of(self.a_set.tracker.get(LEASES, KEY))


@pytest.fixture
def lines() -> Lines:
    return Lines()


def calls(clientset: FakeClientset) -> list[str]:
    """The calls since the last look, by verb."""
    verbs = [action.verb.value for action in clientset.actions]
    clientset.clear_actions()
    return verbs


@asynccontextmanager
async def holding(elector: Elector) -> AsyncIterator[asyncio.Task[None]]:
    """Acquired, and held for the length of the block."""
    await elector.acquire()
    task = asyncio.create_task(elector.hold())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, LeadershipLost):
            await task


# ---- to acquire and to hold ------------------------------------------------------------------------------------------


@pytest.mark.behaviour("L4", "L6", "L15")
async def test_the_first_candidate_makes_the_lease(lines: Lines) -> None:
    """A read, and a Lease with its name in it."""
    assert not lines.a.is_leading()
    await lines.a.acquire()
    assert lines.a.is_leading()
    assert calls(lines.a_set) == ["get", "create"]
    record = lines.record
    assert (record.holder, record.duration_s, record.transitions) == ("a", 15, 0)
    assert record.acquired == record.renewed == "2026-01-01T00:00:00.000000Z"
    await lines.a.acquire()
    assert calls(lines.a_set) == [], "who leads has acquired already"


@pytest.mark.behaviour("L3", "L4", "L5")
async def test_a_renewal_is_one_put(lines: Lines) -> None:
    """Every two seconds, from the answer to the last one; no read as long as nothing fails."""
    async with holding(lines.a):
        calls(lines.a_set)
        await asyncio.sleep(60.5)
        assert calls(lines.a_set) == 30 * ["update"]
    record = lines.record
    assert record.acquired == "2026-01-01T00:00:00.000000Z"
    assert record.renewed == "2026-01-01T00:01:00.000000Z"
    assert record.transitions == 0
    assert lines.a.status().slow_paths == 0


@pytest.mark.behaviour("L2", "L6")
async def test_a_second_candidate_looks_on(lines: Lines) -> None:
    """A read at once, and then one every 2 to 4.4 seconds; it writes nothing."""
    async with holding(lines.a):
        waiting = asyncio.create_task(lines.b.acquire())
        await asyncio.sleep(440.5)
        verbs = calls(lines.b_set)
        assert set(verbs) == {"get"}
        assert 100 < len(verbs) < 220
        assert not lines.b.is_leading()
        assert lines.b.status().holder == "a"
        waiting.cancel()
        await asyncio.wait([waiting])


@pytest.mark.behaviour("L6", "L7")
@pytest.mark.parametrize("ahead_s", [3600.0, -3600.0])
async def test_the_wall_clock_of_a_holder_decides_nothing(lines: Lines, ahead_s: float) -> None:
    """An hour off, and it is left alone as long as it renews; 15 s after its end is seen, it is taken over from."""
    context = copy_context()
    context.run(SKEW.set, Skew(ahead_s))
    await asyncio.create_task(lines.a.acquire(), context=context)
    task = asyncio.create_task(lines.a.hold(), context=context)
    waiting = asyncio.create_task(lines.b.acquire())
    await asyncio.sleep(120)
    assert not waiting.done()
    task.cancel()
    await asyncio.wait([task])
    last = clock.monotonic()
    await waiting
    assert 15.0 - 2.0 <= clock.monotonic() - last <= 15.0 + 4.4
    assert (lines.record.holder, lines.record.transitions) == ("b", 1)


@pytest.mark.behaviour("L3")
@pytest.mark.parametrize(("down_s", "kept"), [(9.0, True), (9.4, True), (10.0, False)])
async def test_an_outage_after_a_renewal_is_survived_for_almost_the_deadline(
    lines: Lines, down_s: float, kept: bool
) -> None:
    """Nine seconds down: kept. Ten: lost, at the tenth second and no later."""
    async with holding(lines.a) as task:
        await asyncio.sleep(20.1)  # a renewal was sent 0.1 s ago
        with lines.a_set.faults.outage(ALL):
            await asyncio.sleep(down_s - 0.1)
            still = lines.a.is_leading()
        await asyncio.sleep(1.0)
        assert (lines.a.is_leading(), not task.done(), still) == (kept, kept, kept)
        if not kept:
            with pytest.raises(LeadershipLost, match=r"no renewal succeeded within 10 s; the last error: .*503"):
                task.result()


@pytest.mark.behaviour("L3", "L16")
async def test_a_call_that_hangs_is_given_up_after_five_seconds(lines: Lines) -> None:
    """And the next try comes at once; the term ends in time all the same."""
    async with holding(lines.a) as task:
        await asyncio.sleep(1.0)
        calls(lines.a_set)
        lines.a_set.faults.delay(ALL, "1h", times=None)
        await asyncio.sleep(5.9)
        assert calls(lines.a_set) == ["update"]
        await asyncio.sleep(0.2)
        assert calls(lines.a_set) == ["get"]
        assert "no answer within 5 s" in lines.a.status().last_error
        await asyncio.sleep(2.89)
        assert lines.a.is_leading()
        await asyncio.sleep(0.02)
        assert not lines.a.is_leading()
        with pytest.raises(LeadershipLost, match=r"no answer within 0\.5 s"):
            await task


class Answering:
    """A transport of which a call, once told to, has another outcome."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.outcomes: list[bytes | Exception] = []

    async def do(self, action: Action) -> bytes:
        answer: bytes = await self.server.do(action)
        outcome = self.outcomes.pop(0) if self.outcomes else answer
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def watch(self, action: Action) -> Any:
        raise NotImplementedError


LEASE = b'{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"net","namespace":"default"},%b}'


@pytest.mark.behaviour("L3")
@pytest.mark.parametrize(
    "outcome",
    [
        b"<html>",
        b"",
        b'{"kind":"Status","status":"Failure","code":503}',
        b'{"kind":"Status","status":"Success"}',
        LEASE % b'"metadata":{"name":"net","labels":5}',
        LEASE % b'"spec":%b%b' % (b"[" * 2_000, b"]" * 2_000),
        ConfigError("the header Authorization cannot be sent"),
        ValueError("a bug"),
        OSError("a bug"),
    ],
    ids=str,
)
async def test_whatever_is_answered_to_a_renewal_it_is_tried_again(lines: Lines, outcome: bytes | Exception) -> None:
    """It is one try that failed, whatever it was; the next one renews, and the term goes on."""
    answering = Answering(lines.a_set)
    elector = Elector(Client(answering), KEY, identity="a")
    answering.outcomes = [outcome]
    async with holding(elector) as task:
        await asyncio.sleep(0.5)
        answering.outcomes = [outcome] * 2
        await asyncio.sleep(20.0)
        assert answering.outcomes == []
        assert elector.is_leading()
        assert not task.done()


ODD_SPECS = [
    b"5",
    b'"x"',
    b"[]",
    b"null",
    b'{"holderIdentity":{},"leaseDurationSeconds":1%b,"leaseTransitions":[]}' % (b"0" * 400),
    b'{"holderIdentity":"b","leaseDurationSeconds":1%b,"leaseTransitions":1%b}' % (b"0" * 400, b"0" * 400),
    b'{"holderIdentity":"a","leaseDurationSeconds":-1,"acquireTime":5,"renewTime":{}}',
]


@pytest.mark.behaviour("L4")
@pytest.mark.parametrize("spec", ODD_SPECS, ids=str)
async def test_a_lease_may_say_anything(lines: Lines, spec: bytes) -> None:
    """Who waits for it, and who holds it, goes by what of it makes sense, and by nothing else."""
    odd = LEASE % (b'"spec":' + spec)
    answering = Answering(lines.a_set)
    answering.outcomes = [odd] * 3
    elector = Elector(Client(answering), KEY, identity="a")
    async with asyncio.timeout(300):
        await elector.acquire()
    holding_on = asyncio.create_task(elector.hold())
    await asyncio.sleep(0.5)
    answering.outcomes = [odd]
    await asyncio.wait([holding_on], timeout=20.0)
    assert not holding_on.done() or isinstance(holding_on.exception(), LeadershipLost)
    holding_on.cancel()
    await asyncio.wait([holding_on])


class Deaf:
    """A transport of which a call, once told to, cannot even be cancelled."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.free = asyncio.Event()
        self.free.set()

    async def do(self, action: Action) -> bytes:
        while not self.free.is_set():
            with suppress(asyncio.CancelledError):
                await self.free.wait()
        answer: bytes = await self.server.do(action)
        return answer

    def watch(self, action: Action) -> Any:
        raise NotImplementedError


@pytest.mark.behaviour("L13")
async def test_whatever_hangs_nobody_leads_after_the_deadline(lines: Lines) -> None:
    """A call that ignores its cancellation holds up hold(); is_leading() is a moment, and the health check tells."""
    deaf = Deaf(lines.a_set)
    elector = Elector(Client(deaf), KEY, identity="a")
    async with holding(elector) as task:
        deaf.free.clear()
        await asyncio.sleep(9.9)
        assert elector.is_leading()
        await asyncio.sleep(0.2)
        assert not elector.is_leading()
        assert elector.check() == ""
        await asyncio.sleep(5.0)
        assert elector.check() == "lease default/net: won, and neither renewed nor given up for 15.1 s"
        assert not task.done()
        deaf.free.set()
        with pytest.raises(LeadershipLost):
            await task
        assert elector.check() == ""


@pytest.mark.behaviour("L13")
async def test_a_lease_that_was_won_and_is_not_held_is_unhealthy(lines: Lines) -> None:
    """Its owner forgot hold()."""
    await lines.a.acquire()
    await asyncio.sleep(15.0)
    assert lines.a.check() == ""
    await asyncio.sleep(0.1)
    assert "neither renewed nor given up" in lines.a.check()
    with pytest.raises(LeadershipLost):
        await lines.a.hold()
    assert lines.a.check() == ""


@pytest.mark.behaviour("L6")
async def test_who_restarts_under_its_own_name_goes_on_at_once(lines: Lines) -> None:
    """No wait, and no transition."""
    await lines.a.acquire()
    again = Elector(lines.b_set.client, KEY, identity="a")
    await again.acquire()
    assert calls(lines.b_set) == ["get", "update"]
    assert (clock.monotonic(), lines.record.transitions) == (0.0, 0)


@pytest.mark.behaviour("L5", "L6")
@pytest.mark.parametrize("verb", ["create", "update"])
async def test_a_claim_whose_reply_was_lost_is_found_to_be_ours(lines: Lines, verb: str) -> None:
    """By a read at the next try; nothing is counted twice, and nobody waits for a lease to run out."""
    lines.a_set.faults.lose_reply(Calls(verb, LEASES))
    async with holding(lines.a):
        await asyncio.sleep(10.0)
        assert lines.a.is_leading()
        assert calls(lines.a_set).count("create") == 1
    assert lines.record.transitions == 0
    assert lines.a.status().slow_paths == (verb == "update")


@pytest.mark.behaviour("L3", "L6")
async def test_a_conflict_in_a_renewal_is_looked_into_at_once(lines: Lines) -> None:
    """Somebody put a label on the Lease: it stays, and the term goes on."""
    async with holding(lines.a):
        lease = lines.a_set.tracker.get(LEASES, KEY)
        lease["metadata"]["labels"] = {"team": "x"}
        lines.a_set.tracker.update(LEASES, lease)
        calls(lines.a_set)
        await asyncio.sleep(2.1)
        assert calls(lines.a_set) == ["update", "get", "update"]
        assert lines.a.is_leading()
    assert lines.a_set.tracker.get(LEASES, KEY).metadata.labels == {"team": "x"}


@pytest.mark.behaviour("L6", "M5")
async def test_a_holder_that_finds_another_has_lost(lines: Lines) -> None:
    """At its next renewal, not at its deadline; it writes nothing into the other's lease."""
    async with holding(lines.a) as task:
        lease = lines.a_set.tracker.get(LEASES, KEY)
        lines.a_set.tracker.update(LEASES, lines.record.claimed("thief", LeaseTimes(), clock.now()).within(lease))
        await asyncio.sleep(2.1)
        with pytest.raises(LeadershipLost, match="hold lease default/net as a: the lease is held by thief; stop what"):
            task.result()
    assert lines.record.holder == "thief"


async def test_hold_needs_a_lease_that_was_acquired(lines: Lines) -> None:
    """Else it says so at once; the same after a release."""
    with pytest.raises(LeadershipLost, match="not acquired"):
        await lines.a.hold()
    async with holding(lines.a) as task:
        await asyncio.sleep(1.0)
        await lines.a.release()
        with pytest.raises(LeadershipLost, match="released meanwhile"):
            await task


async def test_hold_may_be_cancelled_and_go_on(lines: Lines) -> None:
    """Even in the middle of a renewal, of which nobody then knows whether it was carried out."""
    lines.a_set.faults.delay(WRITES, 1.0)
    async with holding(lines.a):
        await asyncio.sleep(2.5)
    async with holding(lines.a):
        await asyncio.sleep(30.0)
        assert lines.a.is_leading()


async def test_what_failed_is_told_once_and_forgotten_when_it_works(lines: Lines) -> None:
    """A namespace that is not there yet, for instance."""
    elector = Elector(lines.a_set.client, ObjectKey("later", "net"), identity="a")
    with capture_logs() as logs:
        waiting = asyncio.create_task(elector.acquire())
        await asyncio.sleep(30.0)
        assert 'namespaces "later" not found' in elector.status().last_error
        lines.a_set.tracker.create(NAMESPACES, {"metadata": {"name": "later"}})
        await waiting
    assert elector.status().last_error == ""
    written = [entry["event"] for entry in logs if entry["log_level"] != "debug"]
    assert written == ["lease_not_reached", "leader_seen", "leadership_acquired"]


# ---- to release ------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("L8", "L11")
async def test_a_released_lease_is_taken_with_the_next_try(lines: Lines) -> None:
    """It names nobody, for one second, and is one transition further on when taken."""
    async with holding(lines.a):
        waiting = asyncio.create_task(lines.b.acquire())
        await asyncio.sleep(20.0)
    calls(lines.a_set)
    assert await lines.a.release()
    assert not lines.a.is_leading()
    assert calls(lines.a_set) == ["get", "update"]
    assert (lines.record.holder, lines.record.duration_s, lines.record.transitions) == ("", 1, 0)
    released_at = clock.monotonic()
    await waiting
    assert clock.monotonic() - released_at <= 4.4
    assert (lines.record.holder, lines.record.transitions) == ("b", 1)


@pytest.mark.behaviour("L12", "B3")
async def test_the_lease_of_another_is_never_blanked(lines: Lines) -> None:
    """A is cut off, B takes over, A is back and releases what it last saw as its own: B keeps it."""
    async with holding(lines.a) as task:
        lines.a_set.faults.outage(ALL)
        async with holding(lines.b):
            await asyncio.wait([task])
            lines.a_set.faults.clear()
            assert lines.a.status().holder == "a"
            assert not await lines.a.release()
            assert lines.record.holder == "b"
            await asyncio.sleep(30.0)
            assert lines.b.is_leading()
            assert lines.b.status().slow_paths == 0


@pytest.mark.behaviour("L12", "B3")
async def test_a_release_that_meets_a_takeover_on_its_way_is_refused(lines: Lines) -> None:
    """The write bears the version that was read, so what happens between the two is safe."""
    await lines.a.acquire()

    async def taken_over(action: Action, call_next: Callable[[Action], Awaitable[bytes]]) -> bytes:
        if action.verb is Verb.UPDATE:
            lease = lines.a_set.tracker.get(LEASES, KEY)
            lines.a_set.tracker.update(LEASES, lines.record.claimed("b", LeaseTimes(), clock.now()).within(lease))
        return await call_next(action)

    lines.a_set.intercept(taken_over)
    assert await lines.a.release(), "it was sent, and is not ours any more"
    assert lines.record.holder == "b"


@pytest.mark.behaviour("L11")
async def test_a_conflict_leads_to_another_try_at_once(lines: Lines) -> None:
    """As TestReleaseOnCancellation_Leases has it."""
    await lines.a.acquire()
    calls(lines.a_set)
    lines.a_set.faults.fail(WRITES, Conflict("it changed"))
    assert await lines.a.release()
    assert calls(lines.a_set) == ["get", "update", "get", "update"]
    assert clock.monotonic() == 0.0
    assert lines.record.holder == ""


@pytest.mark.behaviour("L11")
@pytest.mark.parametrize("error", [InternalError("boom"), TooManyRequests("slow down")])
async def test_a_server_in_need_is_asked_again_within_the_deadline(lines: Lines, error: Any) -> None:
    """After a retry period each time."""
    await lines.a.acquire()
    lines.a_set.faults.fail(READS, error, times=2)
    assert await lines.a.release()
    assert clock.monotonic() == 4.0


@pytest.mark.behaviour("L11")
async def test_a_release_whose_reply_was_lost_has_released(lines: Lines) -> None:
    """The next read shows it."""
    await lines.a.acquire()
    lines.a_set.faults.lose_reply(WRITES)
    assert await lines.a.release()
    assert lines.record.holder == ""


@pytest.mark.behaviour("L11")
async def test_a_release_ends_within_the_renew_deadline(lines: Lines) -> None:
    """Whatever the server does; it says that it did not work, and raises nothing."""
    await lines.a.acquire()
    lines.a_set.faults.delay(ALL, "1h", times=None)
    with capture_logs() as logs:
        assert not await lines.a.release()
    assert clock.monotonic() == 10.0
    assert [entry["event"] for entry in logs] == ["lease_not_released"]


@pytest.mark.behaviour("L11")
async def test_a_release_that_is_forbidden_is_not_tried_again(lines: Lines) -> None:
    """It will not be allowed a little later."""
    await lines.a.acquire()
    lines.a_set.faults.fail(READS, Forbidden("no role"))
    with capture_logs() as logs:
        assert not await lines.a.release()
    assert clock.monotonic() == 0.0
    assert "no role" in logs[0]["error"]


async def test_a_lease_that_is_gone_needs_no_release(lines: Lines) -> None:
    """Somebody deleted it."""
    await lines.a.acquire()
    lines.a_set.tracker.delete(LEASES, KEY)
    assert not await lines.a.release()


@pytest.mark.parametrize("is_gone", [False, True])
async def test_who_has_given_up_asks_nobody_again(lines: Lines, is_gone: bool) -> None:
    """The lease bears another name by then, or is not there."""
    await lines.a.acquire()
    if is_gone:
        lines.a_set.tracker.delete(LEASES, KEY)
    await lines.a.release()
    calls(lines.a_set)
    assert not await lines.a.release()
    assert calls(lines.a_set) == []


async def test_who_finds_the_lease_of_another_has_given_up_too(lines: Lines) -> None:
    """It lost the lease, and asks for it once more only."""
    await lines.a.acquire()
    lines.a_set.tracker.patch(LEASES, KEY, MergePatch({"spec": {"holderIdentity": "b"}}))
    assert not await lines.a.release()
    calls(lines.a_set)
    assert not await lines.a.release()
    assert calls(lines.a_set) == []


async def test_who_never_claimed_asks_nobody(lines: Lines) -> None:
    """A stop before the first try, or while another leads."""
    assert not await lines.b.release()
    async with holding(lines.a):
        waiting = asyncio.create_task(lines.b.acquire())
        await asyncio.sleep(5.0)
        waiting.cancel()
        await asyncio.wait([waiting])
        calls(lines.b_set)
        assert not await lines.b.release()
    assert calls(lines.b_set) == []


@pytest.mark.behaviour("L11")
async def test_a_claim_that_was_cancelled_on_its_way_is_given_up_too(lines: Lines) -> None:
    """The server carried it out, and nobody heard."""
    lines.a_set.faults.lose_reply(Calls("create", LEASES))
    waiting = asyncio.create_task(lines.a.acquire())
    await asyncio.sleep(1.0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert lines.record.holder == "a"
    assert await lines.a.release()
    assert lines.record.holder == ""


# ---- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("L9", "L10", "L15")
async def test_the_beginning_and_the_end_of_a_term_are_noted(lines: Lines) -> None:
    """For Events on the Lease; and who leads is logged, on first sight too, also by the leader itself."""
    notes: list[tuple[str, str]] = []
    elector = Elector(lines.a_set.client, KEY, identity="a", note=lambda *note: notes.append(note))
    with capture_logs() as logs:
        async with holding(elector):
            await asyncio.sleep(5.0)
        await elector.release()
        async with holding(elector) as task:
            lines.a_set.faults.outage(ALL)
            await asyncio.wait([task])
    assert lines.record.holder == "a", "a lost lease is not given up by itself (L10)"
    became, stopped = ("LeaderElection", "a became leader"), ("LeaderElection", "a stopped leading")
    assert notes == [became, stopped, became, stopped]
    told = [(entry["event"], entry.get("holder")) for entry in logs if entry["log_level"] != "debug"]
    assert told == [
        ("leader_seen", "a"),
        ("leadership_acquired", None),
        ("lease_released", None),
        ("leader_seen", "a"),
        ("leadership_acquired", None),
        ("lease_not_reached", None),  # by the renewal
        ("lease_not_reached", None),  # by the read after it; the same error again is not told again
        ("leadership_lost", None),
    ]


@pytest.mark.behaviour("L13")
async def test_the_status_says_it_all(lines: Lines) -> None:
    """Of a leader, and of one that looks on."""
    async with holding(lines.a):
        waiting = asyncio.create_task(lines.b.acquire())
        await asyncio.sleep(7.0)
        a, b = lines.a.status(), lines.b.status()
        assert (a.name, a.identity, a.holder, a.leading, a.renewed_s_ago) == ("net", "a", "a", True, 1.0)
        assert (b.identity, b.holder, b.leading, b.renewed_s_ago) == ("b", "a", False, None)
        assert (b.since, b.transitions, b.last_error) == ("2026-01-01T00:00:00.000000Z", 0, "")
        waiting.cancel()
        await asyncio.wait([waiting])


@pytest.mark.behaviour("L1", "L16")
def test_an_identity_is_needed(lines: Lines) -> None:
    """An empty one is that of a free lease."""
    with pytest.raises(ValueError, match="identity must not be empty"):
        Elector(lines.a_set.client, KEY, identity="")
