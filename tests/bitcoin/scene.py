"""
What the controller's tests share: a world with its kinds, nodes in memory, and a hand that plays the kubelet.

The world runs the loop that makes pods and claims of StatefulSets; whether a pod runs, and where, the test says.
"""

from __future__ import annotations

import copy
import functools
from base64 import b64encode
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from ctrlkit.bitcoin.controller import build
from ctrlkit.bitcoin.credentials import PASSWORD_KEY, USER_KEY
from ctrlkit.bitcoin.manifests import objects
from ctrlkit.bitcoin.names import GROUP_LABEL, NETWORK_LABEL, pod_name
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, MAIN_GROUP
from ctrlkit.bitcoin.reconciler import LEAST_S
from ctrlkit.bitcoin.rpc import BadCredentials, Bitcoind, Credentials
from ctrlkit.clock import monotonic
from ctrlkit.fakes.clientset.clientset import Write
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.cluster import Loop
from ctrlkit.fakes.cluster.loops.provisioning import CLASS
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager, Settings
from ctrlkit.model import MergePatch, Options, Unstructured
from ctrlkit.model.kinds import EVENTS, POD_DISRUPTION_BUDGETS, PODS, SECRETS, SERVICES, STATEFULSETS
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS as CLAIMS
from tests.bitcoin.memory import MemoryNodes

KEY, SERVICE_KEY, STATEFULSET_KEY = "demo/net", "demo/net-svc", "demo/net-sts"
CREDENTIALS = Credentials(user="an-unusual-user", password="an-unusual-password")
NETWORKS = BITCOIN_NETWORKS.of(Unstructured)
STATUS = Write("patch", NETWORKS, KEY, subresource="status")


