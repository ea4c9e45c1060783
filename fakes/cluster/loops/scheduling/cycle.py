"""One try to place a pod: each node is asked, part by part, whether the pod fits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ctrlkit.fakes.cluster.loops.scheduling import node_fit
from ctrlkit.fakes.cluster.loops.scheduling.affinity import PodAffinity
from ctrlkit.fakes.cluster.loops.scheduling.node_fit import fixed_obstacle, ports_conflict, shortages
from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import LabelsOf, PodFacts
from ctrlkit.fakes.cluster.loops.scheduling.spread import Spread, constraints_of
from ctrlkit.fakes.cluster.loops.scheduling.state import NodeState
from ctrlkit.fakes.cluster.loops.scheduling.verdicts import Plugin, Verdict
from ctrlkit.fakes.cluster.loops.scheduling.volume_needs import VolumeNeeds

_FIXED = {
    node_fit.CORDONED: Plugin.UNSCHEDULABLE,
    node_fit.OTHER_NAME: Plugin.NODE_NAME,
    node_fit.TAINTED: Plugin.TAINTS,
    node_fit.NOT_SELECTED: Plugin.NODE_AFFINITY,
}
_NO_PORTS = Verdict(Plugin.PORTS, (node_fit.NO_PORTS,))


@dataclass(slots=True)
class Cycle:
    """
    What is known of all nodes for one pod.

    Shape   `affinity`, `spread` and `volumes` are None where nothing of them can be in the way.
    """

    pod: PodFacts
    affinity: PodAffinity | None
    spread: Spread | None
    volumes: VolumeNeeds | None

    @classmethod
    def begin(
        cls, pod: PodFacts, nodes: Sequence[NodeState], labels_of: LabelsOf, volumes: VolumeNeeds | None = None
    ) -> Cycle:
        """Look at all nodes once."""
        affinity = PodAffinity(pod, nodes, labels_of)
        constraints = constraints_of(pod, "DoNotSchedule")
        spread = Spread(pod, constraints, nodes) if constraints else None
        return cls(pod, None if affinity.is_idle else affinity, spread, volumes)

    def copy(self) -> Cycle:
        """Return a copy in which pods may be moved."""
        return Cycle(
            self.pod,
            self.affinity.copy() if self.affinity is not None else None,
            self.spread.copy() if self.spread is not None else None,
            self.volumes,
        )

    def add(self, other: PodFacts, node: NodeState) -> None:
        """Put another pod on a node."""
        node.add(other)
        self._move(other, node, 1)

    def remove(self, other: PodFacts, node: NodeState) -> None:
        """Take another pod off a node."""
        node.remove(other.uid)
        self._move(other, node, -1)

    def _move(self, other: PodFacts, node: NodeState, sign: int) -> None:
        if self.affinity is not None:
            self.affinity.move(other, node, sign)
        if self.spread is not None:
            self.spread.move(other, node, sign)
        if self.volumes is not None:
            self.volumes = self.volumes.moved(other, sign)

    def verdict(self, node: NodeState, nominated: Iterable[PodFacts] = ()) -> Verdict | None:
        """
        Return what keeps the pod from a node; None if nothing does.

        It has to fit with the pods that are nominated for the node and no less important, and without them.
        """
        others = [one for one in nominated if one.priority >= self.pod.priority and one.uid != self.pod.uid]
        if others:
            trial, there = self.copy(), node.copy()
            for one in others:
                trial.add(one, there)
            found = trial.verdict(there)
            if found is not None:
                return found
        return next(self._obstacles(node), None)

    def _obstacles(self, node: NodeState) -> Iterator[Verdict]:
        pod = self.pod
        fixed = fixed_obstacle(pod.spec, node.node or {})
        if fixed:
            yield Verdict(_FIXED[fixed], (fixed,), is_hopeless=True)
        if pod.ports and ports_conflict(pod.ports, node.ports):
            yield _NO_PORTS
        short = shortages(pod.sizes, node.used, node.allocatable)
        if short:
            is_hopeless = any(one.is_hopeless for one in short)
            yield Verdict(Plugin.FIT, tuple(one.reason for one in short), is_hopeless=is_hopeless)
        if self.volumes is not None:
            yield from self.volumes.verdicts(node)
        for part in (self.spread, self.affinity):
            found = part.verdict(node) if part is not None else None
            if found is not None:
                yield found
