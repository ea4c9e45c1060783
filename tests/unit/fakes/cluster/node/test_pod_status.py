"""What a pod's status says of its containers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ctrlkit.fakes.cluster.node.pod_plan import containers_of
from ctrlkit.fakes.cluster.node.pod_status import (
    ContainerView,
    PodView,
    Waiting,
    pod_phase,
    pod_status,
    status_change,
    status_patch,
)
from ctrlkit.fakes.cluster.node.runtime import Exited, Running
from ctrlkit.fakes.tracker.schema.types import types_of
from ctrlkit.fakes.tracker.verbs.patch import merge, without_nulls
from ctrlkit.fakes.tracker.verbs.strategic import strategic_merge
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import PODS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POD = Unstructured(
    {
        "metadata": {"name": "net-0", "namespace": "demo", "uid": "u"},
        "spec": {"restartPolicy": "Always", "containers": [{"name": "c", "image": "img:1"}]},
    }
)


def ended(code: int) -> Exited:
    return Exited(exit_code=code, started_at=NOW, finished_at=NOW + timedelta(seconds=2), message="bye")


def view(
    state: Waiting | Running | Exited, *, last: Exited | None = None, ready: bool = True, policy: str = "Always"
) -> ContainerView:
    (container,) = containers_of(Unstructured({"spec": {**POD["spec"], "restartPolicy": policy}}))
    return ContainerView(
        container=container, state=state, id="ctrlkit://1", last=last, last_id="ctrlkit://0", ready=ready
    )


def status_of(pod: Unstructured, one: ContainerView, *, after: timedelta = timedelta()) -> dict[str, Any]:
    return pod_status(pod, PodView(containers=[one], host="127.0.0.1", address="10.244.0.1"), now=NOW + after)


@pytest.mark.parametrize(
    ("policy", "states", "phase"),
    [
        ("Always", [Waiting(), Running(NOW)], "Pending"),
        ("Always", [ended(0)], "Running"),
        ("OnFailure", [ended(1)], "Running"),
        ("OnFailure", [ended(0), Running(NOW)], "Running"),
        ("OnFailure", [ended(0)], "Succeeded"),
        ("Never", [ended(0), ended(3)], "Failed"),
    ],
)
def test_the_phase_follows_from_all_containers(
    policy: str, states: list[Waiting | Running | Exited], phase: str
) -> None:
    """One that never ran holds the pod back; one that will run again keeps it running."""
    assert pod_phase([view(state, policy=policy) for state in states]) == phase


def test_a_whole_change_and_a_patch_lead_to_the_same_status() -> None:
    """Also where conditions of others are there, and fields that a server shows as null."""
    gate = {"type": "example.com/gate", "status": "True"}
    unready = status_of(POD, view(Running(NOW), ready=False))
    shown = [{"lastProbeTime": None, **one} for one in unready["conditions"]]
    have = unready | {"podIPs": [{"ip": "10.244.0.9"}], "conditions": [shown[0], gate, *shown[1:]]}
    wanted = status_of(Unstructured(POD | {"status": have}), view(Running(NOW)))
    pods = types_of().shape_of(PODS)
    whole, patched = ({"status": each(have, wanted)} for each in (status_change, status_patch))
    changed = merge({"status": have}, whole)["status"]
    assert without_nulls(changed) == without_nulls(strategic_merge({"status": have}, patched, pods)["status"])
    assert gate in changed["conditions"]
    assert status_change(changed, wanted) == {}


def test_a_container_that_waits_for_its_restart_keeps_the_pod_running() -> None:
    """It has run before."""
    assert pod_phase([view(Waiting("CrashLoopBackOff"), last=ended(1))]) == "Running"


def test_a_ready_pods_status_says_where_and_since_when() -> None:
    """Transition times stay as long as nothing moves."""
    first = status_of(POD, view(Running(NOW)))
    assert (first["phase"], first["podIP"], first["podIPs"]) == ("Running", "10.244.0.1", [{"ip": "10.244.0.1"}])
    later = status_of(Unstructured(POD | {"status": first}), view(Running(NOW)), after=timedelta(hours=1))
    assert later == first
    assert status_patch(first, later) == {}


def test_a_pod_that_stops_being_ready_says_which_container_and_when() -> None:
    """Ready and ContainersReady move, the others do not."""
    first = status_of(POD, view(Running(NOW)))
    status = status_of(Unstructured(POD | {"status": first}), view(Running(NOW), ready=False), after=timedelta(hours=1))
    conditions = {condition["type"]: condition for condition in status["conditions"]}
    assert conditions["Ready"] == {
        "type": "Ready",
        "status": "False",
        "reason": "ContainersNotReady",
        "message": "containers with unready status: [c]",
        "lastTransitionTime": "2026-01-01T01:00:00Z",
    }
    assert conditions["Initialized"]["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert [one["type"] for one in status_patch(first, status)["conditions"]] == ["Ready", "ContainersReady"]


def test_a_reason_that_no_longer_holds_is_taken_back() -> None:
    """A strategic merge would keep what the patch does not name."""
    unready = status_of(POD, view(Running(NOW), ready=False))
    patch = status_patch(unready, status_of(Unstructured(POD | {"status": unready}), view(Running(NOW))))
    (ready, _) = patch["conditions"]
    assert (ready["type"], ready["status"], ready["reason"], ready["message"]) == ("Ready", "True", None, None)


def test_conditions_of_others_are_not_written() -> None:
    """A readiness gate's condition belongs to whoever set it, and stands before the kubelet's own."""
    have = {"conditions": [{"type": "example.com/gate", "status": "True"}]}
    patch = status_patch(have, status_of(Unstructured(POD | {"status": have}), view(Running(NOW))))
    assert "example.com/gate" not in [one["type"] for one in patch["conditions"]]
    assert patch["$setElementOrder/conditions"][0] == {"type": "example.com/gate"}


def test_a_container_that_crashes_shows_how_it_ended_and_why_it_waits() -> None:
    """The same fields kubectl describe reads."""
    waiting = Waiting("CrashLoopBackOff", "back-off 10s")
    (container,) = status_of(POD, view(waiting, last=ended(3)))["containerStatuses"]
    assert container["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert container["lastState"]["terminated"] == {
        "exitCode": 3,
        "reason": "Error",
        "message": "bye",
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:02Z",
        "containerID": "ctrlkit://0",
    }
