"""What must hold at each step of the walk-through: what passes, what does not, and what is then said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from ctrlkit.bitcoin.demo import checks
from ctrlkit.bitcoin.demo.checks import Holds, NodeFacts, NotYet
from ctrlkit.bitcoin.layout import desired_objects
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork, NodeStatus, Spec, Status
from ctrlkit.bitcoin.rotation import next_config
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.model import ObjectMeta, Unstructured, to_plain

NETWORK = BitcoinNetwork(
    metadata=ObjectMeta(name="net", namespace="demo", uid="u-1"), spec=Spec(nodes=2, secret="net-secret")
)
CONFIG = next_config(None, Credentials(user="u", password="p"), salt="00", all_updated=False)
OBJECTS = {item["kind"]: item for _, item in desired_objects(NETWORK, CONFIG, {"main": "bitcoin:30.2"})}


def changed(kind: str, **spec: Any) -> Unstructured:
    """An object of NETWORK as the server would have it, with some fields of its spec changed."""
    plain = to_plain(OBJECTS[kind])
    owner = to_plain(BITCOIN_NETWORKS.owner_reference(NETWORK.metadata))
    metadata = {**plain["metadata"], "ownerReferences": [owner]}
    return Unstructured({**plain, "metadata": metadata, "spec": {**plain["spec"], **spec}})


def a_service(**spec: Any) -> Unstructured:
    """The Service of NETWORK, with some fields of its spec changed."""
    return changed("Service", **spec)


def a_stateful_set(**spec: Any) -> Unstructured:
    """The StatefulSet of NETWORK, with some fields of its spec changed."""
    return changed("StatefulSet", **spec)


def with_container(**fields: Any) -> dict[str, Any]:
    """The template of the StatefulSet's pods, with some fields of its container changed."""
    template = OBJECTS["StatefulSet"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    return {**template, "spec": {**template["spec"], "containers": [{**container, **fields}]}}


def a_status(*ready: bool) -> BitcoinNetwork:
    """NETWORK with a node in its status for each of `ready`."""
    nodes = tuple(
        NodeStatus(ordinal=i, ready=is_ready, ip=f"127.9.0.{i}", node_name=f"net-sts-{i}", dns_name="")
        for i, is_ready in enumerate(ready)
    )
    return msgspec.structs.replace(NETWORK, status=Status(nodes=nodes))


def a_mesh(*entries: frozenset[str], peers: int = 1, blocks: int = 0) -> list[NodeFacts]:
    """Nodes 127.9.0.0, 127.9.0.1, ... with these lists."""
    return [
        NodeFacts(name=f"net-sts-{i}", ready=True, address=f"127.9.0.{i}", entries=own, peers=peers, blocks=blocks)
        for i, own in enumerate(entries)
    ]


PAIR = (frozenset({"127.9.0.1"}), frozenset[str]())
SILENT = NodeFacts(name="net-sts-1", ready=True, address="127.9.0.1", error="no answer")


def test_the_children_that_the_controller_makes_fit() -> None:
    """The checks are written on their own, and agree with what is desired."""
    found = checks.children_fit(NETWORK, a_service(), a_stateful_set())

    assert isinstance(found, Holds)
    assert "wants 2 pods of bitcoin:30.2 with a claim each" in found.detail


@pytest.mark.parametrize(
    ("service", "stateful_set", "said"),
    [
        (None, None, "no Service and no StatefulSet yet"),
        (a_service(clusterIP="10.0.0.1"), a_stateful_set(), "not headless: its clusterIP is 10.0.0.1"),
        (a_service(selector={"app": "other"}), a_stateful_set(), "the Service selects"),
        (a_service(), a_stateful_set(replicas=5), "wants 5 pods, the network 2"),
        (a_service(), a_stateful_set(serviceName="x"), "service is x"),
        (
            a_service(),
            a_stateful_set(selector={"matchLabels": {"app": "net"}}),
            "the StatefulSet selects {'app': 'net'}",
        ),
        (a_service(), a_stateful_set(volumeClaimTemplates=[]), "no claim for their chain"),
        (
            a_service(),
            a_stateful_set(template=with_container(readinessProbe=None)),
            "the readiness probe does not ask the node",
        ),
        (
            a_service(),
            a_stateful_set(template=with_container(args=["-rpcpassword=p"])),
            "the pods show credentials in -rpcpassword=p",
        ),
        (
            a_service(),
            a_stateful_set(template=with_container(envFrom=[{"secretRef": {"name": "net-secret"}}])),
            "the pods show credentials in their environment",
        ),
    ],
)
def test_children_that_do_not_fit_are_told_with_what_is_wrong(
    service: Unstructured | None, stateful_set: Unstructured | None, said: str
) -> None:
    """Whatever is missing or differs is named."""
    found = checks.children_fit(NETWORK, service, stateful_set)

    assert isinstance(found, NotYet)
    assert said in found.detail


def test_children_of_another_network_do_not_fit() -> None:
    """Names and fields alone do not make them the network's: the owner does."""
    other = msgspec.structs.replace(NETWORK, metadata=ObjectMeta(name="net", namespace="demo", uid="u-2"))

    found = checks.children_fit(other, a_service(), a_stateful_set())

    assert found == NotYet("the Service is not owned by the network; the StatefulSet is not owned by the network")


def test_all_nodes_are_ready_when_the_status_lists_them_all_as_ready() -> None:
    """No fewer, no more, and each ready."""
    assert isinstance(checks.all_ready(a_status(True, True), nodes=2), Holds)
    assert checks.all_ready(a_status(True, False), nodes=2) == NotYet(
        "1 of 2 ready in the network's status, waiting for net-sts-1"
    )
    assert isinstance(checks.all_ready(a_status(True, True, True), nodes=2), NotYet)
    assert isinstance(checks.all_ready(a_status(True), nodes=2), NotYet)
    assert isinstance(checks.all_ready(None, nodes=2), NotYet)


def test_in_a_full_mesh_every_two_are_connected_by_an_entry_on_a_list_of_either() -> None:
    """An entry may have the port nodes listen on."""
    facts = a_mesh(frozenset({"127.9.0.1:18444"}), frozenset())

    want = "every two are connected, by an entry on a list of either; 1 connections each"
    assert checks.in_full_mesh(facts, nodes=2) == Holds(want)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (a_mesh(*PAIR)[:1], "1 nodes, want 2"),
        (a_mesh(frozenset(), frozenset()), "neither net-sts-0 nor net-sts-1 has the other on its list"),
        (a_mesh(PAIR[0], PAIR[1] | {"127.9.0.7"}), "net-sts-1 still has 127.9.0.7 on its list"),
        (a_mesh(*PAIR, peers=0), "net-sts-0 has 0 of 1 connections"),
        ([*a_mesh(*PAIR)[:1], SILENT], "no answer"),
        ([*a_mesh(*PAIR)[:1], NodeFacts(name="net-sts-1", ready=False, address="")], "net-sts-1 is not ready"),
    ],
)
def test_what_is_missing_from_a_mesh_is_named(facts: list[NodeFacts], said: str) -> None:
    """The first thing that is wrong is said, with the node."""
    assert checks.in_full_mesh(facts, nodes=2) == NotYet(said)


