"""
Pod addresses: one for each pod, from a block of 65 000 in which nobody else listens.

On Linux all of 127.0.0.0/8 belongs to the loopback interface, so every pod can have an address of its own and all of
them the same ports, as in a cluster.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable

from ctrlkit.clock import random_source
from ctrlkit.errors import CtrlkitError

_GIVE_UP_AFTER = 512
"""Addresses tried in a row for one pod before the block counts as unusable."""


class NoAddress(CtrlkitError):
    """No pod address can be had."""


class Addresses:
    """
    Hands out each address of a block to one holder at a time, in order, so that a released one is used again late.

    >>> addresses = Addresses(block="10.244.0.0/30")
    >>> addresses.take(), addresses.take()
    ('10.244.0.1', '10.244.0.2')
    >>> addresses.release("10.244.0.1"); addresses.take()
    '10.244.0.1'

    Shape   `is_free` says whether an address that nobody holds can be used on this machine.
    Errors  ValueError for a block with less than one host; NoAddress where none is free.
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
        """An address nobody holds and that is free on this machine."""
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
        """Give an address back; one that is not held is ignored."""
        self._held.discard(address)


def loopback_addresses(*, ports: Iterable[int]) -> Addresses:
    """Addresses 127.R.x.y on which all of `ports` can be bound; R is drawn from 16 to 254, so two runs rarely meet."""
    wanted = tuple(ports)
    return Addresses(
        block=f"127.{random_source().randint(16, 254)}.0.0/16", is_free=lambda address: can_listen(address, wanted)
    )


def can_listen(address: str, ports: Iterable[int]) -> bool:
    """Whether nobody listens on any of the ports of an address, and the machine has the address at all."""
    for port in (0, *ports):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no listener
            try:
                candidate.bind((address, port))
            except OSError:
                return False
    return True
