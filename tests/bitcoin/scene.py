"""What the controller's tests share: a world with its kinds, nodes in memory, and a hand that plays the cluster."""

from __future__ import annotations

import asyncio
import functools
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ctrlkit.bitcoin.controller import build
from ctrlkit.bitcoin.credentials import DEFAULT_CREDENTIALS, PASSWORD_KEY, USER_KEY
from ctrlkit.bitcoin.manifests import objects
from ctrlkit.bitcoin.rpc import RPC_PORT, Answer, BadCredentials, Bitcoind, Credentials, NodeUnreachable
from ctrlkit.bitcoin.types import BITCOIN_NETWORKS, STATEFULSETS
from ctrlkit.clock import monotonic
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.cluster import Loop
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager, Settings
from ctrlkit.model import MergePatch, Options, Unstructured
from ctrlkit.model.kinds import EVENTS, PODS, SECRETS, SERVICES

KEY, SERVICE_KEY, STATEFULSET_KEY = "demo/net", "demo/net-svc", "demo/net-sts"
CREDENTIALS = Credentials(user="an-unusual-user", password="an-unusual-password")
NETWORKS = BITCOIN_NETWORKS.of(Unstructured)


@dataclass
class MemoryNodes:
    """
    Nodes without a network: each has a list of added nodes, and accepts one pair of credentials.

    `silent` nodes answer nothing, and each call to them takes a timeout. `calls` are those that reached a node, `spans`
    when each of them began and ended.
    """

    lists: dict[str, set[str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)
    accepted: Credentials = DEFAULT_CREDENTIALS
    silent: set[str] = field(default_factory=set)
    call_s: float = 0.0
    timeout_s: float = 5.0

    def node(self, address: str, credentials: Credentials, *, port: int = RPC_PORT) -> MemoryNode:
        return MemoryNode(self, address, credentials)

    @property
    def writes(self) -> list[str]:
        return [call for call in self.calls if not call.startswith("list")]


@dataclass(frozen=True)
class MemoryNode:
    """A handle on one of them."""

    nodes: MemoryNodes
    address: str
    credentials: Credentials

    async def answer(self) -> Answer:
        await self._call("list")
        added = dict.fromkeys(sorted(self._list), True)
        return Answer(version=1, agent="", height=0, tip="", is_syncing=False, connections=len(added), added=added)

    async def add_node(self, peer: str) -> None:
        await self._call(f"add {peer} to")
        self._list.add(peer)

    async def remove_node(self, entry: str) -> None:
        await self._call(f"remove {entry} from")
        self._list.discard(entry)

    async def connect(self, entry: str) -> None:
        await self._call(f"connect {entry} to")

    async def disconnect(self, entry: str) -> None:
        await self._call(f"disconnect {entry} from")

    @property
    def _list(self) -> set[str]:
        return self.nodes.lists.setdefault(self.address, set())

    async def _call(self, what: str) -> None:
        self.nodes.calls.append(f"{what} {self.address}")
        began = monotonic()
        try:
            await asyncio.sleep(self.nodes.timeout_s if self.address in self.nodes.silent else self.nodes.call_s)
        finally:
            self.nodes.spans.append((began, monotonic()))
        if self.address in self.nodes.silent:
            raise NodeUnreachable(f"{what} {self.address}: no answer within {self.nodes.timeout_s:g} s")
        if self.credentials != self.nodes.accepted:
            raise BadCredentials(f"{what} {self.address}: the node does not accept these credentials")


@dataclass
class Scene:
    """A world in which the controller runs, for one network `demo/net`."""

    world: World
    manager: Manager
    nodes: MemoryNodes

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

    def run_pod(self, ordinal: int, *, ready: bool = True, ip: str = "") -> None:
        """Do what a StatefulSet's controller and a kubelet would: a pod, or its new status."""
        name = f"net-sts-{ordinal}"
        statefulset = self.world.tracker.get(STATEFULSETS, STATEFULSET_KEY)
        status = {
            "phase": "Running",
            "podIP": ip or address(ordinal),
            "conditions": [{"type": "Ready", "status": str(ready)}],
        }
        if any(pod.key.name == name for pod in self.world.tracker.list(PODS, "demo")):
            self.world.tracker.patch(PODS, f"demo/{name}", MergePatch({"status": status}), subresource="status")
            return
        owner = STATEFULSETS.owner_reference(statefulset.metadata)
        template = statefulset.at("spec.template")
        metadata = {
            "name": name,
            "namespace": "demo",
            "labels": template["metadata"]["labels"],
            "ownerReferences": [owner],
        }
        spec = template["spec"]
        seed(
            self.world.tracker,
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status},
        )

    def delete_pod(self, ordinal: int) -> None:
        """Have a pod gone at once."""
        self.world.tracker.delete(PODS, f"demo/net-sts-{ordinal}", Options(grace_period_s=0))

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
        for ordinal in range(nodes):
            self.run_pod(ordinal)
        await self.world.settle()
        self.world.clientset.clear_actions()
        self.nodes.calls.clear()

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time pass without asking that everything comes to rest."""
        await self.world.pass_time(seconds)

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


async def whole_life(scene: Scene) -> None:
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


def address(ordinal: int) -> str:
    """The address that the pod of a node gets."""
    return f"10.0.0.{ordinal + 1}"


def mesh(count: int) -> dict[str, set[str]]:
    """The lists of that many nodes that know each other."""
    every = {address(ordinal) for ordinal in range(count)}
    return {own: every - {own} for own in every}


@functools.cache
def _definition() -> dict[str, Any]:
    """The network's definition; reading its YAML takes as long as all the rest of a test."""
    return objects("crd")[0]


@asynccontextmanager
async def scene_with(
    bitcoind: Bitcoind,
    nodes: MemoryNodes,
    *there: dict[str, Any],
    crd: dict[str, Any] | None = None,
    cluster: Iterable[Loop] = (),
    settings: Settings | None = None,
    rbac: bool = False,
) -> AsyncIterator[Scene]:
    """
    A world in which the controller runs and talks to `bitcoind`; `there` is there before it starts.

    With `rbac` it acts as the service account of its Deployment, which is among what is there.
    """
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
    async with World(crd or _definition(), namespace, *there, cluster=cluster, rbac=rbac) as world:
        manager = world.manage(lambda manager: build(manager, bitcoind=bitcoind), settings=settings, name="first")
        await world.settle()
        yield Scene(world, manager, nodes)
