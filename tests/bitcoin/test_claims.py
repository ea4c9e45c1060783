"""The chain of a node is on its claim: it outlives pods, machines, scaling and networks, and it can grow."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ctrlkit.bitcoin.layout import desired_objects
from ctrlkit.bitcoin.objects import ClaimResources, StorageAmounts
from ctrlkit.bitcoin.owned import GROW_RETRY_S, CreationFailed
from ctrlkit.errors import InternalError
from ctrlkit.fakes.cluster import Loop
from ctrlkit.fakes.cluster.loops.provisioning import OWN
from ctrlkit.model import Action, MergePatch, Options
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PODS, STATEFULSETS, STORAGE_CLASSES
from tests.bitcoin.keeping import IMAGE, KEY, NETWORKS, SET_KEY, STATE, Keeping, keeping

LOOPS = frozenset({Loop.STATEFUL_SETS, Loop.GARBAGE, Loop.VOLUMES, Loop.PROVISIONER, Loop.VOLUME_PROTECTION})


RUNNING = LOOPS | {Loop.SCHEDULER, Loop.KUBELET, Loop.NODE_LIFECYCLE, Loop.TAINT_EVICTION, Loop.POD_GC}


def a_class(name: str, *, grows: bool) -> dict[str, Any]:
    """A class whose claims are bound at once, and can be mounted everywhere."""
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    return {**kind, "provisioner": OWN, "volumeBindingMode": "Immediate", "allowVolumeExpansion": grows}


GROWING, FIXED = a_class("growing", grows=True), a_class("fixed", grows=False)


def sizes(one: Keeping) -> dict[str, str]:
    """What each claim asks for."""
    found = one.world.tracker.list(PERSISTENT_VOLUME_CLAIMS, "demo")
    return {claim.key.name: claim.at("spec.resources.requests.storage") for claim in found}


def size_made(one: Keeping) -> str:
    """What later claims will ask for."""
    (template,) = one.statefulset.at("spec.volumeClaimTemplates")
    return str(template["spec"]["resources"]["requests"]["storage"])


def refused(one: Keeping) -> str:
    (ensured,) = one.keeper.ensured.values()
    return ensured.refused


def see(one: Keeping) -> None:
    """Do what the StatefulSet's controller does last: say what it has seen."""
    status = {"observedGeneration": one.statefulset.metadata.generation, "updateRevision": "net-sts-1"}
    one.world.tracker.patch(STATEFULSETS, SET_KEY, MergePatch({"status": status}), subresource="status")


# ---- growth ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when_deleted", ["Retain", "Delete"])
async def test_claims_grow_without_a_restart(when_deleted: str) -> None:
    """Each claim is asked for, and later ones are as large: their StatefulSet is made anew, and pods do not notice."""
    storage = {"className": "growing", "whenDeleted": when_deleted}
    async with keeping(GROWING, cluster=LOOPS) as one:
        await one.settled(2, storage=storage | {"size": "10Gi"})
        pods, claims, sets = one.uids(PODS), one.uids(PERSISTENT_VOLUME_CLAIMS), one.uids(STATEFULSETS)
        revision = one.statefulset.at("status.updateRevision")
        await one.settled(2, storage=storage | {"size": "20Gi"})
        assert (one.uids(PODS), one.uids(PERSISTENT_VOLUME_CLAIMS)) == (pods, claims)
        assert (sizes(one), size_made(one)) == ({"data-net-sts-0": "20Gi", "data-net-sts-1": "20Gi"}, "20Gi")
        assert one.uids(STATEFULSETS) != sets
        assert one.statefulset.at("status.updateRevision") == revision
        assert one.events()[-3:] == [
            ("GrewClaims", "asked for 20Gi for 2 claims of statefulset net-sts"),
            ("RemadeStatefulSet", "statefulset net-sts is made anew for claims of 20Gi; its pods go on"),
            ("CreatedStatefulSet", "created statefulset net-sts"),
        ]
        await one.settled(3, storage=storage | {"size": "20Gi"})
        assert sizes(one)["data-net-sts-2"] == "20Gi"
        for claim in one.world.tracker.list(PERSISTENT_VOLUME_CLAIMS, "demo"):
            owners = [owner.name for owner in claim.metadata.owner_references or ()]
            assert owners == (["net-sts"] if when_deleted == "Delete" else [])
        one.world.clientset.clear_actions()
        await one.another_pass()
        assert one.writes == []


async def test_a_set_is_made_anew_only_when_its_controller_has_seen_it() -> None:
    """One edit changes who owns the claims, and their size: until that is done, they would get an owner that goes."""
    async with keeping(GROWING, cluster={Loop.GARBAGE}) as one:
        storage = {"className": "growing", "size": "10Gi"}
        await one.settled(1, storage=storage)
        see(one)
        one.apply(1, storage=storage | {"size": "20Gi", "whenDeleted": "Delete"})
        await one.another_pass()
        assert one.writes == ["patch statefulsets net-sts"]
        before = one.uids(STATEFULSETS)
        see(one)
        await one.another_pass()
        assert one.uids(STATEFULSETS) != before
        assert size_made(one) == "20Gi"


