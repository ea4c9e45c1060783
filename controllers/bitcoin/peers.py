"""
Who should be on whose list: the calls that make a full mesh of what the nodes themselves say. Pure.

In       The addresses of the ready nodes, and the list of added nodes as one node tells it.
Out      The entries to add to that list and to remove from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from ctrlkit.bitcoin.rpc import peer_address


@dataclass(frozen=True, slots=True)
class Plan:
    """What one node is to be told: peers to add, and entries to remove, letter by letter as they are on its list."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


def plan(entries: Iterable[str], *, own_address: str, ready: Set[str]) -> Plan:
    """
    The calls that bring one node's list to all ready nodes but itself, and nobody else.

    >>> plan(["10.0.0.2", "10.0.0.9"], own_address="10.0.0.1", ready={"10.0.0.1", "10.0.0.2", "10.0.0.3"})
    Plan(add=('10.0.0.3',), remove=('10.0.0.9',))

    An entry with the port nodes listen on leads to the same node as one without, and may stay.
    """
    others = ready - {own_address}
    addresses = {entry: peer_address(entry) for entry in entries}
    return Plan(
        add=tuple(sorted(others - set(addresses.values()))),
        remove=tuple(sorted(entry for entry, address in addresses.items() if address not in others)),
    )
