"""
Why a node's pod does not run, in one sentence: held against what schedulers, kubelets and controllers really say.

The pods are those of a network's own StatefulSet, in a World with a whole cluster.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit import clock
from ctrlkit.bitcoin.causes import PLACED_WITHIN, cause_of, events_wanted
from ctrlkit.bitcoin.event_reader import EVENTS_AFTER_S, EVENTS_AGAIN_S, EVENTS_OBJECTS_MAX, EventReader
from ctrlkit.bitcoin.layout import config_secret, desired_objects
from ctrlkit.bitcoin.network import BitcoinNetwork, Spec
from ctrlkit.bitcoin.objects import (
    CLAIMS,
    EVENTS,
    PODS,
    Claim,
    ClaimSpec,
    ClaimStatus,
    ContainerState,
    ContainerStatus,
    Ended,
    Event,
    Involved,
    ObjectCondition,
    Pod,
    PodSpec,
    PodStatus,
    Waiting,
)
from ctrlkit.bitcoin.rotation import ConfigState, auth_line
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.bitcoin.texts import TEXT_MAX, shown
from ctrlkit.bitcoin.versions import options_of
from ctrlkit.errors import NotFound
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Exits, Image, Node, Pull
from ctrlkit.model import MergePatch, ObjectKey, ObjectMeta
from ctrlkit.model.kinds import NODES, RESOURCE_QUOTAS, SECRETS

CREDENTIALS = Credentials(user="an-unusual-user", password="an-unusual-password")
STATE = ConfigState(CREDENTIALS, (auth_line(CREDENTIALS, "5a17"),))
NETWORK, NODE, IMAGE = ObjectKey("demo", "net"), "net-sts-0", "core:29.1"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Stage:
    """A cluster with the objects of one network, and what is told of its nodes."""

    def __init__(self, world: World, spec: Spec) -> None:
        self.world = world
        self.spec = spec

    def pod(self, name: str = NODE) -> Pod | None:
        try:
            return msgspec.convert(dict(self.world.tracker.get(PODS.of(dict), f"demo/{name}")), Pod)
        except NotFound:
            return None

    async def events(self) -> list[Event]:
        return await self.world.client.list(EVENTS, namespace="demo")

    async def cause(self, name: str = NODE) -> str:
        """What is told of a node by a controller that reads the Events that it is to read, and no others."""
        pod = self.pod(name)
        claims = [one for one in await self.world.client.list(CLAIMS, namespace="demo") if name in one.metadata.name]
        wanted = events_wanted(name, "net-sts", pod, claims)
        events = [event for event in await self.events() if any(_is_about(event, one) for one in wanted)]
        return cause_of(name, pod, claims, events, now=clock.now(), options=options_of(self.spec))


def _is_about(event: Event, wanted: Involved) -> bool:
    about = event.involved_object
    return (about.kind, about.name) == (wanted.kind, wanted.name) and wanted.uid in ("", about.uid)


@asynccontextmanager
async def stage(
    *there: Mapping[str, Any], image: Image | None = None, without: str = "", nodes: int | list[Node] = 1, **spec: Any
) -> AsyncIterator[Stage]:
    """A network of one node whose containers do what `image` says, in a cluster without the object `without`."""
    wanted = msgspec.convert({"nodes": 1, **spec}, Spec)
    network = BitcoinNetwork(metadata=ObjectMeta(name="net", namespace="demo", uid="1"), spec=wanted)
    objects = [config_secret(network, STATE), *(body for _, body in desired_objects(network, STATE, {"main": IMAGE}))]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
    images = {} if image is None else {IMAGE: image}
    kept = [body for body in objects if body["kind"] != without]
    async with World(namespace, *there, *kept, cluster=ALL, images=images, nodes=nodes) as world:
        await world.advance(75)
        yield Stage(world, wanted)


# ---- what clusters say -----------------------------------------------------------------------------------------------


async def test_of_a_node_that_runs_nothing_is_told() -> None:
    """Nor of one that is about to."""
    async with stage() as scene:
        assert await scene.cause() == ""
        assert cause_of(NODE, None, now=NOW) == ""


FULL = "2026-01-01T00:00:00Z [error] Disk space is too low!\nError: Disk space is too low!\n"


@pytest.mark.parametrize(
    ("image", "spec", "told"),
    [
        (
            Image(exits=Exits(1, message=FULL)),
            {},
            "bitcoind ended with exit code 1: Error: Disk space is too low; its volume is full: raise "
            "spec.storage.size, or keep less with spec.configuration.pruneMiB",
        ),
        (
            Image(exits=Exits(1, message=FULL)),
            {"storage": {"ephemeral": True}},
            "bitcoind ended with exit code 1: Error: Disk space is too low; its Kubernetes node is full: keep less "
            "with spec.configuration.pruneMiB, or keep chains on claims of a new network",
        ),
        (
            Image(exits=Exits.oom(after_s=1)),
            {"resources": {"limits": {"memory": "1Gi"}}},
            "bitcoind used more than its memory limit of 1Gi (OOMKilled), and dbcache alone may take 256 MiB; raise "
            "spec.resources.limits.memory, or lower spec.configuration.dbcacheMiB",
        ),
        (
            Image(exits=Exits(1, message="Error: Error reading configuration file: parse error on line 9: txidex\n")),
            {},
            "bitcoind ended with exit code 1: Error: Error reading configuration file: parse error on line 9: txidex; "
            "correct spec.configuration",
        ),
        (
            Image(exits=Exits(3, message="")),
            {},
            "bitcoind ended with exit code 3; see kubectl logs net-sts-0 --previous",
        ),
        (
            Image(exits=Exits(0)),
            {},
            "bitcoind ended by itself with exit code 0, as after the RPC stop; see kubectl logs net-sts-0 --previous",
        ),
        (
            Image(pull=Pull(error="core:29.1: not found")),
            {},
            "its image cannot be pulled: core:29.1: not found; correct spec.image or spec.version",
        ),
        (
            Image(pull=Pull(error="pull access denied, repository does not exist or may require authorization")),
            {},
            "its image cannot be pulled: pull access denied, repository does not exist or may require authorization; "
            "name a Secret that may pull in spec.imagePullSecrets",
        ),
        (
            Image(refuses='exec: "bitcoind": executable file not found in $PATH'),
            {},
            'its container cannot start: exec: "bitcoind": executable file not found in $PATH; the image needs '
            "bitcoind and bitcoin-cli on its PATH: correct spec.image",
        ),
        (
            None,
            {"storage": {"className": "fast"}},
            "claim data-net-sts-0 waits for StorageClass fast, which does not exist; create it",
        ),
        (
            None,
            {"resources": {"requests": {"memory": "999Ti"}}},
            "its pod fits no Kubernetes node: 0/1 nodes are available: 1 Insufficient memory; add Kubernetes nodes, or "
            "ask for less in spec.resources",
        ),
        (
            None,
            {"nodeSelector": {"disk": "fast"}},
            "its pod fits no Kubernetes node: 0/1 nodes are available: 1 node(s) didn't match Pod's node "
            "affinity/selector; correct spec.nodeSelector or spec.affinity",
        ),
    ],
)
async def test_what_a_kubelet_and_a_scheduler_say_is_told_with_the_next_step(
    image: Image | None, spec: dict[str, Any], told: str
) -> None:
    """And it is the same sentence at each of the tries that follow, whatever state of the container is seen."""
    async with stage(image=image, **spec) as scene:
        assert await scene.cause() == told
        for _ in range(6):
            await scene.world.pass_time(29)
            assert await scene.cause() == told


async def test_a_secret_that_is_not_there_is_told_out_of_the_events() -> None:
    """A pod that cannot mount says nothing itself; once it can, the old Event is no cause any more."""
    async with stage(without="Secret") as scene:
        assert await scene.cause() == (
            'its pod cannot begin: MountVolume.SetUp failed for volume "config" : secret "net-config" not found; '
            "it is the controller's own, which makes it again within a minute"
        )
        network = BitcoinNetwork(metadata=ObjectMeta(name="net", namespace="demo", uid="1"), spec=scene.spec)
        await scene.world.client.create(SECRETS, config_secret(network, STATE))
        await scene.world.advance(60)
        assert await scene.cause() == ""


async def test_a_key_that_a_secret_lacks_is_told() -> None:
    """As for a group that was added, while the Secret of the configuration was put back from an old copy."""
    async with stage(without="Secret") as scene:
        body = {"metadata": {"name": "net-config", "namespace": "demo"}, "data": {}}
        await scene.world.client.create(SECRETS, body)
        await scene.world.advance(200)
        assert "references non-existent secret key: main.conf" in await scene.cause()


async def test_a_claim_without_a_class_is_told_while_there_is_no_default() -> None:
    """The claim says it itself, without any Event."""
    claim = Claim(metadata=ObjectMeta(name="data-net-sts-0", uid="c"), status=ClaimStatus(phase="Pending"))
    unbound = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
    placed = ObjectCondition(type="PodScheduled", status="False", reason="Unschedulable", message=unbound)
    pod = Pod(metadata=ObjectMeta(name=NODE), status=PodStatus(phase="Pending", conditions=(placed,)))
    assert cause_of(NODE, pod, [claim], now=NOW) == (
        "claim data-net-sts-0 names no StorageClass and the cluster has no default one; mark a StorageClass as the "
        "default: the claim gets it"
    )


async def test_a_pod_may_wait_for_its_volume_and_its_place_for_a_minute() -> None:
    """A provisioner, or an autoscaler, takes its time; that is no Warning at each start."""
    unbound = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
    placed = ObjectCondition(type="PodScheduled", status="False", reason="Unschedulable", message=unbound)
    made = ObjectMeta(name=NODE, creation_timestamp=NOW_TEXT)
    pod = Pod(metadata=made, status=PodStatus(phase="Pending", conditions=(placed,)))
    assert cause_of(NODE, pod, now=NOW + PLACED_WITHIN - timedelta(seconds=1)) == ""
    assert cause_of(NODE, pod, now=NOW + PLACED_WITHIN).startswith("its pod fits no Kubernetes node")


async def test_a_quota_that_is_used_up_is_told_until_there_is_room() -> None:
    """It is the StatefulSet's controller that says it, of a pod that does not exist."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": "demo"},
        "spec": {"hard": {"pods": "0"}},
    }
    async with stage(quota) as scene:
        assert await scene.cause() == (
            'its pod cannot be made: pods "net-sts-0" is forbidden: exceeded quota: few, requested: pods=1, used: '
            "pods=0, limited: pods=0; raise the quota of the namespace, or ask for less: spec.nodes, spec.resources"
        )
        scene.world.tracker.patch(RESOURCE_QUOTAS, "demo/few", MergePatch({"spec": {"hard": {"pods": "5"}}}))
        await scene.world.advance(600)
        assert await scene.cause() == ""
        pod = scene.pod()
        assert pod is not None
        assert pod.ready
        assert cause_of(NODE, None, events=await scene.events(), now=clock.now()) == "", "it has been made since"