async def test_a_claim_that_waits_for_a_former_pod_grows_too() -> None:
    """It was kept when the network was made smaller, and is as large as the others when its node comes back."""
    storage = {"className": "growing"}
    async with keeping(GROWING, cluster=LOOPS) as one:
        await one.settled(2, storage=storage)
        await one.settled(1, storage=storage)
        await one.settled(1, storage=storage | {"size": "11Gi"})
        assert sizes(one) == {"data-net-sts-0": "11Gi", "data-net-sts-1": "11Gi"}


async def test_where_the_class_forbids_it_claims_stay_and_that_is_told() -> None:
    """In the server's words, while the rest goes on; it is not asked for again before ten minutes are gone."""
    storage = {"className": "fixed"}
    async with keeping(FIXED, cluster=LOOPS) as one:
        await one.settled(1, storage=storage)
        sets = one.uids(STATEFULSETS)
        await one.settled(2, storage=storage | {"size": "20Gi"})
        text = refused(one)
        assert text.startswith(
            "claims of statefulset net-sts stay as they are: claim data-net-sts-0 cannot have 20Gi: "
        )
        assert "the storageclass that provisions the pvc must support resize" in text
        assert (one.uids(STATEFULSETS), size_made(one)) == (sets, "10Gi")
        assert one.names(PODS) == ["net-sts-0", "net-sts-1"]
        one.world.clientset.clear_actions()
        await one.another_pass()
        assert (one.writes, refused(one)) == ([], text)
        one.world.tracker.patch(STORAGE_CLASSES, "fixed", MergePatch({"allowVolumeExpansion": True}))
        await one.world.advance(GROW_RETRY_S)
        assert (refused(one), size_made(one), {*sizes(one).values()}) == ("", "20Gi", {"20Gi"})


async def test_a_claim_whose_driver_fails_to_grow_it_is_told() -> None:
    """The server took the size, and its storage did not: the claim's condition says why."""
    async with keeping(GROWING, cluster=LOOPS) as one:
        await one.settled(1, storage={"className": "growing"})
        await one.settled(1, storage={"className": "growing", "size": "20Gi"})
        said = {"type": "ControllerResizeError", "status": "True", "message": "the pool is full"}
        status = MergePatch({"status": {"conditions": [said]}})
        one.world.tracker.patch(PERSISTENT_VOLUME_CLAIMS, "demo/data-net-sts-0", status, subresource="status")
        await one.world.settle()
        assert refused(one) == "claim data-net-sts-0 does not grow: the pool is full"


async def test_a_claim_whose_size_cannot_be_read_is_told_and_the_others_grow() -> None:
    """No server keeps such a size today; a pass does not end by one."""
    async with keeping(GROWING, cluster=LOOPS) as one:
        await one.settled(2, storage={"className": "growing"})
        (network,), claims = one.keeper.networks.list(), one.keeper.claims.list()
        storage = replace(network.spec.storage, size="20Gi")
        grown = replace(network, spec=replace(network.spec, storage=storage))
        strange = [
            replace(
                claim, spec=replace(claim.spec, resources=ClaimResources(requests=StorageAmounts(storage="20 gallons")))
            )
            if claim.metadata.name == "data-net-sts-0"
            else claim
            for claim in claims
        ]
        objects = desired_objects(grown, STATE, {"main": IMAGE})
        ensured = await one.keeper.owned.ensure(grown, objects, one.keeper.statefulsets.list(), strange)
        assert "claim data-net-sts-0 asks for '20 gallons', which is no size; correct it" in ensured.refused
        assert sizes(one) == {"data-net-sts-0": "10Gi", "data-net-sts-1": "20Gi"}


async def test_a_network_that_rests_grows_for_its_next_nodes() -> None:
    """Without a claim there is nothing to ask for, and later claims are as the spec says."""
    async with keeping(GROWING, cluster=LOOPS) as one:
        await one.settled(0, storage={"className": "growing"})
        await one.settled(0, storage={"className": "growing", "size": "1.5Ti"})
        assert size_made(one) == "1536Gi"


async def test_the_same_size_in_other_words_is_no_growth() -> None:
    """1024Gi is 1Ti: no claim is asked for, and the StatefulSet stays."""
    async with keeping(GROWING, cluster=LOOPS) as one:
        await one.settled(1, storage={"className": "growing", "size": "1Ti"})
        sets = one.uids(STATEFULSETS)
        await one.settled(1, storage={"className": "growing", "size": "1024Gi"})
        assert (one.uids(STATEFULSETS), one.writes) == (sets, [])


