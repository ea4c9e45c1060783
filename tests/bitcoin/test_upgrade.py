"""`bitcoin-controller upgrade`: from the objects that commit a2a870f made to those of today, pod by pod."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ctrlkit.bitcoin.controller import build
from ctrlkit.bitcoin.credentials import PASSWORD_KEY, USER_KEY
from ctrlkit.bitcoin.manifests import objects
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.upgrade import UpgradeRefused, UpgradeUnfinished, look, planned, upgrade
from ctrlkit.client import Client
from ctrlkit.crd.manifest import definition_of
from ctrlkit.fakes.cluster import Loop
from ctrlkit.fakes.tracker.callers import acting_as
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager
from ctrlkit.model import Action, MergePatch, ObjectKey, Unstructured, Verb
from ctrlkit.model.action import Transport
from ctrlkit.model.kinds import (
    CONTROLLER_REVISIONS,
    PODS,
    SECRETS,
    SERVICES,
    STATEFULSETS,
)
from tests.bitcoin.made_before import made_before, network_made_before
from tests.bitcoin.memory import MemoryNodes

UID = "11111111-1111-4111-8111-111111111111"
KEY = ObjectKey("demo", "net")
BLOCKS = 101
LOOPS = (Loop.STATEFUL_SETS, Loop.KUBELET, Loop.SCHEDULER, Loop.GARBAGE, Loop.VOLUMES, Loop.PROVISIONER)
NETWORKS = BITCOIN_NETWORKS.of(Unstructured)


@dataclass
class Story:
    """A world with a network of the time before, in which the controller of today runs, and what the command said."""

    world: World
    nodes: MemoryNodes
    manager: Manager
    lines: list[str] = field(default_factory=list)
    tops: list[int] = field(default_factory=list)
    serving: list[int] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(line)

    @property
    def network(self) -> Unstructured:
        return self.world.tracker.get(NETWORKS, KEY)

    @property
    def pods(self) -> dict[str, Unstructured]:
        return {pod.key.name: pod for pod in self.world.tracker.list(PODS, "demo")}

    def condition(self, kind: str) -> tuple[str, str]:
        (found,) = [one for one in self.network.at("status.conditions") if one["type"] == kind]
        return found["status"], found["reason"]

    async def start_again(self) -> None:
        """Lose the controller, and start another one."""
        await self.world.crash(self.manager)
        self.manager = start(self.world, self.nodes, name=f"again-{len(self.lines)}")

    async def until_ended(self, running: Callable[[], Any], *, limit_s: int = 3600) -> None:
        """Run the command while time passes, and look at the nodes every second."""
        task = asyncio.get_running_loop().create_task(running())
        for _ in range(limit_s):
            await self.world.pass_time(1)
            heights = self.nodes.heights
            self.tops.append(max(heights.values(), default=-1))
            self.serving.append(sum(height == BLOCKS for height in heights.values()))
            if task.done():
                break
        await task

    async def upgraded(self, **options: Any) -> None:
        """Run the command to its end."""
        await self.until_ended(lambda: upgrade(self.world.client, KEY, say=self.say, timeout_s=3600, **options))


def start(world: World, nodes: MemoryNodes, *, name: str) -> Manager:
    """Start the controller of today."""
    return world.manage(lambda manager: build(manager, bitcoind=nodes), name=name)


@asynccontextmanager
async def before_v2(
    nodes: int = 3, *, secret: str | None = None, rbac: tuple[dict[str, Any], ...] = (), **spec: Any
) -> AsyncIterator[Story]:
    """
    A network as commit a2a870f made it, whose nodes have 101 blocks, and the controller of today beside it.

    With the objects `rbac` the server asks who may do what.
    """
    memory = MemoryNodes()
    asked = {"nodes": nodes, **spec, **({"secret": secret} if secret else {})}
    data = {key: b64encode(value).decode() for key, value in ((USER_KEY, b"bc-user"), (PASSWORD_KEY, b"bc-password"))}
    there: list[dict[str, Any]] = [
        definition_of(BITCOIN_NETWORKS),
        network_made_before(UID, **asked),
        *made_before(UID, nodes=nodes, secret=secret),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rpc", "namespace": "demo"}, "data": data},
        *rbac,
    ]
    account = "system:serviceaccount:bitcoin-controller:bitcoin-controller" if rbac else ""
    async with World(*there, cluster=LOOPS, images=memory.images, rbac=bool(rbac), acting_as=account) as world:
        memory.follow(world.tracker)
        story = Story(world, memory, start(world, memory, name="first"))
        await world.pass_time(90)
        if nodes:
            memory.mine("demo/net-sts-0", BLOCKS)
        await world.pass_time(90)
        yield story


def assert_new(story: Story, nodes: int) -> None:
    """Everything is as if it had been made today, and the chain is there."""
    assert sorted(story.pods) == [f"net-sts-{ordinal}" for ordinal in range(nodes)]
    for name, pod in story.pods.items():
        claims = [volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod.at("spec.volumes")]
        assert f"data-{name}" in claims
    statefulset = story.world.tracker.get(STATEFULSETS, "demo/net-sts")
    assert (statefulset.at("spec.replicas"), statefulset.at("spec.ordinals")) == (nodes, None)
    assert "app" not in story.world.tracker.get(SERVICES, "demo/net-svc").at("spec.selector")
    assert all(one.metadata.controller for one in story.world.tracker.list(CONTROLLER_REVISIONS, "demo"))
    assert list(story.nodes.heights.values()) == [BLOCKS] * nodes


async def test_a_network_made_before_runs_on_untouched() -> None:
    """The controller of today connects its nodes and changes nothing; a condition says what an upgrade brings."""
    async with before_v2() as story:
        pods, statefulset = story.pods, story.world.tracker.get(STATEFULSETS, "demo/net-sts")
        assert story.condition("Available")[0] == "True"
        assert story.condition("UpToDate") == ("False", "MadeBefore")
        story.world.tracker.patch(NETWORKS, KEY, MergePatch({"spec": {"image": "bitcoin:29.1"}}))
        await story.world.pass_time(300)
        assert {name: pod.metadata.uid for name, pod in story.pods.items()} == {
            name: pod.metadata.uid for name, pod in pods.items()
        }
        after = story.world.tracker.get(STATEFULSETS, "demo/net-sts")
        assert (after["spec"], after.metadata.labels) == (statefulset["spec"], statefulset.metadata.labels)
        assert not [one for one in story.world.tracker.list(SECRETS, "demo") if one.key.name != "rpc"]


@pytest.mark.parametrize("secret", [None, "rpc"], ids=["defaults", "secret"])
async def test_an_upgrade_replaces_pod_by_pod_with_a_majority_at_the_tip(secret: str | None) -> None:
    """
    Two of three nodes have all blocks at any time, and all three have them in the end, each on a claim.

    Afterwards there is nothing to do, which is said, and no error.
    """
    async with before_v2(secret=secret) as story:
        before = {name: pod.metadata.uid for name, pod in story.pods.items()}
        await story.upgraded()
        assert min(story.serving) >= 2
        assert not {pod.metadata.uid for pod in story.pods.values()} & set(before.values())
        assert story.condition("UpToDate")[0] == "True"
        assert story.lines[-1] == "network demo/net is upgraded: 3 nodes, all at the tip"
        replaced = dict.fromkeys(line.split()[0] for line in story.lines if "AtTip (new)" in line)
        assert list(replaced) == ["net-sts-2", "net-sts-1", "net-sts-0"]
        await story.world.pass_time(900)
        assert_new(story, 3)
        assert min(story.serving) >= 2
        story.lines.clear()
        await story.upgraded()
        assert story.lines == ["nothing of network demo/net was made before v2: nothing to do"]
        assert await planned(story.world.client, KEY) == story.lines


async def test_a_command_that_is_run_again_while_the_last_pod_starts_says_what_is_on_its_way() -> None:
    """Nothing is left for it to do, and not all is there yet."""
    async with before_v2() as story:
        command = asyncio.get_running_loop().create_task(
            upgrade(story.world.client, KEY, say=story.say, timeout_s=3600)
        )
        while (await look(story.world.client, KEY)).is_old:
            await story.world.pass_time(1)
        command.cancel()
        story.lines.clear()
        await story.upgraded()
        assert story.lines[0] == "nothing of network demo/net was made before v2: nothing to do; still on its way:"
        assert [line for line in story.lines if line.startswith("  net-sts-0 is ")]
        await story.world.pass_time(120)
        assert await planned(story.world.client, KEY) == [
            "nothing of network demo/net was made before v2: nothing to do"
        ]


async def test_an_upgrade_that_is_cut_off_after_each_call_goes_on_where_it_was() -> None:
    """The command ends after every write, its answer unread, and the controller is lost each time as well."""
    async with before_v2() as story:
        once = Client(EndsAfterWrite(story.world.clientset), field_manager="bitcoin-controller")
        ends = 0
        while story.lines[-1:] != ["network demo/net is upgraded: 3 nodes, all at the tip"]:
            with suppress(Ended):
                await story.until_ended(lambda: upgrade(once, KEY, say=story.say, timeout_s=3600))
                break
            ends += 1
            await story.start_again()
        assert ends == 6  # the Secret, three pods, the StatefulSet, its revision
        assert min(story.serving) >= 2
        assert_new(story, 3)


@pytest.mark.long
async def test_a_node_that_is_lost_meanwhile_comes_back_with_the_others() -> None:
    """A leftover pod has no StatefulSet; its place is filled when those above it have been replaced."""
    async with before_v2(5) as story:
        cut = Client(EndsAfterWrite(story.world.clientset, "statefulsets"), field_manager="bitcoin-controller")
        with pytest.raises(Ended):
            await story.until_ended(lambda: upgrade(cut, KEY, say=story.say, timeout_s=3600))
        story.world.tracker.delete(PODS, "demo/net-sts-1")
        await story.upgraded()
        assert min(story.serving) >= 3
        assert_new(story, 5)


async def test_the_only_node_is_upgraded_when_its_chain_may_go() -> None:
    """Else it is refused with the two ways out, and nothing is written."""
    async with before_v2(1) as story:
        version = story.pods["net-sts-0"].metadata.resource_version
        with pytest.raises(UpgradeRefused, match=r"scale bitcoinnetwork net --replicas 2\), or say --lose-chain"):
            await story.upgraded()
        assert story.pods["net-sts-0"].metadata.resource_version == version
        await story.upgraded(lose_chain=True)
        assert list(story.nodes.heights.values()) == [0]
        assert story.condition("UpToDate")[0] == "True"


@pytest.mark.long
async def test_one_node_keeps_its_chain_after_it_was_scaled_to_two() -> None:
    """As the refusal says."""
    async with before_v2(1) as story:
        await story.world.client.set_scale(BITCOIN_NETWORKS, KEY, 2)
        await story.world.pass_time(90)
        await story.upgraded()
        assert_new(story, 2)
        assert min(story.serving) >= 1


@pytest.mark.long
async def test_a_network_that_rests_is_upgraded() -> None:
    """It has no pods; its new StatefulSet wants none."""
    async with before_v2(0) as story:
        await story.upgraded()
        assert_new(story, 0)


async def test_a_dry_run_says_what_would_be_done_and_does_nothing() -> None:
    """Each step in a line."""
    async with before_v2() as story:
        await story.world.settle()
        story.world.clientset.clear_actions()
        assert await planned(story.world.client, KEY) == [
            "would write secret net-config, with the credentials that the nodes accept as those in force",
            *(f"would label pod net-sts-{one} as one of network net, which owns it" for one in range(3)),
            "would delete statefulset net-sts, and leave its pods running",
            "the controller then replaces, one at a time: net-sts-2, net-sts-1, net-sts-0",
        ]
        assert story.world.clientset.writes == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spec": {"paused": True}}, "it is paused, so the controller would not go on; set spec.paused to false"),
        ({"spec": {"secret": "absent"}}, "secret absent does not exist"),
    ],
    ids=["paused", "no secret"],
)
async def test_what_cannot_go_on_is_refused_before_anything_is_written(change: dict[str, Any], said: str) -> None:
    """With the fact and the next step."""
    async with before_v2() as story:
        story.world.tracker.patch(NETWORKS, KEY, MergePatch(change))
        await story.world.pass_time(60)
        with pytest.raises(UpgradeRefused, match=said):
            await upgrade(story.world.client, KEY, say=story.say, timeout_s=60)
        assert not [pod for pod in story.pods.values() if len(pod.metadata.labels or {}) > 4]


def documented_rights() -> list[dict[str, Any]]:
    """The rules of a role with the rights that the page names, those for --lose-chain left out."""
    page = " ".join((Path(__file__).parents[2] / "docs" / "bitcoin.md").read_text(encoding="utf-8").split())
    said = re.sub(r" \([^)]*\)", "", page.split("these rights in the network's namespace: ")[1].split(". ")[0])
    groups = {"bitcoinnetworks": NETWORKS.group, "statefulsets": "apps", "controllerrevisions": "apps"}
    rules = []
    for right in said.rstrip(".").split("; "):
        *verbs, resource = re.findall(r"[a-z]+", right.replace(" and ", " "))
        rules.append({"apiGroups": [groups.get(resource, "")], "resources": [resource], "verbs": verbs})
    return rules


async def test_the_rights_that_the_page_names_are_all_that_it_takes() -> None:
    """A user who has just these upgrades a network, and uses each of them."""
    rules = documented_rights()
    meta = {"name": "keeper", "namespace": "demo"}
    group, version = "rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1"
    subject = {"kind": "User", "name": "keeper", "apiGroup": group}
    role = {"apiVersion": version, "kind": "Role", "metadata": meta, "rules": rules}
    binding = {
        "apiVersion": version,
        "kind": "RoleBinding",
        "metadata": meta,
        "subjects": [subject],
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "keeper"},
    }
    async with before_v2(rbac=(*objects("rbac"), *objects("deployment"), role, binding)) as story:
        asking = NotesCalls(story.world.clientset)
        client = Client(asking, field_manager="bitcoin-controller")

        async def as_keeper() -> None:
            with acting_as({"username": "keeper", "groups": ["system:authenticated"]}):
                await upgrade(client, KEY, say=story.say, timeout_s=3600)

        await story.until_ended(as_keeper)
        assert story.lines[-1] == "network demo/net is upgraded: 3 nodes, all at the tip"
        named = {(verb, rule["resources"][0]) for rule in rules for verb in rule["verbs"]}
        assert named - asking.calls == {("create", "secrets")}  # by a patch, which makes it
        assert asking.calls <= named


async def test_a_server_that_is_too_old_is_told_before_anything_is_written() -> None:
    """Without spec.ordinals the new StatefulSet would make the lowest pods first, which are still there."""
    async with before_v2() as story:
        await story.world.settle()
        before = story.world.tracker.version
        old = Client(DropsOrdinals(story.world.clientset), field_manager="bitcoin-controller")
        for attempt in (planned(old, KEY), upgrade(old, KEY, say=story.say, timeout_s=60)):
            with pytest.raises(UpgradeRefused, match=r"the server drops spec\.ordinals .* Kubernetes 1\.27 or newer"):
                await attempt
        assert story.world.tracker.version == before


async def test_a_network_that_is_not_there_is_said() -> None:
    """With the command that lists those that are."""
    async with before_v2(0) as story:
        with pytest.raises(UpgradeRefused, match=r"there is no such network, .* see `kubectl get bitcoinnetworks -A`"):
            await upgrade(story.world.client, ObjectKey("demo", "other"), say=story.say, timeout_s=60)


async def test_without_a_controller_of_today_nothing_is_begun() -> None:
    """Nobody would make the new StatefulSet: the status does not tell of the network as it is."""
    async with before_v2() as story:
        await story.world.stop(story.manager)
        story.world.tracker.patch(NETWORKS, KEY, MergePatch({"spec": {"nodes": 4}}))
        with pytest.raises(UpgradeUnfinished, match="60 s in vain; update or start the controller"):
            await upgrade(story.world.client, KEY, say=story.say, timeout_s=600)
        assert story.world.tracker.get(STATEFULSETS, "demo/net-sts").metadata.deleting is False


@pytest.mark.long
async def test_a_network_that_is_not_whole_is_waited_for() -> None:
    """Its nodes have to be at the tip first; after the timeout the command says how to go on."""
    async with before_v2() as story:
        story.nodes.faults["demo/net-sts-1"].silent = True
        await story.world.pass_time(300)
        with pytest.raises(
            UpgradeUnfinished, match=r"600 s are over; waits until .* net-sts-1 .*; to go on: bitcoin-c"
        ):
            await upgrade(story.world.client, KEY, say=story.say, timeout_s=600)
        assert story.world.tracker.get(STATEFULSETS, "demo/net-sts").metadata.deleting is False


@pytest.mark.long
async def test_a_network_that_is_deleted_meanwhile_leaves_nothing() -> None:
    """The leftover pods belong to it, and so does all that was made."""
    async with before_v2() as story:
        cut = Client(EndsAfterWrite(story.world.clientset, "statefulsets"), field_manager="bitcoin-controller")
        with pytest.raises(Ended):
            await story.until_ended(lambda: upgrade(cut, KEY, say=story.say, timeout_s=3600))
        story.world.tracker.delete(NETWORKS, KEY)
        await story.world.pass_time(900)
        for resource in (PODS, STATEFULSETS, SERVICES):
            assert story.world.tracker.list(resource, "demo") == []


class Ended(Exception):
    """The command was ended."""


class EndsAfterWrite:
    """A server whose answer to a write (of one kind, or any) never comes: the command ends there."""

    def __init__(self, transport: Transport, plural: str = "") -> None:
        self._transport = transport
        self._plural = plural

    async def do(self, action: Action) -> bytes:
        answer = await self._transport.do(action)
        is_write = action.verb not in (Verb.GET, Verb.LIST) and not action.options.dry_run
        if is_write and self._plural in ("", action.resource.plural):
            raise Ended
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class NotesCalls:
    """A server that notes which verbs it is asked for, of which kinds."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.calls: set[tuple[str, str]] = set()

    async def do(self, action: Action) -> bytes:
        self.calls.add((str(action.verb), action.resource.plural))
        return await self._transport.do(action)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class DropsOrdinals:
    """A server before Kubernetes 1.27, which knows no spec.ordinals of StatefulSets."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def do(self, action: Action) -> bytes:
        answer = await self._transport.do(action)
        if action.resource.plural != "statefulsets":
            return answer
        found = msgspec.json.decode(answer)
        found["spec"].pop("ordinals", None)
        return msgspec.json.encode(found)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
