"""
The health checks that a manager has by itself (rows M9, L13, B4).

    healthz     ping, and that a leader renews its lease in time
    readyz      ping, each informer with its cause, each controller, and that the event loop is not held up

An informer that has filled once is ready, and stays so while its watch is down: its note says what is wrong, and so
does the metric `informer_failing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ctrlkit.manager.endpoints.health import Check, CheckKind, Finding, ping, worded
from ctrlkit.manager.endpoints.heartbeat import LATE_MAX_S, Heartbeat
from ctrlkit.names import told_apart

if TYPE_CHECKING:
    from ctrlkit.cache import Informer
    from ctrlkit.controller import Controller
    from ctrlkit.manager.endpoints.served import Served


def checks_of(manager: Served, heartbeat: Heartbeat, kind: CheckKind) -> Mapping[str, Check]:
    """All checks of a kind that there are now, by name: those of the parts, then those that were added."""
    own: dict[str, Check] = {"ping": ping}
    match kind:
        case CheckKind.HEALTHZ:
            if manager.elector is not None:
                own["leader-election"] = worded(manager.elector.check)
            if manager.sharding is not None:
                own["sharding"] = worded(manager.sharding.check)
        case CheckKind.READYZ:
            own["event-loop"] = worded(lambda: loop_lag(heartbeat))
            for name, informer in told_apart((f"informer:{each.name}", each) for each in manager.informers):
                own[name] = _informer_check(informer)
            for name, controller in told_apart((f"controller:{each.name}", each) for each in manager.controllers):
                own[name] = worded(_controller_check(controller))
    return {**own, **manager.checks.of(kind)}


def loop_lag(heartbeat: Heartbeat) -> str:
    """Why the event loop is not well."""
    if heartbeat.worst_s < LATE_MAX_S:
        return ""
    return f"the event loop was held up for {heartbeat.worst_s:.1f} s within the last minute; find the call that blocks"


def _informer_check(informer: Informer[Any]) -> Check:
    def ask() -> Finding:
        if not informer.has_synced():
            return Finding(failed=True, note=informer.lag())
        return Finding(failed=False, note="; ".join(_behind(informer)))

    return ask


def _behind(informer: Informer[Any]) -> Iterator[str]:
    for scope, error in informer.failing().items():
        how = "not served" if scope in informer.skipped else "behind"
        yield f"{scope} is {how}: {error}" if scope else f"{how}: {error}"


def _controller_check(controller: Controller) -> Any:
    return lambda: "" if controller.has_synced() else "its handlers have not seen all of the first lists yet"
