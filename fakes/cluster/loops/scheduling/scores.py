"""
Which of the nodes that fit is best, by the scheduler's default scores and weights. Pure.

Of nodes that are equally good a real scheduler takes any. Here it is the one with the fewest pods, then the first by
name. How many of a pod's images a node has already is not scored.
"""

from __future__ import annotations

from collections.abc import Sequence

from ctrlkit.fakes.cluster.loops.scheduling.affinity import affinity_scores
from ctrlkit.fakes.cluster.loops.scheduling.node_fit import PREFER_NO_SCHEDULE, term_matches, tolerations_of
from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import LabelsOf, PodFacts
from ctrlkit.fakes.cluster.loops.scheduling.spread import constraints_of, defaults, spread_scores
from ctrlkit.fakes.cluster.loops.scheduling.state import NodeState
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.model import LabelSelector

_TAINTS, _AFFINITY, _SPREAD, _PODS = 3, 2, 2, 2
_CPU, _MEMORY = "cpu", "memory"


def best(
    pod: PodFacts,
    nodes: Sequence[NodeState],
    every: Sequence[NodeState],
    *,
    selector: LabelSelector | None,
    labels_of: LabelsOf,
) -> NodeState:
    """Return the best of some nodes that all fit a pod; see `scores`."""
    totals = scores(pod, nodes, every, selector=selector, labels_of=labels_of)
    return min(zip(totals, nodes, strict=True), key=lambda one: (-one[0], len(one[1].pods), one[1].name))[1]


def scores(
    pod: PodFacts,
    nodes: Sequence[NodeState],
    every: Sequence[NodeState],
    *,
    selector: LabelSelector | None,
    labels_of: LabelsOf,
) -> list[int]:
    """
    Return how good each of some nodes is for a pod that fits all of them.

    Shape   `every` are all nodes. `selector` is that of the Services and the controller of the pod, by which a pod
            without constraints of its own is spread; None for none.
    """
    totals = [_least_allocated(pod, node) for node in nodes]

    def add(weight: int, scores: Sequence[int]) -> None:
        for index, score in enumerate(scores):
            totals[index] += weight * score

    if any(pod.sizes.get(name) for name in (_CPU, _MEMORY)):
        add(1, [_balanced(pod, node) for node in nodes])
    add(_TAINTS, _normalized([_bad_taints(pod, node) for node in nodes], is_reverse=True))
    terms = section(section(pod.spec, "affinity"), "nodeAffinity").get(
        "preferredDuringSchedulingIgnoredDuringExecution"
    )
    if terms:
        add(_AFFINITY, _normalized([_preferred(terms, node) for node in nodes]))
    own = bool(pod.spec.get("topologySpreadConstraints"))
    soft = constraints_of(pod, "ScheduleAnyway") if own else defaults(selector) if selector is not None else []
    if soft:
        add(_SPREAD, spread_scores(pod, soft, nodes, every, needs_labels=own))
    if pod.terms.rather_near or pod.terms.rather_apart or any(node.with_terms for node in every):
        add(_PODS, affinity_scores(pod, nodes, every, labels_of))
    return totals


def _normalized(scores: Sequence[int], *, is_reverse: bool = False) -> list[int]:
    most = max(scores, default=0)
    if not most:
        return [100 if is_reverse else 0 for _ in scores]
    return [100 - 100 * score // most if is_reverse else 100 * score // most for score in scores]


def _least_allocated(pod: PodFacts, node: NodeState) -> int:
    """How much of a node's cpu and memory is left with the pod on it."""
    found = []
    for name, used, asked in zip((_CPU, _MEMORY), node.counted, pod.counted, strict=True):
        most = node.allocatable.get(name, 0)
        if most:
            found.append(max(0, most - used - asked) * 100 // most)
    return sum(found) // len(found) if found else 0


def _balanced(pod: PodFacts, node: NodeState) -> int:
    """Whether a node's cpu and memory are used more evenly with the pod on it than without."""
    with_pod = _evenness(node, [node.used[name] + pod.sizes.get(name, 0) for name in (_CPU, _MEMORY)])
    without = _evenness(node, [node.used[name] for name in (_CPU, _MEMORY)])
    return 50 + int((50 + with_pod - without) / 2)


def _evenness(node: NodeState, used: Sequence[int]) -> int:
    parts = [
        min(1.0, size / node.allocatable[name])
        for name, size in zip((_CPU, _MEMORY), used, strict=True)
        if node.allocatable.get(name)
    ]
    deviation = abs(parts[0] - parts[1]) / 2 if len(parts) == 2 else 0.0
    return int((1 - deviation) * 100)


def _bad_taints(pod: PodFacts, node: NodeState) -> int:
    """How many taints a pod would rather not have, and does not tolerate."""
    soft = [one for one in pod.spec.get("tolerations") or () if one.get("effect") in (None, "", PREFER_NO_SCHEDULE)]
    taints = section(node.node or {}, "spec").get("taints") or ()
    return sum(
        one.get("effect") == PREFER_NO_SCHEDULE and not any(True for _ in tolerations_of(one, soft)) for one in taints
    )


def _preferred(terms: Sequence[dict[str, object]], node: NodeState) -> int:
    matching = (one["weight"] for one in terms if term_matches(section(one, "preference"), node.node or {}))
    return sum(int(str(weight)) for weight in matching)
