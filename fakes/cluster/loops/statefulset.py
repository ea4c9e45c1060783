"""
The StatefulSet controller: creates and deletes pods as statefulset_plan.py decides, and writes the status.

Its templates are kept in ControllerRevisions (history.py). Each pod has the claims of `spec.volumeClaimTemplates`,
which are made before it, and are owned by the set or the pod where they shall go with them (statefulset_claims.py). A
pod that is too many is deleted only after its claims have the right owner.

Differences from a real one: a parallel set creates no more pods while 500 are missing or not available. A set that
waits for the end of a claim goes on when it has ended. Claims of a pod that is too many are read from the server where
the cache does not show them; a real one waits. What the server forbids is tried again every ten seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_owner, to_self
from ctrlkit.errors import AlreadyExists, ApiError, Conflict, Forbidden, Invalid, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.claims import BATCH_S, Claims, index_children, to_adopting
from ctrlkit.fakes.cluster.loops.echoes import Echoes
from ctrlkit.fakes.cluster.loops.failures import Refusals, is_namespace_ending
from ctrlkit.fakes.cluster.loops.history import (
    DATA_HASH,
    Create,
    Keep,
    Renumber,
    Revision,
    choose,
    data_hash,
    data_of,
    in_order,
    new_revision,
    revision_name,
    surplus,
    template_of,
)
from ctrlkit.fakes.cluster.loops.pods import next_check_s
from ctrlkit.fakes.cluster.loops.revisions import Revisions
from ctrlkit.fakes.cluster.loops.statefulset_claims import (
    claim_names,
    has_other_controller,
    is_claim_of,
    is_of_earlier_pod,
    new_claims,
    owners,
    read_retention,
)
from ctrlkit.fakes.cluster.loops.statefulset_plan import CreatePod, DeletePod, MendPod, PodStep, counts, plan
from ctrlkit.fakes.cluster.loops.statefulset_pods import (
    changes_of,
    is_claimed,
    is_pending,
    min_ready_s,
    new_pod,
    ordinal_in,
    ordinals_of,
    read_member,
    read_spec,
    references,
    selector_of,
)
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, ObjectKey, Record, Unstructured
from ctrlkit.model.kinds import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFULSETS

_WORKERS = 4


class _ClaimsMissing(Exception):
    """Claims that a pod needs could not be made: the first `failure`, or none if all of them are just being deleted."""

    def __init__(self, texts: Sequence[str], failure: ApiError | None) -> None:
        super().__init__(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
        self.failure = failure


@dataclass(slots=True)
class StatefulSets:
    """Reconciles StatefulSets."""

    client: Client
    sets: Lister[Unstructured]
    pods: Claims
    revisions: Revisions
    claims: Lister[Unstructured]
    recorder: EventRecorder
    refusals: Refusals = field(default_factory=Refusals)
    echoes: Echoes = field(default_factory=Echoes)

    async def reconcile(self, request: Request) -> Outcome:
        """Take the steps that are possible now, then write the status and shorten the history."""
        stateful_set = self.sets.find(request.key)
        if stateful_set is None:
            self.refusals.forget(request.key)
            return DONE
        selector = selector_of(stateful_set)
        history = in_order(await self.revisions.of(stateful_set, selector, releases=False))
        pods = await self.pods.claim(stateful_set, selector, fits=lambda pod: ordinal_in(pod, stateful_set) is not None)
        try:
            update, collisions = await self._update_revision(stateful_set, history)
        except Forbidden as error:
            return self._outcome(request.key, error, None)
        name = stateful_set.at("status.currentRevision")
        current = next((one for one in history if one.name == name), update)
        spec = read_spec(stateful_set, current=current.name, revision=update.name)
        members = [
            read_member(pod, stateful_set, spec, self._claims_of(stateful_set, ordinal), clock.now())
            for pod in pods
            if (ordinal := ordinal_in(pod, stateful_set)) is not None
        ]
        steps = [] if stateful_set.metadata.deleting else plan(spec, members)
        failure = await self._take_all(stateful_set, steps, current)
        updating = sum(isinstance(step, DeletePod) and step.for_update for step in steps)
        status = counts(spec, members, updating=0 if failure else updating)
        answer = await self._write_status(stateful_set, status | {"collisionCount": collisions})
        if answer is not None and not steps and name == status["currentRevision"] == status["updateRevision"]:
            self.echoes.wrote(answer)  # else what it says now may lead to another step
        live = {current.name, update.name, *(member.revision for member in members)}
        past = surplus(history, live=live, limit=stateful_set.at("spec.revisionHistoryLimit"))
        await self.revisions.delete(stateful_set.key.namespace, past)
        return self._outcome(request.key, failure, _next_check_s(stateful_set, pods, status))

    def _outcome(self, key: ObjectKey, failure: ApiError | None, later_s: float | None) -> Outcome:
        if failure is not None and is_namespace_ending(failure):
            return DONE  # the set is to go, too
        if isinstance(failure, Forbidden | Invalid):
            return self.refusals.again(key)
        self.refusals.forget(key)
        if failure is not None:
            raise failure
        return RequeueAfter(later_s) if later_s else DONE

    # ---- history -------------------------------------------------------------------------------------------------

    async def _update_revision(self, stateful_set: Unstructured, history: Sequence[Revision]) -> tuple[Revision, int]:
        """Find or make the revision of the template; return it with the number of collisions of names."""
        metadata, template = stateful_set.metadata, stateful_set.at("spec.template") or {}
        collisions = int(stateful_set.at("status.collisionCount") or 0)
        data = data_of(template)
        match choose(history, data):
            case Keep(revision):
                return revision, collisions
            case Renumber(revision, number):
                if not metadata.deleting:
                    await self.revisions.renumber(metadata.namespace, revision, number)
                return revision, collisions
            case Create(number):
                digest = data_hash(data, collisions)
                name = revision_name(metadata.name, digest)
                if metadata.deleting:
                    return Revision(name=name, number=number, data=data), collisions
                labels = {**(template.get("metadata", {}).get("labels") or {}), DATA_HASH: digest}
                body = new_revision(metadata, STATEFULSETS, name=name, number=number, data=data, labels=labels)
                return await self.revisions.create(
                    body, lambda count: revision_name(metadata.name, data_hash(data, count)), collisions
                )

    # ---- steps ---------------------------------------------------------------------------------------------------

    async def _take_all(
        self, stateful_set: Unstructured, steps: Iterable[PodStep], current: Revision
    ) -> ApiError | None:
        """Take steps until one fails; return the failure."""
        try:
            for step in steps:
                await self._take(stateful_set, step, current)
        except ApiError as error:
            return error
        return None

    async def _take(self, stateful_set: Unstructured, step: PodStep, current: Revision) -> None:
        match step:
            case CreatePod(ordinal, revision):
                is_current = revision == current.name
                template = template_of(current.data) if is_current else stateful_set.at("spec.template") or {}
                await self._create(stateful_set, new_pod(stateful_set, template, ordinal, revision), ordinal)
            case MendPod(ordinal):
                pod = self.pods.lister.find(ObjectKey(stateful_set.key.namespace, f"{stateful_set.key.name}-{ordinal}"))
                if pod is not None:
                    await self._mend(stateful_set, pod, ordinal)
            case DeletePod(name, uid):
                with suppress(NotFound, Conflict):  # gone, or another by now: the cache is about to show it
                    await self.client.delete(PODS, ObjectKey(stateful_set.key.namespace, name), uid=uid)
                    self._tell(stateful_set, "Delete", f"Pod {name}")

    async def _create(self, stateful_set: Unstructured, pod: dict[str, Any], ordinal: int) -> None:
        name = pod["metadata"]["name"]
        if read_retention(stateful_set).when_scaled and any(
            is_of_earlier_pod(claim.at("metadata.ownerReferences") or (), name)
            for claim in self._claims_of(stateful_set, ordinal)
        ):
            return  # the claim is about to go with that pod, and its end leads here again
        try:
            await self._create_claims(stateful_set, name, ordinal)
            await self.client.create(PODS, pod)
        except AlreadyExists:
            return  # the cache is about to show it; if it is another's, its end will lead here again
        except _ClaimsMissing as missing:
            self._tell_failure(stateful_set, "Create", f"Pod {name}", str(missing))
            if missing.failure is not None:
                raise missing.failure from None
            return
        except ApiError as error:
            if not is_namespace_ending(error):
                self._tell_failure(stateful_set, "Create", f"Pod {name}", error.message)
            raise
        self._tell(stateful_set, "Create", f"Pod {name}")

    async def _create_claims(self, stateful_set: Unstructured, pod: str, ordinal: int) -> None:
        """Make the claims of a pod that are not there; those of an earlier pod of its name are used again."""
        failures: list[ApiError] = []
        texts = []
        for claim in new_claims(stateful_set, ordinal=ordinal):
            name = claim["metadata"]["name"]
            there = self.claims.find(ObjectKey(stateful_set.key.namespace, name))
            if there is not None:
                texts += [f"pvc {name} is being deleted"] if there.metadata.deleting else []
                continue
            try:
                await self.client.create(PERSISTENT_VOLUME_CLAIMS, claim)
            except AlreadyExists:
                continue  # the cache is about to show it
            except ApiError as error:
                if is_namespace_ending(error):
                    raise
                self._tell_failure(stateful_set, "Create", f"Claim {name} for Pod {pod}", error.message)
                failures.append(error)
                texts.append(f"failed to create PVC {name}: {error.message}")
            else:
                self._tell(stateful_set, "Create", f"Claim {name} Pod {pod}", end="success")
        if texts:
            raise _ClaimsMissing(texts, failures[0] if failures else None)

    async def _mend(self, stateful_set: Unstructured, pod: Unstructured, ordinal: int) -> None:
        """Give a pod what it lacks. One that is too many has its claims given to it, or taken from it."""
        is_wanted = ordinal in ordinals_of(stateful_set)
        try:
            if is_wanted and (is_pending(pod) or not is_claimed(pod, stateful_set, ordinal)):
                await self._create_claims(stateful_set, pod.key.name, ordinal)
            owners_changed = await self._mend_owners(stateful_set, pod, ordinal, is_wanted=is_wanted)
            if is_wanted:
                await self._mend_pod(stateful_set, pod, ordinal, is_updated=owners_changed and not is_pending(pod))
        except NotFound:
            return  # the cache is about to show it
        except _ClaimsMissing as missing:
            if missing.failure is not None:
                raise missing.failure from None

    async def _mend_pod(self, stateful_set: Unstructured, pod: Unstructured, ordinal: int, *, is_updated: bool) -> None:
        """Give a pod the labels and volumes that it should have; one whose claims were changed counts as updated."""
        changes = changes_of(pod, stateful_set, ordinal)
        try:
            if changes:
                changes["metadata"] = {**changes.get("metadata", {}), "uid": pod.metadata.uid}
                await self.client.patch(PODS, pod.key, MergePatch(changes))
        except Invalid as error:
            self._tell_failure(stateful_set, "Update", f"Pod {pod.key.name}", error.message)
            raise
        if changes or is_updated:
            self._tell(stateful_set, "Update", f"Pod {pod.key.name}")

    async def _mend_owners(
        self, stateful_set: Unstructured, pod: Unstructured, ordinal: int, *, is_wanted: bool
    ) -> bool:
        """Give the claims of a pod the owners that they should have; return whether one was changed."""
        is_changed = False
        retention = read_retention(stateful_set)
        of_set, of_pod = references(stateful_set, pod)
        claims = self._claims_of(stateful_set, ordinal)
        if not is_wanted and len(claims) < len(claim_names(stateful_set, ordinal)):
            claims = await self._read_claims(stateful_set, ordinal)
        for claim in claims:
            there = claim.at("metadata.ownerReferences") or ()
            if has_other_controller(there, of_set, of_pod, retention):
                text = (
                    f"PersistentVolumeClaim {claim.key.name} has a conflicting OwnerReference that acts as a manging "
                    "controller, the retention policy is ignored for this claim"
                )
                self.recorder.event(
                    stateful_set.metadata, STATEFULSETS, EventType.WARNING, "ConflictingController", text
                )
            wanted = owners(there, of_set, of_pod, retention, is_wanted=is_wanted)
            if wanted is not None:
                metadata = {**claim["metadata"], "ownerReferences": wanted}
                await self.client.update(PERSISTENT_VOLUME_CLAIMS, {**claim, "metadata": metadata})
                is_changed = True
        return is_changed

    def _claims_of(self, stateful_set: Unstructured, ordinal: int) -> list[Unstructured]:
        """Return the claims of a pod that the cache shows; not to be changed."""
        namespace = stateful_set.key.namespace
        keys = [ObjectKey(namespace, name) for name in claim_names(stateful_set, ordinal).values()]
        return [claim.shared for key in keys if (claim := self.claims.find_record(key)) is not None]

    async def _read_claims(self, stateful_set: Unstructured, ordinal: int) -> list[Unstructured]:
        """Read the claims of a pod from the server: once the pod is gone, nobody gives them an owner."""
        found = []
        for name in claim_names(stateful_set, ordinal).values():
            with suppress(NotFound):
                key = ObjectKey(stateful_set.key.namespace, name)
                found.append(await self.client.get(PERSISTENT_VOLUME_CLAIMS, key))
        return found

    def _tell(self, stateful_set: Unstructured, verb: str, what: str, *, end: str = "successful") -> None:
        text = f"{verb} {what} in StatefulSet {stateful_set.key.name} {end}"
        self.recorder.event(stateful_set.metadata, STATEFULSETS, EventType.NORMAL, f"Successful{verb}", text)

    def _tell_failure(self, stateful_set: Unstructured, verb: str, what: str, error: str) -> None:
        text = f"{verb} {what} in StatefulSet {stateful_set.key.name} failed error: {error}"
        self.recorder.event(stateful_set.metadata, STATEFULSETS, EventType.WARNING, f"Failed{verb}", text)

    # ---- reading and writing -------------------------------------------------------------------------------------

    async def _write_status(self, stateful_set: Unstructured, status: dict[str, Any]) -> Unstructured | None:
        """Write what has changed; return the answer, if there is one."""
        current = stateful_set.get("status") or {}
        status["observedGeneration"] = stateful_set.metadata.generation
        if any(current.get(name, 0) != value for name, value in status.items()):
            patch = MergePatch({"metadata": {"uid": stateful_set.metadata.uid}, "status": status})
            with suppress(NotFound):
                return await self.client.patch(STATEFULSETS, stateful_set.key, patch, subresource="status")
        return None


def _next_check_s(stateful_set: Unstructured, pods: Iterable[Unstructured], status: Mapping[str, Any]) -> float | None:
    """Return in how many seconds the next pod that is ready may count as available."""
    if status["readyReplicas"] == status["availableReplicas"]:
        return None
    return next_check_s(pods, min_ready_s(stateful_set), clock.now())


def add_stateful_sets(manager: Manager) -> None:
    """Add the StatefulSet controller to a manager."""
    sets, pods, claims = (manager.informer(kind) for kind in (STATEFULSETS, PODS, PERSISTENT_VOLUME_CLAIMS))
    revisions = manager.informer(CONTROLLER_REVISIONS)
    index_children(pods)
    index_children(revisions)

    def claiming(record: Record[Any]) -> Iterable[ObjectKey]:
        """Map a claim to the sets that have one of its name."""
        return [
            one.key for one in sets.lister.list(namespace=record.key.namespace) if is_claim_of(one, record.key.name)
        ]

    def namesake(record: Record[Any]) -> Iterable[ObjectKey]:
        """Map a pod that was in the way, perhaps, to the set that has a pod of its name."""
        key = ObjectKey(record.key.namespace, record.key.name.rpartition("-")[0])
        return [key] if sets.lister.find_record(key) is not None else []

    client = manager.client
    loop = StatefulSets(
        client,
        sets.lister,
        Claims(client, STATEFULSETS, PODS, pods.lister),
        Revisions(client, Claims(client, STATEFULSETS, CONTROLLER_REVISIONS, revisions.lister)),
        claims.lister,
        manager.recorder("statefulset-controller"),
    )
    watches: list[Watch[Any]] = [
        Watch(sets, to_self, predicate=loop.echoes.is_new, batch_s=BATCH_S),
        Watch(pods, to_owner(STATEFULSETS), batch_s=BATCH_S),
        Watch(pods, to_adopting(sets.lister, selector_of), batch_s=BATCH_S),
        Watch(pods, namesake, predicate=lambda change: change.new is None),
        Watch(claims, claiming, predicate=lambda change: change.new is None),
    ]
    manager.add(Controller(name="statefulsets", reconcile=loop.reconcile, watches=watches, workers=_WORKERS))
