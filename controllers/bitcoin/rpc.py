"""
A typed client of bitcoin nodes: JSON-RPC over HTTP, with a timeout for each call.

`RpcClient` owns an HTTP session, open inside `async with`; `RpcClient.node` returns a handle for an address and its
credentials. Each call uses a new connection, so a restarted node is never called through an old one. No message and no
`repr` shows credentials or a body.

    RpcError
      NodeUnreachable   refused, reset, or silent for the timeout    try again
      Busy              503, the node's work queue is full           try again
      RpcRefused        the node's own error, with its `code`        depends on the code
        WarmingUp       -28, the node is starting                    try again
      Unsteady          answers now and then, see asking.py          see why the node fails
      BadCredentials    401                                          correct the secret or the node
      NotAllowed        403, this client's address is not served     correct the node
      BadAnswer         not JSON-RPC, or not of the expected shape   see what listens there
"""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from errno import errorcode
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

import aiohttp
import msgspec
from yarl import URL

from ctrlkit.bitcoin.jsonrpc import AddedNode, ChainInfo, NetworkInfo, PeerInfo, Reply, ReplyError, Request, request_of
from ctrlkit.bitcoin.texts import shown

T = TypeVar("T")

RPC_PORT: Final = 18332
P2P_PORT: Final = 18444

_BURN_ADDRESS: Final = "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8"  # pays to the hash of twenty zero bytes: nobody's
_TEXT_CHARS_MAX: Final = 256
_GREETING_S: Final = 1.0
_GREETING_LOOK_S: Final = 0.02
_ANSWER_MIB_MAX: Final = 4
"""Longest answer; the longest expected one, a list of 20,000 added nodes, is below 2 MiB."""

_SMALL_KIB: Final = 64
"""Answers up to this length are read at once, whatever their number; a node that is as it should says far less."""

_LARGE_MAX: Final = 4
"""How many longer ones are read at once: so much of nodes' answers is in memory at most, of all networks together."""


class Family(StrEnum):
    """Whose software a node is."""

    CORE = "Bitcoin Core"
    SV = "Bitcoin SV"
    OTHER = "another kind"


