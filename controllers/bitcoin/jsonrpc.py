"""JSON-RPC as bitcoin nodes speak it: the shapes of what is sent, and of what comes back, within bounds. Data alone."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0, le=2**53)]
Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a method; a batch is a list of them."""

    method: str
    params: tuple[str | int, ...]
    id: str = "ctrlkit"
    jsonrpc: str = "1.0"


def request_of(method: str, *params: str | int) -> Request:
    """
    Return the call of a method.

    >>> msgspec.json.encode(request_of("addnode", "10.0.0.7", "add"))
    b'{"method":"addnode","params":["10.0.0.7","add"],"id":"ctrlkit","jsonrpc":"1.0"}'
    """
    return Request(method=method, params=params)


class ReplyError(msgspec.Struct, frozen=True):
    """Why a call failed."""

    code: Int32
    message: str


class Reply(msgspec.Struct, frozen=True):
    """The answer to a call; the result is decoded once it is known that there is one."""

    result: msgspec.Raw = msgspec.Raw(b"null")
    error: ReplyError | None = None


class NetworkInfo(msgspec.Struct, frozen=True):
    """The fields of getnetworkinfo that are used."""

    version: Count
    subversion: Annotated[str, Meta(max_length=256)]
    connections: Annotated[int, Meta(ge=0, le=2**31 - 1)]


class ChainInfo(msgspec.Struct, frozen=True):
    """The fields of getblockchaininfo that are used; Bitcoin SV tells nothing of an initial download."""

    blocks: Count
    bestblockhash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    initialblockdownload: bool = False


class AddedNode(msgspec.Struct, frozen=True):
    """The fields of an entry of getaddednodeinfo that are used."""

    addednode: str
    connected: bool


class PeerInfo(msgspec.Struct, frozen=True):
    """The fields of a peer of getpeerinfo that are used; `version` is 0 until it has greeted."""

    addr: str
    version: int = 0