async def test_a_controller_that_dies_between_the_two_leaves_a_network_that_the_next_one_makes_whole() -> None:
    """The StatefulSet is gone, and its pods and claims are not: the new one takes them."""
    storage = {"className": "growing"}
    async with keeping(GROWING, cluster=LOOPS) as one:
        await one.settled(2, storage=storage)
        pods, is_down = one.uids(PODS), True

        def no_leader(action: Action) -> None:
            if is_down and one.names(STATEFULSETS) == []:
                raise InternalError("no leader")

        one.world.clientset.add_reactor("patch", STATEFULSETS, no_leader)
        one.world.allow_failures(CreationFailed)
        one.apply(2, storage=storage | {"size": "20Gi"})
        await one.world.pass_time(1)
        await one.world.crash(one.manager)
        await one.world.settle()
        assert (one.names(STATEFULSETS), one.uids(PODS)) == ([], pods)
        is_down = False
        one.world.restart(one.manager)
        await one.world.settle()
        assert (size_made(one), one.uids(PODS)) == ("20Gi", pods)
        (owner,) = one.world.tracker.get(PODS, "demo/net-sts-0").metadata.owner_references or ()
        assert owner.uid == one.statefulset.metadata.uid


# ---- what a claim outlives -------------------------------------------------------------------------------------------


async def running(one: Keeping, nodes: int, **spec: Any) -> None:
    """Bring the network up, and let each node have a chain of its own: as many blocks as its ordinal says, and one."""
    one.apply(nodes, **spec)
    await one.world.advance(60)
    for ordinal in range(nodes):
        one.nodes.mine(f"demo/net-sts-{ordinal}", ordinal + 1)


async def test_a_chain_outlives_its_pod_and_its_machine() -> None:
    """A pod that is deleted, and one whose machine is lost and told to be gone for good, find their chains again."""
    async with keeping(GROWING, cluster=RUNNING, nodes=2) as one:
        await running(one, 2, storage={"className": "growing"})
        uid = one.uids(PODS)["net-sts-0"]
        await one.world.client.delete(PODS, "demo/net-sts-0")
        await one.world.advance(60)
        assert one.uids(PODS)["net-sts-0"] != uid
        assert one.nodes.heights == {"demo/net-sts-0": 1, "demo/net-sts-1": 2}
        machine = one.world.tracker.get(PODS, "demo/net-sts-1").at("spec.nodeName")
        one.world.lose_node(machine)
        await one.world.advance(600)
        await one.world.client.delete(PODS, "demo/net-sts-1", grace_period_s=0)
        await one.world.advance(60)
        assert one.world.tracker.get(PODS, "demo/net-sts-1").at("spec.nodeName") != machine
        assert one.nodes.heights["demo/net-sts-1"] == 2


async def test_a_chain_outlives_its_node_where_claims_are_kept() -> None:
    """Scaled down and up again, and down to none: each node has the chain that it had."""
    async with keeping(cluster=RUNNING, nodes=1) as one:
        await running(one, 3)
        for nodes in (1, 3, 0, 3):
            one.apply(nodes)
            await one.world.advance(60)
        assert one.nodes.heights == {f"demo/net-sts-{ordinal}": ordinal + 1 for ordinal in range(3)}


async def test_a_chain_goes_with_its_node_where_that_is_said() -> None:
    """whenScaled Delete: the node that comes back begins anew; those that stay keep theirs."""
    async with keeping(cluster=RUNNING, nodes=1) as one:
        await running(one, 2, storage={"whenScaled": "Delete"})
        one.apply(1, storage={"whenScaled": "Delete"})
        await one.world.advance(60)
        assert one.names(PERSISTENT_VOLUME_CLAIMS) == ["data-net-sts-0"]
        one.apply(2, storage={"whenScaled": "Delete"})
        await one.world.advance(60)
        assert one.nodes.heights == {"demo/net-sts-0": 1, "demo/net-sts-1": 0}


@pytest.mark.parametrize(("when_deleted", "heights"), [("Retain", [1, 2]), ("Delete", [0, 0])])
async def test_a_chain_outlives_its_network_unless_it_is_to_go_with_it(when_deleted: str, heights: list[int]) -> None:
    """A network made anew under the name has the chains of the former one, or none."""
    async with keeping(cluster=RUNNING, nodes=1) as one:
        storage = {"whenDeleted": when_deleted}
        await running(one, 2, storage=storage)
        one.world.tracker.delete(NETWORKS, KEY, Options(propagation_policy="Background"))
        await one.world.advance(60)
        assert one.names(PODS) == []
        assert len(one.names(PERSISTENT_VOLUME_CLAIMS)) == (2 if when_deleted == "Retain" else 0)
        one.apply(2, storage=storage)
        await one.world.advance(60)
        assert [*one.nodes.heights.values()] == heights


async def test_an_ephemeral_chain_goes_with_its_pod() -> None:
    """There is no claim, and the new pod begins anew: it takes the chain from the others."""
    async with keeping(cluster=RUNNING, nodes=1) as one:
        await running(one, 1, storage={"ephemeral": True})
        assert one.names(PERSISTENT_VOLUME_CLAIMS) == []
        await one.world.client.delete(PODS, "demo/net-sts-0")
        await one.world.advance(60)
        assert one.nodes.heights == {"demo/net-sts-0": 0}