def family_of(agent: str) -> Family:
    """
    Return the family of a node by its name of itself.

    >>> [family_of(agent).value for agent in ("/Satoshi:29.1.0/", "/Bitcoin SV:1.0.13/", "/Simulated:0.1.0/")]
    ['Bitcoin Core', 'Bitcoin SV', 'another kind']
    """
    name = agent.removeprefix("/").partition(":")[0]
    return {"Satoshi": Family.CORE, "Bitcoin SV": Family.SV}.get(name, Family.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    What a node said of itself.

    Shape   `version` is a number such as 290100 (Core) or 101001300 (Bitcoin SV), `agent` its name such as
            `/Satoshi:29.1.0/`. `tip` is the hash of its best block. `is_syncing`: it is in its initial download, or its
            tip is older than a day. `connections` counts all of its peers. `added` are the entries of its list of added
            nodes, as they were added, each with whether it is connected; see `peer_address`.
    """

    version: int
    agent: str
    height: int
    tip: str
    is_syncing: bool
    connections: int
    added: Mapping[str, bool]

    @property
    def family(self) -> Family:
        """Whose software it is."""
        return family_of(self.agent)


class Code(IntEnum):
    """The error codes of a node that callers handle."""

    NODE_ALREADY_ADDED = -23
    NODE_NOT_ADDED = -24
    NODE_NOT_CONNECTED = -29
    WARMING_UP = -28
    METHOD_NOT_FOUND = -32601


class RpcError(Exception):
    """A call to a node failed. The message names the call, the node, the cause, and what to do."""


class NodeUnreachable(RpcError):
    """No answer: the connection was refused or broke, or the call timed out."""


class Busy(RpcError):
    """The work queue of the node is full (503)."""


class BadCredentials(RpcError):
    """The node refused user and password (401)."""


class NotAllowed(RpcError):
    """The node does not accept calls from this client's address (403)."""


class BadAnswer(RpcError):
    """The answer is not that of a bitcoin node, or has an unexpected shape."""


class RpcRefused(RpcError):
    """The node answered with an error; `code` is one of `Code` or another number, `text` shows no credentials."""

    def __init__(self, message: str, *, code: int, text: str) -> None:
        super().__init__(message)
        self.code = code
        self.text = text


class WarmingUp(RpcRefused):
    """The node is starting, and says in `text` what it does."""


class Unsteady(RpcError):
    """The node answers some calls and not others; the message stays the same until it is steady again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """
    User and password of a node. Errors: ValueError for a user with a colon (RFC 7617).

    >>> Credentials(user="bc-user", password="s3cret")
    Credentials(user='bc-user')
    """

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if ":" in self.user:
            raise ValueError("Credentials: the user of a node cannot contain a colon; choose another name")

    def authorization(self) -> str:
        """Return the value of the `Authorization` header."""
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()

    def appear_in(self, text: str) -> bool:
        """Whether a text contains user or password, plain or encoded."""
        secrets = (self.user, self.password, self.authorization().removeprefix("Basic "))
        return any(secret in text for secret in secrets if secret)


class Node(Protocol):
    """The calls of a reconciler to one node. Errors: RpcError."""

    async def answer(self) -> Answer:
        """Return what the node says of itself, in one call."""

    async def add_node(self, peer: str) -> None:
        """Add a peer to the list."""

    async def connect(self, entry: str) -> None:
        """Have the node connect to a peer now, and not when it next looks at its list."""

    async def remove_node(self, entry: str) -> None:
        """Remove an entry from the list; its connection stays open."""

    async def disconnect(self, entry: str) -> None:
        """Close the connection of an entry, so that another one can take its place."""


class Bitcoind(Protocol):
    """Returns handles of nodes: an `RpcClient`, or a fake of it."""

    def node(self, address: str, credentials: Credentials, *, port: int = RPC_PORT) -> Node:
        """Return a handle of the node at an address and port, without I/O."""


class RpcClient:
    """
    A client for all nodes, with one HTTP session.

        async with RpcClient() as bitcoind:
            await bitcoind.node("10.0.0.7", credentials).block_count()

    `timeout_s` limits each call, from its start to the end of its answer. Errors: RuntimeError for a call outside of
    `async with`.
    """

    def __init__(self, *, timeout_s: float = 5.0) -> None:
        self._timeout_s = timeout_s
        self._large = asyncio.Semaphore(_LARGE_MAX)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        if self._session is not None:
            raise RuntimeError("enter the RpcClient: it is entered already; make another one")
        # No limit on connections: calls to silent nodes would use it up and keep those to others waiting.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        # Nodes compress nothing, and a little of what is compressed may become more than there is memory.
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            skip_auto_headers=["Accept-Encoding"],
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def node(self, address: str, credentials: Credentials, *, port: int = RPC_PORT) -> RpcNode:
        """Return a handle of the node at `address`, an IP address or a name, without I/O."""
        return RpcNode(self, address, credentials, port=port)

    async def post(
        self, address: str, call: str, body: bytes, credentials: Credentials, *, port: int = RPC_PORT
    ) -> tuple[int, bytes]:
        """Send a request; returns status and body. Errors: NodeUnreachable, BadAnswer; `call` is for their messages."""
        try:
            return await self._post(address, port, call, body, credentials)
        except BaseException as error:
            error.__traceback__ = None  # its frames hold the credentials in their variables
            raise

    async def _post(
        self, address: str, port: int, call: str, body: bytes, credentials: Credentials
    ) -> tuple[int, bytes]:
        if self._session is None:
            raise RuntimeError(f"{call} on {address}: the RpcClient is not open; call inside `async with RpcClient()`")
        url = URL.build(scheme="http", host=address, port=port, path="/")
        headers = {"Authorization": credentials.authorization(), "Content-Type": "application/json"}
        where = f"port {port}"
        failure: RpcError
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                return answer.status, await self._read(answer, call, address)
        except TimeoutError:
            failure = NodeUnreachable(
                f"{call} on {address}: no answer within {self._timeout_s:g} s; try again later, "
                f"and see whether the node is overloaded or cut off [{where}]"
            )
        except aiohttp.ClientResponseError:
            failure = BadAnswer(f"{call} on {address}: the answer is not HTTP; see what listens there [{where}]")
        except (aiohttp.ClientError, OSError) as error:
            failure = NodeUnreachable(
                f"{call} on {address}: the node cannot be reached; try again later, "
                f"and see whether it runs [{where}, {_reason(error)}]"
            )
        raise failure  # after `except`, so without context: errors of aiohttp carry the headers of the request

    async def _read(self, answer: aiohttp.ClientResponse, call: str, address: str) -> bytes:
        body = bytearray()
        await _read_more(answer, body, _SMALL_KIB << 10)
        if len(body) > _SMALL_KIB << 10:
            async with self._large:
                await _read_more(answer, body, _ANSWER_MIB_MAX << 20)
        if len(body) > _ANSWER_MIB_MAX << 20:
            raise BadAnswer(f"{call} on {address}: {_NOT_OF_A_NODE} [more than {_ANSWER_MIB_MAX} MiB]")
        return bytes(body)


class RpcNode:
    """A handle of one node: its address, port and credentials. Made by `RpcClient.node`."""

    def __init__(self, client: RpcClient, address: str, credentials: Credentials, *, port: int = RPC_PORT) -> None:
        self._client = client
        self._address = address
        self._port = port
        self._credentials = credentials

    def __repr__(self) -> str:
        return f"RpcNode({self._address})"

    async def added_nodes(self) -> frozenset[str]:
        """Return the entries of the list of added nodes, as they were added; see `peer_address`."""
        return frozenset(added.addednode for added in await self._call("getaddednodeinfo", into=list[AddedNode]))

    async def connected_nodes(self) -> frozenset[str]:
        """Return the entries of the list to which the node has an outbound connection."""
        added = await self._call("getaddednodeinfo", into=list[AddedNode])
        return frozenset(node.addednode for node in added if node.connected)

    async def answer(self) -> Answer:
        """Return what the node says of itself: three methods in one batch, so that a slow node takes one timeout."""
        call = "getnetworkinfo, getblockchaininfo, getaddednodeinfo"
        what = f"{call} on {self._address}"
        status, body = await self._post(call, [request_of(method) for method in call.split(", ")])
        if body.lstrip()[:1] == b"{":  # an error of the batch as a whole
            whole = _decoded(body, Reply, what, status)
            if whole.error is not None:
                raise _refusal(what, status, whole.error, self._credentials)
        parts = _decoded(body, tuple[Reply, Reply, Reply], what, status)
        for part in parts:
            if part.error is not None:
                raise _refusal(what, status, part.error, self._credentials)
        network = _decoded(parts[0].result, NetworkInfo, what, status)
        chain = _decoded(parts[1].result, ChainInfo, what, status)
        added = _decoded(parts[2].result, list[AddedNode], what, status)
        return Answer(
            version=network.version,
            agent=_told(network.subversion, self._credentials, "its name"),
            height=chain.blocks,
            tip=chain.bestblockhash,
            is_syncing=chain.initialblockdownload,
            connections=network.connections,
            added={node.addednode: node.connected for node in added},
        )

    async def add_node(self, peer: str) -> None:
        """Add a peer to the list; no error if it is there already."""
        await self._call_accepting(Code.NODE_ALREADY_ADDED, "addnode", peer, "add")

    async def remove_node(self, entry: str) -> None:
        """
        Remove an entry from the list; no error if it is not there.

        The node compares entries literally, so pass one of `added_nodes()`. The connection stays: see `disconnect`.
        """
        await self._call_accepting(Code.NODE_NOT_ADDED, "addnode", entry, "remove")

    async def connect(self, entry: str) -> None:
        """
        Have the node connect to a peer now; no error if that fails, unless the call does.

        Returns once the peer has greeted, a second later at most: before that nodes tell each other of no new block.
        By itself a node looks at its list again only a minute after it last tried to connect to an entry of it.
        """
        await self._call("addnode", entry, "onetry", into=type(None))
        with suppress(RpcError, TimeoutError):
            async with asyncio.timeout(_GREETING_S):
                while any(peer.addr == entry and not peer.version for peer in await self._peers()):  # noqa: ASYNC110
                    await asyncio.sleep(_GREETING_LOOK_S)

    async def disconnect(self, entry: str) -> None:
        """Close the connection that was made for an entry; no error if there is none."""
        await self._call_accepting(Code.NODE_NOT_CONNECTED, "disconnectnode", entry)

    async def block_count(self) -> int:
        """Return the height of the node's chain; 0 for the genesis block alone."""
        return await self._call("getblockcount", into=int)

    async def generate(self, blocks: int) -> list[str]:
        """Mine blocks to an address that nobody owns, as newer nodes have no wallet; returns their hashes."""
        return await self._call("generatetoaddress", blocks, _BURN_ADDRESS, into=list[str])

    async def peer_addresses(self) -> list[str]:
        """
        Return the addresses of all peers, one for each connection.

        An outbound connection has the address as it was added. An inbound one has the port of the peer's socket, and on
        a machine with several addresses not always the address that the peer listens at.
        """
        return [peer.addr for peer in await self._peers()]

    async def _peers(self) -> list[PeerInfo]:
        return await self._call("getpeerinfo", into=list[PeerInfo])

    async def network_info(self) -> NetworkInfo:
        """Return version and number of connections; the cheapest call."""
        return await self._call("getnetworkinfo", into=NetworkInfo)

    async def _call_accepting(self, accepted: Code, method: str, *params: str) -> None:
        try:
            await self._call(method, *params, into=type(None))
        except RpcRefused as refused:
            if refused.code != accepted:
                raise

    async def _call(self, method: str, *params: str | int, into: type[T]) -> T:
        call = " ".join([method, *map(str, params)])
        what = f"{call} on {self._address}"
        status, body = await self._post(call, request_of(method, *params))
        answer = _decoded(body, Reply, what, status)
        if answer.error is not None:
            raise _refusal(what, status, answer.error, self._credentials)
        if status != 200:
            raise BadAnswer(f"{what}: {_NOT_OF_A_NODE} [HTTP {status}, yet no error]")
        return _decoded(answer.result, into, what, status)

    async def _post(self, call: str, request: Request | list[Request]) -> tuple[int, bytes]:
        """Send a request, or some in one; returns status and body. Errors: what a status says by itself."""
        body = msgspec.json.encode(request)
        status, answer_body = await self._client.post(self._address, call, body, self._credentials, port=self._port)
        what = f"{call} on {self._address}"
        match status:
            case 401:
                fact = "the node does not accept these credentials; make secret and node agree"
                raise BadCredentials(f"{what}: {fact} [HTTP 401]")
            case 403:
                fact = "the node does not serve this client's address; add it to its rpcallowip"
                raise NotAllowed(f"{what}: {fact} [HTTP 403]")
            case 503:
                raise Busy(f"{what}: the node's work queue is full; try again later [HTTP 503]")
        return status, answer_body


_NOT_OF_A_NODE: Final = "the answer is not that of a bitcoin node; see what listens there"


def peer_address(entry: str) -> str:
    """
    Return the address in an entry of the list of added nodes, without the port if it is the default one.

    >>> [peer_address(entry) for entry in ("10.0.0.7", "10.0.0.7:18444", "[fd00::7]:18444", "fd00::7")]
    ['10.0.0.7', '10.0.0.7', 'fd00::7', 'fd00::7']

    Another port stays, because that entry is another node:

    >>> peer_address("10.0.0.7:8333")
    '10.0.0.7:8333'
    """
    host = entry.removesuffix(f":{P2P_PORT}")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1]
    return entry if ":" in host else host  # a bare IPv6 address may well end in :18444


