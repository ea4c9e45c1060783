"""The objects of a network: made, kept, changed, grown, removed and released, and left alone where that is right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ctrlkit.bitcoin.layout import CONFIG_DIGEST
from ctrlkit.bitcoin.names import NETWORK_LABEL
from ctrlkit.bitcoin.owned import FINALIZER, CreationFailed, NameTaken
from ctrlkit.controller import Request
from ctrlkit.errors import ApiError, Forbidden, InternalError
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.cluster import Loop
from ctrlkit.model import Action, AnyResource, Options, StrategicMergePatch
from ctrlkit.model.kinds import (
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    SECRETS,
    SERVICES,
    STATEFULSETS,
)
from tests.bitcoin.keeping import KEY, NETWORKS, SET_KEY, Keeping, keeping

LOOPS = frozenset({Loop.STATEFUL_SETS, Loop.GARBAGE})
OWNED = {
    SERVICES: "net-svc",
    POD_DISRUPTION_BUDGETS: "net-pdb",
    NETWORK_POLICIES: "net-np",
    STATEFULSETS: "net-sts",
}
POLICY: dict[str, Any] = {"networkPolicy": {}}
OLD = {"name": "old", "nodes": 1}


@pytest.fixture
async def bare() -> AsyncIterator[Keeping]:
    """Without the loops of a cluster: no pod is ever made."""
    async with keeping() as one:
        yield one


# ---- made and kept ---------------------------------------------------------------------------------------------------


async def test_what_a_network_consists_of_is_made_and_told(bare: Keeping) -> None:
    """Once each, in an order in which pods find their names; the network controls all of it."""
    bare.apply(2, groups=[OLD], **POLICY)
    await bare.world.settle()
    assert bare.writes == [
        "patch services net-svc",
        "patch poddisruptionbudgets net-pdb",
        "patch networkpolicies net-np",
        "patch statefulsets net-sts",
        "patch statefulsets net-sts-old",
    ]
    assert bare.events() == [
        ("CreatedService", "created service net-svc"),
        ("CreatedPodDisruptionBudget", "created poddisruptionbudget net-pdb"),
        ("CreatedNetworkPolicy", "created networkpolicy net-np"),
        ("CreatedStatefulSet", "created statefulset net-sts"),
        ("CreatedStatefulSet", "created statefulset net-sts-old"),
    ]
    uid = bare.world.tracker.get(NETWORKS, KEY).metadata.uid
    for resource, name in OWNED.items():
        controller = bare.world.tracker.get(resource, f"demo/{name}").metadata.controller
        assert controller is not None
        assert controller.uid == uid


async def test_a_settled_network_costs_no_call() -> None:
    """Pass after pass, whatever the cluster writes into the objects' status."""
    async with keeping(cluster=LOOPS) as looped:
        await looped.settled(3, **POLICY)
        for _ in range(3):
            await looped.another_pass()
        looped.world.tracker.delete(PODS, "demo/net-sts-0")
        await looped.another_pass()
        assert [action.verb for action in looped.world.clientset.actions] == []


async def test_a_controller_that_starts_anew_changes_nothing() -> None:
    """It applies once what is there already, which the server takes for no change, and tells of nothing."""
    async with keeping(cluster=LOOPS) as looped:
        await looped.settled(2, **POLICY)
        before = {name: looped.world.tracker.get(kind, f"demo/{name}") for kind, name in OWNED.items()}
        events = looped.events()
        await looped.world.crash(looped.manager)
        looped.world.restart(looped.manager)
        await looped.world.settle()
        assert {name: looped.world.tracker.get(kind, f"demo/{name}") for kind, name in OWNED.items()} == before
        assert looped.events() == events


