"""The status of a network, as it is written: it follows the pods, and is written only when it changes."""

from __future__ import annotations

from ctrlkit.bitcoin.objects import BUDGETS, SERVICES
from ctrlkit.bitcoin.reconciler import TELL_AFTER_S
from ctrlkit.controller.writes import SEEN_WITHIN_S
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.model import Action, MergePatch, Verb
from ctrlkit.model.kinds import PODS, STATEFULSETS
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import KEY, NETWORKS, STATUS, Scene, address, node, scene_with


def _ready(scene: Scene) -> list[bool]:
    return [node["ready"] for node in scene.network.at("status.nodes")]


async def test_the_status_lists_every_node_of_the_spec_from_the_start(scene: Scene) -> None:
    """Names are known before the pods are there; addresses are not."""
    scene.apply(2)
    await scene.world.settle()
    for ordinal, found in enumerate(scene.network.at("status.nodes")):
        name = f"net-sts-{ordinal}"
        want = {"ordinal": ordinal, "ready": False, "ip": "", "nodeName": name, "dnsName": f"{name}.net-svc"}
        assert found.items() >= want.items()
    assert len(scene.network.at("status.nodes")) == 2


async def test_the_status_follows_the_pods(scene: Scene) -> None:
    """Nodes become ready one by one, as their pods do, at once and not at the next check."""
    scene.apply(2)
    await scene.world.settle()
    assert _ready(scene) == [False, False]
    scene.run_pod(0, ready=False)
    await scene.world.settle()
    assert scene.network.at("status.nodes")[0]["ip"] == address(0)
    assert scene.network.at("status.nodes")[0]["state"] == "Starting"
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


async def test_a_new_network_is_told_of_with_its_pods(scene: Scene) -> None:
    """They come within the tenth of a second in which changes are gathered, so one status has both."""
    scene.apply(3)
    await scene.world.settle()
    assert scene.world.clientset.writes.count(STATUS) == 1
    assert scene.network.at("status.observedGeneration") == 1
    assert [one["state"] for one in scene.network.at("status.nodes")] == ["Starting"] * 3


async def test_a_new_network_without_pods_is_told_of_too() -> None:
    """Nobody makes them; and where no watch tells what the controller made either, it comes back by itself."""
    async with scene_with(MemoryNodes(), cluster=()) as scene:
        scene.apply(3)
        await scene.pass_time(TELL_AFTER_S)
        assert [one["state"] for one in scene.network.at("status.nodes")] == ["Waiting"] * 3
        for kind in (SERVICES, BUDGETS, STATEFULSETS):
            scene.world.faults.stall_watches(Calls(resource=kind), lasts=3600)
        another = {"apiVersion": NETWORKS.api_version, "kind": NETWORKS.kind, "spec": {"nodes": 1}}
        seed(scene.world.tracker, another | {"metadata": {"name": "other", "namespace": "demo"}})
        await scene.pass_time(SEEN_WITHIN_S + TELL_AFTER_S)
        assert scene.world.tracker.get(NETWORKS, "demo/other").at("status.observedGeneration") == 1


async def test_a_network_becomes_available_in_few_passes_and_writes(scene: Scene) -> None:
    """Pods that come together are told together, with what their nodes answer."""
    scene.apply(3)
    await scene.world.settle()
    await scene.run_pods()
    assert scene.condition("Available")[0] == "True"
    assert scene.passes <= 4
    assert scene.world.clientset.writes.count(STATUS) <= 2


async def test_new_pods_are_told_of_before_nodes_that_take_long_have_answered(scene: Scene) -> None:
    """They are shown as ready a second later, and by the end of the visit with what was answered."""
    scene.apply(2)
    await scene.world.settle()
    scene.nodes.faults[node(0)].call_s = 4.9
    scene.run_pod(0)
    scene.run_pod(1)
    await scene.pass_time(1)
    assert _ready(scene) == [True, True]
    assert {one["state"] for one in scene.network.at("status.nodes")} == {"Starting"}
    await scene.pass_time(20)
    assert "AtTip" in {one["state"] for one in scene.network.at("status.nodes")}


