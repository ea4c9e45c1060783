"""
Pod addresses: one for each pod, from a block of 65 000 in which no other program listens.

On Linux all of 127.0.0.0/8 belongs to the loopback interface, so every pod can have its own address and use the same
ports, as in a cluster.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable

from ctrlkit.clock import random_source
from ctrlkit.errors import CtrlkitError

_GIVE_UP_AFTER = 512
"""Addresses to try for one pod before giving up."""


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
        raise NoAddress(
            f"take a pod address from {self._block}: none is free; where only 127.0.0.1 is set up (macOS), add others "
            f"with `ifconfig lo0 alias` [{len(self._held)} in use]"
        )

    def release(self, address: str) -> None:
        """Release an address; unallocated ones are ignored."""
        self._held.discard(address)


def loopback_addresses(*, ports: Iterable[int]) -> Addresses:
    """Return addresses 127.R.x.y on which `ports` are free; R is random (16 to 254), so that runs rarely collide."""
    wanted = tuple(ports)
    return Addresses(
        block=f"127.{random_source().randint(16, 254)}.0.0/16", is_free=lambda address: can_listen(address, wanted)
    )


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
