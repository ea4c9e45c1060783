"""The kubelet's rules as pure functions: restarts, readiness, what a pod's status says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.pod_status import ContainerView, Waiting, differs, is_ready, pod_phase, pod_status
from ctrlkit.fakes.cluster.node.probes import Probe, Readiness, read_probe
from ctrlkit.fakes.cluster.node.restart import CrashBackoff, RestartPolicy
from ctrlkit.fakes.cluster.node.runtime import Exec, Exited, HttpGet, Running, TcpSocket
from ctrlkit.model import Unstructured

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POD = Unstructured(
    {"metadata": {"name": "net-0", "namespace": "demo", "uid": "u"}, "spec": {"restartPolicy": "Always"}}
)


@given(st.integers(1, 2000), st.floats(0.01, 100), st.floats(100, 1000))
def test_for_any_number_of_crashes_the_wait_grows_up_to_its_cap(crashes: int, base_s: float, cap_s: float) -> None:
    """And the first restart waits for nothing."""
    backoff = CrashBackoff(base_s=base_s, cap_s=cap_s)
    assert backoff.delay_s(1) == 0
    assert backoff.delay_s(crashes) <= backoff.delay_s(crashes + 1) <= cap_s


@given(st.lists(st.floats(0, 599)))
def test_for_any_short_runs_all_of_them_count(runs: list[float]) -> None:
    """Only a long run makes up for the crashes before it."""
    backoff, crashes = CrashBackoff(), 0
    for ran_s in runs:
        crashes = backoff.count(crashes, ran_s=ran_s)
    assert crashes == len(runs)
    assert backoff.count(crashes, ran_s=600) == 1


@pytest.mark.parametrize(
    ("policy", "code", "restarts"),
    [("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_the_policy_says_which_ends_lead_to_a_restart(policy: str, code: int, *, restarts: bool) -> None:
    """As a pod's restartPolicy is documented."""
    assert RestartPolicy(policy).restarts(code) is restarts


@given(st.lists(st.booleans()), st.integers(1, 4), st.integers(1, 4))
def test_for_any_results_readiness_changes_only_after_enough_in_a_row(
    results: list[bool], successes: int, failures: int
) -> None:
    """Compared with a slow definition: the last row that was long enough decides."""
    probe = Probe(action=Exec(("true",)), success_threshold=successes, failure_threshold=failures)
    state, expected = Readiness(due_at=0.0), False
    for count in range(1, len(results) + 1):
        state = state.after(probe, held=results[count - 1], now=float(count))
        if count >= successes and all(results[count - successes : count]):
            expected = True
        if count >= failures and not any(results[count - failures : count]):
            expected = False
        assert state.ready is expected
        assert state.due_at == count + probe.period_s


def test_a_probe_is_read_with_the_servers_defaults() -> None:
    """The probe of the bitcoin controller, and one of each other kind."""
    command = ["/usr/local/bin/bitcoin-cli", "getnetworkinfo"]
    container = {"readinessProbe": {"exec": {"command": command}, "initialDelaySeconds": 5, "periodSeconds": 5}}
    assert read_probe(container) == Probe(action=Exec(tuple(command)), initial_delay_s=5.0, period_s=5.0)
    ports = [{"name": "http", "containerPort": 8080}]
    get = read_probe({"ports": ports, "readinessProbe": {"httpGet": {"port": "http", "path": "/x"}}})
    assert get is not None
    assert get.action == HttpGet(8080, "/x")
    tcp = read_probe({"readinessProbe": {"tcpSocket": {"port": 80}}})
    assert tcp is not None
    assert tcp.action == TcpSocket(80)
    assert read_probe({}) is None


@pytest.mark.parametrize("probe", [{"grpc": {"port": 1}}, {"tcpSocket": {"port": "nowhere"}}])
def test_a_probe_that_cannot_be_run_is_refused(probe: dict[str, object]) -> None:
    """Instead of being taken for one that holds."""
    with pytest.raises(ValueError, match="readinessProbe of container c"):
        read_probe({"name": "c", "readinessProbe": probe})


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
    first = pod_status(POD, [view(Running(NOW), ready=True)], address="10.244.0.1", now=NOW)
    assert (first["phase"], first["podIP"], first["podIPs"]) == ("Running", "10.244.0.1", [{"ip": "10.244.0.1"}])
    pod = Unstructured(POD | {"status": first})
    assert is_ready(pod)
    later = pod_status(pod, [view(Running(NOW), ready=True)], address="10.244.0.1", now=NOW + timedelta(hours=1))
    assert later == first
    assert not differs(first, later)


def test_a_pod_that_stops_being_ready_says_which_container_and_when() -> None:
    """Ready and ContainersReady move, the others do not."""
    pod = Unstructured(
        POD | {"status": pod_status(POD, [view(Running(NOW), ready=True)], address="10.244.0.1", now=NOW)}
    )
    hour = timedelta(hours=1)
    status = pod_status(pod, [view(Running(NOW))], address="10.244.0.1", now=NOW + hour)
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
    status = pod_status(pod, [view(Running(NOW))], address="10.244.0.1", now=NOW)
    assert status["conditions"][-1] == {"type": "example.com/gate", "status": "True"}


def test_a_container_that_crashes_shows_how_it_ended_and_why_it_waits() -> None:
    """The same fields kubectl describe reads."""
    waiting = Waiting("CrashLoopBackOff", "back-off 10s")
    status = pod_status(POD, [view(waiting, last=ended(3))], address="10.244.0.1", now=NOW)
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
