"""
Leader election for one candidate: acquire a Lease, hold it, release it.

In      A Client; calls to `acquire`, `hold` and `release`, one at a time.
Out     `is_leading`: whether whoever asks may act now. Words for health checks, metrics and Events.
Owns    The ElectionState (state.py), which decides everything; here its steps are carried out. No task: `acquire` and
        `hold` run in that of their caller, who cancels them.

Nothing here calls back. The owner starts its work when `acquire` returns, keeps `hold` running for as long as the work
does, the time of its shutdown included, and releases last:

    await elector.acquire()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(elector.hold())       # LeadershipLost ends the work with it
        ...                                     # work; then cancel hold()
    await elector.release()

Rows L1 to L13, L15, L16; B2, B3.
"""

from __future__ import annotations

import asyncio
import platform
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from ctrlkit import clock
from ctrlkit.client import Client
from ctrlkit.election.lease import LeaseRecord, LeaseTimes
from ctrlkit.election.state import Claim, ElectionState, Lost, ReadLease, Step, Wait
from ctrlkit.errors import AlreadyExists, ApiError, ConfigError, Conflict, CtrlkitError, NotFound, TimedOut
from ctrlkit.failures import FailureLog, without_numbers
from ctrlkit.model import ObjectKey, ObjectMeta, Unstructured, Verb
from ctrlkit.model.kinds import LEASES
from ctrlkit.telemetry import logger

T = TypeVar("T")

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
REASON: Final = "LeaderElection"
"""The reason of Events about a Lease."""


def default_identity() -> str:
    """
    Make a name that no other process has, this one's next start included: `hostname_uuid`.

    Two that run at once under one name would both believe to hold the lease. So a name that a restarted pod shares with
    the one before it, such as that of a StatefulSet's pod, is only safe where the old process has certainly ended.
    """
    return f"{platform.node()}_{uuid.uuid4()}"


def pod_namespace(file: Path = _NAMESPACE_FILE) -> str:
    """Read the namespace of the pod this runs in from its service account; ConfigError outside a pod."""
    try:
        namespace = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"find the namespace for the lease: {file} cannot be read; say which namespace to use "
            f"[{error.strerror or type(error).__name__}]"
        ) from error
    if not namespace:
        raise ConfigError(f"find the namespace for the lease: {file} is empty; say which namespace to use")
    return namespace


