"""The taints that a node has for its conditions, and for being cordoned. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ctrlkit.fakes.cluster.loops.scheduling.node_fit import NO_EXECUTE, NO_SCHEDULE
from ctrlkit.fakes.tracker.plugins.nodes import NOT_READY, UNREACHABLE, UNSCHEDULABLE

Object = Mapping[str, Any]
Taint = dict[str, Any]

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"

_OF_CONDITIONS: Mapping[tuple[str, str], str] = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
}
_OURS = frozenset({UNSCHEDULABLE, *_OF_CONDITIONS.values()})


def taints_of(node: Object) -> list[Object]:
    """Return the taints of a node."""
    return list((node.get("spec") or {}).get("taints") or ())


def no_execute_taints(node: Object) -> list[Object]:
    """Return those that drive pods away."""
    return [one for one in taints_of(node) if one.get("effect") == NO_EXECUTE]


def has_taint(node: Object, key: str, effect: str) -> bool:
    """Whether a node has a taint."""
    return any((one.get("key"), one.get("effect")) == (key, effect) for one in taints_of(node))


def swapped(
    taints: Sequence[Object], add: Collection[str], remove: Collection[str], effect: str, now: str
) -> list[Object]:
    """
    Return taints with some more, and without others, of one effect.

    >>> swapped([{"key": "a", "effect": "NoExecute"}], ["b"], ["a"], "NoExecute", "2026-01-01T00:00:00Z")
    [{'key': 'b', 'effect': 'NoExecute', 'timeAdded': '2026-01-01T00:00:00Z'}]
    """
    gone = {(key, effect) for key in remove}
    kept = [one for one in taints if (one.get("key"), one.get("effect")) not in gone]
    have = {(one.get("key"), one.get("effect")) for one in kept}
    more = [{"key": key, "effect": effect, "timeAdded": now} for key in add if (key, effect) not in have]
    return [*kept, *more]


def wanted_for_conditions(node: Object) -> tuple[list[str], list[str]]:
    """
    Return the keys of taints that a node lacks, and of those it has to lose, to keep pods away for its conditions.

    >>> ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    >>> new = {"spec": {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]}}
    >>> wanted_for_conditions(ready | new), wanted_for_conditions({"spec": {"unschedulable": True}})
    (([], ['node.kubernetes.io/not-ready']), (['node.kubernetes.io/unschedulable'], []))
    """
    conditions = (node.get("status") or {}).get("conditions") or ()
    found = (_OF_CONDITIONS.get((str(one.get("type")), str(one.get("status")))) for one in conditions)
    wanted = [key for key in found if key]
    if (node.get("spec") or {}).get("unschedulable"):
        wanted.append(UNSCHEDULABLE)
    mine = [str(one.get("key")) for one in taints_of(node) if one.get("effect") == NO_SCHEDULE]
    return [key for key in wanted if key not in mine], [key for key in mine if key in _OURS and key not in wanted]
