"""Networks made before v2: what is done for them, and the places that leftover pods of an upgrade keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin import legacy
from ctrlkit.bitcoin.facts import Member
from ctrlkit.bitcoin.names import GROUP_LABEL, NETWORK_LABEL, labels
from ctrlkit.bitcoin.network import BitcoinNetwork, Group, Spec, Storage
from ctrlkit.bitcoin.objects import SERVICES, STATEFULSETS, Pod, PodStatus, Service, StatefulSet
from ctrlkit.bitcoin.rollout import next_step
from ctrlkit.events import EventType
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import AnyResource, ObjectMeta, OwnerReference, StrategicMergePatch, Unstructured
from tests.bitcoin.made_before import made_before

UID = "11111111-1111-4111-8111-111111111111"
NAMES = st.sampled_from(["rpc", "other", "a.b-c"])


def network(**spec: Any) -> BitcoinNetwork:
    """The network demo/net."""
    return BitcoinNetwork(metadata=ObjectMeta(name="net", namespace="demo", uid=UID), spec=Spec(**{"nodes": 3, **spec}))


def on_a_server(nodes: int = 3, secret: str | None = None) -> tuple[Tracker, Service, StatefulSet]:
    """What commit a2a870f made, with all that a server fills in."""
    tracker = Tracker()
    seed(tracker, *made_before(UID, nodes=nodes, secret=secret))
    service = msgspec.convert(tracker.get(SERVICES, "demo/net-svc"), Service)
    return tracker, service, msgspec.convert(tracker.get(STATEFULSETS, "demo/net-sts"), StatefulSet)


# ---- before the upgrade ---------------------------------------------------------------------------------------------


def test_a_network_made_before_is_known_by_its_statefulset() -> None:
    """Its own, with the old selector; neither one of today nor somebody else's."""
    _, _, statefulset = on_a_server()
    today = msgspec.structs.replace(
        statefulset,
        spec=msgspec.structs.replace(
            statefulset.spec, selector=msgspec.convert({"matchLabels": labels("net")}, type(statefulset.spec.selector))
        ),
    )
    another = msgspec.structs.replace(network(), metadata=ObjectMeta(name="net", namespace="demo", uid="another"))
    assert legacy.statefulset_made_before(network(), [statefulset]) is statefulset
    assert legacy.statefulset_made_before(network(), [today]) is None
    assert legacy.statefulset_made_before(another, [statefulset]) is None
    assert legacy.statefulset_made_before(network(), []) is None


@given(st.integers(0, 100), st.none() | NAMES)
def test_for_any_network_what_was_made_before_is_left_as_it_is(nodes: int, secret: str | None) -> None:
    """No patch, whatever else the spec of today says: no pod is restarted by a new version of the controller."""
    _, service, statefulset = on_a_server(nodes, secret)
    asked = network(nodes=nodes, secret=secret, image="bitcoin:29.1", groups=[Group(name="old", nodes=2)])
    assert legacy.selector_changes(asked, service) == {}
    assert legacy.statefulset_changes(asked, statefulset) == {}


@given(st.integers(0, 100), st.none() | NAMES, st.integers(0, 100), st.none() | NAMES)
def test_for_any_change_of_nodes_and_secret_one_patch_brings_it_and_nothing_else(
    before: int, old: str | None, after: int, new: str | None
) -> None:
    """The StatefulSet then is as one made for the new spec."""
    tracker, _, statefulset = on_a_server(before, old)
    changes = legacy.statefulset_changes(network(nodes=after, secret=new), statefulset)
    assert bool(changes) == ((before, old) != (after, new))
    tracker.patch(STATEFULSETS, "demo/net-sts", StrategicMergePatch({"spec": changes}))
    other, _, _ = on_a_server(after, new)
    assert _spec(tracker) == _spec(other)


def _spec(tracker: Tracker) -> Any:
    return tracker.get(STATEFULSETS.of(Unstructured), "demo/net-sts")["spec"]


