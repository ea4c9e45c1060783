"""
The RPC methods of a simulated node: they return a result or raise MethodError, which rpc.py sends as an error.

A node answers as Bitcoin Core of its release does. One from before 0.19 has `generate` and a wallet's `getnewaddress`,
and tells fewer facts: those that nodes of 2018, and those of Bitcoin SV, have in common.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, TypeVar

from ctrlkit import clock
from ctrlkit.fakes.bitcoind.chain import Chain
from ctrlkit.fakes.bitcoind.chains import ChainFacts
from ctrlkit.fakes.bitcoind.p2p import Link, Peers
from ctrlkit.fakes.bitcoind.release import Release

T = TypeVar("T")

MISC_ERROR: Final = -1
WRONG_TYPE: Final = -3
INVALID_ADDRESS: Final = -5
INVALID_PARAMETER: Final = -8
NODE_ALREADY_ADDED: Final = -23
NODE_NOT_ADDED: Final = -24
WARMING_UP: Final = -28
NODE_NOT_CONNECTED: Final = -29
INVALID_PARAMS: Final = -32602
METHOD_NOT_FOUND: Final = -32601

PROTOCOL: Final = 70016
_WITHOUT_GENERATE: Final = Release.of("0.19")
_WITH_TARGET: Final = Release.of("29.0")
_WITH_LIST_OF_WARNINGS: Final = Release.of("28.0")
_COMPARES_ADDRESSES: Final = Release.of("27.0")
_WITHOUT_STARTING_HEIGHT: Final = Release.of("31.0")

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_AN_ADDRESS: Final = re.compile(rf"[13mn2][{_BASE58}]{{25,34}}|(bc|tb|bcrt)1[a-z0-9]{{38,60}}")
_SERVICES: Final = {"NETWORK": 1, "WITNESS": 8, "NETWORK_LIMITED": 1024, "P2P_V2": 2048}
_GENESIS_TIME: Final = datetime(2011, 2, 2, 23, 16, 42, tzinfo=UTC)
_EASY_BITS: Final = "207fffff"
_EASY_TARGET: Final = "7fffff" + "0" * 58
_EASY_DIFFICULTY: Final = 4.656542373906925e-10

_USAGE: Final = {
    "addnode": 'addnode "node" "command" ( v2transport )',
    "disconnectnode": 'disconnectnode ( "address" nodeid )',
    "generate": "generate",
    "generatetoaddress": "generatetoaddress nblocks address ( maxtries )",
    "getaddednodeinfo": 'getaddednodeinfo ( "node" )',
    "getbestblockhash": "getbestblockhash",
    "getblockchaininfo": "getblockchaininfo",
    "getblockcount": "getblockcount",
    "getblockhash": "getblockhash height",
    "getconnectioncount": "getconnectioncount",
    "getnetworkinfo": "getnetworkinfo",
    "getpeerinfo": "getpeerinfo",
    "help": 'help ( "command" )',
    "ping": "ping",
    "stop": "stop",
    "uptime": "uptime",
}
_USAGE_OF_OLD: Final = {
    **_USAGE,
    "addnode": 'addnode "node" "add|remove|onetry"',
    "generate": "generate nblocks ( maxtries )",
    "getnewaddress": 'getnewaddress ( "account" )',
}
_NOT_ADDED: Final = "Error: Node has not been added."
_NOT_REMOVED: Final = "Error: Node could not be removed. It has not been added previously."
_NAMES: Final = {
    "addnode": ("node", "command", "v2transport"),
    "disconnectnode": ("address", "nodeid"),
    "generatetoaddress": ("nblocks", "address", "maxtries"),
    "getaddednodeinfo": ("node",),
    "getblockhash": ("height",),
    "help": ("command",),
}


class MethodError(Exception):
    """An error answer, with its code and text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code: int = code
        self.message: str = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a node is: its address and port, its chain, its release, and what it calls itself."""

    host: str
    port: int
    chain: ChainFacts
    release: Release
    agent: str

    @property
    def is_old(self) -> bool:
        """Whether it is of the time before 0.19."""
        return self.release < _WITHOUT_GENERATE


class Methods:
    """
    The RPC methods of one node, from a start to a stop. `warm_s` is the end of its warm-up on the loop's clock.

    As with a real node, calls during the warm-up fail with -28, and those with a wrong number of parameters with the
    usage of the method. `is_downloading` says whether it is in its initial download, `tip_time` when its newest block
    came to it.
    """

    def __init__(
        self,
        facts: Facts,
        *,
        chain: Chain,
        peers: Peers,
        warm_s: float,
        is_downloading: Callable[[], bool],
        tip_time: Callable[[], datetime | None],
        on_new_blocks: Callable[[], None],
        shut_down: Callable[[], None],
    ) -> None:
        self._facts = facts
        self._chain = chain
        self._peers = peers
        self._warm_s = warm_s
        self._is_downloading = is_downloading
        self._tip_time = tip_time
        self._on_new_blocks = on_new_blocks
        self._shut_down = shut_down
        self._started_s = asyncio.get_running_loop().time()
        self._addresses_made = 0
        self._usage = _USAGE_OF_OLD if facts.is_old else _USAGE
        self._methods: dict[str, Callable[..., Awaitable[Any]]] = {
            name: getattr(self, f"_{name}") for name in self._usage
        }

    async def call(self, name: str, params: list[Any] | dict[str, Any]) -> Any:
        """Perform a call and return its result. Errors: MethodError."""
        if asyncio.get_running_loop().time() < self._warm_s:
            raise MethodError(WARMING_UP, "Loading wallet..." if self._facts.is_old else "Verifying blocks…")
        method = self._methods.get(name)
        if method is None:
            raise MethodError(METHOD_NOT_FOUND, "Method not found")
        if isinstance(params, dict):
            params = _in_order(name, params)
        required, optional = _parameter_counts(self._usage[name])
        if not required <= len(params) <= required + optional:
            raise MethodError(MISC_ERROR, self._usage[name])
        return await method(*params)

    # ---- nodes -------------------------------------------------------------------------------------------------------

    async def _addnode(self, node: Any, command: Any, v2transport: Any = None) -> None:
        entry = self._as(str, "string", node)
        match self._as(str, "string", command):
            case "add":
                if not self._peers.add(entry, literally=self._facts.release < _COMPARES_ADDRESSES):
                    raise MethodError(NODE_ALREADY_ADDED, "Error: Node already added")
            case "remove":
                if not self._peers.remove(entry):
                    raise MethodError(NODE_NOT_ADDED, _NOT_ADDED if self._facts.is_old else _NOT_REMOVED)
            case "onetry":
                await self._peers.try_once(entry)
            case _:
                raise MethodError(MISC_ERROR, self._usage["addnode"])

    async def _disconnectnode(self, address: Any = None, nodeid: Any = None) -> None:
        if nodeid is None and address is not None:
            name = self._as(str, "string", address)
            found = [link for link in self._peers.links if link.name == name]
        elif nodeid is not None and not address:
            number = self._as(int, "number", nodeid)
            found = [link for link in self._peers.links if link.number == number]
        else:
            raise MethodError(INVALID_PARAMS, "Only one of address and nodeid should be provided.")
        if not found:
            raise MethodError(NODE_NOT_CONNECTED, "Node not found in connected nodes")
        self._peers.disconnect(found[0])

    async def _getaddednodeinfo(self, node: Any = None) -> list[dict[str, Any]]:
        if node is not None and self._as(str, "string", node) not in self._peers.added:
            raise MethodError(NODE_NOT_ADDED, _NOT_ADDED)
        return [self._added_node(entry) for entry in self._peers.added if node in (None, entry)]

    def _added_node(self, entry: str) -> dict[str, Any]:
        connected = self._peers.connected_to(entry)
        host, port = self._peers.address_of(entry)
        addresses = [{"address": f"{host}:{port}", "connected": "outbound"}] if connected else []
        return {"addednode": entry, "connected": connected, "addresses": addresses}

    async def _getpeerinfo(self) -> list[dict[str, Any]]:
        tell = self._peer_as_of_old if self._facts.is_old else self._peer
        return [tell(link) for link in self._peers.links if link.hello is not None]

    def _peer_as_of_old(self, link: Link) -> dict[str, Any]:
        assert link.hello is not None  # only these are told
        return {
            "id": link.number,
            "addr": link.name,
            "version": PROTOCOL,
            "subver": link.hello.agent,
            "inbound": link.inbound,
            "addnode": not link.inbound and link.name in self._peers.added,
            "startingheight": link.hello.height,
        }

    def _peer(self, link: Link) -> dict[str, Any]:
        assert link.hello is not None  # only these are told
        since, common = int(link.since.timestamp()), min(self._chain.height, link.hello.height)
        starting = {} if self._facts.release >= _WITHOUT_STARTING_HEIGHT else {"startingheight": link.hello.height}
        return {
            "id": link.number,
            "addr": link.name,
            "addrbind": f"{self._facts.host}:{self._facts.port}",
            "network": "not_publicly_routable",
            "services": f"{sum(_SERVICES.values()):016x}",
            "servicesnames": list(_SERVICES),
            "relaytxes": True,
            "lastsend": since,
            "lastrecv": since,
            "last_transaction": 0,
            "last_block": 0,
            "bytessent": 0,
            "bytesrecv": 0,
            "conntime": since,
            "timeoffset": 0,
            "version": PROTOCOL,
            "subver": link.hello.agent,
            "inbound": link.inbound,
            "bip152_hb_to": False,
            "bip152_hb_from": False,
            **starting,
            "presynced_headers": -1,
            "synced_headers": common,
            "synced_blocks": common,
            "inflight": [],
            "addr_relay_enabled": True,
            "addr_processed": 0,
            "addr_rate_limited": 0,
            "permissions": [],
            "minfeefilter": 0.000001,
            "bytessent_per_msg": {},
            "bytesrecv_per_msg": {},
            "connection_type": "inbound" if link.inbound else "manual",
            "transport_protocol_type": "v1",
            "session_id": "",
        }

    async def _getconnectioncount(self) -> int:
        return len(self._peers.links)

    async def _ping(self) -> None:
        return None

    async def _getnetworkinfo(self) -> dict[str, Any]:
        links = self._peers.links
        told = {
            "version": self._facts.release.version,
            "subversion": self._facts.agent,
            "protocolversion": PROTOCOL,
            "networkactive": True,
            "connections": len(links),
            "localaddresses": [],
            "warnings": self._warnings(),
        }
        if self._facts.is_old:
            return told
        inbound = sum(link.inbound for link in links)
        return {
            **told,
            "localservices": f"{sum(_SERVICES.values()):016x}",
            "localservicesnames": list(_SERVICES),
            "localrelay": True,
            "timeoffset": 0,
            "connections_in": inbound,
            "connections_out": len(links) - inbound,
            "networks": [_network(name) for name in ("ipv4", "ipv6", "onion", "i2p", "cjdns")],
            "relayfee": 0.000001,
            "incrementalfee": 0.000001,
        }

    def _warnings(self) -> str | list[str]:
        text = "This node is simulated: its blocks are invented"
        return [text] if self._facts.release >= _WITH_LIST_OF_WARNINGS else text

    # ---- blocks ------------------------------------------------------------------------------------------------------

    async def _getblockchaininfo(self) -> dict[str, Any]:
        height = self._chain.height
        told = {
            "chain": self._facts.chain.name,
            "blocks": height,
            "headers": max([height, *(link.hello.height for link in self._peers.links if link.hello is not None)]),
            "bestblockhash": self._chain.tip,
        }
        if self._facts.is_old:
            return told
        time = int((self._tip_time() or _GENESIS_TIME).timestamp())
        target = {"bits": _EASY_BITS, "target": _EASY_TARGET} if self._facts.release >= _WITH_TARGET else {}
        return {
            **told,
            **target,
            "difficulty": _EASY_DIFFICULTY,
            "time": time,
            "mediantime": time,
            "verificationprogress": 1.0,
            "initialblockdownload": self._is_downloading(),
            "chainwork": f"{2 * (height + 1):064x}",
            "size_on_disk": 293 * (height + 1),
            "pruned": False,
            "warnings": self._warnings(),
        }

    async def _getblockcount(self) -> int:
        return self._chain.height

    async def _getbestblockhash(self) -> str:
        return self._chain.tip

    async def _getblockhash(self, height: Any) -> str:
        found = self._chain.at(self._as(int, "number", height))
        if found is None:
            raise MethodError(INVALID_PARAMETER, "Block height out of range")
        return found

    async def _getnewaddress(self, account: Any = "") -> str:
        self._addresses_made += 1
        owner = f"{self._facts.host} {self._as(str, 'string', account)} {self._addresses_made}"
        return "m" + "".join(_BASE58[byte % len(_BASE58)] for byte in sha256(owner.encode()).digest())

    async def _generate(self, blocks: Any = 0, maxtries: Any = 0) -> list[str]:
        if not self._facts.is_old:
            raise MethodError(METHOD_NOT_FOUND, self._usage["generate"])
        return self._mine(blocks, maxtries)

    def _mine(self, blocks: Any, maxtries: Any) -> list[str]:
        self._as(int, "number", maxtries)
        if self._as(int, "number", blocks) <= 0:
            return []
        mined = [self._chain.mine(f"{self._facts.host} {clock.monotonic()}") for _ in range(blocks)]
        self._on_new_blocks()
        self._peers.announce()
        return mined

    async def _generatetoaddress(self, blocks: Any, address: Any, maxtries: Any = 0) -> list[str]:
        self._as(int, "number", blocks)
        if not _AN_ADDRESS.fullmatch(self._as(str, "string", address)):
            raise MethodError(INVALID_ADDRESS, "Error: Invalid address")
        return self._mine(blocks, maxtries)

    # ---- the node itself ---------------------------------------------------------------------------------------------

    async def _help(self, command: Any = None) -> str:
        if command is None:
            return "\n".join(self._usage.values())
        return self._usage.get(self._as(str, "string", command), f"help: unknown command: {command}")

    async def _uptime(self) -> int:
        return int(asyncio.get_running_loop().time() - self._started_s)

    async def _stop(self) -> str:
        self._shut_down()
        return "Bitcoin server stopping" if self._facts.is_old else "Bitcoin Core stopping"

    def _as(self, kind: type[T], what: str, value: Any) -> T:
        if isinstance(value, kind) and not isinstance(value, bool):
            return value
        if self._facts.is_old:
            article, what = ("an", "integer") if what == "number" else ("a", what)
            raise MethodError(MISC_ERROR, f"JSON value is not {article} {what} as expected")
        raise MethodError(WRONG_TYPE, f"Wrong type passed:\nJSON value is not of expected type {what}")


def _network(name: str) -> dict[str, Any]:
    reachable = name in ("ipv4", "ipv6")
    return {
        "name": name,
        "limited": not reachable,
        "reachable": reachable,
        "proxy": "",
        "proxy_randomize_credentials": False,
    }


def _in_order(method: str, named: dict[str, Any]) -> list[Any]:
    """Put named parameters in their order. Errors: MethodError for unknown names."""
    names = _NAMES.get(method, ())
    unknown = next((name for name in named if name not in names), None)
    if unknown is not None:
        raise MethodError(INVALID_PARAMETER, f"Unknown named parameter {unknown}")
    last = max((i for i, name in enumerate(names) if name in named), default=-1)
    return [named.get(name) for name in names[: last + 1]]


def _parameter_counts(usage: str) -> tuple[int, int]:
    """Count the required and the optional parameters in a usage line such as `generate nblocks ( maxtries )`."""
    required, _, optional = usage.partition("(")
    return len(required.split()) - 1, len(optional.rstrip(" )").split())
