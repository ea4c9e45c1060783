"""
What a kubelet refuses: pods that were bound to its node, by hand or by another scheduler, and do not fit there.

A pod that was let in takes its room until it has ended; a pod that is refused takes none. AppArmor counts as being
there, as on most machines, and a node is never short of memory, disk or processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ctrlkit.cache import Lister
from ctrlkit.fakes.cluster.loops.scheduling.node_fit import (
    CPU,
    NO_EXECUTE,
    NO_PORTS,
    NOT_SELECTED,
    PODS,
    HostPort,
    Shortage,
    host_ports,
    is_selected,
    ports_conflict,
    shortages,
    sizes,
    sizes_of_pod,
    untolerated_taint,
)
from ctrlkit.fakes.cluster.node.fleet import Fleet
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.fakes.tracker.schema.go_text import quoted
from ctrlkit.model import ObjectKey, Unstructured

Object = Mapping[str, Any]

AFFINITY = "NodeAffinity"
"""The reason for which a kubelet looks at its Node once more: its labels may just have changed."""

_OS = "kubernetes.io/os"
_NOT_TOLERATED = "node(s) had taints that the pod didn't tolerate"
_ROOM = (PODS, CPU, "memory", "ephemeral-storage")
"""Resources in the order in which a kubelet looks at them, before all others."""

OWN_CONDITIONS = frozenset({
    "PodScheduled", "Ready", "Initialized", "ContainersReady", "PodReadyToStartContainers", "PodResizeInProgress",
    "PodResizePending", "AllContainersRestarting",
})  # fmt: skip
"""The conditions of a pod that are a kubelet's to say."""

_SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced": "IPC",
    "net.ipv4.ip_local_port_range": "Net",
    "net.ipv4.tcp_syncookies": "Net",
    "net.ipv4.ping_group_range": "Net",
    "net.ipv4.ip_unprivileged_port_start": "Net",
    "net.ipv4.ip_local_reserved_ports": "Net",
    "net.ipv4.tcp_keepalive_time": "Net",
    "net.ipv4.tcp_fin_timeout": "Net",
    "net.ipv4.tcp_keepalive_intvl": "Net",
    "net.ipv4.tcp_keepalive_probes": "Net",
    "net.ipv4.tcp_rmem": "Net",
    "net.ipv4.tcp_wmem": "Net",
}
"""Sysctls that a pod may set, and the namespace of each, which must not be the host's."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a pod is not let in."""

    reason: str
    message: str


@dataclass(slots=True)
class Guests:
    """What the pods that were let in take of one node, by their uids."""

    _pods: dict[str, tuple[Mapping[str, int], frozenset[HostPort]]] = field(default_factory=dict)
    _used: Counter[str] = field(default_factory=Counter)

    def __contains__(self, uid: str) -> bool:
        return uid in self._pods

    @property
    def used(self) -> Mapping[str, int]:
        """How much of each resource is taken, and how many `pods` there are."""
        return self._used

    @property
    def ports(self) -> frozenset[HostPort]:
        """The ports of the node that are taken."""
        return frozenset[HostPort]().union(*(ports for _, ports in self._pods.values() if ports))

    def let_in(self, uid: str, spec: Object) -> None:
        """Note a pod that may run."""
        self.let_out(uid)
        taken = self._pods[uid] = ({**sizes_of_pod(spec), PODS: 1}, host_ports(spec))
        self._used.update(taken[0])

    def let_out(self, uid: str) -> None:
        """Note that a pod has ended; nothing for one that was not let in."""
        taken = self._pods.pop(uid, None)
        if taken is not None:
            self._used.subtract(taken[0])


def refusal(pod: Object, node: Object, guests: Guests) -> Refusal | None:
    """
    Return why a kubelet refuses a pod; None if it lets it in.

    >>> node = {"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "110"}}}
    >>> pod = {"spec": {"nodeName": "n1", "containers": [{"resources": {"requests": {"cpu": "3"}}}]}}
    >>> refusal(pod, node, Guests()).message
    "Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000"

    Shape   The pod is not among the `guests`.
    """
    return next(_refusals(pod, node, guests), None)


