"""
One way to a Transport for all callers: Actions go in, decoded answers come out, errors say what was attempted.

Owns    What was learnt of the server: whether it streams lists.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Generic, TypeVar, cast

from ctrlkit.client.spans import call_span, is_traced
from ctrlkit.client.writes import note
from ctrlkit.clock import monotonic
from ctrlkit.errors import ApiError, CtrlkitError, DecodeError
from ctrlkit.model import Action, Bookmark, Lines, Resource, Transport, WatchEvent
from ctrlkit.model.streams import Connection, StreamTransport
from ctrlkit.wire.answers import Answer, check_answer, wrong_namespace
from ctrlkit.wire.codec import Codec, codec_of
from ctrlkit.wire.routes import check_action

T = TypeVar("T")

STREAMS_AGAIN_S = 600.0
"""How long a server is believed not to stream lists: it may have been overloaded, or be a newer one by then."""
_IN_FLIGHT: Final = "no answer had come yet: "


class Calls:
    """
    Performs Actions on one Transport.

    A Transport that does not want to be asked for streamed lists has an attribute `streams_lists` that is False, one
    that carries out no writes has `is_dry_run`.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._is_dry_run: bool = getattr(transport, "is_dry_run", False)
        self._streams_from_s = -math.inf if getattr(transport, "streams_lists", True) else math.inf

    @property
    def streams_lists(self) -> bool:
        """Whether the server is believed to stream lists."""
        return self._streams_from_s == -math.inf or monotonic() >= self._streams_from_s

    def stop_streaming(self) -> None:
        """A collection has learnt that the server does not stream lists; believed until it may be another server."""
        if self.streams_lists:
            self._streams_from_s = monotonic() + STREAMS_AGAIN_S

    def codec(self, resource: Resource[T]) -> Codec[T]:
        """The resource's codec."""
        found: Codec[T] = codec_of(resource)
        return found

    async def do(self, action: Action) -> bytes:
        """
        Perform any verb but list and watch; the answer is what was asked for (wire/answers.py).

        Errors  BadRequest for names that no server could tell apart from a path; those of `check_answer`.
        """
        return (await self._answer(action)).data

    async def do_for_object(self, resource: Resource[T], action: Action) -> T:
        """`do` for a verb that answers with an object, which is decoded."""
        answer = await self._answer(action)
        if answer.fault is not None:
            raise answer.fault
        try:
            return self.codec(resource).decode_object(answer.data)
        except DecodeError as error:
            if action.subresource != "scale":
                raise
            raise DecodeError(f"{error}; what came is a Scale: get_scale and set_scale read and write it") from error

    async def list_page(self, action: Action) -> bytes:
        """Perform a list; the codec judges the page while it reads it."""
        check_action(action)
        with Attempting(action), call_span(action):
            return await self._transport.do(action)

    async def _answer(self, action: Action) -> Answer:
        check_action(action)
        try:
            if not is_traced():
                answer = check_answer(action, await self._transport.do(action))
            else:
                with call_span(action):
                    answer = check_answer(action, await self._transport.do(action))
        except (ApiError, asyncio.CancelledError) as error:
            tell_attempt(action, error)
            raise
        if not self._is_dry_run:
            note(action, answer, server=self._transport)
        return answer

    @property
    def server(self) -> object:
        """Stands for the server: what carries the calls there."""
        return self._transport

    @asynccontextmanager
    async def watch(self, action: Action, codec: Codec[T]) -> AsyncIterator[AsyncIterator[Sequence[WatchEvent[T]]]]:
        """Open a watch; the events come in the batches in which they arrive."""
        check_action(action)
        async with AsyncExitStack() as stack:
            with Attempting(action):
                lines = await stack.enter_async_context(self._transport.watch(action))
            yield EventBatches(lines, codec, action)

    @asynccontextmanager
    async def read(self, action: Action) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a text; its pieces come as they arrive."""
        check_action(action)
        async with AsyncExitStack() as stack:
            with Attempting(action):
                pieces = await stack.enter_async_context(self._streams(action).read(action))
            yield pieces

    @asynccontextmanager
    async def connect(self, action: Action, protocols: Sequence[str]) -> AsyncIterator[Connection]:
        """Open a connection with channels."""
        check_action(action)
        async with AsyncExitStack() as stack:
            with Attempting(action):
                connection = await stack.enter_async_context(self._streams(action).connect(action, protocols))
            yield connection

    def _streams(self, action: Action) -> StreamTransport:
        if not (hasattr(self._transport, "read") and hasattr(self._transport, "connect")):
            kind = type(self._transport).__name__
            raise TypeError(f"{action}: a {kind} opens no byte streams; use a transport that does, as RestTransport")
        return cast("StreamTransport", self._transport)


class Attempting:
    """Write what was attempted on an ApiError that does not say so yet, and on what cancels a call."""

    __slots__ = ("_action",)

    def __init__(self, action: Action) -> None:
        self._action = action

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            tell_attempt(self._action, error)


def tell_attempt(action: Action, error: BaseException) -> None:
    """Write on an error what was attempted, as Attempting does."""
    if isinstance(error, ApiError):
        error.attempted = error.attempted or str(action)
    elif isinstance(error, asyncio.CancelledError):
        error.add_note(f"{_IN_FLIGHT}{action}")


def call_in_flight(error: asyncio.CancelledError) -> str:
    """The call whose answer a task waited for when it was cancelled; empty if there was none."""
    notes: Sequence[str] = getattr(error, "__notes__", ())
    return next((note.removeprefix(_IN_FLIGHT) for note in notes if note.startswith(_IN_FLIGHT)), "")


class EventBatches(Generic[T]):
    """
    Lines -> events. A line that raises does so in its turn: what came before it is delivered first, and whoever can go
    on after a DecodeError goes on with the next line.
    """

    def __init__(self, lines: Lines, codec: Codec[T], action: Action) -> None:
        self._action = action
        self._lines = lines
        self._codec = codec
        self._rest: deque[bytes] = deque()
        self._error: CtrlkitError | None = None

    def __aiter__(self) -> EventBatches[T]:
        return self

    async def __anext__(self) -> Sequence[WatchEvent[T]]:
        try:
            while not (self._rest or self._error):
                self._rest.extend(await anext(self._lines))
            return self._decoded()
        except BaseException as error:
            tell_attempt(self._action, error)
            raise

    def _decoded(self) -> Sequence[WatchEvent[T]]:
        """The events of the lines that wait, up to one that raises."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        events: list[WatchEvent[T]] = []
        while self._rest:
            try:
                events.append(self._own(self._codec.decode_line(self._rest.popleft())))
            except CtrlkitError as error:
                if not events:
                    raise
                self._error = error
                break
        return events

    def _own(self, event: WatchEvent[T]) -> WatchEvent[T]:
        """The event, if it is of the namespace asked for."""
        namespace = self._action.namespace
        if not namespace or isinstance(event, Bookmark) or event.record.key.namespace == namespace:
            return event
        raise wrong_namespace(self._action, event.record.key, event.record.version)
