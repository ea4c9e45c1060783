"""
What an operator wants to see of a manager at one moment, as plain data: page.py shows it, JSON carries it.

    program, settings             what runs, and how it was set up
    checks                        what /healthz and /readyz say
    leases, replicas, shards      who leads, and which share is whose
    controllers, queues           how much is done, and how much waits
    running, retries              what runs since when, what failed and when it is tried again
    caches, scopes, handlers      what is mirrored, why it may be behind, and who has yet to see it
    quarantined                   objects that cannot be used
    recorders                     Events on their way

Each section is a mapping, or a table of at most ROWS_MAX rows and the number of the rest. There are names and the texts
of errors in it, and neither bodies nor secrets.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ctrlkit import clock
from ctrlkit.manager.endpoints.debug_caches import cache_sections
from ctrlkit.manager.endpoints.debug_controllers import controller_sections
from ctrlkit.manager.endpoints.health import CheckKind
from ctrlkit.manager.endpoints.heartbeat import Heartbeat
from ctrlkit.manager.endpoints.options import Endpoints
from ctrlkit.manager.endpoints.own_checks import checks_of
from ctrlkit.manager.endpoints.served import electors_of
from ctrlkit.manager.endpoints.tables import Row, cut, seconds, table
from ctrlkit.telemetry import log_level

if TYPE_CHECKING:
    from ctrlkit.election import ElectionStatus
    from ctrlkit.events import EventRecorder
    from ctrlkit.manager.endpoints.served import Served


def picture(manager: Served, options: Endpoints, heartbeat: Heartbeat) -> Mapping[str, Any]:
    """The sections, by name, in the order in which they are read."""
    return {
        "program": {
            "now": clock.micro_timestamp(clock.now()),
            "pid": os.getpid(),
            "ctrlkit": _version(),
            "python": platform.python_version(),
            "log_level": log_level(),
            "loop_lag_worst_s": seconds(heartbeat.worst_s),
        },
        "settings": {**manager.settings, **asdict(options)},
        "checks": table(_checks(manager, heartbeat)),
        "leases": table(_lease(elector.status()) for elector in electors_of(manager)),
        "replicas": _group(manager),
        "shards": table(_shards(manager)),
        **controller_sections(manager.controllers),
        **cache_sections(manager.informers),
        "recorders": table(map(_recorder, manager.recorders)),
    }


@cache
def _version() -> str:
    try:
        return version("ctrlkit")
    except PackageNotFoundError:
        return "not installed"


def _checks(manager: Served, heartbeat: Heartbeat) -> Iterator[Row]:
    rows = []
    for kind in CheckKind:
        for name, check in checks_of(manager, heartbeat, kind).items():
            finding = check()
            rows.append({"kind": kind.value, "check": name, "ok": not finding.failed, "note": cut(finding.note)})
    return iter(sorted(rows, key=lambda row: row["ok"]))


def _lease(status: ElectionStatus) -> Row:
    return {
        "lease": status.name,
        "identity": status.identity,
        "holder": status.holder,
        "leading": status.leading,
        "since": status.since,
        "transitions": status.transitions,
        "renewed_s_ago": seconds(status.renewed_s_ago),
        "last_error": cut(status.last_error),
    }


def _shards(manager: Served) -> Iterator[Row]:
    """Each shard, this replica's own first."""
    if manager.sharding is None:
        return
    status = manager.sharding.status()
    own = dict.fromkeys(status.held, "held")
    own |= dict.fromkeys(status.waiting, "waiting for it")
    own |= dict.fromkeys(status.handing_over, "handing it over")
    for number in (*own, *(number for number in range(status.shards) if number not in own)):
        yield {
            "shard": number,
            "this_replica": own.get(number, ""),
            "holder": status.holders.get(number, ""),
            "planned": status.plan.get(number, ""),
        }


def _group(manager: Served) -> Mapping[str, Any]:
    if manager.sharding is None:
        return {}
    status = manager.sharding.status()
    return {
        "group": status.name,
        "members": status.members,
        "shards": status.shards,
        "looked_s_ago": seconds(status.looked_s_ago),
        "last_error": cut(status.last_error),
    }


def _recorder(recorder: EventRecorder) -> Row:
    return {"component": recorder.component, **asdict(recorder.statistics())}
