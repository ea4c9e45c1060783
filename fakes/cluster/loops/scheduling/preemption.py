"""Which pods give way to a more important one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ctrlkit.fakes.cluster.loops.scheduling.cycle import Cycle
from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import PodFacts, more_important
from ctrlkit.fakes.cluster.loops.scheduling.state import ClusterState, NodeState
from ctrlkit.fakes.cluster.loops.scheduling.verdicts import Verdict, no_preemption
from ctrlkit.model import LabelSelector, Unstructured

NEVER = "preemption: not eligible due to preemptionPolicy=Never."
WAITS = "preemption: not eligible due to a terminating pod on the nominated node."
NO_VICTIMS = "No preemption victims found for incoming pod"


@dataclass(frozen=True, slots=True)
class GiveWay:
    """Pods of a node that are deleted for another pod, the most important first."""

    node: str
    victims: tuple[PodFacts, ...]
    violated: int


@dataclass(frozen=True, slots=True)
class NoneGivesWay:
    """Nobody gives way, and why; `keeps_nomination` where the pod waits for others that end already."""

    told: str
    keeps_nomination: bool = True


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget: its pods, and how many of them may be disrupted."""

    namespace: str
    selector: LabelSelector
    allowed: int
    disrupted: frozenset[str]

    @classmethod
    def read(cls, budget: Unstructured) -> Budget:
        """Read a PodDisruptionBudget."""
        return cls(
            budget.key.namespace,
            LabelSelector.of_object(budget.at("spec.selector") or {}),
            budget.at("status.disruptionsAllowed") or 0,
            frozenset(budget.at("status.disruptedPods") or ()),
        )

    def counts(self, pod: PodFacts) -> bool:
        """Whether it would be charged for a pod; an empty selector matches none here."""
        return (
            bool(self.selector.requirements and pod.labels)
            and pod.key.namespace == self.namespace
            and pod.key.name not in self.disrupted
            and self.selector.matches(pod.labels)
        )


def who_gives_way(
    cycle: Cycle, state: ClusterState, verdicts: Mapping[str, Verdict], budgets: Sequence[Budget]
) -> GiveWay | NoneGivesWay:
    """
    Return which pods give way to the one of a cycle.

    Shape   `verdicts` are those of the nodes that were looked at, by the nodes' names.
    """
    pod = cycle.pod
    if pod.spec.get("preemptionPolicy") == "Never":
        return NoneGivesWay(NEVER)
    if _waits(pod, state, verdicts.get(pod.nominated)):
        return NoneGivesWay(WAITS)
    nodes = state.nodes()
    candidates: list[GiveWay] = []
    tried: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        verdict = verdicts.get(node.name)
        if verdict is None or verdict.is_hopeless:
            continue
        found = _victims(cycle.copy(), node.copy(), list(state.nominated_for(node.name)), budgets)
        if isinstance(found, GiveWay):
            candidates.append(found)
        else:
            tried[node.name] = found
    if not candidates:
        return NoneGivesWay(no_preemption(len(nodes), tried), keeps_nomination=False)
    return min(candidates, key=_cost)


def _waits(pod: PodFacts, state: ClusterState, verdict: Verdict | None) -> bool:
    """Whether pods that made way for this one still end on its nominated node."""
    node = state.find(pod.nominated) if pod.nominated else None
    if node is None or verdict is None or verdict.is_hopeless:
        return False
    return any(one.priority < pod.priority and one.is_ending and one.is_preempted for one in node.pods.values())


def _victims(
    cycle: Cycle, node: NodeState, nominated: list[PodFacts], budgets: Sequence[Budget]
) -> GiveWay | tuple[str, ...]:
    """Return the fewest and least important pods of a node that have to go, or the reasons why that is no help."""
    lower = more_important(one for one in node.pods.values() if one.priority < cycle.pod.priority)
    if not lower:
        return (NO_VICTIMS,)
    for one in lower:
        cycle.remove(one, node)
    verdict = cycle.verdict(node, nominated)
    if verdict is not None:
        return verdict.reasons
    violating, others = _by_budget(lower, budgets)
    victims: list[PodFacts] = []
    violated = 0
    for one in (*violating, *others):
        cycle.add(one, node)
        if cycle.verdict(node, nominated) is not None:
            cycle.remove(one, node)
            victims.append(one)
            violated += one in violating
    return GiveWay(node.name, tuple(more_important(victims)), violated)


def _by_budget(pods: Iterable[PodFacts], budgets: Sequence[Budget]) -> tuple[list[PodFacts], list[PodFacts]]:
    """Tell apart the pods whose end would break a budget, where all of them end in this order, from the others."""
    left = [one.allowed for one in budgets]
    violating: list[PodFacts] = []
    others: list[PodFacts] = []
    for pod in pods:
        is_violating = False
        for index, budget in enumerate(budgets):
            if budget.counts(pod):
                left[index] -= 1
                is_violating = is_violating or left[index] < 0
        (violating if is_violating else others).append(pod)
    return violating, others


def _cost(found: GiveWay) -> tuple[int, int, int, int, list[int], str]:
    """
    Order candidates: broken budgets, the most important victim, all their priorities, their number, their start.

    The latest start of the most important ones is best; of equal nodes the first by name.
    """
    highest = found.victims[0].priority
    started = min(one.since for one in found.victims if one.priority == highest)
    total = sum(one.priority + 2**31 for one in found.victims)
    return found.violated, highest, total, len(found.victims), [-ord(letter) for letter in started], found.node
