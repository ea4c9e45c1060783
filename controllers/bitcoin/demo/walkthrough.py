"""
The steps of the demo, each checked against the nodes themselves and against the API server.

They run in order; each depends on those before it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ctrlkit.bitcoin.credentials import credentials_in
from ctrlkit.bitcoin.demo import checks
from ctrlkit.bitcoin.demo.checks import Finding, Holds, NodeFacts, NotYet
from ctrlkit.bitcoin.demo.installation import Installation
from ctrlkit.bitcoin.demo.nodes import Nodes
from ctrlkit.bitcoin.demo.observer import Observer
from ctrlkit.bitcoin.demo.steps import Step, StepFailed
from ctrlkit.bitcoin.names import pod_name, statefulset_name
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, NodeStatus
from ctrlkit.bitcoin.objects import PODS, SECRETS, STATEFULSETS, Pod
from ctrlkit.bitcoin.reasons import Trouble
from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.errors import NotFound
from ctrlkit.model import ObjectKey
from ctrlkit.model.meta import is_newer

_SHORT_S = 30.0
_A_POD_S = 30.0
"""Seconds for a pod to become ready; pods of a StatefulSet wait for each other."""


@dataclass(slots=True, kw_only=True)
class Walkthrough:
    """
    The demo of a network with `nodes` nodes and `blocks` blocks.

    A step waits for conditions that do not hold yet, and raises StepFailed, ApiError, TransportError or RpcError.
    """

    client: Client
    installation: Installation
    observer: Observer
    rpc: Nodes
    start_controller: Callable[[], Awaitable[str]]
    nodes: int
    blocks: int

    def steps(self) -> tuple[Step, ...]:
        """Return all steps, in order."""
        more, pods_s = self.nodes + 1, _SHORT_S + self.nodes * _A_POD_S
        return (
            Step("install CRD, RBAC and secret", _SHORT_S, self._install),
            Step("start the controller", _SHORT_S, self._start),
            Step(f"apply a network of {self.nodes} nodes", _SHORT_S, self._apply),
            Step("nodes become ready", pods_s, self._become_ready),
            Step("every two nodes are connected", 2 * _SHORT_S, self._know_each_other),
            Step(f"mine {self.blocks} blocks on node 0", 2 * _SHORT_S + self.blocks / 5, self._mine),
            Step("delete pod 0", 3 * _A_POD_S + self.blocks / 20, self._replace),
            Step(f"scale the network to {more}", 3 * _A_POD_S + self.blocks / 20, self._scale_up),
            Step(f"scale the network back to {self.nodes}", 2 * _A_POD_S, self._scale_down),
            Step("scale the StatefulSet by hand", 3 * _A_POD_S, self._tamper),
            Step("delete the network", 2 * _A_POD_S, self._delete),
        )

    @property
    def network_name(self) -> str:
        """The name of the network."""
        return self.observer.key.name

    async def apply_network(self) -> None:
        """Create the sample network."""
        await self.installation.create_network(nodes=self.nodes)

    # ---- the steps --------------------------------------------------------------------------------------------------

    async def _install(self) -> str:
        detail = await self.installation.install()
        await self.observer.ask_until(self._kind_is_served)
        await self.observer.watch()
        name = self.installation.secret
        secret = await self.client.get(SECRETS, ObjectKey(self.observer.key.namespace, name))
        credentials = credentials_in(secret, name)
        if isinstance(credentials, Trouble):
            raise StepFailed(credentials.message)
        self.rpc.credentials = credentials
        return detail

    async def _kind_is_served(self) -> Finding:
        try:
            await self.client.list(BITCOIN_NETWORKS, namespace=self.observer.key.namespace)
        except NotFound:
            return NotYet(f"{BITCOIN_NETWORKS} are not served yet")
        return Holds(f"{BITCOIN_NETWORKS} are served")

    async def _start(self) -> str:
        return await self.start_controller()

    async def _apply(self) -> str:
        await self.apply_network()
        observer = self.observer
        return await observer.until(
            lambda: checks.children_fit(observer.network, observer.service, observer.stateful_set)
        )

    async def _become_ready(self) -> str:
        began, first_seen = monotonic(), dict[int, float]()

        def check() -> Finding:
            for node in self.observer.nodes:
                if node.ready:
                    first_seen.setdefault(node.ordinal, monotonic() - began)
            return checks.all_ready(self.observer.network, nodes=self.nodes)

        detail = await self.observer.until(check)
        await self.observer.ask_until(self._asking(checks.all_answer))
        times = ", ".join(f"{seconds:.1f} s" for seconds in sorted(first_seen.values()))
        return f"{detail}, after {times}"

    async def _know_each_other(self) -> str:
        return await self._until_in_full_mesh(self.nodes)

    async def _mine(self) -> str:
        await self.rpc.mine(self._node(0), self.blocks)
        return await self.observer.ask_until(self._asking(lambda facts: checks.at_height(facts, blocks=self.blocks)))

    async def _replace(self) -> str:
        name, old = self._pod(0)
        old_address = old.status.pod_ip
        await self.client.delete(PODS, old.metadata.key, uid=old.metadata.uid)
        removed = await self.observer.ask_until(self._asking(lambda facts: checks.on_no_list(old_address, facts)))

        def check() -> Finding:
            pod = self.observer.pods.get(name)
            return checks.replaced(
                next((node for node in self.observer.nodes if node.node_name == name), None),
                uid=pod.metadata.uid if pod else "",
                old_uid=old.metadata.uid,
                address=pod.status.pod_ip if pod else "",
            )

        replacement = await self.observer.until(check)
        await self._until_in_full_mesh(self.nodes)
        caught_up = await self.observer.ask_until(
            self._asking(lambda facts: checks.at_height(facts, blocks=self.blocks))
        )
        return f"{removed}; {replacement} and on all lists again; {caught_up}"

    async def _scale_up(self) -> str:
        nodes = self.nodes + 1
        await self.client.set_scale(BITCOIN_NETWORKS, self.observer.key, nodes)
        await self.observer.until(lambda: checks.all_ready(self.observer.network, nodes=nodes))
        mesh = await self._until_in_full_mesh(nodes)
        height = await self.observer.ask_until(self._asking(lambda facts: checks.at_height(facts, blocks=self.blocks)))
        return f"{height}; {mesh}"

    async def _scale_down(self) -> str:
        name, pod = self._pod(self.nodes)
        address = pod.status.pod_ip
        await self.client.set_scale(BITCOIN_NETWORKS, self.observer.key, self.nodes)
        await self.observer.until(lambda: checks.is_gone({name: int(name in self.observer.pods)}))
        await self.observer.until(lambda: checks.all_ready(self.observer.network, nodes=self.nodes))
        mesh = await self._until_in_full_mesh(self.nodes)
        return f"{name} at {address} is gone and on no list; {mesh}"

    async def _tamper(self) -> str:
        name = statefulset_name(self.network_name)
        by_hand = await self.client.set_scale(
            STATEFULSETS, ObjectKey(self.observer.key.namespace, name), self.nodes + 1
        )

        def check() -> Finding:
            found = self.observer.stateful_set
            if found is None:
                return NotYet(f"StatefulSet {name} is not there")
            newer, wanted = is_newer(found.metadata.resource_version, than=by_hand.version), found.at("spec.replicas")
            detail = f"StatefulSet {name} wants {wanted} pods"
            return Holds(detail) if newer and wanted == self.nodes else NotYet(detail)

        await self.observer.until(check)
        surplus = pod_name(self.network_name, self.nodes)
        await self.observer.until(lambda: checks.is_gone({surplus: int(surplus in self.observer.pods)}))
        await self.observer.until(lambda: checks.all_ready(self.observer.network, nodes=self.nodes))
        mesh = await self._until_in_full_mesh(self.nodes)
        return f"{name} wanted {by_hand.spec_replicas} pods, and wants {self.nodes} again; {mesh}"

    async def _delete(self) -> str:
        addresses = [pod.status.pod_ip for pod in self.observer.pods.values() if pod.status.pod_ip]
        await self.client.delete(BITCOIN_NETWORKS, self.observer.key)
        observer = self.observer
        gone = await observer.until(
            lambda: checks.is_gone(
                {
                    "network": int(observer.network is not None),
                    "Service": int(observer.service is not None),
                    "StatefulSet": int(observer.stateful_set is not None),
                    "pods": len(observer.pods),
                }
            )
        )

        async def are_silent() -> Finding:
            answering = await self.rpc.answering(addresses)
            return NotYet(f"{', '.join(answering)} still answer") if answering else Holds("nothing answers")

        await observer.ask_until(are_silent)
        await self.rpc.survey(observer.nodes)
        return f"{gone}; nothing answers at the {len(addresses)} addresses"

    # ---- what they share --------------------------------------------------------------------------------------------

    def _asking(self, check: Callable[[Sequence[NodeFacts]], Finding]) -> Callable[[], Awaitable[Finding]]:
        async def ask() -> Finding:
            return check(await self.rpc.survey(self.observer.nodes))

        return ask

    async def _until_in_full_mesh(self, nodes: int) -> str:
        return await self.observer.ask_until(self._asking(lambda facts: checks.in_full_mesh(facts, nodes=nodes)))

    def _node(self, ordinal: int) -> NodeStatus:
        return self.observer.nodes[ordinal]

    def _pod(self, ordinal: int) -> tuple[str, Pod]:
        name = pod_name(self.network_name, ordinal)
        pod = self.observer.pods.get(name)
        if pod is None:
            raise StepFailed(f"pod {name} is not there")
        return name, pod