@dataclass
class Scene:
    """A world in which the controller runs, for one network `demo/net`."""

    world: World
    manager: Manager
    nodes: MemoryNodes
    bitcoind: Bitcoind

    def start(self) -> None:
        """Start the controller again, as another process that remembers nothing."""
        self.manager = self.world.manage(lambda manager: build(manager, bitcoind=self.bitcoind), name="again")

    def versions(self) -> dict[str, str]:
        """The version of each object in the namespace, but for Events."""
        kinds = (NETWORKS, SECRETS, SERVICES, STATEFULSETS, PODS, CLAIMS, POD_DISRUPTION_BUDGETS)
        found = [(kind, item) for kind in kinds for item in self.world.tracker.list(kind, "demo")]
        return {f"{kind} {item.key}": item.metadata.resource_version for kind, item in found}

    @property
    def passes(self) -> int:
        """How many reconciles there were."""
        (controller,) = self.manager.controllers
        return sum(controller.statistics().results.values())

    def apply(self, nodes: int, **spec: Any) -> None:
        """Make the network, or change its spec."""
        body = {"apiVersion": BITCOIN_NETWORKS.api_version, "kind": "BitcoinNetwork"}
        metadata = {"name": "net", "namespace": "demo"}
        if any(item.key.name == "net" for item in self.world.tracker.list(NETWORKS, "demo")):
            self.world.tracker.patch(NETWORKS, KEY, MergePatch({"spec": {"nodes": nodes, **spec}}))
        else:
            seed(self.world.tracker, {**body, "metadata": metadata, "spec": {"nodes": nodes, **spec}})

    def run_pod(self, ordinal: int, *, group: str = MAIN_GROUP, ready: bool = True, ip: str = "") -> None:
        """Do what a provisioner and a kubelet would: a pod has its claim and an address, and is ready or not."""
        status = {
            "phase": "Running",
            "podIP": ip or address(ordinal, group),
            "conditions": [{"type": "Ready", "status": str(ready)}],
        }
        key = f"demo/{pod_name('net', ordinal, group)}"
        for volume in self.world.tracker.get(PODS, key).at("spec.volumes"):
            if "persistentVolumeClaim" in volume:
                claim = f"demo/{volume['persistentVolumeClaim']['claimName']}"
                self.world.tracker.patch(
                    CLAIMS, claim, MergePatch({"status": {"phase": "Bound"}}), subresource="status"
                )
        self.world.tracker.patch(PODS, key, MergePatch({"status": status}), subresource="status")

    def delete_pod(self, ordinal: int, *, group: str = MAIN_GROUP) -> None:
        """Have a pod gone at once; its StatefulSet makes another one."""
        self.world.tracker.delete(PODS, f"demo/{pod_name('net', ordinal, group)}", Options(grace_period_s=0))

    async def run_pods(self, within_s: float = 60) -> None:
        """Be the kubelet of all pods until the network is available: each runs as soon as it is there."""

        def is_available() -> bool:
            for pod in self.world.tracker.list(PODS, "demo"):
                if not pod.at("status.podIP"):
                    group, ordinal = (pod.metadata.labels or {})[GROUP_LABEL], int(pod.key.name.rpartition("-")[2])
                    self.run_pod(ordinal, group=group)
            return self.condition("Available")[0] == "True"

        await self.world.until(is_available, within=within_s)

    def put_secret(
        self, name: str = "rpc", *, user: str = CREDENTIALS.user, password: str = CREDENTIALS.password
    ) -> None:
        """Make a complete secret, or change it."""
        self.put_secret_data(name, {USER_KEY: user, PASSWORD_KEY: password})

    def put_secret_data(self, name: str, values: dict[str, str]) -> None:
        """Make a secret of these values, or change it."""
        data = {key: b64encode(value.encode()).decode() for key, value in values.items()}
        if any(secret.key.name == name for secret in self.world.tracker.list(SECRETS, "demo")):
            self.world.tracker.patch(SECRETS, f"demo/{name}", MergePatch({"data": data}))
        else:
            metadata = {"name": name, "namespace": "demo"}
            seed(self.world.tracker, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})

    async def running(self, nodes: int, **spec: Any) -> None:
        """Bring a network up: all its pods run and are ready, its nodes know each other, and nothing is left to do."""
        self.apply(nodes, **spec)
        await self.world.settle()
        await self.run_pods()
        await self.world.advance(LEAST_S)  # new connections are looked at again
        self.world.clientset.clear_actions()
        self.nodes.calls.clear()

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time pass without asking that everything comes to rest."""
        await self.world.pass_time(seconds)

    async def accept(self, credentials: Credentials) -> list[bool]:
        """Whether each node accepts credentials."""
        accepted = []
        for pod in self.world.tracker.list(PODS, "demo"):
            try:
                await self.nodes.node(pod.at("status.podIP"), credentials).answer()
            except BadCredentials:
                accepted.append(False)
            else:
                accepted.append(True)
        return accepted

    async def watch_rollout(self, seconds: float) -> list[tuple[float, str]]:
        """Be the kubelet for a while; return which pods were made anew, and when."""
        seen, replaced, ends = self._uids(), [], monotonic() + seconds
        while monotonic() < ends:
            await self.world.advance(1)
            for name, uid in self._uids().items():
                if seen.get(name) not in (None, uid):
                    replaced.append((monotonic(), name))
                if seen.get(name) != uid:
                    ordinal = int(name.rpartition("-")[2])
                    group = (self.world.tracker.get(PODS, f"demo/{name}").metadata.labels or {})[GROUP_LABEL]
                    self.run_pod(ordinal, group=group)
                seen[name] = uid
        return replaced

    def _uids(self) -> dict[str, str]:
        return {pod.key.name: pod.metadata.uid for pod in self.world.tracker.list(PODS, "demo")}

    def touch(self) -> None:
        """Have a pass made: an annotation changes, and nothing that means anything."""
        annotations = {"touched": str(self.passes)}
        self.world.tracker.patch(NETWORKS, KEY, MergePatch({"metadata": {"annotations": annotations}}))

    def pairs(self) -> set[frozenset[int]]:
        """The ordinals of every two nodes of the main group of which one has the other on its list."""
        at = {address(ordinal): ordinal for ordinal in range(100)}
        lists = {int(name.rpartition("-")[2]): entries for name, entries in self.nodes.lists.items()}
        ips = {pod.at("status.podIP"): int(pod.key.name.rpartition("-")[2]) for pod in self.world.tracker.list(PODS)}
        return {frozenset((one, (at | ips)[entry])) for one, entries in lists.items() for entry in entries}

    @property
    def network(self) -> Unstructured:
        return self.world.tracker.get(NETWORKS, KEY)

    @property
    def statefulset(self) -> Unstructured:
        return self.world.tracker.get(STATEFULSETS, STATEFULSET_KEY)

    @property
    def service(self) -> Unstructured:
        return self.world.tracker.get(SERVICES, SERVICE_KEY)

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of one condition."""
        found = [item for item in self.network.at("status.conditions") or () if item["type"] == kind]
        return (found[0]["status"], found[0]["reason"]) if found else ("", "")

    def message(self, kind: str) -> str:
        """What one condition says."""
        (found,) = [item for item in self.network.at("status.conditions") if item["type"] == kind]
        return str(found["message"])

    def events(self, event_type: str = "") -> list[tuple[str, str]]:
        """Reason and message of the Events on the network, oldest first."""
        found = sorted(self.world.tracker.list(EVENTS, "demo"), key=lambda event: int(event.metadata.resource_version))
        return [(event["reason"], event["message"]) for event in found if event_type in ("", event["type"])]


