"""What keeps a pod from nodes, and how the scheduler tells it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

NO_NODES = "no nodes available to schedule pods"
NOT_HELPFUL = "Preemption is not helpful for scheduling"


class Plugin(Enum):
    """A part of the scheduler that may keep a pod from a node, by the scheduler's own name."""

    UNSCHEDULABLE = "NodeUnschedulable"
    NODE_NAME = "NodeName"
    TAINTS = "TaintToleration"
    NODE_AFFINITY = "NodeAffinity"
    PORTS = "NodePorts"
    FIT = "NodeResourcesFit"
    VOLUME_RESTRICTIONS = "VolumeRestrictions"
    VOLUME_BINDING = "VolumeBinding"
    VOLUME_ZONE = "VolumeZone"
    SPREAD = "PodTopologySpread"
    AFFINITY = "InterPodAffinity"


OF_VOLUMES = frozenset({Plugin.VOLUME_RESTRICTIONS, Plugin.VOLUME_BINDING, Plugin.VOLUME_ZONE})
"""Those that a change of claims, volumes or classes may satisfy."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a pod does not fit a node; `is_hopeless` where it would not help that other pods give way."""

    plugin: Plugin
    reasons: tuple[str, ...]
    is_hopeless: bool = False


def no_fit(total: int, reasons: Iterable[str]) -> str:
    """
    Tell that no node fits, with the reason of each.

    >>> no_fit(3, ["Insufficient cpu", "Too many pods", "Insufficient cpu"])
    '0/3 nodes are available: 1 Too many pods, 2 Insufficient cpu.'
    """
    counts = Counter(reasons)
    told = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
    return f"0/{total} nodes are available:{f' {told}.' if told else ''}"


def no_preemption(total: int, tried: Mapping[str, Iterable[str]]) -> str:
    """Tell that it would not help if other pods gave way; `tried` has the reasons of the nodes where it was tried."""
    reasons = [reason for of_node in tried.values() for reason in of_node]
    return "preemption: " + no_fit(total, [*reasons, *[NOT_HELPFUL] * (total - len(tried))])


def refused(total: int, reason: str) -> str:
    """
    Tell that a pod fits no node, whatever the nodes are.

    A scheduler then asks its part for device claims for help, which was not told of the pod and finds nothing.
    """
    return f"0/{total} nodes are available: {reason}. not found"


def without_help(told: str, preemption: str) -> str:
    """Tell that no node fits, and that neither device claims nor other pods can give way."""
    return f"{told} no new claims to deallocate, {preemption}"
