"""The rules as Prometheus itself takes them: each alert fires where something is broken, and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.cli import main
from ctrlkit.deploy.monitoring import ALERTS
from ctrlkit.deploy.monitoring.expressions import matchers_of
from tests.support.promtool import needs_promtool, promtool, tried

SERIES = matchers_of(job="greeter-metrics", namespace="demo")
DAY_S = 24 * 3600


@dataclass(frozen=True)
class Case:
    """Some series minute by minute, as promtool writes them, and whether an alert fires at a minute."""

    alert: str
    what: str
    series: dict[str, str]
    minute: int
    fires: bool


def fires(alert: str, what: str, minute: int, **series: str) -> Case:
    """The alert fires then."""
    return Case(alert, what, series, minute, fires=True)


def silent(alert: str, what: str, minute: int, **series: str) -> Case:
    """It does not."""
    return Case(alert, what, series, minute, fires=False)


CASES = (
    fires("ProgramAbsent", "it was never there", 11),
    fires("ProgramAbsent", "it is gone", 40, ctrlkit_info="1x20"),
    silent("ProgramAbsent", "it is there", 40, ctrlkit_info="1x60"),
    silent("ProgramAbsent", "a rollout takes some minutes", 26, ctrlkit_info="1x10 _x7 1x30"),
    fires("ProgramRestarts", "it restarts each ten minutes", 50, process_start_time_seconds="0x9 1x9 2x9 3x9 4x9"),
    silent("ProgramRestarts", "it restarted three times", 50, process_start_time_seconds="0x9 1x9 2x9 3x29"),
    fires(
        "NobodyLeads",
        "two standbys",
        6,
        leader_election_master_status__a="0x20",
        leader_election_master_status__b="0x20",
    ),
    silent(
        "NobodyLeads",
        "a leader and a standby",
        20,
        leader_election_master_status__a="0x20",
        leader_election_master_status__b="1x20",
    ),
    silent(
        "NobodyLeads",
        "a leader that is replaced",
        9,
        leader_election_master_status__a="1x5 0x20",
        leader_election_master_status__b="0x8 1x20",
    ),
    fires("LeaseRenewalsFail", "half of all tries", 30, leader_election_renew_failures_total="0+15x40"),
    silent("LeaseRenewalsFail", "a restart of the server", 20, leader_election_renew_failures_total="0x10 20x30"),
    fires("CacheFailing", "a right was taken away", 11, informer_failing="1x20"),
    silent("CacheFailing", "an outage", 30, informer_failing="1x8 _x30"),
    fires("ObjectsQuarantined", "two that stay", 16, informer_quarantined_items="2x20"),
    silent("ObjectsQuarantined", "none", 30, informer_quarantined_items="0x40"),
    silent("ObjectsQuarantined", "until they are rewritten", 30, informer_quarantined_items="0x5 2x9 0x40"),
    fires("ChangesLost", "a mapper raised", 8, controller_source_failures_total="0x5 1x60"),
    fires("ChangesLost", "a handler raised", 8, informer_handler_failures_total="0x5 1x60"),
    fires("ChangesLost", "an index function raised", 8, informer_index_failures_total="0x5 1x60"),
    silent("ChangesLost", "long ago", 80, controller_source_failures_total="0x5 1x90"),
    fires("KeysFailing", "one key", 16, controller_longest_failing_seconds__error="0+60x20"),
    fires("KeysFailing", "one that takes too long", 16, controller_longest_failing_seconds__timeout="0+60x20"),
    silent(
        "KeysFailing",
        "another each ten minutes",
        55,
        controller_longest_failing_seconds__error="0+60x10 0+60x10 0+60x10 0+60x10 0+60x10",
    ),
    silent(
        "KeysFailing", "one that is not tried again", 80, controller_longest_failing_seconds__terminal_error="0+60x90"
    ),
    fires("KeysWaiting", "a service that does not answer", 31, controller_longest_waiting_seconds="0+60x40"),
    silent(
        "KeysWaiting",
        "another rollout each half an hour",
        80,
        controller_longest_waiting_seconds="0+60x28 0+60x28 0+60x28",
    ),
    fires("KeysGivenUp", "for an hour", 61, controller_longest_failing_seconds__terminal_error="0+60x70"),
    silent("KeysGivenUp", "its owner mends it", 70, controller_longest_failing_seconds__terminal_error="0+60x50 0x50"),
    fires("KeysStuck", "one that hangs", 16, workqueue_longest_running_processor_seconds="0+60x20"),
    silent(
        "KeysStuck",
        "many that take ten minutes",
        44,
        workqueue_longest_running_processor_seconds="0+60x10 0+60x10 0+60x10 0+60x10",
    ),
    fires(
        "BacklogGrows",
        "more comes than is done",
        60,
        controller_runtime_active_workers="1x70",
        controller_runtime_max_concurrent_reconciles="1x70",
        workqueue_depth="0+10x70",
    ),
    silent(
        "BacklogGrows",
        "a start",
        60,
        controller_runtime_active_workers="1x70",
        controller_runtime_max_concurrent_reconciles="1x70",
        workqueue_depth="7000-100x70",
    ),
    silent(
        "BacklogGrows",
        "a standby that is not to work",
        60,
        controller_runtime_active_workers="0x70",
        controller_runtime_max_concurrent_reconciles="1x70",
        workqueue_depth="0+10x70",
    ),
    silent(
        "BacklogGrows",
        "busy, and on time",
        60,
        controller_runtime_active_workers="1x70",
        controller_runtime_max_concurrent_reconciles="1x70",
        workqueue_depth="0x70",
    ),
    fires("EventLoopHeld", "a fifth of the time", 25, event_loop_lag_seconds_sum="0+12x40"),
    silent("EventLoopHeld", "now and then", 25, event_loop_lag_seconds_sum="0+1x40"),
    silent("EventLoopHeld", "a minute once", 25, event_loop_lag_seconds_sum="0x5 60x40"),
    fires(
        "WebhookFails",
        "one of eleven",
        25,
        controller_runtime_webhook_requests_total__200="0+60x40",
        controller_runtime_webhook_requests_total__500="0+6x40",
    ),
    silent("WebhookFails", "one failed", 20, controller_runtime_webhook_requests_total__500="0x5 1x40"),
    silent("WebhookFails", "it refuses", 30, controller_runtime_webhook_requests_total__403="0+60x40"),
    fires("WebhookCertificateEnds", "in 19 days", 62, webhook_certificate_end_seconds=f"{19 * DAY_S}x90"),
    silent("WebhookCertificateEnds", "in 27 days", 62, webhook_certificate_end_seconds=f"{27 * DAY_S}x90"),
)

LABELS = {
    "ctrlkit_info": {"program": "greeter", "version": "1"},
    "leader_election_": {"name": "greeter"},
    "informer_handler": {"name": "caches", "handler": "controller:caches"},
    "informer_failing": {"name": "caches", "scope": "team-a", "verb": "list", "cause": "forbidden"},
    "informer_": {"name": "caches"},
    "controller_runtime_webhook": {"webhook": "/validate-cache"},
    "controller_": {"controller": "caches"},
    "workqueue_depth": {"name": "caches", "controller": "caches", "priority": "0"},
    "workqueue_": {"name": "caches", "controller": "caches"},
}
"""Labels of series, by how their names begin; the first that fits counts."""
TOLD_APART: dict[str, str] = {
    "leader_election_master_status": "instance",
    "controller_longest_failing_seconds": "result",
    "controller_runtime_webhook_requests_total": "code",
}
"""Of which label the ending of a name in CASES is the value."""


def series(named: str) -> str:
    """A series as promtool reads it."""
    name, _, value = named.partition("__")
    said = next((found for start, found in LABELS.items() if name.startswith(start)), {})
    more = {TOLD_APART[name]: value} if value else {}
    return f"{name}{{{SERIES}, {matchers_of(**{'instance': 'a', **said, **more})}}}"


def asked(case: Case) -> dict[str, Any]:
    """A test for promtool."""
    name = f"Ctrlkit{case.alert}"
    return {
        "name": f"{name}: {case.what}",
        "interval": "1m",
        "input_series": [{"series": series(one), "values": values} for one, values in case.series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing", job="greeter-metrics"}})',
                "eval_time": f"{case.minute}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if case.fires else [],
            }
        ],
    }


def test_each_alert_is_tried_broken_and_well() -> None:
    """At least once each."""
    assert {f"Ctrlkit{case.alert}" for case in CASES if case.fires} == {alert.name for alert in ALERTS}
    assert {f"Ctrlkit{case.alert}" for case in CASES if not case.fires} >= {alert.name for alert in ALERTS}


@needs_promtool
def test_promtool_finds_no_fault_with_the_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that the command prints, with all its lints."""
    assert main(["monitoring", "--rules", SERIES]) == 0
    (tmp_path / "rules.yaml").write_text(capsys.readouterr().out)
    assert f"{len(ALERTS)} rules found" in promtool(
        "check", "rules", "--lint=all", "--lint-fatal", tmp_path / "rules.yaml"
    )


