"""What brings alerts and dashboard into a cluster: a PrometheusRule, and a ConfigMap for Grafana's sidecar."""

from __future__ import annotations

import json
from typing import Final

from ctrlkit.deploy.description import Description
from ctrlkit.deploy.monitoring.alerts import ALERTS, Alert
from ctrlkit.deploy.monitoring.dashboard import dashboard
from ctrlkit.deploy.monitoring.expressions import SERIES, matchers_of, of_series
from ctrlkit.deploy.monitoring.rules import RUNBOOKS, rule
from ctrlkit.deploy.names import Names
from ctrlkit.deploy.places import Block, Place, Tree, When, from_values

SIDECAR: Final = {"grafana_dashboard": "1"}
"""The label by which the sidecar of Grafana's chart finds dashboards, unless it was told of another."""


def prometheus_rule(described: Description) -> Tree:
    """Return the PrometheusRule: the alerts about the program, for a Prometheus operator."""
    names = Names(described.program)
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": names.metadata(labels=names.labels_and("prometheusRule.labels")),
        "spec": {"groups": [{"name": names.of(), "rules": [_rule(names, one) for one in ALERTS]}]},
    }


def _rule(names: Names, alert: Alert) -> Tree:
    """A rule; in a chart unless it is left out, with what values say of series, labels and runbooks."""
    usual = matchers_of(job=names.of("-metrics").plain, namespace=names.namespace.plain)
    made = rule(
        alert,
        expression=Place(
            f'replace "{SERIES}" ({names.included("series")}) `{alert.expression}` | quote',
            of_series(alert.expression, usual),
        ),
        runbook=Place(
            f'printf "%s#{alert.anchor}" $.Values.prometheusRule.runbooks | quote', f"{RUNBOOKS}#{alert.anchor}"
        ),
    )
    labels: dict[str, str] = made["labels"]
    pairs = " ".join(f'"{key}" "{value}"' for key, value in labels.items())
    made["labels"] = Block(f"toYaml (merge (dict {pairs}) $.Values.prometheusRule.alertLabels)", labels)
    return When(f'if not (has "{alert.name}" $.Values.prometheusRule.without)', [made], plain=[made])


def grafana_dashboard(described: Description) -> Tree:
    """Return the ConfigMap with the dashboard."""
    program = described.program
    names = Names(program)
    said = program.description or f"How {program.name} is."
    text = json.dumps(dashboard(program.name, said=said), indent=1, ensure_ascii=False)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(
            "-dashboard",
            labels=names.labels_and("grafanaDashboard.labels", **SIDECAR),
            annotations=from_values("grafanaDashboard.annotations"),
        ),
        "data": {f"{program.name}.json": f"{text}\n"},
    }
