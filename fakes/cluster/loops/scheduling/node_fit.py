"""
Whether a pod fits a node: names, labels, taints, host ports and room, with the scheduler's reasons. Pure.

What a kubelet, a DaemonSet and the scheduler decide by is the same: each asks for the parts that it looks at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import ROUND_CEILING
from typing import Any, NamedTuple

from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.fakes.tracker.plugins.amounts import Amounts, requests_of
from ctrlkit.fakes.tracker.plugins.nodes import UNSCHEDULABLE
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.model.selectors import Operator, Requirement

Object = Mapping[str, Any]

CORDONED = "node(s) were unschedulable"
OTHER_NAME = "node(s) didn't match the requested node name"
TAINTED = "node(s) had untolerated taint(s)"
NOT_SELECTED = "node(s) didn't match Pod's node affinity/selector"
NO_PORTS = "node(s) didn't have free ports for the requested pod ports"
TOO_MANY = "Too many pods"

NO_SCHEDULE = "NoSchedule"
NO_EXECUTE = "NoExecute"
PREFER_NO_SCHEDULE = "PreferNoSchedule"
KEEPS_AWAY = frozenset({NO_SCHEDULE, NO_EXECUTE})
"""The effects of taints that keep new pods from a node."""

PODS = "pods"
CPU = "cpu"


# ---- names, labels and taints ----------------------------------------------------------------------------------------


def fixed_obstacle(spec: Object, node: Object) -> str:
    """
    Return why a pod does not fit a node whatever else runs there; "" if nothing is in the way.

    >>> node = {"metadata": {"name": "a"}, "spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}}
    >>> fixed_obstacle({}, node), fixed_obstacle({"tolerations": [{"operator": "Exists"}]}, node)
    ('node(s) had untolerated taint(s)', '')
    """
    wanted, facts = spec.get("nodeName"), section(node, "spec")
    if facts.get("unschedulable") and not _tolerates(spec, _UNSCHEDULABLE):
        return CORDONED
    if wanted and wanted != section(node, "metadata").get("name"):
        return OTHER_NAME
    if untolerated_taint(spec, facts.get("taints") or ()) is not None:
        return TAINTED
    return "" if is_selected(spec, node) else NOT_SELECTED


def is_selected(spec: Object, node: Object) -> bool:
    """Whether a node is one that a pod's nodeSelector and its required node affinity ask for."""
    wanted = spec.get("nodeSelector")
    if wanted and not wanted.items() <= section(section(node, "metadata"), "labels").items():
        return False
    affinity = section(spec, "affinity").get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or selects(required, node)


def selects(selector: Object, node: Object) -> bool:
    """
    Whether one of the terms of a node selector matches a node.

    >>> zone = {"key": "zone", "operator": "In", "values": ["a", "b"]}
    >>> selects({"nodeSelectorTerms": [{"matchExpressions": [zone]}]}, {"metadata": {"labels": {"zone": "b"}}})
    True
    """
    return any(term_matches(term, node) for term in selector.get("nodeSelectorTerms") or ())


def term_matches(term: Object, node: Object) -> bool:
    """Whether a term of a node selector matches a node; an empty one matches none."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    metadata = section(node, "metadata")
    labels = section(metadata, "labels")
    known = {"metadata.name": metadata.get("name", "")}
    return all(_expression(one).matches(labels) for one in expressions) and all(
        _expression(one).matches(known) for one in fields
    )


def nodes_named(spec: Object) -> frozenset[str] | None:
    """
    Return the names of the only nodes that a required affinity allows by their names; None if it does not.

    Shape   Each term has to name some; several names in one term have all to be the node's.
    """
    affinity = section(spec, "affinity").get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    found: set[str] = set()
    for term in required.get("nodeSelectorTerms") or ():
        sets = [
            set(one.get("values") or ())
            for one in term.get("matchFields") or ()
            if one["key"] == "metadata.name" and one["operator"] == "In"
        ]
        if not sets:
            return None
        found |= set.intersection(*sets)
    return frozenset(found) if required.get("nodeSelectorTerms") else None


_OPERATORS = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.DOES_NOT_EXIST,
    "Gt": Operator.GREATER,
    "Lt": Operator.LESS,
}


def _expression(one: Object) -> Requirement:
    return Requirement(one["key"], _OPERATORS[one["operator"]], tuple(one.get("values") or ()))


_UNSCHEDULABLE: Object = {"key": UNSCHEDULABLE, "effect": NO_SCHEDULE}


def untolerated_taint(spec: Object, taints: Iterable[Object], effects: Collection[str] = KEEPS_AWAY) -> Object | None:
    """Return the first taint with one of some effects that a pod does not tolerate; None if there is none."""
    return next((one for one in taints if one.get("effect") in effects and not _tolerates(spec, one)), None)


def tolerations_of(taint: Object, tolerations: Iterable[Object]) -> Iterator[Object]:
    """
    Yield the tolerations that match a taint; `tolerationSeconds` says nothing about that.

    The operators Lt and Gt match nothing, as long as their feature is off, which it is by default.
    """
    for one in tolerations:
        effect, key, operator = one.get("effect"), one.get("key"), one.get("operator") or "Equal"
        if (effect and effect != taint.get("effect")) or (key and key != taint.get("key")):
            continue
        same = operator == "Equal" and (one.get("value") or "") == (taint.get("value") or "")
        if same or operator == "Exists":
            yield one


def _tolerates(spec: Object, taint: Object) -> bool:
    return any(True for _ in tolerations_of(taint, spec.get("tolerations") or ()))


# ---- host ports ------------------------------------------------------------------------------------------------------


class HostPort(NamedTuple):
    """A port of a node that a pod takes; the address 0.0.0.0 stands for all of them."""

    address: str
    protocol: str
    port: int

    def conflicts(self, other: HostPort) -> bool:
        """Whether two pods of one node cannot have these ports."""
        if (self.port, self.protocol) != (other.port, other.protocol):
            return False
        return self.address == other.address or _EVERYWHERE in (self.address, other.address)


_EVERYWHERE = "0.0.0.0"


def host_ports(spec: Object) -> frozenset[HostPort]:
    """
    Return the ports of its node that a pod takes.

    >>> list(host_ports({"containers": [{"ports": [{"containerPort": 80, "hostPort": 8080}]}]}))
    [HostPort(address='0.0.0.0', protocol='TCP', port=8080)]
    """
    sidecars = (one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always")
    return frozenset(
        HostPort(port.get("hostIP") or _EVERYWHERE, port.get("protocol") or "TCP", port["hostPort"])
        for container in (*(spec.get("containers") or ()), *sidecars)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def ports_conflict(wanted: Iterable[HostPort], taken: Collection[HostPort]) -> bool:
    """Whether one of some ports is taken."""
    return any(one.conflicts(other) for one in wanted for other in taken)


# ---- room ------------------------------------------------------------------------------------------------------------

Sizes = Mapping[str, int]
"""Amounts by the name of their resource: thousandths for `cpu`, wholes for all others."""


def sizes(amounts: Amounts) -> dict[str, int]:
    """
    Return amounts as numbers, rounded up as the scheduler counts them.

    >>> sizes({"cpu": "1500m", "memory": "1Ki", "example.com/gpu": "2"})
    {'cpu': 1500, 'memory': 1024, 'example.com/gpu': 2}
    """
    return {name: _size(name, amount) for name, amount in amounts.items()}


def _size(name: str, amount: str) -> int:
    value = quantity_value(amount)
    return int((value.scaleb(3) if name == CPU else value).to_integral_value(ROUND_CEILING))


def sizes_of_pod(spec: Object) -> dict[str, int]:
    """Return what a pod asks its node for; nothing that is 0, and not its place among the node's pods."""
    return {name: size for name, size in sizes(requests_of(spec)).items() if size}


class Shortage(NamedTuple):
    """A resource of which a node has too little left for a pod."""

    resource: str
    requested: int
    used: int
    capacity: int

    @property
    def reason(self) -> str:
        """The scheduler's words."""
        return TOO_MANY if self.resource == PODS else f"Insufficient {self.resource}"

    @property
    def is_hopeless(self) -> bool:
        """Whether the pod would not fit even if the node were empty."""
        return self.resource != PODS and self.requested > self.capacity


def shortages(wanted: Sizes, used: Sizes, allocatable: Sizes) -> list[Shortage]:
    """
    Return what a node has too little of for one more pod.

    >>> [one.reason for one in shortages({"cpu": 500}, {"cpu": 700, "pods": 1}, {"cpu": 1000, "pods": 2})]
    ['Insufficient cpu']

    Shape   `used` has the number of pods as `pods`.
    """
    asked = {PODS: 1, **wanted}
    every = (Shortage(name, size, used.get(name, 0), allocatable.get(name, 0)) for name, size in asked.items())
    return [one for one in every if one.used + one.requested > one.capacity]
