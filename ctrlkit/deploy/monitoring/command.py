"""
`ctrlkit monitoring`: alerts and dashboard as plain files, for Prometheus and Grafana without operator and sidecar.

`ctrlkit manifests` makes objects of a cluster of the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Final

from ctrlkit.cli import Command
from ctrlkit.crd.manifest import dump
from ctrlkit.deploy.monitoring.dashboard import dashboard
from ctrlkit.deploy.monitoring.expressions import checked
from ctrlkit.deploy.monitoring.rules import RUNBOOKS, rule_file

_EPILOG: Final = """\
examples:
  ctrlkit monitoring --dashboard > dashboard.json           # import it into Grafana 10 or later
  ctrlkit monitoring --rules 'job="greeter"' > rules.yaml   # name it in prometheus.yml, below rule_files
  promtool check rules rules.yaml

The dashboard shows all programs that a Prometheus reads, and lets its reader choose. Rules are about one program:
MATCHERS are the labels by which Prometheus knows it, as its page of targets shows them.
What each alert means is in docs/monitoring.md.
exit status: 0; 1 for what are no matchers; 2 for bad arguments.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.allow_abbrev = False
    one_of = parser.add_mutually_exclusive_group(required=True)
    one_of.add_argument("--dashboard", action="store_true", help="print the dashboard, as JSON for Grafana")
    one_of.add_argument(
        "--rules", metavar="MATCHERS", help="print the alert rules about these series, as YAML for Prometheus"
    )
    parser.add_argument("--title", metavar="TEXT", default="ctrlkit", help="of dashboard and group of rules [ctrlkit]")
    parser.add_argument(
        "--runbooks", metavar="URL", default=RUNBOOKS, help=f"the page that alerts link to [{RUNBOOKS}]"
    )


def _run(arguments: argparse.Namespace) -> int:
    if arguments.dashboard:
        said = "Programs that were made with ctrlkit."
        sys.stdout.write(json.dumps(dashboard(arguments.title, said=said), indent=1) + "\n")
        return 0
    sys.stdout.write(dump(rule_file(arguments.title, series=checked(arguments.rules), runbooks=arguments.runbooks)))
    return 0


COMMAND: Final = Command(
    name="monitoring",
    help="print alert rules for Prometheus and a dashboard for Grafana",
    configure=_configure,
    run=_run,
)
