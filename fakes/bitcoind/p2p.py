"""
Connections between simulated nodes over TCP: one JSON message a line.

Both sides first send `Hello`. A node that learns of a longer chain asks for it with a locator (`GetBlocks`), receives
the missing blocks (`Blocks`), calls `on_new_blocks()`, and tells its other peers the new height (`Tip`). So a block
reaches every connected node.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from ctrlkit import clock
from ctrlkit.fakes.bitcoind.chain import Chain

P2P_PORT: Final = 18444
RETRY_S: Final = 1.0
CONNECT_TIMEOUT_S: Final = 5.0
MANUAL_CONNECTIONS_MAX: Final = 8
"""How many connections to added nodes a node of Bitcoin Core holds."""

_LINE_BYTES_MAX: Final = 2**24  # 240 000 hashes

Address = tuple[str, int]


class Hello(msgspec.Struct, tag="hello", frozen=True):
    """The first message: the sender's host, the height of its chain, and what it calls itself."""

    host: str
    height: int
    agent: str = ""


class Tip(msgspec.Struct, tag="tip", frozen=True):
    """The new height of the sender's chain."""

    height: int


class GetBlocks(msgspec.Struct, tag="getblocks", frozen=True):
    """Asks for the blocks after the first of these that the receiver has."""

    locator: list[str]


class Blocks(msgspec.Struct, tag="blocks", frozen=True):
    """The blocks after `shared` in the sender's chain."""

    shared: str
    following: list[str]


Message = Hello | Tip | GetBlocks | Blocks
_DECODER = msgspec.json.Decoder(Message)


@dataclass(slots=True, kw_only=True, eq=False)
class Link:
    """A connection. `name` is its peer as getpeerinfo shows it, `hello` the peer's first message, `since` its time."""

    number: int
    name: str
    inbound: bool
    writer: asyncio.StreamWriter
    since: datetime = field(default_factory=clock.now)
    hello: Hello | None = None

    @property
    def host(self) -> str:
        """The host of the peer, as in its Hello once that has come."""
        return parse_address(self.name)[0] if self.hello is None else self.hello.host

    def send(self, message: Message) -> None:
        """Send without waiting; the peer reads as fast as this writes, so nothing piles up."""
        if not self.writer.is_closing():
            self.writer.write(msgspec.json.encode(message) + b"\n")


