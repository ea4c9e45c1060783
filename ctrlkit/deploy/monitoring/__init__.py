"""
What is watched of a program, as data: alerts for Prometheus and a dashboard for Grafana, over the metrics of ctrlkit.

    rule_file("greeter", series='job="greeter-metrics"')     # the groups of a rule file
    dashboard("greeter")                                     # what Grafana imports

`ctrlkit manifests` puts both into base and chart, `ctrlkit monitoring` prints them.
"""

from __future__ import annotations

from ctrlkit.deploy.monitoring.alerts import ALERTS, Alert, Severity
from ctrlkit.deploy.monitoring.dashboard import ROWS, dashboard
from ctrlkit.deploy.monitoring.panels import Panel, Query, Row
from ctrlkit.deploy.monitoring.rules import RUNBOOKS, rule_file

__all__ = ["ALERTS", "ROWS", "RUNBOOKS", "Alert", "Panel", "Query", "Row", "Severity", "dashboard", "rule_file"]
