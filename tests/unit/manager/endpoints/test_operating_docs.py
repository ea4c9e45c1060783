"""docs/operating.md lists the metrics, settings and limits there are, as the code has them, and no other."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import ctrlkit
from ctrlkit.backoff import Backoff
from ctrlkit.client.retries import RetryPolicy
from ctrlkit.manager.endpoints import Endpoints
from ctrlkit.manager.endpoints.debug import picture
from ctrlkit.manager.endpoints.health import Heartbeat
from ctrlkit.manager.settings import settings_known
from tests.unit.manager.endpoints.support import families, standing

PACKAGE = Path(ctrlkit.__file__).parent
DOCUMENT = PACKAGE.parent / "docs" / "operating.md"
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


def test_every_metric_is_listed_and_no_other() -> None:
    """With its type, and its labels in their order."""
    assert listed() == dict(families())


async def test_every_section_of_the_debug_page_is_described() -> None:
    """Under the name that the page shows."""
    text = DOCUMENT.read_text()
    table = text[text.index("| section | what it shows |") : text.index("## The level of the log")]
    rows = re.findall(r"^\| ([a-z, ]+) \|", table, re.MULTILINE)
    described = {name.strip() for row in rows for name in row.split(",")} - {"section"}
    assert described == set(picture(standing(), Endpoints(), Heartbeat()))


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


# ---- time limits, patience and caps ----------------------------------------------------------------------------------


LIMIT = re.compile(r"^\| `([\w.]+)` \| ([^|]+) \| [^|]+ \| ")

NO_LIMITS = {
    "scaffold.names.KIND_MAX",  # of names, which Kubernetes limits
    "scaffold.folder._SHOWN",  # how much of something is said
    "model.streams.CLOSED",  # a word of the protocol
    "wire.websocket._NORMAL",
    "wire.websocket._ENDS",
    "client.exec._PIECE_BYTES",  # how something is sent
    "cache.reflector.machine.BAD_GATEWAY",  # codes and numbers of others
    "wire.yaml_body.LEVELS_MAX",  # of bodies that only the embedded server reads
    "wire.yaml_body._REPEATS_FREE",
    "wire.yaml_numbers._DIGITS_MAX",  # of a number of 64 bits
    "election.lease._INT32_MAX",
    "exits.BAD_ARGUMENTS",
    "exits.BROKEN_PIPE",
    "exits.INTERRUPTED",
    "manager.signals.SIGNALS",
    "controller.runs.BUCKETS_S",  # how something is shown
    "crd.manifest.WIDTH",
    "crd.manifest.DOCUMENT_LINES",
    "webhooks.denied._FORBIDDEN",
    "webhooks.denied._INVALID",
    "webhooks.admission._INVALID",
    "deploy.values._WIDTH",
    "deploy.monitoring.dashboard._SCHEMA",
    "deploy.monitoring.dashboard._WIDTH",
    "deploy.program.METRICS_PORT",  # a port, as the setting has it
    "histogram.LATENCY_BUCKETS_S",
    "workqueue.statistics.BUCKETS_S",
    "cache.metrics.VERSION_DIGITS",
    "workqueue.fifo.NORMAL",  # priorities, and what they are worth
    "workqueue.fifo.LOW",
    "workqueue.fifo.UNLISTED",
    "workqueue.order.POINT_S",
    "workqueue.order.SLACK",  # how an algorithm does its work
    "workqueue.delayed.SLACK",
    "workqueue.delayed.SLOT_S",
    "workqueue.delayed.NEVER_S",
    "workqueue.delayed._LAST_START",
    "wire.list_parts.TRIES",
    "wire.config.document._BASES",
    "wire.config.tls._UTC_TIME",
    "wire.config.tls._VERSION",
    "wire.documents._DIGITS",
    "wire.documents._LEVELS",
    "wire.list_parts._LONGEST_BEGIN",
    "election.state._TICK",
    "controller.sources.schedule._YEARS",
    "cli.embedded._LOOK_S",  # between two looks, within a limit
}
"""Constants with a number that nobody waits for, and that bound nothing."""


def shown(name: str, value: object) -> str:
    """A constant's value as the page shows it."""
    match value:
        case timedelta():
            return f"{value.total_seconds():g} s"
        case Backoff():
            return f"{value.base_s:g} s, x {value.factor:g} each time, {value.cap_s:g} s at most"
        case RetryPolicy():
            return f"{value.tries} tries, {value.first_s:g} s apart, x {value.factor:g} each time"
        case tuple():
            return f"{value[0]:g} to {value[-1]:g} s"
        case int() if "BYTES" in name and value % 1024 == 0:
            return f"{value // 1024} KiB"
        case int() | float():
            return f"{value:g} s" if name.endswith("_S") else str(value)
    raise AssertionError(f"{name}: no words for {value!r}")


def _is_number(value: object) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(_is_number(part) for part in value)
    return isinstance(value, int | float | timedelta | Backoff | RetryPolicy) and not isinstance(value, bool)


def constants() -> Iterator[tuple[str, str]]:
    """Each constant of a module that is a number, a time, or a policy made of such, and how the page shows it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        places = path.relative_to(PACKAGE).with_suffix("").parts
        if places[-1] == "__main__":
            continue
        module = ".".join(places).removesuffix(".__init__")
        for statement in ast.parse(path.read_text()).body:
            targets = getattr(statement, "targets", [getattr(statement, "target", None)])
            for target in targets:
                if isinstance(target, ast.Name) and target.id.strip("_").isupper():
                    value = getattr(importlib.import_module(f"ctrlkit.{module}"), target.id)
                    if _is_number(value):
                        yield f"{module}.{target.id}", shown(target.id, value)


def limits_listed() -> dict[str, str]:
    """The rows of the page's section."""
    section = DOCUMENT.read_text().partition("## Time limits, patience and caps\n")[2].partition("\n## ")[0]
    rows = [match for line in section.splitlines() if (match := LIMIT.match(line))]
    found = {match[1]: match[2] for match in rows}
    assert len(rows) == len(found), "one row for each"
    return found


def test_every_limit_is_on_the_page_with_its_value_and_no_other() -> None:
    """A new constant gets a row there; one that is no limit is named in NO_LIMITS."""
    known = dict(constants())
    assert known.keys() >= NO_LIMITS
    assert limits_listed() == {name: value for name, value in known.items() if name not in NO_LIMITS}
