"""What is told of a network, out of what was seen; and which of it is worth a Warning."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.rpc import BadCredentials, NodeUnreachable, RpcError
from ctrlkit.bitcoin.status import (
    WARNINGS,
    Findings,
    Reason,
    Trouble,
    new_troubles,
    node_statuses,
    refused_status,
    status_of,
)
from ctrlkit.bitcoin.types import BitcoinNetwork, Pod, PodCondition, PodStatus, Spec, Status
from ctrlkit.model import Condition, ObjectMeta, find_condition

TROUBLES = st.builds(Trouble, st.sampled_from(sorted(WARNINGS)), st.text(max_size=5))
FAILURES = st.builds(lambda kind: kind("x"), st.sampled_from([BadCredentials, NodeUnreachable]))


def _network(nodes: int, status: Status = Status(), secret: str | None = None) -> BitcoinNetwork:  # noqa: B008
    metadata = ObjectMeta(name="net", namespace="demo", generation=4)
    return BitcoinNetwork(metadata=metadata, spec=Spec(nodes=nodes, secret=secret), status=status)


def _pod(*, ready: bool, ip: str = "10.0.0.1", deleting: str = "") -> Pod:
    condition = PodCondition(type="Ready", status=str(ready))
    return Pod(
        metadata=ObjectMeta(name="p", deletion_timestamp=deleting),
        status=PodStatus(pod_ip=ip, conditions=(PodCondition("Initialized", "True"), condition)),
    )


@st.composite
def findings(draw: st.DrawFn) -> tuple[BitcoinNetwork, Findings]:
    """Anything that a pass can see."""
    ready = draw(st.lists(st.booleans(), max_size=8))
    network = _network(len(ready))
    nodes = node_statuses(network, lambda name: _pod(ready=ready[int(name.rpartition("-")[2])]))
    failing = draw(st.dictionaries(st.sampled_from([n.node_name for n in nodes] or [""]), FAILURES))
    failures: dict[str, RpcError] = {name: error for name, error in failing.items() if name}
    blocked, credentials = draw(st.none() | TROUBLES), draw(st.none() | TROUBLES)
    return network, Findings(nodes=nodes, blocked=blocked, credentials=credentials, failures=failures)


@given(findings())
def test_for_any_findings_a_network_is_available_only_if_nothing_is_missing(
    seen: tuple[BitcoinNetwork, Findings],
) -> None:
    """All nodes ready, at least one, no trouble, no failure; and an available network is not progressing."""
    network, found = seen
    status = status_of(network, found)
    available, progressing = (find_condition(status.conditions, kind) for kind in ("Available", "Progressing"))
    assert available is not None
    assert progressing is not None
    nothing_missing = found.nodes and all(node.ready for node in found.nodes) and not found.failures
    nothing_wrong = found.blocked is None and found.credentials is None
    assert (available.status == "True") == bool(nothing_missing and nothing_wrong)
    assert not (available.status == "True" and progressing.status == "True")
    assert status.ready_nodes == sum(node.ready for node in found.nodes)
    assert {condition.observed_generation for condition in status.conditions} == {4}


@given(findings())
def test_for_any_findings_seen_twice_the_status_is_the_same(seen: tuple[BitcoinNetwork, Findings]) -> None:
    """So it is written once, and told once."""
    network, found = seen
    first = status_of(network, found)
    second = status_of(_network(network.spec.nodes, first), found)
    assert second == first
    assert new_troubles(first.conditions, second.conditions) == ()


@given(findings())
def test_for_any_findings_every_trouble_is_told(seen: tuple[BitcoinNetwork, Findings]) -> None:
    """What keeps the network from being available, where somebody can do something about it."""
    network, found = seen
    told = new_troubles((), status_of(network, found).conditions)
    if found.blocked is not None:
        assert told == (found.blocked,)
    elif found.credentials is not None:
        assert found.credentials in told
    elif found.failures:
        assert {trouble.reason for trouble in told} <= {Reason.CREDENTIALS_REFUSED, Reason.NODES_UNREACHABLE}
        assert told
    else:
        assert told == ()


QUOTA = Trouble(Reason.CREATION_ERROR, "exceeded quota")
NO_SECRET = Trouble(Reason.SECRET_NOT_FOUND, "secret s is not there")
UNREACHABLE: dict[str, RpcError] = {"net-sts-0": NodeUnreachable("x")}


@pytest.mark.parametrize(
    ("ready", "found", "available", "progressing"),
    [
        ([True], {"blocked": QUOTA}, ("False", Reason.CREATION_ERROR), ("False", Reason.CREATION_ERROR)),
        ([False], {"blocked": QUOTA}, ("False", Reason.CREATION_ERROR), ("False", Reason.CREATION_ERROR)),
        ([], {}, ("False", Reason.NO_NODES), ("False", Reason.SETTLED)),
        ([True, False], {}, ("False", Reason.NODES_STARTING), ("True", Reason.NODES_STARTING)),
        ([False], {"credentials": NO_SECRET}, ("False", Reason.CREDENTIALS_MISSING), ("True", Reason.NODES_STARTING)),
        (
            [True],
            {"credentials": NO_SECRET},
            ("False", Reason.CREDENTIALS_MISSING),
            ("False", Reason.CREDENTIALS_MISSING),
        ),
        ([True], {"failures": UNREACHABLE}, ("False", Reason.NODES_UNREACHABLE), ("True", Reason.CONNECTING)),
        ([True, True], {}, ("True", Reason.NODES_CONNECTED), ("False", Reason.SETTLED)),
    ],
)
def test_each_finding_leads_to_its_conditions(
    ready: list[bool], found: dict[str, Any], available: tuple[str, Reason], progressing: tuple[str, Reason]
) -> None:
    """As the table in the module says; a blocked network needs somebody's help, and says for what."""
    network = _network(len(ready))
    nodes = node_statuses(network, lambda name: _pod(ready=ready[int(name.rpartition("-")[2])]))
    conditions = status_of(network, Findings(nodes=nodes, **found)).conditions
    told = {condition.type: (condition.status, condition.reason) for condition in conditions}
    assert (told["Available"], told["Progressing"]) == (available, progressing)
    if "blocked" in found:
        assert {condition.message for condition in conditions} == {QUOTA.message}
        assert "CredentialsAvailable" not in told
    else:
        assert told["CredentialsAvailable"][0] == ("False" if "credentials" in found else "True")


