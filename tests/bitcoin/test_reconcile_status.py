"""The status of a network, as it is written: it follows the pods, and is written only when it changes."""

from __future__ import annotations

from ctrlkit.fakes.clientset.clientset import Write
from ctrlkit.model import Action, MergePatch, Verb
from ctrlkit.model.kinds import PODS
from tests.bitcoin.scene import CREDENTIALS, KEY, NETWORKS, Scene, address, mesh


def _ready(scene: Scene) -> list[bool]:
    return [node["ready"] for node in scene.network.at("status.nodes")]


async def test_the_status_lists_every_node_of_the_spec_from_the_start(scene: Scene) -> None:
    """Names are known before the pods are there; addresses are not."""
    scene.apply(2)
    await scene.world.settle()
    assert scene.network.at("status.nodes") == [
        {"ordinal": 0, "ready": False, "ip": "", "nodeName": "net-sts-0", "dnsName": "net-sts-0.net-svc"},
        {"ordinal": 1, "ready": False, "ip": "", "nodeName": "net-sts-1", "dnsName": "net-sts-1.net-svc"},
    ]


async def test_the_status_follows_the_pods(scene: Scene) -> None:
    """Nodes become ready one by one, as their pods do, at once and not at the next check."""
    scene.apply(2)
    await scene.world.settle()
    assert _ready(scene) == [False, False]
    scene.run_pod(0, ready=False)
    await scene.world.settle()
    assert scene.network.at("status.nodes")[0] | {} == {
        "ordinal": 0,
        "ready": False,
        "ip": address(0),
        "nodeName": "net-sts-0",
        "dnsName": "net-sts-0.net-svc",
    }
    scene.run_pod(0)
    await scene.world.settle()
    assert _ready(scene) == [True, False]
    scene.run_pod(1)
    await scene.world.settle()
    assert _ready(scene) == [True, True]
    assert scene.network.at("status.readyNodes") == 2
    scene.run_pod(0, ready=False)
    await scene.world.settle()
    assert _ready(scene) == [False, True]


async def test_the_conditions_tell_how_far_the_network_is(scene: Scene) -> None:
    """Available when all nodes are ready and connected; Progressing until then."""
    scene.apply(2)
    await scene.world.settle()
    assert scene.condition("Available") == ("False", "NodesStarting")
    assert scene.condition("Progressing") == ("True", "NodesStarting")
    assert scene.condition("CredentialsAvailable") == ("True", "DefaultCredentials")
    assert scene.message("Available") == "0 of 2 nodes are ready; waiting for net-sts-0, net-sts-1"
    scene.run_pod(0)
    scene.run_pod(1)
    await scene.world.settle()
    assert scene.condition("Available") == ("True", "NodesConnected")
    assert scene.condition("Progressing") == ("False", "Settled")


async def test_the_status_tells_which_generation_it_is_about(scene: Scene) -> None:
    """In itself and in each condition."""
    await scene.running(1)
    scene.apply(2)
    await scene.world.settle()
    generation = scene.network.metadata.generation
    assert generation == 2
    assert scene.network.at("status.observedGeneration") == generation
    assert {item["observedGeneration"] for item in scene.network.at("status.conditions")} == {generation}


async def test_a_condition_keeps_its_time_until_its_status_changes(scene: Scene) -> None:
    """Another reason or message is no transition."""
    scene.apply(2)
    await scene.world.settle()
    (began,) = [
        item["lastTransitionTime"] for item in scene.network.at("status.conditions") if item["type"] == "Available"
    ]
    await scene.world.advance(90)
    scene.run_pod(0)
    await scene.world.settle()
    available = next(item for item in scene.network.at("status.conditions") if item["type"] == "Available")
    assert (available["lastTransitionTime"], available["message"][:1]) == (began, "1")
    scene.run_pod(1)
    await scene.world.settle()
    available = next(item for item in scene.network.at("status.conditions") if item["type"] == "Available")
    assert (began, available["lastTransitionTime"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z")


async def test_the_steady_state_makes_no_call_at_all(scene: Scene) -> None:
    """For an hour: no read, no write, only watches that the server ended are resumed; of the nodes, lists are read."""
    await scene.running(3)
    await scene.world.advance(240)
    assert list(scene.world.clientset.actions) == []
    await scene.world.advance(3600 - 240)
    assert {action.verb for action in scene.world.clientset.actions} == {Verb.WATCH}
    assert scene.nodes.writes == []
    assert len(scene.nodes.calls) == 3 * 60


async def test_the_steady_state_with_a_secret_makes_no_call_either(scene: Scene) -> None:
    """The secret was read once, and its credentials still serve."""
    scene.put_secret("rpc")
    scene.nodes.accepted = CREDENTIALS
    await scene.running(3, secret="rpc")
    await scene.world.advance(3600)
    assert {action.verb for action in scene.world.clientset.actions} == {Verb.WATCH}


async def test_a_change_that_tells_nothing_new_writes_nothing(scene: Scene) -> None:
    """A label on the network leads to a pass, and the pass to no write."""
    await scene.running(2)
    scene.world.tracker.patch(NETWORKS, KEY, MergePatch({"metadata": {"labels": {"a": "b"}}}))
    await scene.world.settle()
    assert scene.world.clientset.writes == []
    assert len(scene.nodes.calls) == 2


async def test_a_pod_of_the_right_name_that_is_not_the_statefulsets_does_not_count(scene: Scene) -> None:
    """Only pods that the network's StatefulSet controls are its nodes."""
    scene.apply(1)
    await scene.world.settle()
    scene.run_pod(0)
    owners = MergePatch({"metadata": {"ownerReferences": None}})
    scene.world.tracker.patch(PODS, "demo/net-sts-0", owners)
    await scene.world.settle()
    assert _ready(scene) == [False]


async def test_a_status_from_an_old_cache_is_refused_and_made_anew(scene: Scene) -> None:
    """The write names the version it was made for; after a conflict the next pass sees the newer network."""
    scene.apply(1)
    conflicts = 0

    def change_in_between(action: Action) -> None:
        nonlocal conflicts
        if action.subresource == "status" and not conflicts:
            conflicts += 1
            scene.world.tracker.patch(NETWORKS, KEY, MergePatch({"metadata": {"labels": {"newer": "yes"}}}))

    scene.world.clientset.add_reactor("patch", NETWORKS, change_in_between)
    await scene.world.settle()
    assert scene.world.clientset.writes.count(Write("patch", NETWORKS, KEY, subresource="status")) == 2
    assert scene.condition("Available") == ("False", "NodesStarting")


async def test_a_network_of_no_nodes_rests(scene: Scene) -> None:
    """Its objects stay, it is not available, and nothing is on its way."""
    await scene.running(1)
    scene.apply(0)
    await scene.world.settle()
    scene.delete_pod(0)
    await scene.world.settle()
    assert scene.network.at("status.nodes") == []
    assert scene.condition("Available") == ("False", "NoNodes")
    assert scene.condition("Progressing") == ("False", "Settled")
    assert scene.nodes.lists == mesh(1)