@pytest.mark.parametrize(
    ("resource", "fields"),
    [
        (SERVICES, {"spec": {"selector": {"app": "other"}}}),
        (SERVICES, {"spec": {"publishNotReadyAddresses": None}}),
        (POD_DISRUPTION_BUDGETS, {"spec": {"maxUnavailable": 2}}),
        (NETWORK_POLICIES, {"spec": {"ingress": [{}]}}),
        (STATEFULSETS, {"spec": {"updateStrategy": {"type": "RollingUpdate"}}}),
        (STATEFULSETS, {"spec": {"template": {"spec": {"automountServiceAccountToken": True}}}}),
        (STATEFULSETS, {"spec": {"template": {"metadata": {"annotations": {CONFIG_DIGEST: "none"}}}}}),
        (STATEFULSETS, {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}}),
    ],
)
async def test_what_was_changed_by_hand_is_put_back(bare: Keeping, resource: AnyResource, fields: Any) -> None:
    """Each field of ours, and an Event says so."""
    await bare.settled(1, **POLICY)
    name = OWNED[resource]
    before = bare.world.tracker.get(resource, f"demo/{name}")["spec"]
    bare.patch(resource, name, fields)
    assert bare.world.tracker.get(resource, f"demo/{name}")["spec"] != before
    await bare.world.settle()
    assert bare.world.tracker.get(resource, f"demo/{name}")["spec"] == before
    what = f"{resource.kind.lower()} {name}"
    assert bare.events()[-1] == (f"Restored{resource.kind}", f"put back {what}, which was changed")
    assert bare.writes == [f"patch {resource.plural} {name}"]


async def test_a_service_of_a_former_layout_loses_the_labels_that_it_selected(bare: Keeping) -> None:
    """A selector is one value: what another version of the controller had in it, goes."""
    bare.apply(1)
    await bare.world.settle()
    bare.patch(SERVICES, "net-svc", {"spec": {"selector": {"app": "net"}}})
    await bare.world.settle()
    assert bare.world.tracker.get(SERVICES, "demo/net-svc").at("spec.selector") == {NETWORK_LABEL: "net"}


async def test_what_others_add_stays(bare: Keeping) -> None:
    """Annotations, a label, a sidecar, an annotation of a restart: none of ours, so they are left."""
    await bare.settled(1)
    template = {
        "metadata": {"annotations": {"restarted": "now"}},
        "spec": {"containers": [{"name": "exporter", "image": "exporter:1"}]},
    }
    added = StrategicMergePatch({"metadata": {"labels": {"team": "a"}}, "spec": {"template": template}})
    before = bare.world.tracker.patch(STATEFULSETS, SET_KEY, added)
    await bare.world.settle()
    assert bare.statefulset["spec"] == before["spec"]
    assert bare.statefulset.metadata.labels == before.metadata.labels
    assert [name for name, _ in bare.events()][-1] == "CreatedStatefulSet"


@pytest.mark.parametrize("resource", OWNED)
async def test_an_object_that_is_deleted_is_made_again(bare: Keeping, resource: AnyResource) -> None:
    """Once it is gone: while a finalizer holds it, it is left alone."""
    await bare.settled(1, **POLICY)
    name = OWNED[resource]
    bare.patch(resource, name, {"metadata": {"finalizers": ["example.com/wait"]}})
    uid = bare.uids(resource)[name]
    await bare.world.settle()
    bare.world.clientset.clear_actions()
    bare.world.tracker.delete(resource, f"demo/{name}", Options(propagation_policy="Background"))
    await bare.another_pass()
    assert (bare.writes, bare.uids(resource)) == ([], {name: uid})
    bare.patch(resource, name, {"metadata": {"finalizers": None}})
    await bare.world.settle()
    assert bare.uids(resource)[name] != uid


# ---- changed by the spec ---------------------------------------------------------------------------------------------


async def test_scaling_changes_replicas_and_no_pod() -> None:
    """Up and down; pods that stay are the same ones, and no new revision is made."""
    async with keeping(cluster=LOOPS) as looped:
        await looped.settled(3)
        before, revision = looped.uids(PODS), looped.statefulset.at("status.updateRevision")
        await looped.settled(4)
        await looped.settled(2)
        assert looped.uids(PODS) == {name: uid for name, uid in before.items() if name != "net-sts-2"}
        assert looped.statefulset.at("status.updateRevision") == revision
        assert looped.events()[-2:] == [
            ("AdjustedReplicas", "adjusted replicas of statefulset net-sts from 3 to 4"),
            ("AdjustedReplicas", "adjusted replicas of statefulset net-sts from 4 to 2"),
        ]


async def test_replicas_changed_by_hand_are_adjusted_back() -> None:
    """`kubectl scale statefulset` is not how a network is scaled."""
    async with keeping(cluster=LOOPS) as looped:
        await looped.settled(2)
        await looped.world.client.set_scale(STATEFULSETS, SET_KEY, 5)
        await looped.world.settle()
        assert looped.names(PODS) == ["net-sts-0", "net-sts-1"]
        fact = "adjusted replicas of statefulset net-sts from 5 to 2"
        assert [event for event in looped.events() if event[0] not in ("CreatedService", "CreatedStatefulSet")][-1] == (
            "AdjustedReplicas",
            fact,
        )


