"""A set deletes the pods that are missed least, and counts the others as its status does."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.replicaset_plan import BURST, CreatePods, DeletePods, batches, counts, plan
from ctrlkit.model import Unstructured

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def pod(
    name: str,
    *,
    node: str = "n1",
    phase: str = "Running",
    ready: str = "2026-01-01T00:00:00Z",
    restarts: int = 0,
    cost: str = "",
    created: str = "2026-01-01T00:00:00Z",
) -> Unstructured:
    """A pod; `ready` is since when, "" for one that is not."""
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": ready}] if ready else []
    annotations = {"controller.kubernetes.io/pod-deletion-cost": cost} if cost else {}
    metadata: dict[str, Any] = {"name": name, "uid": name, "creationTimestamp": created, "annotations": annotations}
    status = {"phase": phase, "conditions": conditions, "containerStatuses": [{"name": "c", "restartCount": restarts}]}
    return Unstructured({"metadata": metadata, "spec": {"nodeName": node}, "status": status})


@pytest.mark.parametrize(
    "first",
    [
        pod("a", node="", phase="Pending", ready=""),
        pod("a", phase="Pending", ready=""),
        pod("a", ready=""),
        pod("a", cost="-5"),
        pod("a", node="crowded"),
        pod("a", ready="2026-01-01T23:59:59Z"),
        pod("a", restarts=3),
        pod("a", created="2026-01-01T23:59:59Z"),
    ],
    ids=["unscheduled", "pending", "not ready", "cheap", "crowded", "just ready", "restarted", "young"],
)
def test_the_pod_that_is_missed_least_goes_first(first: Unstructured) -> None:
    active = [pod("b"), first, pod("c", node="n3")]
    related = [*active, pod("d", node="crowded"), pod("e", node="crowded")]
    assert plan(2, active, related, NOW) == DeletePods((first,))


def test_a_cost_that_is_no_number_counts_as_none() -> None:
    active = [pod("a", cost="dear"), pod("b", cost="-1")]
    assert plan(1, active, [], NOW) == DeletePods((active[1],))


@given(st.integers(0, 10_000))
def test_for_any_number_batches_make_as_many_and_double(count: int) -> None:
    sizes = list(batches(count))
    assert sum(sizes) == count
    assert all(later <= 2 * earlier for earlier, later in itertools.pairwise(sizes))


def test_one_reconcile_makes_and_deletes_a_burst_at_most() -> None:
    assert plan(10**9, [], [], NOW) == CreatePods(BURST)
    many = [pod(f"p{number}") for number in range(BURST + 1)]
    steps = plan(0, many, [], NOW)
    assert isinstance(steps, DeletePods)
    assert len(steps.pods) == BURST
    assert plan(1, [pod("a")], [], NOW) is None


def test_a_pod_is_available_once_it_has_been_ready_for_long_enough() -> None:
    active = [pod("a"), pod("b", ready="2026-01-01T23:59:55Z"), pod("c", ready="")]
    assert counts({}, 10, active, NOW) == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 2,
        "availableReplicas": 1,
    }
    assert counts({"app": "web"}, 0, active, NOW) == {"replicas": 3, "readyReplicas": 2, "availableReplicas": 2}
    assert counts({}, 0, [], NOW) == {"replicas": 0}
