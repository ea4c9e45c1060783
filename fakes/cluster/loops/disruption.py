"""The disruption controller says how many pods of a PodDisruptionBudget may go, as disruption_plan.py decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Mapper, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.claims import to_selecting
from ctrlkit.fakes.cluster.loops.disruption_plan import (
    check_in_s,
    disrupted,
    expect,
    failed,
    needs_scale,
    overdue,
    stale_in_s,
    status_of,
)
from ctrlkit.fakes.cluster.loops.echoes import Echoes
from ctrlkit.fakes.cluster.loops.kinds import WatchedKinds
from ctrlkit.fakes.cluster.loops.pods import DISRUPTION_TARGET, condition, ready_since, status_patch
from ctrlkit.fakes.tracker.schema.go_text import selector_text
from ctrlkit.manager import Manager
from ctrlkit.model import AnyResource, LabelSelector, ObjectKey, OwnerReference, Record, Unstructured
from ctrlkit.model.kinds import DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS, REPLICASETS

_WORKERS = 2
_UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the "
    "status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these "
    'pods please set ".spec.minAvailable" field of the PDB to an integer value.'
)


@dataclass(frozen=True, slots=True)
class Budgets:
    """
    Reconciles PodDisruptionBudgets; `resource_of` finds the kind of an owner.

    A real controller looks again when it sees the status that it has written. This one does so where it has told an
    Event, which is then told twice; elsewhere nothing would come of it.
    """

    client: Client
    budgets: Lister[Unstructured]
    pods: Lister[Unstructured]
    resource_of: Callable[[OwnerReference], AnyResource | None]
    recorder: EventRecorder
    echoes: Echoes = field(default_factory=Echoes)

    async def reconcile(self, request: Request) -> Outcome:
        """Count the pods of a budget, and write its status."""
        budget = self.budgets.find(request.key)
        if budget is None:
            return DONE
        pods = self._pods(budget)
        if not pods:
            self._tell(budget, EventType.NORMAL, "NoPods", "No matching pods found")
        now, counts_scale = clock.now(), needs_scale(budget["spec"])
        try:
            scale = await self._scale(pods) if counts_scale else 0
        except LookupError as error:
            text = f"Failed to calculate the number of expected pods: {error.args[0]}"
            self._tell(budget, EventType.WARNING, "CalculateExpectedPodCountFailed", text)
            await self._write(budget, failed(budget, str(error.args[0]), now))
            return DONE
        is_unmanaged = counts_scale and any(pod.metadata.controller is None for pod in pods)
        if is_unmanaged:
            text = _UNMANAGED.format(selector=selector_text(budget.at("spec.selector")))
            self._tell(budget, EventType.WARNING, "UnmanagedPods", text)
        gone = disrupted(budget, pods, now)
        for pod in overdue(budget, pods, now):
            space = pod.key.namespace  # told twice by the real one, too
            text = f"Pod was expected by PDB {space}/{space} to be deleted but it wasn't"
            self.recorder.event(pod.metadata, PODS, EventType.WARNING, "NotDeleted", text)
        status = status_of(budget, pods, expect(budget["spec"], len(pods), scale), gone, now)
        answer = await self._write(budget, status)
        if answer is not None and pods and not is_unmanaged:
            self.echoes.wrote(answer)
        later_s = check_in_s(gone, now)
        return RequeueAfter(max(later_s, 0.0) + 1.0) if later_s is not None else DONE

    def _pods(self, budget: Unstructured) -> Sequence[Unstructured]:
        selector = selector_of(budget)
        if selector is None:
            return ()
        return [pod.shared for pod in self.pods.records(namespace=budget.key.namespace, selector=selector)]

    async def _scale(self, pods: Iterable[Unstructured]) -> int:
        """Return how many pods the controllers of some pods want in sum. Errors: LookupError for one without scale."""
        wanted: dict[str, int] = {}
        for pod in pods:
            owner = pod.metadata.controller
            if owner is not None and owner.uid not in wanted:
                found = await self._scale_of(owner, pod.key.namespace)
                if found is None:
                    raise LookupError(f'found no controllers for pod "{pod.key.name}"')
                uid, replicas = found
                wanted[owner.uid] = 0 if uid in wanted else replicas
                wanted.setdefault(uid, 0)
        return sum(wanted.values())

    async def _scale_of(self, owner: OwnerReference, namespace: str) -> tuple[str, int] | None:
        """Return the uid and the wanted number of pods of a controller: a ReplicaSet's are its Deployment's."""
        resource = self.resource_of(owner)
        if resource is None:
            return None
        key = ObjectKey(namespace, owner.name)
        try:
            if resource.identity == REPLICASETS.identity:
                above = (await self.client.get_metadata(resource, key)).metadata.controller
                if above is not None and above.kind == DEPLOYMENTS.kind:
                    return await self._scale_of(above, namespace)
            scale = await self.client.get_scale(resource, key)
        except NotFound:
            return None
        return owner.uid, scale.spec_replicas

    async def _write(self, budget: Unstructured, status: dict[str, Any]) -> Unstructured | None:
        """Write a status that is another one; return what became of it."""
        if status != budget.get("status"):
            with suppress(NotFound, Conflict):  # gone or changed: the cache is about to show it
                return await self.client.update_status(POD_DISRUPTION_BUDGETS, {**budget, "status": status})
        return None

    def _tell(self, budget: Unstructured, kind: EventType, reason: str, text: str) -> None:
        self.recorder.event(budget.metadata, POD_DISRUPTION_BUDGETS, kind, reason, text)


@dataclass(frozen=True, slots=True)
class StaleDisruptions:
    """Reconciles pods: one that was to go and is still there some time later is no target of a disruption any more."""

    client: Client
    pods: Lister[Unstructured]

    async def reconcile(self, request: Request) -> Outcome:
        """Take the condition back, or come back when it is time."""
        pod, now = self.pods.find(request.key), clock.now()
        left_s = stale_in_s(pod, now) if pod is not None else None
        if pod is None or left_s is None:
            return DONE
        if left_s > 0:
            return RequeueAfter(left_s)
        told = {
            "type": DISRUPTION_TARGET,
            "status": "False",
            "reason": None,
            "message": None,
            "observedGeneration": pod.metadata.generation,
            "lastTransitionTime": clock.timestamp(now),
        }
        with suppress(NotFound, Conflict):  # gone, or another by now
            await self.client.patch(PODS, pod.key, status_patch(pod, condition=told), subresource="status")
        return DONE


def selector_of(budget: Unstructured) -> LabelSelector | None:
    """Return the selector of a budget; None for one that selects nothing."""
    selector = budget.at("spec.selector")
    return None if selector is None else LabelSelector.of_object(selector)


def counts_anew(change: Change[Unstructured]) -> bool:
    """Whether a pod came or went, is going, became ready or is so no more, or has other labels or owners."""
    if change.old is None or change.new is None or change.old.meta.uid != change.new.meta.uid:
        return True
    old, new = change.old.meta, change.new.meta
    if (old.deleting, old.labels, old.owner_references) != (new.deleting, new.labels, new.owner_references):
        return True
    return (ready_since(change.old.shared) is None) != (ready_since(change.new.shared) is None)


def to_budgets(budgets: Lister[Unstructured], recorder: EventRecorder) -> Mapper[Unstructured]:
    """Make a mapper from pods to their budgets. Evictions are refused of a pod that has several, which it tells of."""
    selecting = to_selecting(budgets, selector_of)

    def budgets_of(record: Record[Unstructured]) -> Sequence[ObjectKey]:
        found = sorted(selecting(record))
        if len(found) > 1:
            pod = f'"{record.key.namespace}"/"{record.key.name}"'
            text = f'Pod {pod} matches multiple PodDisruptionBudgets.  Chose "{found[0].name}" arbitrarily.'
            recorder.event(record.meta, PODS, EventType.WARNING, "MultiplePodDisruptionBudgets", text)
        return found

    return budgets_of


def add_budgets(manager: Manager, *, known: WatchedKinds) -> None:
    """Add the disruption controller to a manager."""
    budgets, pods = manager.informer(POD_DISRUPTION_BUDGETS), manager.informer(PODS)
    recorder = manager.recorder("controllermanager")
    loop = Budgets(manager.client, budgets.lister, pods.lister, known.resource_of, recorder)
    watches: list[Watch[Any]] = [
        Watch(budgets, to_self, predicate=loop.echoes.is_new),
        Watch(pods, to_budgets(budgets.lister, recorder), predicate=counts_anew),
    ]
    manager.add(Controller(name="disruption", reconcile=loop.reconcile, watches=watches, workers=_WORKERS))
    stale = StaleDisruptions(manager.client, pods.lister)
    targets: Watch[Any] = Watch(pods, to_self, predicate=_is_target)
    manager.add(Controller(name="stale-disruptions", reconcile=stale.reconcile, watches=[targets]))


def _is_target(change: Change[Unstructured]) -> bool:
    return change.new is not None and condition(change.new.shared, DISRUPTION_TARGET) is not None
