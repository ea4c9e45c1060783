"""
A part's way to the server: its own faults, its own end, and the trace of what it calls.

A process that crashed sends nothing any more: after `sever()` whatever is left of a part reaches no server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

from ctrlkit.errors import CtrlkitError, Unreachable
from ctrlkit.fakes.clientset.clientset import FakeClientset, write_of
from ctrlkit.fakes.clientset.faults import Faults
from ctrlkit.fakes.loop import SKEW
from ctrlkit.fakes.world.trace import TEST, Changed, Trace, caller
from ctrlkit.model import Action, Lines, Transport

_CHANGES: ContextVar[list[Changed] | None] = ContextVar("fakes_changes_of_a_call", default=None)


class Line:
    """A Transport between one part of a world and the server; `faults` are those of this way alone."""

    def __init__(self, server: Transport, trace: Trace) -> None:
        self.faults = Faults()
        self.streams_lists = bool(getattr(server, "streams_lists", True))  # as the client asks its Transport (row R23)
        self._server = server
        self._trace = trace
        self._severed = False

    def sever(self) -> None:
        """Let nothing through from now on."""
        self._severed = True

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch (Transport)."""
        changes: list[Changed] = []
        error: CtrlkitError | None = None
        token, skew = _CHANGES.set(changes), SKEW.set(None)  # the server has a clock of its own
        try:
            return await self.faults.intercept(action, self._perform)
        except CtrlkitError as caught:
            error = caught
            raise
        finally:
            _CHANGES.reset(token)
            SKEW.reset(skew)
            if error is not None or action.verb.writes:
                self._trace.called(write_of(action), error, changes=tuple(changes))

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        """Open a watch (Transport)."""
        self._check()
        async with self.faults.intercept_watch(action, self._server.watch) as lines:
            yield lines

    async def _perform(self, action: Action) -> bytes:
        self._check()
        return await self._server.do(action)

    def _check(self) -> None:
        if self._severed:
            raise Unreachable("the part that calls has crashed")


class OwnWay:
    """
    A Transport for the test's own client: a clientset does not record what the test calls with it.

    What a part calls with it is recorded: a controller may have been made with this client.
    """

    def __init__(self, clientset: FakeClientset) -> None:
        self.streams_lists = clientset.streams_lists
        self._clientset = clientset

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch (Transport)."""
        perform = self._clientset.do_unrecorded if caller() == TEST else self._clientset.do
        return await perform(action)

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        """Open a watch (Transport)."""
        open_watch = self._clientset.watch_unrecorded if caller() == TEST else self._clientset.watch
        async with open_watch(action) as lines:
            yield lines


async def note_changes(trace: Trace, action: Action, call_next: Callable[[Action], Awaitable[bytes]]) -> bytes:
    """Have what a call changes stand under its caller; the innermost interceptor of a clientset."""
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
