"""A network that does not decode (an older definition, a hand-made object) is told of, and harms nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.owned import FINALIZER
from ctrlkit.crd.manifest import definition_of
from ctrlkit.fakes.clientset.clientset import Write
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.world.world import World
from ctrlkit.model import JsonPatch, MergePatch, Verb
from ctrlkit.model.kinds import SERVICES, STATEFULSETS
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import KEY, NETWORKS, Scene, scene_with, world_of

ODD_SPECS: list[tuple[Any, str]] = [
    ({"nodes": "three"}, "Expected `int`, got `str` - at `$.spec.nodes`"),
    ({"nodes": -1}, "Expected `int` >= 0 - at `$.spec.nodes`"),
    ({"nodes": 101}, "nodes: 101 are more than 100, those of groups counted; write fewer"),
    (
        {"nodes": 90, "groups": [{"name": "a", "nodes": 20}]},
        "nodes: 110 are more than 100, those of groups counted; write fewer",
    ),
    ({"replicas": 3}, "Object missing required field `nodes` - at `$.spec`"),
    ({"nodes": 1, "secret": {"name": "a"}}, "Expected `str | null`, got `object` - at `$.spec.secret`"),
    (None, "Object missing required field `spec`"),
    (
        {"nodes": 1, "configuration": {"extra": ["debug=net\nrpcuser=me"]}},
        "configuration.extra: 'debug=net\\nrpcuser=me' is no line of bitcoin.conf; write NAME=VALUE, in ASCII",
    ),
    (
        {"nodes": 1, "groups": [{"name": "a", "nodes": 1, "configuration": {"extra": ["server=0"]}}]},
        "configuration.extra: the controller sets server itself; take it out",
    ),
    ({"nodes": 1, "storage": {"size": "much"}}, "storage.size: 'much' is no quantity; write one as 10Gi"),
    ({"nodes": 1, "groups": [{"name": "a", "nodes": 1}] * 2}, "groups: two have one name; write another"),
]


def _older_definition() -> dict[str, Any]:
    """A definition that lets everything through: no schema, and no scale, which would want a number of nodes."""
    crd = definition_of(BITCOIN_NETWORKS)
    (version,) = crd["spec"]["versions"]
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version.update(schema={"openAPIV3Schema": anything}, subresources={"status": {}})
    return crd


def _network(spec: Any, name: str = "net", **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "demo"}
    body = {"apiVersion": BITCOIN_NETWORKS.api_version, "kind": "BitcoinNetwork", "metadata": metadata, **rest}
    return body if spec is None else {**body, "spec": spec}


@pytest.fixture
async def scene_world(nodes: MemoryNodes) -> AsyncIterator[World]:
    async with world_of(nodes, crd=_older_definition()) as world:
        yield world


@pytest.mark.parametrize(("spec", "fact"), ODD_SPECS, ids=[str(spec) for spec, _ in ODD_SPECS])
async def test_a_network_that_does_not_decode_is_told_what_to_correct(scene: Scene, spec: Any, fact: str) -> None:
    """One event, and conditions that name the field; nothing is made for it."""
    seed(scene.world.tracker, _network(spec))
    await scene.world.settle()
    want = f"the network is left as it is, because its spec cannot be used: {fact}; correct it"
    assert scene.events() == [("SpecNotUnderstood", want)]
    assert scene.condition("Available") == ("False", "SpecNotUnderstood")
    assert scene.condition("Progressing") == ("False", "SpecNotUnderstood")
    assert scene.message("Available") == want
    assert scene.network.at("status.observedGeneration") == 1
    assert scene.world.tracker.list(STATEFULSETS, "demo") == []


async def test_a_network_that_does_not_decode_costs_one_read_and_one_write(scene: Scene) -> None:
    """One pass for the network, and none for its new status; then nothing, however long it stays so."""
    scene.world.clientset.clear_actions()
    seed(scene.world.tracker, _network({"nodes": "three"}))
    await scene.world.advance(3600)
    about = [action for action in scene.world.clientset.actions if action.verb is not Verb.WATCH]
    assert [str(action) for action in about if action.resource.identity == NETWORKS.identity] == [
        f"get {NETWORKS} demo/net",
        f"patch {NETWORKS}/status demo/net",
    ]


async def test_a_network_that_is_corrected_comes_up(scene: Scene) -> None:
    """The condition goes with its reason."""
    seed(scene.world.tracker, _network({"nodes": "three"}))
    await scene.world.settle()
    scene.world.tracker.patch(NETWORKS, KEY, MergePatch({"spec": {"nodes": 3}}))
    await scene.world.settle()
    assert scene.statefulset.at("spec.replicas") == 3
    assert scene.condition("Available") == ("False", "NodesStarting")


async def test_a_running_network_that_is_broken_keeps_its_nodes(scene: Scene) -> None:
    """Neither its children nor the nodes in its status are touched."""
    await scene.running(2)
    before = scene.network.at("status.nodes")
    scene.world.tracker.patch(NETWORKS, KEY, MergePatch({"spec": {"nodes": "four"}}))
    await scene.world.settle()
    assert scene.statefulset.at("spec.replicas") == 2
    assert scene.network.at("status.nodes") == before
    assert scene.condition("Available") == ("False", "SpecNotUnderstood")


@pytest.mark.parametrize("finalizers", [(), (FINALIZER,)], ids=["Delete", "Orphan"])
async def test_a_broken_network_can_be_deleted(scene: Scene, finalizers: tuple[str, ...]) -> None:
    """With the finalizer of the policy Orphan its objects lose their owner first; the spec is not needed for that."""
    await scene.running(1, deletionPolicy="Orphan" if finalizers else "Delete")
    assert tuple(scene.network.metadata.finalizers or ()) == finalizers
    scene.world.tracker.patch(NETWORKS, KEY, MergePatch({"spec": {"nodes": "four"}}))
    await scene.world.settle()
    scene.world.tracker.delete(NETWORKS, KEY)
    await scene.world.settle()
    assert scene.world.tracker.list(NETWORKS) == []
    owned = [*scene.world.tracker.list(STATEFULSETS, "demo"), *scene.world.tracker.list(SERVICES, "demo")]
    assert [one.metadata.controller is None for one in owned] == [bool(finalizers)] * 2


async def test_other_networks_notice_nothing(scene: Scene) -> None:
    """Those that decode come up, whether the broken one was there before or after."""
    seed(scene.world.tracker, _network({"nodes": "three"}, name="broken"))
    await scene.running(2)
    assert scene.condition("Available") == ("True", "NodesConnected")


async def test_a_network_that_was_broken_before_the_start_is_told_once() -> None:
    """The first list brings it; after another start of the controller its status says all there is to say."""
    nodes = MemoryNodes()
    async with scene_with(nodes, _network({"nodes": "three"}), crd=_older_definition()) as scene:
        assert [reason for reason, _ in scene.events()] == ["SpecNotUnderstood"]
        told = _network({"nodes": "three"}, status=scene.network["status"])
    async with scene_with(nodes, told, crd=_older_definition()) as scene:
        assert scene.events() == []


async def test_a_status_that_does_not_decode_is_written_anew(scene: Scene) -> None:
    """A spec that can be used is not held up by what somebody wrote into the status."""
    await scene.running(2)
    odd = JsonPatch([{"op": "replace", "path": "/status", "value": {"nodes": "many", "conditions": {"a": 1}}}])
    scene.world.tracker.patch(NETWORKS, KEY, odd, subresource="status")
    await scene.world.advance(60)
    assert scene.condition("Available") == ("True", "NodesConnected")
    assert len(scene.network.at("status.nodes")) == 2


async def test_a_network_that_is_gone_before_it_is_told_is_done(scene: Scene) -> None:
    """There is nobody to tell."""
    scene.world.clientset.add_reactor("get", NETWORKS, lambda _: scene.world.tracker.delete(NETWORKS, KEY) and None)
    seed(scene.world.tracker, _network({"nodes": "three"}))
    await scene.world.settle()
    assert Write("patch", NETWORKS, KEY, subresource="status") not in scene.world.clientset.writes
    assert scene.events() == []