def test_a_service_that_was_changed_is_put_back() -> None:
    """Its old selector, and nothing that was added to it."""
    _, service, _ = on_a_server()
    changed = msgspec.structs.replace(service, spec=msgspec.structs.replace(service.spec, selector={"also": "this"}))
    assert legacy.selector_changes(network(), changed) == {"also": None, "app": "net"}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({}, "an upgrade brings storage: bitcoin-controller upgrade net -n demo"),
        ({"storage": Storage(ephemeral=True)}, "brings rollouts node by node, and what the spec says of storage: "),
        ({"secret": "rpc", "groups": [Group(name="old", nodes=1)]}, "what the spec says of groups: "),
        ({"termination_grace_period_seconds": 5}, "what the spec says of terminationGracePeriodSeconds: "),
    ],
    ids=["nothing", "ephemeral", "groups", "grace"],
)
def test_what_an_upgrade_would_bring_is_said_with_the_command(spec: dict[str, Any], says: str) -> None:
    """What the spec asks for and cannot be had before stands in it by its name in the spec."""
    text = legacy.upgrade_brings(network(**spec))
    assert text.startswith("made before v2: an upgrade ")
    assert says in text


async def test_replicas_follow_and_an_event_tells_of_it() -> None:
    """A settled one costs no call."""
    clientset, events = FakeClientset(None, *made_before(UID, nodes=3, secret="rpc")), Events()
    children = legacy.MadeBefore(clientset.client, events)  # type: ignore[arg-type]
    found_service = await clientset.client.get(SERVICES, "demo/net-svc")
    found = await clientset.client.get(STATEFULSETS, "demo/net-sts")
    clientset.clear_actions()
    await children.ensure(network(secret="rpc"), found_service, found)
    assert (clientset.actions, events.told) == ((), [])
    await children.ensure(network(nodes=4, secret="rpc"), found_service, found)
    assert (await clientset.client.get(STATEFULSETS, "demo/net-sts")).spec.replicas == 4
    assert events.told == [("AdjustedReplicas", "adjusted replicas of statefulset net-sts from 3 to 4")]
    await children.ensure(network(nodes=4), found_service, await clientset.client.get(STATEFULSETS, "demo/net-sts"))
    assert events.told[1] == ("ChangedSecret", "the nodes of statefulset net-sts take their credentials from no secret")


async def test_a_service_that_was_deleted_is_made_again_as_it_was() -> None:
    """With the old selector: the pods have no other label."""
    _, statefulset = made_before(UID)
    clientset, events = FakeClientset(None, statefulset), Events()
    children = legacy.MadeBefore(clientset.client, events)  # type: ignore[arg-type]
    await children.ensure(network(), None, await clientset.client.get(STATEFULSETS, "demo/net-sts"))
    service = await clientset.client.get(SERVICES, "demo/net-svc")
    assert (service.spec.cluster_ip, service.spec.selector) == ("None", {"app": "net"})
    assert service.metadata.is_controlled_by(network().metadata)
    assert events.told == [("CreatedService", "created service net-svc")]