async def test_a_namespace_that_forbids_the_pod_is_told() -> None:
    """Pod Security refuses volumes of hosts and the like; our pods meet `restricted`, so only a policy can refuse."""
    told = _refused("create Pod net-sts-0 in StatefulSet net-sts failed error: violates PodSecurity: seccompProfile")
    assert told.endswith("let the namespace allow it with its label pod-security.kubernetes.io/enforce")
    told = _refused('create Pod net-sts-0 in StatefulSet net-sts failed error: admission webhook "p" denied it')
    assert told.endswith("ask whoever runs that policy, or change the spec to what it allows")
    assert _refused("create Pod net-sts-1 in StatefulSet net-sts failed error: quota") == "", "that is another pod"


def _refused(text: str) -> str:
    involved = Involved(kind="StatefulSet", name="net-sts")
    event = Event(metadata=ObjectMeta(), type="Warning", reason="FailedCreate", message=text, involved_object=involved)
    return cause_of(NODE, None, events=[event], now=NOW)


async def test_a_lost_kubernetes_node_is_told_and_a_pod_that_cannot_end_because_of_it() -> None:
    """No advice to delete the pod by force: two pods must never write one chain."""
    async with stage(nodes=[Node("here"), Node("there")], nodeSelector={"kubernetes.io/hostname": "here"}) as scene:
        scene.world.lose_node("here")
        await scene.world.advance(60)
        lost = await scene.cause()
        assert lost == (
            "Kubernetes node here does not answer; its pods go on when it is back; if it is gone for good: kubectl "
            "delete node here"
        )
        await scene.world.advance(400)
        pod = scene.pod()
        assert pod is not None
        assert pod.metadata.deleting
        assert await scene.cause() == lost
        scene.world.tracker.delete(NODES, "here")
        await scene.world.advance(120)
        assert await scene.cause() == (
            "its pod fits no Kubernetes node: 0/1 nodes are available: 1 node(s) didn't match Pod's node "
            "affinity/selector; correct spec.nodeSelector or spec.affinity"
        )