def _decoded(body: bytes | msgspec.Raw, into: type[T], what: str, status: int) -> T:
    try:
        return msgspec.json.decode(body, type=into)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadAnswer(f"{what}: {_NOT_OF_A_NODE} [HTTP {status}, {error}]") from None


def _refusal(what: str, status: int, error: ReplyError, credentials: Credentials) -> RpcRefused:
    text = _told(error.message.partition("\n")[0], credentials, "its text")
    if credentials.appear_in(error.message):
        text = _WITHHELD.format("its text")
    match error.code:
        case Code.NODE_ALREADY_ADDED:
            fact = "the node has this peer on its list; leave it"
        case Code.NODE_NOT_ADDED:
            fact = "the node does not have this peer on its list; leave it"
        case Code.NODE_NOT_CONNECTED:
            fact = "the node has no such connection; leave it"
        case Code.WARMING_UP:
            fact = "the node is starting; try again in some seconds"
            return WarmingUp(f"{what}: {fact} [HTTP {status}, code {error.code}]", code=error.code, text=text)
        case Code.METHOD_NOT_FOUND:
            fact = "the node does not know this method; use a bitcoind that does"
        case _:
            fact = f"the node refused: {text}; see what it demands"
    return RpcRefused(f"{what}: {fact} [HTTP {status}, code {error.code}]", code=error.code, text=text)


_WITHHELD: Final = "({} is withheld, as it repeats credentials)"


def _told(text: str, credentials: Credentials, what: str) -> str:
    """Return a text of a node, as it may be told to anybody."""
    told = shown(text, _TEXT_CHARS_MAX)
    return _WITHHELD.format(what) if credentials.appear_in(text) or credentials.appear_in(told) else told


async def _read_more(answer: aiohttp.ClientResponse, body: bytearray, size: int) -> None:
    """Read on until there are more than so many bytes, or no more."""
    while len(body) <= size and (chunk := await answer.content.readany()):
        body += chunk


def _reason(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    match cause:
        case OSError(errno=int(number)) if number in errorcode:
            return os.strerror(number)
        case OSError(strerror=str(reason)):  # from the look-up of a name
            return reason
        case _:
            return type(cause).__name__
