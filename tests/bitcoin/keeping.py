"""A controller that sees to the objects of networks, and to nothing else: no node is called, no status is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ctrlkit.bitcoin.layout import config_secret, desired_objects, groups_of
from ctrlkit.bitcoin.names import network_of_set
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork, Group, Spec
from ctrlkit.bitcoin.objects import BUDGETS, CLAIMS, POLICIES, SERVICES, STATEFULSETS
from ctrlkit.bitcoin.owned import Ensured, OwnedObjects
from ctrlkit.bitcoin.rotation import ConfigState, next_config
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.cache import Lister
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.events import EventType
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.cluster import Loop
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager
from ctrlkit.model import AnyResource, MergePatch, ObjectKey, ObjectMeta, Record, Unstructured
from ctrlkit.model.kinds import EVENTS
from ctrlkit.model.kinds import STATEFULSETS as ANY_STATEFULSETS
from tests.bitcoin.memory import MemoryNodes

KEY, SET_KEY, NETWORKS = "demo/net", "demo/net-sts", BITCOIN_NETWORKS.of(Unstructured)
STATE: ConfigState = next_config(None, Credentials(user="bc", password="s3cret"), salt="5a17", all_updated=False)
AGAIN_S = 60.0
IMAGE = "docker.io/bitcoin/bitcoin:29.1"


@dataclass
class Keeper:
    """What the reconciler does with OwnedObjects; `ensured` has what the last pass of each network led to."""

    networks: Lister[BitcoinNetwork]
    statefulsets: Lister[Any]
    claims: Lister[Any]
    owned: OwnedObjects
    ensured: dict[ObjectKey, Ensured] = field(default_factory=dict)

    async def __call__(self, request: Request) -> Outcome:
        network = self.networks.find(request.key)
        if network is None:
            return DONE
        sets = [one for one in self.statefulsets.list() if network_of_set(one.metadata.name) == request.key.name]
        if network.metadata.deleting:
            await self.owned.release(network.metadata, sets, network.spec.deletion_policy)
            return DONE
        await self.owned.keep_finalizer(network)
        images = dict.fromkeys(groups_of(network.spec), network.spec.image or IMAGE)
        objects = desired_objects(network, STATE, images)
        ensured = await self.owned.ensure(network, objects, sets, self.claims.list())
        self.ensured[request.key] = ensured
        await self.owned.prune(network, objects, ensured.statefulsets + tuple(sets))
        return RequeueAfter(AGAIN_S)


@dataclass
class Keeping:
    """A world with that controller, and the Secret that its pods mount."""

    world: World
    manager: Manager
    keeper: Keeper
    nodes: MemoryNodes

    def apply(self, nodes: int, **spec: Any) -> None:
        """Make the network `demo/net`, or replace its spec."""
        body = {"apiVersion": NETWORKS.api_version, "kind": "BitcoinNetwork", "spec": {"nodes": nodes, **spec}}
        if any(item.key.name == "net" for item in self.world.tracker.list(NETWORKS, "demo")):
            there = self.world.tracker.get(NETWORKS, KEY)
            self.world.tracker.update(NETWORKS, {**there, "spec": body["spec"]})
        else:
            seed(self.world.tracker, body | {"metadata": {"name": "net", "namespace": "demo"}})

    async def settled(self, nodes: int, **spec: Any) -> None:
        """Make the network, or replace its spec, let all happen that follows from it, and forget the calls."""
        self.apply(nodes, **spec)
        await self.world.settle()
        self.world.clientset.clear_actions()

    async def another_pass(self) -> None:
        """Let the network be looked at once more."""
        await self.world.advance(AGAIN_S)

    @property
    def statefulset(self) -> Unstructured:
        return self.world.tracker.get(ANY_STATEFULSETS, SET_KEY)

    def names(self, resource: AnyResource) -> list[str]:
        """The names of all objects of a kind in the namespace."""
        return [item.key.name for item in self.world.tracker.list(resource, "demo")]

    def uids(self, resource: AnyResource) -> dict[str, str]:
        """The uids of all objects of a kind in the namespace, by name."""
        return {item.key.name: item.metadata.uid for item in self.world.tracker.list(resource, "demo")}

    def patch(self, resource: AnyResource, name: str, fields: Any) -> None:
        """Change an object by hand."""
        self.world.tracker.patch(resource, f"demo/{name}", MergePatch(fields))

    def events(self) -> list[tuple[str, str]]:
        """Reason and message of the Events on the network, oldest first."""
        found = [
            one for one in self.world.tracker.list(EVENTS, "demo") if one.at("involvedObject.kind") == NETWORKS.kind
        ]
        found.sort(key=lambda event: int(event.metadata.resource_version))
        return [(event["reason"], event["message"]) for event in found]

    @property
    def writes(self) -> list[str]:
        """What the controller wrote since calls were forgotten, Events apart: verb, kind and name."""
        writes = [write for write in self.world.clientset.writes if write.resource.plural != "events"]
        return [f"{write.verb} {write.resource.plural} {ObjectKey.of(write.key).name}" for write in writes]


def build_keeper(manager: Manager, keepers: list[Keeper]) -> Controller:
    """Build the controller; the list gets what it keeps with."""
    networks = manager.informer(BITCOIN_NETWORKS)
    kinds: tuple[AnyResource, ...] = (SERVICES, STATEFULSETS, BUDGETS, POLICIES, CLAIMS)
    services, statefulsets, budgets, policies, claims = map(manager.informer, kinds)

    def to_all(record: Record[Any]) -> Iterable[ObjectKey]:
        return networks.lister.keys()

    recorder = manager.recorder("bitcoin-controller")

    def tell(network: ObjectMeta, resource: AnyResource, name: str) -> None:
        what = f"created {resource.kind.lower()} {name}"
        recorder.event(network, BITCOIN_NETWORKS, EventType.NORMAL, f"Created{resource.kind}", what)

    keeper = Keeper(
        networks=networks.lister,
        statefulsets=statefulsets.lister,
        claims=claims.lister,
        owned=OwnedObjects(
            services=services.lister,
            budgets=budgets.lister,
            policies=policies.lister,
            client=manager.client,
            recorder=recorder,
            created=tell,
        ),
    )
    keepers.append(keeper)
    watches: list[Watch[Any]] = [
        Watch(networks, to_self),
        *(Watch(informer, to_all) for informer in (services, statefulsets, budgets, policies, claims)),
    ]
    return Controller(name="bitcoin-controller", reconcile=keeper, watches=watches)


@asynccontextmanager
async def keeping(*there: dict[str, Any], cluster: Iterable[Loop] = (), nodes: int = 2) -> AsyncIterator[Keeping]:
    """A world in which the objects of networks are kept; `there` is there before."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
    memory, keepers, loops = MemoryNodes(), list[Keeper](), frozenset(cluster)
    played: dict[str, Any] = {"nodes": nodes, "images": memory.images} if Loop.KUBELET in loops else {}
    async with World(namespace, *there, kinds=[BITCOIN_NETWORKS], cluster=loops, **played) as world:
        memory.follow(world.tracker)
        spec = Spec(nodes=1, groups=[Group(name="old", nodes=1)])
        secret = config_secret(BitcoinNetwork(metadata=ObjectMeta(name="net", namespace="demo"), spec=spec), STATE)
        del secret["metadata"]["ownerReferences"]
        seed(world.tracker, secret)
        manager = world.manage(lambda manager: build_keeper(manager, keepers))
        await world.settle()
        world.clientset.clear_actions()
        yield Keeping(world, manager, keepers[-1], memory)
