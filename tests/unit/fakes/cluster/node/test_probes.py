"""How readiness probes are read, and what their results mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.probes import Probe, Readiness, read_probe
from ctrlkit.fakes.cluster.node.runtime import Exec, HttpGet, TcpSocket


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
