"""
The parts that run in a world: each has a task, a wall clock, and perhaps a Transport with faults of its own.

A crashed process sends nothing more: after `PartTransport.cut()` no call of that part reaches the server.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

import msgspec

from ctrlkit.controller.observer import OBSERVER
from ctrlkit.errors import CtrlkitError, Forbidden, Unreachable
from ctrlkit.failures import UNFORESEEN, leaves
from ctrlkit.fakes.clientset.clientset import FakeClientset, write_of
from ctrlkit.fakes.clientset.faults import Faults
from ctrlkit.fakes.loop import SKEW, Skew
from ctrlkit.fakes.rights import asked_by
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.callers import ADMINISTRATOR, User, act_as
from ctrlkit.fakes.tracker.callers import caller as server_caller
from ctrlkit.fakes.tracker.kinds.registry import Registry
from ctrlkit.fakes.tracker.rights.attributes import Attributes, of_action
from ctrlkit.fakes.tracker.verbs.promise import Body
from ctrlkit.fakes.world.trace import PART, TEST, Changed, Trace, caller
from ctrlkit.fakes.world.unforeseen import UnforeseenFailures
from ctrlkit.manager import Build, Manager
from ctrlkit.model import Action, AnyResource, Lines, ObjectKey, Options
from ctrlkit.model.streams import Connection, StreamTransport

T = TypeVar("T")

_RBAC = "rbac.authorization.k8s.io"
_OF_CACHES = ("list", "watch")
_CHANGES: ContextVar[list[Changed] | None] = ContextVar("fakes_changes_of_a_call", default=None)


class PartTransport:
    """
    A Transport between one part of a world and its server; `faults` affect this part alone.

    With the `kinds` of the server it notes what the part asked for, in `asked`, and what roles do not allow it, in
    `refused`.
    """

    def __init__(self, server: StreamTransport, trace: Trace, *, kinds: Registry | None = None) -> None:
        self.faults: Faults = Faults(kinds)
        self.streams_lists: bool = bool(getattr(server, "streams_lists", True))  # as the client asks its Transport
        self._server = server
        self._trace = trace
        self._is_cut = False
        self._kinds = kinds
        self.asked: set[Attributes] = set()
        self.refused: dict[Attributes, None] = {}

    def cut(self) -> None:
        """Fail every call from now on."""
        self._is_cut = True

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch (Transport)."""
        changes: list[Changed] = []
        error: CtrlkitError | None = None
        answer = b""
        token, skew = _CHANGES.set(changes), SKEW.set(None)  # the server has a clock of its own
        try:
            answer = await self.faults.intercept(action, self._perform)
            return answer
        except CtrlkitError as caught:
            error = caught
            raise
        finally:
            _CHANGES.reset(token)
            SKEW.reset(skew)
            if self._kinds is not None:
                self._note(action, made=any(change.how == "created" for change in changes), answer=answer)
            if error is not None or action.verb.writes:
                self._trace.called(write_of(action), error, changes=tuple(changes))

    def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        """Open a watch (Transport)."""
        self._check()
        self._note(action)
        return self.faults.intercept_watch(action, self._watch)

    @asynccontextmanager
    async def read(self, action: Action) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a log (StreamTransport)."""
        self._check()
        self._note(action)
        async with self._server.read(action) as pieces:
            yield pieces

    @asynccontextmanager
    async def connect(self, action: Action, protocols: Sequence[str]) -> AsyncIterator[Connection]:
        """Open a connection with channels (StreamTransport)."""
        self._check()
        self._note(action)
        async with self._server.connect(action, protocols) as connection:
            yield connection

    async def _perform(self, action: Action) -> bytes:
        if self._is_cut:
            self._check()
        try:
            return await self._server.do(action)
        except Forbidden as refusal:
            self._note_refusal(action, refusal)
            raise

    @asynccontextmanager
    async def _watch(self, action: Action) -> AsyncIterator[Lines]:
        try:
            async with self._server.watch(action) as lines:
                yield lines
        except Forbidden as refusal:
            self._note_refusal(action, refusal)
            raise

    def _note(self, action: Action, *, made: bool = False, answer: bytes = b"") -> None:
        if self._kinds is not None:
            self.asked.update(self._asked_by(action, made=made, answer=answer))

    def _asked_by(self, action: Action, *, made: bool, answer: bytes = b"") -> Iterator[Attributes]:
        is_role = answer and action.resource.group == _RBAC and action.verb.writes
        written = msgspec.json.decode(answer) if is_role else None
        return asked_by(action, made=made, find_plural=self._find_plural, written=written)

    def _find_plural(self, api_version: str, kind: str) -> tuple[str, str] | None:
        served = self._kinds.find_kind(api_version, kind) if self._kinds is not None else None
        return None if served is None else served.resource.identity

    def _note_refusal(self, action: Action, refusal: Forbidden) -> None:
        if self._kinds is not None and isinstance(self._server, FakeClientset) and self._server.has_rbac:
            self.refused.update(dict.fromkeys(self._not_allowed(action, refusal.message, self._server)))

    def _not_allowed(self, action: Action, said: str, server: FakeClientset) -> list[Attributes]:
        """What roles do not allow of what the action asks for: nothing if it was refused for another reason."""
        user, call = server_caller(), of_action(action)
        if server.refusal(user, call) is not None:
            return [call]
        besides = self._asked_by(action, made=True)
        asked = (one for one in besides if one.subresource != "finalizers" or "blockOwnerDeletion" in said)
        return [one for one in asked if server.refusal(user, one) is not None]

    def may_not_watch(self, kinds: Collection[tuple[str, str]], user: User) -> bool:
        """Whether roles still refuse the list or watch of a kind that was tried; what lacks is in `refused` then."""
        tried = [one for one in self.refused if one.verb in _OF_CACHES and (one.group, one.resource) in kinds]
        if not tried or not isinstance(self._server, FakeClientset):
            return False
        both = (replace(one, verb=verb) for one in tried for verb in _OF_CACHES)
        lacking = [one for one in both if self._server.refusal(user, one) is not None]
        self.refused.update(dict.fromkeys(lacking))
        return bool(lacking)

    def _check(self) -> None:
        if self._is_cut:
            raise Unreachable("the part that calls has crashed")


class ClusterTransport(PartTransport):
    """The way of the cluster's own loops to the server: neither faults nor a record of calls are in it."""

    def __init__(self, tracker: Tracker, trace: Trace) -> None:
        super().__init__(tracker, trace)
        self.streams_lists = False
        self._tracker = tracker

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch (Transport)."""
        if self._is_cut:
            self._check()
        error: CtrlkitError | None = None
        skew = SKEW.set(None)  # the server has a clock of its own
        self._trace.catch_up()
        try:
            return await self._tracker.do_own(action)  # the client has copied the body
        except CtrlkitError as caught:
            error = caught
            raise
        finally:
            SKEW.reset(skew)
            if error is not None or action.verb.writes:
                self._trace.called(write_of(action), error, changes=self._trace.changes_of_call())

    def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        """Open a watch (Transport)."""
        self._check()
        return self._tracker.watch(action)

    def promise(self, resource: AnyResource, key: ObjectKey, body: Body[T], facts: T, *, options: Options) -> bool:
        """Create an Event of which the body is made when somebody looks at it; False: it is to be created now."""
        if self._is_cut:
            return False
        skew = SKEW.set(None)  # as in `do`
        try:
            self._trace.catch_up()
            made = self._tracker.promise(resource, key, body, facts, options=options)
        finally:
            SKEW.reset(skew)
        if made is None:
            return False
        self._trace.promised(resource, made)
        return True


class TestClientTransport:
    """
    A Transport for the test's own client, whose calls the clientset does not record.

    It records the calls that a part makes with it: a controller may have been built with this client.
    """

    def __init__(self, clientset: FakeClientset) -> None:
        self.streams_lists: bool = clientset.streams_lists
        self._clientset = clientset

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch (Transport)."""
        perform = self._clientset.do_unrecorded if caller() == TEST else self._clientset.do
        return await perform(action)

    def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        """Open a watch (Transport)."""
        return (self._clientset.watch_unrecorded if caller() == TEST else self._clientset.watch)(action)

    @asynccontextmanager
    async def read(self, action: Action) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a log (StreamTransport)."""
        server = self._clientset.tracker if caller() == TEST else self._clientset
        async with server.read(action) as pieces:
            yield pieces

    @asynccontextmanager
    async def connect(self, action: Action, protocols: Sequence[str]) -> AsyncIterator[Connection]:
        """Open a connection with channels (StreamTransport)."""
        server = self._clientset.tracker if caller() == TEST else self._clientset
        async with server.connect(action, protocols) as connection:
            yield connection


async def note_changes(trace: Trace, action: Action, call_next: Callable[[Action], Awaitable[bytes]]) -> bytes:
    """Attribute what a call changes to its caller, as the innermost interceptor of a clientset."""
    trace.catch_up()
    try:
        return await call_next(action)
    finally:
        changes = trace.changes_of_call()
        noted = _CHANGES.get()
        if noted is not None:
            noted.extend(changes)
        elif changes:  # a client that a test made over the clientset itself
            trace.called(write_of(action), None, changes=changes)


class Part(Protocol):
    """Anything that runs in a world: a Manager, a Cluster, a Controller, a loop of the test's own."""

    async def run(self) -> None:
        """Run until cancelled."""
        ...

    def busy(self) -> tuple[str, ...]:
        """Describe the work that is not done yet; empty when idle."""
        ...


