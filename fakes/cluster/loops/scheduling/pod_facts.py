"""What the scheduler knows of a pod: read once from each state of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ctrlkit.fakes.cluster.loops.pod_claims import claims_of
from ctrlkit.fakes.cluster.loops.pods import DISRUPTION_TARGET
from ctrlkit.fakes.cluster.loops.scheduling.node_fit import HostPort, Object, host_ports, sizes_of_pod
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.model import LabelSelector, ObjectKey, ObjectMeta, Unstructured

LabelsOf = Callable[[str], Mapping[str, str]]
"""Returns the labels of a namespace."""

_NOTHING: Mapping[str, str] = {}
_LATER = "9"
"""Comes before the time of pods that have not started: they count as younger than all that have."""

_CPU_UNASKED = 100
_MEMORY_UNASKED = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Term:
    """
    A term of a pod's affinity to other pods: which pods it means, and what of their node it compares.

    Shape   `selector` is None where it means no pods. `within` is the selector of further namespaces, None for none.
            `weight` is that of a preference.
    """

    namespaces: frozenset[str]
    within: LabelSelector | None
    selector: LabelSelector | None
    topology: str
    weight: int = 0

    def matches(self, pod: PodFacts, labels_of: LabelsOf) -> bool:
        """Whether it means a pod."""
        if self.selector is None or not self.selector.matches(pod.labels):
            return False
        namespace = pod.key.namespace
        if namespace in self.namespaces:
            return True
        return self.within is not None and (not self.within.requirements or self.within.matches(labels_of(namespace)))


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a pod's affinity and anti-affinity: those that must hold, and those that would be nice."""

    near: tuple[Term, ...] = ()
    apart: tuple[Term, ...] = ()
    rather_near: tuple[Term, ...] = ()
    rather_apart: tuple[Term, ...] = ()


_NO_TERMS = Terms()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PodFacts:
    """
    One pod.

    Shape   `node` is "" until it is bound, `nominated` the node on which others make room for it. `labels` are {} for
            none. `since` is when it started, or a text that comes after all times. `counted` is its `at_least`.
            `claims` are those of its volumes, and whether they are made for it alone.
    """

    key: ObjectKey
    metadata: ObjectMeta
    labels: Mapping[str, str]
    spec: Object
    priority: int
    node: str
    nominated: str
    since: str
    sizes: Mapping[str, int]
    counted: tuple[int, int]
    ports: frozenset[HostPort]
    terms: Terms
    claims: Mapping[ObjectKey, bool] = field(default_factory=dict)
    is_preempted: bool = False
    conditions: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def uid(self) -> str:
        """Its uid."""
        return self.metadata.uid

    @property
    def is_ending(self) -> bool:
        """Whether it is being deleted."""
        return self.metadata.deleting

    def has_same_needs(self, other: PodFacts) -> bool:
        """Whether another state of the pod asks for the same: its spec and its labels have not changed."""
        return self.is_of_spec(other.metadata) and self.labels == other.labels

    def is_of_spec(self, metadata: ObjectMeta) -> bool:
        """Whether the pod's spec is that of another state, but for its node."""
        return 0 < self.metadata.generation == metadata.generation

    def nominated_for(self, node: str) -> PodFacts:
        """Return the pod as it is once it is nominated for a node."""
        return replace(self, nominated=node)


def read_pod(pod: Unstructured, before: PodFacts | None = None) -> PodFacts:
    """Read a pod; what follows from its spec is taken from an earlier state, if that has the same one."""
    metadata = pod.metadata
    spec: Mapping[str, Any] = pod["spec"]
    status = section(pod, "status")
    told = tuple(status.get("conditions") or ())
    now: dict[str, Any] = {
        "metadata": metadata,
        "labels": metadata.labels or _NOTHING,
        "node": spec.get("nodeName") or "",
        "nominated": status.get("nominatedNodeName") or "",
        "since": status.get("startTime") or f"{_LATER}{pod['metadata'].get('creationTimestamp') or ''}",
        "is_preempted": _is_preempted(told),
        "conditions": told,
    }
    if before is not None and before.is_of_spec(metadata):
        return replace(before, **now)
    return PodFacts(
        key=pod.key,
        spec=spec,
        priority=spec.get("priority") or 0,
        sizes=sizes_of_pod(spec),
        counted=at_least(spec),
        ports=host_ports(spec),
        terms=_terms_of(spec, metadata.namespace) if spec.get("affinity") else _NO_TERMS,
        claims=_claims_of(pod),
        **now,
    )


def _claims_of(pod: Unstructured) -> dict[ObjectKey, bool]:
    if not pod["spec"].get("volumes"):
        return {}
    return {ObjectKey(pod.key.namespace, name): "ephemeral" in volume for name, volume in claims_of(pod)}


def _is_preempted(conditions: Iterable[Object]) -> bool:
    reasons = [(one.get("status"), one.get("reason")) for one in conditions if one["type"] == DISRUPTION_TARGET]
    return ("True", "PreemptionByScheduler") in reasons


def _terms_of(spec: Object, namespace: str) -> Terms:
    affinity = section(spec, "affinity")
    near, apart = section(affinity, "podAffinity"), section(affinity, "podAntiAffinity")
    required, preferred = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))

    def must(part: Object) -> tuple[Term, ...]:
        return tuple(_term(one, namespace, 0) for one in part.get(required) or ())

    def rather(part: Object) -> tuple[Term, ...]:
        return tuple(_term(one["podAffinityTerm"], namespace, one["weight"]) for one in part.get(preferred) or ())

    return Terms(must(near), must(apart), rather(near), rather(apart))


def _term(term: Object, namespace: str, weight: int) -> Term:
    named, within = term.get("namespaces") or (), term.get("namespaceSelector")
    return Term(
        frozenset(named if named or within is not None else (namespace,)),
        None if within is None else LabelSelector.of_object(within),
        None if term.get("labelSelector") is None else LabelSelector.of_object(term["labelSelector"]),
        term["topologyKey"],
        weight,
    )


def at_least(spec: Object) -> tuple[int, int]:
    """
    Return the cpu and memory that a pod counts with where nodes are compared: containers that ask for none count too.

    >>> at_least({"containers": [{"name": "a"}, {"name": "b", "resources": {"requests": {"cpu": "1"}}}]})
    (1100, 419430400)
    """
    containers = spec.get("containers") or ()
    if not any(map(_asks, containers)) and not any(
        spec.get(name) for name in ("initContainers", "overhead", "resources")
    ):
        return _CPU_UNASKED * len(containers), _MEMORY_UNASKED * len(containers)
    sizes = sizes_of_pod({**spec, **{name: list(map(_with_requests, spec.get(name) or ())) for name in _CONTAINERS}})
    return sizes.get("cpu", 0), sizes.get("memory", 0)


_CONTAINERS = ("containers", "initContainers")


def _asks(container: Object) -> bool:
    return bool(section(container, "resources").get("requests"))


def _with_requests(container: Object) -> Object:
    resources = section(container, "resources")
    requests = {"cpu": f"{_CPU_UNASKED}m", "memory": str(_MEMORY_UNASKED), **section(resources, "requests")}
    return {**container, "resources": {**resources, "requests": requests}}


def more_important(pods: Iterable[PodFacts]) -> list[PodFacts]:
    """Sort pods, the most important first: by priority, then by how long they have run."""
    return sorted(pods, key=lambda pod: (-pod.priority, pod.since))
