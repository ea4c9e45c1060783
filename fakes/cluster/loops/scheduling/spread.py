"""Topology spread: which nodes its constraints leave, and how evenly each would spread pods. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ctrlkit.fakes.cluster.loops.scheduling.node_fit import Object, is_selected, untolerated_taint
from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import PodFacts
from ctrlkit.fakes.cluster.loops.scheduling.state import NodeState
from ctrlkit.fakes.cluster.loops.scheduling.verdicts import Plugin, Verdict
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.model import LabelSelector

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"

_SKEWED = "node(s) didn't match pod topology spread constraints"
_WITHOUT_LABEL = Verdict(Plugin.SPREAD, (f"{_SKEWED} (missing required label)",), is_hopeless=True)
_TOO_SKEWED = Verdict(Plugin.SPREAD, (_SKEWED,))

_HONOR = "Honor"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A topology spread constraint; `selector` is None where it counts no pods."""

    topology: str
    skew_max: int
    selector: LabelSelector | None
    domains_min: int = 1
    minds_affinity: bool = True
    minds_taints: bool = False

    def matches(self, pod: PodFacts) -> bool:
        """Whether it is about a pod of its namespace."""
        return self.selector is not None and self.selector.matches(pod.labels)

    def counts(self, pod: PodFacts, node: NodeState) -> bool:
        """Whether the pods of a node count, where a pod is placed."""
        if self.minds_affinity and not is_selected(pod.spec, node.node or {}):
            return False
        taints = section(node.node or {}, "spec").get("taints") or ()
        return not self.minds_taints or untolerated_taint(pod.spec, taints) is None

    def number_at(self, node: NodeState, namespace: str) -> int:
        """Return how many pods of a node it counts."""
        if self.selector is None or not self.selector.requirements:
            return 0
        return sum(not one.is_ending for one in node.selected(namespace, self.selector))


def constraints_of(pod: PodFacts, when_unsatisfiable: str) -> list[Constraint]:
    """Return the constraints of a pod that are kept strictly, DoNotSchedule, or as well as possible, ScheduleAnyway."""
    return [
        _constraint(one, pod)
        for one in pod.spec.get("topologySpreadConstraints") or ()
        if one.get("whenUnsatisfiable") == when_unsatisfiable
    ]


def _constraint(one: Object, pod: PodFacts) -> Constraint:
    selector = None if one.get("labelSelector") is None else LabelSelector.of_object(one["labelSelector"])
    same = {key: pod.labels[key] for key in one.get("matchLabelKeys") or () if key in pod.labels}
    if same and selector is not None:
        selector = LabelSelector((*LabelSelector.of_labels(same).requirements, *selector.requirements))
    return Constraint(
        one["topologyKey"],
        one["maxSkew"],
        selector,
        one.get("minDomains") or 1,
        minds_affinity=(one.get("nodeAffinityPolicy") or _HONOR) == _HONOR,
        minds_taints=one.get("nodeTaintsPolicy") == _HONOR,
    )


class Spread:
    """What the strict constraints of a pod mean for each node: counts the pods in each domain."""

    def __init__(self, pod: PodFacts, constraints: Sequence[Constraint], nodes: Iterable[NodeState]) -> None:
        self._pod = pod
        self.constraints: Sequence[Constraint] = constraints
        self._numbers: list[Counter[str]] = [Counter() for _ in constraints]
        for node in nodes:
            if self._has_all_labels(node):
                for constraint, numbers in zip(constraints, self._numbers, strict=True):
                    if constraint.counts(pod, node):
                        numbers[node.labels[constraint.topology]] += constraint.number_at(node, pod.key.namespace)

    def copy(self) -> Spread:
        """Return a copy in which pods may be moved."""
        other = Spread(self._pod, self.constraints, ())
        other._numbers = [Counter(numbers) for numbers in self._numbers]
        return other

    def move(self, other: PodFacts, node: NodeState, sign: int) -> None:
        """Count a pod that comes to a node, or leaves it."""
        if other.key.namespace != self._pod.key.namespace or not self._has_all_labels(node):
            return
        for constraint, numbers in zip(self.constraints, self._numbers, strict=True):
            if constraint.matches(other) and constraint.counts(self._pod, node):
                numbers[node.labels[constraint.topology]] += sign

    def verdict(self, node: NodeState) -> Verdict | None:
        """Return what keeps the pod from a node; None if nothing does."""
        for constraint, numbers in zip(self.constraints, self._numbers, strict=True):
            domain = node.labels.get(constraint.topology)
            if domain is None:
                return _WITHOUT_LABEL
            if numbers[domain] + constraint.matches(self._pod) - _least(constraint, numbers) > constraint.skew_max:
                return _TOO_SKEWED
        return None

    def _has_all_labels(self, node: NodeState) -> bool:
        return all(one.topology in node.labels for one in self.constraints)


def _least(constraint: Constraint, numbers: Counter[str]) -> int:
    return min(numbers.values()) if len(numbers) >= max(constraint.domains_min, 1) else 0


def defaults(selector: LabelSelector) -> list[Constraint]:
    """Return the constraints that a scheduler has for pods without any of their own."""
    return [Constraint(ZONE, 5, selector), Constraint(HOSTNAME, 3, selector)]


def spread_scores(
    pod: PodFacts,
    constraints: Sequence[Constraint],
    nodes: Sequence[NodeState],
    every: Iterable[NodeState],
    *,
    needs_labels: bool,
) -> list[int]:
    """
    Return how evenly each of some nodes would spread a pod: 0 to 100.

    Shape   `needs_labels` where a node without one of the labels is worth nothing; the constraints are the pod's own.
    """

    def is_left_out(node: NodeState) -> bool:
        return needs_labels and any(one.topology not in node.labels for one in constraints)

    left = [node for node in nodes if not is_left_out(node)]
    numbers = [{node.labels.get(one.topology, ""): 0 for node in left} for one in constraints]
    for node in every:
        if is_left_out(node):
            continue
        for constraint, known in zip(constraints, numbers, strict=True):
            domain = node.labels.get(constraint.topology, "")
            if constraint.topology != HOSTNAME and domain in known and constraint.counts(pod, node):
                known[domain] += constraint.number_at(node, pod.key.namespace)
    weights = [
        math.log((len(left) if one.topology == HOSTNAME else len(known)) + 2)
        for one, known in zip(constraints, numbers, strict=True)
    ]

    def raw(node: NodeState) -> int:
        score = 0.0
        for constraint, known, weight in zip(constraints, numbers, weights, strict=True):
            domain = node.labels.get(constraint.topology)
            if domain is not None:
                at_host = constraint.topology == HOSTNAME
                number = constraint.number_at(node, pod.key.namespace) if at_host else known[domain]
                score += number * weight + constraint.skew_max - 1
        return math.floor(score + 0.5)

    found = {node.name: raw(node) for node in left}
    least, most = min(found.values(), default=0), max(found.values(), default=0)
    return [
        0 if node.name not in found else 100 * (most + least - found[node.name]) // most if most else 100
        for node in nodes
    ]
