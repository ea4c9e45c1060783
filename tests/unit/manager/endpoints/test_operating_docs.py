"""docs/operating.md lists the metrics there are, with their types and labels, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ctrlkit
from ctrlkit.manager.endpoints import Endpoints
from ctrlkit.manager.endpoints.debug import picture
from ctrlkit.manager.endpoints.heartbeat import Heartbeat
from ctrlkit.manager.endpoints.metrics import registry
from ctrlkit.manager.settings import settings_known
from tests.unit.manager.endpoints.support import Standing

DOCUMENT = Path(ctrlkit.__file__).parent.parent / "docs" / "operating.md"
ROW = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \|([^|]*)\|[^|]+\|[A-Z0-9, ]*\|$")
Listed = dict[str, tuple[str, tuple[str, ...]]]


def listed() -> Listed:
    """Name -> type and labels, those that a section's families share included."""
    found: Listed = {}
    shared: list[str] = []
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("#"):
            shared = []
        elif line.startswith("Each carries "):
            shared = re.findall(r"`(\w+)`", line)
        elif match := ROW.match(line):
            name, kind, more = match.groups()
            assert name not in found, name
            found[name] = (kind, (*shared, *re.findall(r"`(\w+)`", more)))
    return found


def live() -> Iterator[tuple[str, tuple[str, tuple[str, ...]]]]:
    """The same of a registry. Families without samples know their labels too, though not in public."""
    made = registry(Standing(), heartbeat=Heartbeat())
    described = {
        family.name: family
        for collector in made._collector_to_names
        for family in getattr(collector, "describe", tuple)()
    }
    for family in made.collect():  # names of counters are without their ending
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if family.name in described:
            labels = tuple(described[family.name]._labelnames)
        else:
            labels = tuple(family.samples[0].labels)
        yield name, (family.type, labels)


def test_every_metric_is_listed_and_no_other() -> None:
    """With its type, and its labels in their order."""
    assert listed() == dict(live())


async def test_every_section_of_the_debug_page_is_described() -> None:
    """Under the name that the page shows."""
    text = DOCUMENT.read_text()
    table = text[text.index("| section | what it shows |") : text.index("## The level of the log")]
    rows = re.findall(r"^\| ([a-z, ]+) \|", table, re.MULTILINE)
    described = {name.strip() for row in rows for name in row.split(",")} - {"section"}
    assert described == set(picture(Standing(), Endpoints(), Heartbeat()))


QUERIES = (
    # reconciles
    'sum by (controller) (rate(controller_runtime_reconcile_total{namespace="$namespace"}[5m]))',
    'sum by (controller) (rate(controller_runtime_reconcile_total{result="error"}[5m]))',
    'sum by (controller) (rate(controller_runtime_reconcile_total{result=~"requeue|requeue_after|success"}[5m]))',
    "sum by (controller) (rate(controller_runtime_reconcile_errors_total[5m]))",
    "sum by (controller) (rate(controller_runtime_terminal_reconcile_errors_total[5m]))",
    "increase(controller_runtime_reconcile_panics_total[1h]) > 0",
    "increase(controller_runtime_reconcile_timeouts_total[1h]) > 0",
    "histogram_quantile(0.99, sum by (controller, le) (rate(controller_runtime_reconcile_time_seconds_bucket[5m])))",
    "rate(controller_runtime_reconcile_time_seconds_sum[5m]) / controller_runtime_reconcile_time_seconds_count",
    "controller_runtime_active_workers / controller_runtime_max_concurrent_reconciles",
    # queues
    'sum by (name) (workqueue_depth{job="$job"})',
    "max by (controller, priority) (workqueue_depth)",
    "sum by (name) (rate(workqueue_adds_total[5m]))",
    "sum by (name) (rate(workqueue_retries_total[5m]))",
    "histogram_quantile(0.5, sum by (name, le) (rate(workqueue_queue_duration_seconds_bucket[5m])))",
    "histogram_quantile(0.99, sum by (name, le) (rate(workqueue_work_duration_seconds_bucket[5m])))",
    "max by (controller) (workqueue_longest_running_processor_seconds)",
    "sum by (name) (workqueue_unfinished_work_seconds)",
    # calls, leases, process
    'sum by (code, method) (rate(rest_client_requests_total{code=~"4..|5.."}[5m]))',
    "sum by (host) (rate(rest_client_requests_total[5m]))",
    "max by (name) (leader_election_master_status)",
    "increase(leader_election_slowpath_total[1h])",
    "rate(process_cpu_seconds_total[5m])",
    "process_resident_memory_bytes",
    "process_open_fds / process_max_fds",
    "increase(certwatcher_read_certificate_errors_total[1h])",
)
"""What panels and alerts for controller-runtime ask."""

SCRAPED = {"job", "namespace", "pod", "instance"}
"""Labels that the scraper adds."""


@pytest.mark.behaviour("K15", "Q17", "Q19", "L15", "C7")
@pytest.mark.parametrize("query", QUERIES)
def test_panels_made_for_controller_runtime_find_what_they_ask_for(query: str) -> None:
    """Each name is here, and has the labels by which it is chosen and added up."""
    known, asked = listed(), re.sub(r'"[^"]*"', "", query)
    names = re.findall(r"\b[a-z]+_[a-z_]+\b(?!\s*\()", asked)
    labels = {label for group in re.findall(r"by \(([^)]*)\)", asked) for label in group.split(", ")}
    for name in names:
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        assert family in known, name
        kind, has = known[family]
        chosen = set(re.findall(rf"{name}{{(\w+)=", asked))
        assert labels | chosen <= {*has, *SCRAPED, *(["le"] if kind == "histogram" else [])}


def test_every_setting_is_listed_with_its_default_and_its_help() -> None:
    """In the words of `--help`, and no other."""
    section = DOCUMENT.read_text().partition("## Settings\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    defaults = {known.name: f"`{known.default}`" if known.default else "" for known in settings_known().values()}
    assert rows == [
        f"| `{known.name}` | {defaults[known.name]} | {known.help} |" for known in settings_known().values()
    ]
