"""The manifests: complete, fitting to the code, and no permission too many."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from controllers.bitcoin.credentials import PASSWORD_KEY, USER_KEY
from controllers.bitcoin.desired import service_name, statefulset_name
from controllers.bitcoin.manifests import NAMES, manifest, manifests, objects
from controllers.bitcoin.types import BITCOIN_NETWORKS, NODES_MAX, SERVICES, STATEFULSETS, BitcoinNetwork, Status
from ctrlkit.errors import Invalid
from ctrlkit.model import MergePatch, to_plain
from fakes.clientset import FakeClientset, seed
from fakes.tracker import Tracker
from tests.bitcoin.scene import KEY, NETWORKS, SERVICE_KEY, STATEFULSET_KEY, MemoryNodes, Scene, scene_with

Permission = tuple[str, str, str]

ASKED_FOR_BY_ADMISSION = {("update", BITCOIN_NETWORKS.group, "bitcoinnetworks/finalizers")}
"""No call of ours: clusters that check who may block an owner's deletion want the permission."""


def _definition() -> Tracker:
    return FakeClientset(None, *objects("crd")).tracker


def _network(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "net", "namespace": "default"}
    return {
        "apiVersion": BITCOIN_NETWORKS.api_version,
        "kind": "BitcoinNetwork",
        "metadata": metadata,
        "spec": spec,
    }


def test_the_stream_holds_all_objects_in_the_order_a_cluster_takes_them() -> None:
    """The definition before what is defined by it, the namespace before what is in it."""
    kinds = [item["kind"] for item in yaml.safe_load_all(manifests())]
    assert kinds == [
        "CustomResourceDefinition",
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Secret",
        "Deployment",
        "BitcoinNetwork",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_server_takes_each_manifest(name: str) -> None:
    """Applied one after the other, as `kubectl apply` would."""
    tracker = Tracker()
    for earlier in NAMES[: NAMES.index(name) + 1]:
        for item in objects(earlier):
            seed(tracker, item)
    assert manifest(name).startswith("#")


def test_the_definition_is_that_of_the_type() -> None:
    """Group, version, plural and kind are what the controller asks for."""
    (crd,) = objects("crd")
    spec = crd["spec"]
    (version,) = spec["versions"]
    assert (spec["group"], version["name"]) == (BITCOIN_NETWORKS.group, BITCOIN_NETWORKS.version)
    assert (spec["names"]["plural"], spec["names"]["kind"]) == (BITCOIN_NETWORKS.plural, BITCOIN_NETWORKS.kind)
    assert version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["nodes"]["maximum"] == NODES_MAX
    fields = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert fields.keys() == to_plain(Status()).keys()


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"nodes": -1},
        {"nodes": 101},
        {"nodes": "3"},
        {"nodes": 1, "secret": 5},
        {"nodes": 1, "secret": ""},
        {"nodes": 1, "secret": "a/b"},
    ],
)
def test_the_definition_refuses_what_the_controller_could_not_read(spec: dict[str, Any]) -> None:
    """The server says so at once, rather than the controller later."""
    with pytest.raises(Invalid):
        seed(_definition(), _network(**spec))


@given(st.from_regex(r"[-a-z0-9.]{1,60}", fullmatch=True))
def test_for_any_name_the_definition_takes_it_if_the_children_can_carry_it(name: str) -> None:
    """A Service's name begins with a letter and has no dot; a pod's label holds the StatefulSet's name and a hash."""
    (crd,) = objects("crd")
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    rule = schema["properties"]["metadata"]["properties"]["name"]
    takes = re.search(rule["pattern"], name) is not None and len(name) <= rule["maxLength"]
    label = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
    carries = all(label.fullmatch(part) for part in (name, service_name(name)))
    assert takes == (carries and len(f"{statefulset_name(name)}-0123456789") <= 63)


def test_the_sample_network_names_the_sample_secret() -> None:
    """Whose credentials are the ones the original's examples use."""
    (secret,), (network,) = objects("secret"), objects("network")
    assert network["spec"] == {"nodes": 3, "secret": secret["metadata"]["name"]}
    assert secret["metadata"]["name"] == "bitcoin-default-secret"
    assert {key: b64decode(value) for key, value in secret["data"].items()} == {
        USER_KEY: b"bc-user",
        PASSWORD_KEY: b"bc-password",
    }


async def test_the_definition_serves_status_and_scale() -> None:
    """`kubectl scale btcnet` works, and the network's spec cannot be changed through its status."""
    clientset = FakeClientset(None, *objects("crd"), _network(nodes=3))
    scale = await clientset.client.set_scale(NETWORKS, "default/net", 5)
    assert scale.wanted == 5
    await clientset.client.patch(
        NETWORKS, "default/net", MergePatch({"spec": {"nodes": 1}, "status": {"readyNodes": 2}}), subresource="status"
    )
    network = await clientset.client.get(BITCOIN_NETWORKS, "default/net")
    assert isinstance(network, BitcoinNetwork)
    assert (network.spec.nodes, network.status.ready_nodes) == (5, 2)


def _granted() -> set[Permission]:
    role = next(item for item in objects("rbac") if item["kind"] == "ClusterRole")
    return {
        (verb, group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _used(scene: Scene) -> set[Permission]:
    return {
        (
            action.verb.value,
            action.resource.group,
            f"{action.resource.plural}/{action.subresource}" if action.subresource else action.resource.plural,
        )
        for action in scene.world.clientset.actions
    }


async def _whole_life(scene: Scene) -> None:
    """Everything the controller ever does: make, scale, put back, tell, tell again, and refuse."""
    tracker = scene.world.tracker
    scene.apply(2, secret="rpc")
    await scene.world.settle()
    scene.put_secret("rpc", user=scene.nodes.accepted.user, password=scene.nodes.accepted.password)
    scene.run_pod(0)
    await scene.world.advance(30)
    for nodes in (3, 2, 3, 2):
        scene.apply(nodes)
        await scene.world.settle()
    tracker.patch(SERVICES, SERVICE_KEY, MergePatch({"spec": {"selector": {"app": "other"}}}))
    tracker.patch(STATEFULSETS, STATEFULSET_KEY, MergePatch({"spec": {"replicas": 9}}))
    await scene.world.settle()
    tracker.patch(NETWORKS, KEY, MergePatch({"spec": {"secret": {"of": "another kind"}}}))
    await scene.world.settle()
    tracker.delete(NETWORKS, KEY)
    await scene.world.settle()


async def test_the_permissions_are_those_that_are_used_and_no_others() -> None:
    """Every call of a whole life is granted, and every grant is used."""
    (crd,) = objects("crd")
    crd["spec"]["versions"][0]["schema"] = {
        "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    }
    nodes = MemoryNodes()
    async with scene_with(nodes, nodes, crd=crd) as scene:
        await _whole_life(scene)
        assert _used(scene) == _granted() - ASKED_FOR_BY_ADMISSION


async def test_only_secrets_that_networks_name_can_be_read_one_by_one() -> None:
    """Who may list secrets has them all."""
    assert {verb for verb, _, resource in _granted() if resource == "secrets"} == {"get"}
