"""
The steps that show what lasts: chains outlive pods and machines, and nodes are changed one by one.

Images and credentials are rolled out while the nodes are asked all the time; a majority has all blocks throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ctrlkit.bitcoin.demo import checks
from ctrlkit.bitcoin.demo.checks import Finding, Holds, NodeFacts, NotYet
from ctrlkit.bitcoin.demo.stage import A_POD_S, Stage
from ctrlkit.bitcoin.demo.steps import Step, StepFailed
from ctrlkit.bitcoin.objects import PODS
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.errors import NotFound
from ctrlkit.model.kinds import NODES

_GROUP = "old"
_OFTEN_S = 0.05
"""The pause between two looks at a majority: simulated nodes are made anew within a quarter of a second."""


@dataclass(slots=True)
class Majority:
    """Watches that a majority of the nodes has all blocks, each time they are asked."""

    stage: Stage
    asked: int = 0
    lowest: int = 0

    def look_at(self, facts: Sequence[NodeFacts]) -> None:
        """Count the nodes that have all blocks now. Errors: StepFailed if they are no majority."""
        count = sum(fact.blocks == self.stage.blocks for fact in facts)
        self.lowest = count if not self.asked else min(self.lowest, count)
        self.asked += 1
        if count < self.least:
            without = "; ".join(_lack(fact) for fact in facts if fact.blocks != self.stage.blocks)
            raise StepFailed(
                f"only {count} of {self.stage.nodes} nodes had all blocks, with {self.least} a majority: {without}"
            )

    @property
    def least(self) -> int:
        """How few may have all blocks: a majority; one of two."""
        return self.stage.nodes // 2 + 1 if self.stage.nodes > 2 else 1

    def __str__(self) -> str:
        return f"{self.lowest} or more of {self.stage.nodes} had all blocks, asked {self.asked} times"


def _lack(fact: NodeFacts) -> str:
    """Say what a node has instead of all blocks."""
    return f"{fact.name} has {fact.blocks}" if fact.blocks is not None else fact.error or f"{fact.name} has no address"


@dataclass(slots=True)
class Lasting:
    """The steps, on a network that is ready and connected and has its blocks."""

    stage: Stage
    _old: Credentials = field(default_factory=lambda: Credentials(user="", password=""))

    def steps(self) -> tuple[Step, ...]:
        """Return all steps, in order; that of a lost machine where there is one to lose."""
        stage = self.stage
        a_rollout_s = 2 * stage.nodes * A_POD_S + stage.catch_up_s
        of_machine = Step("lose the machine of pod 0", 4 * A_POD_S + stage.catch_up_s, self._lose_machine)
        return (
            Step("delete all pods at once", 3 * A_POD_S + stage.catch_up_s, self._delete_all),
            *((of_machine,) if stage.lose_machine is not None else ()),
            Step("roll out another image and another password", a_rollout_s, self._roll_out),
            Step("take the old password away", a_rollout_s, self._finish_rotation),
            Step("add a node of another version", 3 * A_POD_S + stage.catch_up_s, self._mix),
        )

    async def _delete_all(self) -> str:
        """Each node has all its blocks when it answers again: nobody else could have given them to it."""
        stage, before = self.stage, self._uids()
        await stage.client.delete_collection(
            PODS, namespace=stage.observer.key.namespace, label_selector=stage.observer.labels
        )

        def check(facts: Sequence[NodeFacts]) -> Finding:
            now = self._uids()
            left = [name for name, uid in before.items() if now.get(name) in (None, uid)]
            for fact in facts:
                if fact.name not in left and fact.blocks is not None and fact.blocks < stage.blocks:
                    raise StepFailed(f"{fact.name} came back with {fact.blocks} of its {stage.blocks} blocks")
            return NotYet(f"{', '.join(left)} not replaced yet") if left else checks.all_answer(facts)

        await stage.observer.ask_until(stage.asking(check))
        await stage.until_ready(stage.nodes)
        await stage.until_meshed(stage.nodes)
        height = await stage.until_at_height(stage.nodes)
        return f"all pods are new; {height}, from {len(stage.observer.claims)} claims"

    async def _lose_machine(self) -> str:
        """
        Lose a machine as people do: it is off, so its Node is deleted, and its pods are deleted without it.

        Its pods are placed on the other one, and wait for their disks, which the lost machine lets go when it boots.
        """
        stage, machine = self.stage, self.stage.pod(0).spec.node_name
        gone = {name: one for name, one in stage.observer.pods.items() if one.spec.node_name == machine}
        assert stage.lose_machine is not None
        assert stage.boot_machine is not None
        stage.lose_machine(machine)
        await stage.client.delete(NODES, machine)
        for one in gone.values():
            with suppress(NotFound):
                await stage.client.delete(PODS, one.metadata.key, uid=one.metadata.uid, grace_period_s=0)

        def placed() -> Finding:
            late = [name for name in gone if self._machine(name) in ("", machine)]
            return NotYet(f"{', '.join(late)} not placed elsewhere") if late else Holds("")

        def ready() -> Finding:
            late = [name for name in gone if not (name in stage.observer.pods and stage.observer.pods[name].ready)]
            return NotYet(f"{', '.join(late)} not ready elsewhere") if late else Holds("")

        await stage.observer.until(placed)
        stage.boot_machine(machine)
        await stage.observer.until(ready)
        await stage.until_ready(stage.nodes)
        await stage.until_meshed(stage.nodes)
        height = await stage.until_at_height(stage.nodes)
        return (
            f"{machine} was lost; {', '.join(sorted(gone))} on {self._machine(min(gone))} have their claims; {height}"
        )

    async def _roll_out(self) -> str:
        """Every node comes to run the other image and to take the new password; until all do, they take the old one."""
        stage, rpc = self.stage, self.stage.rpc
        self._old = rpc.credentials
        secret, new = await stage.installation.create_second_secret()
        rpc.others = (new,)
        await stage.change(image=stage.images.second, secret=secret)
        watched, changed, both = Majority(stage), set[str](), set[str]()

        async def check() -> Finding:
            facts = await rpc.survey(stage.observer.nodes_at_pods)
            watched.look_at(facts)
            for fact in facts:
                if self._image(fact.name) == stage.images.second and await rpc.accepts(fact.address, new):
                    changed.add(fact.name)
                    if await rpc.accepts(fact.address, self._old):
                        both.add(fact.name)
            waiting = [fact.name for fact in facts if fact.name not in changed]
            return NotYet(f"not yet with the other image: {', '.join(waiting)}") if waiting else Holds("")

        await stage.observer.ask_until(check, again_s=_OFTEN_S)
        if len(both) < stage.nodes - 1:
            raise StepFailed(f"only {', '.join(sorted(both)) or 'no node'} took both passwords for a while")
        return f"{stage.images.second} on all, one by one; {len(both)} of them were seen to take both; {watched}"

    async def _finish_rotation(self) -> str:
        stage, rpc = self.stage, self.stage.rpc
        (new,) = rpc.others
        rpc.credentials, rpc.others = new, (self._old,)
        watched = Majority(stage)

        async def check() -> Finding:
            facts = await rpc.survey(stage.observer.nodes_at_pods)
            watched.look_at(facts)
            answering = [fact for fact in facts if fact.blocks is not None]
            old = [fact.name for fact in answering if await rpc.accepts(fact.address, self._old) is not False]
            if old or len(answering) < stage.nodes:
                return NotYet(f"{len(old)} still take the old password, {len(answering)} answer")
            return Holds("")

        await stage.observer.ask_until(check, again_s=_OFTEN_S)
        rpc.others = ()
        await stage.until_ready(stage.nodes)
        await stage.until_meshed(stage.nodes)
        return f"{await stage.until_at_height(stage.nodes)} and take the new password alone; {watched}"

    async def _mix(self) -> str:
        stage = self.stage
        await stage.change(groups=[{"name": _GROUP, "nodes": 1, "image": stage.images.group}])
        await stage.until_ready(stage.nodes + 1)
        await stage.until_meshed(stage.nodes + 1)
        height = await stage.until_at_height(stage.nodes + 1)
        told = {node.group or "main": node.version for node in stage.observer.nodes}
        await stage.change(groups=[])
        await stage.until_ready(stage.nodes)
        await stage.until_meshed(stage.nodes)
        versions = ", ".join(f"{version} in group {group}" for group, version in sorted(told.items()))
        return f"{versions}; {height}; the group is gone again"

    # ---- what they look at ---------------------------------------------------------------------------------------

    def _uids(self) -> dict[str, str]:
        return {name: pod.metadata.uid for name, pod in self.stage.observer.pods.items()}

    def _machine(self, pod: str) -> str:
        found = self.stage.observer.pods.get(pod)
        return "" if found is None else found.spec.node_name

    def _image(self, pod: str) -> str:
        found = self.stage.observer.pods.get(pod)
        return "" if found is None else next((one.image for one in found.spec.containers), "")
