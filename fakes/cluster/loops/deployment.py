"""The Deployment controller: rolls ReplicaSets out as deployment_plan.py decides, and writes the status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_owner, to_self
from ctrlkit.errors import AlreadyExists, ApiError, Conflict, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.claims import BATCH_S, Claims, index_children, to_adopting
from ctrlkit.fakes.cluster.loops.conditions import Condition, with_condition
from ctrlkit.fakes.cluster.loops.deployment_plan import (
    HASH_LABEL,
    REVISION,
    CreateSet,
    DeleteSet,
    Replicas,
    Rollout,
    RolloutPlan,
    SetStep,
    Strategy,
    UpdateSet,
    divide,
    plan,
    template_without_hash,
)
from ctrlkit.fakes.cluster.loops.deployment_status import Observed, check_in_s, deadline_of, is_complete, status_of
from ctrlkit.fakes.cluster.loops.echoes import Echoes
from ctrlkit.fakes.cluster.loops.failures import is_namespace_ending
from ctrlkit.fakes.cluster.loops.hashes import template_hash
from ctrlkit.fakes.cluster.loops.percentages import of_total
from ctrlkit.fakes.cluster.loops.pods import is_final
from ctrlkit.manager import Manager
from ctrlkit.model import LabelSelector, ObjectKey, Record, Unstructured, to_plain
from ctrlkit.model.kinds import DEPLOYMENTS, PODS, REPLICASETS

_WORKERS = 4
_NAME_MAX = 253


@dataclass(frozen=True, slots=True)
class Deployments:
    """Reconciles Deployments."""

    client: Client
    deployments: Lister[Unstructured]
    sets: Claims
    pods: Claims
    recorder: EventRecorder
    echoes: Echoes = field(default_factory=Echoes)
    echoes_of_sets: Echoes = field(default_factory=Echoes)

    async def reconcile(self, request: Request) -> Outcome:
        """Take the steps that are possible now, then write the status."""
        deployment = self.deployments.find(request.key)
        if deployment is None:
            return DONE
        claimed = await self.sets.claim(deployment, selector_of(deployment))
        sets = [read_replicas(one) for one in claimed]
        rollout = read_rollout(deployment)
        if deployment.metadata.deleting:
            return await self._write_status(deployment, rollout, sets, claimed, RolloutPlan((), None))
        steps = plan(rollout, sets, old_pods_run=self._old_pods_run(rollout, sets))
        for step in steps.steps:
            made = await self._take(deployment, step)
            if made is not None:
                claimed.append(made)
                sets.append(read_replicas(made))
        return await self._write_status(deployment, rollout, sets, claimed, steps)

    def _old_pods_run(self, rollout: Rollout, sets: Iterable[Replicas]) -> bool:
        if rollout.strategy is not Strategy.RECREATE:
            return False
        _, old = divide(rollout, sets)
        return any(not is_final(pod) for one in old for pod in self.pods.controlled_by(one.uid))

    # ---- steps ---------------------------------------------------------------------------------------------------

    async def _take(self, deployment: Unstructured, step: SetStep) -> Unstructured | None:
        """Take a step; return the ReplicaSet if one was made."""
        match step:
            case CreateSet():
                return await self._create(deployment, step)
            case UpdateSet():
                await self._update(deployment, step)
            case DeleteSet(name, uid):
                with suppress(NotFound, Conflict):  # gone, or another by now: the cache is about to show it
                    await self.client.delete(REPLICASETS, ObjectKey(deployment.key.namespace, name), uid=uid)
        return None

    async def _create(self, deployment: Unstructured, step: CreateSet) -> Unstructured | None:
        body = new_set(deployment, step)
        name = body["metadata"]["name"]
        try:
            made = await self.client.create(REPLICASETS, body)
        except AlreadyExists:
            await self._after_collision(deployment, name)
            return None
        except ApiError as error:
            if not is_namespace_ending(error):
                await self._tell_failure(deployment, f'Failed to create new replica set "{name}": {error.message}')
            raise
        self.echoes_of_sets.wrote(made)
        if step.replicas:
            self._tell_scaled(deployment, name, 0, step.replicas)
        return made

    async def _after_collision(self, deployment: Unstructured, name: str) -> None:
        """Choose another hash, unless the ReplicaSet of that name is the one that was to be made."""
        there = await self.client.get(REPLICASETS, ObjectKey(deployment.key.namespace, name))
        controller = there.metadata.controller
        is_ours = controller is not None and controller.uid == deployment.metadata.uid
        if is_ours and template_without_hash(there.at("spec.template")) == template_without_hash(
            deployment.at("spec.template")
        ):
            return  # the cache is about to show it
        status = dict(deployment.get("status") or {})
        status["collisionCount"] = status.get("collisionCount", 0) + 1
        await self.client.update_status(DEPLOYMENTS, {**deployment, "status": status})

    async def _tell_failure(self, deployment: Unstructured, text: str) -> None:
        self.recorder.event(deployment.metadata, DEPLOYMENTS, EventType.WARNING, "ReplicaSetCreateError", text)
        if deadline_of(deployment["spec"]) is None:
            return
        failed = {"type": "Progressing", "status": "False", "lastUpdateTime": "", "reason": "ReplicaSetCreateError"}
        conditions = deployment.at("status.conditions") or ()
        now = with_condition(conditions, failed | {"message": text}, clock.now())
        status = {**(deployment.get("status") or {}), "conditions": now}
        with suppress(NotFound, Conflict):
            await self.client.update_status(DEPLOYMENTS, {**deployment, "status": status})

    async def _update(self, deployment: Unstructured, step: UpdateSet) -> None:
        changed = step.changed
        there = self.sets.lister.find(ObjectKey(deployment.key.namespace, changed.name))
        if there is None:
            return
        there["spec"] = there["spec"] | {"replicas": changed.replicas}
        if changed.min_ready_s or "minReadySeconds" in there["spec"]:
            there["spec"]["minReadySeconds"] = changed.min_ready_s
        there["metadata"] = there["metadata"] | {"annotations": dict(changed.annotations)}
        with suppress(NotFound, Conflict):  # gone or changed: the cache is about to show it
            await self.client.update(REPLICASETS, there)
            if changed.replicas != step.was:
                self._tell_scaled(deployment, changed.name, step.was, changed.replicas)

    def _tell_scaled(self, deployment: Unstructured, name: str, before: int, after: int) -> None:
        way = "up" if after > before else "down"
        text = f"Scaled {way} replica set {name} from {before} to {after}"
        self.recorder.event(deployment.metadata, DEPLOYMENTS, EventType.NORMAL, "ScalingReplicaSet", text)

    # ---- status --------------------------------------------------------------------------------------------------

    async def _write_status(
        self,
        deployment: Unstructured,
        rollout: Rollout,
        sets: list[Replicas],
        claimed: list[Unstructured],
        steps: RolloutPlan,
    ) -> Outcome:
        new, old = divide(rollout, sets)
        metadata, status = deployment.metadata, deployment.get("status") or {}
        now = clock.now()
        observed = Observed(
            name=metadata.name,
            generation=metadata.generation,
            replicas=rollout.replicas,
            max_unavailable=rollout.max_unavailable,
            status=status,
            sets=[*old, *filter(None, [new])],
            new=new,
            made=any(isinstance(step, CreateSet) for step in steps.steps),
            deadline_s=deadline_of(deployment["spec"]),
            is_paused=rollout.is_paused,
            is_scaled=steps.is_scaling,
            failure=_failure(new.name if new is not None else "", claimed),
        )
        wanted = status_of(observed, now)
        annotations = dict(metadata.annotations or {})
        if steps.revision is not None:
            annotations[REVISION] = steps.revision
        if wanted != status or annotations != (metadata.annotations or {}):
            changed = {**deployment["metadata"], "annotations": annotations} if annotations else deployment["metadata"]
            with suppress(NotFound, Conflict):  # gone or changed: the cache is about to show it
                written = {**deployment, "metadata": changed, "status": wanted}
                answer = await self.client.update_status(DEPLOYMENTS, written)
                if not (old or steps.is_scaling):  # else the next step may be due now
                    self.echoes.wrote(answer)
        later_s = check_in_s(observed, wanted, now)
        return RequeueAfter(later_s) if later_s is not None else DONE


def _failure(new: str, sets: Iterable[Unstructured]) -> Condition | None:
    """Return the ReplicaFailure of the new ReplicaSet, or else of another."""
    ordered = sorted(sets, key=lambda one: one.key.name != new)
    found = (each for one in ordered for each in one.at("status.conditions") or ())
    return next((dict(each) for each in found if each["type"] == "ReplicaFailure"), None)


def selector_of(deployment: Unstructured) -> LabelSelector:
    """Return the selector of a Deployment."""
    return LabelSelector.of_object(deployment.at("spec.selector") or {})


def read_rollout(deployment: Unstructured) -> Rollout:
    """Read the fields of a Deployment that its plan depends on."""
    spec: Mapping[str, Any] = deployment["spec"]
    replicas = 1 if spec.get("replicas") is None else int(spec["replicas"])
    strategy = Strategy(deployment.at("spec.strategy.type") or "RollingUpdate")
    rolling = deployment.at("spec.strategy.rollingUpdate") or {}
    surge = unavailable = 0
    if strategy is Strategy.ROLLING_UPDATE:
        surge = of_total(rolling.get("maxSurge", 0), replicas, round_up=True)
        unavailable = of_total(rolling.get("maxUnavailable", 0), replicas, round_up=False)
        if not surge and not unavailable:
            unavailable = 1  # percentages may round to nothing, and then nothing would ever move
    limit = spec.get("revisionHistoryLimit")
    status = deployment.get("status") or {}
    return Rollout(
        replicas=replicas,
        template=spec.get("template") or {},
        annotations=deployment.metadata.annotations or {},
        strategy=strategy,
        max_surge=surge,
        max_unavailable=min(unavailable, replicas),
        min_ready_s=int(spec.get("minReadySeconds") or 0),
        history=None if limit is None or limit == 2**31 - 1 else int(limit),
        is_paused=bool(spec.get("paused")),
        is_complete=is_complete(replicas, deployment.metadata.generation, status),
        status_replicas=status.get("replicas", 0),
    )


def read_replicas(one: Unstructured) -> Replicas:
    """Read the fields of a ReplicaSet that its Deployment's plan and status depend on."""
    metadata, status = one.metadata, one.get("status") or {}
    replicas = one.at("spec.replicas")
    return Replicas(
        name=metadata.name,
        uid=metadata.uid,
        created=one.at("metadata.creationTimestamp") or "",
        replicas=1 if replicas is None else int(replicas),
        actual=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        terminating=status.get("terminatingReplicas", 0),
        min_ready_s=int(one.at("spec.minReadySeconds") or 0),
        template=one.at("spec.template") or {},
        annotations=metadata.annotations or {},
        is_settled=metadata.generation <= status.get("observedGeneration", 0),
        is_deleting=metadata.deleting,
    )