async def test_a_pod_that_ends_in_its_time_is_no_trouble_and_one_that_does_not_is() -> None:
    """A node may take its grace period; what holds a pod after it is named."""
    late = Pod(
        metadata=ObjectMeta(name=NODE, deletion_timestamp="2026-01-01T00:10:00Z"), spec=PodSpec(node_name="here")
    )
    assert cause_of(NODE, late, now=datetime(2026, 1, 1, 0, 10, 59, tzinfo=UTC)) == ""
    told = cause_of(NODE, late, now=datetime(2026, 1, 1, 0, 11, tzinfo=UTC))
    assert told == (
        "its pod was to have ended by now and is still there; see kubectl describe pod net-sts-0, and kubectl get node "
        "here"
    )
    held = msgspec.structs.replace(
        late, metadata=ObjectMeta(name=NODE, deletion_timestamp=NOW_TEXT, finalizers=("a/b",))
    )
    assert "waits for finalizer a/b" in cause_of(NODE, held, now=datetime(2026, 1, 2, tzinfo=UTC))


NOW_TEXT = "2026-01-01T00:00:00Z"


async def test_an_evicted_pod_and_one_that_failed_otherwise_are_told() -> None:
    """The StatefulSet makes them anew; while they are seen, it is told why they went."""
    evicted = PodStatus(phase="Failed", reason="Evicted", message="The node was low on resource: ephemeral-storage. ")
    pod = Pod(metadata=ObjectMeta(name=NODE), spec=PodSpec(node_name="here"), status=evicted)
    assert cause_of(NODE, pod, now=NOW) == (
        "its pod was evicted: The node was low on resource: ephemeral-storage; set spec.resources.requests to what it "
        "needs, or free the Kubernetes node"
    )
    other = msgspec.structs.replace(pod, status=PodStatus(phase="Failed", reason="NodeAffinity", message="no label"))
    assert cause_of(NODE, other, now=NOW) == "its pod has failed: NodeAffinity no label; it is made again"


