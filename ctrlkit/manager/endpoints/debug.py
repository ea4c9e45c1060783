"""
The debug page: the state of a manager at one moment, as plain data; pages/ makes HTML of it.

    headline                      what is wrong, since when, and whether this replica works (headline.py)
    alike                         the failures that several keys have in common
    failing                       the keys whose last run failed, since when, and when they are tried again
    running, ready, waiting       what runs since when, what waits for a worker, and what runs later, when and why
    queues, controllers           how much waits, and how much is done
    caches, scopes, handlers      what is cached, why it may be behind, and which handlers lag
    quarantined                   objects that cannot be used
    checks                        the results of /healthz and /readyz
    leases, replicas, shards      who leads, and which shard is whose
    recorders                     Events on their way
    program, settings             what runs, and what was set

Each section is a mapping, or a table of at most ROWS_MAX rows and the number of the rest. It has names and the texts of
errors, and neither bodies nor secrets.

Rows B1, B4, B7, B8, B14, B19, B30, B32.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from msgspec import structs

from ctrlkit import clock
from ctrlkit.cache.informer import InformerStatistics
from ctrlkit.clock import monotonic
from ctrlkit.manager.endpoints.headline import Caches, Controllers, behind_s, errors_of, headline
from ctrlkit.manager.endpoints.health import CheckKind, Heartbeat, checks_of
from ctrlkit.manager.endpoints.options import Endpoints
from ctrlkit.manager.endpoints.tables import (
    ROWS_MAX,
    Row,
    Table,
    Wanted,
    ago,
    at_wall,
    counted,
    cut,
    moment,
    seconds,
    table,
    until,
)
from ctrlkit.manager.settings import Settings
from ctrlkit.names import own_version, unique_names
from ctrlkit.telemetry import log_level

if TYPE_CHECKING:
    from ctrlkit.cache import Informer
    from ctrlkit.controller import Controller, ControllerStatistics
    from ctrlkit.controller.history import FailingKey, PastRun
    from ctrlkit.controller.keys import WaitingKey
    from ctrlkit.election import ElectionStatus
    from ctrlkit.events import EventRecorder
    from ctrlkit.manager.manager import Manager
    from ctrlkit.model import ObjectKey


def picture(
    manager: Manager, options: Endpoints, heartbeat: Heartbeat, *, controller: str = "", key: str = ""
) -> Mapping[str, Any]:
    """
    The sections, by name, in the order in which they are read.

    Shape   With `controller`, or a text that is in each `key`, the sections about controllers, keys and objects show
            these alone, before any is left out for want of room, and `keys` shows all that ran and are remembered. The
            headline is about everything.
    """
    wanted = Wanted(controller, key)
    checks = list(_checks(manager, heartbeat))
    controllers, caches = named_controllers(manager.controllers), named_caches(manager.informers)
    failed = [row for row in checks if not row["ok"]]
    return {
        "headline": headline(manager, failed, controllers, caches),
        **controller_sections(
            [each for each in controllers if wanted.takes(each[0])],
            wanted,
            elects=bool(manager.elector or manager.sharding),
        ),
        **cache_sections(caches, wanted),
        "checks": table(checks),
        "leases": table(_lease(elector.status()) for elector in manager.electors),
        "replicas": _group(manager),
        "shards": table(_shards(manager)),
        "recorders": table(map(_recorder, manager.recorders)),
        "program": program(manager, heartbeat),
        "settings": _settings(manager, options),
    }


def program(manager: Manager, heartbeat: Heartbeat) -> Row:
    """What runs, where, since when."""
    return {
        "name": manager.client.field_manager,
        "replica": replica_of(manager),
        "now": clock.micro_timestamp(clock.now()),
        "since": moment(manager.began),
        "up_s": ago(manager.began),
        "pid": os.getpid(),
        "ctrlkit": own_version(),
        "python": platform.python_version(),
        "log_level": log_level(),
        "loop_lag_worst_s": seconds(heartbeat.worst_s),
    }


def replica_of(manager: Manager) -> str:
    """The name of this replica among others; where there are none, that of its machine or pod."""
    shared = manager.sharding or manager.elector
    return platform.node() if shared is None else shared.identity


def _settings(manager: Manager, options: Endpoints) -> Row:
    """
    What somebody set: differs from the default. Settings of a program's own are left out: they may be secrets.

    A manager that was made without Settings shows those that it was made with, and those of its endpoints.
    """
    usual = {field.name: field.default for field in structs.fields(Settings)}
    shown = {name: value for name, value in manager.settings.items() if name in usual and value != usual[name]}
    if "endpoints_address" not in manager.settings:
        plain = asdict(Endpoints())
        shown |= {name: value for name, value in asdict(options).items() if value != plain[name]}
    return shown


def _checks(manager: Manager, heartbeat: Heartbeat) -> Iterator[Row]:
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


def _shards(manager: Manager) -> Iterator[Row]:
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


def _group(manager: Manager) -> Mapping[str, Any]:
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


def named_controllers(controllers: tuple[Controller, ...]) -> Controllers:
    """Each controller by its name, and its statistics."""
    return [(name, each, each.statistics()) for name, each in unique_names((each.name, each) for each in controllers)]


def controller_sections(pictures: Controllers, wanted: Wanted, *, elects: bool) -> Mapping[str, Table]:
    """
    The failures of several keys, of most first; the keys that fail, since longest first; what runs, the longest first;
    what waits for a worker, the longest first; what runs later, the next first; then each queue and each controller.

    Shape   Without `elects`, nobody is elected, and every replica runs every controller.
    """
    return {
        "alike": _alike(pictures, wanted),
        "failing": _failing(pictures, wanted),
        "running": _running(pictures, wanted),
        "ready": _ready(pictures, wanted),
        "waiting": _waiting(pictures, wanted),
        **({} if wanted.is_everything else {"keys": _keys(pictures, wanted)}),
        "queues": table(_queue(name, of) for name, _, of in pictures),
        "controllers": table(_controller(*each, elects=elects) for each in pictures),
    }


def _controller(name: str, controller: Controller, of: ControllerStatistics, *, elects: bool) -> Row:
    return {
        "controller": name,
        "runs_on": controller.replicas.value if elects else "all",
        "synced": controller.has_synced(),
        "workers": of.workers,
        "running": len(of.running),
        "stuck": len(of.stuck),
        "failing": of.failing,
        "waiting": of.waiting.keys,
        "results": {result.value: count for result, count in of.results.items() if count},
        "unforeseen": of.unforeseen,
        "timeouts": of.timeouts,
        "cancelled": of.cancelled,
        "source_failures": of.source_failures,
        "causes": {kind.value: count for kind, count in of.causes.items() if count},
        "held_for_own_writes": of.gate.held,
        "writes_not_seen": of.gate.timeouts,
    }


def _queue(name: str, of: ControllerStatistics) -> Row:
    queue = of.queue
    return {
        "controller": name,
        "wanted": sum(queue.depth.values()),
        "by_priority": {str(priority): count for priority, count in sorted(queue.depth.items(), reverse=True) if count},
        "ready": queue.ready,
        "delayed": queue.delayed,
        "retries": queue.retries,
        "idle_workers": queue.takers,
        "longest_running_s": seconds(queue.longest_s),
        "adds": queue.adds,
        "requeues": queue.requeues,
        "abandoned": queue.abandoned,
    }


def _running(pictures: Controllers, wanted: Wanted) -> Table:
    return table(
        sorted(
            (row for each in pictures for row in _runs(*each, wanted)), key=lambda row: -row["for_s"]
        )  # as many as workers
    )


def _runs(name: str, controller: Controller, of: ControllerStatistics, wanted: Wanted) -> Iterator[Row]:
    now = monotonic()
    for run in filter(lambda run: wanted.has(run.key), of.running):
        yield {
            "controller": name,
            "key": str(run.key),
            "for_s": seconds(now - run.began_at),
            "at": controller.waits_at(run.key),
            "attempt": run.attempt,
            "causes": [cut(cause) for cause in run.causes],
            "waited_s": seconds(run.waited_s),
            "id": run.id,
        }


def _ready(pictures: Controllers, wanted: Wanted) -> Table:
    """As for those that fail."""
    now = monotonic()
    found = [(name, *each) for name, of, _ in pictures for each in of.ready(**_limits(wanted))]
    found.sort(key=lambda each: each[2])
    count = len(found) if wanted.key else sum(of.queue.ready for _, _, of in pictures)
    rows = ({"controller": name, "key": str(key), "waited_s": seconds(now - since)} for name, key, since in found)
    return counted(rows, of=count)


def _alike(pictures: Controllers, wanted: Wanted) -> Table:
    where = wanted.has if wanted.key else None
    found = [(name, each) for name, of, seen in pictures if seen.failing for each in of.alike(where=where)]
    return table(
        {
            "error": cut(each.streak.error),
            "where": each.streak.where,
            "keys": each.keys,
            "controller": name,
            "result": each.streak.result,
            "since": moment(each.streak.since),
            "since_s": ago(each.streak.since),
            "key": str(each.longest),
        }
        for name, each in sorted(found, key=lambda named: -named[1].keys)
    )


def _failing(pictures: Controllers, wanted: Wanted) -> Table:
    """Of each controller no more are looked at than are shown, unless some are looked for: there may be very many."""
    found = [(name, each) for name, of, _ in pictures for each in of.failing(**_limits(wanted))]
    found.sort(key=lambda named: named[1].since)
    count = len(found) if wanted.key else sum(of.failing for _, _, of in pictures)
    return counted((failing_row(*named) for named in found), of=count)


def _limits(wanted: Wanted) -> Any:
    return {"where": wanted.has} if wanted.key else {"first": ROWS_MAX}


def failing_row(name: str, of: FailingKey) -> Row:
    """A key that fails, of the controller of that name; without `next_s` it runs now, or when something changes."""
    return {
        "controller": name,
        "key": str(of.key),
        "result": of.result,
        "since": moment(of.since),
        "since_s": ago(of.since),
        "failures": of.failures,
        "next_s": until(of.due_at),
        "error": cut(of.error),
        "where": of.where,
    }


def _waiting(pictures: Controllers, wanted: Wanted) -> Table:
    """As for those that fail, which are not among them; those that wait for something else come first."""
    found = [(name, each) for name, of, _ in pictures for each in of.waiting(**_limits(wanted))]
    found.sort(key=lambda named: _when(named[1]))
    count = len(found) if wanted.key else sum(of.delayed() for _, of, _ in pictures)
    return counted((_waits(*named) for named in found), of=count)


def _when(of: WaitingKey) -> tuple[bool, float]:
    return (True, of.due_at) if of.since is None else (False, of.since.timestamp())


def _keys(pictures: Controllers, wanted: Wanted) -> Table:
    """The keys that ran, and are remembered, the latest first."""
    found = [(name, key, run) for name, of, _ in pictures for key, run in of.latest(wanted.has)]
    found.sort(key=lambda each: each[2].ended, reverse=True)
    return table(_ran(*each) for each in found)


def _ran(name: str, key: ObjectKey, run: PastRun) -> Row:
    return {
        "controller": name,
        "key": str(key),
        "result": run.result,
        "began": moment(run.began),
        "began_s": ago(run.began),
        "took_s": seconds(run.took_s),
    }


def _waits(name: str, of: WaitingKey) -> Row:
    return {
        "controller": name,
        "key": str(of.key),
        "reason": of.reason.value,
        "since": moment(of.since),
        "since_s": ago(of.since),
        "due": at_wall(of.due_at),
        "due_s": until(of.due_at),
        "message": cut(of.message),
    }


def named_caches(informers: tuple[Informer[Any], ...]) -> Caches:
    """The statistics of each cache by its name; those that are not filled, then those with errors, come first."""
    caches = [(name, informer.statistics()) for name, informer in unique_names((i.name, i) for i in informers)]
    return sorted(caches, key=lambda named: (named[1].synced, not errors_of(named[1])))


def cache_sections(caches: Caches, wanted: Wanted) -> Mapping[str, Table]:
    """Each cache, each scope of it, each handler, and the objects that cannot be used; what is wrong comes first."""
    return {
        "caches": table(_cache(name, of) for name, of in caches),
        "scopes": table(row for name, of in caches for row in _scopes(name, of)),
        "handlers": table(sorted((row for named in caches for row in _handlers(*named)), key=_most_behind)),
        "quarantined": table(row for name, of in caches for row in _quarantined(name, of) if wanted.has(row["key"])),
    }


def _cache(name: str, of: InformerStatistics) -> Row:
    return {
        "cache": name,
        "synced": of.synced,
        "objects": of.objects,
        "version": of.version,
        "last_event_age_s": seconds(of.last_event_age_s),
        "quarantined": len(of.quarantined),
        "index_failures": of.index_failures,
        "dropped": of.dropped,
        "behind_s": behind_s(of),
        "error": cut("; ".join(errors_of(of))),
    }


def _scopes(name: str, of: InformerStatistics) -> Iterator[Row]:
    for scope, reflector in of.reflectors.items():
        causes = [each.cause.value for each in (reflector.list_error, reflector.watch_error) if each is not None]
        yield {
            "cache": name,
            "scope": scope or "*",
            "state": str(reflector.state),
            "version": reflector.version,
            "last_event_age_s": seconds(reflector.last_event_age_s),
            "lists": dict(reflector.lists),
            "watches": reflector.watches,
            "unreadable": reflector.unreadable,
            "failing": causes,
        }


def _handlers(name: str, of: InformerStatistics) -> Iterator[Row]:
    for handler in of.handlers:
        yield {
            "cache": name,
            "handler": handler.name,
            "synced": handler.synced,
            "depth": handler.depth,
            "oldest_s": seconds(handler.oldest_s),
            "high_water": handler.high_water,
            "handled": handler.handled,
            "failures": handler.failures,
        }


def _quarantined(name: str, of: InformerStatistics) -> Iterator[Row]:
    for key, why in of.quarantined.items():
        yield {"cache": name, "key": key, "error": cut(why)}


def _most_behind(row: Row) -> Any:
    return (row["synced"], -row["oldest_s"], -row["depth"])
