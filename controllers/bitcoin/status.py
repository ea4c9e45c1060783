"""
The status of a network: its nodes, its conditions, and which of them lead to a Warning event. Pure.

Condition             True                                        False
Available             every node is ready and on all other lists  what is missing
Progressing           the controller waits for something          the spec is reached, or a user has to act
CredentialsAvailable  no Secret is named, or it is complete       what is wrong with the Secret

Messages contain nothing that changes without a change of the facts, so that the status is written only then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ctrlkit.bitcoin.desired import pod_name, service_name, statefulset_name
from ctrlkit.bitcoin.reasons import WARNINGS, Reason, Trouble, new_troubles
from ctrlkit.bitcoin.rpc import BadCredentials, RpcError
from ctrlkit.bitcoin.types import BitcoinNetwork, NodeStatus, Pod, Status
from ctrlkit.model import Condition, set_conditions

__all__ = [
    "WARNINGS",
    "Findings",
    "Reason",
    "Trouble",
    "new_troubles",
    "node_statuses",
    "refused_status",
    "status_of",
]

AVAILABLE: Final = "Available"
PROGRESSING: Final = "Progressing"
CREDENTIALS_AVAILABLE: Final = "CredentialsAvailable"
_NAMED_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """
    The results of one reconcile.

    Shape   `blocked`: why Service or StatefulSet is missing; then nothing else was checked. `credentials`: why there
            are none. `failures`: errors of ready nodes, by name.
    """

    nodes: tuple[NodeStatus, ...]
    blocked: Trouble | None = None
    credentials: Trouble | None = None
    failures: Mapping[str, RpcError] = field(default_factory=dict)

    @property
    def waited_for(self) -> list[str]:
        """The names of the nodes that are not ready."""
        return [node.node_name for node in self.nodes if not node.ready]


def node_statuses(network: BitcoinNetwork, find_pod: Callable[[str], Pod | None]) -> tuple[NodeStatus, ...]:
    """Return the status of each node in the spec; `find_pod` returns the network's pod with a name."""
    return tuple(_node_status(network.metadata.name, ordinal, find_pod) for ordinal in range(network.spec.nodes))


def status_of(network: BitcoinNetwork, findings: Findings) -> Status:
    """Return the new status; equal to the network's own if nothing changed."""
    conditions = [_available(network, findings), _progressing(network, findings)]
    if findings.blocked is None:
        conditions.append(_credentials(network, findings.credentials))
    return _status(network.status, network.metadata.generation, findings.nodes, conditions)


def refused_status(current: Status, *, generation: int, why: str) -> Status:
    """Return the status of a network whose spec cannot be used: its old nodes, and what to correct."""
    message = f"the network is left as it is, because its spec cannot be used: {why}; correct it"
    conditions = [_false(kind, Trouble(Reason.SPEC_NOT_UNDERSTOOD, message)) for kind in (AVAILABLE, PROGRESSING)]
    return _status(current, generation, current.nodes, conditions)


def _node_status(network: str, ordinal: int, find_pod: Callable[[str], Pod | None]) -> NodeStatus:
    name = pod_name(network, ordinal)
    pod = find_pod(name)
    return NodeStatus(
        ordinal=ordinal,
        ready=pod is not None and pod.ready,
        ip="" if pod is None else pod.status.pod_ip,
        node_name=name,
        dns_name=f"{name}.{service_name(network)}",
    )


def _status(current: Status, generation: int, nodes: tuple[NodeStatus, ...], conditions: Sequence[Condition]) -> Status:
    return Status(
        observed_generation=generation,
        ready_nodes=sum(node.ready for node in nodes),
        nodes=nodes,
        conditions=set_conditions(current.conditions, conditions, generation=generation),
    )


def _available(network: BitcoinNetwork, findings: Findings) -> Condition:
    nodes, failures, waited_for = findings.nodes, findings.failures, findings.waited_for
    if findings.blocked is not None:
        return _false(AVAILABLE, findings.blocked)
    if not nodes:
        return _false(AVAILABLE, Trouble(Reason.NO_NODES, "the spec asks for no nodes"))
    if findings.credentials is not None:
        return _false(AVAILABLE, _no_credentials(findings.credentials))
    if failures:
        return _false(AVAILABLE, _failed(network, failures))
    if waited_for:
        ready = f"{len(nodes) - len(waited_for)} of {len(nodes)} nodes are ready"
        return _false(AVAILABLE, Trouble(Reason.NODES_STARTING, f"{ready}; waiting for {_listed(waited_for)}"))
    count = f"all {len(nodes)} nodes are ready and connected" if len(nodes) > 1 else "the one node is ready"
    return _true(AVAILABLE, Reason.NODES_CONNECTED, count)


def _progressing(network: BitcoinNetwork, findings: Findings) -> Condition:
    if findings.blocked is not None:
        return _false(PROGRESSING, findings.blocked)
    if findings.waited_for:
        return _true(PROGRESSING, Reason.NODES_STARTING, f"waiting for {_listed(findings.waited_for)}")
    if findings.credentials is not None:
        return _false(PROGRESSING, _no_credentials(findings.credentials))
    if findings.failures:
        return _true(PROGRESSING, Reason.CONNECTING, f"{_listed(list(findings.failures))} will be asked again")
    return _false(PROGRESSING, Trouble(Reason.SETTLED, f"the network has the {_nodes(network.spec.nodes)} it asks for"))


def _credentials(network: BitcoinNetwork, trouble: Trouble | None) -> Condition:
    if trouble is not None:
        return _false(CREDENTIALS_AVAILABLE, trouble)
    if network.spec.secret:
        return _true(CREDENTIALS_AVAILABLE, Reason.SECRET_FOUND, f"secret {network.spec.secret} is complete")
    message = "no secret is named: the nodes use their defaults"
    return _true(CREDENTIALS_AVAILABLE, Reason.DEFAULT_CREDENTIALS, message)


def _no_credentials(trouble: Trouble) -> Trouble:
    return Trouble(Reason.CREDENTIALS_MISSING, f"the nodes cannot be connected: {trouble.message}")


def _failed(network: BitcoinNetwork, failures: Mapping[str, RpcError]) -> Trouble:
    refusing = [name for name, error in failures.items() if isinstance(error, BadCredentials)]
    if refusing:
        restart = f"kubectl rollout restart statefulset {statefulset_name(network.metadata.name)}"
        advice = (
            f"nodes that were started before the secret was there, or was changed, take it over after: {restart}"
            if network.spec.secret
            else "name the secret with the right ones in spec.secret"
        )
        return Trouble(Reason.CREDENTIALS_REFUSED, f"{_listed(refusing)} refused the network's credentials; {advice}")
    kinds = [f"{name} ({type(error).__name__})" for name, error in failures.items()]
    return Trouble(Reason.NODES_UNREACHABLE, f"could not connect {_listed(kinds)}; the others are served")


def _true(kind: str, reason: Reason, message: str) -> Condition:
    return Condition(type=kind, status="True", reason=reason, message=message)


def _false(kind: str, trouble: Trouble) -> Condition:
    return Condition(type=kind, status="False", reason=trouble.reason, message=trouble.message)


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_MAX
    return ", ".join(names[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
