"""The whole walk-through on virtual time: simulated nodes in this process, on loopback; all else as in the demo."""

from __future__ import annotations

import asyncio
import functools
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

import pytest
import yaml

from ctrlkit.bitcoin.bitcoin_conf import CONF_FILE, DATA_DIR
from ctrlkit.bitcoin.controller import build
from ctrlkit.bitcoin.demo.background import in_background
from ctrlkit.bitcoin.demo.binary import images_of
from ctrlkit.bitcoin.demo.checks import NodeFacts
from ctrlkit.bitcoin.demo.environment import MACHINES
from ctrlkit.bitcoin.demo.installation import NAMESPACE, Installation, NotRemoved
from ctrlkit.bitcoin.demo.nodes import Nodes
from ctrlkit.bitcoin.demo.observer import Observer
from ctrlkit.bitcoin.demo.stage import Stage
from ctrlkit.bitcoin.demo.steps import Report, StepReport, play
from ctrlkit.bitcoin.demo.walkthrough import Walkthrough
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.rpc import P2P_PORT, RPC_PORT, RpcClient
from ctrlkit.client import Client
from ctrlkit.fakes.bitcoind.node import SimulatedNode
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.cluster.cluster import ALL, Cluster, Loop
from ctrlkit.fakes.cluster.node.addresses import loopback_addresses
from ctrlkit.fakes.cluster.node.image_runtime import ImageRuntime
from ctrlkit.fakes.cluster.node.images.bitcoind import IMAGE_NAMES
from ctrlkit.fakes.cluster.node.images.declarations import InProcessProgramFactory
from ctrlkit.fakes.cluster.node.runtime import ContainerSpec, ProbeAction, ProbeResult
from ctrlkit.manager import Manager
from ctrlkit.model import Action, MergePatch, ObjectKey, Unstructured, Verb
from ctrlkit.model.kinds import NAMESPACES, PERSISTENT_VOLUME_CLAIMS, PODS, SECRETS, STATEFULSETS

PAGE = Path(__file__).parents[2] / "docs" / "bitcoin.md"


class NodeProgram:
    """A simulated node as a container's program; what it keeps is in a folder that its volume names."""

    def __init__(self, folder: Path, address: str, spec: ContainerSpec) -> None:
        lines = spec.files.read(CONF_FILE).decode().splitlines()
        auth = [line.removeprefix("rpcauth=") for line in lines if line.startswith("rpcauth=")]
        note = f"{DATA_DIR}/folder"
        if spec.files.find(note) is None:
            spec.files.write(note, token_hex(8).encode())
        datadir = folder / spec.files.read(note).decode()
        datadir.mkdir(exist_ok=True)
        self._node = SimulatedNode(address, auth=auth, rpc_port=RPC_PORT, datadir=datadir, warmup_s=0.5)

    async def run(self) -> int:
        async with self._node:
            await self._node.wait_stopped()
        return 0

    async def probe(self, action: ProbeAction) -> ProbeResult:
        return ProbeResult(ok=self._node.is_running)


class DyingProgram:
    """A node that ends as soon as it was started."""

    def __init__(self, address: str, spec: ContainerSpec) -> None:
        pass

    async def run(self) -> int:
        return 3

    async def probe(self, action: ProbeAction) -> ProbeResult:
        return ProbeResult(ok=False)


