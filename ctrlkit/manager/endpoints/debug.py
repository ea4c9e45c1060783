"""
The debug page: the state of a manager at one moment, as plain data and as HTML.

    program, settings             what runs, and how it was set up
    checks                        the results of /healthz and /readyz
    leases, replicas, shards      who leads, and which shard is whose
    controllers, queues           how much is done, and how much waits
    running, retries              what runs since when, what failed and when it is tried again
    caches, scopes, handlers      what is cached, why it may be behind, and which handlers lag
    quarantined                   objects that cannot be used
    recorders                     Events on their way

Each section is a mapping, or a table of at most ROWS_MAX rows and the number of the rest. It has names and the texts of
errors, and neither bodies nor secrets. The page has no scripts, loads nothing, and escapes everything.

Rows B1, B4, B7, B8, B14, B19, B30, B32.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from html import escape
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ctrlkit import clock
from ctrlkit.cache.informer import InformerStatistics
from ctrlkit.clock import monotonic
from ctrlkit.manager.endpoints.health import CheckKind, Heartbeat, checks_of
from ctrlkit.manager.endpoints.options import Endpoints
from ctrlkit.names import unique_names
from ctrlkit.telemetry import log_level

if TYPE_CHECKING:
    from ctrlkit.cache import Informer
    from ctrlkit.controller import Controller, ControllerStatistics
    from ctrlkit.election import ElectionStatus
    from ctrlkit.events import EventRecorder
    from ctrlkit.manager.manager import Manager


ROWS_MAX: Final = 100
TEXT_MAX: Final = 512
"""Characters of an error that a cell keeps."""

Row = Mapping[str, Any]
Table = Mapping[str, Any]


def table(rows: Iterable[Row]) -> Table:
    """
    The first rows of some; the others are only counted.

    >>> table({"key": name} for name in "ab")
    {'rows': [{'key': 'a'}, {'key': 'b'}], 'more': 0}
    """
    each = iter(rows)
    return {"rows": list(islice(each, ROWS_MAX)), "more": sum(1 for _ in each)}


def seconds(value: float | None) -> float | None:
    """To the millisecond."""
    return None if value is None else round(value, 3)


def cut(text: str) -> str:
    """
    One line, and no longer than it needs to be.

    >>> cut("first\\nsecond"), len(cut("x" * 1000))
    ('first second', 512)
    """
    line = " ".join(text.split())
    return line if len(line) <= TEXT_MAX else f"{line[: TEXT_MAX - 3]}..."


def picture(manager: Manager, options: Endpoints, heartbeat: Heartbeat) -> Mapping[str, Any]:
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
        "leases": table(_lease(elector.status()) for elector in manager.electors),
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


_Pictures = list[tuple["Controller", "ControllerStatistics"]]


def controller_sections(controllers: tuple[Controller, ...]) -> Mapping[str, Table]:
    """Each controller and its queue; what runs, the longest first; and what is tried again, the next one due first."""
    pictures = [(controller, controller.statistics()) for controller in controllers]
    return {
        "controllers": table(_controller(*each) for each in pictures),
        "queues": table(_queue(*each) for each in pictures),
        "running": _running(pictures),
        "retries": _retries(pictures),
    }


def _controller(controller: Controller, of: ControllerStatistics) -> Row:
    return {
        "controller": controller.name,
        "runs_on": controller.replicas.value,
        "synced": controller.has_synced(),
        "workers": of.workers,
        "running": len(of.running),
        "stuck": len(of.stuck),
        "results": {result.value: count for result, count in of.results.items() if count},
        "unforeseen": of.unforeseen,
        "timeouts": of.timeouts,
        "cancelled": of.cancelled,
        "source_failures": of.source_failures,
        "causes": {kind.value: count for kind, count in of.causes.items() if count},
        "held_for_own_writes": of.gate.held,
        "writes_not_seen": of.gate.timeouts,
    }


def _queue(controller: Controller, of: ControllerStatistics) -> Row:
    queue = of.queue
    return {
        "controller": controller.name,
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


def _running(pictures: _Pictures) -> Table:
    return table(
        sorted((row for _, of in pictures for row in _runs(of)), key=lambda row: -row["for_s"])  # as many as workers
    )


def _runs(of: ControllerStatistics) -> Iterator[Row]:
    now = monotonic()
    for run in of.running:
        yield {
            "controller": run.controller,
            "key": str(run.key),
            "for_s": seconds(now - run.began_at),
            "attempt": run.attempt,
            "causes": [cut(cause) for cause in run.causes],
            "waited_s": seconds(run.waited_s),
            "id": run.id,
        }


def _retries(pictures: _Pictures) -> Table:
    """Of each controller no more are looked at than are shown: there may be very many."""
    now = monotonic()
    rows: list[dict[str, Any]] = [
        {
            "controller": controller.name,
            "key": str(retry.key),
            "failures": retry.failures,
            "next_s": seconds(max(0.0, retry.due_at - now)),
            "error": cut(retry.error),
        }
        for controller, _ in pictures
        for retry in controller.retries(first=ROWS_MAX)
    ]
    rows.sort(key=lambda row: row["next_s"])
    pending = max(len(rows), sum(of.queue.retries for _, of in pictures))
    return {"rows": rows[:ROWS_MAX], "more": max(0, pending - ROWS_MAX)}


def cache_sections(informers: tuple[Informer[Any], ...]) -> Mapping[str, Table]:
    """Each cache, each scope of it, each handler, and the objects that cannot be used; what is wrong comes first."""
    pictures = [(name, informer.statistics()) for name, informer in unique_names((i.name, i) for i in informers)]
    pictures.sort(key=lambda named: (named[1].synced, not _errors(named[1])))
    return {
        "caches": table(_cache(name, of) for name, of in pictures),
        "scopes": table(row for name, of in pictures for row in _scopes(name, of)),
        "handlers": table(sorted((row for named in pictures for row in _handlers(*named)), key=_most_behind)),
        "quarantined": table(row for name, of in pictures for row in _quarantined(name, of)),
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
        "error": cut("; ".join(_errors(of))),
    }


def _errors(of: InformerStatistics) -> list[str]:
    return [
        f"{scope}: {reflector.last_error}" if scope else reflector.last_error
        for scope, reflector in of.reflectors.items()
        if reflector.last_error
    ]


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


REFRESH_S: Final = 5

_STYLE: Final = (
    "body{font:13px/1.4 system-ui,sans-serif;margin:1.5em;color:#222;background:#fff}"
    "h1{font-size:1.3em}h2{font-size:1.05em;margin:1.4em 0 .3em}"
    "table{border-collapse:collapse}th,td{border:1px solid #ccc;padding:.15em .5em;text-align:left;vertical-align:top}"
    "th{background:#f2f2f2;font-weight:600}td{font-family:ui-monospace,monospace;overflow-wrap:anywhere}"
    "p{margin:.3em 0;color:#666}"
)


def page(picture: Mapping[str, Any]) -> str:
    """
    The page of what debug.picture() gives: a section for each entry, a table in each.

    >>> print(page({"program": {"name": "<b>"}, "retries": {"rows": [{"key": "demo/a"}], "more": 2}}))
    <!DOCTYPE html>
    ...
    <h2>program</h2>
    <table><tr><th>name</th><td>&lt;b&gt;</td></tr></table>
    <h2>retries</h2>
    <table><tr><th>key</th></tr><tr><td>demo/a</td></tr></table>
    <p>and 2 more</p>
    </body></html>
    """
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{REFRESH_S}">',
            f"<title>ctrlkit</title><style>{_STYLE}</style></head><body>",
            f'<h1>ctrlkit</h1><p>refreshes itself every {REFRESH_S} s; <a href="/debug.json">as JSON</a></p>',
            *(line for title, content in picture.items() for line in _section(title, content)),
            "</body></html>",
        ]
    )


def _section(title: str, content: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2>{_text(title.replace('_', ' '))}</h2>"
    rows = content.get("rows")
    if rows is None:
        yield f"<table>{''.join(f'<tr>{_head(name)}{_cell(value)}</tr>' for name, value in content.items())}</table>"
        return
    if not rows:
        yield "<p>none</p>"
        return
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    lines = (f"<tr>{''.join(_cell(row.get(name)) for name in columns)}</tr>" for row in rows)
    yield f"<table><tr>{''.join(map(_head, columns))}</tr>{''.join(lines)}</table>"
    if content["more"]:
        yield f"<p>and {content['more']} more</p>"


def _head(name: str) -> str:
    return f"<th>{_text(name)}</th>"


def _cell(value: object) -> str:
    return f"<td>{_text(_plain(value))}</td>"


def _plain(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case Mapping():
            return ", ".join(f"{name}: {_plain(part)}" for name, part in value.items())
        case Sequence():
            return "; ".join(map(_plain, value))
    return str(value)


def _text(text: str) -> str:
    return escape(text, quote=True)
