"""
How healthy nodes are, and which of them are to be tainted for it. Pure, on times of the caller.

`Health` is what is known of one node: when it was last heard of. `Zones` says when a node that is not ready gets the
taint that drives its pods away: one node of a zone every ten seconds, and none where so many are not ready that the
fault is rather on this side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ctrlkit.fakes.cluster.loops.pods import condition

GRACE_S = 50.0
"""How long a node may be silent."""

STARTUP_GRACE_S = 60.0
"""How long one may be silent that has never posted a status."""

EVICTIONS_EVERY_S = 10.0
"""How much time is between two nodes of a zone that are tainted."""

_SMALL_ZONE = 50
"""Up to so many nodes a zone of which most are not ready is left alone."""

_SLOW_EVICTIONS_EVERY_S = 100.0
"""As EVICTIONS_EVERY_S, in a larger zone of which most are not ready."""

_UNHEALTHY_SHARE = 0.55
"""The share of a zone's nodes from which on most of them are said not to be ready."""

READY = "Ready"
_OF_KUBELETS = (READY, "MemoryPressure", "DiskPressure", "PIDPressure")

Object = Mapping[str, Any]


def ready_status(node: Object) -> str:
    """Return the status of a node's condition Ready; "" if it has none."""
    ready = condition(node, READY)
    return "" if ready is None else str(ready.get("status"))


@dataclass(frozen=True, slots=True)
class Health:
    """When a node was last heard of, and by which heartbeat; a node that never posted a status has none."""

    heard_at: float
    heartbeat: str | None

    @property
    def silent_at(self) -> float:
        """When the node counts as silent, if nothing more is heard of it."""
        return self.heard_at + (STARTUP_GRACE_S if self.heartbeat is None else GRACE_S)


def next_health(before: Health | None, node: Object, *, now: float, created_at: float) -> Health:
    """
    Return what is known of a node after its status was seen.

    >>> node = {"status": {"conditions": [{"type": "Ready", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}]}}
    >>> health = next_health(None, node, now=7.0, created_at=0.0)
    >>> health.heard_at, next_health(health, node, now=9.0, created_at=0.0).heard_at, health.silent_at
    (7.0, 7.0, 57.0)
    """
    ready = condition(node, READY)
    if ready is None and (before is None or before.heartbeat is None):
        return Health(created_at, None)
    heartbeat = "" if ready is None else str(ready.get("lastHeartbeatTime"))
    if before is not None and before.heartbeat == heartbeat:
        return before
    return Health(now, heartbeat)


def unknown_conditions(node: Object, stamp: str) -> list[dict[str, Any]]:
    """
    Return the conditions to write of a node that is silent; none if it is known to be.

    >>> [one["reason"] for one in unknown_conditions({"metadata": {}}, "2026-01-01T00:01:00Z")][:1]
    ['NodeStatusNeverUpdated']
    """
    if ready_status(node) == "Unknown":
        return []
    made: list[dict[str, Any]] = []
    for name in _OF_KUBELETS:
        have = condition(node, name)
        if have is None:
            text = ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
            heartbeat = (node.get("metadata") or {}).get("creationTimestamp")
        elif have.get("status") != "Unknown":
            text, heartbeat = ("NodeStatusUnknown", "Kubelet stopped posting node status."), None
        else:
            continue
        times = {"lastTransitionTime": stamp, **({"lastHeartbeatTime": heartbeat} if heartbeat else {})}
        made.append({"type": name, "status": "Unknown", "reason": text[0], "message": text[1], **times})
    return made


# ---- zones -----------------------------------------------------------------------------------------------------------


class Disruption(Enum):
    """How many nodes of a zone are not ready."""

    NORMAL = "normal"
    PARTIAL = "most"
    FULL = "all"


