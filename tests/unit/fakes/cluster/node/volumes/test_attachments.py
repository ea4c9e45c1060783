"""A disk is attached to one node at a time; one of a lost node is taken from it six minutes after its pods are gone."""

from __future__ import annotations

import pytest

from ctrlkit.fakes.cluster.node.volumes.attachments import FORCED_AFTER_S, LOOK_EVERY_S, Attachments, Held
from ctrlkit.model import ObjectKey

ONCE = ["ReadWriteOnce"]
A, B = ObjectKey("demo", "a"), ObjectKey("demo", "b")


class Cluster:
    """Which nodes work and which pods there are."""

    def __init__(self) -> None:
        self.lost: set[str] = set()
        self.gone: set[str] = set()
        self.attachments = Attachments(lambda node: node not in self.lost, lambda key, uid: uid not in self.gone)

    def attach(self, node: str, uid: str, now: float, modes: list[str] = ONCE, key: ObjectKey = B) -> Held | None:
        return self.attachments.attach("pv", modes, node, key, uid, now=now)


def test_pods_of_one_node_share_a_disk_and_the_last_one_frees_it() -> None:
    cluster = Cluster()
    assert cluster.attach("n1", "u1", 0.0, key=A) is None
    assert cluster.attach("n1", "u2", 0.0) is None
    assert cluster.attachments.leave("u1", is_lost=False) == set()
    assert cluster.attach("n2", "u3", 0.0) is not None
    assert cluster.attachments.leave("u2", is_lost=False) == {"pv"}
    assert cluster.attach("n2", "u3", 0.0) is None


@pytest.mark.parametrize("mode", ["ReadWriteMany", "ReadOnlyMany"])
def test_a_disk_for_many_is_attached_to_many_nodes(mode: str) -> None:
    cluster = Cluster()
    assert cluster.attach("n1", "u1", 0.0, [mode]) is None
    assert cluster.attach("n2", "u2", 0.0, [mode]) is None
    assert cluster.attachments.nodes("pv") == ["n1", "n2"]


def test_who_has_a_disk_is_told_to_pods_of_the_same_namespace_alone() -> None:
    cluster = Cluster()
    cluster.attach("n1", "u1", 0.0, key=A)
    cluster.attach("n1", "u2", 0.0, key=ObjectKey("other", "c"))
    held = cluster.attach("n2", "u3", 0.0)
    assert held == Held("Volume is already used by pod(s) a and 1 pod(s) in different namespaces", None)
    held = cluster.attach("n2", "u4", 0.0, key=ObjectKey("third", "d"))
    assert held == Held("Volume is already used by 2 pod(s) in different namespaces", None)


def test_a_disk_stays_with_a_lost_node_as_long_as_its_pods_and_six_minutes_more() -> None:
    """Nobody can say that the node does not write to it."""
    cluster = Cluster()
    cluster.attach("n1", "u1", 0.0, key=A)
    cluster.lost.add("n1")
    assert cluster.attachments.leave("u1", is_lost=True) == set()
    assert cluster.attach("n2", "u2", 100.0) == Held("Volume is already used by pod(s) a", 100.0 + LOOK_EVERY_S)
    cluster.gone.add("u1")
    text = "Volume is already exclusively attached to one node and can't be attached to another"
    assert cluster.attach("n2", "u2", 200.0) == Held(text, 200.0 + LOOK_EVERY_S)
    late = 200.0 + FORCED_AFTER_S
    assert cluster.attach("n2", "u2", late - 1.0) == Held(text, late)
    assert cluster.attach("n2", "u2", late) is None
    assert cluster.attachments.nodes("pv") == ["n2"]


def test_a_node_that_is_back_gives_up_the_disks_of_pods_that_are_gone() -> None:
    cluster = Cluster()
    cluster.attach("n1", "u1", 0.0, key=A)
    cluster.attachments.leave("u1", is_lost=True)
    cluster.gone.add("u1")
    assert cluster.attach("n2", "u2", 1.0) is None