# ---- what bitcoind says ----------------------------------------------------------------------------------------------


def _crashed(message: str, code: int = 1, reason: str = "Error", *, now: bool = False) -> Pod:
    ended = ContainerState(terminated=Ended(exit_code=code, reason=reason, message=message))
    waits = ContainerState(waiting=Waiting(reason="CrashLoopBackOff", message="back-off 5m0s restarting failed"))
    status = ContainerStatus(
        name="bitcoind", state=ended if now else waits, last_state=ContainerState() if now else ended
    )
    return Pod(
        metadata=ObjectMeta(name=NODE, uid="p"),
        spec=PodSpec(node_name="here"),
        status=PodStatus(phase="Running", container_statuses=(status,)),
    )


REINDEX = "add reindex=1 to spec.configuration.extra, and take it out when the node is at the tip again"
LAST_WORDS = {
    "Error: Corrupted block database.\nPlease restart with -reindex or -reindex-chainstate to recover.": REINDEX,
    "You need to rebuild the database using -reindex to go back to unpruned mode.": REINDEX,
    "Error: Invalid parameter -pruen=5": "correct spec.configuration",
    "Error: Prune mode is incompatible with -txindex.": "correct spec.configuration",
    "Error: Cannot obtain a lock on directory /var/lib/bitcoin/regtest.": (
        "another process has its directory: see which pods use its claim"
    ),
    "Error: Incorrect or no genesis block found. Wrong datadir for network?": (
        "its volume holds another chain: correct spec.chain, or give the network another name"
    ),
    "Error: filesystem error: cannot create directory: Permission denied": (
        "set spec.securityContext.fsGroup to a group that may write to its volume"
    ),
    "Error: Unable to bind to 0.0.0.0:18444": "something else listens there: correct spec.ports",
    'Error: Disk space is low for "/var/lib/bitcoin/regtest"': (
        "its Kubernetes node is full: keep less with spec.configuration.pruneMiB, or keep chains on claims of a new "
        "network"
    ),
    "Error: Unsupported logging category -debug=nets.": "correct spec.configuration",
    "Error: Invalid amount for -minrelaytxfee=<amount>: 'x'": "correct spec.configuration",
    "Error: Unknown -blockfilterindex value x.": "correct spec.configuration",
    "Error: Cannot set -peerblockfilters without -blockfilterindex.": "correct spec.configuration",
    "write: No space left on device": (
        "its Kubernetes node is full: keep less with spec.configuration.pruneMiB, or keep chains on claims of a new "
        "network"
    ),
    "Segmentation fault": "see kubectl logs net-sts-0 --previous",
}


