"""How probes are read, when they are due, and what their results mean."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.pod_plan import Health, ProbeKind
from ctrlkit.fakes.cluster.node.probes import (
    Course,
    Impossible,
    Probe,
    Verdict,
    first_course,
    first_moment,
    grace_of,
    health_of,
    is_wanted,
    moment_after_start,
    next_moment,
    read_probes,
)
from ctrlkit.fakes.cluster.node.runtime import Exec, Grpc, HttpGet, TcpSocket

KINDS = st.sampled_from(ProbeKind)


def probe(
    kind: ProbeKind = ProbeKind.READINESS, *, successes: int = 1, failures: int = 3, period_s: float = 10
) -> Probe:
    action = Exec(("true",))
    return Probe(kind=kind, action=action, success_threshold=successes, failure_threshold=failures, period_s=period_s)


# ---- counting --------------------------------------------------------------------------------------------------------


@dataclass
class Worker:
    """What a kubelet's prober keeps of one probe, written down step by step."""

    verdict: str
    last: bool | None = None
    run: int = 0
    on_hold: bool = False

    def see(self, kind: ProbeKind, passed: bool, successes: int, failures: int) -> None:
        if self.on_hold:
            return
        self.run = self.run + 1 if self.last == passed else 1
        self.last = passed
        if (not passed and self.run < failures) or (passed and self.run < successes):
            return
        self.verdict = "success" if passed else "failure"
        if (kind is ProbeKind.LIVENESS and not passed) or kind is ProbeKind.STARTUP:
            self.on_hold, self.run = True, 0


FIRST = {ProbeKind.LIVENESS: "success", ProbeKind.READINESS: "failure", ProbeKind.STARTUP: "unknown"}


@given(KINDS, st.lists(st.sampled_from([True, False, None])), st.integers(1, 4), st.integers(1, 4))
def test_for_any_results_and_restarts_the_verdict_is_that_of_a_kubelets_worker(
    kind: ProbeKind, results: list[bool | None], successes: int, failures: int
) -> None:
    """None is a restart: the verdict begins anew, the count of the last results goes on."""
    one = probe(kind, successes=successes, failures=failures)
    course, worker = first_course(kind), Worker(FIRST[kind])
    for passed in results:
        if passed is None:
            course, worker.verdict, worker.on_hold = first_course(kind, course), FIRST[kind], False
        elif not course.on_hold:
            course = course.after(one, passed=passed)
            worker.see(kind, passed, successes, failures)
        seen = (course.verdict.value, course.passed, course.streak, course.on_hold)
        assert seen == (worker.verdict, worker.last, worker.run, worker.on_hold)


@given(st.lists(st.booleans()), st.integers(1, 4), st.integers(1, 4))
def test_for_any_results_readiness_changes_only_after_enough_in_a_row(
    results: list[bool], successes: int, failures: int
) -> None:
    """Compared with a slow definition: the last row that was long enough decides."""
    one, course, expected = probe(successes=successes, failures=failures), first_course(ProbeKind.READINESS), False
    for count in range(1, len(results) + 1):
        course = course.after(one, passed=results[count - 1])
        if count >= successes and all(results[count - successes : count]):
            expected = True
        if count >= failures and not any(results[count - failures : count]):
            expected = False
        assert (course.verdict is Verdict.SUCCESS) is expected


def test_a_container_that_failed_before_its_restart_needs_fewer_failures_after_it() -> None:
    """As a kubelet counts on; after a kill for liveness it begins anew."""
    one = probe(ProbeKind.LIVENESS, failures=3)
    course = first_course(ProbeKind.LIVENESS)
    for _ in range(2):
        course = course.after(one, passed=False)
    course = first_course(ProbeKind.LIVENESS, course)
    assert course.verdict is Verdict.SUCCESS
    course = course.after(one, passed=False)
    assert (course.verdict, course.on_hold) == (Verdict.FAILURE, True)
    course = first_course(ProbeKind.LIVENESS, course).after(one, passed=False)
    assert (course.verdict, course.streak) == (Verdict.SUCCESS, 1)


def test_what_the_verdicts_mean_for_a_container() -> None:
    """Liveness comes before startup; nothing is ready that has not started; what has no probe is well."""

    def health(**verdicts: Verdict) -> Health:
        return health_of((probe(ProbeKind(name)), Course(verdict)) for name, verdict in verdicts.items())

    assert health() == Health(started=True, ready=True)
    assert health(startup=Verdict.UNKNOWN, readiness=Verdict.SUCCESS) == Health(started=False, ready=False)
    assert health(startup=Verdict.SUCCESS, readiness=Verdict.FAILURE) == Health(started=True, ready=False)
    assert health(startup=Verdict.FAILURE) == Health(started=False, ready=False, failed=ProbeKind.STARTUP)
    assert health(startup=Verdict.FAILURE, liveness=Verdict.FAILURE).failed is ProbeKind.LIVENESS