def disruption(ready: int, not_ready: int) -> Disruption:
    """
    Say how many nodes of a zone are not ready.

    >>> disruption(1, 2), disruption(1, 3), disruption(0, 1)
    (<Disruption.NORMAL: 'normal'>, <Disruption.PARTIAL: 'most'>, <Disruption.FULL: 'all'>)
    """
    if not ready and not_ready:
        return Disruption.FULL
    if not_ready > 2 and not_ready / (ready + not_ready) >= _UNHEALTHY_SHARE:
        return Disruption.PARTIAL
    return Disruption.NORMAL


def zone_of(node: Object) -> str:
    """Return the region and zone of a node; "" if it is in none."""
    labels = (node.get("metadata") or {}).get("labels") or {}
    region, zone = (
        labels.get(f"failure-domain.beta.kubernetes.io/{name}", labels.get(f"topology.kubernetes.io/{name}", ""))
        for name in ("region", "zone")
    )
    return f"{region}\0{zone}" if region or zone else ""


@dataclass(slots=True)
class _Zone:
    every_s: float | None = EVICTIONS_EVERY_S
    next_at: float = 0.0
    waiting: dict[str, None] = field(default_factory=dict)
    """The names of the nodes that are to be tainted, the first one first."""

    def change(self, every_s: float | None, now: float) -> None:
        """Taint so often from now on; a limit that was reached stays reached."""
        if every_s == self.every_s:
            return
        was_full = self.every_s is None or now < self.next_at
        self.every_s = every_s
        self.next_at = now + every_s if was_full and every_s is not None else now


@dataclass(slots=True)
class Zones:
    """The zones of nodes, with the nodes that wait to be tainted."""

    all_down: bool = False
    """Whether no node at all is ready: then nothing is tainted."""
    _zones: dict[str, _Zone] = field(default_factory=dict)

    def ask(self, node: Object) -> None:
        """Have a node tainted, when it is its turn."""
        self._zones.setdefault(zone_of(node), _Zone()).waiting[node["metadata"]["name"]] = None

    def forget(self, name: str) -> None:
        """Forget a node that is ready, or gone."""
        for zone in self._zones.values():
            zone.waiting.pop(name, None)

    def judge(self, nodes: Iterable[tuple[Object, bool]], now: float) -> tuple[bool, bool]:
        """
        Set how often nodes of each zone are tainted, from all nodes and whether each is ready.

        Returns whether the last node has gone down, so that what was tainted is to be undone, and whether the first one
        has come up.
        """
        counts: dict[str, Counter[bool]] = {}
        for node, is_ready in nodes:
            if "node.kubernetes.io/exclude-disruption" not in ((node.get("metadata") or {}).get("labels") or {}):
                counts.setdefault(zone_of(node), Counter())[is_ready] += 1
        states = {zone: disruption(count[True], count[False]) for zone, count in counts.items()}
        was_down = self.all_down
        self.all_down = bool(states) and all(state is Disruption.FULL for state in states.values())
        for zone, state in states.items():
            every_s = None if self.all_down else _every_s(state, counts[zone].total())
            self._zones.setdefault(zone, _Zone()).change(every_s, now)
        return self.all_down and not was_down, was_down and not self.all_down

    def due(self, now: float) -> tuple[list[str], float | None]:
        """Take the nodes that are to be tainted now; and when there are more to take, None if there are none."""
        taken: list[str] = []
        later: list[float] = []
        for zone in self._zones.values():
            while zone.waiting and zone.every_s is not None and now >= zone.next_at:
                name = next(iter(zone.waiting))
                del zone.waiting[name]
                zone.next_at = now + zone.every_s
                taken.append(name)
            if zone.waiting and zone.every_s is not None:
                later.append(zone.next_at)
        return taken, min(later, default=None)


def _every_s(state: Disruption, count: int) -> float | None:
    if state is Disruption.PARTIAL:
        return _SLOW_EVICTIONS_EVERY_S if count > _SMALL_ZONE else None
    return EVICTIONS_EVERY_S