class Peers:
    """
    The connections of one node and its list of added nodes.

    Units   Seconds of the running loop. A node that is added is tried at once, then once a second until it is linked;
            one whose link was lost, a second later.
    Owner   `run()` is awaited by the node and holds every task; cancelling it closes all links.
    """

    def __init__(
        self,
        address: Address,
        chain: Chain,
        on_new_blocks: Callable[[], None],
        write: Callable[[str], None] = lambda _: None,
        *,
        added: Iterable[str] = (),
        default_port: int = P2P_PORT,
        agent: str = "",
    ) -> None:
        self.added: list[str] = list(added)
        self.links: list[Link] = []
        self._address = address
        self._default_port = default_port
        self._agent = agent
        self._chain = chain
        self._on_new_blocks = on_new_blocks
        self._write = write
        self._cut_off: frozenset[str] = frozenset()
        self._numbers = itertools.count()
        self._look_again = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: asyncio.TaskGroup | None = None

    async def listen(self) -> None:
        """Bind, so that a port that is taken shows here (OSError); peers are served once `run` runs."""
        host, port = self._address
        self._server = await asyncio.start_server(self._accept, host, port, limit=_LINE_BYTES_MAX)

    def close(self) -> None:
        """Listen no more, and take no new links."""
        self._tasks = None
        if self._server is not None:
            self._server.close()

    async def run(self) -> None:
        """Serve peers and keep added nodes connected until cancelled, then close everything."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                await self._keep_connected()
            finally:
                self.close()

    def add(self, entry: str, *, literally: bool = False) -> bool:
        """Add an entry to the list; False if it, or unless `literally` another one of its address, is there."""
        if entry in self.added or (not literally and self.address_of(entry) in map(self.address_of, self.added)):
            return False
        self.added.append(entry)
        self._look_again.set()
        return True

    def remove(self, entry: str) -> bool:
        """Remove an entry from the list; False if it is not there. Connections stay."""
        if entry not in self.added:
            return False
        self.added.remove(entry)
        return True

    def disconnect(self, link: Link) -> None:
        """Close a connection; an entry that is on the list is tried again."""
        link.writer.transport.abort()

    def connected_to(self, entry: str) -> bool:
        """Whether this node has an outbound connection to the address of an entry."""
        return self._link_to(self.address_of(entry)) is not None

    def address_of(self, entry: str) -> Address:
        """Return host and port of an entry."""
        return parse_address(entry, self._default_port)

    async def try_once(self, entry: str) -> None:
        """Connect to an entry unless connected; no error if nothing answers."""
        address = self.address_of(entry)
        if address == self._address or address[0] in self._cut_off or self._link_to(address) is not None:
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(
                    *address, limit=_LINE_BYTES_MAX, local_addr=(self._address[0], 0)
                )
        except (OSError, ValueError, OverflowError):  # nobody answers, or this is no address
            return
        self._begin(reader, writer, name=entry, inbound=False)

    def announce(self, besides: Link | None = None) -> None:
        """Send the height of the chain to all peers but one."""
        for link in self.links:
            if link is not besides:
                link.send(Tip(self._chain.height))

    def cut_off(self, hosts: frozenset[str]) -> None:
        """Fault: cut and refuse connections to these hosts, until called with others."""
        self._cut_off = hosts
        for link in self.links:
            if link.host in hosts:
                link.writer.transport.abort()
        self._look_again.set()

    def _link_to(self, address: Address) -> Link | None:
        return next((link for link in self.links if not link.inbound and self.address_of(link.name) == address), None)

    def _is_full(self) -> bool:
        return sum(not link.inbound for link in self.links) >= MANUAL_CONNECTIONS_MAX

    async def _keep_connected(self) -> None:
        while True:
            self._look_again.clear()
            for entry in [entry for entry in self.added if not self.connected_to(entry)]:
                if not self._is_full():
                    await self.try_once(entry)
            all_connected = all(map(self.connected_to, self.added))
            with suppress(TimeoutError):
                async with asyncio.timeout(None if all_connected else RETRY_S):
                    await self._look_again.wait()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("peername")[:2]
        self._begin(reader, writer, name=f"{host}:{port}", inbound=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, name: str, inbound: bool) -> None:
        if self._tasks is None:  # closed while this connection came about
            writer.transport.abort()
            return
        link = Link(number=next(self._numbers), name=name, inbound=inbound, writer=writer)
        self.links.append(link)
        self._tasks.create_task(self._serve(link, reader))

    async def _serve(self, link: Link, reader: asyncio.StreamReader) -> None:
        try:
            link.send(Hello(self._address[0], self._chain.height, self._agent))
            while (message := await _next_message(reader)) is not None:
                self._receive(link, message)
        finally:
            self._write(f"Cleared nodestate for peer={link.number}")
            self.links.remove(link)
            asyncio.get_running_loop().call_later(RETRY_S, self._look_again.set)
            link.writer.transport.abort()
            with suppress(OSError):
                await link.writer.wait_closed()

    def _receive(self, link: Link, message: Message) -> None:
        match message:
            case Hello(host=host, height=height):
                link.hello = message
                if host in self._cut_off:
                    link.writer.transport.abort()
                else:
                    kind = "inbound" if link.inbound else "manual"
                    self._write(f"New {kind} peer connected: blocks={height}, peer={link.number}, peeraddr={link.name}")
                    self._ask_if_longer(link, height)
            case Tip(height=height):
                self._ask_if_longer(link, height)
            case GetBlocks(locator=locator):
                link.send(Blocks(*self._chain.after(locator)))
            case Blocks(shared=shared, following=following):
                if self._chain.adopt(shared, following):
                    self._on_new_blocks()
                    self.announce(besides=link)

    def _ask_if_longer(self, link: Link, height: int) -> None:
        if height > self._chain.height:
            link.send(GetBlocks(self._chain.locator()))


async def _next_message(reader: asyncio.StreamReader) -> Message | None:
    """Read the next message; None at the end of the connection, or for an invalid message."""
    try:
        line = await reader.readline()
        return _DECODER.decode(line) if line else None
    except (OSError, ValueError, msgspec.MsgspecError):  # ValueError: a line without end
        return None


def parse_address(entry: str, default_port: int = P2P_PORT) -> Address:
    """
    Split an address as bitcoin writes it into host and port.

    >>> parse_address("127.0.0.3"), parse_address("127.0.0.3:9"), parse_address("[::1]:9"), parse_address("::1")
    (('127.0.0.3', 18444), ('127.0.0.3', 9), ('::1', 9), ('::1', 18444))
    """
    host, colon, port = entry.rpartition(":")
    if not colon or not port.isdecimal() or (":" in host and not host.endswith("]")):
        host, port = entry, str(default_port)
    return host.removeprefix("[").removesuffix("]"), int(port)
