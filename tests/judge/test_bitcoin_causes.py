"""Why the pod of a bitcoin node does not run, out of what real controllers and a real scheduler say of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ctrlkit import clock
from ctrlkit.bitcoin.causes import PLACED_WITHIN, cause_of, events_wanted
from ctrlkit.bitcoin.layout import desired_objects
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork
from ctrlkit.bitcoin.objects import CLAIMS, EVENTS, PODS
from ctrlkit.crd import definition_of
from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.world.live import LiveWorld
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import NODES, RESOURCE_QUOTAS
from tests.bitcoin.keeping import STATE
from tests.judge.controllers import controllers

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(300)]
NETWORKS = BITCOIN_NETWORKS.of(Unstructured)
EPHEMERAL = {"storage": {"ephemeral": True}}
TOLD = {
    "absent": "claim data-absent-sts-0 waits for StorageClass fast, which does not exist; create it",
    "classless": "claim data-classless-sts-0 names no StorageClass and the cluster has no default one; mark a "
    "StorageClass as the default: the claim gets it",
    "large": "its pod fits no Kubernetes node: 0/1 nodes are available: 1 Insufficient memory; add Kubernetes nodes, "
    "or ask for less in spec.resources",
    "elsewhere": "its pod fits no Kubernetes node: 0/1 nodes are available: 1 node(s) didn't match Pod's node "
    "affinity/selector; correct spec.nodeSelector or spec.affinity",
}
SPECS: dict[str, dict[str, Any]] = {
    "absent": {"storage": {"className": "fast"}},
    "classless": {},
    "large": {**EPHEMERAL, "resources": {"requests": {"memory": "999Ti"}}},
    "elsewhere": {**EPHEMERAL, "nodeSelector": {"disk": "fast"}},
}


async def make(world: LiveWorld, name: str, spec: dict[str, Any]) -> None:
    """A network of one node, and its objects."""
    body = {"metadata": {"name": name, "namespace": world.namespace}, "spec": {"nodes": 1, **spec}}
    network = msgspec.convert(await world.client.create(NETWORKS, body), BitcoinNetwork)
    for resource, wanted in desired_objects(network, STATE, {"main": "core:29.1"}):
        await world.client.create(resource.of(Unstructured), wanted)


async def cause(world: LiveWorld, name: str) -> str:
    """What is told of its only node."""
    node, statefulset = f"{name}-sts-0", f"{name}-sts"
    pods = {one.metadata.name: one for one in await world.client.list(PODS, namespace=world.namespace)}
    every = await world.client.list(CLAIMS, namespace=world.namespace)
    claims = [one for one in every if one.metadata.name == f"data-{node}"]
    pod = pods.get(node)
    events = [
        event
        for wanted in events_wanted(node, statefulset, pod, claims)
        for event in await world.client.list(
            EVENTS,
            namespace=world.namespace,
            field_selector=f"involvedObject.kind={wanted.kind},involvedObject.name={wanted.name}",
        )
    ]
    return cause_of(node, pod, claims, events, now=clock.now() + PLACED_WITHIN)


@pytest.mark.usefixtures("kubernetes")
async def test_real_controllers_and_a_real_scheduler_lead_to_the_same_sentences(
    own_control_plane: ControlPlane,
) -> None:
    """Claims without a class, or with one that is not there; no room, no such node; and a quota that is used up."""
    with controllers(own_control_plane.kubeconfig):
        async with LiveWorld(kubeconfig=str(own_control_plane.kubeconfig)) as world:
            await world.define(definition_of(BITCOIN_NETWORKS))
            room = {"cpu": "4", "memory": "4Gi", "pods": "10"}
            ready = [{"type": "Ready", "status": "True"}]
            status = {"allocatable": room, "capacity": room, "conditions": ready}
            await world.client.create(NODES, {"metadata": {"name": "here"}, "status": status})
            for name, spec in SPECS.items():
                await make(world, name, spec)
            for name, told in TOLD.items():

                async def is_told(name: str = name, told: str = told) -> bool:
                    return await cause(world, name) == told

                await world.until(is_told, within=20)
            quota = {"metadata": {"name": "few", "namespace": world.namespace}, "spec": {"hard": {"pods": "1"}}}
            await world.client.create(RESOURCE_QUOTAS, quota)
            await make(world, "late", EPHEMERAL)

            async def is_refused() -> str:
                return await cause(world, "late")

            told = await world.until(is_refused, within=20)
            assert told.startswith('its pod cannot be made: pods "late-sts-0" is forbidden: ')
            assert told.endswith("; raise the quota of the namespace, or ask for less: spec.nodes, spec.resources")
