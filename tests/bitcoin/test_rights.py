"""The controller under its own manifests, at a server that asks who may do what."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ctrlkit.bitcoin.manifests import objects
from ctrlkit.fakes.world.world import NeverSettled
from tests.bitcoin.deployed import OWN_NAMESPACE, deployed
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import LIFE, loose_definition, scene_with, whole_life

SETTINGS = deployed(lease_namespace=OWN_NAMESPACE)


def without(verb: str, resource: str) -> list[dict[str, Any]]:
    """The manifests without one of the rights."""
    manifests = copy.deepcopy([*objects("rbac"), *objects("deployment")])
    for item in manifests:
        for rule in item.get("rules") or ():
            if resource in rule["resources"]:
                rule["verbs"] = [one for one in rule["verbs"] if one != verb] or ["deletecollection"]
    return manifests


async def _one_network(*manifests: dict[str, Any]) -> None:
    """A network of one node, made under manifests."""
    nodes = MemoryNodes()
    async with scene_with(nodes, *manifests, settings=SETTINGS, rbac=True) as scene:
        scene.apply(1)
        await scene.world.settle(patience_s=60)


async def test_its_rights_suffice_for_its_whole_life() -> None:
    """It makes, scales, puts back and tells as its service account; nothing is refused."""
    nodes = MemoryNodes()
    manifests = [*objects("rbac"), *objects("deployment")]
    async with scene_with(
        nodes, *manifests, crd=loose_definition(), cluster=LIFE, settings=SETTINGS, rbac=True
    ) as scene:
        await whole_life(scene)
        await scene.world.stop(scene.manager)
        assert scene.world.clientset.writes
        assert "Forbidden" not in str(scene.world.trace)


@pytest.mark.parametrize(
    ("verb", "resource", "group", "place"),
    [
        ("create", "statefulsets", "apps", 'in the namespace "demo"'),
        ("create", "services", "", 'in the namespace "demo"'),
        ("list", "pods", "", "at the cluster scope"),
    ],
)
async def test_a_right_that_it_lacks_is_named(
    verb: str, resource: str, group: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log, or the error that ends it, says who may not do what, as a server does, and the rule that lacks."""
    with pytest.raises(NeverSettled) as raised:
        await _one_network(*without(verb, resource))
    refused = (
        f'User "system:serviceaccount:bitcoin-controller:bitcoin-controller" cannot {verb} resource "{resource}" '
        f'in API group "{group}" {place}'
    )
    printed = capsys.readouterr()
    assert refused in f"{raised.value}{printed.out}{printed.err}"
    assert "its roles lack, for " in str(raised.value)