async def test_a_changed_spec_leads_to_a_new_revision_and_deletes_no_pod() -> None:
    """OnDelete: who deletes pods is the rollout. What cannot change is sent as it is there, so nothing is refused."""
    async with keeping(cluster=LOOPS) as looped:
        await looped.settled(2)
        before, revision = looped.uids(PODS), looped.statefulset.at("status.updateRevision")
        await looped.settled(2, image="my/bitcoind:2", configuration={"txindex": True}, nodeSelector={"disk": "ssd"})
        assert looped.uids(PODS) == before
        assert looped.statefulset.at("status.updateRevision") != revision
        assert looped.events()[-1] == ("ChangedStatefulSet", "changed statefulset net-sts as the spec says")
        assert looped.statefulset.at("spec.template.spec.nodeSelector") == {"disk": "ssd"}
        await looped.settled(2)
        assert looped.statefulset.at("spec.template.spec.nodeSelector") is None
        assert looped.statefulset.at("status.updateRevision") == revision


@pytest.mark.parametrize(
    ("made", "changed"),
    [
        ({}, {"ephemeral": True}),
        ({"ephemeral": True}, {}),
        ({"className": "a"}, {"className": "b"}),
        ({}, {"size": "1Gi"}),
    ],
)
async def test_storage_that_cannot_change_is_never_sent_differently(made: Any, changed: Any) -> None:
    """An older definition lets such a spec through; the rest of the spec is applied all the same."""
    async with keeping(cluster=LOOPS) as looped:
        await looped.settled(1, storage=made)
        before = looped.statefulset["spec"].get("volumeClaimTemplates")
        await looped.settled(2, storage=changed, image="my/bitcoind:2")
        assert looped.statefulset["spec"].get("volumeClaimTemplates") == before
        volumes = [volume["name"] for volume in looped.statefulset.at("spec.template.spec.volumes")]
        assert ("data" in volumes) is (before is None)
        assert looped.statefulset.at("spec.replicas") == 2
        (ensured,) = looped.keeper.ensured.values()
        assert ensured.refused == ""


async def test_a_change_that_the_server_refuses_leaves_all_as_it_was(bare: Keeping) -> None:
    """It is told in the server's words, pass after pass, until the spec is corrected; other objects are seen to."""
    await bare.settled(1)
    before = bare.statefulset["spec"]
    affinity: dict[str, Any] = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}
    }
    await bare.settled(1, affinity=affinity, **POLICY)
    (ensured,) = bare.keeper.ensured.values()
    assert ensured.refused.startswith("statefulset net-sts could not be changed: StatefulSet.apps")
    assert "nodeSelectorTerms" in ensured.refused
    assert bare.statefulset["spec"] == before
    assert bare.names(NETWORK_POLICIES) == ["net-np"]
    await bare.settled(1, **POLICY)
    (ensured,) = bare.keeper.ensured.values()
    assert ensured.refused == ""