class Events:
    """Remembers what was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def event(self, _meta: ObjectMeta, _resource: AnyResource, _type: EventType, reason: str, message: str) -> None:
        """Remember reason and message."""
        self.told.append((reason, message))


# ---- during the upgrade ---------------------------------------------------------------------------------------------


def left_pod(ordinal: int, **change: Any) -> Pod:
    """A pod that an upgrade has left without its StatefulSet."""
    name = f"net-sts-{ordinal}"
    meta = ObjectMeta(
        name=name, namespace="demo", uid=f"old-{ordinal}", labels={"app": "net", NETWORK_LABEL: "net"}, **change
    )
    ready = [{"type": "Ready", "status": "True"}]
    status = msgspec.convert({"phase": "Running", "podIP": f"10.0.0.{ordinal}", "conditions": ready}, PodStatus)
    return Pod(metadata=meta, status=status)


def member(ordinal: int, *, is_new: bool) -> Member:
    """A node of the main group: as its new pod is, or without one."""
    if not is_new:
        return Member(name=f"net-sts-{ordinal}", group="main", ordinal=ordinal)
    return Member(
        name=f"net-sts-{ordinal}",
        group="main",
        ordinal=ordinal,
        uid=f"new-{ordinal}",
        address=f"10.0.1.{ordinal}",
        is_ready=True,
        is_updated=True,
        has_claim=True,
    )


def wanted_range(nodes: int, left: Sequence[Pod]) -> range:
    """The ordinals that the desired main StatefulSet has."""
    body = {"metadata": {"name": "net-sts"}, "spec": {"replicas": nodes}}
    ((_, desired),) = legacy.beside(network(nodes=nodes), [(STATEFULSETS, body)], left)
    start = desired["spec"].get("ordinals", {}).get("start", 0)
    return range(start, start + desired["spec"]["replicas"])


def test_pods_of_today_and_pods_of_others_are_no_leftovers() -> None:
    """They are in the order of their ordinals."""
    today = Pod(metadata=ObjectMeta(name="net-sts-1", namespace="demo", labels=labels("net", "main")))
    other = Pod(metadata=ObjectMeta(name="net-sts-0", namespace="demo", labels={NETWORK_LABEL: "net-sts"}))
    strange = Pod(metadata=ObjectMeta(name="net-sts-x", namespace="demo", labels={NETWORK_LABEL: "net"}))
    pods = [left_pod(10), today, other, strange, left_pod(2)]
    assert GROUP_LABEL in labels("net", "main")
    assert [pod.metadata.name for pod in legacy.leftovers(network(), pods)] == ["net-sts-2", "net-sts-10"]


@given(st.integers(0, 9), st.sets(st.integers(0, 9)))
def test_for_any_leftovers_the_set_wants_no_place_that_one_of_them_has(nodes: int, ordinals: set[int]) -> None:
    """It wants all places above them, and every place once they are gone."""
    left = [left_pod(ordinal) for ordinal in sorted(ordinals)]
    wanted = wanted_range(nodes, left)
    assert not ordinals & set(wanted)
    assert set(wanted) == {one for one in range(nodes) if one > max(ordinals, default=-1)}


@given(st.integers(1, 7), st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_for_any_leftovers_the_rollout_comes_to_its_end(nodes: int, ordinals: set[int], lost: set[int]) -> None:
    """Pod by pod, from the highest down, also where pods were lost on the way; another node has the chain each time."""
    left = {ordinal: left_pod(ordinal) for ordinal in ordinals}
    new: set[int] = {*range(nodes)} - ordinals
    new = {one for one in new if one > max(ordinals, default=-1)}
    for _ in range(20):
        pods = [left[ordinal] for ordinal in sorted(left)]
        seen = [member(ordinal, is_new=ordinal in new) for ordinal in range(nodes)]
        members = legacy.with_leftovers(network(nodes=nodes), seen, pods)
        assert len({one.name for one in members}) == len(members) >= nodes
        at_tip = frozenset(one.name for one in members if one.is_ready)
        step = next_step(legacy.replaceable(network(nodes=nodes), members, pods), at_tip, dict.fromkeys(at_tip, 0), {})
        if step.delete is None:
            break
        assert len(at_tip) > 1
        assert step.delete.ordinal == max(left)
        del left[step.delete.ordinal]
        for ordinal in lost & left.keys():
            if len(left) > 2:
                del left[ordinal]  # by somebody else: it comes back with the places above it
        new |= set(wanted_range(nodes, [left[ordinal] for ordinal in sorted(left)]))
    is_only_copy = len(left) == 1 and not new
    assert new == set(range(nodes)) or is_only_copy


def test_a_node_that_is_lost_below_leftovers_says_when_it_comes_back() -> None:
    """Its place is filled when those above it have been replaced."""
    pods = [left_pod(1)]
    members = legacy.with_leftovers(
        network(), [member(0, is_new=False), member(1, is_new=False), member(2, is_new=True)], pods
    )
    assert [one.uid for one in members] == ["", "old-1", "new-2"]
    assert members[0].held_back == "its pod is made again when net-sts-1 and those below it have been replaced"


def test_pods_are_released_when_their_statefulset_has_let_them_go() -> None:
    """Until then they are its pods, whatever labels they have; afterwards they are members as before."""
    owner = msgspec.convert(
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "net-sts", "uid": "u", "controller": True},
        OwnerReference,
    )
    pods = [left_pod(0), left_pod(1, owner_references=(owner,))]
    assert [pod.metadata.name for pod in legacy.released(network(), pods)] == ["net-sts-0"]
    seen = [member(0, is_new=False), member(1, is_new=True), member(2, is_new=True)]
    members = legacy.with_leftovers(network(), seen, legacy.released(network(), pods))
    assert [one.uid for one in members] == ["old-0", "new-1", "new-2"]


def test_without_leftovers_everything_is_as_it_was() -> None:
    """The three functions give back what they got."""
    body = {"metadata": {"name": "net-sts"}, "spec": {"replicas": 3}}
    members = (member(0, is_new=False), member(1, is_new=True))
    assert legacy.beside(network(), [(STATEFULSETS, body)], ()) == [(STATEFULSETS, body)]
    assert legacy.with_leftovers(network(), members, ()) == members
    assert legacy.replaceable(network(), members, ()) == members
