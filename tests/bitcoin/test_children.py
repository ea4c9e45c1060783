"""Service and StatefulSet of a network: made, kept as they should be, and left alone when that is right."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.bitcoin.types import BITCOIN_NETWORKS, SERVICES, STATEFULSETS
from ctrlkit.errors import AlreadyExists, Forbidden, InternalError
from ctrlkit.fakes.clientset.clientset import Write
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.model import Action, JsonPatch, MergePatch, Options, StrategicMergePatch
from ctrlkit.model.kinds import PODS
from tests.bitcoin.scene import KEY, NETWORKS, SERVICE_KEY, STATEFULSET_KEY, Scene


async def test_a_new_network_gets_a_headless_service(scene: Scene) -> None:
    """No cluster IP, and the selector of the network's pods."""
    scene.apply(2)
    await scene.world.settle()
    assert scene.service.at("spec.clusterIP") == "None"
    assert scene.service.at("spec.selector") == {"app": "net"}


async def test_a_new_network_gets_a_statefulset(scene: Scene) -> None:
    """Replicas, service name, labels, selector, container, image, pull policy and probe are those of the original."""
    scene.apply(2)
    await scene.world.settle()
    spec = scene.statefulset["spec"]
    assert (spec["replicas"], spec["serviceName"]) == (2, "net-svc")
    assert spec["selector"] == {"matchLabels": {"app": "net"}}
    assert spec["template"]["metadata"]["labels"] == {"app": "net"}
    (container,) = spec["template"]["spec"]["containers"]
    assert container["name"] == "net-sts-ctr"
    assert container["image"] == "christianb93/bitcoind:v1.0"
    assert container["imagePullPolicy"] == "IfNotPresent"
    probe = container["readinessProbe"]
    command = ["/usr/local/bin/bitcoin-cli", "-regtest", "-conf=/bitcoin.conf", "getnetworkinfo"]
    assert (probe["exec"]["command"], probe["initialDelaySeconds"], probe["periodSeconds"]) == (command, 5, 5)
    assert "envFrom" not in container


async def test_the_container_takes_its_environment_from_the_secret_that_is_named(scene: Scene) -> None:
    """The reference is optional: a pod starts without the secret too."""
    scene.put_secret("rpc")
    scene.apply(1, secret="rpc")
    await scene.world.settle()
    (container,) = scene.statefulset.at("spec.template.spec.containers")
    assert container["envFrom"] == [{"secretRef": {"name": "rpc", "optional": True}}]


