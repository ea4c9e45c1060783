"""What a pod's status says of its containers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ctrlkit.fakes.cluster.node.pod_status import ContainerView, Waiting, differs, is_ready, pod_phase, pod_status
from ctrlkit.fakes.cluster.node.restart import RestartPolicy
from ctrlkit.fakes.cluster.node.runtime import Exited, Running
from ctrlkit.model import Unstructured

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POD = Unstructured(
    {"metadata": {"name": "net-0", "namespace": "demo", "uid": "u"}, "spec": {"restartPolicy": "Always"}}
)


def ended(code: int) -> Exited:
    return Exited(exit_code=code, started_at=NOW, finished_at=NOW + timedelta(seconds=2), message="bye")


def view(state: Waiting | Running | Exited, *, last: Exited | None = None, ready: bool = False) -> ContainerView:
    return ContainerView(
        name="c", image="img:1", id="process://u/c/1", state=state, last=last, last_id="process://u/c/0", ready=ready
    )


@pytest.mark.parametrize(
    ("policy", "containers", "phase"),
    [
        ("Always", [view(Waiting("ContainerCreating")), view(Running(NOW))], "Pending"),
        ("Always", [view(Waiting("CrashLoopBackOff"), last=ended(1))], "Running"),
        ("Always", [view(ended(0))], "Running"),
        ("OnFailure", [view(ended(1))], "Running"),
        ("OnFailure", [view(ended(0)), view(Running(NOW))], "Running"),
        ("OnFailure", [view(ended(0))], "Succeeded"),
        ("Never", [view(ended(0)), view(ended(3))], "Failed"),
    ],
)
def test_the_phase_follows_from_all_containers(policy: str, containers: list[ContainerView], phase: str) -> None:
    """One that never ran holds the pod back; one that will run again keeps it running."""
    assert pod_phase(RestartPolicy(policy), containers) == phase


def test_a_ready_pods_status_says_where_and_since_when() -> None:
    """Transition times stay as long as nothing moves."""
    first = pod_status(POD, [view(Running(NOW), ready=True)], address="10.244.0.1", host="127.0.0.1", now=NOW)
    assert (first["phase"], first["podIP"], first["podIPs"]) == ("Running", "10.244.0.1", [{"ip": "10.244.0.1"}])
    pod = Unstructured(POD | {"status": first})
    assert is_ready(pod)
    later = pod_status(
        pod, [view(Running(NOW), ready=True)], address="10.244.0.1", host="127.0.0.1", now=NOW + timedelta(hours=1)
    )
    assert later == first
    assert not differs(first, later)


def test_a_pod_that_stops_being_ready_says_which_container_and_when() -> None:
    """Ready and ContainersReady move, the others do not."""
    pod = Unstructured(
        POD
        | {"status": pod_status(POD, [view(Running(NOW), ready=True)], address="10.244.0.1", host="127.0.0.1", now=NOW)}
    )
    hour = timedelta(hours=1)
    status = pod_status(pod, [view(Running(NOW))], address="10.244.0.1", host="127.0.0.1", now=NOW + hour)
    conditions = {condition["type"]: condition for condition in status["conditions"]}
    assert conditions["Ready"] == {
        "type": "Ready",
        "status": "False",
        "reason": "ContainersNotReady",
        "message": "containers with unready status: [c]",
        "lastTransitionTime": "2026-01-01T01:00:00Z",
    }
    assert conditions["Initialized"]["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert not is_ready(Unstructured(POD | {"status": status}))


def test_conditions_of_others_stay() -> None:
    """A readiness gate's condition belongs to whoever set it."""
    pod = Unstructured(POD | {"status": {"conditions": [{"type": "example.com/gate", "status": "True"}]}})
    status = pod_status(pod, [view(Running(NOW))], address="10.244.0.1", host="127.0.0.1", now=NOW)
    assert status["conditions"][-1] == {"type": "example.com/gate", "status": "True"}


def test_a_container_that_crashes_shows_how_it_ended_and_why_it_waits() -> None:
    """The same fields kubectl describe reads."""
    waiting = Waiting("CrashLoopBackOff", "back-off 10s")
    status = pod_status(POD, [view(waiting, last=ended(3))], address="10.244.0.1", host="127.0.0.1", now=NOW)
    (container,) = status["containerStatuses"]
    assert container["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert container["lastState"]["terminated"] == {
        "exitCode": 3,
        "reason": "Error",
        "message": "bye",
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:02Z",
        "containerID": "process://u/c/0",
    }