class Waits:
    """A view of what steps wait for, and of nothing else."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def step_began(self, name: str) -> None: ...

    def step_waits(self, name: str, why: str) -> None:
        self.told.append(why)

    def step_ended(self, report: StepReport) -> None: ...


@dataclass(slots=True)
class Theatre:
    """All that a walk-through is played on."""

    clientset: FakeClientset
    client: Client
    walkthrough: Walkthrough
    report: Report
    seen: list[Sequence[NodeFacts]]
    view: Waits = field(default_factory=Waits)

    async def play(self, *, without: str = "no step") -> Report:
        """Play all steps but those whose names begin with a word."""
        observer = self.walkthrough.stage.observer
        steps = [step for step in self.walkthrough.steps() if not step.name.startswith(without)]
        await play(steps, observer=observer, report=self.report, view=self.view)
        return self.report


@asynccontextmanager
async def a_stage(
    *,
    nodes: int = 3,
    blocks: int = 101,
    most: int = 0,
    loops: frozenset[Loop] = ALL,
    image: InProcessProgramFactory | None = None,
    start_controller: Callable[[], Awaitable[str]] | None = None,
) -> AsyncIterator[Theatre]:
    """A cluster of two machines with everything ready to begin; nothing is installed."""
    clientset, seen = FakeClientset(), list[Sequence[NodeFacts]]()
    client = clientset.client
    installation = Installation(client, has_own_disks=True)
    observer = Observer(client, installation.network)
    addresses = loopback_addresses(ports=(RPC_PORT, P2P_PORT))
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        folder = Path(stack.enter_context(TemporaryDirectory()))
        program = image or functools.partial(NodeProgram, folder)
        runtime = await enter(ImageRuntime(images=dict.fromkeys(IMAGE_NAMES, program), addresses=addresses))
        cluster = await enter(Cluster(client, runtime, loops=loops, nodes=MACHINES))
        rpc = await enter(RpcClient())
        await enter(in_background(observer.run(), name="observer"))

        async def start() -> str:
            manager = Manager(client, namespaces=[NAMESPACE])
            manager.add(build(manager, bitcoind=rpc))
            await enter(in_background(manager.run(), name="controller"))
            return "started"

        stage = Stage(
            client=client,
            installation=installation,
            observer=observer,
            rpc=Nodes(rpc, on_survey=seen.append),
            images=images_of(None),
            nodes=nodes,
            blocks=blocks,
            lose_machine=cluster.fleet.lose,
            boot_machine=cluster.fleet.recover,
        )
        walkthrough = Walkthrough(stage=stage, start_controller=start_controller or start, most=most or nodes + 1)
        report = Report(bitcoind="simulated", nodes=nodes, planned=len(walkthrough.steps()))
        yield Theatre(clientset, client, walkthrough, report, seen)


async def nobody() -> str:
    """A controller that never comes."""
    return "pretends"


@pytest.mark.parametrize(
    ("nodes", "blocks", "most"), [pytest.param(3, 101, 12, marks=pytest.mark.long), (2, 1, 3)], ids=["12", "3"]
)
async def test_every_step_of_the_walk_through_holds(nodes: int, blocks: int, most: int) -> None:
    """From an empty server to an empty server, in all its steps, within two virtual minutes."""
    async with a_stage(nodes=nodes, blocks=blocks, most=most) as stage:
        report = await stage.play()

    assert [(step.name, step.detail) for step in report.steps if not step.ok] == []
    assert report.ok
    assert len(report.steps) == 16
    assert sum(step.seconds for step in report.steps) < 120
    assert max(len(facts) for facts in stage.seen) == most
    assert stage.seen[-1] == []
    assert stage.view.told == []


async def test_the_namespace_is_as_it_was_after_the_removal() -> None:
    """Everything that was made goes; what was there before stays, and is used."""
    async with a_stage(nodes=2, blocks=1) as stage:
        tracker = stage.clientset.tracker
        before = {str(item.key) for item in tracker.list(NAMESPACES)}
        await stage.walkthrough.stage.installation.install()
        again = await Installation(stage.client).install()
        await stage.walkthrough.stage.installation.create_network(nodes=2, image="bitcoind:1")
        said: list[str] = []
        await stage.walkthrough.stage.installation.remove(on_delay=said.append)

        assert said == []
        assert again.startswith("nothing created; there before: CustomResourceDefinition")
        assert {str(item.key) for item in tracker.list(NAMESPACES)} == before
        assert tracker.list(SECRETS) == []
        assert tracker.list(PODS) == []


async def test_the_first_sample_of_the_page_runs_where_the_demo_stays_up_and_its_claims_grow() -> None:
    """It names no class: the demo's own is the default one, and lets claims grow as those of clouds."""
    sample = yaml.safe_load(PAGE.read_text().partition("```yaml")[2].partition("```")[0])
    sample["metadata"]["namespace"] = NAMESPACE
    key, networks = ObjectKey(NAMESPACE, sample["metadata"]["name"]), BITCOIN_NETWORKS.of(Unstructured)
    async with a_stage() as stage:
        await stage.walkthrough.stage.installation.install()
        await stage.walkthrough.start_controller()
        await stage.client.create(networks, sample)
        await asyncio.sleep(60)
        assert (await stage.client.get(networks, key)).at("status.readyNodes") == 3

        await stage.client.patch(networks, key, MergePatch({"spec": {"storage": {"size": "20Gi"}}}))
        await asyncio.sleep(60)
        assert sizes(stage) == ["20Gi", "20Gi", "20Gi"]


def sizes(stage: Theatre) -> list[str]:
    """How large the volumes of all claims are."""
    return [claim.at("status.capacity.storage") for claim in stage.clientset.tracker.list(PERSISTENT_VOLUME_CLAIMS)]


