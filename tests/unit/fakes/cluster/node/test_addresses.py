"""Pod addresses are never shared, and only those that this machine lets a pod listen on."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.addresses import (
    Addresses,
    FewAddresses,
    NoAddress,
    can_listen,
    loopback_addresses,
    missing_addresses,
)


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


def _as_on_macos(*added: str) -> Callable[[str], bool]:
    """A machine with 127.0.0.1, and what somebody has added."""
    return lambda address: address in ("127.0.0.1", *added)


def test_where_few_addresses_are_set_up_they_are_handed_out_and_then_shared() -> None:
    """Those that were added come first; a shared one is the one with the fewest pods."""
    addresses = loopback_addresses(ports=(), is_set_up=_as_on_macos("127.0.0.2", "127.0.0.3"))
    taken = [addresses.take() for _ in range(4)]
    assert sorted(taken[:3]) == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert taken[3] in taken[:3]
    addresses.release("10.0.0.1")
    addresses.release("127.0.0.2")
    addresses.release("127.0.0.2")
    addresses.release("127.0.0.3")
    assert [addresses.take(), addresses.take()] == ["127.0.0.2", "127.0.0.3"]
    addresses.release("127.0.0.2")
    addresses.release("127.0.0.3")
    assert addresses.take() == "127.0.0.2", "the one that has been free for longest"


def test_of_few_addresses_one_whose_ports_are_free_is_preferred() -> None:
    """Another program may listen on 127.0.0.1."""
    addresses = FewAddresses(["127.0.0.1", "127.0.0.2"], is_free=lambda address: address != "127.0.0.1")
    assert addresses.take() == "127.0.0.2"
    with pytest.raises(ValueError, match="none is given"):
        FewAddresses([])


def test_what_is_missing_is_told_before_the_third_pod() -> None:
    """The first addresses that are not there, as many as are needed; none where all of 127/8 is there."""
    assert missing_addresses(4, is_set_up=_as_on_macos()) == ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    assert missing_addresses(4, is_set_up=_as_on_macos("127.0.0.3")) == ["127.0.0.2", "127.0.0.4"]
    assert missing_addresses(1, is_set_up=_as_on_macos()) == []
    assert missing_addresses(200, is_set_up=lambda address: True) == []
