"""
Networks that are kept for hours of bad weather: whatever happens, they are whole afterwards, and no chain goes back.

A cluster with all its loops runs networks of one, three, five and twelve nodes: on claims and without, of one version
and of several. By chance pods are deleted and killed, machines are lost, the API server fails, the controller is
restarted, nodes are silent, slow, failing, full or cut off; and people scale, rotate Secrets, and change versions and
configurations back and forth. All the time blocks are mined.

Two things people do not do here, since nothing could keep a chain then: they take nodes away only while all are at the
tip, and a node without a claim is lost only while another one has its blocks.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import structlog
from structlog.typing import EventDict

from ctrlkit import clock
from ctrlkit.bitcoin.asking import AGAIN_S, STEADY_S
from ctrlkit.bitcoin.controller import build
from ctrlkit.bitcoin.credentials import PASSWORD_KEY, USER_KEY
from ctrlkit.bitcoin.manifests import objects
from ctrlkit.bitcoin.names import NETWORK_LABEL, credentials_name
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.objects import SECRETS
from ctrlkit.errors import InternalError, NotFound
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.cluster import ALL, Image
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager
from ctrlkit.model import Action, MergePatch, Options, Unstructured, Verb
from ctrlkit.model.kinds import NODES, PODS
from tests.bitcoin.memory import Faults, MemoryNodes

NETWORKS: Final = BITCOIN_NETWORKS.of(Unstructured)
STEP_S: Final = 5.0
"""Between two looks; what happens, happens at these times."""

GRACE_S: Final = 17.0
"""
Within this time a node may have served and count for a pass, which asks for up to 10 s before it acts, and whose call
may take 2 s; the test looks every 5 s.
"""

COMPACTS_S: Final = 300.0
MACHINES: Final = 5
VERSIONS: Final = ("29.1", "29.3", "30.2")
TOO_OLD: Final = "27.2"
NO_IMAGE: Final = "example.com/none:1"


@dataclass
class Kept:
    """A network, what is wanted of it, and what was seen of its chain."""

    name: str
    spec: dict[str, Any]
    most: int
    """Up to so many nodes it is scaled to."""

    agreed: int = 0
    """The greatest height that most of its nodes have had."""

    @property
    def nodes(self) -> int:
        return sum(int(part["nodes"]) for part in (self.spec, *self.spec.get("groups", ())))

    @property
    def is_ephemeral(self) -> bool:
        return bool(self.spec.get("storage", {}).get("ephemeral"))


def networks() -> list[Kept]:
    return [
        Kept("one", {"nodes": 1}, most=2),
        Kept("three", {"nodes": 3, "secret": "three-rpc", "version": "29.1"}, most=5),
        Kept("five", {"nodes": 5, "storage": {"ephemeral": True}}, most=6),
        Kept(
            "twelve",
            {
                "nodes": 8,
                "secret": "twelve-rpc",
                "version": "30.2",
                "groups": [{"name": "old", "nodes": 4, "version": "29.1"}],
            },
            most=9,
        ),
    ]


@dataclass
class Soak:
    """A world with these networks, and the chance that decides about them."""

    world: World
    nodes: MemoryNodes
    manager: Manager
    kept: list[Kept]
    chance: random.Random
    happened: Counter[str] = field(default_factory=Counter)
    served_at: dict[str, float] = field(default_factory=dict)
    broken_rules: list[str] = field(default_factory=list)
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _lost: set[str] = field(default_factory=set)
    _pods: defaultdict[str, list[Unstructured]] = field(default_factory=lambda: defaultdict(list))
    _pods_at: int = -1
    _compacted_at: float = 0.0

    # ---- what is there -----------------------------------------------------------------------------------------------

    def pods(self, kept: Kept) -> list[Unstructured]:
        """The pods of a network, as they are now."""
        version = self.world.tracker.version
        if self._pods_at != version:
            self._pods_at, self._pods = version, defaultdict(list)
            for pod in self.world.tracker.list(PODS, "demo"):
                self._pods[(pod.metadata.labels or {}).get(NETWORK_LABEL, "")].append(pod)
        return self._pods[kept.name]

    def heights(self, kept: Kept) -> dict[str, int]:
        """The heights of the nodes that run, by pod."""
        heights, names = self.nodes.heights, [str(pod.key) for pod in self.pods(kept)]
        return {name: heights[name] for name in names if name in heights}

    def serving(self, kept: Kept) -> list[str]:
        """The pods that are ready, and whose node answers and is at the tip of the others."""
        heights = self.heights(kept)
        best = max(heights.values(), default=0)
        return [
            str(pod.key)
            for pod in self.pods(kept)
            if str(pod.key) in heights
            and heights[str(pod.key)] >= best - 1
            and is_ready(pod)
            and not pod.metadata.deleting
            and not self.answers_nobody(str(pod.key))
        ]

    def answers_nobody(self, name: str) -> bool:
        """Whether no call to a node gets an answer, whoever makes it."""
        faults = self.nodes.faults.get(name, Faults())
        return faults.silent or faults.refuses or faults.is_warming_up or faults.disk_full

    def is_whole(self, kept: Kept) -> bool:
        """Whether all nodes serve, at one height."""
        return len(self.serving(kept)) == kept.nodes and len(set(self.heights(kept).values())) == 1

    def has_what_is_wanted(self, kept: Kept) -> bool:
        """Whether it is whole, has what the spec says, and tells so."""
        network = self.world.tracker.get(NETWORKS, f"demo/{kept.name}")
        told = {item["type"]: item["status"] for item in network.at("status.conditions")}
        wanted = {"Available": "True", "UpToDate": "True", "CredentialsAvailable": "True", "Progressing": "False"}
        return self.is_whole(kept) and told == told | wanted

    # ---- what happens ------------------------------------------------------------------------------------------------

    def later(self, after_s: float, what: Callable[[], None]) -> None:
        self._later.append((clock.monotonic() + after_s, what))

    async def run(self, for_s: float, events_a_minute: float) -> None:
        """Let weather be for some time, and look."""
        until = clock.monotonic() + for_s
        while clock.monotonic() < until:
            await self.world.pass_time(STEP_S)
            self.world.clientset.clear_actions()
            if clock.monotonic() > self._compacted_at + COMPACTS_S:  # as etcd does; hours of history are much to keep
                self._compacted_at = clock.monotonic()
                self.world.tracker.compact()
            for at, what in [due for due in self._later if due[0] <= clock.monotonic()]:
                self._later.remove((at, what))
                what()
            self.look()
            self.mine()
            if self.chance.random() < events_a_minute * STEP_S / 60:
                event = self.chance.choice(EVENTS)
                kept = self.chance.choice(self.kept)
                if await event(self, kept):
                    self.happened[event.__name__] += 1

    def look(self) -> None:
        """Note who serves, and what most have agreed on."""
        for kept in self.kept:
            for name in self.serving(kept):
                self.served_at[name] = clock.monotonic()
            heights = sorted(self.heights(kept).values(), reverse=True)
            majority = kept.nodes // 2 + 1
            if len(heights) >= majority:
                kept.agreed = max(kept.agreed, heights[majority - 1])

    def mine(self) -> None:
        """Each network gets blocks at its own chance."""
        for kept in self.kept:
            serving = self.serving(kept)
            if serving and self.chance.random() < 0.3:
                self.nodes.mine(self.chance.choice(serving), self.chance.randint(1, 3))

    def calm(self) -> None:
        """End everything that does not end by itself."""
        for _, what in self._later:
            what()
        self._later.clear()
        self.nodes.heal()
        self.nodes.faults.clear()
        self.world.faults.clear()

    async def judge(self, action: Action, call_next: Callable[[Action], Awaitable[bytes]]) -> bytes:
        """Watch the controller delete pods: never so that fewer than a majority serve by its hand."""
        if action.verb is Verb.DELETE and action.resource.plural == "pods":
            key = f"{action.namespace}/{action.name}"
            kept = next(kept for kept in self.kept if action.name.startswith(f"{kept.name}-sts"))
            self.happened["replaced"] += 1
            now, others = self.serving(kept), self._others_of(kept, key)
            least = kept.nodes - 1 if kept.nodes < 3 else kept.nodes // 2 + 1
            if key in now and len(others) < least and not self._nobody_could_tell(kept, key, others):
                self.broken_rules.append(
                    f"{key} was deleted at {clock.monotonic():.0f} s, while of {kept.nodes} only {sorted(others)} serve"
                )
            if kept.is_ephemeral and not others and self.heights(kept).get(key):
                self.broken_rules.append(f"{key} had the only chain, and was deleted at {clock.monotonic():.0f} s")
        return await call_next(action)

    def _others_of(self, kept: Kept, key: str) -> set[str]:
        """The other nodes that serve, or did when the controller asked them."""
        since = clock.monotonic() - GRACE_S
        recently = {name for name, at in self.served_at.items() if at > since} | set(self.serving(kept))
        return {str(pod.key) for pod in self.pods(kept)} & recently - {key}

    def _nobody_could_tell(self, kept: Kept, key: str, others: set[str]) -> bool:
        """
        Whether the controller could not know that this node serves, and was not told that another one is down.

        A node that fails some calls may fail all of the controller's, and answer somebody else; and one that failed is
        asked again only after a while.
        """
        pods = self.pods(kept)
        down = [pod for pod in pods if str(pod.key) not in {key, *others}]
        looks_up = all(is_ready(pod) and not pod.metadata.deleting for pod in down) and len(pods) >= kept.nodes
        return looks_up and all(map(self.failed_us, [key, *(str(pod.key) for pod in down)]))

    def failed_us(self, name: str) -> bool:
        """Whether a node is one that failed as the controller takes it: just now, or more than once."""
        ago = [clock.monotonic() - call.ended for call in self.nodes.calls if call.node == name and call.failure]
        return any(s < AGAIN_S for s in ago) or sum(s < STEADY_S for s in ago) > 1

    def patch(self, kept: Kept) -> None:
        self.world.tracker.patch(NETWORKS, f"demo/{kept.name}", MergePatch({"spec": kept.spec}))

    def put_secret(self, name: str) -> None:
        values = {USER_KEY: f"u{self.chance.randrange(3)}", PASSWORD_KEY: f"{self.chance.random()}"}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "demo"}}
        try:
            self.world.tracker.patch(SECRETS, f"demo/{name}", MergePatch({"stringData": values}))
        except NotFound:
            seed(self.world.tracker, {**body, "stringData": values})


def is_ready(pod: Unstructured) -> bool:
    return any(item["type"] == "Ready" and item["status"] == "True" for item in pod.at("status.conditions") or ())


# ---- events: each says whether it happened ---------------------------------------------------------------------------

Event = Callable[[Soak, Kept], Awaitable[bool]]


def _may_lose(soak: Soak, kept: Kept, key: str) -> bool:
    """A node without a claim goes only while another that serves has its blocks."""
    heights = soak.heights(kept)
    others = [heights.get(name, -1) for name in soak.serving(kept) if name != key]
    return not kept.is_ephemeral or max(others, default=-1) >= max(heights.get(key, 0), kept.agreed)


async def delete_a_pod(soak: Soak, kept: Kept) -> bool:
    pods = soak.pods(kept)
    pod = soak.chance.choice(pods) if pods else None
    if pod is None or not _may_lose(soak, kept, str(pod.key)):
        return False
    soak.world.tracker.delete(PODS, pod.key, Options(grace_period_s=soak.chance.choice((None, 0))))
    return True


async def lose_a_machine(soak: Soak, _: Kept) -> bool:
    """For less than the time after which its pods are deleted, or for more; one at a time."""
    if soak._lost:
        return False
    ephemeral = [pod for kept in soak.kept if kept.is_ephemeral for pod in soak.pods(kept)]
    machine = soak.chance.choice(soak.world.tracker.list(NODES)).key.name
    here = [str(pod.key) for pod in ephemeral if pod.at("spec.nodeName") == machine]
    kept = next(kept for kept in soak.kept if kept.is_ephemeral)
    rest = [soak.heights(kept).get(name, -1) for name in soak.serving(kept) if name not in here]
    if max(rest, default=-1) < max([kept.agreed, *soak.heights(kept).values()]):
        return False
    soak.world.lose_node(machine)
    soak._lost.add(machine)

    def recover() -> None:
        soak.world.recover_node(machine)
        soak._lost.discard(machine)

    soak.later(soak.chance.choice((40, 120, 500, 900)), recover)
    return True


async def restart_the_controller(soak: Soak, _: Kept) -> bool:
    end = soak.chance.choice((soak.world.stop, soak.world.crash))
    await end(soak.manager)
    soak.manager = soak.world.restart(soak.manager)
    return True


async def fail_the_server(soak: Soak, _: Kept) -> bool:
    faults = soak.world.faults_of(soak.manager)
    match soak.chance.randrange(5):
        case 0:
            faults.outage(Calls(), lasts=soak.chance.randint(5, 120)).optional()
        case 1:
            writes = Calls(soak.chance.choice(("patch", "create", "delete")))
            faults.fail(writes, InternalError("by chance"), times=soak.chance.randint(1, 5)).optional()
        case 2:
            faults.lose_reply(Calls("patch"), times=3).optional()
        case 3:
            faults.cut_watches(optional=True)
        case _:
            faults.delay(Calls(), 2.0, times=10).optional()
    return True


async def disturb_a_node(soak: Soak, kept: Kept) -> bool:
    pods = soak.pods(kept)
    if not pods:
        return False
    key = str(soak.chance.choice(pods).key)
    faults = soak.nodes.faults[key]
    match soak.chance.randrange(6):
        case 0:
            faults.silent = True
        case 1:
            faults.fails_every = soak.chance.randint(2, 4)
        case 2:
            faults.call_s = 4.9
        case 3:
            faults.refuses = True
        case 4:
            faults.is_warming_up = True
        case _:
            if not _may_lose(soak, kept, key):
                return False
            faults.disk_full = True

    def set_right() -> None:
        soak.nodes.faults.pop(key, None)

    soak.later(soak.chance.choice((20, 90, 400, 1200)), set_right)
    return True


async def part_a_network(soak: Soak, kept: Kept) -> bool:
    """Both sides are mined at; the shorter chain goes when they meet."""
    keys = [str(pod.key) for pod in soak.pods(kept)]
    if len(keys) < 2 or kept.is_ephemeral:
        return False
    soak.chance.shuffle(keys)
    at = soak.chance.randint(1, len(keys) // 2)
    soak.nodes.partition(keys[:at], keys[at:])
    soak.later(soak.chance.choice((60, 300, 900)), soak.nodes.heal)
    return True


async def scale(soak: Soak, kept: Kept) -> bool:
    nodes = soak.chance.randint(1 if kept.most < 6 else 3, kept.most)
    if nodes < kept.spec["nodes"] and not soak.is_whole(kept):
        return False
    kept.spec["nodes"] = nodes
    soak.patch(kept)
    return True


async def change_the_version(soak: Soak, kept: Kept) -> bool:
    kept.spec["version"] = soak.chance.choice(VERSIONS)
    soak.patch(kept)
    return True


async def go_back_too_far(soak: Soak, kept: Kept) -> bool:
    """It is refused where there are claims, and is told; then it is set right."""
    before = kept.spec.get("version", "30.2")
    if kept.is_ephemeral or before == TOO_OLD:  # then the one that asked for it sets it right
        return False
    kept.spec["version"] = TOO_OLD
    soak.patch(kept)

    def set_right() -> None:
        kept.spec["version"] = before
        soak.patch(kept)

    soak.later(soak.chance.randint(10, 400), set_right)
    return True


async def use_an_image_that_does_not_run(soak: Soak, kept: Kept) -> bool:
    """It goes to one node; then the spec is set right."""
    soak.world.images[NO_IMAGE] = Image(refuses="not found")
    kept.spec["image"] = NO_IMAGE
    soak.patch(kept)

    def set_right() -> None:
        kept.spec["image"] = None
        kept.spec["version"] = soak.chance.choice(VERSIONS)
        soak.patch(kept)

    soak.later(soak.chance.randint(10, 900), set_right)
    return True


async def change_the_configuration(soak: Soak, kept: Kept) -> bool:
    kept.spec["configuration"] = {"dbcacheMiB": soak.chance.choice((100, 450, 900))}
    soak.patch(kept)
    return True


async def rotate(soak: Soak, kept: Kept) -> bool:
    """The Secret that is named gets other values, or is absent for a while; one of ours is deleted."""
    name = kept.spec.get("secret")
    if name is None:
        try:
            soak.world.tracker.delete(SECRETS, f"demo/{credentials_name(kept.name)}")
        except NotFound:
            return False
        return True
    if soak.chance.random() < 0.2:
        try:
            soak.world.tracker.delete(SECRETS, f"demo/{name}")
        except NotFound:
            return False
        soak.later(120, lambda: soak.put_secret(name))
    else:
        soak.put_secret(name)
    return True


EVENTS: Final[tuple[Event, ...]] = (
    *(delete_a_pod, delete_a_pod, lose_a_machine, restart_the_controller, fail_the_server, fail_the_server),
    *(disturb_a_node, disturb_a_node, disturb_a_node, part_a_network, scale, scale, change_the_version),
    *(change_the_version, go_back_too_far, use_an_image_that_does_not_run, change_the_configuration, rotate, rotate),
)


@pytest.fixture
def quiet() -> Iterator[None]:
    """Hours of log lines are not kept."""

    def drop(_logger: object, _method: str, _event: EventDict) -> EventDict:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    yield
    structlog.reset_defaults()


@asynccontextmanager
async def networks_that_run(chance: random.Random) -> AsyncIterator[Soak]:
    """A world with the networks, all of them whole."""
    nodes = MemoryNodes(warmup_s=2.0, stop_s=3.0, replay_s=20.0)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
    async with World(objects("crd")[0], namespace, cluster=ALL, nodes=MACHINES, images=nodes.images) as world:
        nodes.follow(world.tracker)
        manager = world.manage(lambda manager: build(manager, bitcoind=nodes), name="controller")
        soak = Soak(world, nodes, manager, networks(), chance)
        world.clientset.intercept(soak.judge)
        for name in ("three-rpc", "twelve-rpc"):
            soak.put_secret(name)
        for kept in soak.kept:
            body = {"apiVersion": NETWORKS.api_version, "kind": NETWORKS.kind, "spec": kept.spec}
            seed(world.tracker, body | {"metadata": {"name": kept.name, "namespace": "demo"}})
        await world.until(lambda: all(map(soak.is_whole, soak.kept)), within=600)
        yield soak


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("minutes", "number"),
    [(2, 1), *(pytest.param(12 * 60, number, marks=pytest.mark.long) for number in (1, 2, 3))],
)
async def test_networks_outlast_any_weather(minutes: int, number: int) -> None:
    """In the end every network is whole and at one tip, no agreed block is lost, and no rollout took a majority."""
    async with networks_that_run(random.Random(number)) as soak:
        await soak.run(minutes * 60, events_a_minute=1.0 if minutes > 60 else 4.0)
        soak.calm()
        await soak.world.until(lambda: all(map(soak.has_what_is_wanted, soak.kept)), within=3600)
        print(dict(soak.happened), {kept.name: kept.agreed for kept in soak.kept})  # noqa: T201
        assert soak.broken_rules == []
        assert [line for line in soak.nodes.went_back if not line.startswith("demo/five")] == []
        assert [kept.name for kept in soak.kept if min(soak.heights(kept).values()) < kept.agreed] == []