async def test_nobody_can_know_the_password_of_the_nodes() -> None:
    """They listen where every user of this machine can reach them; the manifest's password is known to everybody."""
    passwords = set()
    for _ in range(2):
        async with a_stage(nodes=2, blocks=1) as stage:
            await stage.walkthrough.stage.installation.install()
            (secret,) = stage.clientset.tracker.list(SECRETS)
            passwords.add(b64decode(secret["data"]["BC_RPC_PASSWORD"]))
    assert len(passwords) == 2
    assert min(map(len, passwords)) >= 32


async def test_without_a_controller_the_step_that_needs_it_fails_with_what_is_missing() -> None:
    """A step can fail: the walk-through stops there and says what it waited for."""
    async with a_stage(start_controller=nobody) as stage:
        report = await stage.play()

    assert not report.ok
    assert (report.steps[-1].name, report.steps[-1].ok) == ("apply a network of 3 nodes", False)
    assert report.steps[-1].detail == "not within 30 s; last seen: no Service and no StatefulSet yet"


async def test_without_nodes_the_walk_through_waits_for_them_in_vain() -> None:
    """A control plane without a kubelet has pods that never run."""
    async with a_stage(loops=ALL - {Loop.KUBELET}) as stage:
        report = await stage.play()

    assert report.steps[-1].name == "nodes become ready"
    assert "0 of 3 ready in the network's status, waiting for my-network-sts-0" in report.steps[-1].detail


async def test_nodes_that_die_at_once_are_told_with_their_last_words() -> None:
    """In the failure, and long before it."""
    async with a_stage(nodes=2, image=DyingProgram) as stage:
        report = await stage.play()

    said = "my-network-sts-0 ended with status 3 (restarts: "
    assert said in report.steps[-1].detail
    assert said in stage.view.told[0]
    assert stage.view.told[0].startswith("0 of 2 ready in the network's status")


@pytest.mark.long
async def test_without_garbage_collection_the_network_is_not_gone() -> None:
    """
    The last step looks at everything that belongs to a network, not at the network alone.

    Nothing is scaled before: the claim of a node that was there, which nobody collects, would be kept for its chain.
    """
    async with a_stage(nodes=2, blocks=1, loops=ALL - {Loop.GARBAGE}) as stage:
        report = await stage.play(without="scale ")

    assert (report.steps[-1].name, len(report.steps)) == ("delete the network", 13)
    assert "last seen: left: 1 Service, 1 StatefulSet, " in report.steps[-1].detail
    assert " claims: data-my-network-sts-0, " in report.steps[-1].detail


@pytest.mark.long
async def test_a_stateful_set_that_is_not_put_back_is_noticed() -> None:
    """The check of the StatefulSet looks at versions after the change by hand."""
    async with a_stage(nodes=2, blocks=1) as stage:
        hands = 0

        def refuse_patches_after_the_hand(action: Action) -> object | None:
            nonlocal hands
            hands += action.subresource == "scale"
            if hands and action.verb is Verb.PATCH and not action.subresource:
                return stage.clientset.tracker.get(STATEFULSETS, action.key)
            return None

        stage.clientset.add_reactor("patch", "statefulsets", refuse_patches_after_the_hand)
        report = await stage.play()

    assert report.steps[-1].name == "scale the StatefulSet by hand"
    assert "StatefulSet my-network-sts wants 3 pods" in report.steps[-1].detail


async def test_a_removal_that_hangs_is_an_error_that_says_what_to_look_at() -> None:
    """Without the loop that empties namespaces they never go; after a while it says what it waits for."""
    said: list[str] = []
    async with a_stage(loops=ALL - {Loop.NAMESPACES}) as stage:
        await stage.walkthrough.stage.installation.install()

        with pytest.raises(NotRemoved, match=r"Namespace bitcoin-\w+ was not gone after 60 s; look at namespace"):
            await stage.walkthrough.stage.installation.remove(on_delay=said.append)
    assert len(said) == 1
    assert said[0].startswith("waiting until Namespace bitcoin-")


async def test_a_part_that_fails_ends_the_block_it_runs_beside() -> None:
    """Nobody waits for something whose maker is gone."""

    async def failing() -> None:
        await asyncio.sleep(1)
        raise RuntimeError("broken")

    with pytest.raises(ExceptionGroup) as caught:
        async with in_background(failing(), name="failing"):
            await asyncio.sleep(100)
    assert [str(error) for error in caught.value.exceptions] == ["broken"]
