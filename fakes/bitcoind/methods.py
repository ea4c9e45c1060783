"""The RPC methods of a simulated node: they return a result or raise MethodError, which rpc.py sends as an error."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Final, TypeVar

from ctrlkit.fakes.bitcoind.chain import Chain
from ctrlkit.fakes.bitcoind.p2p import Link, Peers, parse_address

T = TypeVar("T")

VERSION: Final = 101001300
SUBVERSION: Final = "/Simulated:0.1.0/"

MISC_ERROR: Final = -1
INVALID_ADDRESS: Final = -5
NODE_ALREADY_ADDED: Final = -23
NODE_NOT_ADDED: Final = -24
WARMING_UP: Final = -28
METHOD_NOT_FOUND: Final = -32601

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_AN_ADDRESS: Final = re.compile(rf"[2mn][{_BASE58}]{{25,34}}|bcrt1[a-z0-9]{{38,60}}")

_USAGE: Final = {
    "addnode": 'addnode "node" "add|remove|onetry"',
    "generate": "generate nblocks ( maxtries )",
    "generatetoaddress": "generatetoaddress nblocks address ( maxtries )",
    "getaddednodeinfo": 'getaddednodeinfo ( "node" )',
    "getbestblockhash": "getbestblockhash",
    "getblockchaininfo": "getblockchaininfo",
    "getblockcount": "getblockcount",
    "getnetworkinfo": "getnetworkinfo",
    "getnewaddress": 'getnewaddress ( "account" )',
    "getpeerinfo": "getpeerinfo",
    "help": 'help ( "command" )',
    "stop": "stop",
    "uptime": "uptime",
}


class MethodError(Exception):
    """An error answer, with its code and text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code: int = code
        self.message: str = message


class Methods:
    """
    The RPC methods of one node, from a start to a stop. `warm_s` is the end of its warm-up on the loop's clock.

    As with a real node, calls during the warm-up fail with -28, and those with a wrong number of parameters with the
    usage of the method.
    """

    def __init__(
        self,
        *,
        host: str,
        chain: Chain,
        peers: Peers,
        warm_s: float,
        on_new_blocks: Callable[[], None],
        shut_down: Callable[[], None],
    ) -> None:
        self._host = host
        self._chain = chain
        self._peers = peers
        self._warm_s = warm_s
        self._on_new_blocks = on_new_blocks
        self._shut_down = shut_down
        self._started_s = asyncio.get_running_loop().time()
        self._addresses_made = 0
        self._methods: dict[str, Callable[..., Awaitable[Any]]] = {name: getattr(self, f"_{name}") for name in _USAGE}

    async def call(self, name: str, params: list[Any]) -> Any:
        """Perform a call and return its result. Errors: MethodError."""
        if asyncio.get_running_loop().time() < self._warm_s:
            raise MethodError(WARMING_UP, "Loading wallet...")
        method = self._methods.get(name)
        if method is None:
            raise MethodError(METHOD_NOT_FOUND, "Method not found")
        required, optional = _parameter_counts(_USAGE[name])
        if not required <= len(params) <= required + optional:
            raise MethodError(MISC_ERROR, _USAGE[name])
        return await method(*params)

    async def _addnode(self, node: Any, command: Any) -> None:
        entry = _as(str, "a string", node)
        match _as(str, "a string", command):
            case "add":
                if not self._peers.add(entry):
                    raise MethodError(NODE_ALREADY_ADDED, "Error: Node already added")
            case "remove":
                if not self._peers.remove(entry):
                    raise MethodError(NODE_NOT_ADDED, "Error: Node has not been added.")
            case "onetry":
                await self._peers.try_once(entry)
            case _:
                raise MethodError(MISC_ERROR, _USAGE["addnode"])

    async def _getaddednodeinfo(self, node: Any = None) -> list[dict[str, Any]]:
        if node is not None and _as(str, "a string", node) not in self._peers.added:
            raise MethodError(NODE_NOT_ADDED, "Error: Node has not been added.")
        return [self._added_node(entry) for entry in self._peers.added if node in (None, entry)]

    def _added_node(self, entry: str) -> dict[str, Any]:
        connected = self._peers.connected_to(entry)
        host, port = parse_address(entry)
        addresses = [{"address": f"{host}:{port}", "connected": "outbound"}] if connected else []
        return {"addednode": entry, "connected": connected, "addresses": addresses}

    async def _getpeerinfo(self) -> list[dict[str, Any]]:
        return [self._peer(link) for link in self._peers.links if link.hello is not None]

    def _peer(self, link: Link) -> dict[str, Any]:
        return {
            "id": link.number,
            "addr": link.name,
            "version": 70016,
            "subver": SUBVERSION,
            "inbound": link.inbound,
            "addnode": not link.inbound and link.name in self._peers.added,
            "startingheight": link.hello.height if link.hello is not None else -1,
        }

    async def _getnetworkinfo(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "subversion": SUBVERSION,
            "protocolversion": 70016,
            "networkactive": True,
            "connections": len(self._peers.links),
            "localaddresses": [],
            "warnings": "This node is simulated: its blocks are invented",
        }

    async def _getblockchaininfo(self) -> dict[str, Any]:
        height = self._chain.height
        return {"chain": "regtest", "blocks": height, "headers": height, "bestblockhash": self._chain.tip}

    async def _getblockcount(self) -> int:
        return self._chain.height

    async def _getbestblockhash(self) -> str:
        return self._chain.tip

    async def _getnewaddress(self, account: Any = "") -> str:
        self._addresses_made += 1
        owner = f"{self._host} {_as(str, 'a string', account)} {self._addresses_made}"
        return "m" + "".join(_BASE58[byte % len(_BASE58)] for byte in sha256(owner.encode()).digest())

    async def _generate(self, blocks: Any, maxtries: Any = 0) -> list[str]:
        _as(int, "an integer", maxtries)
        if _as(int, "an integer", blocks) <= 0:
            return []
        mined = [self._chain.mine(f"{self._host} {asyncio.get_running_loop().time()}") for _ in range(blocks)]
        self._on_new_blocks()
        self._peers.announce()
        return mined

    async def _generatetoaddress(self, blocks: Any, address: Any, maxtries: Any = 0) -> list[str]:
        if not _AN_ADDRESS.fullmatch(_as(str, "a string", address)):
            raise MethodError(INVALID_ADDRESS, "Error: Invalid address")
        return await self._generate(blocks, maxtries)

    async def _help(self, command: Any = None) -> str:
        if command is None:
            return "\n".join(_USAGE.values())
        return _USAGE.get(_as(str, "a string", command), f"help: unknown command: {command}")

    async def _uptime(self) -> int:
        return int(asyncio.get_running_loop().time() - self._started_s)

    async def _stop(self) -> str:
        self._shut_down()
        return "Bitcoin server stopping"


def _parameter_counts(usage: str) -> tuple[int, int]:
    """Count the required and the optional parameters in a usage line such as `generate nblocks ( maxtries )`."""
    required, _, optional = usage.partition("(")
    return len(required.split()) - 1, len(optional.rstrip(" )").split())


def _as(kind: type[T], what: str, value: Any) -> T:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise MethodError(MISC_ERROR, f"JSON value is not {what} as expected")
    return value