@pytest.mark.parametrize(
    ("secret", "failures", "message"),
    [
        (None, [BadCredentials], "net-sts-0 refused the network's credentials; name the secret with the right ones"),
        ("s", [BadCredentials], "net-sts-0 refused the network's credentials; nodes that were started before"),
        (None, [NodeUnreachable, BadCredentials], "net-sts-1 refused the network's credentials"),
        (None, [NodeUnreachable, NodeUnreachable], "could not connect net-sts-0 (NodeUnreachable), net-sts-1 (Node"),
    ],
)
def test_a_refusal_is_told_before_what_could_not_be_reached(
    secret: str | None, failures: list[type[RpcError]], message: str
) -> None:
    network = _network(len(failures), secret=secret)
    nodes = node_statuses(network, lambda _: _pod(ready=True))
    failed = {node.node_name: kind("x") for node, kind in zip(nodes, failures, strict=True)}
    found = find_condition(status_of(network, Findings(nodes=nodes, failures=failed)).conditions, "Available")
    assert found is not None
    assert found.message.startswith(message)


@pytest.mark.parametrize(("nodes", "settled"), [(1, "the 1 node it asks for"), (2, "the 2 nodes it asks for")])
def test_what_is_settled_is_told_in_words(nodes: int, settled: str) -> None:
    network = _network(nodes, secret="s")
    seen = Findings(nodes=node_statuses(network, lambda _: _pod(ready=True)))
    told = {condition.type: condition.message for condition in status_of(network, seen).conditions}
    assert told["Available"] == ("the one node is ready" if nodes == 1 else "all 2 nodes are ready and connected")
    assert told["Progressing"] == f"the network has {settled}"
    assert told["CredentialsAvailable"] == "secret s is complete"


def test_a_spec_that_is_not_understood_leaves_the_nodes_and_is_told() -> None:
    """For the generation that it is about."""
    network = _network(1)
    before = status_of(network, Findings(nodes=node_statuses(network, lambda _: _pod(ready=True))))
    refused = refused_status(before, generation=5, why="nodes is a list")
    assert (refused.nodes, refused.ready_nodes, refused.observed_generation) == (before.nodes, 1, 5)
    told = {condition.type: condition for condition in refused.conditions}
    for kind in ("Available", "Progressing"):
        assert (told[kind].status, told[kind].reason) == ("False", Reason.SPEC_NOT_UNDERSTOOD)
        assert "nodes is a list; correct it" in told[kind].message
    assert told["CredentialsAvailable"].status == "True"


def test_a_pod_is_ready_when_its_node_can_be_talked_to() -> None:
    """It passed its probe, has an address, and is not on its way out."""
    assert _pod(ready=True).ready
    assert not _pod(ready=False).ready
    assert not _pod(ready=True, ip="").ready
    assert not _pod(ready=True, deleting="2026-01-01T00:00:00Z").ready
    assert not Pod(metadata=ObjectMeta(name="p")).ready


def test_long_lists_of_names_are_cut() -> None:
    """A message of a hundred names helps nobody."""
    network = _network(100)
    status = status_of(network, Findings(nodes=node_statuses(network, lambda _: None)))
    names = "net-sts-0, net-sts-1, net-sts-2, net-sts-3, net-sts-4"
    assert status.conditions[0].message == f"0 of 100 nodes are ready; waiting for {names} and 95 more"


def test_conditions_of_others_stay() -> None:
    """A type that the controller does not know is not its own to remove."""
    theirs = Condition(type="Theirs", status="True", reason="R", last_transition_time="2026-01-01T00:00:00Z")
    network = _network(0, Status(conditions=(theirs,)))
    assert theirs in status_of(network, Findings(nodes=())).conditions


def test_a_trouble_that_changed_its_message_is_told_anew() -> None:
    """Another quota, another missing key."""
    before = [Condition(type="Available", status="False", reason="CreationError", message="quota a")]
    after = [Condition(type="Available", status="False", reason="CreationError", message="quota b")]
    assert new_troubles(before, after) == (Trouble(Reason.CREATION_ERROR, "quota b"),)
    assert new_troubles(after, after) == ()
