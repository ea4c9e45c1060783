"""What is told of a network, out of what was seen; and which of it is worth a Warning."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controllers.bitcoin.rpc import BadCredentials, NodeUnreachable, RpcError
from controllers.bitcoin.status import (
    WARNINGS,
    Findings,
    Reason,
    Trouble,
    new_troubles,
    node_statuses,
    status_of,
)
from controllers.bitcoin.types import BitcoinNetwork, Pod, PodCondition, PodStatus, Spec, Status
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