@needs_promtool
@pytest.mark.long
def test_alerts_fire_where_something_is_broken_and_nowhere_else(tmp_path: Path) -> None:
    """By Prometheus' own evaluation, minute by minute."""
    assert "SUCCESS" in tried(tmp_path, SERIES, *map(asked, CASES), every="1m")


@needs_promtool
@pytest.mark.long
def test_texts_of_alerts_are_filled_in(tmp_path: Path) -> None:
    """Every label that they name has a value; promtool shows them where it expected none."""
    first = {case.alert: case for case in reversed(CASES) if case.fires}
    tests = [
        {
            "interval": "1m",
            "input_series": asked(case)["input_series"],
            "alert_rule_test": [
                {"eval_time": f"{case.minute}m", "alertname": f"Ctrlkit{case.alert}", "exp_alerts": []}
            ],
        }
        for case in first.values()
    ]
    with pytest.raises(AssertionError) as caught:
        tried(tmp_path, SERIES, *tests, every="1m")
    texts = re.findall(r'(?:summary|description)="((?:[^"\\]|\\.)*)"', str(caught.value))
    assert len(texts) == 2 * len(ALERTS)
    for text in texts:
        assert "<no value>" not in text
        assert "error expanding" not in text
        assert "  " not in text
        assert not re.search(r"\b(in|of|by) (is|fails|has|cannot)\b", text), text
    assert "A key of caches in greeter-metrics has failed for 16m 0s" in texts
