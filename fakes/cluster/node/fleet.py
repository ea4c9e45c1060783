"""The nodes that are played here: where each is, whether its kubelet works, and when it was last heard of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.declarations import Node

KUBELET = "kubelet"
"""In whose name what a node does is written and told."""
LEASE_S = 40
"""For how long a kubelet's Lease holds."""

RENEW_EVERY_S = 10.0
"""How often a kubelet renews it."""


@dataclass(slots=True)
class Member:
    """A node that is played here; `lost_at` is on the loop's clock, None while its kubelet works."""

    node: Node
    address: str
    boots: int = 1
    lost_at: float | None = None


class Fleet:
    """
    The nodes of a cluster, by their names.

    A kubelet that works is heard of all the time: what it would write every few seconds to say so is worked out when
    somebody asks. Only one that is lost falls silent, at the moment of its last renewal.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._members = {node.name: Member(node, f"127.0.0.{number}") for number, node in enumerate(nodes, start=1)}
        self._began_at = clock.monotonic()
        self._callbacks: list[Callable[[str], None]] = []

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def find(self, name: str) -> Member | None:
        """Return a node that is played here; None for any other, such as one that a test made by hand."""
        return self._members.get(name)

    def works(self, name: str) -> bool:
        """Whether a kubelet runs on the node."""
        member = self._members.get(name)
        return member is not None and member.lost_at is None

    def heard_at(self, member: Member) -> float:
        """Return when a node's kubelet was last heard of, on the loop's clock."""
        if member.lost_at is None:
            return clock.monotonic()
        return member.lost_at - (member.lost_at - self._began_at) % RENEW_EVERY_S

    def on_change(self, callback: Callable[[str], None]) -> None:
        """Call `callback` with the name of each node that is lost or recovered."""
        self._callbacks.append(callback)

    def lose(self, name: str) -> None:
        """Lose a node: from now on its kubelet does nothing. Errors: KeyError, RuntimeError if it is lost."""
        member = self._member(name)
        if member.lost_at is not None:
            raise RuntimeError(f"lose node {name}: it is lost already; recover it first")
        member.lost_at = clock.monotonic()
        self._tell(name)

    def recover(self, name: str) -> None:
        """Boot a lost node. Errors: KeyError, RuntimeError if it is not lost."""
        member = self._member(name)
        if member.lost_at is None:
            raise RuntimeError(f"recover node {name}: it is not lost")
        member.lost_at = None
        member.boots += 1
        self._tell(name)

    def _member(self, name: str) -> Member:
        member = self._members.get(name)
        if member is None:
            known = ", ".join(self._members) or "none"
            raise KeyError(f"node {name}: it is not played here; there are {known}")
        return member

    def _tell(self, name: str) -> None:
        for callback in self._callbacks:
            callback(name)