async def test_service_and_statefulset_are_owned_by_the_network(scene: Scene) -> None:
    """So that they go with it: a controller reference that blocks the owner's deletion."""
    scene.apply(1)
    await scene.world.settle()
    want = {
        "apiVersion": BITCOIN_NETWORKS.api_version,
        "kind": "BitcoinNetwork",
        "name": "net",
        "uid": scene.network.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert scene.service.at("metadata.ownerReferences") == [want]
    assert scene.statefulset.at("metadata.ownerReferences") == [want]


async def test_the_creation_is_told_in_events(scene: Scene) -> None:
    """One Normal event for each of the two."""
    scene.apply(1)
    await scene.world.settle()
    assert scene.events("Normal") == [
        ("CreatedService", "created service net-svc"),
        ("CreatedStatefulSet", "created statefulset net-sts"),
    ]


@pytest.mark.parametrize("nodes", [4, 1, 0])
async def test_scaling_the_network_scales_the_statefulset(scene: Scene, nodes: int) -> None:
    """Up and down, with one patch and one event."""
    await scene.running(2)
    scene.apply(nodes)
    await scene.world.settle()
    assert scene.statefulset.at("spec.replicas") == nodes
    assert scene.world.clientset.writes.count(Write("patch", STATEFULSETS, STATEFULSET_KEY)) == 1
    assert scene.events("Normal")[-1] == (
        "AdjustedReplicas",
        f"adjusted replicas of statefulset net-sts from 2 to {nodes}",
    )


async def test_a_statefulset_scaled_by_hand_is_put_back(scene: Scene) -> None:
    """The network says how many nodes there are."""
    await scene.running(2)
    await scene.world.client.set_scale(STATEFULSETS, STATEFULSET_KEY, 5)
    await scene.world.settle()
    assert scene.statefulset.at("spec.replicas") == 2


@pytest.mark.parametrize(
    "change",
    [
        {"image": "somebody/else:v2"},
        {"imagePullPolicy": "Always"},
        {"readinessProbe": {"exec": None, "httpGet": {"path": "/", "port": 80}}},
        {"readinessProbe": None},
        {"envFrom": [{"configMapRef": {"name": "other"}}]},
    ],
    ids=["image", "pull policy", "another probe", "no probe", "environment"],
)
async def test_a_pod_template_changed_by_hand_is_put_back(scene: Scene, change: dict[str, Any]) -> None:
    """Whatever the controller sets is as it was; one event tells of it."""
    await scene.running(2)
    before = scene.statefulset.at("spec.template")
    containers = [{"name": "net-sts-ctr", **change}]
    by_hand = StrategicMergePatch({"spec": {"template": {"spec": {"containers": containers}}}})
    scene.world.tracker.patch(STATEFULSETS, STATEFULSET_KEY, by_hand)
    assert scene.statefulset.at("spec.template") != before
    await scene.world.settle()
    assert scene.statefulset.at("spec.template") == before
    assert scene.events("Normal")[-1] == ("RestoredStatefulSet", "put back the pod template of statefulset net-sts")


async def test_a_renamed_container_is_replaced(scene: Scene) -> None:
    """Beside the right one it would take the node's ports."""
    await scene.running(1)
    rename = JsonPatch([{"op": "replace", "path": "/spec/template/spec/containers/0/name", "value": "other"}])
    scene.world.tracker.patch(STATEFULSETS, STATEFULSET_KEY, rename)
    await scene.world.settle()
    assert [item["name"] for item in scene.statefulset.at("spec.template.spec.containers")] == ["net-sts-ctr"]


async def test_what_others_add_to_the_statefulset_stays(scene: Scene) -> None:
    """A restart's annotation, resource limits and a second container are none of the controller's business."""
    await scene.running(1)
    containers = [
        {"name": "net-sts-ctr", "resources": {"limits": {"memory": "1Gi"}}},
        {"name": "sidecar", "image": "sidecar:v1"},
    ]
    template = {"metadata": {"annotations": {"restarted": "now"}}, "spec": {"containers": containers}}
    scene.world.tracker.patch(STATEFULSETS, STATEFULSET_KEY, StrategicMergePatch({"spec": {"template": template}}))
    before = scene.statefulset.at("spec.template")
    await scene.world.settle()
    assert scene.statefulset.at("spec.template") == before
    assert scene.world.clientset.writes == []


async def test_a_service_changed_by_hand_is_put_back(scene: Scene) -> None:
    """Its selector is that of the pods again, without what was added to it."""
    await scene.running(1)
    by_hand = MergePatch({"spec": {"selector": {"app": "other", "also": "this"}}})
    scene.world.tracker.patch(SERVICES, SERVICE_KEY, by_hand)
    await scene.world.settle()
    assert scene.service.at("spec.selector") == {"app": "net"}
    assert scene.events("Normal")[-1] == ("RestoredService", "put back service net-svc, which was changed")


async def test_a_statefulset_deleted_by_hand_is_made_again(scene: Scene) -> None:
    """So is a Service."""
    await scene.running(1)
    uid = scene.statefulset.metadata.uid
    scene.world.tracker.delete(STATEFULSETS, STATEFULSET_KEY)
    scene.world.tracker.delete(SERVICES, SERVICE_KEY)
    await scene.world.settle()
    assert scene.service.metadata.name == "net-svc"
    assert scene.statefulset.metadata.uid != uid


@pytest.mark.parametrize("resource", [SERVICES, STATEFULSETS])
async def test_a_creation_that_fails_is_told_and_tried_again(scene: Scene, resource: Any) -> None:
    """A Warning event, a condition, and another try with back-off until it succeeds."""
    tries = 0

    def refuse(action: Action) -> None:
        nonlocal tries
        tries += 1
        if tries <= 5:
            raise Forbidden("exceeded quota: tight")

    scene.world.clientset.add_reactor("create", resource, refuse)
    scene.apply(1)
    await scene.pass_time(0.001)
    kind = resource.kind.lower()
    want = f"{kind} net-{kind[:1]}{'vc' if kind == 'service' else 'ts'} could not be created: exceeded quota: tight"
    assert scene.events("Warning") == [("CreationError", want)]
    assert (scene.condition("Available"), scene.condition("Progressing")) == (("False", "CreationError"),) * 2
    await scene.world.settle()
    assert tries == 6
    assert scene.statefulset.at("spec.replicas") == 1
    assert scene.condition("Available") == ("False", "NodesStarting")
    assert scene.events("Warning") == [("CreationError", want)]


async def test_a_creation_that_fails_otherwise_is_told_anew(scene: Scene) -> None:
    """A Warning event for each trouble, not for each try."""
    errors = [Forbidden("quota"), Forbidden("quota"), InternalError("no leader"), InternalError("no leader")]

    def refuse(action: Action) -> None:
        if errors:
            raise errors.pop(0)

    scene.world.clientset.add_reactor("create", STATEFULSETS, refuse)
    scene.apply(1)
    await scene.world.settle()
    told = [message.rpartition(": ")[2] for _, message in scene.events("Warning")]
    assert told == ["quota", "no leader"]


async def test_already_exists_on_create_is_no_error(scene: Scene) -> None:
    """Another worker was faster, or the cache is behind: the next change leads on."""
    calls = []

    def another_was_faster(action: Action) -> None:
        calls.append(action)
        if len(calls) == 1:
            scene.world.tracker.create(STATEFULSETS, action.body)
            raise AlreadyExists("statefulsets.apps net-sts already exists")

    scene.world.clientset.add_reactor("create", STATEFULSETS, another_was_faster)
    scene.apply(2)
    await scene.world.settle()
    assert len(calls) == 1
    assert scene.events("Warning") == []
    assert scene.condition("Available") == ("False", "NodesStarting")


@pytest.mark.parametrize("resource", [SERVICES, STATEFULSETS])
async def test_somebody_elses_object_of_the_same_name_is_left_alone(scene: Scene, resource: Any) -> None:
    """An event and a condition name it; once it is gone, the network comes up by itself."""
    name = "net-svc" if resource is SERVICES else "net-sts"
    template = {"metadata": {"labels": {"app": "theirs"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = (
        {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}
        if resource is SERVICES
        else {"selector": {"matchLabels": {"app": "theirs"}}, "serviceName": "theirs", "template": template}
    )
    metadata = {"name": name, "namespace": "demo"}
    seed(
        scene.world.tracker,
        {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec},
    )
    theirs = scene.world.tracker.get(resource, f"demo/{name}")
    scene.apply(1)
    await scene.world.settle()
    assert scene.world.tracker.get(resource, f"demo/{name}") == theirs
    assert scene.condition("Available") == ("False", "NameTaken")
    ((reason, message),) = scene.events("Warning")
    assert reason == "NameTaken"
    assert name in message
    scene.world.tracker.delete(resource, f"demo/{name}")
    await scene.world.settle()
    assert scene.world.tracker.get(resource, f"demo/{name}").metadata.uid != theirs.metadata.uid
    assert scene.condition("Available") == ("False", "NodesStarting")


async def test_a_network_that_is_being_deleted_is_left_alone(scene: Scene) -> None:
    """Nothing is made, put back, written or said, for as long as a finalizer keeps it."""
    await scene.running(2)
    scene.world.tracker.patch(NETWORKS, KEY, MergePatch({"metadata": {"finalizers": ["example.com/wait"]}}))
    scene.world.tracker.delete(NETWORKS, KEY, Options(propagation_policy="Background"))
    await scene.world.settle()
    scene.world.clientset.clear_actions()
    scene.nodes.calls.clear()
    scene.world.tracker.delete(STATEFULSETS, STATEFULSET_KEY)
    scene.world.tracker.delete(SERVICES, SERVICE_KEY)
    await scene.world.advance(200)
    assert scene.network.metadata.deleting
    assert (scene.world.clientset.actions, scene.nodes.calls) == ((), [])


async def test_a_network_that_is_gone_is_forgotten(scene: Scene) -> None:
    """Its children are the garbage collector's; their changes lead to nothing."""
    await scene.running(1)
    scene.world.tracker.delete(NETWORKS, KEY)
    await scene.world.settle()
    await scene.world.client.set_scale(STATEFULSETS, STATEFULSET_KEY, 7)
    scene.world.tracker.delete(PODS, "demo/net-sts-0")
    await scene.world.advance(200)
    assert [write for write in scene.world.clientset.writes if write.resource.plural != "statefulsets"] == []


async def test_two_networks_do_not_meet(scene: Scene) -> None:
    """Each has its own children in its own namespace."""
    seed(
        scene.world.tracker,
        {
            "apiVersion": BITCOIN_NETWORKS.api_version,
            "kind": "BitcoinNetwork",
            "metadata": {"name": "net", "namespace": "other"},
            "spec": {"nodes": 5},
        },
    )
    scene.apply(1)
    await scene.world.settle()
    assert scene.statefulset.at("spec.replicas") == 1
    assert scene.world.tracker.get(STATEFULSETS, "other/net-sts").at("spec.replicas") == 5


@pytest.mark.parametrize("resource", [SERVICES, STATEFULSETS])
async def test_a_child_that_is_being_deleted_is_not_put_back(scene: Scene, resource: Any) -> None:
    """It is made anew when it is gone; until then the network goes on with what is left."""
    await scene.running(1)
    key = SERVICE_KEY if resource is SERVICES else STATEFULSET_KEY
    spec = {"selector": {"app": "other"}} if resource is SERVICES else {"replicas": 7}
    scene.world.tracker.patch(resource, key, MergePatch({"metadata": {"finalizers": ["example.com/wait"]}}))
    scene.world.tracker.delete(resource, key)
    scene.world.tracker.patch(resource, key, MergePatch({"spec": spec}))
    await scene.world.settle()
    assert scene.world.clientset.writes == []
    assert scene.condition("Available") == ("True", "NodesConnected")
    scene.world.tracker.patch(resource, key, MergePatch({"metadata": {"finalizers": None}}))
    await scene.world.settle()
    assert Write("create", resource, key) in scene.world.clientset.writes


async def test_objects_of_others_lead_to_no_pass(scene: Scene) -> None:
    """Services, StatefulSets and pods all over the cluster come and go; only what a network could own concerns it."""
    await scene.running(1)
    before = scene.passes
    ports, labels = [{"port": 80}], {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    workload = {"selector": {"matchLabels": labels}, "serviceName": "web-svc", "template": template}
    for name, version, kind, spec in (
        ("web-svc", "v1", "Service", {"selector": labels, "ports": ports}),
        ("net", "v1", "Service", {"selector": labels, "ports": ports}),
        ("web-sts", "apps/v1", "StatefulSet", workload),
        ("net", "apps/v1", "StatefulSet", workload),
        ("net-sts-0-other", "v1", "Pod", template["spec"]),
    ):
        metadata = {"name": name, "namespace": "demo"}
        seed(scene.world.tracker, {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
        await scene.world.settle()
    assert scene.passes == before