def new_set(deployment: Unstructured, step: CreateSet) -> dict[str, Any]:
    """Build the ReplicaSet of a Deployment's template, which carries the hash of it in its name and labels."""
    template = dict(deployment.at("spec.template") or {})
    digest = template_hash(template, deployment.at("status.collisionCount"))
    metadata = dict(template.get("metadata") or {})
    labels = {**(metadata.get("labels") or {}), HASH_LABEL: digest}
    selector = dict(deployment.at("spec.selector") or {})
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}
    spec: dict[str, Any] = {"replicas": step.replicas, "selector": selector}
    if deployment.at("spec.minReadySeconds"):
        spec["minReadySeconds"] = deployment.at("spec.minReadySeconds")
    return {
        "metadata": {
            "name": f"{deployment.key.name[: _NAME_MAX - len(digest) - 1]}-{digest}",
            "namespace": deployment.key.namespace,
            "labels": labels,
            "annotations": dict(step.annotations),
            "ownerReferences": [to_plain(DEPLOYMENTS.owner_reference(deployment.metadata))],
        },
        "spec": spec | {"template": template | {"metadata": metadata | {"labels": labels}}},
    }


def add_deployments(manager: Manager) -> None:
    """Add the Deployment controller to a manager."""
    deployments, sets, pods = (manager.informer(kind) for kind in (DEPLOYMENTS, REPLICASETS, PODS))
    index_children(sets)
    index_children(pods)

    def recreated(record: Record[Any]) -> Iterable[ObjectKey]:
        """Map a pod that has gone to its Deployment, if that waited for it."""
        owner = record.meta.controller
        replica_set = sets.lister.find_record(ObjectKey(record.key.namespace, owner.name)) if owner else None
        controller = replica_set.meta.controller if replica_set is not None else None
        if controller is None or controller.kind != DEPLOYMENTS.kind:
            return []
        key = ObjectKey(record.key.namespace, controller.name)
        deployment = deployments.lister.find(key)
        waits = deployment is not None and deployment.at("spec.strategy.type") == Strategy.RECREATE.value
        return [key] if waits else []

    client = manager.client
    loop = Deployments(
        client,
        deployments.lister,
        Claims(client, DEPLOYMENTS, REPLICASETS, sets.lister),
        Claims(client, REPLICASETS, PODS, pods.lister),
        manager.recorder("deployment-controller"),
    )
    watches: list[Watch[Any]] = [
        Watch(deployments, to_self, predicate=loop.echoes.is_new, batch_s=BATCH_S),
        Watch(sets, to_owner(DEPLOYMENTS), predicate=loop.echoes_of_sets.is_new, batch_s=BATCH_S),
        Watch(sets, to_adopting(deployments.lister, selector_of), batch_s=BATCH_S),
        Watch(pods, recreated, predicate=lambda change: change.new is None),
    ]
    manager.add(Controller(name="deployments", reconcile=loop.reconcile, watches=watches, workers=_WORKERS))