def loose_definition() -> dict[str, Any]:
    """The definition of the network without schemas, so that one can be made that does not decode."""
    definition = copy.deepcopy(_definition())
    for version in definition["spec"]["versions"]:
        version["schema"] = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return definition


LIFE: Final = (Loop.STATEFUL_SETS, Loop.GARBAGE)
"""The loops that a whole life needs."""


async def whole_life(scene: Scene) -> None:
    """Everything the controller ever does: make, connect, scale, put back, grow, roll out, rotate, leave, take over."""
    world, tracker = scene.world, scene.world.tracker
    scene.apply(2, secret="rpc")
    await world.settle()
    scene.put_secret("rpc")
    await world.advance(15)
    await scene.run_pods()
    for nodes in (3, 2, 3, 2):
        scene.apply(nodes)
        await world.settle()
    tracker.patch(SERVICES, SERVICE_KEY, MergePatch({"spec": {"selector": {NETWORK_LABEL: "other"}}}))
    tracker.patch(STATEFULSETS, STATEFULSET_KEY, MergePatch({"spec": {"replicas": 9}}))
    await world.settle()
    scene.apply(2, groups=[{"name": "more", "nodes": 1}], networkPolicy={})
    await world.advance(30)  # whose pod does not run, which Events may explain
    scene.apply(2, groups=[], networkPolicy=None)
    await world.settle()
    scene.apply(2, storage={"size": "20Gi"})
    await world.advance(60)
    scene.apply(2, image="bitcoin:31.0", secret=None)
    await scene.watch_rollout(60)
    scene.apply(2, deletionPolicy="Orphan")
    await world.settle()
    tracker.delete(NETWORKS, KEY)
    await world.settle()
    scene.apply(2, image="bitcoin:31.0")
    await world.advance(60)
    tracker.patch(NETWORKS, KEY, MergePatch({"spec": {"secret": {"of": "another kind"}}}))
    await world.settle()
    tracker.delete(NETWORKS, KEY)
    await world.settle()


def node(ordinal: int, group: str = MAIN_GROUP) -> str:
    """The name of a node, as the nodes in memory know it."""
    return f"demo/{pod_name('net', ordinal, group)}"


def address(ordinal: int, group: str = MAIN_GROUP) -> str:
    """The address that the pod of a node gets."""
    return f"10.0.{sum(group.encode()) if group != MAIN_GROUP else 0}.{ordinal + 1}"


@functools.cache
def _definition() -> dict[str, Any]:
    """The network's definition; reading its YAML takes as long as all the rest of a test."""
    return objects("crd")[0]


_STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "disk", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "example.com/disk",
    "allowVolumeExpansion": True,
}


def world_of(
    nodes: MemoryNodes,
    *there: dict[str, Any],
    crd: dict[str, Any] | None = None,
    cluster: Collection[Loop] = (Loop.STATEFUL_SETS,),
    rbac: bool = False,
) -> World:
    """A world with the kind and these nodes; `there` is there from the start."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
    storage = dict(CLASS) if Loop.PROVISIONER in cluster else _STORAGE_CLASS
    images = nodes.images if Loop.KUBELET in cluster else None
    world = World(crd or _definition(), namespace, storage, *there, cluster=cluster, rbac=rbac, images=images)
    nodes.follow(world.tracker)
    return world


async def scene_in(
    world: World, nodes: MemoryNodes, *, bitcoind: Bitcoind | None = None, settings: Settings | None = None
) -> Scene:
    """The controller at work in a world; it talks to `bitcoind`, by default to the nodes in memory."""
    calls = nodes if bitcoind is None else bitcoind
    manager = world.manage(lambda manager: build(manager, bitcoind=calls), settings=settings, name="first")
    await world.settle()
    return Scene(world, manager, nodes, calls)


@asynccontextmanager
async def scene_with(
    nodes: MemoryNodes,
    *there: dict[str, Any],
    bitcoind: Bitcoind | None = None,
    crd: dict[str, Any] | None = None,
    cluster: Collection[Loop] = (Loop.STATEFUL_SETS,),
    settings: Settings | None = None,
    rbac: bool = False,
) -> AsyncIterator[Scene]:
    """
    A world in which the controller runs and talks to `bitcoind`; `there` is there before it starts.

    With `rbac` it acts as the service account of its Deployment, which is among what is there.
    """
    async with world_of(nodes, *there, crd=crd, cluster=cluster, rbac=rbac) as world:
        yield await scene_in(world, nodes, bitcoind=bitcoind, settings=settings)
