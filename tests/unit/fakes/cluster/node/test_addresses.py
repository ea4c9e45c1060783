"""Pod addresses are never shared, and only those that this machine lets a pod listen on."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.addresses import Addresses, NoAddress, can_listen, loopback_addresses


@given(st.lists(st.integers(0, 5)))
def test_for_any_takes_and_releases_no_address_has_two_holders(steps: list[int]) -> None:
    """0 takes an address, n releases the n-th one held."""
    addresses = Addresses(block="10.244.0.0/29")
    held: list[str] = []
    for step in steps:
        if step == 0 and len(held) < 6:
            address = addresses.take()
            assert address not in held
            held.append(address)
        elif step and held:
            addresses.release(held.pop(step % len(held)))


@given(st.sets(st.integers(1, 6)))
def test_for_any_taken_addresses_only_free_ones_are_handed_out(taken: set[int]) -> None:
    """What is_free refuses is skipped; when nothing is left, the error says so."""
    addresses = Addresses(block="10.244.0.0/29", is_free=lambda address: int(address.rpartition(".")[2]) not in taken)
    got = {addresses.take() for _ in range(6 - len(taken))}
    assert got == {f"10.244.0.{number}" for number in range(1, 7) if number not in taken}
    with pytest.raises(NoAddress, match="none is free"):
        addresses.take()


def test_a_block_without_hosts_is_refused() -> None:
    """A typing error in a block is found where it is written."""
    with pytest.raises(ValueError, match="holds no host"):
        Addresses(block="10.0.0.0/31")


def test_an_address_is_not_free_where_a_port_is_taken() -> None:
    """Two runs side by side do not get each other's addresses, because the ports are tried."""
    with socket.create_server(("127.77.0.9", 0)) as server:
        port = server.getsockname()[1]
        assert not can_listen("127.77.0.9", [port])
        assert can_listen("127.77.0.10", [port])


def test_loopback_addresses_avoid_the_one_everybody_uses() -> None:
    """127.0.x.y is where other programs of the machine live."""
    first, second = loopback_addresses(ports=[]).take(), loopback_addresses(ports=[]).take()
    assert all(address.startswith("127.") and not address.startswith("127.0.") for address in (first, second))
