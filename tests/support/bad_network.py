"""
A network between several clients and one server, on which each request and each answer has a fate of its own.

What was sent is on its way: a request whose sender has given up, or is dead, arrives all the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from enum import Enum

from ctrlkit.errors import CtrlkitError, Unreachable
from ctrlkit.model import Action, Lines, Transport


class Ending(Enum):
    """What becomes of a request or of an answer that does not arrive."""

    SILENT = "nobody hears of it"
    BROKEN = "the sender is told that the connection broke"


@dataclass(frozen=True, slots=True)
class Fate:
    """
    What happens to one call. Seconds are true ones.

    Shape   `there_s` and `back_s` are how long request and answer travel. `request` and `answer` are None where they
            arrive. `refusal` is answered in the place of carrying the call out, `complaint` after it was carried out.
    """

    there_s: float = 0.0
    back_s: float = 0.0
    request: Ending | None = None
    answer: Ending | None = None
    refusal: CtrlkitError | None = None
    complaint: CtrlkitError | None = None


Arrived = Callable[["Way", Action], None]


class Network:
    """
    All the ways to one server; `arrived(way, action)` is called after each request that the server has dealt with.

        async with Network(tracker) as network:
            client = Client(network.way("a"))
    """

    def __init__(self, server: Transport, *, arrived: Arrived = lambda _way, _action: None) -> None:
        self.server = server
        self.arrived = arrived
        self._on_the_way: set[asyncio.Task[None]] = set()
        self._context = Context()  # on true time, whoever sends

    async def __aenter__(self) -> Network:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._on_the_way:
            task.cancel()
        if self._on_the_way:
            await asyncio.wait(self._on_the_way)

    def way(self, name: str) -> Way:
        """A client's way; it is a Transport."""
        return Way(name, self)

    def send(self, way: Way, action: Action, fate: Fate) -> asyncio.Future[bytes]:
        """Start a request on its way; the future is its answer."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        task = loop.create_task(self._travel(way, action, fate, answer), context=self._context.copy())
        self._on_the_way.add(task)
        task.add_done_callback(self._on_the_way.discard)
        return answer

    async def _travel(self, way: Way, action: Action, fate: Fate, answer: asyncio.Future[bytes]) -> None:
        await asyncio.sleep(fate.there_s)
        if fate.request is not None:
            return _end(answer, fate.request)
        result: bytes | CtrlkitError
        try:
            result = fate.refusal or await self.server.do(action)
        except CtrlkitError as error:
            result = error
        self.arrived(way, action)
        if fate.complaint is not None and not isinstance(result, CtrlkitError):
            result = fate.complaint
        await asyncio.sleep(fate.back_s)
        if fate.answer is not None:
            return _end(answer, fate.answer)
        if answer.done():
            return None
        return answer.set_exception(result) if isinstance(result, CtrlkitError) else answer.set_result(result)


class Way:
    """
    A Transport over the network. `fate` is asked for each call, when it is sent; `calls` counts them by verb.

    A way that is severed sends nothing any more, as a process that crashed.
    """

    def __init__(self, name: str, network: Network) -> None:
        self.name = name
        self.calls: Counter[str] = Counter()
        self.fate: Callable[[], Fate] = Fate
        self._network = network
        self._severed = False

    def sever(self) -> None:
        """Send nothing from now on; what is on its way arrives."""
        self._severed = True

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch (Transport)."""
        if self._severed:
            raise Unreachable(f"{self.name} has crashed")
        self.calls[action.verb.value] += 1
        return await self._network.send(self, action, self.fate())

    def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        """Open a watch (Transport): faithful, as long as the way is not severed."""
        return self._watch(action)

    @asynccontextmanager
    async def _watch(self, action: Action) -> AsyncIterator[Lines]:
        if self._severed:
            raise Unreachable(f"{self.name} has crashed")
        async with self._network.server.watch(action) as lines:
            yield lines


def _end(answer: asyncio.Future[bytes], how: Ending) -> None:
    if how is Ending.BROKEN and not answer.done():
        answer.set_exception(Unreachable("the connection broke"))
