"""
An upgrade and the demo on a real control plane: its StatefulSet controller and garbage collector, our kubelet.

What decides how an upgrade goes is that a real StatefulSet controller cannot adopt pods that lack the claims of its
set; the first test shows that, so that nobody makes it simpler than it can be.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.bitcoin.controller import build
from ctrlkit.bitcoin.demo.background import in_background
from ctrlkit.bitcoin.layout import claim_template
from ctrlkit.bitcoin.names import labels, selector
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork, NodeState
from ctrlkit.bitcoin.rpc import Credentials, RpcClient
from ctrlkit.bitcoin.upgrade import upgrade
from ctrlkit.client import Client, Propagation
from ctrlkit.crd.manifest import definition_of
from ctrlkit.errors import NotFound
from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.cluster import Cluster, Loop
from ctrlkit.fakes.cluster.node.image_runtime import ImageRuntime
from ctrlkit.fakes.cluster.node.images.bitcoind import IMAGE_NAMES, simulated_bitcoind
from ctrlkit.manager import Manager, connect
from ctrlkit.model import MergePatch, ObjectKey, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import (
    CONTROLLER_REVISIONS,
    CUSTOM_RESOURCE_DEFINITIONS,
    EVENTS,
    NAMESPACES,
    PODS,
    SERVICES,
    STATEFULSETS,
    STORAGE_CLASSES,
)
from tests.bitcoin.made_before import made_before, network_made_before
from tests.judge.controllers import controllers
from tests.support.processes import process_of
from tests.support.production import ROOT

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]

KEY = ObjectKey("demo", "net")
BLOCKS = 11
WITHIN_S = 240.0
DISKS = {
    "metadata": {"name": "disks", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "hostpath.csi.k8s.io",
    "volumeBindingMode": "WaitForFirstConsumer",
}


@asynccontextmanager
async def a_plane(kubernetes: Path) -> AsyncIterator[Client]:
    """A real control plane with the kind and a namespace."""
    with ControlPlane(kubernetes) as plane, controllers(plane.kubeconfig):
        async with connect(kubeconfig=plane.kubeconfig) as client:
            await client.create(CUSTOM_RESOURCE_DEFINITIONS, definition_of(BITCOIN_NETWORKS))
            await client.create(NAMESPACES, {"metadata": {"name": "demo"}})
            await client.create(STORAGE_CLASSES, DISKS)
            await _until_served(client)
            yield client


async def _until_served(client: Client) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await client.list(BITCOIN_NETWORKS, namespace="demo")
            except NotFound:
                await asyncio.sleep(0.2)
            else:
                return


async def _make_before(client: Client) -> None:
    network = await client.create(BITCOIN_NETWORKS.of(Unstructured), network_made_before())
    service, statefulset = made_before(network.metadata.uid)
    await client.create(SERVICES, service)
    await client.create(STATEFULSETS, statefulset)


async def _pods(client: Client) -> dict[str, Unstructured]:
    return {pod.key.name: pod for pod in await client.list(PODS, namespace="demo")}


async def _play_kubelet(client: Client) -> None:
    """Have all pods run and be ready."""
    for pod in (await _pods(client)).values():
        if pod.at("status.phase") != "Running":
            ready = {"type": "Ready", "status": "True"}
            status = {"phase": "Running", "podIP": "10.1.0.1", "conditions": [ready]}
            await client.patch(PODS, pod.key, MergePatch({"status": status}), subresource="status")


async def _until(client: Client, wanted: Any) -> None:
    async with asyncio.timeout(60):
        while not await wanted():
            await _play_kubelet(client)
            await asyncio.sleep(0.2)


def _new_set(**spec: Any) -> dict[str, Any]:
    """A StatefulSet with claims, as those of today select their pods."""
    container = {"name": "bitcoind", "image": "i", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    template = {"metadata": {"labels": labels("net", "main")}, "spec": {"containers": [container]}}
    made = {
        "serviceName": "net-svc",
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "selector": {"matchLabels": selector("net", "main")},
        "template": template,
        "volumeClaimTemplates": [claim_template("1Gi", None)],
    }
    return {"metadata": {"name": "net-sts", "namespace": "demo"}, "spec": {**made, **spec}}


async def test_pods_without_claims_that_are_adopted_hold_up_their_statefulset(kubernetes: Path) -> None:
    """While the first pod is such a one, no other pod of the set is made again: so an upgrade adopts none."""
    async with a_plane(kubernetes) as client:
        _, statefulset = made_before("")
        del statefulset["metadata"]["ownerReferences"]
        await client.create(STATEFULSETS, statefulset)

        async def are_three() -> bool:
            return len(await _pods(client)) == 3

        await _until(client, are_three)
        for pod in (await _pods(client)).values():
            adopted = StrategicMergePatch({"metadata": {"labels": selector("net", "main")}})
            await client.patch(PODS, pod.key, adopted)
        await client.delete(STATEFULSETS, "demo/net-sts", propagation=Propagation.ORPHAN)

        async def is_gone() -> bool:
            return not await client.list(STATEFULSETS, namespace="demo")

        await _until(client, is_gone)
        await client.create(STATEFULSETS, _new_set(replicas=3))

        async def complains() -> bool:
            events = await client.list(EVENTS, namespace="demo")
            return any(event["reason"] == "FailedUpdate" and "net-sts-0" in event["message"] for event in events)

        await _until(client, complains)
        await client.delete(PODS, "demo/net-sts-2", grace_period_s=0)
        await asyncio.sleep(5)
        assert sorted(await _pods(client)) == ["net-sts-0", "net-sts-1"]


@asynccontextmanager
async def a_controller(client: Client) -> AsyncIterator[RpcClient]:
    """Two machines whose pods run simulated nodes, and the controller of today."""
    images = dict.fromkeys(IMAGE_NAMES, simulated_bitcoind())
    loops = frozenset({Loop.KUBELET, Loop.PROVISIONER})
    async with (
        ImageRuntime(images=images) as runtime,
        Cluster(client, runtime, loops=loops, nodes=("m1", "m2")),
        RpcClient() as rpc,
    ):
        manager = Manager(client, namespaces=["demo"])
        manager.add(build(manager, bitcoind=rpc))
        async with in_background(manager.run(), name="controller"):
            yield rpc


async def _until_at_tip(client: Client, nodes: int, *, height: int) -> BitcoinNetwork:
    async with asyncio.timeout(WITHIN_S):
        while True:
            network = await client.get(BITCOIN_NETWORKS, KEY)
            found = network.status.nodes
            if len(found) == nodes and all(node.state is NodeState.AT_TIP and node.height == height for node in found):
                return network
            await asyncio.sleep(0.5)


async def test_an_upgrade_goes_pod_by_pod_with_the_real_controllers(kubernetes: Path) -> None:
    """No pod is adopted or refused, two of three have all blocks at any time, and in the end all are on claims."""
    lines: list[str] = []
    async with a_plane(kubernetes) as client, a_controller(client) as rpc:
        await _make_before(client)
        network = await _until_at_tip(client, 3, height=0)
        old = Credentials(user="user", password="password")
        await rpc.node(network.status.nodes[0].ip, old).generate(BLOCKS)
        await _until_at_tip(client, 3, height=BLOCKS)
        running = asyncio.create_task(upgrade(client, KEY, say=lines.append, timeout_s=WITHIN_S))
        while not running.done():
            found = (await client.get(BITCOIN_NETWORKS, KEY)).status.nodes
            assert sum(node.height == BLOCKS and node.ready for node in found) >= 2, (lines, found)
            await asyncio.sleep(0.2)
        await running
        assert lines[-1] == "network demo/net is upgraded: 3 nodes, all at the tip"
        network = await _until_at_tip(client, 3, height=BLOCKS)
        assert [node.height for node in network.status.nodes] == [BLOCKS] * 3
        statefulset = await client.get(STATEFULSETS, "demo/net-sts")
        assert (statefulset.at("spec.replicas"), statefulset.at("spec.ordinals")) == (3, None)
        for name, pod in (await _pods(client)).items():
            claims = [volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod.at("spec.volumes")]
            assert f"data-{name}" in claims
        revisions = await client.list(CONTROLLER_REVISIONS, namespace="demo")
        assert all(revision.metadata.controller for revision in revisions)
        told = [event for event in await client.list(EVENTS, namespace="demo") if event["type"] == "Warning"]
        of_sets = [event["message"] for event in told if event["involvedObject"]["kind"] == "StatefulSet"]
        assert of_sets == []


async def test_the_demo_holds_on_a_real_control_plane(kubernetes: Path, tmp_path: Path) -> None:
    """Every step, with our kubelet alone; a machine is lost there as well."""
    with ControlPlane(kubernetes) as plane, controllers(plane.kubeconfig):
        arguments = ("--kubeconfig", plane.kubeconfig, "--with-kubelet", "--bitcoind", "simulated", "--blocks", "11")
        command = [sys.executable, "-m", "ctrlkit.bitcoin", "demo", *arguments, "--scale-to", "6"]
        async with process_of(*command, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path) as process:
            output, errors = await process.communicate()
    assert process.returncode == 0, f"{output.decode()}\n{errors.decode()}"
    assert b"all 16 steps held" in output
