"""
Plans what a DaemonSet does about its pods, node by node, and counts them for its status. Pure.

First each node gets the pod that it lacks and loses those that are too many, have ended, or do not belong there. Where
nothing of that is to be done, a rolling update replaces old pods: no more than `maxUnavailable` nodes are without an
available pod because of it, or with `maxSurge`, no more than so many nodes have a new one beside the old one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctrlkit.fakes.cluster.loops.percentages import of_total
from ctrlkit.fakes.cluster.loops.pods import FINAL_PHASES
from ctrlkit.fakes.cluster.loops.scheduling.node_fit import NO_EXECUTE, Object, is_selected, untolerated_taint
from ctrlkit.fakes.tracker.kinds.tables import section

BURST = 250
"""How many pods one reconcile makes or deletes at most."""

_NODE_NAME = "metadata.name"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_TOLERATED = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)
_TOLERATED_ON_ITS_NETWORK = ("network-unavailable", "NoSchedule")
_IDENTITY = ("key", "operator", "value", "effect")


@dataclass(frozen=True, slots=True)
class Place:
    """A node as a DaemonSet sees it: whether a pod belongs there, and whether one that is there may stay."""

    name: str
    runs: bool
    keeps: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonPod:
    """The fields of a pod that the plan depends on; `node` is where it is, or where the scheduler is to put it."""

    name: str
    uid: str
    node: str
    created: str = ""
    phase: str = "Pending"
    is_bound: bool = True
    is_updated: bool = True
    is_deleting: bool = False
    is_ready: bool = False
    is_available: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """How old pods are replaced; `is_rolling` is false where that is left to whoever deletes them."""

    is_rolling: bool = True
    max_unavailable: int | str = 1
    max_surge: int | str = 0

    @property
    def surges(self) -> bool:
        """Whether a node may have two pods during an update."""
        return self.is_rolling and of_total(self.max_surge, 1, round_up=True) > 0

    def limits(self, nodes: int) -> tuple[int, int]:
        """
        Return how many nodes may have two pods, and how many none that is available.

        >>> Update(max_unavailable="20%").limits(6), Update(max_unavailable=0).limits(6)
        ((0, 2), (0, 1))
        """
        surge = of_total(self.max_surge, nodes, round_up=True)
        unavailable = of_total(self.max_unavailable, nodes, round_up=True)
        return surge, 1 if nodes and not surge and not unavailable else unavailable


@dataclass(frozen=True, slots=True)
class DaemonSteps:
    """
    What is to be done: nodes that get a pod, pods to delete.

    `ended` are those of them that have ended; `waiting` are the nodes whose failed pod is not deleted yet.
    """

    create: tuple[str, ...] = ()
    delete: tuple[DaemonPod, ...] = ()
    ended: tuple[DaemonPod, ...] = ()
    waiting: tuple[str, ...] = ()


PodsByNode = Mapping[str, Sequence[DaemonPod]]


# ---- where pods belong -----------------------------------------------------------------------------------------------


def daemon_spec(spec: Object) -> dict[str, Any]:
    """Return the spec of a template's pods: they stay on nodes that are not ready, cordoned or under pressure."""
    found = list(spec.get("tolerations") or ())
    extra = (_TOLERATED_ON_ITS_NETWORK,) if spec.get("hostNetwork") else ()
    for name, effect in (*_TOLERATED, *extra):
        toleration = {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect}
        same = next((place for place, one in enumerate(found) if _is_same_but_for_seconds(one, toleration)), None)
        if same is None:
            found.append(toleration)
        else:
            found[same] = toleration
    return {**spec, "tolerations": found}


def _is_same_but_for_seconds(one: Object, other: Object) -> bool:
    return all((one.get(name) or "") == (other.get(name) or "") for name in _IDENTITY)


def place_of(spec: Object, node: Object) -> Place:
    """
    Decide about a node, given the spec of the pods.

    >>> node = {"metadata": {"name": "a"}, "spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}}
    >>> place_of({}, node), place_of({"nodeName": "a", "tolerations": [{"operator": "Exists"}]}, node)
    (Place(name='a', runs=False, keeps=True), Place(name='a', runs=True, keeps=True))
    """
    name = section(node, "metadata").get("name", "")
    if spec.get("nodeName") not in (None, "", name) or not is_selected(spec, node):
        return Place(name, runs=False, keeps=False)
    taints = section(node, "spec").get("taints") or ()
    keeps = untolerated_taint(spec, taints, {NO_EXECUTE}) is None
    return Place(name, runs=keeps and untolerated_taint(spec, taints) is None, keeps=keeps)


