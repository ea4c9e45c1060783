"""Networks that were stored when there was v1 alone: the new definition comes, and they are read as v2."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from ctrlkit.bitcoin.conversion import ANNOTATION, CONVERSIONS
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.network_v1 import BITCOIN_NETWORKS_V1
from ctrlkit.cli import main as ctrlkit
from ctrlkit.crd import definition_of
from ctrlkit.errors import ApiError
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, OnConflict, Unstructured
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS

DEFINITION_BEFORE: Final = Path(__file__).with_name("definition_before.yaml")
V1, V2 = BITCOIN_NETWORKS_V1.of(Unstructured), BITCOIN_NETWORKS.of(Unstructured)
KEY: Final = "default/net"
NODE: Final = {"ordinal": 0, "ready": True, "ip": "10.0.0.1", "nodeName": "net-sts-0", "dnsName": "net-sts-0.net-svc"}
STATUS: Final = {
    "observedGeneration": 1,
    "readyNodes": 1,
    "nodes": [NODE],
    "conditions": [
        {
            "type": "Available",
            "status": "True",
            "reason": "AllNodesConnected",
            "message": "all nodes are ready and connected",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }
    ],
}


def definition_before() -> dict[str, Any]:
    """The definition as it was."""
    found: dict[str, Any] = yaml.safe_load(DEFINITION_BEFORE.read_text(encoding="utf-8"))
    return found


def network_before() -> dict[str, Any]:
    """A network as it was applied."""
    return {"metadata": {"name": "net", "namespace": "default"}, "spec": {"nodes": 3, "secret": "rpc"}}


@pytest.fixture
async def program(world: World) -> Manager:
    """A network of v1 with a status was there; then came the new definition, and this program, which converts."""
    await world.define(definition_before())
    await world.client.create(V1, network_before())
    await world.client.patch(V1, KEY, MergePatch({"status": STATUS}), subresource="status")
    await world.define(definition_of(BITCOIN_NETWORKS, BITCOIN_NETWORKS_V1))
    manager = world.manage(list(CONVERSIONS), name="program")
    await world.settle()
    return manager


@pytest.fixture
def upgraded(world: World, program: Manager) -> World:
    """The world with the program in it."""
    return world


async def test_a_network_of_before_is_read_as_v2_as_it_is(upgraded: World) -> None:
    """Two lines of spec, and the status that it had; in v1 nothing is different, and there is no annotation."""
    newer, older = await upgraded.client.get(V2, KEY), await upgraded.client.get(V1, KEY)
    assert (newer["spec"], newer["status"]) == ({"nodes": 3, "secret": "rpc"}, STATUS)
    assert (older["spec"], older["status"]) == (newer["spec"], STATUS)
    assert "annotations" not in older["metadata"]
    assert (await upgraded.client.get(BITCOIN_NETWORKS, KEY)).spec.storage.size == "10Gi"
    assert [one.key for one in await upgraded.client.list(V2)] == [newer.key]


async def test_what_is_said_in_v2_stays_when_somebody_goes_on_with_v1(upgraded: World) -> None:
    """Who edits nodes in v1, or applies the old manifest again, changes nothing else."""
    client = upgraded.client
    await client.patch(V2, KEY, MergePatch({"spec": {"image": "a/b:29", "storage": {"size": "20Gi"}}}))
    await client.patch(V2, KEY, MergePatch({"status": {"height": 101}}), subresource="status")
    older = await client.get(V1, KEY)
    assert ANNOTATION in older["metadata"]["annotations"]
    older["spec"]["nodes"] = 5
    await client.update(V1, older)
    newer = await client.get(V2, KEY)
    assert (newer.at("spec.nodes"), newer.at("spec.image"), newer.at("spec.storage.size")) == (5, "a/b:29", "20Gi")
    assert newer.at("status.height") == 101
    assert ANNOTATION not in (newer["metadata"].get("annotations") or {})
    await client.apply(V1, KEY, {"spec": {"nodes": 4, "secret": "rpc"}}, on_conflict=OnConflict.FORCE)
    newer = await client.get(V2, KEY)
    assert (newer.at("spec.nodes"), newer.at("spec.image"), newer.at("status.height")) == (4, "a/b:29", 101)


async def test_what_cannot_change_cannot_change_for_networks_of_before(upgraded: World) -> None:
    """Their chain and their claims are those of who says nothing, though nothing of it is stored."""
    for spec in ({"chain": "signet"}, {"storage": {"size": "5Gi"}}, {"storage": {"ephemeral": True}}):
        with pytest.raises(Exception, match=r"cannot be (changed|less)"):
            await upgraded.client.patch(V2, KEY, MergePatch({"spec": spec}))
    await upgraded.client.patch(V2, KEY, MergePatch({"spec": {"chain": "regtest", "storage": {"size": "11Gi"}}}))


@pytest.mark.parametrize("version", [V1, V2])
async def test_networks_of_before_are_scaled_at_both_versions(upgraded: World, version: Any) -> None:
    """`kubectl scale` goes on; the selector is there as soon as the controller has written it."""
    client = upgraded.client
    assert (await client.set_scale(version, KEY, 7)).spec_replicas == 7
    status = {"replicas": 6, "selector": "a=b"}
    await client.patch(V2, KEY, MergePatch({"status": status}), subresource="status")
    scale = await client.get_scale(version, KEY)
    assert (scale.spec_replicas, scale.status_replicas, scale.selector) == (7, 6, "a=b")
    assert (await client.get(V2, KEY)).at("spec.nodes") == 7


async def test_while_the_controller_is_away_nothing_is_lost(upgraded: World, program: Manager) -> None:
    """What is stored as v1 waits for it; what is stored as v2 is read as v2 without it."""
    client = upgraded.client
    await upgraded.crash(program)
    with pytest.raises(ApiError, match="conversion webhook"):
        await client.get(V2, KEY)
    await client.create(V2, {"metadata": {"name": "new", "namespace": "default"}, "spec": {"nodes": 1}})
    assert (await client.get(V2, "default/new"))["spec"]["nodes"] == 1
    upgraded.restart(program)
    await upgraded.settle()
    assert {one.key.name for one in await client.list(V2)} == {"net", "new"}


async def test_a_network_that_named_the_secret_of_today_can_still_be_written(world: World) -> None:
    """NAME-config was nobody's then; a new network cannot name it, at either version."""
    body = {"metadata": {"name": "net", "namespace": "default"}, "spec": {"nodes": 3, "secret": "net-config"}}
    await world.define(definition_before())
    await world.client.create(V1, body)
    await world.define(definition_of(BITCOIN_NETWORKS, BITCOIN_NETWORKS_V1))
    world.manage(list(CONVERSIONS), name="program")
    await world.settle()
    for version in (V1, V2):
        await world.client.patch(version, KEY, MergePatch({"status": {"readyNodes": 1}}), subresource="status")
        await world.client.patch(version, KEY, MergePatch({"spec": {"nodes": 5}}))
        other = {"metadata": {"name": "b", "namespace": "default"}, "spec": {"nodes": 3, "secret": "b-config"}}
        with pytest.raises(ApiError, match="this Secret is the controller's own; name another, or none"):
            await world.client.create(version, other)