def _refusals(pod: Object, node: Object, guests: Guests) -> Iterator[Refusal]:
    spec = section(pod, "spec")
    yield from _of_sysctls(spec)
    yield from _of_system(pod, node)
    allocatable = sizes(section(section(node, "status"), "allocatable"))
    wanted = {name: size for name, size in sizes_of_pod(spec).items() if name in allocatable or "/" not in name}
    short = {one.resource: one for one in shortages(wanted, guests.used, allocatable)}
    yield from (
        _too_little(short[name]) for name in (*_ROOM, *(name for name in short if name not in _ROOM)) if name in short
    )
    if not is_selected(spec, node):
        yield _predicate(AFFINITY, NOT_SELECTED)
    ports = host_ports(spec)
    if ports and ports_conflict(ports, guests.ports):
        yield _predicate("NodePorts", NO_PORTS)
    if untolerated_taint(spec, section(node, "spec").get("taints") or (), {NO_EXECUTE}) is not None:
        yield _predicate("TaintToleration", _NOT_TOLERATED)


def _of_sysctls(spec: Object) -> Iterator[Refusal]:
    for sysctl in section(spec, "securityContext").get("sysctls") or ():
        name = str(sysctl.get("name") or "").replace("/", ".")
        namespace = _SAFE_SYSCTLS.get(name)
        if namespace is None:
            yield Refusal("SysctlForbidden", f"forbidden sysctl: {quoted(name)} not allowlisted")
        elif spec.get("hostIPC" if namespace == "IPC" else "hostNetwork"):
            fact = f"{quoted(name)} not allowed with host {namespace} enabled"
            yield Refusal("SysctlForbidden", f"forbidden sysctl: {fact}")


def _of_system(pod: Object, node: Object) -> Iterator[Refusal]:
    spec, labels = section(pod, "spec"), section(section(pod, "metadata"), "labels")
    if labels.get(_OS, "linux") != "linux":
        text = f"Failed to admit pod as the `{_OS}` label doesn't match node label"
        yield Refusal("PodOSSelectorNodeLabelDoesNotMatch", text)
    if section(spec, "os").get("name", "linux") != "linux":
        yield Refusal("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    policy = section(spec, "securityContext").get("supplementalGroupsPolicy")
    features = section(section(node, "status"), "features")
    if policy == "Strict" and not features.get("supplementalGroupsPolicy"):
        text = f"SupplementalGroupsPolicy={policy} is not supported in this node"
        yield Refusal("SupplementalGroupsPolicyNotSupported", text)


def _too_little(short: Shortage) -> Refusal:
    numbers = f"requested: {short.requested}, used: {short.used}, capacity: {short.capacity}"
    text = f"Node didn't have enough resource: {short.resource}, {numbers}"
    return Refusal(f"OutOf{short.resource}", text)


def _predicate(name: str, why: str) -> Refusal:
    return Refusal(name, f"Predicate {name} failed: {why}")


@dataclass(slots=True)
class Admission:
    """Lets pods in on the nodes of a fleet, and remembers what they take; `nodes` are the Nodes that are there."""

    nodes: Lister[Unstructured]
    fleet: Fleet
    _guests: dict[str, Guests] = field(default_factory=dict, init=False)

    def admit(self, pod: Unstructured, *, node: Unstructured | None = None) -> Refusal | None:
        """
        Let a pod in that is bound to a node of the fleet, or return why not.

        Shape   `node` is its Node, where that is known better than it is cached.
        """
        name, uid = pod.at("spec.nodeName"), pod.metadata.uid
        guests = self._guests.setdefault(name, Guests())
        guests.let_out(uid)
        found = refusal(pod, node or self.nodes.find(ObjectKey("", name)) or self._declared(name), guests)
        if found is None:
            guests.let_in(uid, pod["spec"])
        return found

    def let_out(self, node: str, uid: str) -> None:
        """Note that a pod has ended."""
        guests = self._guests.get(node)
        if guests is not None:
            guests.let_out(uid)

    def _declared(self, name: str) -> Object:
        """Return what a node will say of itself, or has said, while there is no Node."""
        member = self.fleet.find(name)
        assert member is not None  # its kubelet asks
        return {"metadata": {"labels": member.node.labels}, "status": {"allocatable": member.node.capacity()}}


def status_of(refused: Refusal, pod: Unstructured, *, now: str) -> dict[str, Any]:
    """Return what a merge patch makes of the status of a pod that is refused; conditions of others stay."""
    status = section(pod, "status")
    others = [one for one in status.get("conditions") or () if one.get("type") not in OWN_CONDITIONS]
    return {
        **dict.fromkeys(name for name in status if name not in ("qosClass", "startTime")),
        "conditions": others or None,
        "phase": "Failed",
        "reason": refused.reason,
        "message": f"Pod was rejected: {refused.message}",
        "startTime": status.get("startTime") or now,
        "observedGeneration": pod.metadata.generation,
    }