def affinity_to(affinity: Object | None, node: str) -> dict[str, Any]:
    """
    Return an affinity to one node by its name; what else a pod required of its node has been looked at by now.

    >>> affinity_to(None, "a")["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    [{'matchFields': [{'key': 'metadata.name', 'operator': 'In', 'values': ['a']}]}]
    """
    others = affinity or {}
    field_of_name = {"key": _NODE_NAME, "operator": "In", "values": [node]}
    required = {_REQUIRED: {"nodeSelectorTerms": [{"matchFields": [field_of_name]}]}}
    return {**others, "nodeAffinity": {**(others.get("nodeAffinity") or {}), **required}}


def target_of(spec: Object) -> str:
    """
    Return the node that a pod is on, or that its affinity names; "" if it names none.

    >>> target_of({"affinity": affinity_to(None, "a")}), target_of({"nodeName": "b"}), target_of({})
    ('a', 'b', '')
    """
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = section(section(section(spec, "affinity"), "nodeAffinity"), _REQUIRED)
    for term in required.get("nodeSelectorTerms") or ():
        for one in term.get("matchFields") or ():
            if one.get("key") == _NODE_NAME and one.get("operator") == "In":
                values: list[str] = list(one.get("values") or ())
                return values[0] if len(values) == 1 else ""
    return ""


def by_node(pods: Iterable[DaemonPod]) -> dict[str, list[DaemonPod]]:
    """Sort pods by their nodes; those that have ended and are being deleted count no more."""
    found: dict[str, list[DaemonPod]] = {}
    for pod in pods:
        if pod.node and not (pod.is_deleting and pod.phase in FINAL_PHASES):
            found.setdefault(pod.node, []).append(pod)
    for there in found.values():
        there.sort(key=_oldest_first)
    return found


def _oldest_first(pod: DaemonPod) -> tuple[bool, str, str]:
    return not pod.is_bound, pod.created, pod.name


# ---- a pod on each node ----------------------------------------------------------------------------------------------


def plan(update: Update, places: Sequence[Place], pods: PodsByNode, held: Collection[str] = ()) -> DaemonSteps:
    """
    Plan what is to be done next.

    >>> plan(Update(), [Place("a", runs=True, keeps=True), Place("b", runs=False, keeps=True)], {}).create
    ('a',)

    Shape   `held` are the nodes whose failed pods are not to be deleted yet.
    Cost    O(n) in the numbers of nodes and pods.
    """
    steps = manage(update, places, pods, held)
    if steps.create or steps.delete or not update.is_rolling:
        return steps
    rolled = roll(update, places, pods)
    return DaemonSteps(rolled.create, rolled.delete, waiting=steps.waiting)


@dataclass(slots=True)
class _Draft:
    create: list[str] = field(default_factory=list)
    delete: list[DaemonPod] = field(default_factory=list)
    ended: list[DaemonPod] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


def manage(update: Update, places: Sequence[Place], pods: PodsByNode, held: Collection[str]) -> DaemonSteps:
    """Plan so that each node has the pod that belongs there, and no other."""
    draft = _Draft()
    for place in places:
        there = pods.get(place.name, ())
        if place.runs and not there:
            draft.create.append(place.name)
        elif place.keeps:
            _tend(update, place, there, draft, is_held=place.name in held)
        else:
            draft.delete += [pod for pod in there if not pod.is_deleting]
    known = {place.name for place in places}
    for node, there in pods.items():
        if node not in known:  # those that are bound are collected with their node
            draft.delete += [pod for pod in there if not pod.is_bound and not pod.is_deleting]
    return DaemonSteps(
        tuple(draft.create), (*draft.ended, *draft.delete), tuple(draft.ended), tuple(dict.fromkeys(draft.waiting))
    )


def _tend(update: Update, place: Place, there: Sequence[DaemonPod], draft: _Draft, *, is_held: bool) -> None:
    """Look after a node that may keep its pod: one failed pod at a time is deleted, and no pod is one too many."""
    running: list[DaemonPod] = []
    for pod in there:
        if pod.is_deleting:
            continue
        if pod.phase == "Failed" and is_held:
            draft.waiting.append(place.name)
        elif pod.phase in FINAL_PHASES:
            is_held = is_held or pod.phase == "Failed"
            draft.ended.append(pod)
        else:
            running.append(pod)
    if not update.surges:
        draft.delete += running[1:]
    elif running:
        draft.delete += _too_many(running)
    elif place.runs:
        draft.create.append(place.name)