async def test_what_the_spec_has_no_more_is_removed() -> None:
    """A group with its pods, and the policy; what others called alike stays."""
    async with keeping(cluster=LOOPS) as looped:
        await looped.settled(1, groups=[OLD], **POLICY)
        assert looped.names(PODS) == ["net-sts-0", "net-sts-old-0"]
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        theirs = {"selector": {"matchLabels": {"a": "b"}}, "serviceName": "s", "template": template, "replicas": 0}
        meta = {"name": "net-sts-theirs", "namespace": "demo"}
        seed(looped.world.tracker, {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": theirs})
        await looped.settled(1)
        assert looped.names(STATEFULSETS) == ["net-sts", "net-sts-theirs"]
        assert (looped.names(PODS), looped.names(NETWORK_POLICIES)) == (["net-sts-0"], [])
        assert looped.events()[-2:] == [
            ("RemovedStatefulSet", "removed statefulset net-sts-old, which the spec has no more"),
            ("RemovedNetworkPolicy", "removed networkpolicy net-np, which the spec has no more"),
        ]
        assert looped.names(PERSISTENT_VOLUME_CLAIMS) == ["data-net-sts-0", "data-net-sts-old-0"]


async def test_claims_of_a_removed_group_go_where_the_spec_says_so() -> None:
    """As those of a deleted network would."""
    async with keeping(cluster=LOOPS | {Loop.VOLUME_PROTECTION}) as looped:
        await looped.settled(1, groups=[OLD], storage={"whenDeleted": "Delete"})
        await looped.settled(1, storage={"whenDeleted": "Delete"})
        assert looped.names(PERSISTENT_VOLUME_CLAIMS) == ["data-net-sts-0"]


# ---- objects of others -----------------------------------------------------------------------------------------------


def somebody_elses(resource: AnyResource) -> dict[str, Any]:
    """An object of the name of one of ours."""
    labels = {"matchLabels": {"app": "theirs"}}
    template = {"metadata": {"labels": {"app": "theirs"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    specs: dict[str, Any] = {
        "Service": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]},
        "StatefulSet": {"selector": labels, "serviceName": "theirs", "template": template},
        "PodDisruptionBudget": {"minAvailable": 1, "selector": labels},
        "NetworkPolicy": {"podSelector": labels},
    }
    meta = {"name": OWNED[resource], "namespace": "demo"}
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    return {**kind, "metadata": meta, "spec": specs[resource.kind]}


@pytest.mark.parametrize("resource", OWNED)
async def test_somebody_elses_object_of_the_name_is_left_alone(resource: AnyResource) -> None:
    """The pass ends with NameTaken, which names it; once it is gone, the network gets its own."""
    async with keeping(somebody_elses(resource)) as one:
        one.world.allow_failures(NameTaken)
        theirs = one.world.tracker.get(resource, f"demo/{OWNED[resource]}")
        one.apply(1, **POLICY)
        await one.world.settle()
        assert one.world.tracker.get(resource, f"demo/{OWNED[resource]}") == theirs
        with pytest.raises(NameTaken, match=f"{OWNED[resource]} exists and is not this network's; delete it, or"):
            await pass_now(one)
        one.world.tracker.delete(resource, f"demo/{OWNED[resource]}", Options(propagation_policy="Background"))
        await one.world.settle()
        assert one.uids(resource)[OWNED[resource]] != theirs.metadata.uid


async def test_an_object_that_the_cache_does_not_show_yet_is_not_taken_over(bare: Keeping) -> None:
    """Nothing is applied where the cache shows nothing, before the server was asked who has the name."""
    bare.world.allow_failures(NameTaken)

    def somebody_is_faster(action: Action) -> None:
        if not any(name == "net-svc" for name in bare.names(SERVICES)):
            bare.world.tracker.create(SERVICES, somebody_elses(SERVICES))

    bare.world.clientset.add_reactor("get", SERVICES, somebody_is_faster)
    bare.apply(1)
    await bare.world.settle()
    assert bare.world.tracker.get(SERVICES, "demo/net-svc").at("spec.selector") == {"app": "theirs"}
    assert bare.writes == []


async def test_objects_of_a_former_network_are_waited_for() -> None:
    """They are not taken over while they are collected; then the new network gets its own."""
    async with keeping(cluster=LOOPS) as looped:
        looped.world.allow_failures(NameTaken)
        await looped.settled(1)
        before = looped.uids(STATEFULSETS)
        looped.world.tracker.delete(NETWORKS, KEY, Options(propagation_policy="Background"))
        looped.apply(1)
        await looped.world.advance(300)
        assert looped.names(STATEFULSETS) == ["net-sts"]
        assert looped.uids(STATEFULSETS) != before


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Forbidden("exceeded quota: tight"), "exceeded quota: tight"),
        (InternalError("no leader"), "no leader"),
        (Forbidden("policy\n" + "p" * 300), "policy " + "p" * 190 + "..."),
        (InternalError("call https://me:hunter2@hook: refused\x1b[2J"), "call https://***@hook: refused [2J"),
    ],
)
@pytest.mark.parametrize("resource", [SERVICES, STATEFULSETS])
async def test_a_creation_that_fails_is_told_in_the_servers_words(
    bare: Keeping, resource: AnyResource, error: ApiError, words: str
) -> None:
    """In one line, cut and without credentials, as all texts of others; and tried again until it succeeds."""
    bare.world.allow_failures(CreationFailed)
    tries = 0

    def refuse(action: Action) -> None:
        nonlocal tries
        tries += 1
        if tries <= 5:
            raise error

    bare.world.clientset.add_reactor("patch", resource, refuse)
    bare.apply(1)
    await bare.world.pass_time(0.001)
    with pytest.raises(CreationFailed) as failed:
        await pass_now(bare)
    fact = f"{resource.kind.lower()} {OWNED[resource]} could not be created: {words}"
    assert failed.value.trouble.message == fact
    await bare.world.settle()
    assert bare.names(resource) == [OWNED[resource]]


