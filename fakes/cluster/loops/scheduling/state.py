"""The nodes as the scheduler sees them: what runs on each, and the sums of it, kept up to date change by change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from ctrlkit.fakes.cluster.loops.scheduling.node_fit import HostPort, Object, sizes
from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import PodFacts
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.model import LabelSelector
from ctrlkit.model.selectors import Operator

_PODS = "pods"


class NodeState:
    """
    A node and the pods on it.

    Shape   `node` is None where pods name a node that is not there. `used` are the sums of what the pods ask for, with
            their number as `pods`; `counted` those of `at_least`. `with_terms` are the pods that have an affinity.
    Cost    selected() looks at the pods that have one of the labels that it asks for, not at all of them.
    """

    __slots__ = ("_labelled", "allocatable", "counted", "labels", "name", "node", "pods", "ports", "used", "with_terms")

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.node: Object | None = None
        self.labels: Mapping[str, str] = {}
        self.allocatable: Mapping[str, int] = {}
        self.pods: dict[str, PodFacts] = {}
        self.used: Counter[str] = Counter()
        self.counted: tuple[int, int] = (0, 0)
        self.ports: Counter[HostPort] = Counter()
        self.with_terms: dict[str, PodFacts] = {}
        self._labelled: dict[tuple[str, str, str], dict[str, PodFacts]] = {}  # by namespace, label and value

    def set_node(self, node: Object | None) -> None:
        """Take note of the Node object, or that it is gone."""
        self.node = node
        self.labels = section(section(node or {}, "metadata"), "labels")
        self.allocatable = sizes(section(section(node or {}, "status"), "allocatable"))

    def add(self, pod: PodFacts) -> None:
        """Add a pod, in place of an earlier state of it."""
        before = self.pods.get(pod.uid)
        if before is not None and before.has_same_needs(pod):
            self._renew(pod)
            return
        self.remove(pod.uid)
        self.pods[pod.uid] = pod
        self._count(pod, 1)
        for place in _places(pod):
            self._labelled.setdefault(place, {})[pod.uid] = pod
        if pod.terms.near or pod.terms.apart or pod.terms.rather_near or pod.terms.rather_apart:
            self.with_terms[pod.uid] = pod

    def _renew(self, pod: PodFacts) -> None:
        """Put a state of a pod in place of an earlier one that takes the same."""
        uid = pod.uid
        self.pods[uid] = pod
        for place in _places(pod):
            self._labelled[place][uid] = pod
        if uid in self.with_terms:
            self.with_terms[uid] = pod

    def remove(self, uid: str) -> PodFacts | None:
        """Remove a pod; return it, or None if it is not here."""
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self.with_terms.pop(uid, None)
            self._count(pod, -1)
            for place in _places(pod):
                del self._labelled[place][uid]
                if not self._labelled[place]:
                    del self._labelled[place]
        return pod

    def selected(self, namespace: str, selector: LabelSelector) -> Iterator[PodFacts]:
        """Yield the pods of a namespace that a selector matches."""
        fixed = [
            self._labelled.get((namespace, one.label, one.values[0]), {})
            for one in selector.requirements
            if one.operator is Operator.EQUALS
        ]
        for pod in min(fixed, key=len, default=self.pods).values():
            if pod.key.namespace == namespace and selector.matches(pod.labels):
                yield pod

    def _count(self, pod: PodFacts, sign: int) -> None:
        self.used[_PODS] += sign
        for name, size in pod.sizes.items():
            self.used[name] += sign * size
        for port in pod.ports:
            self.ports[port] += sign
            if not self.ports[port]:
                del self.ports[port]
        cpu, memory = pod.counted
        self.counted = (self.counted[0] + sign * cpu, self.counted[1] + sign * memory)

    def copy(self) -> NodeState:
        """Return a copy in which other pods may be tried."""
        other = NodeState(self.name)
        other.node, other.labels, other.allocatable = self.node, self.labels, self.allocatable
        other.pods, other.with_terms = dict(self.pods), dict(self.with_terms)
        other._labelled = {place: dict(pods) for place, pods in self._labelled.items()}
        other.used, other.ports, other.counted = Counter(self.used), Counter(self.ports), self.counted
        return other


def _places(pod: PodFacts) -> Iterator[tuple[str, str, str]]:
    return ((pod.key.namespace, label, value) for label, value in pod.labels.items())


class ClusterState:
    """All nodes, by name, and the pods that are bound to them, assumed there or nominated for them."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeState] = {}
        self._placed: dict[str, NodeState] = {}
        self._nominated: dict[str, PodFacts] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}

    def nodes(self) -> list[NodeState]:
        """Return the nodes that have a Node object, in the order of their names."""
        return [self._nodes[name] for name in sorted(self._nodes) if self._nodes[name].node is not None]

    def find(self, name: str) -> NodeState | None:
        """Return a node that has a Node object; None if there is none."""
        found = self._nodes.get(name)
        return found if found is not None and found.node is not None else None

    def set_node(self, name: str, node: Object | None) -> None:
        """Take note of a Node object, or that it is gone."""
        self._at(name).set_node(node)
        self._forget_empty(name)

    def place(self, pod: PodFacts, node: str) -> None:
        """Put a pod on a node: it is bound, or about to be."""
        before = self._placed.get(pod.uid)
        if before is not None and before.name != node:
            self.displace(pod.uid)
        at = self._placed[pod.uid] = self._at(node)
        at.add(pod)

    def displace(self, uid: str) -> PodFacts | None:
        """Take a pod off its node; return it, or None if it is on none."""
        at = self._placed.pop(uid, None)
        if at is None:
            return None
        pod = at.remove(uid)
        self._forget_empty(at.name)
        return pod

    def placed(self, uid: str) -> PodFacts | None:
        """Return a pod that is on a node."""
        at = self._placed.get(uid)
        return at.pods[uid] if at is not None else None

    def pods(self) -> Iterator[PodFacts]:
        """Yield all pods that are on nodes."""
        return (pod for node in self._nodes.values() for pod in node.pods.values())

    def nominate(self, pod: PodFacts, node: str) -> None:
        """Take note for which node a pod is nominated; "" for none."""
        if node:
            self._nominated[pod.uid] = pod if pod.nominated == node else pod.nominated_for(node)
        else:
            self._nominated.pop(pod.uid, None)

    def forget_nominated(self, uid: str) -> None:
        """Forget a nomination."""
        self._nominated.pop(uid, None)

    def nominated_for(self, node: str) -> Iterator[PodFacts]:
        """Yield the pods that are nominated for a node."""
        return (pod for pod in self._nominated.values() if pod.nominated == node)

    @property
    def has_nominated(self) -> bool:
        """Whether any pod is nominated."""
        return bool(self._nominated)

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """Take note of the labels of a namespace, None when it is gone."""
        if labels is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = labels

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Return the labels of a namespace, as far as they are known."""
        return self._namespaces.get(name) or {}

    def _at(self, name: str) -> NodeState:
        found = self._nodes.get(name)
        if found is None:
            found = self._nodes[name] = NodeState(name)
        return found

    def _forget_empty(self, name: str) -> None:
        found = self._nodes[name]
        if found.node is None and not found.pods:
            del self._nodes[name]