@pytest.mark.parametrize(("message", "step"), LAST_WORDS.items())
def test_what_bitcoind_says_last_has_its_step(message: str, step: str) -> None:
    """In the back-off as in the moment of its end."""
    told = cause_of(NODE, _crashed(message), now=NOW)
    assert told.startswith("bitcoind ended with exit code 1: ")
    assert told.endswith(f"; {step}")
    assert cause_of(NODE, _crashed(message, now=True), now=NOW) == told


def test_a_container_that_has_started_since_is_told_nothing_of_its_last_run() -> None:
    """A crash of last month is not why a node is busy today."""
    ended = ContainerState(terminated=Ended(exit_code=1, message="Error: x"))
    for started, told in ((False, "bitcoind ended with exit code 1: Error: x"), (True, "")):
        status = ContainerStatus(name="bitcoind", started=started, last_state=ended)
        pod = msgspec.structs.replace(_crashed(""), status=PodStatus(phase="Running", container_statuses=(status,)))
        assert cause_of(NODE, pod, now=NOW).partition(";")[0] == told


def test_a_probe_that_ended_a_container_is_told_out_of_the_events() -> None:
    """Its exit code alone would read as if it had ended by itself."""
    pod = _crashed("", code=0, reason="Completed")
    (wanted,) = events_wanted(NODE, "net-sts", pod)
    text = "Container bitcoind failed startup probe, will be restarted"
    killing = Event(metadata=ObjectMeta(), type="Normal", reason="Killing", message=text, involved_object=wanted)
    assert cause_of(NODE, pod, events=[killing], now=NOW) == (
        f"bitcoind was stopped by its kubelet: {text}; see kubectl logs net-sts-0 --previous"
    )


@given(st.text(max_size=3000))
def test_for_any_text_of_others_a_cause_is_one_bounded_line(text: str) -> None:
    """Whatever a container wrote last."""
    told = cause_of(NODE, _crashed(text), now=NOW)
    assert "\n" not in told
    assert told == " ".join(told.split())
    assert len(told) <= TEXT_MAX + 200


SECRETS_SHOWN = [
    "rpcpassword={}",
    "Error: parse error on line 3: rpcpassword={}, options must be",
    "-rpcauth={}",
    "rpcuser = {}",
    "BC_RPC_PASSWORD={}",
    'failed to pull "https://user:{}@example.com/v2/"',
]


@given(st.sampled_from(SECRETS_SHOWN), st.from_regex(r"[a-zA-Z0-9]{8,40}", fullmatch=True))
def test_for_any_credentials_in_a_text_of_others_they_are_not_told(form: str, password: str) -> None:
    """Neither as options, nor as variables, nor in addresses of registries."""
    assert password not in shown(form.format(password))


def test_what_differs_at_each_try_is_not_told() -> None:
    """So that a status is not written at each try."""
    uid = "0426465e-3e37-452d-b0bc-ab0ed8570102"
    assert shown(f'container has runAsNonRoot (pod: "net-sts-0_demo({uid})", container: bitcoind)') == (
        "container has runAsNonRoot"
    )
    assert shown("read tcp 10.0.0.7:53412->10.0.0.9:443: i/o timeout") == "read tcp 10.0.0.9:443: i/o timeout"


