"""Alerts ask for what a program serves, say what to do, and each has its section in docs/monitoring.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ctrlkit.deploy.monitoring import ALERTS, Alert
from ctrlkit.deploy.monitoring.expressions import of_series
from ctrlkit.deploy.objects import parts_of
from ctrlkit.deploy.values import values_of
from tests.support.caches import described
from tests.support.promql import labels, reads
from tests.unit.manager.endpoints.support import families

KNOWN = dict(families())
ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
LOGGING = (ROOT / "docs" / "logging.md").read_text(encoding="utf-8")
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
CHOSEN = 'job="a", namespace="b"'


@pytest.mark.parametrize("alert", ALERTS, ids=lambda one: one.name)
def test_an_alert_asks_for_metrics_and_labels_that_there_are(alert: Alert) -> None:
    """And says by which of them it is found: its texts name no label that its expression does not have."""
    expression = of_series(alert.expression, CHOSEN)
    assert reads(expression, KNOWN)
    named = set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.description))
    found = labels(expression, KNOWN)
    assert {"job", "namespace"} <= found
    assert named <= found


def test_every_series_of_an_alert_is_chosen() -> None:
    """Each metric has the mark, so that no other program's are looked at."""
    for alert in ALERTS:
        names = re.findall(r"\b(\w+)\{@", alert.expression)
        assert set(names) == {re.sub(r"\W", "", name) for name in names}
        bare = re.sub(r"\b\w+\{@[^}]*\}", "", alert.expression)
        assert not any(re.search(rf"\b{name}(_bucket|_sum|_count)?\b", bare) for name in KNOWN), alert.name


@pytest.mark.parametrize("alert", ALERTS, ids=lambda one: one.name)
def test_an_alert_says_what_is_wrong_and_where_to_look(alert: Alert) -> None:
    """A summary of one line, a description with a next step; log lines, sections and settings that they name exist."""
    assert "\n" not in alert.summary
    assert not alert.summary.endswith(".")
    assert alert.description.endswith(".")
    assert alert.because
    assert re.fullmatch(r"|\d+[mh]", alert.lasts)
    for word in re.findall(r"`(\w+)`", alert.description):
        assert f"`{word}`" in LOGGING + OPERATING or re.search(rf"^\| [a-z, ]*\b{word}\b", OPERATING, re.MULTILINE), (
            word
        )


def test_the_page_has_a_section_for_each_alert_in_their_order() -> None:
    """Which `runbook_url` leads to; it says what the alert means and what to do."""
    assert re.findall(r"^### (Ctrlkit\w+)$", PAGE, re.MULTILINE) == [alert.name for alert in ALERTS]
    for alert in ALERTS:
        section = PAGE.partition(f"### {alert.name}\n")[2].partition("\n##")[0]
        assert len(section) > 300, alert.name
        assert "\n1. " in section, f"{alert.name}: what to do, in steps"


def test_the_page_lists_the_alerts_as_they_are() -> None:
    """With severity, how long each has to hold, and why so long."""
    rows = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \| (\w+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (alert.name, alert.anchor, alert.severity.value, alert.lasts or "at once", alert.because) for alert in ALERTS
    ]


def test_the_page_names_values_and_components_that_there_are() -> None:
    """And all values of rules and dashboard."""
    values = {value.path for value in values_of(described())}
    named = set(re.findall(r"`((?:prometheusRule|grafanaDashboard|serviceMonitor)\.\w+)[`=]", PAGE))
    assert named <= values
    assert {path for path in values if re.match(r"(prometheusRule|grafanaDashboard)\.(?!enabled)", path)} <= named
    flags = set(re.findall(r"--set (\S+)=true", PAGE))
    assert flags == {"serviceMonitor.enabled", "prometheusRule.enabled", "grafanaDashboard.enabled"}
    components = set(re.findall(r"\.\./components/([\w-]+)", PAGE))
    assert components <= {part.name for part in parts_of(described()) if part.option}


def test_expressions_on_the_page_are_answered() -> None:
    """Of alerts that people add."""
    expressions = re.findall(r"^  expr: (.*)$", PAGE, re.MULTILINE)
    assert len(expressions) == 2
    for expression in expressions:
        assert reads(expression, KNOWN)
