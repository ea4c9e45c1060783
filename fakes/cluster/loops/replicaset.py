"""
The controllers of ReplicaSets and ReplicationControllers: as many pods as the spec says, as replicaset_plan.py decides.

A pod that has ended, is being deleted, or is not matched by the selector any more, is replaced; one without a
controller that the selector matches is adopted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_owner, to_self
from ctrlkit.errors import ApiError, Conflict, Forbidden, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.claims import BATCH_S, BY_CONTROLLER, Claims, index_children, to_adopting
from ctrlkit.fakes.cluster.loops.conditions import with_condition, without_condition
from ctrlkit.fakes.cluster.loops.echoes import Echoes
from ctrlkit.fakes.cluster.loops.failures import Refusals, is_namespace_ending
from ctrlkit.fakes.cluster.loops.pods import (
    condition,
    is_active,
    is_terminating,
    next_check_s,
    pod_of_template,
)
from ctrlkit.fakes.cluster.loops.replicaset_plan import CreatePods, DeletePods, batches, counts, plan
from ctrlkit.manager import Manager
from ctrlkit.model import AnyResource, LabelSelector, Resource, Unstructured
from ctrlkit.model.kinds import PODS, REPLICASETS, REPLICATION_CONTROLLERS

_WORKERS = 4


@dataclass(frozen=True, slots=True)
class KindOfSet:
    """A kind that keeps a number of pods; `counts_terminating` where its status says how many are being deleted."""

    resource: Resource[Unstructured]
    component: str
    selector_of: Callable[[Unstructured], LabelSelector]
    counts_terminating: bool


def _selector(replica_set: Unstructured) -> LabelSelector:
    return LabelSelector.of_object(replica_set.at("spec.selector") or {})


def _labels(controller: Unstructured) -> LabelSelector:
    return LabelSelector.of_labels(controller.at("spec.selector") or {})


REPLICA_SETS = KindOfSet(REPLICASETS, "replicaset-controller", _selector, counts_terminating=True)
CONTROLLERS = KindOfSet(REPLICATION_CONTROLLERS, "replication-controller", _labels, counts_terminating=False)


@dataclass(frozen=True, slots=True)
class ReplicaSets:
    """Reconciles the objects of one of the two kinds."""

    kind: KindOfSet
    client: Client
    sets: Lister[Unstructured]
    pods: Claims
    recorder: EventRecorder
    refusals: Refusals = field(default_factory=Refusals)
    echoes: Echoes = field(default_factory=Echoes)

    async def reconcile(self, request: Request) -> Outcome:
        """Make or delete pods, then write the status."""
        one = self.sets.find(request.key)
        if one is None:
            self.refusals.forget(request.key)
            return DONE
        selector = self.kind.selector_of(one)
        active = await self.pods.claim(one, selector, only=is_active)
        ending = [pod for pod in self.pods.controlled_by(one.metadata.uid) if is_terminating(pod)]
        failure: ApiError | None = None
        if not one.metadata.deleting:
            try:
                await self._manage(one, active)
            except ApiError as error:
                failure = error
        terminating = sum(selector.matches(pod.metadata.labels) for pod in ending)
        await self._write_status(one, active, terminating, failure)
        if isinstance(failure, Forbidden):
            return self.refusals.again(request.key)
        self.refusals.forget(request.key)
        if failure is not None:
            raise failure
        later_s = next_check_s(active, _min_ready_s(one), clock.now())
        return RequeueAfter(later_s) if later_s else DONE

    async def _manage(self, one: Unstructured, active: list[Unstructured]) -> None:
        replicas = _replicas(one)
        steps = plan(replicas, active, self._related(one) if len(active) > replicas > 0 else (), clock.now())
        match steps:
            case CreatePods(count):
                for size in batches(count):
                    await self._create(one, size)
            case DeletePods(pods):
                for pod in pods:
                    await self._delete(one, pod)
            case None:
                pass

    async def _create(self, one: Unstructured, count: int) -> None:
        """Try to make a batch of pods; raise the first failure after all were tried."""
        first: ApiError | None = None
        for _ in range(count):
            pod = pod_of_template(one.at("spec.template") or {}, one.metadata, self.kind.resource)
            try:
                made = await self.client.create(PODS, pod)
            except ApiError as error:
                if is_namespace_ending(error):
                    return
                self._record(one, EventType.WARNING, "FailedCreate", f"Error creating: {error.message}")
                first = first or error
            else:
                self._record(one, EventType.NORMAL, "SuccessfulCreate", f"Created pod: {made.key.name}")
        if first is not None:
            raise first

    async def _delete(self, one: Unstructured, pod: Unstructured) -> None:
        with suppress(NotFound, Conflict):  # gone, or another by now: the cache is about to show it
            await self.client.delete(PODS, pod.key, uid=pod.metadata.uid)
            self._record(one, EventType.NORMAL, "SuccessfulDelete", f"Deleted pod: {pod.key.name}")

    def _related(self, one: Unstructured) -> Iterable[Unstructured]:
        """Return the pods of all sets that have the same controller as this one."""
        controller = one.metadata.controller
        siblings = self.sets.by_index(BY_CONTROLLER, controller.uid) if controller is not None else [one]
        return (pod for sibling in siblings for pod in self.pods.controlled_by(sibling.metadata.uid))

    async def _write_status(
        self, one: Unstructured, active: list[Unstructured], terminating: int, failure: ApiError | None
    ) -> None:
        old = one.get("status") or {}
        labels = one.at("spec.template.metadata.labels") or {}
        status: dict[str, Any] = counts(labels, _min_ready_s(one), active, clock.now())
        if self.kind.counts_terminating:
            status["terminatingReplicas"] = terminating
        status["observedGeneration"] = one.metadata.generation
        conditions = self._conditions(one, len(active), failure)
        if conditions:
            status["conditions"] = conditions
        if status != old:
            with suppress(NotFound, Conflict):  # gone or changed: the cache is about to show it
                self.echoes.wrote(await self.client.update_status(self.kind.resource, {**one, "status": status}))

    def _conditions(self, one: Unstructured, active: int, failure: ApiError | None) -> list[dict[str, Any]]:
        conditions = list(one.at("status.conditions") or ())
        failed = condition(one, "ReplicaFailure")
        if failure is None:
            return without_condition(conditions, "ReplicaFailure")
        if failed is not None:
            return conditions
        reason = "FailedCreate" if active < _replicas(one) else "FailedDelete"
        new = {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": failure.message}
        return with_condition(conditions, new, clock.now())

    def _record(self, one: Unstructured, kind: EventType, reason: str, message: str) -> None:
        self.recorder.event(one.metadata, self.kind.resource, kind, reason, message)


def _replicas(one: Unstructured) -> int:
    replicas = one.at("spec.replicas")
    return 1 if replicas is None else int(replicas)


def _min_ready_s(one: Unstructured) -> float:
    return float(one.at("spec.minReadySeconds") or 0)


def add_replica_sets(manager: Manager, kind: KindOfSet) -> None:
    """Add the controller of one of the two kinds to a manager."""
    resource: AnyResource = kind.resource
    sets, pods = manager.informer(kind.resource), manager.informer(PODS)
    index_children(pods)
    index_children(sets)
    claims = Claims(manager.client, resource, PODS, pods.lister)
    loop = ReplicaSets(kind, manager.client, sets.lister, claims, manager.recorder(kind.component))
    watches: list[Watch[Any]] = [
        Watch(sets, to_self, predicate=loop.echoes.is_new, batch_s=BATCH_S),
        Watch(pods, to_owner(resource), batch_s=BATCH_S),
        Watch(pods, to_adopting(sets.lister, kind.selector_of), batch_s=BATCH_S),
    ]
    manager.add(Controller(name=resource.plural, reconcile=loop.reconcile, watches=watches, workers=_WORKERS))
