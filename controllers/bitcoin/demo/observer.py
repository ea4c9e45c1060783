"""
Observes one network and its children with informers, and waits until conditions hold.

The informers are not those of the controller, so that nothing it believes is taken for granted. `until` checks again at
each change of an object; `ask_until` polls the nodes themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ctrlkit.bitcoin.demo.checks import Finding, Holds, NotYet
from ctrlkit.bitcoin.names import selector, service_name, statefulset_name
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork, NodeStatus
from ctrlkit.bitcoin.objects import CLAIMS, PODS, Claim, ContainerStatus, Pod
from ctrlkit.cache import Change, InformerFactory, Lister, ListWatchMaker
from ctrlkit.clock import monotonic
from ctrlkit.model import LabelSelector, ObjectKey, Unstructured
from ctrlkit.model.kinds import SERVICES, STATEFULSETS

_TOLD_MAX: Final = 300
"""Most characters of a container's message; the end is kept."""


def troubles(pods: Iterable[Pod]) -> str:
    """
    Say what keeps containers of unready pods from running; empty if nothing does.

    >>> from ctrlkit.bitcoin.objects import ContainerState, ContainerStatus, Ended, PodStatus
    >>> from ctrlkit.model import ObjectMeta
    >>> ended = ContainerState(terminated=Ended(exit_code=1, message="Error: no such flag"))
    >>> status = PodStatus(container_statuses=(ContainerStatus(name="bitcoind", restart_count=2, last_state=ended),))
    >>> troubles([Pod(metadata=ObjectMeta(name="net-sts-0"), status=status)])
    'net-sts-0 ended with status 1 (restarts: 2): Error: no such flag'
    """
    unready = [pod for pod in pods if not pod.ready]
    found = [(pod.metadata.name, _trouble(status)) for pod in unready for status in pod.status.container_statuses or ()]
    return "; ".join(f"{name} {trouble}" for name, trouble in found if trouble)


def _trouble(status: ContainerStatus) -> str:
    ended = status.state.terminated or status.last_state.terminated
    if ended is not None:
        return f"ended with status {ended.exit_code} (restarts: {status.restart_count}){_said(ended.message)}"
    waiting = status.state.waiting
    return "" if waiting is None else f"does not run: {waiting.reason or 'it waits'}{_said(waiting.message)}"


def _said(message: str) -> str:
    words = " ".join(message.split())
    return f": {words[-_TOLD_MAX:]}" if words else ""


def at_pods(nodes: Iterable[NodeStatus], pods: Mapping[str, Pod]) -> tuple[NodeStatus, ...]:
    """Return nodes at the addresses of their pods, which the status of their network tells a moment later."""
    return tuple(
        msgspec.structs.replace(node, ip=pods[node.node_name].address if node.node_name in pods else "")
        for node in nodes
    )


_SYNC_LIMIT_S = 15.0
_ASK_AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class _Listers:
    networks: Lister[BitcoinNetwork]
    services: Lister[Unstructured]
    stateful_sets: Lister[Unstructured]
    pods: Lister[Pod]
    claims: Lister[Claim]


class Observer:
    """
    Observes one network, by key. Run `run()` in the background, then call `watch`.

    `last` is the newest Finding, `last_at` the moment since when it has been the same.
    """

    def __init__(self, source: ListWatchMaker, key: ObjectKey) -> None:
        self.key: ObjectKey = key
        self.last: Finding = NotYet("nothing was looked at")
        self.last_at: float = 0.0
        self._factory = InformerFactory(source, namespaces=[key.namespace])
        self._listers: _Listers | None = None
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Run the informers until cancelled."""
        await self._factory.run()

    async def watch(self) -> None:
        """Start the informers, once the kinds are served. Errors: NotSynced."""
        networks, services = self._factory.informer(BITCOIN_NETWORKS), self._factory.informer(SERVICES)
        stateful_sets, pods = self._factory.informer(STATEFULSETS), self._factory.informer(PODS)
        claims = self._factory.informer(CLAIMS)
        for informer in (networks, services, stateful_sets, pods, claims):
            informer.add_handler(self._note, name="walk-through")
        await self._factory.wait_synced(timeout_s=_SYNC_LIMIT_S)
        self._listers = _Listers(networks.lister, services.lister, stateful_sets.lister, pods.lister, claims.lister)

    @property
    def network(self) -> BitcoinNetwork | None:
        """The network."""
        return self._listers.networks.find(self.key) if self._listers else None

    @property
    def service(self) -> Unstructured | None:
        """Its Service."""
        return self._listers.services.find(self._child(service_name(self.key.name))) if self._listers else None

    @property
    def stateful_set(self) -> Unstructured | None:
        """Its StatefulSet."""
        name = statefulset_name(self.key.name)
        return self._listers.stateful_sets.find(self._child(name)) if self._listers else None

    @property
    def pods(self) -> dict[str, Pod]:
        """Its pods, by name."""
        if self._listers is None:
            return {}
        found = self._listers.pods.list(namespace=self.key.namespace, selector=self.labels)
        return {pod.metadata.name: pod for pod in found}

    @property
    def claims(self) -> dict[str, Claim]:
        """The claims of its nodes, by name."""
        if self._listers is None:
            return {}
        found = self._listers.claims.list(namespace=self.key.namespace, selector=self.labels)
        return {claim.metadata.name: claim for claim in found}

    @property
    def labels(self) -> LabelSelector:
        """Selects what belongs to it."""
        return LabelSelector.of_labels(selector(self.key.name))

    @property
    def nodes(self) -> tuple[NodeStatus, ...]:
        """The nodes in its status."""
        network = self.network
        return () if network is None else network.status.nodes

    @property
    def nodes_at_pods(self) -> tuple[NodeStatus, ...]:
        """The nodes in its status, at the addresses that their pods have now."""
        return at_pods(self.nodes, self.pods)

    async def until(self, check: Callable[[], Finding]) -> str:
        """Wait until a check of the objects here holds; returns its detail."""
        while True:
            changed = self._changed
            found = self._found(check())
            if isinstance(found, Holds):
                return found.detail
            await changed.wait()

    async def ask_until(self, check: Callable[[], Awaitable[Finding]], *, again_s: float = _ASK_AGAIN_S) -> str:
        """Poll until a check holds, with so long a pause between two polls; returns its detail."""
        while True:
            found = self._found(await check())
            if isinstance(found, Holds):
                return found.detail
            await asyncio.sleep(again_s)

    def last_seen(self) -> str:
        """Describe the newest finding, and what keeps pods from running."""
        return "; ".join(part for part in (self.last.detail, troubles(self.pods.values())) if part)

    def _found(self, finding: Finding) -> Finding:
        if finding != self.last:
            self.last, self.last_at = finding, monotonic()
        return finding

    def _child(self, name: str) -> ObjectKey:
        return ObjectKey(self.key.namespace, name)

    def _note(self, _change: Change[Any]) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