def test_all_nodes_must_have_exactly_the_blocks() -> None:
    """Neither fewer nor more, and every node answers."""
    assert checks.at_height(a_mesh(*PAIR, blocks=7), blocks=7) == Holds("all 2 nodes have 7 blocks")
    assert checks.at_height(a_mesh(*PAIR, blocks=6), blocks=7) == NotYet(
        "net-sts-0 has 6, net-sts-1 has 6, want 7 blocks"
    )
    assert checks.at_height([SILENT], blocks=7) == NotYet("no answer")
    assert isinstance(checks.at_height([], blocks=7), NotYet)


def test_an_address_is_removed_when_no_ready_node_has_it() -> None:
    """Nodes that are not ready cannot be asked and do not count; with none to ask nothing is known."""
    gone = NodeFacts(name="net-sts-1", ready=False, address="")

    assert isinstance(checks.on_no_list("127.9.0.1", [*a_mesh(frozenset()), gone]), Holds)
    assert checks.on_no_list("127.9.0.1", a_mesh(*PAIR)) == NotYet("127.9.0.1 is still on the list of net-sts-0")
    assert isinstance(checks.on_no_list("127.9.0.1", [gone]), NotYet)
    assert isinstance(checks.on_no_list("127.9.0.1", [SILENT]), NotYet)


def test_a_pod_is_replaced_by_another_that_is_ready() -> None:
    """The uid tells it from the old one; the status must know its address."""
    (node,) = a_status(True).status.nodes

    assert isinstance(checks.replaced(node, uid="b", old_uid="a", address="127.9.0.0"), Holds)
    assert checks.replaced(node, uid="a", old_uid="a", address="127.9.0.0") == NotYet("the old pod is still there")
    assert checks.replaced(node, uid="", old_uid="a", address="") == NotYet("there is no new pod yet")
    assert checks.replaced(node, uid="b", old_uid="a", address="127.9.0.5") == NotYet("the new pod is not ready yet")
    assert checks.replaced(None, uid="b", old_uid="a", address="127.9.0.5") == NotYet("the new pod is not ready yet")


def test_what_is_left_is_counted() -> None:
    """Gone is when nothing is left of any kind."""
    assert checks.is_gone({"network": 0, "pods": 0}) == Holds("no network, no pods")
    assert checks.is_gone({"network": 0, "pods": 2}) == NotYet("left: 2 pods")


def ring(count: int, *, parts: int = 1) -> list[NodeFacts]:
    """So many nodes, each with the next of its part on its list."""
    after = {i: (i + parts) % count for i in range(count)}
    return a_mesh(*(frozenset({f"127.9.0.{after[i]}"}) for i in range(count)), peers=2)


def test_many_nodes_are_connected_over_others() -> None:
    """Up to 17 are with each other; of more each is reached from each, and nothing else is on a list."""
    assert checks.meshed(ring(18), nodes=18) == Holds("all 18 are connected, over 2 others each")
    assert isinstance(checks.meshed(ring(17), nodes=17), NotYet)
    assert checks.meshed(ring(18, parts=2), nodes=18) == NotYet("9 of 18 nodes are reached from net-sts-0")
    assert checks.meshed(ring(18), nodes=19) == NotYet("18 nodes, want 19")
    assert checks.meshed([*ring(20)[:18]], nodes=18) == NotYet("net-sts-17 still has 127.9.0.18 on its list")
    alone = [*ring(18)[:17], replace(ring(18)[17], peers=0)]
    assert checks.meshed(alone, nodes=18) == NotYet("net-sts-17 without a connection")


def test_nodes_of_groups_count_as_nodes() -> None:
    """They have ordinals of their own; names tell them apart."""
    network = a_status(True, True)
    other = NodeStatus(ordinal=0, ready=True, ip="127.9.0.9", node_name="net-sts-old-0", dns_name="", group="old")
    grouped = msgspec.structs.replace(network, status=Status(nodes=(*network.status.nodes, other)))
    assert isinstance(checks.all_ready(grouped, nodes=3), Holds)
    assert isinstance(checks.all_ready(grouped, nodes=2), NotYet)