async def test_the_conditions_tell_how_far_the_network_is(scene: Scene) -> None:
    """Available when all nodes are ready and connected; Progressing until then."""
    scene.apply(2)
    await scene.world.settle()
    assert scene.condition("Available") == ("False", "NodesStarting")
    assert scene.condition("Progressing") == ("True", "NodesStarting")
    assert scene.condition("CredentialsAvailable") == ("True", "SecretGenerated")
    waiting = "0 of 2 nodes are at the tip; waiting for net-sts-0, net-sts-1 (its pod is not ready yet)"
    assert scene.message("Available") == waiting
    scene.run_pod(0)
    scene.run_pod(1)
    await scene.world.advance(10)
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
    await scene.world.advance(10)
    available = next(item for item in scene.network.at("status.conditions") if item["type"] == "Available")
    assert (available["status"], began) == ("True", "2026-01-01T00:00:00Z")
    assert available["lastTransitionTime"] == "2026-01-01T00:01:30Z"


async def test_the_steady_state_writes_nothing(scene: Scene) -> None:
    """For an hour: watches that ended are resumed, both Secrets are read each minute; nodes are only asked."""
    await scene.running(3)
    await scene.world.advance(3600)
    assert scene.world.clientset.writes == []
    reads = [str(action) for action in scene.world.clientset.actions if action.verb is not Verb.WATCH]
    assert set(reads) == {"get secrets demo/net-config", "get secrets demo/net-credentials"}
    assert len(reads) == 2 * 60
    assert scene.nodes.writes == []
    assert len(scene.nodes.calls) == 3 * 60


async def test_a_new_controller_changes_nothing_of_a_settled_network(scene: Scene) -> None:
    """It applies what it does not know to be there, and the server finds nothing to change; no pod and no status is."""
    await scene.running(3)
    versions = scene.versions()
    await scene.world.stop(scene.manager)
    scene.start()
    await scene.world.advance(600)
    assert scene.versions() == versions
    scene.world.clientset.clear_actions()
    await scene.world.advance(3600)
    assert scene.world.clientset.writes == []


async def test_a_change_that_tells_nothing_new_writes_nothing(scene: Scene) -> None:
    """An annotation on the network leads to a pass, and the pass to no write."""
    await scene.running(2)
    scene.touch()
    await scene.world.settle()
    assert scene.world.clientset.writes == []
    assert len(scene.nodes.calls) == 2


async def test_a_status_leads_to_no_pass(scene: Scene) -> None:
    """Neither the controller's own nor what somebody else makes of it."""
    await scene.running(2)
    scene.apply(3)
    await scene.world.settle()
    passes = scene.passes
    scene.world.tracker.patch(NETWORKS, KEY, MergePatch({"status": {"readyNodes": 7}}), subresource="status")
    await scene.world.settle()
    assert scene.passes == passes
    await scene.world.advance(60)
    assert scene.network.at("status.readyNodes") == 2


async def test_a_new_spec_is_told_before_any_node_is_called(scene: Scene) -> None:
    """Row B1: however slow nodes are, observedGeneration follows the spec at once, and what is wanted is said."""
    await scene.running(3)
    scene.nodes.call_s = 4.9
    scene.apply(4)
    await scene.world.pass_time(0)
    assert scene.network.at("status.observedGeneration") == 2
    assert [node["nodeName"] for node in scene.network.at("status.nodes")][3:] == ["net-sts-3"]
    assert scene.condition("Available")[0] == "False"
    assert [node["state"] for node in scene.network.at("status.nodes")][:3] == ["AtTip"] * 3
    assert list(scene.nodes.calls) == []


