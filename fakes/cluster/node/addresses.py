"""
Pod addresses: one for each pod, from a block of 65 000 in which no other program listens.

On Linux all of 127.0.0.0/8 belongs to the loopback interface, so every pod can have its own address and use the same
ports, as in a cluster. On macOS only 127.0.0.1 is set up, and what somebody has added to it: these few are handed out
then, and the last of them is shared where more pods run; programs of two such pods cannot listen at the same port.
"""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ctrlkit.clock import random_source
from ctrlkit.errors import CtrlkitError

_GIVE_UP_AFTER = 512
"""Addresses to try for one pod before giving up."""

_FEW = tuple(f"127.0.0.{number}" for number in range(2, 255))
"""Where addresses are added by hand, as 127.0.0.1 is everybody's."""


class NoAddress(CtrlkitError):
    """No pod address is free."""


class Addresses:
    """
    Allocates the addresses of a block in order, so that a released address is reused as late as possible.

    >>> addresses = Addresses(block="10.244.0.0/30")
    >>> addresses.take(), addresses.take()
    ('10.244.0.1', '10.244.0.2')
    >>> addresses.release("10.244.0.1"); addresses.take()
    '10.244.0.1'

    Shape   `is_free` checks whether an unallocated address can be used on this machine.
    Errors  ValueError for a block without a host address; NoAddress if none is free.
    """

    def __init__(self, *, block: str, is_free: Callable[[str], bool] = lambda _: True) -> None:
        network = ipaddress.IPv4Network(block)
        if network.num_addresses < 4:
            raise ValueError(f"pod addresses from {block}: the block holds no host; use a prefix of at most 30 bits")
        self._first = int(network.network_address) + 1
        self._count = network.num_addresses - 2
        self._block = block
        self._is_free = is_free
        self._next = 0
        self._held: set[str] = set()

    def take(self) -> str:
        """Allocate an address that is free on this machine."""
        for _ in range(min(self._count, len(self._held) + _GIVE_UP_AFTER)):
            address = str(ipaddress.IPv4Address(self._first + self._next))
            self._next = (self._next + 1) % self._count
            if address not in self._held and self._is_free(address):
                self._held.add(address)
                return address
        raise NoAddress(f"take a pod address from {self._block}: none is free [{len(self._held)} in use]")

    def release(self, address: str) -> None:
        """Release an address; unallocated ones are ignored."""
        self._held.discard(address)


class FewAddresses(Addresses):
    """
    Allocates the few addresses that a machine has; when all are held, the one with the fewest holders is shared.

    A released one is reused as late as possible here too: who knows the pod that had it is not to meet another there.

    >>> addresses = FewAddresses(["127.0.0.2", "127.0.0.1"])
    >>> addresses.take(), addresses.take(), addresses.take()
    ('127.0.0.2', '127.0.0.1', '127.0.0.2')

    Errors  ValueError for none at all.
    """

    def __init__(self, addresses: Sequence[str], *, is_free: Callable[[str], bool] = lambda _: True) -> None:
        super().__init__(block="127.0.0.0/8", is_free=is_free)
        if not addresses:
            raise ValueError("pod addresses: none is given")
        self._holders = Counter(dict.fromkeys(addresses, 0))

    def take(self) -> str:
        """Allocate an address, if possible one that nobody holds and whose ports are free."""
        address = min(self._holders, key=lambda one: (self._holders[one], not self._is_free(one)))
        self._holders[address] += 1
        return address

    def release(self, address: str) -> None:
        """Release an address; unallocated ones are ignored."""
        if self._holders.get(address):
            self._holders[address] = self._holders.pop(address) - 1  # it is the last one to be taken again


def loopback_addresses(*, ports: Iterable[int], is_set_up: Callable[[str], bool] | None = None) -> Addresses:
    """
    Return addresses 127.R.x.y on which `ports` are free; R is random (16 to 254), so that runs rarely collide.

    Where only few addresses are set up, as on macOS, they are these. `is_set_up` says whether this machine has one.
    """
    wanted, exists = tuple(ports), is_set_up or has_address
    block = random_source().randint(16, 254)

    def is_free(address: str) -> bool:
        return exists(address) and can_listen(address, wanted)

    if exists(f"127.{block}.0.1"):
        return Addresses(block=f"127.{block}.0.0/16", is_free=is_free)
    return FewAddresses([*filter(exists, _FEW), "127.0.0.1"], is_free=is_free)


def missing_addresses(count: int, *, is_set_up: Callable[[str], bool] | None = None) -> list[str]:
    """
    Return which addresses are to be set up on this machine so that so many pods can listen at the same ports.

    >>> missing_addresses(3, is_set_up=lambda address: address == "127.0.0.1")
    ['127.0.0.2', '127.0.0.3']
    """
    exists = is_set_up or has_address
    if exists("127.200.0.1"):
        return []
    lacking = [address for address in _FEW if not exists(address)]
    return lacking[: max(0, count - 1 - (len(_FEW) - len(lacking)))]


def has_address(address: str) -> bool:
    """Whether this machine has an address."""
    return can_listen(address, ())


def can_listen(address: str, ports: Iterable[int]) -> bool:
    """Whether this machine has the address, and no program listens on these ports of it."""
    for port in (0, *ports):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no listener
            try:
                candidate.bind((address, port))
            except OSError:
                return False
    return True