@pytest.mark.parametrize("kind", ProbeKind)
def test_which_probes_are_asked(kind: ProbeKind) -> None:
    """Until a container has started the startup probe alone, then the others; of a pod that ends only readiness."""
    is_startup, is_readiness = kind is ProbeKind.STARTUP, kind is ProbeKind.READINESS
    one, course = probe(kind), first_course(kind)
    assert is_wanted(one, course, started=False) is is_startup
    assert is_wanted(one, course, started=True) is not is_startup
    assert is_wanted(one, course, started=True, ending=True) is is_readiness
    assert not is_wanted(one, Course(Verdict.FAILURE, on_hold=True), started=not is_startup)


# ---- moments ---------------------------------------------------------------------------------------------------------


@given(KINDS, st.integers(0, 100), st.integers(1, 60), st.integers(0, 1000), st.integers(0, 500))
def test_for_any_times_moments_are_whole_periods_apart_and_none_is_lost(
    kind: ProbeKind, delay: int, period: int, began: int, late: int
) -> None:
    """A probe that took long is made up for once, at the last moment that has passed."""
    one = Probe(kind=kind, action=Exec(()), initial_delay_s=float(delay), period_s=float(period))
    first = first_moment(one, float(began), float(began))
    assert first - began == (delay or (0 if kind is ProbeKind.READINESS else period))
    following = next_moment(one, first, first + late)
    assert (following - first) % period == 0
    assert following == first + period or first + late - period < following <= first + late
    resumed = moment_after_start(one, first, first + late)
    if kind is ProbeKind.READINESS:
        assert resumed == first + late
    else:
        assert first + late < resumed <= first + late + period
        assert (resumed - first) % period == 0


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_a_probe_is_read_with_the_servers_defaults() -> None:
    """The probe of the bitcoin controller, and one of each other kind."""
    command = ["/usr/local/bin/bitcoin-cli", "getnetworkinfo"]
    container = {"readinessProbe": {"exec": {"command": command}, "initialDelaySeconds": 5, "periodSeconds": 5}}
    wanted = Probe(kind=ProbeKind.READINESS, action=Exec(tuple(command)), initial_delay_s=5.0, period_s=5.0)
    assert read_probes(container) == {ProbeKind.READINESS: wanted}
    headers = [{"name": "Host", "value": "x"}, {"name": "X"}]
    probes = {
        "ports": [{"name": "web", "containerPort": 8080}],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {}}],
        "livenessProbe": {
            "httpGet": {"port": "web", "path": "/x", "scheme": "HTTPS", "host": "h", "httpHeaders": headers},
            "terminationGracePeriodSeconds": 0,
        },
        "readinessProbe": {"tcpSocket": {"port": 80, "host": "h"}},
        "startupProbe": {"grpc": {"port": 90, "service": "s"}},
    }
    found = {kind: one.action for kind, one in read_probes(probes).items()}
    assert found == {
        ProbeKind.LIVENESS: HttpGet(8080, "/x", scheme="https", host="h", headers=(("Host", "x"), ("X", ""))),
        ProbeKind.READINESS: TcpSocket(80, "h"),
        ProbeKind.STARTUP: Grpc(90, "s"),
    }
    assert [grace_of(probes, kind) for kind in (ProbeKind.LIVENESS, ProbeKind.STARTUP, None)] == [0.0, None, None]
    said = {**probes, "livenessProbe": {"exec": {"command": ["$(A)$(B)$(C)"]}}}
    assert read_probes(said)[ProbeKind.LIVENESS].action == Exec(("1$(C)",))
    assert read_probes({}) == {}


@pytest.mark.parametrize(
    ("port", "message"),
    [
        ("nowhere", 'strconv.Atoi: parsing "nowhere": invalid syntax'),
        (0, "invalid port number: 0"),
        (70000, "invalid port number: 70000"),
    ],
)
def test_a_port_that_there_is_not_cannot_be_asked(port: int | str, message: str) -> None:
    """The probe says so each time, instead of being taken for one that holds."""
    found = read_probes({"readinessProbe": {"tcpSocket": {"port": port}}})
    assert found[ProbeKind.READINESS].action == Impossible(message)
    assert read_probes({"readinessProbe": {"tcpSocket": {"port": "80"}}})[ProbeKind.READINESS].action == TcpSocket(80)