def _too_many(running: Sequence[DaemonPod]) -> list[DaemonPod]:
    """Return all but the oldest new and old pod of a node; and the old one if the new one takes its place."""
    new = next((pod for pod in running if pod.is_updated), None)
    old = next((pod for pod in running if not pod.is_updated), None)
    found = [pod for pod in running if pod not in (new, old)]
    if new is not None and old is not None and (not old.is_ready or new.is_available):
        found.append(old)
    return found


# ---- rolling updates -------------------------------------------------------------------------------------------------


def roll(update: Update, places: Sequence[Place], pods: PodsByNode) -> DaemonSteps:
    """Plan the next replacements of old pods."""
    wanted = [place.name for place in places if place.runs]
    nodes = {**pods, **{name: () for name in wanted if name not in pods}}
    surge, unavailable = update.limits(len(wanted))
    pairs = {node: _pair(there) for node, there in nodes.items()}
    if surge:
        return _surge(surge, {place.name: place.runs for place in places}, len(wanted), pairs)
    return _replace(unavailable, pairs)


_Pair = tuple[DaemonPod | None, DaemonPod | None]


def _pair(there: Sequence[DaemonPod]) -> _Pair | None:
    """Return the new and the old pod of a node, as far as there are; None if there are more than one of a sort."""
    new = [pod for pod in there if pod.is_updated and not pod.is_deleting]
    old = [pod for pod in there if not pod.is_updated and not pod.is_deleting]
    if len(new) > 1 or len(old) > 1:
        return None
    return next(iter(new), None), next(iter(old), None)


def _replace(unavailable: int, pairs: Mapping[str, _Pair | None]) -> DaemonSteps:
    """Delete old pods that are not available, and of those that are as many as there may be fewer."""
    down = 0
    replaced: list[DaemonPod] = []
    candidates: list[DaemonPod] = []
    for pair in pairs.values():
        match pair:
            case None | (None, None):
                down += 1
            case new, None if new is not None:
                down += not new.is_available
            case None, old if old is not None and old.is_available:
                candidates.append(old)
            case None, old if old is not None:
                replaced.append(old)
                down += 1
            case _:
                down += 1
    return DaemonSteps(delete=(*replaced, *candidates[: max(unavailable - down, 0)]))


def _surge(surge: int, runs: Mapping[str, bool], wanted: int, pairs: Mapping[str, _Pair | None]) -> DaemonSteps:
    """
    Make new pods beside old ones, and delete old ones whose new one is available.

    A pod on a node that it does not belong to any more goes once enough others are available.
    """
    surging = available = 0
    create: list[str] = []
    candidates: list[str] = []
    delete: list[DaemonPod] = []
    leaving: list[DaemonPod] = []
    for node, pair in pairs.items():
        if pair is None:
            surging += 1
            continue
        new, old = pair
        available += any(pod.is_available for pod in (old or new,) if pod is not None)
        if old is None or (new is None and node not in runs):
            continue
        if new is None and not runs[node]:
            (leaving if old.is_available else delete).append(old)
        elif new is None:
            (candidates if old.is_available else create).append(node)
        elif new.is_available:
            delete.append(old)
        else:
            surging += 1
    create += candidates[: max(surge - surging, 0)]
    delete += leaving[: max(available - wanted, 0)]
    return DaemonSteps(create=tuple(create), delete=tuple(delete))


# ---- status ----------------------------------------------------------------------------------------------------------


def counts(places: Iterable[Place], pods: PodsByNode) -> dict[str, int]:
    """Count nodes by their oldest pods, as the fields of the status; some that are 0 are left out."""
    found = dict.fromkeys(("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"), 0)
    updated = available = 0
    for place in places:
        there = pods.get(place.name, ())
        found["desiredNumberScheduled"] += place.runs
        if not there:
            continue
        if not place.runs:
            found["numberMisscheduled"] += 1
            continue
        found["currentNumberScheduled"] += 1
        found["numberReady"] += there[0].is_ready
        available += there[0].is_available
        updated += there[0].is_updated
    others = {
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
        "numberUnavailable": found["desiredNumberScheduled"] - available,
    }
    return found | {name: count for name, count in others.items() if count}