async def test_a_pod_of_the_right_name_that_is_not_the_statefulsets_does_not_count(scene: Scene) -> None:
    """Only pods that the network's StatefulSet controls are its nodes."""
    scene.apply(1)
    await scene.world.settle()
    scene.run_pod(0)
    foreign = MergePatch({"metadata": {"ownerReferences": None, "labels": None}})
    scene.world.tracker.patch(PODS, "demo/net-sts-0", foreign)
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
    assert conflicts == 1
    assert scene.world.clientset.writes.count(STATUS) >= 2
    assert scene.condition("Available") == ("False", "NodesStarting")


async def test_a_network_of_no_nodes_rests(scene: Scene) -> None:
    """Its objects stay, it is not available, and nothing is on its way."""
    await scene.running(1)
    scene.apply(0)
    await scene.world.settle()
    assert scene.world.tracker.list(PODS, "demo") == []
    assert scene.network.at("status.nodes") == []
    assert scene.condition("Available") == ("False", "NoNodes")
    assert scene.condition("Progressing") == ("False", "Settled")


async def test_a_node_that_falls_silent_keeps_what_was_last_seen_of_it(scene: Scene) -> None:
    """Its height and its version, also with another pod, until it says others; so a new controller knows them."""
    await scene.running(2)
    scene.nodes.mine(node(0), 3)
    await scene.world.advance(60)
    scene.nodes.faults[node(1)].silent = True
    await scene.world.advance(120)
    told = scene.network.at("status.nodes")[1]
    assert (told["state"], told["height"], told["version"]) == ("Unreachable", 3, "/Satoshi:30.2.0/")
    assert "connections" not in told
    scene.delete_pod(1)
    await scene.world.advance(60)
    told = scene.network.at("status.nodes")[1]
    assert (told["state"], told["height"], told["version"]) == ("Starting", 3, "/Satoshi:30.2.0/")
    scene.nodes.faults[node(1)].silent = False
    scene.run_pod(1)
    await scene.world.advance(1)
    assert scene.network.at("status.nodes")[1]["height"] == scene.nodes.heights[node(1)]


async def test_the_only_copy_of_a_chain_is_not_restarted_while_its_pod_has_another_address(scene: Scene) -> None:
    """A Kubernetes node that restarts gives its pods other addresses, and what is in them stays."""
    await scene.running(2, storage={"ephemeral": True})
    scene.nodes.partition({node(0)}, {node(1)})
    scene.nodes.mine(node(1), 50)
    await scene.pass_time(200)
    scene.nodes.faults[node(1)].silent = True
    scene.run_pod(1, ip="10.0.7.7")
    await scene.pass_time(70)
    uid = scene.world.tracker.get(PODS, node(1)).metadata.uid
    scene.apply(2, image="bitcoin:31.0")
    await scene.pass_time(120)
    assert scene.world.tracker.get(PODS, node(1)).metadata.uid == uid
    assert scene.condition("UpToDate") == ("False", "RolloutBlocked")
    assert "delete pod net-sts-0 if its chain may be lost" in scene.message("UpToDate")  # the lower of the two


async def test_the_only_copy_of_a_chain_is_not_restarted_by_a_controller_that_never_heard_of_it(scene: Scene) -> None:
    """The node that is cut off has it, the other one lost its pod; then the controller and the version change."""
    await scene.running(2, storage={"ephemeral": True})
    scene.nodes.mine(node(0), 3)
    await scene.world.advance(60)
    scene.nodes.faults[node(0)].silent = True
    scene.nodes.partition([node(0)], [node(1)])
    await scene.world.advance(60)
    scene.delete_pod(1)
    await scene.world.settle()
    scene.run_pod(1)
    await scene.world.stop(scene.manager)
    scene.start()
    await scene.world.settle()
    uid = scene.world.tracker.get(PODS, node(0)).metadata.uid
    scene.apply(2, version="31.0")
    await scene.world.advance(300)
    assert scene.world.tracker.get(PODS, node(0)).metadata.uid == uid
    assert scene.condition("UpToDate")[0] == "False"
    assert "has its chain in its pod alone" in scene.message("UpToDate")
