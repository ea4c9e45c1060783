"""The client and the simulated nodes are held to the exchanges of Bitcoin Core: names, types, codes and messages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from ctrlkit.bitcoin import rpc
from ctrlkit.bitcoin.rpc import Credentials, Node, RpcError, RpcRefused
from ctrlkit.fakes.bitcoind.node import SimulatedNode
from ctrlkit.fakes.bitcoind.release import Release
from tests.bitcoin.exchanges import Exchange, differences_of_sv, exchanges, perform, written_from
from tests.bitcoin.test_rpc import Canned
from tests.support.loopback import own_address

CREDENTIALS = Credentials(user="a-user", password="a-password")
NODE, OTHER, NOBODY, WARMING = (own_address(number) for number in (11, 12, 19, 13))
HOSTS = {"node": NODE, "other": OTHER, "warming": WARMING}
ADDRESSES = {"10.0.0.1": NODE, "10.0.0.2": OTHER, "10.0.0.9": NOBODY}
CALLS: dict[str, tuple[Any, ...]] = {
    "add_node": ("10.0.0.7",),
    "remove_node": ("10.0.0.7",),
    "connect": ("10.0.0.9",),
    "disconnect": ("10.0.0.7",),
    "generate": (1,),
}


def a_node(host: str, *, release: str = "30.0", added: Sequence[str] = (), warmup_s: float = 0.0) -> SimulatedNode:
    return SimulatedNode(
        host,
        user=CREDENTIALS.user,
        password=CREDENTIALS.password,
        added=added,
        warmup_s=warmup_s,
        release=Release.of(release),
    )


async def test_a_simulated_node_answers_as_bitcoin_core_does() -> None:
    """All exchanges, one after the other, with a node that has another one connected."""
    async with a_node(NODE, added=[OTHER, NOBODY]), a_node(OTHER), a_node(WARMING, warmup_s=1000):
        await asyncio.sleep(5)
        found = {one.name: await perform(one, HOSTS, CREDENTIALS) for one in exchanges(ADDRESSES)}
    assert {name: differences for name, differences in found.items() if differences} == {}


async def test_fields_come_and_go_with_releases() -> None:
    """What 30.0 tells and 27.0 does not; no other difference, but for what was asked in another way."""
    async with a_node(NODE, release="27.0", added=[OTHER, NOBODY]), a_node(OTHER, release="27.0"):
        await asyncio.sleep(5)
        for one in exchanges(ADDRESSES):
            if one.name == "getblockchaininfo":
                assert sorted(await perform(one, HOSTS, CREDENTIALS)) == [
                    *("result.bits: missing", "result.target: missing", "result.warnings: str, not list")
                ]
            if one.name == "JSON-RPC 2.0":
                assert sorted(await perform(one, HOSTS, CREDENTIALS)) == ["error: more", "jsonrpc: missing"]


@pytest.mark.parametrize("exchange", [one for one in exchanges() if one.client], ids=lambda one: one.name)
async def test_the_client_understands_what_bitcoin_core_answers(exchange: Exchange) -> None:
    """What its calls give, or which error they raise, with which code."""
    call = exchange.client["call"]
    handle = Canned(exchange.status, exchange.answer_body).node("10.0.0.1", CREDENTIALS)
    wanted = exchange.client.get("raises")
    if wanted is None:
        assert _plain(await getattr(handle, call)(*CALLS.get(call, ()))) == exchange.client["gives"]
        return
    with pytest.raises(getattr(rpc, wanted)) as raised:
        await getattr(handle, call)(*CALLS.get(call, ()))
    assert type(raised.value).__name__ == wanted
    if isinstance(raised.value, RpcRefused):
        assert raised.value.code == exchange.client["code"]
    assert isinstance(raised.value, RpcError)


def _plain(value: Any) -> Any:
    """A value of the client as the file has it."""
    if isinstance(value, frozenset):
        return sorted(value)
    fields = getattr(value, "__struct_fields__", None) or getattr(value, "__dataclass_fields__", None)
    return {name: _plain(getattr(value, name)) for name in fields} if fields else value


def test_all_calls_of_a_reconcile_are_among_the_exchanges() -> None:
    """Those of the protocol that the nodes in memory have too."""
    calls = {name for name in vars(Node) if not name.startswith("_")}
    assert calls <= {one.client["call"] for one in exchanges() if one.client}


def test_each_exchange_names_the_files_of_the_tag_that_it_is_written_from() -> None:
    """A released one, by its name and its commit."""
    tag, commit = written_from()
    assert re.fullmatch(r"v\d+\.\d+", tag)
    assert re.fullmatch(r"[0-9a-f]{40}", commit)
    sources = {one.name: one.source for one in exchanges()}
    assert [name for name, files in sources.items() if not files] == []
    assert {
        file for files in sources.values() for file in files if not re.fullmatch(r"src/(rpc/)?[a-z]+\.cpp", file)
    } == set()


def test_the_differences_of_bitcoin_sv_are_of_exchanges_that_there_are() -> None:
    """A name that is misspelled would excuse nothing."""
    assert differences_of_sv().keys() <= {one.name for one in exchanges()}
