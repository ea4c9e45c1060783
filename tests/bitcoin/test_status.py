"""What is told of a network, out of what was seen; and which of it is worth a Warning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields as fields_of
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.facts import Member, Provision, Said, Visit
from ctrlkit.bitcoin.health import assess
from ctrlkit.bitcoin.layout import groups_of
from ctrlkit.bitcoin.mesh import mesh_of
from ctrlkit.bitcoin.names import pod_name
from ctrlkit.bitcoin.network import BitcoinNetwork, NodeState, Spec, Status
from ctrlkit.bitcoin.reasons import WARNINGS, Reason, Trouble, new_troubles
from ctrlkit.bitcoin.rollout import next_step
from ctrlkit.bitcoin.rpc import Answer, BadCredentials, NodeUnreachable, RpcError, Unsteady
from ctrlkit.bitcoin.status import NAMED_MAX, PATIENCE, Findings, refused_status, status_of
from ctrlkit.model import Condition, ObjectMeta, find_condition

CONTROLLER = Path(__file__).parents[2] / "controllers" / "bitcoin"
KINDS = ("Available", "Progressing", "CredentialsAvailable", "Connected", "UpToDate")
PROVISION = {each.name for each in fields_of(Provision)}
QUOTA = Trouble(Reason.CREATION_ERROR, "exceeded quota")
NO_SECRET = Trouble(Reason.SECRET_NOT_FOUND, "secret s does not exist; create it")


def a_network(nodes: int, status: Status = Status(), **spec: Any) -> BitcoinNetwork:  # noqa: B008
    metadata = ObjectMeta(name="net", namespace="demo", generation=4)
    return BitcoinNetwork(metadata=metadata, spec=msgspec.convert({"nodes": nodes, **spec}, Spec), status=status)


def a_member(ordinal: int, group: str = "main", **fields: Any) -> Member:
    there: dict[str, Any] = {
        "uid": str(ordinal),
        "address": f"10.0.0.{ordinal + 1}",
        "is_ready": True,
        "is_updated": True,
    }
    return Member(name=pod_name("net", ordinal, group), group=group, ordinal=ordinal, **(there | fields))


def an_answer(height: int = 7, tip: str = "0f", *, peers: int = 8, sees: bool = True) -> Answer:
    added = {f"10.0.0.{number}": sees for number in range(1, 101)}
    return Answer(
        version=290100,
        agent="/Satoshi:29.1.0/",
        height=height,
        tip=tip,
        is_syncing=False,
        connections=peers,
        added=added,
    )


def found(network: BitcoinNetwork, *members: Member, said: Mapping[str, Said] | None = None, **more: Any) -> Findings:
    """What a pass finds out: health, topology and step follow from the nodes and from what they say."""
    answers = {one.name: an_answer() for one in members if one.is_ready}
    visit = Visit(said={**answers, **(said or {})})
    mesh = mesh_of(network.spec, [one.name for one in members])
    health = assess(members, visit, mesh)
    heights = {name: answer.height for name, answer in visit.said.items() if isinstance(answer, Answer)}
    step = next_step(members, health.at_tip, heights, visit.said)
    facts: dict[str, Any] = {"said": visit.said, "health": health, "topology": mesh.topology, "step": step}
    provision = Provision(**{"secret": "net-credentials"} | {name: more.pop(name) for name in PROVISION & more.keys()})
    return Findings(members=members, provision=provision, **(facts | more))


def told(network: BitcoinNetwork, findings: Findings) -> dict[str, tuple[str, str]]:
    """Status and reason of each condition."""
    return {one.type: (one.status, one.reason) for one in status_of(network, findings).conditions}


def message(network: BitcoinNetwork, findings: Findings, kind: str) -> str:
    condition = find_condition(status_of(network, findings).conditions, kind)
    assert condition is not None
    return condition.message


# ---- for any findings ------------------------------------------------------------------------------------------------

TROUBLES = st.sampled_from(["", "", "its image cannot be pulled: x", "bitcoind ended with exit code 1"])
ERRORS: list[RpcError] = [BadCredentials("x"), NodeUnreachable("x"), Unsteady("x")]
SAID = st.one_of(
    st.builds(an_answer, st.integers(5, 7), st.sampled_from(["0f", "1f"]), sees=st.booleans()), st.sampled_from(ERRORS)
)
MEMBERS = st.fixed_dictionaries(
    {
        "uid": st.sampled_from(["", "u"]),
        "is_ready": st.booleans(),
        "is_deleting": st.booleans(),
        "is_updated": st.booleans(),
        "has_claim": st.booleans(),
        "trouble": TROUBLES,
    }
)
SPECS = st.fixed_dictionaries(
    {
        "paused": st.booleans(),
        "secret": st.sampled_from([None, "rpc"]),
        "chain": st.sampled_from(["regtest", "signet", "main"]),
        "storage": st.sampled_from([{}, {"ephemeral": True}]),
        "groups": st.sampled_from([[], [{"name": "old", "nodes": 2}]]),
    }
)


@st.composite
def passes(draw: st.DrawFn) -> tuple[BitcoinNetwork, Findings]:
    """Anything that a pass can find out."""
    spec: dict[str, Any] = draw(SPECS)
    network = a_network(draw(st.integers(0, 4)), **spec)
    members = []
    for group, nodes in groups_of(network.spec).items():
        for ordinal in range(nodes):
            fields: dict[str, Any] = draw(MEMBERS)
            fields["is_ready"] &= bool(fields["uid"]) and not fields["is_deleting"]
            fields["trouble"] = "" if fields["is_ready"] else fields["trouble"]
            members.append(a_member(ordinal, group, **fields))
    said = {one.name: draw(SAID) for one in members if one.uid and draw(st.booleans())}
    more = {
        "blocked": draw(st.sampled_from([None, None, None, QUOTA])),
        "trouble": draw(st.sampled_from([None, None, None, NO_SECRET])),
        "secret": draw(st.sampled_from(["", "net-credentials"])),
        "is_rotating": draw(st.booleans()),
        "refused": draw(st.sampled_from(["", "", "no version below 28.0 reads it"])),
        "newer_image": draw(st.sampled_from(["", "core:31"])),
        "made_before": draw(st.sampled_from(["", "", "an upgrade brings claims"])),
        "images": dict.fromkeys(groups_of(network.spec), "core:30"),
    }
    return network, found(network, *members, said=said, **more)


@given(passes())
def test_for_any_findings_each_condition_is_there_and_says_why(seen: tuple[BitcoinNetwork, Findings]) -> None:
    """Of this generation, with a reason that the documentation has, in a bounded message of one line."""
    status = status_of(*seen)
    assert tuple(one.type for one in status.conditions) == KINDS
    for one in status.conditions:
        assert one.status in ("True", "False", "Unknown")
        assert one.reason in set(Reason)
        assert one.observed_generation == 4
        assert 0 < len(one.message) <= 1024
        assert one.message == " ".join(one.message.split())
        assert len(re.findall("net-sts-", one.message)) <= 3 * NAMED_MAX


@given(passes())
def test_for_any_findings_a_network_is_available_only_if_nothing_is_missing(
    seen: tuple[BitcoinNetwork, Findings],
) -> None:
    """All nodes ready, at the tip and connected; at least one; nothing in the way. And then it waits for no node."""
    network, findings = seen
    conditions = told(network, findings)
    all_serve = bool(findings.members) and all(
        findings.state(one) is NodeState.AT_TIP and not one.trouble for one in findings.members
    )
    nothing_wrong = findings.blocked is None and (findings.provision.trouble is None or bool(findings.said))
    if conditions["Available"][0] == "True":
        assert all_serve
        assert nothing_wrong
        assert conditions["Progressing"] in (
            ("False", Reason.SETTLED),
            ("False", Reason.CHANGE_REFUSED),
            ("False", Reason.PAUSED),
            ("True", Reason.ROLLING_OUT),
            ("False", Reason.ROLLOUT_BLOCKED),
            ("False", Reason.ROLLOUT_STOPPED),
        )
    elif all_serve and nothing_wrong:
        assert conditions["Connected"][0] == "False"


@given(passes(), st.randoms(use_true_random=False))
def test_for_any_findings_the_status_hangs_on_the_facts_alone(
    seen: tuple[BitcoinNetwork, Findings], random: Any
) -> None:
    """Seen twice it is the same, and nothing is told again; whatever was told before, and in which order one asked."""
    network, findings = seen
    first = status_of(network, findings)
    again = status_of(msgspec.structs.replace(network, status=first), findings)
    assert again == first
    assert new_troubles(first.conditions, again.conditions) == ()
    said = list(findings.said.items())
    random.shuffle(said)
    other = Status(
        observed_generation=1,
        ready_nodes=9,
        conditions=tuple(Condition(type=kind, status="Unknown", reason="Else") for kind in reversed(KINDS)),
    )
    fields = {name: getattr(findings, name) for name in Findings.__slots__} | {"said": dict(said)}
    shuffled = status_of(msgspec.structs.replace(network, status=other), Findings(**fields))
    assert _without_order_and_times(shuffled) == _without_order_and_times(first)


def _without_order_and_times(status: Status) -> Any:
    plain = msgspec.to_builtins(status)
    plain["conditions"] = {one["type"]: one | {"lastTransitionTime": ""} for one in plain["conditions"]}
    return plain


@given(passes())
def test_for_any_findings_every_trouble_is_told_once(seen: tuple[BitcoinNetwork, Findings]) -> None:
    """In one Warning event for each reason, however many conditions have it."""
    conditions = status_of(*seen).conditions
    events = new_troubles((), conditions)
    reasons = [one.reason for one in events]
    assert len(reasons) == len(set(reasons))
    assert set(reasons) == {Reason(one.reason) for one in conditions if one.reason in WARNINGS}


@given(passes())
def test_for_any_findings_the_counts_fit_together(seen: tuple[BitcoinNetwork, Findings]) -> None:
    """Of nodes, of groups, and of what scales."""
    network, findings = seen
    status = status_of(network, findings)
    assert [one.name for one in status.groups] == list(groups_of(network.spec))
    assert [one.nodes for one in status.groups] == list(groups_of(network.spec).values())
    assert sum(one.ready for one in status.groups) == status.ready_nodes == sum(one.ready for one in status.nodes)
    assert status.replicas <= network.spec.nodes
    assert {one.image for one in status.groups} == {"core:30"}


# ---- each finding ----------------------------------------------------------------------------------------------------

GONE: dict[str, Any] = {"uid": "", "address": "", "is_ready": False}
STARTING: dict[str, Any] = {"is_ready": False}
BROKEN: dict[str, Any] = {
    "is_ready": False,
    "trouble": "its image cannot be pulled: x; correct spec.image or spec.version",
}
FINE = {
    "Available": ("True", Reason.NODES_CONNECTED),
    "Progressing": ("False", Reason.SETTLED),
    "CredentialsAvailable": ("True", Reason.SECRET_GENERATED),
    "Connected": ("True", Reason.FULL_MESH),
    "UpToDate": ("True", Reason.UP_TO_DATE),
}


@pytest.mark.parametrize(
    ("spec", "fields", "more", "differs"),
    [
        ({}, [{}, {}, {}], {}, {}),
        ({"secret": "rpc"}, [{}, {}], {}, {"CredentialsAvailable": ("True", Reason.SECRET_FOUND)}),
        ({}, [{}], {}, {"Connected": ("True", Reason.ONE_NODE)}),
        ({}, [{}] * 18, {}, {"Connected": ("True", Reason.RINGS)}),
        (
            {},
            [],
            {},
            {"Available": ("False", Reason.NO_NODES), "Connected": ("Unknown", Reason.NOT_KNOWN)},
        ),
        (
            {},
            [{}, {}],
            {"blocked": QUOTA},
            {
                "Available": ("False", Reason.CREATION_ERROR),
                "Progressing": ("False", Reason.CREATION_ERROR),
                "CredentialsAvailable": ("Unknown", Reason.CREATION_ERROR),
                "Connected": ("Unknown", Reason.CREATION_ERROR),
                "UpToDate": ("Unknown", Reason.CREATION_ERROR),
            },
        ),
        (
            {},
            [GONE, GONE],
            {"trouble": NO_SECRET, "step": None},
            {
                "Available": ("False", Reason.CREDENTIALS_MISSING),
                "Progressing": ("False", Reason.CREDENTIALS_MISSING),
                "CredentialsAvailable": ("False", Reason.SECRET_NOT_FOUND),
                "Connected": ("Unknown", Reason.NOT_KNOWN),
                "UpToDate": ("Unknown", Reason.CREDENTIALS_MISSING),
            },
        ),
        (
            {},
            [{}, STARTING],
            {},
            {"Available": ("False", Reason.NODES_STARTING), "Progressing": ("True", Reason.NODES_STARTING)},
        ),
        (
            {},
            [{}, BROKEN],
            {},
            {"Available": ("False", Reason.NODES_FAILING), "Progressing": ("False", Reason.NODES_FAILING)},
        ),
        (
            {},
            [STARTING, BROKEN],
            {},
            {
                "Available": ("False", Reason.NODES_FAILING),
                "Progressing": ("True", Reason.CONNECTING),
                "Connected": ("Unknown", Reason.NOT_KNOWN),
            },
        ),
        (
            {},
            [{}, {}],
            {"said": {"net-sts-1": NodeUnreachable("x")}},
            {"Available": ("False", Reason.NODES_UNREACHABLE), "Progressing": ("True", Reason.CONNECTING)},
        ),
        (
            {},
            [{}, {}],
            {"said": {"net-sts-1": Unsteady("x")}},
            {"Available": ("False", Reason.NODES_UNSTEADY), "Progressing": ("True", Reason.CONNECTING)},
        ),
        (
            {},
            [{}, {}],
            {"said": {"net-sts-1": BadCredentials("x")}},
            {
                "Available": ("False", Reason.CREDENTIALS_REFUSED),
                "Progressing": ("True", Reason.CONNECTING),
                "CredentialsAvailable": ("False", Reason.CREDENTIALS_REFUSED),
            },
        ),
        (
            {},
            [{}, {}],
            {"said": {"net-sts-0": an_answer(sees=False), "net-sts-1": an_answer(sees=False)}},
            {
                "Available": ("False", Reason.PARTITIONED),
                "Progressing": ("True", Reason.CONNECTING),
                "Connected": ("False", Reason.PARTITIONED),
            },
        ),
        (
            {},
            [{}, {}, {}],
            {"said": {"net-sts-1": an_answer(height=3, tip="03")}},
            {"Available": ("False", Reason.NODES_BEHIND), "Progressing": ("True", Reason.NODES_BEHIND)},
        ),
        (
            {},
            [{}, {"is_updated": False}],
            {},
            {"Progressing": ("True", Reason.ROLLING_OUT), "UpToDate": ("False", Reason.ROLLING_OUT)},
        ),
        (
            {},
            [STARTING, {"is_updated": False}, {"is_updated": False}],
            {},
            {
                "Available": ("False", Reason.NODES_STARTING),
                "Progressing": ("True", Reason.ROLLING_OUT),
                "UpToDate": ("False", Reason.ROLLING_OUT),
            },
        ),
        (
            {},
            [BROKEN, {"is_updated": False}, {"is_updated": False}],
            {},
            {
                "Available": ("False", Reason.NODES_FAILING),
                "Progressing": ("False", Reason.ROLLOUT_STOPPED),
                "UpToDate": ("False", Reason.ROLLOUT_STOPPED),
            },
        ),
        (
            {},
            [{}, {"is_updated": False}, {"is_updated": False}],
            {"said": {"net-sts-0": NodeUnreachable("x")}},
            {
                "Available": ("False", Reason.NODES_UNREACHABLE),
                "Progressing": ("False", Reason.ROLLOUT_STOPPED),
                "UpToDate": ("False", Reason.ROLLOUT_STOPPED),
            },
        ),
        (
            {"storage": {"ephemeral": True}},
            [{"is_updated": False}],
            {},
            {
                "Progressing": ("False", Reason.ROLLOUT_BLOCKED),
                "Connected": ("True", Reason.ONE_NODE),
                "UpToDate": ("False", Reason.ROLLOUT_BLOCKED),
            },
        ),
        (
            {"paused": True},
            [{}, {"is_updated": False}],
            {},
            {"Progressing": ("False", Reason.PAUSED), "UpToDate": ("Unknown", Reason.PAUSED)},
        ),
        (
            {"paused": True},
            [{}, {}],
            {},
            {"Progressing": ("False", Reason.PAUSED), "UpToDate": ("Unknown", Reason.PAUSED)},
        ),
        (
            {"secret": "s"},
            [{}, {}],
            {"trouble": NO_SECRET},
            {"CredentialsAvailable": ("False", Reason.SECRET_NOT_FOUND)},
        ),
        ({}, [{}, {}], {"step": None}, {}),
        ({}, [{}, {"is_updated": False}], {"step": None}, {"UpToDate": ("False", Reason.ROLLING_OUT)}),
        ({}, [{}, {}], {"refused": "no"}, dict.fromkeys(("UpToDate", "Progressing"), ("False", Reason.CHANGE_REFUSED))),
        ({}, [{}, {}], {"newer_image": "core:31"}, {"UpToDate": ("True", Reason.NEWER_DEFAULT)}),
        ({}, [{}, {}], {"is_rotating": True}, {"CredentialsAvailable": ("True", Reason.ROTATING)}),
        (
            {},
            [{"is_updated": False}, {"is_updated": False}],
            {"made_before": "an upgrade brings claims", "secret": ""},
            {
                "CredentialsAvailable": ("True", Reason.DEFAULT_CREDENTIALS),
                "UpToDate": ("False", Reason.MADE_BEFORE),
            },
        ),
        (
            {"chain": "main"},
            [{}, {}],
            {},
            {"Connected": ("True", Reason.PUBLIC_PEERS)},
        ),
        (
            {"chain": "main"},
            [{}, {}],
            {"said": {"net-sts-1": an_answer(peers=0)}},
            {
                "Available": ("False", Reason.NO_PEERS),
                "Progressing": ("False", Reason.NO_PEERS),
                "Connected": ("False", Reason.NO_PEERS),
            },
        ),
    ],
)
def test_each_finding_leads_to_its_conditions(
    spec: dict[str, Any],
    fields: list[dict[str, Any]],
    more: dict[str, Any],
    differs: dict[str, tuple[str, Reason]],
) -> None:
    """All others are as in a network that is well."""
    network = a_network(len(fields), **spec)
    members = [a_member(ordinal, **one) for ordinal, one in enumerate(fields)]
    assert told(network, found(network, *members, **more)) == FINE | differs


@pytest.mark.parametrize(
    ("spec", "fields", "more", "kind", "says"),
    [
        ({}, [{}, {}], {}, "Available", "all 2 nodes are ready, connected and at the tip"),
        ({}, [{}], {}, "Available", "the one node is ready and at the tip"),
        (
            {"storage": {"ephemeral": True}},
            [{}],
            {},
            "Available",
            "the one node is ready and at the tip; storage is ephemeral: what a node has goes with its pod",
        ),
        ({"chain": "main"}, [{}, {}], {}, "Available", "all 2 nodes are ready and at the tip"),
        ({}, [{}, {}], {}, "Progressing", "the network has the 2 nodes it asks for"),
        ({}, [], {}, "Progressing", "the network rests"),
        ({}, [], {}, "UpToDate", "there are no nodes"),
        (
            {},
            [{}] + [GONE] * 12,
            {},
            "Available",
            "1 of 13 nodes are at the tip; waiting for net-sts-1, net-sts-2, net-sts-3, net-sts-4, net-sts-5 and 7 "
            "more (there is no pod)",
        ),
        (
            {},
            [{}, BROKEN, BROKEN, BROKEN | {"trouble": "else"}],
            {},
            "Available",
            "net-sts-1, net-sts-2: its image cannot be pulled: x; correct spec.image or spec.version; see status.nodes "
            "for 1 more",
        ),
        (
            {},
            [{}, {}, {}],
            {"said": {"net-sts-1": an_answer(height=3, tip="03")}},
            "Available",
            "2 of 3 nodes are at the tip; behind: net-sts-1",
        ),
        (
            {},
            [{}, {}],
            {"said": {"net-sts-0": an_answer(sees=False), "net-sts-1": an_answer(sees=False)}},
            "Connected",
            "the nodes are parted and may follow different chains: net-sts-0 | net-sts-1; see that their pods reach "
            "each other at the P2P port: NetworkPolicies, routes between Kubernetes nodes",
        ),
        ({}, [{}, {}, STARTING], {}, "Connected", "the 2 of 3 nodes that answer are connected, each with every other"),
        (
            {},
            [{}, {"is_updated": False}],
            {},
            "UpToDate",
            "1 of 2 nodes have what the spec says; the rollout replaces net-sts-1",
        ),
        (
            {},
            [{}, GONE | {"trouble": "it cannot be made: exceeded quota"}, GONE],
            {},
            "UpToDate",
            "1 of 3 nodes are there, with what the spec says",
        ),
        (
            {},
            [STARTING | {"trouble": "it crashes"}, {"is_updated": False}],
            {},
            "Progressing",
            "1 of 2 nodes have what the spec says; the rollout stops until net-sts-0, which has what the spec says, is "
            "at the tip: it crashes; correct the spec if it is at fault",
        ),
        (
            {"chain": "main"},
            [{}],
            {},
            "Connected",
            "chain main is public: the nodes find peers on the internet themselves and the controller connects none; "
            "they need a way out, and as much disk and time as the chain is long",
        ),
        (
            {},
            [{}],
            {"newer_image": "core:31"},
            "UpToDate",
            "the one node has what the spec says; a new network would get image core:31: name it in spec.image to roll "
            "it out",
        ),
        (
            {},
            [GONE],
            {"trouble": NO_SECRET},
            "Available",
            "the nodes wait for credentials: secret s does not exist; create it",
        ),
    ],
)
def test_what_is_told_is_plain(
    spec: dict[str, Any], fields: list[dict[str, Any]], more: dict[str, Any], kind: str, says: str
) -> None:
    """One sentence or two, with at most five names in a list, and the next step where somebody has to act."""
    network = a_network(len(fields), **spec)
    members = [a_member(ordinal, **one) for ordinal, one in enumerate(fields)]
    assert message(network, found(network, *members, **more), kind) == says


def test_a_node_that_catches_up_changes_its_own_line_and_no_condition() -> None:
    """So that conditions do not tick."""
    network = a_network(3)
    members = [a_member(ordinal) for ordinal in range(3)]
    before, after = (
        status_of(network, found(network, *members, said={"net-sts-1": an_answer(height=height, tip="03")}))
        for height in (3, 4)
    )
    assert before.nodes[1].message == "it is at height 3, net-sts-2 is at 7"
    assert before.nodes != after.nodes
    assert _without_order_and_times(before)["conditions"] == _without_order_and_times(after)["conditions"]


def test_nodes_that_refuse_the_credentials_are_never_a_reason_to_lose_a_chain() -> None:
    """Their pods may go where their chains stay; else the Secret has to come back."""
    refusing: dict[str, Any] = {"said": {"net-sts-0": BadCredentials("x")}}
    cases: list[tuple[BitcoinNetwork, dict[str, Any]]] = [
        (a_network(1), {}),
        (a_network(1, storage={"ephemeral": True}), {}),
        (a_network(1), {"made_before": "an upgrade brings claims"}),
    ]
    kept, lost, before = (
        message(network, found(network, a_member(0), **refusing, **more), "CredentialsAvailable")
        for network, more in cases
    )
    start = "net-sts-0 refused the network's credentials; "
    back = "put Secret net-config back as it was when the pods were made"
    assert kept == (
        f"{start}{back}, or delete these pods one after another, each when the one before is ready: their chains stay "
        "on their claims"
    )
    assert lost == start + back
    assert before == f"{start}name the Secret that its pods were started with in spec.secret"


def test_a_rollout_stops_for_good_only_where_a_node_fails_or_is_late() -> None:
    """A node that has just been replaced needs its time, and no Warning; after ten minutes it is told."""
    network, made = a_network(2), datetime(2026, 1, 1, tzinfo=UTC)
    members = [a_member(0, created="2026-01-01T00:00:00Z", **STARTING), a_member(1, is_updated=False)]
    before, after = (found(network, *members, now=made + wait) for wait in (PATIENCE - timedelta(seconds=1), PATIENCE))
    assert told(network, before)["UpToDate"] == ("False", Reason.ROLLING_OUT)
    assert told(network, before)["Progressing"] == ("True", Reason.ROLLING_OUT)
    assert message(network, before, "UpToDate") == (
        "1 of 2 nodes have what the spec says; the rollout waits until net-sts-0, which has what the spec says, is at "
        "the tip"
    )
    assert told(network, after)["UpToDate"] == ("False", Reason.ROLLOUT_STOPPED)
    waits = message(network, before, "UpToDate").replace("waits", "stops")
    assert (
        message(network, after, "UpToDate") == f"{waits}: its pod is not ready yet; correct the spec if it is at fault"
    )


@pytest.mark.parametrize(
    "advice", ["rollout restart", "--force", "kubectl delete pvc", "kubectl delete statefulset", "grace-period=0"]
)
def test_no_text_of_the_controller_advises_what_loses_a_chain(advice: str) -> None:
    """A restart of all pods at once, a pod that is ended by force, a claim that is deleted."""
    for path in CONTROLLER.glob("*.py"):
        assert advice not in path.read_text(), path.name


# ---- nodes and groups ------------------------------------------------------------------------------------------------


def test_the_status_of_a_node_has_what_its_pod_and_the_node_itself_say() -> None:
    """And of a node that says nothing, why."""
    network = a_network(1, groups=[{"name": "old", "nodes": 1}])
    members, wrote = (a_member(0), a_member(0, "old", **BROKEN)), {"main": "/Satoshi:30.2/"}
    status = status_of(network, found(network, *members, images={"main": "core:30"}, written_by=wrote))
    first, second = (msgspec.to_builtins(one) for one in status.nodes)
    assert first == {
        "ordinal": 0,
        "ready": True,
        "ip": "10.0.0.1",
        "nodeName": "net-sts-0",
        "dnsName": "net-sts-0.net-svc",
        "state": "AtTip",
        "version": "/Satoshi:29.1.0/",
        "height": 7,
        "tip": "0f",
        "connections": 8,
    }
    assert second == {
        "ordinal": 0,
        "ready": False,
        "ip": "10.0.0.1",
        "nodeName": "net-sts-old-0",
        "dnsName": "net-sts-old-0.net-svc",
        "group": "old",
        "state": "Waiting",
        "message": BROKEN["trouble"],
    }
    assert [msgspec.to_builtins(one) for one in status.groups] == [
        {"name": "main", "nodes": 1, "ready": 1, "updated": 1, "image": "core:30", "writtenBy": "/Satoshi:30.2/"},
        {"name": "old", "nodes": 1, "ready": 0, "updated": 1, "image": "", "writtenBy": ""},
    ]
    assert (status.ready_nodes, status.height, status.topology) == (1, 7, "FullMesh")


def test_what_scales_is_the_main_group() -> None:
    """A HorizontalPodAutoscaler counts the pods of the selector; other groups are not spec.nodes."""
    network = a_network(2, groups=[{"name": "old", "nodes": 1}])
    status = status_of(network, found(network, a_member(0), a_member(1, **GONE), a_member(0, "old")))
    group = "bitcoincontroller.christianb93.github.com"
    assert (status.replicas, status.selector) == (1, f"{group}/group=main,{group}/network=net")
    assert status_of(network, found(network, a_member(0), made_before="x")).selector == "app=net"


@pytest.mark.parametrize(
    ("storage", "before", "kept"),
    [({}, "", "Persistent"), ({"ephemeral": True}, "", "Ephemeral"), ({}, "x", "Ephemeral")],
)
def test_the_status_says_whether_chains_outlive_pods(storage: dict[str, Any], before: str, kept: str) -> None:
    """Those of networks made before do not, whatever the spec says by now."""
    network = a_network(1, storage=storage)
    assert status_of(network, found(network, a_member(0), made_before=before)).storage == kept


def test_an_image_stays_told_while_nothing_runs_it() -> None:
    """It is what runs again, after the objects of a network were lost."""
    network = a_network(1)
    first = status_of(network, found(network, a_member(0), images={"main": "core:29"}))
    again = status_of(a_network(1, first), Findings(members=(a_member(0, **GONE),), blocked=QUOTA))
    assert [one.image for one in again.groups] == ["core:29"]


# ---- what is kept, and what is told anew -----------------------------------------------------------------------------


def test_a_spec_that_is_not_understood_leaves_the_nodes_and_is_told() -> None:
    """For the generation that it is about."""
    network = a_network(1)
    before = status_of(network, found(network, a_member(0)))
    refused = refused_status(before, generation=5, why="nodes is a list")
    assert (refused.nodes, refused.ready_nodes, refused.observed_generation) == (before.nodes, 1, 5)
    conditions = {condition.type: condition for condition in refused.conditions}
    for kind in ("Available", "Progressing"):
        assert (conditions[kind].status, conditions[kind].reason) == ("False", Reason.SPEC_NOT_UNDERSTOOD)
        assert "nodes is a list; correct it" in conditions[kind].message
    assert conditions["CredentialsAvailable"].status == "True"


def test_conditions_of_others_stay() -> None:
    """A type that the controller does not know is not its own to remove."""
    theirs = Condition(type="Theirs", status="True", reason="R", last_transition_time="2026-01-01T00:00:00Z")
    network = a_network(0, Status(conditions=(theirs,)))
    assert theirs in status_of(network, found(network)).conditions


def test_a_trouble_that_changed_its_message_is_told_anew() -> None:
    """Another quota, another missing key."""
    before = [Condition(type="Available", status="False", reason="CreationError", message="quota a")]
    after = [Condition(type="Available", status="False", reason="CreationError", message="quota b")]
    assert new_troubles(before, after) == (Trouble(Reason.CREATION_ERROR, "quota b"),)
    assert new_troubles(after, after) == ()


def test_a_trouble_that_another_condition_told_already_is_not_told_anew() -> None:
    """After a spec was corrected, the node that its predecessor broke is what it was for a moment."""
    failing = Condition(type="Available", status="False", reason="NodesFailing", message="no image")
    stopped = Condition(type="Progressing", status="False", reason="RolloutStopped", message="stops")
    also = msgspec.structs.replace(failing, type="Progressing")
    assert new_troubles([failing, stopped], [failing, also]) == ()


def test_nodes_that_answer_before_they_are_ready_are_not_called_connected() -> None:
    """What they see is not known until they are."""
    network = a_network(2)
    early = {"net-sts-0": an_answer(sees=False), "net-sts-1": an_answer(sees=False)}
    findings = found(network, a_member(0, **STARTING), a_member(1, **STARTING), said=early)
    assert told(network, findings)["Connected"] == ("Unknown", Reason.NOT_KNOWN)


@pytest.mark.parametrize("missing", [GONE, {"is_ready": False, "is_deleting": True}])
def test_a_pod_that_is_missing_is_no_rollout_while_all_others_have_the_spec(missing: dict[str, Any]) -> None:
    """It was added by scaling, or its Kubernetes node was lost; whatever comes has what the spec says."""
    network = a_network(2)
    conditions = told(network, found(network, a_member(0), a_member(1, **missing)))
    assert conditions["UpToDate"] == ("True", Reason.UP_TO_DATE)
    assert conditions["Progressing"] == ("True", Reason.NODES_STARTING)


def test_a_public_chain_is_told_once_whatever_becomes_of_its_nodes() -> None:
    """A restart of its nodes is no new warning; to have no peers is one, and to find some is none."""
    network, alone = a_network(1, chain="main"), {"net-sts-0": an_answer(peers=0)}
    states = [found(network, a_member(0, **fields)) for fields in (GONE, {}, STARTING, {})]
    states += [found(network, a_member(0), said=alone), found(network, a_member(0))]
    events: list[Trouble] = []
    for findings in states:
        status = status_of(network, findings)
        events += new_troubles(network.status.conditions, status.conditions)
        network = msgspec.structs.replace(network, status=status)
    assert [one.reason for one in events] == [Reason.PUBLIC_PEERS, Reason.NO_PEERS]
    assert events[1].message == ("without peers: net-sts-0; see that their pods reach nodes of chain main at port 8333")


def test_a_pod_that_is_held_back_is_waited_for_and_does_not_fail() -> None:
    """It is made again by itself, when those above it have been replaced: nobody has to act, and nothing is warned."""
    why = "its pod is made again when net-sts-2 and those below it have been replaced"
    held = a_member(0, uid="", address="", is_ready=False, is_updated=False, held_back=why)
    members = (held, a_member(1), a_member(2))
    network = a_network(3)
    mesh = mesh_of(network.spec, [one.name for one in members], absent=[held.name])
    visit = Visit(said={one.name: an_answer() for one in members[1:]})
    status = status_of(network, Findings(members=members, said=visit.said, health=assess(members, visit, mesh)))
    available, progressing = (find_condition(status.conditions, kind) for kind in ("Available", "Progressing"))
    assert available is not None
    assert progressing is not None
    assert (available.reason, progressing.status) == ("NodesStarting", "True")
    assert available.message == f"2 of 3 nodes are at the tip; waiting for net-sts-0 ({why})"
    assert (status.nodes[0].state, status.nodes[0].message) == (NodeState.WAITING, why)