class LeadershipLost(CtrlkitError):
    """The lease is lost, or must be assumed to be soon: whatever needs it has to stop at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectionStatus:
    """
    What one candidate knows of its election, for debug pages and metrics.

    `holder` and `transitions` are as the Lease said when it was seen last, `since` when that holder took it, as a text
    by the holder's own clock. `renewed_s_ago` is the age of this candidate's last renewal, None without a term. The
    counts are those of ElectionState.
    """

    name: str
    identity: str
    holder: str
    leading: bool
    since: str
    transitions: int
    renewed_s_ago: float | None
    last_error: str
    slow_paths: int
    failed_renewals: int
    changes_of_holder: int


class Elector:
    """
    A candidate for one Lease.

        elector = Elector(client, ObjectKey("demo", "net-controller"), identity=default_identity())

    Shape   `identity` is shared with no other candidate that runs. `note(reason, message)` is told when a term begins
            and ends; the manager sets it where nobody has, and makes Events of it. `labels` are those of a Lease that
            this candidate makes new.
    Errors  LeadershipLost from `hold`; RuntimeError from `acquire` and `hold` while another task is in one of them.
            Failures of the server are logged, seen in `status`, and tried again.
    Owner   One task at a time, on one event loop: whoever acts by the lease.
    """

    def __init__(
        self,
        client: Client,
        lease: ObjectKey,
        *,
        identity: str,
        times: LeaseTimes = LeaseTimes(),  # noqa: B008 - a frozen value
        note: Callable[[str, str], None] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        if not identity:
            raise ValueError(f"Elector of {lease}: identity must not be empty, as that of a free lease is")
        self.lease = lease
        """The Lease's key."""
        self.identity = identity
        """The name of this candidate."""
        self.times = times
        """The times of the election."""
        self._client = client
        self.note = note
        """Told when a term begins and ends, with a reason and a message."""
        self._state = ElectionState(lease, identity=identity, times=times, labels=labels)
        self._log = logger("election", lease=str(lease), identity=identity)
        self._failures = FailureLog(self._log)
        self._is_used = False

    # ---- the three things to do --------------------------------------------------------------------------------------

    async def acquire(self) -> None:
        """Wait until this candidate holds the lease, for as long as it takes; return at once if it does."""
        if self.is_leading():
            return
        with self._one_owner("acquire"):
            while not self.is_leading():
                step = self._next_step()
                if isinstance(step, Lost):
                    self._ended(step.why)
                else:
                    await self._carry_out(step)
        self._log.info("leadership_acquired", transitions=self._state.record.transitions)
        self._tell("became leader")

    async def hold(self) -> None:
        """
        Renew the lease for ever; raise LeadershipLost when it is lost, or no renewal succeeded in time.

        Cancelled, it leaves the lease as it is: held for `renew_s` at most, until `release`, or until `hold` goes on.
        """
        if self._state.term is None:
            raise self._lost("it was not acquired, or has been released")
        with self._one_owner("hold"):
            while True:
                match self._next_step():
                    case Lost(why):
                        self._ended(why)
                        raise self._lost(why)
                    case step:
                        await self._carry_out(step)
                        if self._state.term is None:
                            raise self._lost("it was released meanwhile")

    async def release(self) -> bool:
        """
        Give the lease up, if the server says that it is ours; returns whether that was done.

        It takes no longer than `renew_s`. It returns False where the lease was not ours, and where the server failed:
        the log says why, and the lease runs out by itself. `is_leading` is false from the first moment on.
        """
        was_leading = self._state.term is not None
        self._state.resign(clock.monotonic())
        released = False
        if self._state.has_claimed:
            try:
                async with asyncio.timeout(self.times.renew_s):
                    released = await self._clear_holder()
            except TimeoutError:
                self._log.warning("lease_not_released", error=f"not done within {self.times.renew_s:g} s")
        if was_leading:
            self._tell("stopped leading")
        return released

    def observe(self, lease: Mapping[str, Any]) -> None:
        """
        Note the Lease as a list showed it just now, while this candidate does not compete for it.

        A candidate that has observed a Lease waits less when it takes it over from a holder that vanished.
        """
        self._state.observed(lease, clock.monotonic())

    # ---- what others may ask -----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The Lease's name."""
        return self.lease.name

    @property
    def meta(self) -> ObjectMeta:
        """The Lease as it was seen last, for Events about it; its name alone before that."""
        return self._state.meta

    def is_leading(self) -> bool:
        """Whether this candidate may act now; false once the renew deadline has passed, whatever hangs."""
        return self._state.is_leading(clock.monotonic())

    def status(self) -> ElectionStatus:
        """Return a snapshot."""
        state, record = self._state, self._state.record
        return ElectionStatus(
            name=self.name,
            identity=self.identity,
            holder=record.holder,
            leading=self.is_leading(),
            since=record.acquired if record.holder else "",
            transitions=record.transitions,
            renewed_s_ago=None if state.term is None else clock.monotonic() - state.term.renewed_at,
            last_error=state.last_error,
            slow_paths=state.slow_paths,
            failed_renewals=state.failed_renewals,
            changes_of_holder=state.changes_of_holder,
        )

    def check(self) -> str:
        """
        Return "" when healthy, else why not: this candidate holds the lease, and nothing renews or releases it.

        That cannot happen while `hold` runs, so the event loop, or the owner, hangs.
        """
        term = self._state.term
        if term is None:
            return ""
        age_s = clock.monotonic() - term.renewed_at
        if age_s <= self.times.lease_s:
            return ""
        return f"lease {self.lease}: won, and neither renewed nor given up for {age_s:.1f} s"

    # ---- carrying out ------------------------------------------------------------------------------------------------

    @contextmanager
    def _one_owner(self, verb: str) -> Iterator[None]:
        """Two tasks that renew one lease would both act by it."""
        if self._is_used:
            raise RuntimeError(f"{verb} lease {self.lease}: another task does so with this Elector; give each its own")
        self._is_used = True
        try:
            yield
        finally:
            self._is_used = False

    def _next_step(self) -> Step:
        return self._state.step(clock.monotonic(), wall=clock.now(), chance=clock.random_source())

    async def _carry_out(self, step: ReadLease | Claim | Wait) -> None:
        changes = self._state.changes_of_holder
        failures = self._state.failures
        failure: Exception | None = None
        try:
            match step:
                case Wait(until):
                    await asyncio.sleep(until - clock.monotonic())
                case ReadLease():
                    await self._read()
                case Claim():
                    await self._send(step)
        except CtrlkitError as error:
            self._state.failed(str(error))
            failure = error
        except Exception as error:  # noqa: BLE001 - whatever fails on the way to the server is a try that failed
            self._state.failed(repr(error))
            failure = error
        if self._state.changes_of_holder != changes:
            self._log.info("leader_seen", holder=self._state.record.holder)
        if self._state.failures != failures:
            self._tell_failure(failure)
        elif not self._state.last_error:
            self._failures.forget("")

    def _tell_failure(self, failure: Exception | None) -> None:
        """A try failed: with an exception, or because others write the Lease at the same time, again and again."""
        leading, error = self.is_leading(), self._state.last_error
        if failure is None:
            self._failures.say("lease_not_reached", "", what=without_numbers(error), leading=leading, error=error)
        else:
            self._failures.tell("lease_not_reached", failure, about="", leading=leading)

    async def _read(self) -> None:
        try:
            lease = await self._within_limit(self._client.get(LEASES, self.lease))
        except NotFound:
            self._state.missing()
        else:
            self._state.found(lease, clock.monotonic())

    async def _send(self, claim: Claim) -> None:
        try:
            lease = await self._within_limit(self._write(claim))
        except (Conflict, AlreadyExists, NotFound) as error:
            self._state.moved_on(str(error))
        else:
            self._state.carried_out(claim, lease, clock.monotonic())

    def _write(self, claim: Claim) -> Awaitable[Unstructured]:
        if claim.verb is Verb.CREATE:
            return self._client.create(LEASES, claim.lease)
        return self._client.update(LEASES, claim.lease)

    async def _within_limit(self, call: Awaitable[T]) -> T:
        """No call may outlast its limit, or the term."""
        limit_s = self._state.limit_s(clock.monotonic())
        try:
            async with asyncio.timeout(limit_s):
                return await call
        except TimeoutError:
            raise TimedOut(f"reach lease {self.lease}: no answer within {limit_s:.3g} s; it is tried again") from None

    async def _clear_holder(self) -> bool:
        sent = False
        pause_s = 0.0
        while True:
            try:
                lease = await self._within_limit(self._client.get(LEASES, self.lease))
                record = LeaseRecord.of(lease)
                if record.holder != self.identity:
                    self._state.given_up()
                    return sent
                sent = True
                await self._within_limit(self._client.update(LEASES, record.released(clock.now()).within(lease)))
            except NotFound:
                self._state.given_up()
                return sent
            except Conflict:
                pass
            except CtrlkitError as error:
                if isinstance(error, ApiError) and not _may_pass(error):
                    self._log.warning("lease_not_released", error=str(error))
                    return False
                pause_s = self.times.retry_s
            else:
                self._state.given_up()
                self._log.info("lease_released")
                return True
            await asyncio.sleep(pause_s)
            pause_s = self.times.retry_s

    def _ended(self, why: str) -> None:
        self._log.warning("leadership_lost", why=why)
        self._tell("stopped leading")

    def _lost(self, why: str) -> LeadershipLost:
        return LeadershipLost(
            f"hold lease {self.lease} as {self.identity}: {why}; stop what needs it at once, and start anew"
        )

    def _tell(self, what: str) -> None:
        if self.note is not None:
            self.note(REASON, f"{self.identity} {what}")


def _may_pass(error: ApiError) -> bool:
    """Whether a refusal may be another answer a little later."""
    return error.code == 429 or error.code >= 500