# ---- the Events that are read ----------------------------------------------------------------------------------------


async def test_events_are_read_where_pods_and_claims_explain_nothing_and_nowhere_else() -> None:
    """A pod that crashes, or fits nowhere, says so itself."""
    claim = Claim(metadata=ObjectMeta(name="data", uid="c"), spec=ClaimSpec(storage_class_name="fast"))
    pending = msgspec.structs.replace(claim, status=ClaimStatus(phase="Pending"))
    bound = msgspec.structs.replace(claim, status=ClaimStatus(phase="Bound"))
    unplaced = Pod(metadata=ObjectMeta(name=NODE, uid="p"))
    placed = Pod(metadata=ObjectMeta(name=NODE, uid="p"), spec=PodSpec(node_name="here"))
    deleting = Pod(metadata=ObjectMeta(name=NODE, uid="p", deletion_timestamp=NOW_TEXT), spec=PodSpec(node_name="here"))
    for pod, claims, kinds in (
        (None, [pending], ["StatefulSet"]),
        (unplaced, [pending], ["PersistentVolumeClaim"]),
        (unplaced, [bound], []),
        (placed, [bound], ["Pod"]),
        (deleting, [bound], []),
        (_crashed("Error: x"), [bound], []),
    ):
        assert [one.kind for one in events_wanted(NODE, "net-sts", pod, claims)] == kinds


async def test_events_are_read_seldom_and_of_few_objects() -> None:
    """After a while, again and again, five objects at most; and not at all once nothing is wanted."""
    wanted = [Involved(kind="Pod", name=f"net-sts-{i}", uid=str(i)) for i in range(9)]
    async with World() as world:
        reader = EventReader(world.manage(lambda _: ()).client)
        reads: list[int] = []
        for _ in range(int(EVENTS_AFTER_S + 2 * EVENTS_AGAIN_S)):
            world.clientset.clear_actions()
            assert await reader.read(NETWORK, wanted) == ()
            reads.append(len(world.clientset.actions))
            assert (reader.again_s(NETWORK) or 0.0) > 0.0
            await world.advance(1)
        assert [moment for moment, count in enumerate(reads) if count] == [
            EVENTS_AFTER_S,
            EVENTS_AFTER_S + EVENTS_AGAIN_S,
        ]
        assert max(reads) == EVENTS_OBJECTS_MAX
        await reader.read(NETWORK, [])
        assert reader.again_s(NETWORK) is None


async def test_events_of_each_object_are_read_in_its_turn() -> None:
    """Those of a sixth pod too, without more calls; what is known of others stays, and what is wanted no more goes."""
    wanted = [Involved(kind="Pod", name=f"net-sts-{i}", uid=str(i)) for i in range(7)]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
    async with World(namespace) as world:
        for one in wanted:
            about = {"kind": "Pod", "name": one.name, "namespace": "demo", "uid": one.uid}
            metadata = {"name": one.name, "namespace": "demo"}
            world.tracker.create(EVENTS, {"metadata": metadata, "involvedObject": about, "reason": "FailedMount"})
        reader = EventReader(world.manage(lambda _: ()).client)
        known: list[list[str]] = []
        await reader.read(NETWORK, wanted)
        for after_s in (EVENTS_AFTER_S, EVENTS_AGAIN_S, EVENTS_AGAIN_S):
            await world.advance(after_s)
            world.clientset.clear_actions()
            known.append([event.metadata.name for event in await reader.read(NETWORK, wanted)])
            assert len(world.clientset.actions) == EVENTS_OBJECTS_MAX
        names = [one.name for one in wanted]
        assert known == [names[:EVENTS_OBJECTS_MAX], names, names]
        assert [event.metadata.name for event in await reader.read(NETWORK, wanted[6:])] == names[6:]


async def test_events_that_may_not_be_read_are_none() -> None:
    """A role of an older installation costs an explanation, and no pass."""
    async with World(rbac=True, acting_as="nobody") as world:
        reader = EventReader(world.manage(lambda _: ()).client)
        wanted = [Involved(kind="Pod", name=NODE)]
        await reader.read(NETWORK, wanted)
        await world.advance(EVENTS_AFTER_S)
        assert await reader.read(NETWORK, wanted) == ()