@dataclass(frozen=True, slots=True)
class RunningPart:
    """A running part. `restart` starts another one like it, for parts that the world made itself."""

    name: str
    task: asyncio.Task[None]
    skew: Skew
    context: contextvars.Context
    transport: PartTransport | None = None
    restart: Callable[[], Manager] | None = None

    @classmethod
    def begin(
        cls,
        part: Part,
        name: str,
        trace: Trace,
        unforeseen: UnforeseenFailures,
        *,
        transport: PartTransport | None = None,
        restart: Callable[[], Manager] | None = None,
        user: User = ADMINISTRATOR,
    ) -> Self:
        """
        Start a part, whose calls are those of a user.

        The trace shows its actions under its name, and its unforeseen failures are recorded.
        """
        skew = Skew()
        context = contextvars.copy_context()
        context.run(PART.set, name)
        context.run(SKEW.set, skew)
        context.run(OBSERVER.set, trace)
        context.run(UNFORESEEN.set, unforeseen.record)
        context.run(act_as, user)
        task = asyncio.get_running_loop().create_task(_run(part), name=f"world:{name}", context=context)
        return cls(name, task, skew, context, transport, restart)

    async def end(self) -> None:
        """Cancel the part and wait for its end."""
        self.task.cancel()
        await asyncio.wait([self.task])

    def note_failure(self) -> None:
        """Retrieve the exception, so that asyncio does not log it as never retrieved."""
        if self.task.done() and not self.task.cancelled():
            self.task.exception()

    def is_kept_cold(self, manager: Manager) -> bool:
        """Whether the manager that runs has caches that wait for rights."""
        cold = {each.resource.identity for each in manager.informers if not each.has_synced()}
        return (
            bool(cold)
            and self.transport is not None
            and self.transport.may_not_watch(cold, self.context.run(server_caller))
        )

    def raise_failure(self, *, known: type[Exception] | tuple[()] = ()) -> None:
        """Raise the exception that ended the part, if there is one, and it is not of a kind that is known."""
        task = self.task
        error = task.exception() if task.done() and not task.cancelled() else None
        if error is not None and not all(isinstance(leaf, known) for leaf in leaves(error)):
            raise error


async def _run(part: Part) -> None:
    await part.run()


def default_field_manager(builds: Sequence[Build]) -> str:
    """Return the field manager of a program with these builds: the module of the first one."""
    first: object = builds[0] if builds else None
    while isinstance(first, functools.partial):
        first = first.func
    return str(getattr(first, "__module__", "") or "manager")
