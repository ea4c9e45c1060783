"""
What is worth knowing first: whether something is wrong with a manager, since when, and whether this replica works.

    unreachable   the API server does not answer, since when
    failing       keys fail, by controller, since when
    stuck         reconciles have run for too long
    starting      caches fill, and nothing went wrong so far
    unready       checks fail, or caches do not fill
    waiting       keys have waited for something else (RetryLater) for a while, since when and for what
    behind        caches are filled, and have not followed the server for a while
    quarantined   there are objects that cannot be used
    standby       all is well, and another replica works
    well          all is well

`state` is the first of these that holds; the other entries say all that holds. Rows B4, B30, B32.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ctrlkit.cache.reflector.failure import FailureCause
from ctrlkit.clock import monotonic
from ctrlkit.manager.endpoints.tables import Row, ago, cut, moment, seconds, table

if TYPE_CHECKING:
    from ctrlkit.cache.informer import InformerStatistics
    from ctrlkit.cache.reflector.reflector import ReflectorStatistics
    from ctrlkit.controller import Controller, ControllerStatistics
    from ctrlkit.manager.manager import Manager

FIRST: Final = 10
"""Rows of each table of the headline; the sections below it have more."""
BEHIND_S: Final = 5.0
"""A watch that ends is taken up within a second or two; a cache whose calls fail for longer is behind."""

WAITING_S: Final = 60.0
"""What is not there yet comes as a rule within a minute; keys that have waited longer are told of."""

Controllers = list[tuple[str, "Controller", "ControllerStatistics"]]
Caches = list[tuple[str, "InformerStatistics"]]


def headline(manager: Manager, failed_checks: list[Row], controllers: Controllers, caches: Caches) -> Row:
    """The headline of a manager, from what is known of its checks, its controllers and its caches, by their names."""
    said: dict[str, Any] = {
        "unreachable": _unreachable(caches),
        "failing": _failing(controllers),
        "leadership": leadership(manager),
        "waiting": _waiting(controllers),
        "caches": table(_caches(caches), most=FIRST),
        "stuck": table(_stuck(controllers), most=FIRST),
        "blocked": table(_blocked(controllers), most=FIRST),
        "checks": table(failed_checks, most=FIRST),
        "quarantined": _quarantined(caches),
    }
    return {"state": next(state for state, holds in _STATES.items() if holds(said)), **said}


def _failing(controllers: Controllers) -> Row:
    failing = [(of.failing_since, name, of.failing) for name, _, of in controllers if of.failing_since is not None]
    failing.sort()
    return {
        "keys": sum(keys for _, _, keys in failing),
        **_since(failing[0][0] if failing else None),
        "controllers": [{"controller": name, "keys": keys, **_since(at)} for at, name, keys in failing[:FIRST]],
    }


def _waiting(controllers: Controllers) -> Row:
    """Keys that have waited for something else for long enough, and for what most of them do."""
    waits = [(name, streak) for name, each, of in controllers if of.waiting.keys for _, streak in each.waits()]
    late = [(name, streak) for name, streak in waits if (ago(streak.since) or 0.0) >= WAITING_S]
    by, why = Counter(name for name, _ in late), Counter(cut(streak.error) for _, streak in late)
    return {
        "keys": len(late),
        **_since(min((streak.since for _, streak in late), default=None)),
        "controllers": [{"controller": name, "keys": keys} for name, keys in by.most_common(FIRST)],
        "reasons": [{"reason": reason, "keys": keys} for reason, keys in why.most_common(FIRST)],
        "more_reasons": max(0, len(why) - FIRST),
    }


def _unreachable(caches: Caches) -> Row:
    """For how long the API server has not answered a cache; None where all have an answer, be it an error."""
    for_s = [
        reflector.failing_s or 0.0
        for _, of in caches
        for reflector in of.reflectors.values()
        if _has_no_answer(reflector)
    ]
    longest_s = max(for_s, default=0.0)
    return {"for_s": seconds(longest_s) if longest_s >= BEHIND_S else None}


def _has_no_answer(of: ReflectorStatistics) -> bool:
    errors = (of.list_error, of.watch_error)
    return any(error is not None and error.cause is FailureCause.UNREACHABLE for error in errors)


def _since(at: datetime | None) -> Row:
    return {"since": moment(at), "since_s": ago(at)}


def leadership(manager: Manager) -> Row:
    """
    Who works: this replica `alone`, the one that holds a `lease`, or each on its `shards`; and what this one does.

    `since` is when the holder took the lease, by its own clock, as the Lease says.
    """
    if manager.sharding is not None:
        of = manager.sharding.status()
        return {
            "way": "shards", "leads": bool(of.held), "identity": of.identity, "holder": "", "since": "",
            "shards": of.shards, "held": len(of.held), "error": cut(of.last_error),
        }  # fmt: skip
    if manager.elector is not None:
        status = manager.elector.status()
        return {
            "way": "lease", "leads": status.leading, "identity": status.identity, "holder": status.holder,
            "since": status.since, "shards": 0, "held": 0, "error": cut(status.last_error),
        }  # fmt: skip
    return {
        "way": "alone", "leads": True, "identity": "", "holder": "", "since": "", "shards": 0, "held": 0, "error": "",
    }  # fmt: skip


def errors_of(cache: InformerStatistics) -> list[str]:
    """Why a cache is not filled, or may be behind: the last error of each of its scopes that fails."""
    return [
        f"{scope}: {reflector.last_error}" if scope else reflector.last_error
        for scope, reflector in cache.reflectors.items()
        if reflector.last_error
    ]


def behind_s(cache: InformerStatistics) -> float | None:
    """For how many seconds the calls of a scope have failed, of the one that has for longest; None for none."""
    return seconds(max((of.failing_s for of in cache.reflectors.values() if of.failing_s is not None), default=None))


def _caches(caches: Caches) -> list[dict[str, Any]]:
    """Those that are not filled, and then those that are behind, the longest first."""
    rows: list[dict[str, Any]] = [
        {"cache": name, "synced": of.synced, "behind_s": behind_s(of), "error": cut("; ".join(errors_of(of)))}
        for name, of in caches
        if not of.synced or (behind_s(of) or 0.0) >= BEHIND_S
    ]
    return sorted(rows, key=lambda row: (row["synced"], -(row["behind_s"] or 0.0)))


def _stuck(controllers: Controllers) -> list[dict[str, Any]]:
    now = monotonic()
    rows: list[dict[str, Any]] = [
        {
            "controller": name,
            "key": str(run.key),
            "for_s": seconds(now - run.began_at),
            "at": controller.waits_at(run.key),
        }
        for name, controller, of in controllers
        for run in of.running
        if run.key in of.stuck
    ]
    return sorted(rows, key=lambda row: -row["for_s"])


def _blocked(controllers: Controllers) -> list[dict[str, Any]]:
    """Controllers that do nothing more: each of their workers has a reconcile that is stuck. `ready` keys wait."""
    return [
        {"controller": name, "workers": of.workers, "ready": of.queue.ready}
        for name, _, of in controllers
        if of.stuck and len(of.stuck) >= of.workers
    ]


def _quarantined(caches: Caches) -> Row:
    names = [name for name, of in caches if of.quarantined]
    return {"objects": sum(len(of.quarantined) for _, of in caches), "caches": names[:FIRST]}


def _is_starting(said: Mapping[str, Any]) -> bool:
    caches = said["caches"]["rows"]
    return any(not row["synced"] for row in caches) and not any(row["error"] for row in caches)


_STATES: Final[Mapping[str, Callable[[Mapping[str, Any]], bool]]] = {
    "unreachable": lambda said: said["unreachable"]["for_s"] is not None,
    "failing": lambda said: bool(said["failing"]["keys"]),
    "stuck": lambda said: bool(said["stuck"]["rows"]),
    "starting": _is_starting,
    "unready": lambda said: bool(said["checks"]["rows"]) or any(not row["synced"] for row in said["caches"]["rows"]),
    "waiting": lambda said: bool(said["waiting"]["keys"]),
    "behind": lambda said: bool(said["caches"]["rows"]),
    "quarantined": lambda said: bool(said["quarantined"]["objects"]),
    "standby": lambda said: not said["leadership"]["leads"],
    "well": lambda _said: True,
}
