"""Rules for Prometheus out of alerts: the groups of a rule file, as data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ctrlkit.deploy.monitoring.alerts import ALERTS, Alert
from ctrlkit.deploy.monitoring.expressions import of_series

RUNBOOKS: Final = "docs/monitoring.md"
"""The page with a section for each alert, below the root of ctrlkit's repository or site."""


def rule(alert: Alert, *, expression: Any, runbook: Any) -> dict[str, Any]:
    """Return a rule; its expression and the address of its runbook are texts, or places of a chart."""
    return {
        "alert": alert.name,
        "expr": expression,
        **({"for": alert.lasts} if alert.lasts else {}),
        "labels": {"severity": alert.severity.value},
        "annotations": {"summary": alert.summary, "description": alert.description, "runbook_url": runbook},
    }


def rule_file(
    name: str, *, series: str, runbooks: str = RUNBOOKS, alerts: Sequence[Alert] = ALERTS
) -> dict[str, list[dict[str, Any]]]:
    """
    Return a rule file, or the spec of a PrometheusRule: one group of that name, about the series that matchers select.

    >>> group, = rule_file("greeter", series='job="greeter-metrics"')["groups"]
    >>> group["name"], group["rules"][0]["expr"], group["rules"][0]["annotations"]["runbook_url"]
    ('greeter', 'absent(ctrlkit_info{job="greeter-metrics"})', 'docs/monitoring.md#ctrlkitprogramabsent')
    """
    rules = [
        rule(one, expression=of_series(one.expression, series), runbook=f"{runbooks}#{one.anchor}") for one in alerts
    ]
    return {"groups": [{"name": name, "rules": rules}]}
