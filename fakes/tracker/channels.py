"""Connections with channels inside this process, and what a server does with its end of one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from ctrlkit.errors import StreamBroken
from ctrlkit.fakes.tracker.runtime import TerminalSize
from ctrlkit.model.streams import CLOSED, V5, Connection, Message

_WAITING_MAX = 64


class Pipe:
    """One end of a connection; `Pipe.pair` makes both. What one sends, the other receives, in order."""

    def __init__(
        self, protocol: str, incoming: asyncio.Queue[Message | None], outgoing: asyncio.Queue[Message | None]
    ) -> None:
        self._protocol = protocol
        self._incoming = incoming
        self._outgoing = outgoing
        self._is_over = False

    @classmethod
    def pair(cls, protocol: str) -> tuple[Pipe, Pipe]:
        """Return both ends."""
        one: asyncio.Queue[Message | None] = asyncio.Queue(_WAITING_MAX)
        other: asyncio.Queue[Message | None] = asyncio.Queue(_WAITING_MAX)
        return cls(protocol, one, other), cls(protocol, other, one)

    @property
    def protocol(self) -> str:
        """The protocol of the connection."""
        return self._protocol

    async def send(self, channel: int, data: bytes) -> None:
        """See Connection.send."""
        if self._is_over:
            raise StreamBroken("the other end has closed the connection")
        await self._outgoing.put(Message(channel, data))

    async def close_channel(self, channel: int) -> None:
        """See Connection.close_channel."""
        if self._protocol == V5:
            await self.send(CLOSED, bytes((channel,)))

    async def receive(self) -> Message | None:
        """See Connection.receive."""
        if self._is_over:
            return None
        message = await self._incoming.get()
        self._is_over = message is None
        return message

    async def close(self) -> None:
        """Close the connection, after the other end has received what was sent."""
        await self._outgoing.put(None)


class Inputs:
    """
    What comes from the client, sorted by channel, while `reading` is entered; open the channels before.

    Each channel is a queue that keeps what waits; one that nobody reads holds up the others once it is full.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queues: dict[int, asyncio.Queue[bytes | None]] = {}

    def open(self, channel: int) -> AsyncIterator[bytes]:
        """Keep what comes on a channel; return its bytes, which end where the client closes it."""
        queue = self._queues[channel] = asyncio.Queue(_WAITING_MAX)
        return _bytes_of(queue)

    async def sizes(self, sent: AsyncIterator[bytes]) -> AsyncIterator[TerminalSize]:
        """Yield the sizes of the client's terminal."""
        async for data in sent:
            try:
                size = msgspec.json.decode(data, type=_Size)
            except msgspec.DecodeError:
                continue
            yield TerminalSize(size.width, size.height)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Sort what comes."""
        task = asyncio.create_task(self._read(), name="channels of a client")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _read(self) -> None:
        """Receive until the client leaves, which ends all channels."""
        while (message := await self._connection.receive()) is not None:
            if message.channel == CLOSED:
                await self._put(message.data[0] if message.data else CLOSED, None)
            elif message.data:
                await self._put(message.channel, message.data)
        for channel in self._queues:
            await self._put(channel, None)

    async def _put(self, channel: int, data: bytes | None) -> None:
        queue = self._queues.get(channel)
        if queue is not None:
            await queue.put(data)


async def _bytes_of(queue: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
    while (data := await queue.get()) is not None:
        yield data


class _Size(msgspec.Struct, rename="pascal"):
    width: int = 0
    height: int = 0