async def test_the_definition_says_which_versions_are_stored(upgraded: World) -> None:
    """v1 may be taken out of it when all objects are written anew."""
    (definition,) = upgraded.tracker.list(CUSTOM_RESOURCE_DEFINITIONS)
    assert definition.at("status.storedVersions") == ["v1", "v2"]


def test_ctrlkit_crd_tells_what_the_new_definition_means(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Before it is applied: what autoscalers read moves, objects are to be written anew.

    The rules of v1 say what its bound and its pattern said, and one more; each lets be what was stored before.
    """
    assert ctrlkit(["crd", "ctrlkit.bitcoin.conversion", "--against", str(DEFINITION_BEFORE)]) == 1
    lines = [line.partition(".com ")[2] for line in capsys.readouterr().out.splitlines()]
    told = [line for line in lines if not line.startswith("v1 status.conditions[].")]
    ruled = [line.partition(": has a rule that was not there: ")[0] for line in told if "has a rule" in line]
    assert ruled == ["v1", "v1 spec.nodes", "v1 spec.secret"]
    assert [line for line in told if "has a rule" not in line] == [
        "v1 scale: statusReplicasPath was .status.readyNodes, is .status.replicas: autoscalers read and write another "
        "field",
        "objects are stored as v1, new ones will be as v2: rewrite those that are there, then take v1 out of "
        "status.storedVersions, before a later definition may leave it out",
    ]