async def pass_now(one: Keeping) -> None:
    """A pass of the network, whose failure is the test's."""
    await one.keeper(Request(one.world.tracker.get(NETWORKS, KEY).key))


# ---- deletion --------------------------------------------------------------------------------------------------------


async def test_all_of_a_network_goes_with_it() -> None:
    """But for its claims, which stay unless the spec says otherwise."""
    async with keeping(cluster=LOOPS) as looped:
        await looped.settled(2, **POLICY)
        looped.world.tracker.delete(NETWORKS, KEY, Options(propagation_policy="Background"))
        await looped.world.settle()
        assert [looped.names(resource) for resource in (*OWNED, PODS)] == [[]] * 5
        assert looped.names(PERSISTENT_VOLUME_CLAIMS) == ["data-net-sts-0", "data-net-sts-1"]


async def test_the_finalizer_is_there_only_while_it_is_asked_for(bare: Keeping) -> None:
    """So a network without deletionPolicy Orphan can always be deleted, whether the controller runs or not."""

    def finalizers() -> tuple[str, ...]:
        return bare.world.tracker.get(NETWORKS, KEY).metadata.finalizers or ()

    await bare.settled(1)
    assert finalizers() == ()
    bare.patch(NETWORKS, "net", {"metadata": {"finalizers": ["example.com/theirs"]}})
    await bare.settled(1, deletionPolicy="Orphan")
    assert finalizers() == ("example.com/theirs", FINALIZER)
    await bare.settled(1)
    assert finalizers() == ("example.com/theirs",)


async def test_objects_that_are_released_go_on_and_are_adopted_by_a_new_network() -> None:
    """The same StatefulSet and the same pods, before, between and after; the second network owns all of it."""
    async with keeping(cluster=LOOPS) as looped:
        await looped.settled(2, deletionPolicy="Orphan", groups=[OLD], **POLICY)
        kinds = (*OWNED, PODS)
        before = {str(kind): looped.uids(kind) for kind in kinds}
        looped.world.tracker.delete(NETWORKS, KEY, Options(propagation_policy="Background"))
        await looped.world.settle()
        assert looped.names(NETWORKS) == []
        await looped.world.advance(600)
        assert {str(kind): looped.uids(kind) for kind in kinds} == before
        assert looped.statefulset.metadata.owner_references is None
        events = len(looped.events())
        await looped.settled(2, groups=[OLD], **POLICY)
        assert {str(kind): looped.uids(kind) for kind in kinds} == before
        uid = looped.world.tracker.get(NETWORKS, KEY).metadata.uid
        for kind, name in OWNED.items():
            (owner,) = looped.world.tracker.get(kind, f"demo/{name}").metadata.owner_references or ()
            assert (owner.uid, owner.controller) == (uid, True)
        told = [message for _, message in looped.events()[events:]]
        assert "took over statefulset net-sts, which a former network left" in told
        looped.world.clientset.clear_actions()
        await looped.another_pass()
        assert looped.writes == []


async def test_secrets_of_the_network_are_released_with_it(bare: Keeping) -> None:
    """Pods mount the one, and the other has their credentials; somebody else's Secret of the name is left alone."""
    await bare.settled(1, deletionPolicy="Orphan")
    owner = NETWORKS.owner_reference(bare.world.tracker.get(NETWORKS, KEY).metadata)
    fields = [
        {"apiVersion": owner.api_version, "kind": owner.kind, "name": "net", "uid": owner.uid, "controller": True}
    ]
    bare.patch(SECRETS, "net-config", {"metadata": {"ownerReferences": fields}})
    meta = {"name": "net-credentials", "namespace": "demo"}
    seed(bare.world.tracker, {"apiVersion": "v1", "kind": "Secret", "metadata": meta})
    theirs = bare.world.tracker.get(SECRETS, "demo/net-credentials")
    bare.world.tracker.delete(NETWORKS, KEY, Options(propagation_policy="Background"))
    await bare.world.settle()
    assert bare.world.tracker.get(SECRETS, "demo/net-config").metadata.owner_references is None
    assert bare.world.tracker.get(SECRETS, "demo/net-credentials") == theirs
    assert "patch secrets net-credentials" not in bare.writes
