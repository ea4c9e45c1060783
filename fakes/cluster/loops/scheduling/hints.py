"""
Which changes of a cluster may help a pod that did not fit: for each part that kept it from a node, a question. Pure.

A pod that was kept by no part in particular, because there were no nodes, is tried again after any change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ctrlkit.fakes.cluster.loops.scheduling.affinity import matches_all
from ctrlkit.fakes.cluster.loops.scheduling.node_fit import (
    Object,
    fixed_obstacle,
    is_selected,
    ports_conflict,
    shortages,
    sizes,
    untolerated_taint,
)
from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import LabelsOf, PodFacts
from ctrlkit.fakes.cluster.loops.scheduling.spread import constraints_of
from ctrlkit.fakes.cluster.loops.scheduling.verdicts import OF_VOLUMES, Plugin
from ctrlkit.fakes.tracker.kinds.tables import section


@dataclass(frozen=True, slots=True)
class NodeChange:
    """A Node before and after; None where it was made or deleted."""

    old: Object | None
    new: Object | None


@dataclass(frozen=True, slots=True)
class PodChange:
    """A pod on a node before and after; None where it came or went."""

    old: PodFacts | None
    new: PodFacts | None


def node_helps(plugins: frozenset[Plugin], pod: PodFacts, change: NodeChange) -> bool:
    """Whether a pod that some parts kept from all nodes may fit after a change of a node."""
    return not plugins or any(_BY_NODE[plugin](pod, change) for plugin in plugins)


def pod_helps(plugins: frozenset[Plugin], pod: PodFacts, change: PodChange, labels_of: LabelsOf) -> bool:
    """Whether a pod that some parts kept from all nodes may fit after a change of another pod."""
    return not plugins or any(_BY_POD[plugin](pod, change, labels_of) for plugin in plugins if plugin in _BY_POD)


# ---- nodes -----------------------------------------------------------------------------------------------------------


def _labels(node: Object | None) -> Mapping[str, str]:
    return section(section(node or {}, "metadata"), "labels")


def _taints(node: Object | None) -> Any:
    return section(node or {}, "spec").get("taints") or ()


def _begins(holds: Callable[[PodFacts, Object], bool]) -> Callable[[PodFacts, NodeChange], bool]:
    """Make a question: does something hold of a node that did not hold of it before?"""

    def begins(pod: PodFacts, change: NodeChange) -> bool:
        if change.new is None or not holds(pod, change.new):
            return False
        return change.old is None or not holds(pod, change.old)

    return begins


def _may_schedule(_pod: PodFacts, node: Object) -> bool:
    return not section(node, "spec").get("unschedulable")


def _tolerates(pod: PodFacts, node: Object) -> bool:
    return untolerated_taint(pod.spec, _taints(node)) is None


def _selects(pod: PodFacts, node: Object) -> bool:
    return is_selected(pod.spec, node)


def _fits(pod: PodFacts, node: Object) -> bool:
    return not shortages(pod.sizes, {}, sizes(section(section(node, "status"), "allocatable")))


def _grows(pod: PodFacts, change: NodeChange) -> bool:
    """Whether a node that could take the pod when empty is new, or has more of what the pod asks for, or of pods."""
    if change.new is None or not _fits(pod, change.new):
        return False
    if change.old is None:
        return True
    old, new = (sizes(section(section(one, "status"), "allocatable")) for one in (change.old, change.new))
    return any(new.get(name, 0) > old.get(name, 0) for name in ("pods", *pod.sizes))


def _is_new(_pod: PodFacts, change: NodeChange) -> bool:
    return change.old is None


def _respreads(pod: PodFacts, change: NodeChange) -> bool:
    topologies = [one.topology for one in constraints_of(pod, "DoNotSchedule")]
    old, new = _labels(change.old), _labels(change.new)
    had, has = (all(one in labels for one in topologies) for labels in (old, new))
    if change.old is None or change.new is None:
        return has if change.old is None else had
    if had != has:
        return True
    return has and (any(old[one] != new[one] for one in topologies) or _taints(change.old) != _taints(change.new))


def _moves_places(pod: PodFacts, change: NodeChange) -> bool:
    old, new = _labels(change.old), _labels(change.new)
    if change.new is None:
        return False
    if change.old is None:
        return bool(pod.terms.apart) or any(one.topology in new for one in pod.terms.near)
    near = any(one.topology in new and old.get(one.topology) != new[one.topology] for one in pod.terms.near)
    return near or any(one.topology in old and old[one.topology] != new.get(one.topology) for one in pod.terms.apart)


def _changes_place(_pod: PodFacts, change: NodeChange) -> bool:
    if change.old is None or change.new is None:
        return change.new is not None
    return _labels(change.old) != _labels(change.new) or _taints(change.old) != _taints(change.new)


_BY_NODE: Mapping[Plugin, Callable[[PodFacts, NodeChange], bool]] = {
    Plugin.UNSCHEDULABLE: _begins(_may_schedule),
    Plugin.NODE_NAME: _begins(lambda pod, node: not fixed_obstacle({"nodeName": pod.spec.get("nodeName")}, node)),
    Plugin.TAINTS: _begins(_tolerates),
    Plugin.NODE_AFFINITY: _begins(_selects),
    Plugin.PORTS: _is_new,
    Plugin.FIT: _grows,
    Plugin.SPREAD: _respreads,
    Plugin.AFFINITY: _moves_places,
    **dict.fromkeys(OF_VOLUMES, _changes_place),
}


# ---- pods ------------------------------------------------------------------------------------------------------------


def _frees(pod: PodFacts, change: PodChange, _labels_of: LabelsOf) -> bool:
    if change.new is None or change.old is None:
        return change.new is None
    return any(change.new.sizes.get(name, 0) < change.old.sizes.get(name, 0) for name in pod.sizes)


def _frees_ports(pod: PodFacts, change: PodChange, _labels_of: LabelsOf) -> bool:
    return change.new is None and change.old is not None and ports_conflict(pod.ports, change.old.ports)


def _is_counted(pod: PodFacts, change: PodChange, _labels_of: LabelsOf) -> bool:
    some = change.new or change.old
    if some is None or some.key.namespace != pod.key.namespace:
        return False
    constraints = constraints_of(pod, "DoNotSchedule")
    if change.old is not None and change.new is not None:
        return any(one.matches(change.old) != one.matches(change.new) for one in constraints)
    return any(one.matches(some) for one in constraints)


def _meets(pod: PodFacts, change: PodChange, labels_of: LabelsOf) -> bool:
    near, apart, old, new = pod.terms.near, pod.terms.apart, change.old, change.new
    if new is not None:
        comes = matches_all(near, new, labels_of) and not (old is not None and matches_all(near, old, labels_of))
        leaves = old is not None and matches_all(apart, old, labels_of) and not matches_all(apart, new, labels_of)
        return comes or leaves
    return old is not None and (matches_all(apart, old, labels_of) or matches_all(old.terms.apart, pod, labels_of))


_BY_POD: Mapping[Plugin, Callable[[PodFacts, PodChange, LabelsOf], bool]] = {
    Plugin.FIT: _frees,
    Plugin.PORTS: _frees_ports,
    Plugin.SPREAD: _is_counted,
    Plugin.AFFINITY: _meets,
    Plugin.VOLUME_RESTRICTIONS: lambda _pod, change, _labels_of: change.new is None,
}
