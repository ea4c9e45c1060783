"""Affinity between pods: which nodes it leaves, and how much better some are than others. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import LabelsOf, PodFacts, Term
from ctrlkit.fakes.cluster.loops.scheduling.state import NodeState
from ctrlkit.fakes.cluster.loops.scheduling.verdicts import Plugin, Verdict

_NOT_NEAR = Verdict(Plugin.AFFINITY, ("node(s) didn't match pod affinity rules",), is_hopeless=True)
_NOT_APART = Verdict(Plugin.AFFINITY, ("node(s) didn't match pod anti-affinity rules",))
_KEPT_APART = Verdict(Plugin.AFFINITY, ("node(s) didn't satisfy existing pods anti-affinity rules",))

_REQUIRED_WEIGHT = 1

Place = tuple[str, str]
"""A topology key and its value at a node."""


class PodAffinity:
    """
    What the required affinities of a pod, and those of pods that run, mean for each node.

    Shape   Counts how many pods at each place match the pod's terms, and how many have terms that match the pod.
    """

    def __init__(self, pod: PodFacts, nodes: Iterable[NodeState], labels_of: LabelsOf) -> None:
        self._pod = pod
        self._labels_of = labels_of
        self._near: Counter[Place] = Counter()
        self._apart: Counter[Place] = Counter()
        self._against: Counter[Place] = Counter()
        has_terms = bool(pod.terms.near or pod.terms.apart)
        for node in nodes:
            for other in (node.pods if has_terms else node.with_terms).values():
                self.move(other, node, 1)

    @property
    def is_idle(self) -> bool:
        """Whether nothing can be in the way."""
        return not self._against and not self._pod.terms.near and not self._pod.terms.apart

    def copy(self) -> PodAffinity:
        """Return a copy in which pods may be moved."""
        other = PodAffinity(self._pod, (), self._labels_of)
        other._near, other._apart, other._against = Counter(self._near), Counter(self._apart), Counter(self._against)
        return other

    def move(self, other: PodFacts, node: NodeState, sign: int) -> None:
        """Count a pod that comes to a node, or leaves it."""
        terms = self._pod.terms
        if terms.near and matches_all(terms.near, other, self._labels_of):
            _count(self._near, terms.near, node, sign)
        _count(self._apart, (one for one in terms.apart if one.matches(other, self._labels_of)), node, sign)
        against = (one for one in other.terms.apart if one.matches(self._pod, self._labels_of))
        _count(self._against, against, node, sign)

    def verdict(self, node: NodeState) -> Verdict | None:
        """Return what keeps the pod from a node; None if nothing does."""
        if not self._is_near(node):
            return _NOT_NEAR
        if any(self._apart[place] > 0 for place in _places(self._pod.terms.apart, node)):
            return _NOT_APART
        if any(count > 0 and node.labels.get(key) == value for (key, value), count in self._against.items()):
            return _KEPT_APART
        return None

    def _is_near(self, node: NodeState) -> bool:
        """Whether pods that match all terms are at the node's places; the first of a series may be anywhere."""
        terms = self._pod.terms.near
        places = list(_places(terms, node))
        if len(places) < len(terms):
            return False
        if all(self._near[place] > 0 for place in places):
            return True
        return not any(self._near.values()) and matches_all(terms, self._pod, self._labels_of)


def matches_all(terms: Sequence[Term], pod: PodFacts, labels_of: LabelsOf) -> bool:
    """Whether there are terms, and all of them mean a pod."""
    return bool(terms) and all(one.matches(pod, labels_of) for one in terms)


def _places(terms: Iterable[Term], node: NodeState) -> Iterator[Place]:
    return ((one.topology, node.labels[one.topology]) for one in terms if one.topology in node.labels)


def _count(counts: Counter[Place], terms: Iterable[Term], node: NodeState, sign: int) -> None:
    for place in _places(terms, node):
        counts[place] += sign


def affinity_scores(
    pod: PodFacts, nodes: Sequence[NodeState], every: Iterable[NodeState], labels_of: LabelsOf
) -> list[int]:
    """Return how well each of some nodes fits the preferences of a pod, and of the pods that run: 0 to 100."""
    counts: Counter[Place] = Counter()
    has_wishes = bool(pod.terms.rather_near or pod.terms.rather_apart)
    for node in every:
        for other in (node.pods if has_wishes else node.with_terms).values():
            for term, weight in _wishes(pod, other, labels_of):
                if term.topology in node.labels:
                    counts[term.topology, node.labels[term.topology]] += weight
    sums = [sum(size for (key, value), size in counts.items() if node.labels.get(key) == value) for node in nodes]
    least, most = min(sums), max(sums)
    return [int(100 * (size - least) / (most - least)) if most > least else 0 for size in sums]


def _wishes(pod: PodFacts, other: PodFacts, labels_of: LabelsOf) -> Iterator[tuple[Term, int]]:
    yield from ((one, one.weight) for one in pod.terms.rather_near if one.matches(other, labels_of))
    yield from ((one, -one.weight) for one in pod.terms.rather_apart if one.matches(other, labels_of))
    yield from ((one, _REQUIRED_WEIGHT) for one in other.terms.near if one.matches(pod, labels_of))
    yield from ((one, one.weight) for one in other.terms.rather_near if one.matches(pod, labels_of))
    yield from ((one, -one.weight) for one in other.terms.rather_apart if one.matches(pod, labels_of))
