"""
The steps of the demo, each checked against the nodes themselves and against the API server.

They run in order; each depends on those before it. After each the highest chain may not have been lower than before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from ctrlkit.bitcoin.credentials import credentials_in
from ctrlkit.bitcoin.demo import checks
from ctrlkit.bitcoin.demo.checks import Finding, Holds, NotYet
from ctrlkit.bitcoin.demo.lasting import Lasting
from ctrlkit.bitcoin.demo.stage import A_POD_S, Stage
from ctrlkit.bitcoin.demo.steps import Step, StepFailed
from ctrlkit.bitcoin.names import pod_name, statefulset_name
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.objects import PODS, SECRETS, STATEFULSETS
from ctrlkit.bitcoin.reasons import Trouble
from ctrlkit.clock import monotonic
from ctrlkit.errors import NotFound
from ctrlkit.model import ObjectKey
from ctrlkit.model.meta import is_newer

_SHORT_S = 30.0


@dataclass(slots=True, kw_only=True)
class Walkthrough:
    """
    The demo on a stage, which scales the network up to `most` nodes.

    A step waits for conditions that do not hold yet, and raises StepFailed, ApiError, TransportError or RpcError.
    """

    stage: Stage
    start_controller: Callable[[], Awaitable[str]]
    most: int

    def steps(self) -> tuple[Step, ...]:
        """Return all steps, in order."""
        stage, pods_s = self.stage, _SHORT_S + self.stage.nodes * A_POD_S
        more_s = 3 * A_POD_S + stage.catch_up_s + (self.most - stage.nodes) * A_POD_S / 4
        steps = (
            Step("install CRD, RBAC and secret", _SHORT_S, self._install),
            Step("start the controller", _SHORT_S, self._start),
            Step(f"apply a network of {stage.nodes} nodes", _SHORT_S, self._apply),
            Step("nodes become ready", pods_s, self._become_ready),
            Step("nodes are connected", 2 * _SHORT_S, self._know_each_other),
            Step(f"mine {stage.blocks} blocks on node 0", 2 * _SHORT_S + stage.blocks / 5, self._mine),
            Step("delete pod 0", 3 * A_POD_S + stage.catch_up_s, self._replace),
            *Lasting(stage).steps(),
            Step(f"scale the network to {self.most}", more_s, self._scale_up),
            Step(f"scale the network back to {stage.nodes}", more_s, self._scale_down),
            Step("scale the StatefulSet by hand", 3 * A_POD_S, self._tamper),
            Step("delete the network", 2 * A_POD_S, self._delete),
        )
        return tuple(replace(step, play=self._watched(step.play)) for step in steps)

    def _watched(self, play: Callable[[], Awaitable[str]]) -> Callable[[], Awaitable[str]]:
        async def watched() -> str:
            detail = await play()
            if self.stage.rpc.went_back:
                raise StepFailed(self.stage.rpc.went_back)
            return detail

        return watched

    async def apply_network(self) -> None:
        """Create the sample network."""
        stage = self.stage
        await stage.installation.create_network(nodes=stage.nodes, image=stage.images.first)

    # ---- the steps --------------------------------------------------------------------------------------------------

    async def _install(self) -> str:
        stage = self.stage
        detail = await stage.installation.install()
        await stage.observer.ask_until(self._kind_is_served)
        await stage.observer.watch()
        name = stage.installation.secret
        secret = await stage.client.get(SECRETS, ObjectKey(stage.observer.key.namespace, name))
        credentials = credentials_in(secret, name)
        if isinstance(credentials, Trouble):
            raise StepFailed(credentials.message)
        stage.rpc.credentials = credentials
        return detail

    async def _kind_is_served(self) -> Finding:
        try:
            await self.stage.client.list(BITCOIN_NETWORKS, namespace=self.stage.observer.key.namespace)
        except NotFound:
            return NotYet(f"{BITCOIN_NETWORKS} are not served yet")
        return Holds(f"{BITCOIN_NETWORKS} are served")

    async def _start(self) -> str:
        return await self.start_controller()

    async def _apply(self) -> str:
        await self.apply_network()
        observer = self.stage.observer
        return await observer.until(
            lambda: checks.children_fit(observer.network, observer.service, observer.stateful_set)
        )

    async def _become_ready(self) -> str:
        began, first_seen, observer = monotonic(), dict[int, float](), self.stage.observer

        def check() -> Finding:
            for node in observer.nodes:
                if node.ready:
                    first_seen.setdefault(node.ordinal, monotonic() - began)
            return checks.all_ready(observer.network, nodes=self.stage.nodes)

        detail = await observer.until(check)
        await observer.ask_until(self.stage.asking(checks.all_answer))
        times = ", ".join(f"{seconds:.1f} s" for seconds in sorted(first_seen.values()))
        return f"{detail}, after {times}"

    async def _know_each_other(self) -> str:
        return await self.stage.until_meshed(self.stage.nodes)

    async def _mine(self) -> str:
        stage = self.stage
        await stage.rpc.mine(stage.observer.nodes[0], stage.blocks)
        return await stage.until_at_height(stage.nodes)

    async def _replace(self) -> str:
        stage, old = self.stage, self.stage.pod(0)
        name, old_address = old.metadata.name, old.status.pod_ip
        await stage.client.delete(PODS, old.metadata.key, uid=old.metadata.uid)
        removed = await stage.observer.ask_until(stage.asking(lambda facts: checks.on_no_list(old_address, facts)))

        def check() -> Finding:
            pod = stage.observer.pods.get(name)
            return checks.replaced(
                next((node for node in stage.observer.nodes if node.node_name == name), None),
                uid=pod.metadata.uid if pod else "",
                old_uid=old.metadata.uid,
                address=pod.status.pod_ip if pod else "",
            )

        replacement = await stage.observer.until(check)
        await stage.until_meshed(stage.nodes)
        return f"{removed}; {replacement} and connected again; {await stage.until_at_height(stage.nodes)}"

    async def _scale_up(self) -> str:
        stage = self.stage
        await stage.client.set_scale(BITCOIN_NETWORKS, stage.observer.key, self.most)
        await stage.until_ready(self.most)
        mesh = await stage.until_meshed(self.most)
        return f"{await stage.until_at_height(self.most)}; {mesh}"

    async def _scale_down(self) -> str:
        stage = self.stage
        surplus = [pod_name(stage.name, ordinal) for ordinal in range(stage.nodes, self.most)]
        await stage.client.set_scale(BITCOIN_NETWORKS, stage.observer.key, stage.nodes)
        await stage.observer.until(lambda: checks.is_gone({name: int(name in stage.observer.pods) for name in surplus}))
        await stage.until_ready(stage.nodes)
        mesh = await stage.until_meshed(stage.nodes)
        return f"{len(surplus)} pods are gone, and on no list; {mesh}"

    async def _tamper(self) -> str:
        stage = self.stage
        name = statefulset_name(stage.name)
        by_hand = await stage.client.set_scale(
            STATEFULSETS, ObjectKey(stage.observer.key.namespace, name), stage.nodes + 1
        )

        def check() -> Finding:
            found = stage.observer.stateful_set
            if found is None:
                return NotYet(f"StatefulSet {name} is not there")
            newer, wanted = is_newer(found.metadata.resource_version, than=by_hand.version), found.at("spec.replicas")
            detail = f"StatefulSet {name} wants {wanted} pods"
            return Holds(detail) if newer and wanted == stage.nodes else NotYet(detail)

        await stage.observer.until(check)
        surplus = pod_name(stage.name, stage.nodes)
        await stage.observer.until(lambda: checks.is_gone({surplus: int(surplus in stage.observer.pods)}))
        await stage.until_ready(stage.nodes)
        mesh = await stage.until_meshed(stage.nodes)
        return f"{name} wanted {by_hand.spec_replicas} pods, and wants {stage.nodes} again; {mesh}"

    async def _delete(self) -> str:
        observer = self.stage.observer
        addresses = [pod.status.pod_ip for pod in observer.pods.values() if pod.status.pod_ip]
        await self.stage.client.delete(BITCOIN_NETWORKS, observer.key)
        gone = await observer.until(
            lambda: checks.is_gone(
                {
                    "network": int(observer.network is not None),
                    "Service": int(observer.service is not None),
                    "StatefulSet": int(observer.stateful_set is not None),
                    "pods": len(observer.pods),
                    ": ".join(filter(None, ("claims", ", ".join(sorted(observer.claims))))): len(observer.claims),
                }
            )
        )

        async def are_silent() -> Finding:
            answering = await self.stage.rpc.answering(addresses)
            return NotYet(f"{', '.join(answering)} still answer") if answering else Holds("nothing answers")

        await observer.ask_until(are_silent)
        self.stage.rpc.forget_heights()
        await self.stage.rpc.survey(observer.nodes)
        return f"{gone}; nothing answers at the {len(addresses)} addresses"
