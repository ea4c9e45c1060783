"""
The scheduler: binds each pod to the best of the nodes that fit it, or says why none does.

Every Node object counts, whoever made it. What is decided is in the folder `scheduling`; here is what is read and
written. The sums of what runs on each node follow the changes of pods, so that a pod costs the same however many run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_mapped
from ctrlkit.errors import Conflict, CtrlkitError, NotFound, RetryLater
from ctrlkit.events import EventRecorder, EventsApi, EventType
from ctrlkit.fakes.cluster.loops.pods import DISRUPTION_TARGET, FINAL_PHASES, condition_patch
from ctrlkit.fakes.cluster.loops.scheduling.cycle import Cycle
from ctrlkit.fakes.cluster.loops.scheduling.hints import NodeChange, PodChange, node_helps, pod_helps
from ctrlkit.fakes.cluster.loops.scheduling.node_fit import nodes_named
from ctrlkit.fakes.cluster.loops.scheduling.pending import PendingPods
from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import PodFacts, read_pod
from ctrlkit.fakes.cluster.loops.scheduling.preemption import Budget, GiveWay, who_gives_way
from ctrlkit.fakes.cluster.loops.scheduling.scores import best
from ctrlkit.fakes.cluster.loops.scheduling.siblings import sibling_selector
from ctrlkit.fakes.cluster.loops.scheduling.state import ClusterState, NodeState
from ctrlkit.fakes.cluster.loops.scheduling.verdicts import (
    NO_NODES,
    OF_VOLUMES,
    Plugin,
    Verdict,
    no_fit,
    refused,
    without_help,
)
from ctrlkit.fakes.cluster.loops.scheduling.volume_needs import Choices, Refused
from ctrlkit.fakes.cluster.loops.volume_binder import VolumeBinder
from ctrlkit.fakes.cluster.node.fleet import Fleet
from ctrlkit.fakes.tracker.plugins.nodes import NEW_TAINT
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey, Record, Resource, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import NAMESPACES, NODES, POD_DISRUPTION_BUDGETS, PODS

SCHEDULER = "default-scheduler"
_PROGRAM = "kube-scheduler"

_QUEUE = ObjectKey("", SCHEDULER)
_ELSEWHERE = "node(s) didn't satisfy plugin(s) [NodeAffinity]"
_CONTRADICTION = "pod affinity terms conflict"


@dataclass(slots=True)
class Scheduler:
    """
    Reconciles one key: places the pods that wait, one after the other, the most important first.

    Shape   `note_pod`, `note_node` and the like take note of a change, and return whether a pod is to be tried now.
            `wake` has those tried that wait. `awaited` are nodes that are about to be ready: no pod is placed before
            they are, as on a cluster whose nodes are older than its pods.
    """

    manager: Manager
    client: Client
    recorder: EventRecorder
    state: ClusterState = field(default_factory=ClusterState)
    pending: PendingPods = field(default_factory=PendingPods)
    awaited: set[str] = field(default_factory=set)
    wake: Callable[[], None] = lambda: None
    binder: VolumeBinder = field(init=False)
    _knows_namespaces: bool = False

    def __post_init__(self) -> None:
        self.binder = VolumeBinder(self.manager, self.client, self._note_storage)

    # ---- what has changed --------------------------------------------------------------------------------------------

    def note_pod(self, change: Change[Unstructured]) -> bool:
        """Take note of a pod."""
        old, new = change.old, change.new
        is_helpful = old is not None and (new is None or new.meta.uid != old.meta.uid) and self._forget(old.meta.uid)
        if new is None:
            return is_helpful
        value = new.shared
        if value.at("status.phase") in FINAL_PHASES:
            return self._forget(new.meta.uid) or is_helpful
        pod = read_pod(value, self.state.placed(new.meta.uid) or self.pending.find(new.meta.uid))
        if pod.node:
            return self._note_placed(pod) or is_helpful
        return self._note_waiting(pod) or is_helpful

    def _note_placed(self, pod: PodFacts) -> bool:
        self.pending.remove(pod.uid)
        self.binder.drop(pod.uid)
        self.state.nominate(pod, "")
        before = self.state.placed(pod.uid)
        self.state.place(pod, pod.node)
        if before is not None and before.has_same_needs(pod):
            return False
        return self._retry(PodChange(before, pod))

    def _retry(self, change: PodChange, priority_max: int | None = None) -> bool:
        """Let pods be tried again that a change of another one may help; return whether there are any."""
        labels_of = self.state.namespace_labels
        return self.pending.retry(
            lambda plugins, pod: (
                (priority_max is None or pod.priority <= priority_max) and pod_helps(plugins, pod, change, labels_of)
            )
        )

    def _note_waiting(self, pod: PodFacts) -> bool:
        if pod.spec.get("schedulerName") != SCHEDULER:
            return False
        if pod.is_ending or pod.spec.get("schedulingGates"):
            return self._forget(pod.uid)
        if self.state.placed(pod.uid) is not None:
            return False  # assumed on a node; the binding is about to be seen
        self.state.nominate(pod, pod.nominated)
        before = self.pending.find(pod.uid)
        if before is None or not before.has_same_needs(pod):
            self.pending.add(pod)
            return True
        self.pending.refresh(pod)
        frees = bool(before.nominated) and before.nominated != pod.nominated
        return frees and self._retry(PodChange(before, None), pod.priority)

    def _forget(self, uid: str) -> bool:
        """Forget a pod that has ended or is gone; return whether that helps others."""
        waiting = self.pending.find(uid)
        self.pending.remove(uid)
        self.binder.drop(uid)
        self.state.forget_nominated(uid)
        gone = self.state.displace(uid)
        if gone is not None:
            return self._retry(PodChange(gone, None))
        frees = waiting is not None and bool(waiting.nominated)
        return frees and waiting is not None and self._retry(PodChange(waiting, None), waiting.priority)

    def _note_storage(self, claim: ObjectKey | None) -> None:
        """Take note of a change of a claim, or of volumes or classes."""

        def helps(plugins: frozenset[Plugin], pod: PodFacts) -> bool:
            return not plugins.isdisjoint(OF_VOLUMES) and bool(pod.claims) and (claim is None or claim in pod.claims)

        if self.pending.retry(helps) or (claim is not None and self.binder.ends_with(claim)):
            self.wake()

    def note_node(self, change: Change[Unstructured]) -> bool:
        """Take note of a node."""
        old = change.old.shared if change.old is not None else None
        new = change.new.shared if change.new is not None else None
        self.state.set_node(change.key.name, new)
        seen = NodeChange(old, new)
        is_ready = new is None or NEW_TAINT not in (new.at("spec.taints") or ())
        begins = is_ready and self._stop_awaiting(change.key.name)
        return self.pending.retry(lambda plugins, pod: node_helps(plugins, pod, seen)) or begins

    def _stop_awaiting(self, node: str) -> bool:
        """Return whether pods may be placed from now on."""
        waited = bool(self.awaited)
        self.awaited.discard(node)
        return waited and not self.awaited

    def note_fleet(self, node: str) -> None:
        """Take note of a node that is lost, or back."""
        if self._stop_awaiting(node):
            self.wake()

    def note_namespace(self, change: Change[Unstructured]) -> None:
        """Take note of the labels of a namespace."""
        labels = change.new.meta.labels or {} if change.new is not None else None
        self.state.set_namespace(change.key.name, labels)
        if self.pending.retry(lambda plugins, _pod: Plugin.AFFINITY in plugins):
            self.wake()

    # ---- placing pods ------------------------------------------------------------------------------------------------

    async def reconcile(self, _request: Request) -> Outcome:
        """Place all pods that wait. Errors: the first failure of a call, after all others were tried."""
        if self.awaited:
            return DONE
        failed: list[tuple[PodFacts, CtrlkitError]] = []
        try:
            while (pod := self.pending.pop()) is not None:
                try:
                    await self._schedule(pod)
                except CtrlkitError as error:
                    self._forget(pod.uid)
                    failed.append((pod, error))
            failed += await self._finish_bindings()
        finally:
            for pod, _ in failed:
                self.pending.add(pod)
        if failed:
            raise failed[0][1]
        later_s = self.binder.longest_wait_s()
        return DONE if later_s is None else RequeueAfter(later_s)

    async def _schedule(self, pod: PodFacts) -> None:
        nodes = self.state.nodes()
        if not nodes:
            await self._fail(pod, NO_NODES, frozenset(), nominate="")
            return
        await self._know_what_it_needs(pod)
        selector = await sibling_selector(self.manager, pod) if len(nodes) > 1 else None
        volumes = await self.binder.needs(pod, self.state.pods)
        if self.pending.find(pod.uid) is not None or self.state.placed(pod.uid) is not None:
            return  # it has changed meanwhile, and is tried as it is now
        nodes = self.state.nodes()
        names = nodes_named(pod.spec)
        if names is not None and not names:
            await self._refuse(pod, len(nodes), Refused(Plugin.NODE_AFFINITY, _CONTRADICTION))
            return
        if isinstance(volumes, Refused):
            await self._refuse(pod, len(nodes), volumes)
            return
        looked_at = nodes if names is None else [node for node in nodes if node.name in names]
        cycle = Cycle.begin(pod, nodes, self.state.namespace_labels, volumes)
        verdicts: dict[str, Verdict] = {}
        fitting = self._fitting(cycle, looked_at, verdicts)
        if fitting:
            labels_of = self.state.namespace_labels
            node = (
                fitting[0] if len(fitting) == 1 else best(pod, fitting, nodes, selector=selector, labels_of=labels_of)
            )
            choices = volumes.choices(node) if volumes is not None else None
            await self._place(pod, node.name, choices)
            return
        reasons = [reason for verdict in verdicts.values() for reason in verdict.reasons]
        told = no_fit(len(nodes), [*reasons, *[_ELSEWHERE] * (len(nodes) - len(verdicts))])
        await self._make_room(pod, cycle, verdicts, told)

    async def _refuse(self, pod: PodFacts, total: int, why: Refused) -> None:
        """Say that a pod does not fit any node, for a reason that is not the nodes'."""
        await self._fail(pod, refused(total, why.reason), frozenset({why.plugin}), nominate=pod.nominated)

    def _fitting(self, cycle: Cycle, nodes: Sequence[NodeState], verdicts: dict[str, Verdict]) -> list[NodeState]:
        """Return the nodes that fit, the nominated one alone where it does; note what keeps the pod from the others."""
        nominated = self.state.find(cycle.pod.nominated) if cycle.pod.nominated else None
        if nominated is not None and self._verdict(cycle, nominated) is None:
            return [nominated]
        fitting = []
        for node in nodes:
            verdict = self._verdict(cycle, node)
            if verdict is None:
                fitting.append(node)
            else:
                verdicts[node.name] = verdict
        return fitting

    def _verdict(self, cycle: Cycle, node: NodeState) -> Verdict | None:
        return cycle.verdict(node, self.state.nominated_for(node.name) if self.state.has_nominated else ())

    async def _know_what_it_needs(self, pod: PodFacts) -> None:
        """Begin to watch namespaces, where a term selects them by their labels."""
        terms = (*pod.terms.near, *pod.terms.apart, *pod.terms.rather_near, *pod.terms.rather_apart)
        if self._knows_namespaces or not any(one.within is not None and one.within.requirements for one in terms):
            return
        self._knows_namespaces = True
        namespaces = self.manager.informer(NAMESPACES)
        await namespaces.add_handler(self.note_namespace, name="scheduler:namespaces").wait_synced()

    async def _place(self, pod: PodFacts, node: str, choices: Choices | None) -> None:
        """Put a pod on a node: at once, or when its volumes are bound."""
        self.state.nominate(pod, "")
        self.state.place(pod, node)
        if choices is None or not (choices.bind or choices.make):
            await self._bind(pod, node)
            return
        if pod.nominated != node:
            await self._patch(pod, {"nominatedNodeName": node})
        await self.binder.begin(pod, node, choices)

    async def _finish_bindings(self) -> list[tuple[PodFacts, CtrlkitError]]:
        """Bind the pods whose volumes are bound; return those where that has failed."""
        failed: list[tuple[PodFacts, CtrlkitError]] = []
        for binding, problem in self.binder.ended():
            if not problem:
                await self._bind(binding.pod, binding.node)
                continue
            self.state.displace(binding.pod.uid)
            await self._fail(binding.pod, problem, frozenset(), nominate="", reason="SchedulerError")
            failed.append((binding.pod, RetryLater(problem)))
        return failed

    async def _bind(self, pod: PodFacts, node: str) -> None:
        metadata = {"name": pod.key.name, "namespace": pod.key.namespace, "uid": pod.uid}
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        try:
            await self.client.subresource(PODS, pod.key, "binding").create({"metadata": metadata, "target": target})
        except (Conflict, NotFound):  # bound already, or gone: the cache shows it, or is about to
            self._forget(pod.uid)
            self._look_again(pod)
            return
        self._retry(PodChange(None, pod))
        told = f"Successfully assigned {pod.key} to {node}"
        self.recorder.event(pod.metadata, PODS, EventType.NORMAL, "Scheduled", told, action="Binding")

    def _look_again(self, pod: PodFacts) -> None:
        """Place a pod where the cache shows it, if it was bound by somebody else."""
        found = self.manager.informer(PODS).lister.find(pod.key)
        if found is not None and found.metadata.uid == pod.uid and found.at("spec.nodeName"):
            self._note_placed(read_pod(found))

    # ---- pods that do not fit ----------------------------------------------------------------------------------------

    async def _make_room(self, pod: PodFacts, cycle: Cycle, verdicts: Mapping[str, Verdict], told: str) -> None:
        """Let less important pods give way, where that helps; say that the pod does not fit now."""
        plugins = frozenset(verdict.plugin for verdict in verdicts.values()) or frozenset({Plugin.NODE_AFFINITY})
        budgets: list[Budget] = []
        if any(not verdict.is_hopeless for verdict in verdicts.values()) and pod.priority > 0:
            budgets = [Budget.read(one) for one in (await self._lister(POD_DISRUPTION_BUDGETS)).list()]
        found = who_gives_way(cycle, self.state, verdicts, budgets)
        if isinstance(found, GiveWay):
            self._park(pod, plugins, found.node)
            await self._give_way(pod, found)
            await self._fail(pod, told, plugins, nominate=found.node)
        else:
            nominate = pod.nominated if found.keeps_nomination else ""
            await self._fail(pod, without_help(told, found.told), plugins, nominate=nominate)

    async def _lister(self, resource: Resource[Unstructured]) -> Lister[Unstructured]:
        informer = self.manager.informer(resource)
        await informer.wait_synced()
        return informer.lister

    async def _give_way(self, pod: PodFacts, found: GiveWay) -> None:
        """Delete the pods that give way, and tell them why; where all of them end already, nothing is to be done."""
        if all(victim.is_ending for victim in found.victims):
            return
        for other in list(self.state.nominated_for(found.node)):
            if other.priority < pod.priority and other.uid != pod.uid:
                self.state.nominate(other, "")
                await self._patch(other, {"nominatedNodeName": None})
        for victim in found.victims:
            if victim.is_ending:
                continue
            condition = {
                "type": DISRUPTION_TARGET,
                "observedGeneration": victim.metadata.generation,
                "status": "True",
                "reason": "PreemptionByScheduler",
                "message": f"{SCHEDULER}: preempting to accommodate a higher priority pod",
                "lastTransitionTime": clock.timestamp(clock.now()),
            }
            await self._patch(victim, condition_patch(victim.conditions, condition))
            with suppress(NotFound, Conflict):
                await self.client.delete(PODS, victim.key, uid=victim.uid)
            told = f"Preempted by pod {pod.uid} on node {found.node}"
            self.recorder.event(victim.metadata, PODS, EventType.NORMAL, "Preempted", told, action="Preempting")

    async def _fail(
        self, pod: PodFacts, told: str, plugins: frozenset[Plugin], *, nominate: str, reason: str = "Unschedulable"
    ) -> None:
        """Say that a pod does not fit, in an Event and a condition; keep it until a change may help."""
        self._park(pod, plugins, nominate)
        self.recorder.event(pod.metadata, PODS, EventType.WARNING, "FailedScheduling", told, action="Scheduling")
        old = next((one for one in pod.conditions if one.get("type") == "PodScheduled"), {})
        new = {
            "type": "PodScheduled",
            "observedGeneration": pod.metadata.generation,
            "status": "False",
            "reason": reason,
            "message": told,
        }
        status: dict[str, Any] = {}
        if any(old.get(name) != value for name, value in new.items()):
            was_false = old.get("status") == "False"
            moved = old["lastTransitionTime"] if was_false else clock.timestamp(clock.now())
            status |= condition_patch(pod.conditions, {**new, "lastTransitionTime": moved})
        if nominate != pod.nominated:
            status["nominatedNodeName"] = nominate or None
        if status and not await self._patch(pod, status):
            self._forget(pod.uid)

    def _park(self, pod: PodFacts, plugins: frozenset[Plugin], nominate: str) -> None:
        self.pending.park(pod.nominated_for(nominate), plugins)
        self.state.nominate(pod, nominate)

    async def _patch(self, pod: PodFacts, status: Mapping[str, Any]) -> bool:
        """Change a pod's status; return whether there is still such a pod, and not another one of its name."""
        changes = {"metadata": {"uid": pod.uid}, "status": status}
        try:
            await self.client.patch(PODS, pod.key, StrategicMergePatch(changes), subresource="status")
        except (Conflict, NotFound):
            return False
        return True


def _to_queue(_record: Record[Any]) -> tuple[ObjectKey, ...]:
    return (_QUEUE,)


def add_scheduler(manager: Manager, fleet: Fleet | None = None) -> None:
    """Add the scheduler to a manager; it begins when the nodes of the fleet are ready."""
    recorder = manager.recorder(SCHEDULER, api=EventsApi.EVENTS_V1, field_manager=_PROGRAM)
    client = Client(manager.client.transport, field_manager=_PROGRAM)
    scheduler = Scheduler(manager, client, recorder)
    if fleet is not None:
        scheduler.awaited.update(member.node.name for member in fleet)
        fleet.on_change(scheduler.note_fleet)
    to_queue = to_mapped(_to_queue)
    watches = [
        Watch(manager.informer(NODES), to_queue, predicate=scheduler.note_node),
        Watch(manager.informer(PODS), to_queue, predicate=scheduler.note_pod),
    ]
    controller = Controller(name="scheduler", reconcile=scheduler.reconcile, watches=watches)
    scheduler.wake = lambda: controller.wake(_QUEUE)
    manager.add(controller)
