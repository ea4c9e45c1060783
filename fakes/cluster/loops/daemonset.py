"""The DaemonSet controller: a pod on each node that fits, as daemonset_plan.py decides, and its template's history."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Change, Informer, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_owner, to_self
from ctrlkit.errors import ApiError, Conflict, Forbidden, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.claims import BATCH_S, Claims, index_children, to_adopting
from ctrlkit.fakes.cluster.loops.daemonset_plan import (
    BURST,
    DaemonPod,
    DaemonSteps,
    Place,
    PodsByNode,
    Update,
    affinity_to,
    by_node,
    counts,
    daemon_spec,
    place_of,
    plan,
    target_of,
)
from ctrlkit.fakes.cluster.loops.failures import Refusals, is_namespace_ending
from ctrlkit.fakes.cluster.loops.hashes import template_hash
from ctrlkit.fakes.cluster.loops.history import (
    Create,
    Renumber,
    Revision,
    choose,
    data_of,
    in_order,
    is_same,
    new_revision,
    revision_name,
)
from ctrlkit.fakes.cluster.loops.pods import available_in, next_check_s, pod_of_template
from ctrlkit.fakes.cluster.loops.replicaset_plan import batches
from ctrlkit.fakes.cluster.loops.revisions import Revisions
from ctrlkit.manager import Manager
from ctrlkit.model import LabelSelector, MergePatch, ObjectKey, ObjectMeta, Record, Unstructured
from ctrlkit.model.kinds import CONTROLLER_REVISIONS, DAEMONSETS, NODES, PODS

HASH_LABEL = "controller-revision-hash"
GENERATION_LABEL = "pod-template-generation"
GENERATION = "deprecated.daemonset.template.generation"

_ON_NODE = "daemon pods of a node"
_WORKERS = 2
_FIRST_DELAY_S = 1.0
_DELAY_MAX_S = 900.0


@dataclass(slots=True)
class FailedPods:
    """
    When failed pods are deleted: the next of a node after a delay that doubles, from 1 s to 15 minutes.

    Another generation of the DaemonSet, or half an hour without a failure, makes a new beginning: `of` says of which
    these are.
    """

    of: tuple[str, int]
    _delays: dict[str, tuple[float, datetime]] = field(default_factory=dict)

    def left_s(self, node: str, now: datetime) -> float:
        """Return for how many seconds a failed pod of a node is left alone."""
        delay_s, since = self._delays.get(node, (0.0, now))
        return max(delay_s - (now - since).total_seconds(), 0.0)

    def held(self, now: datetime) -> frozenset[str]:
        """Return the nodes whose failed pods are left alone."""
        return frozenset(node for node in self._delays if self.left_s(node, now))

    def note(self, node: str, now: datetime) -> None:
        """Take note of a failed pod that is deleted."""
        delay_s, since = self._delays.get(node, (0.0, now))
        is_over = (now - since).total_seconds() > 2 * _DELAY_MAX_S
        self._delays[node] = (_FIRST_DELAY_S if is_over or not delay_s else min(2 * delay_s, _DELAY_MAX_S), now)


@dataclass(frozen=True, slots=True)
class DaemonSets:
    """Reconciles DaemonSets."""

    client: Client
    sets: Lister[Unstructured]
    nodes: Lister[Unstructured]
    pods: Claims
    revisions: Revisions
    recorder: EventRecorder
    failed: dict[ObjectKey, FailedPods] = field(default_factory=dict)
    refusals: Refusals = field(default_factory=Refusals)

    async def reconcile(self, request: Request) -> Outcome:
        """Take the steps that are possible now, then write the status; one that is being deleted is left alone."""
        one = self.sets.find(request.key)
        if one is None:
            self.failed.pop(request.key, None)
            self.refusals.forget(request.key)
            return DONE
        if one.metadata.deleting:
            return DONE
        selector = selector_of(one)
        history = await self._history(one, selector)
        spec = daemon_spec(one.at("spec.template.spec") or {})
        places = [place_of(spec, node) for node in self.nodes.list()]
        claimed = await self.pods.claim(one, selector)
        now = clock.now()
        read = reader(one, history.digest, now)
        there = [read(pod) for pod in claimed]
        failed = self._failed_pods(one)
        steps = plan(read_update(one), places, by_node(there), failed.held(now))
        failure: ApiError | None = None
        try:
            there += await self._take(one, steps, history.digest, read)
            await self._clean_up(one, history, claimed)
        except ApiError as error:
            failure = error
        await self._write_status(one, places, by_node(there), history.collisions)
        if isinstance(failure, Forbidden):
            return self.refusals.again(one.key)
        self.refusals.forget(one.key)
        if failure is not None:
            raise failure
        waits = [failed.left_s(node, now) for node in steps.waiting]
        ready_s = next_check_s(claimed, _min_ready_s(one), now)
        later_s = min((*waits, *filter(None, [ready_s])), default=None)
        return RequeueAfter(later_s) if later_s else DONE

    def _failed_pods(self, one: Unstructured) -> FailedPods:
        generation = (one.metadata.uid, one.at("status.observedGeneration") or 0)
        known = self.failed.get(one.key)
        if known is None or known.of != generation:
            known = self.failed[one.key] = FailedPods(generation)
        return known

    # ---- steps ---------------------------------------------------------------------------------------------------

    async def _take(
        self, one: Unstructured, steps: DaemonSteps, digest: str, read: Callable[[Unstructured], DaemonPod]
    ) -> list[DaemonPod]:
        """Make pods and delete others; return those that were made. Raises the first failure after all was tried."""
        self._tell_ended(one, steps.ended)
        made, first = await self._create(one, steps.create[:BURST], digest)
        for pod in steps.delete[:BURST]:
            with suppress(NotFound, Conflict):  # gone, or another by now: the cache is about to show it
                await self.client.delete(PODS, ObjectKey(one.key.namespace, pod.name), uid=pod.uid)
                self._record(one, EventType.NORMAL, "SuccessfulDelete", f"Deleted pod: {pod.name}")
        if first is not None:
            raise first
        return [read(pod) for pod in made]

    def _tell_ended(self, one: Unstructured, ended: Iterable[DaemonPod]) -> None:
        for pod in ended:
            found = f"daemon pod {one.key.namespace}/{pod.name} on node {pod.node}, will try to"
            if pod.phase == "Failed":
                self._failed_pods(one).note(pod.node, clock.now())
                self._record(one, EventType.WARNING, "FailedDaemonPod", f"Found failed {found} kill it")
            else:
                self._record(one, EventType.NORMAL, "SucceededDaemonPod", f"Found succeeded {found} delete it")

    async def _create(
        self, one: Unstructured, nodes: Sequence[str], digest: str
    ) -> tuple[list[Unstructured], ApiError | None]:
        """Make pods for nodes, in batches; the first failure is returned, and ends it with its batch."""
        made: list[Unstructured] = []
        first: ApiError | None = None
        for size in batches(len(nodes)):
            start = len(made)
            for node in nodes[start : start + size]:
                try:
                    pod = await self.client.create(PODS, new_pod(one, node, digest))
                except ApiError as error:
                    if is_namespace_ending(error):
                        return made, None
                    self._record(one, EventType.WARNING, "FailedCreate", f"Error creating: {error.message}")
                    first = first or error
                else:
                    made.append(pod)
                    self._record(one, EventType.NORMAL, "SuccessfulCreate", f"Created pod: {pod.key.name}")
            if first is not None:
                break
        return made, first

    def _record(self, one: Unstructured, kind: EventType, reason: str, message: str) -> None:
        self.recorder.event(one.metadata, DAEMONSETS, kind, reason, message)

    # ---- history -------------------------------------------------------------------------------------------------

    async def _history(self, one: Unstructured, selector: LabelSelector) -> History:
        """Find the revision of the template, or make it; what is wanted again gets the newest number."""
        found = in_order(await self.revisions.of(one, selector, releases=True))
        digests = {revision.name: await self._digest(one, revision) for revision in found}
        data = data_of(one.at("spec.template") or {})
        collisions = one.at("status.collisionCount")
        old = [revision for revision in found if not is_same(revision.data, data)]
        match choose(found, data):
            case Create(number):
                digest, collisions = await self._create_revision(one, data, number, collisions)
                return History(digest, collisions, old, digests)
            case Renumber(current, number):
                await self.revisions.renumber(one.key.namespace, current, number)
            case kept:
                current = kept.revision
        others = [revision for revision in found if revision not in old and revision.name != current.name]
        if others:
            await self._merge(one, selector, digests[current.name], others)
        return History(digests[current.name], collisions, old, digests)

    async def _digest(self, one: Unstructured, revision: Revision) -> str:
        """Return the hash that a revision's pods are labelled with; one without gets its name for it."""
        there = self.revisions.claims.lister.find(ObjectKey(one.key.namespace, revision.name))
        labels = (there.metadata.labels if there is not None else None) or {}
        if there is not None and HASH_LABEL not in labels:
            patch = MergePatch({"metadata": {"labels": {HASH_LABEL: revision.name}}})
            await self.client.patch(CONTROLLER_REVISIONS, there.key, patch)
        return labels.get(HASH_LABEL, revision.name)

    async def _create_revision(
        self, one: Unstructured, data: Mapping[str, Any], number: int, collisions: int | None
    ) -> tuple[str, int | None]:
        labels = one.at("spec.template.metadata.labels") or {}
        body = new_revision(one.metadata, DAEMONSETS, name="", number=number, data=data, labels=labels)
        template = one.at("spec.template") or {}

        def name_of(count: int) -> str:
            digest = body["metadata"]["labels"][HASH_LABEL] = template_hash(template, count or None)
            return revision_name(one.key.name, digest)

        _, count = await self.revisions.create(body, name_of, collisions or 0)
        return body["metadata"]["labels"][HASH_LABEL], count if count else collisions

    async def _merge(self, one: Unstructured, selector: LabelSelector, digest: str, others: Iterable[Revision]) -> None:
        """Let pods of other revisions with the same data be those of the one that is kept, and delete the others."""
        patch = MergePatch({"metadata": {"labels": {HASH_LABEL: digest}}})
        for pod in await self.pods.claim(one, selector):
            if (pod.metadata.labels or {}).get(HASH_LABEL) != digest:
                await self.client.patch(PODS, pod.key, patch)
        await self.revisions.delete(one.key.namespace, others)

    async def _clean_up(self, one: Unstructured, history: History, pods: Iterable[Unstructured]) -> None:
        """Delete the oldest revisions beyond the limit that no pod has."""
        limit = one.at("spec.revisionHistoryLimit")
        surplus = len(history.old) - (10 if limit is None else int(limit))
        if surplus > 0:
            live = {(pod.metadata.labels or {}).get(HASH_LABEL) for pod in pods}
            unused = [revision for revision in history.old if history.digests[revision.name] not in live]
            await self.revisions.delete(one.key.namespace, unused[:surplus])

    # ---- status --------------------------------------------------------------------------------------------------

    async def _write_status(
        self, one: Unstructured, places: Iterable[Place], pods: PodsByNode, collisions: int | None
    ) -> None:
        old = one.get("status") or {}
        status: dict[str, Any] = {"conditions": old["conditions"]} if old.get("conditions") else {}
        status |= counts(places, pods) | {"observedGeneration": one.metadata.generation}
        if collisions is not None:
            status["collisionCount"] = collisions
        if status != old:
            with suppress(NotFound, Conflict):  # gone or changed: the cache is about to show it
                await self.client.update_status(DAEMONSETS, {**one, "status": status})


@dataclass(frozen=True, slots=True)
class History:
    """The hash of the template, how many collisions it took, older revisions, and the hashes of all by their names."""

    digest: str
    collisions: int | None
    old: Sequence[Revision]
    digests: Mapping[str, str]


def selector_of(one: Unstructured) -> LabelSelector:
    """Return the selector of a DaemonSet."""
    return LabelSelector.of_object(one.at("spec.selector") or {})


def read_update(one: Unstructured) -> Update:
    """Read how a DaemonSet is updated."""
    rolling = one.at("spec.updateStrategy.rollingUpdate") or {}
    return Update(
        is_rolling=(one.at("spec.updateStrategy.type") or "RollingUpdate") == "RollingUpdate",
        max_unavailable=rolling.get("maxUnavailable", 1),
        max_surge=rolling.get("maxSurge", 0),
    )


def reader(one: Unstructured, digest: str, now: datetime) -> Callable[[Unstructured], DaemonPod]:
    """Return a function that reads the fields of a pod that the plan depends on."""
    generation, min_ready_s = _generation(one.metadata), _min_ready_s(one)

    def read(pod: Unstructured) -> DaemonPod:
        metadata, spec = pod.metadata, pod.get("spec") or {}
        labels = metadata.labels or {}
        left_s = available_in(pod, min_ready_s, now)
        is_of_generation = generation is not None and labels.get(GENERATION_LABEL) == str(generation)
        return DaemonPod(
            name=metadata.name,
            uid=metadata.uid,
            node=target_of(spec),
            created=pod.at("metadata.creationTimestamp") or "",
            phase=pod.at("status.phase") or "Pending",
            is_bound=bool(spec.get("nodeName")),
            is_updated=labels.get(HASH_LABEL) == digest or is_of_generation,
            is_deleting=metadata.deleting,
            is_ready=left_s is not None,
            is_available=left_s == 0,
        )

    return read


def new_pod(one: Unstructured, node: str, digest: str) -> dict[str, Any]:
    """Build the pod of a node from the template."""
    pod = pod_of_template(one.at("spec.template") or {}, one.metadata, DAEMONSETS)
    generation = _generation(one.metadata)
    labels = {GENERATION_LABEL: str(generation)} if generation is not None else {}
    pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), **labels, HASH_LABEL: digest}
    pod["spec"] = daemon_spec(pod["spec"]) | {"affinity": affinity_to(pod["spec"].get("affinity"), node)}
    return pod


def _generation(metadata: ObjectMeta) -> int | None:
    text = (metadata.annotations or {}).get(GENERATION, "")
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else None


def _min_ready_s(one: Unstructured) -> float:
    return float(one.at("spec.minReadySeconds") or 0)


# ---- wiring ----------------------------------------------------------------------------------------------------------


def _index_by_node(pods: Informer[Unstructured]) -> None:
    """Let the pods of DaemonSets be found by their owner's uid and their node."""

    def of_a_daemon(record: Record[Unstructured]) -> Collection[str]:
        owner = record.meta.controller
        if owner is None or owner.kind != DAEMONSETS.kind:
            return []
        node = record.shared.at("spec.nodeName")
        return [f"{owner.uid}/{node}"] if node else []

    if _ON_NODE not in pods.indexes:
        pods.add_index(_ON_NODE, of_a_daemon)


def _matters(change: Change[Any]) -> bool:
    """Whether a node is new, or has other labels or taints; one that has gone takes its pods along."""
    old, new = change.old, change.new
    if old is None or new is None:
        return new is not None
    return old.meta.labels != new.meta.labels or old.shared.at("spec.taints") != new.shared.at("spec.taints")


def add_daemon_sets(manager: Manager) -> None:
    """Add the DaemonSet controller to a manager."""
    sets, nodes, pods, revisions = (manager.informer(kind) for kind in (DAEMONSETS, NODES, PODS, CONTROLLER_REVISIONS))
    index_children(pods)
    index_children(revisions)
    _index_by_node(pods)

    def affected(record: Record[Any]) -> Iterable[ObjectKey]:
        """Map a node to the DaemonSets that come or go there, or that have counted a pod where it does not belong."""
        node = nodes.lister.find(record.key)
        if node is None:
            return
        for one in sets.lister.list():
            place = place_of(daemon_spec(one.at("spec.template.spec") or {}), node)
            is_there = bool(pods.lister.by_index(_ON_NODE, f"{one.metadata.uid}/{record.key.name}"))
            if (is_there and (not place.keeps or one.at("status.numberMisscheduled"))) or (place.runs and not is_there):
                yield one.key

    client = manager.client
    loop = DaemonSets(
        client,
        sets.lister,
        nodes.lister,
        Claims(client, DAEMONSETS, PODS, pods.lister),
        Revisions(client, Claims(client, DAEMONSETS, CONTROLLER_REVISIONS, revisions.lister)),
        manager.recorder("daemonset-controller"),
    )
    watches: list[Watch[Any]] = [
        Watch(sets, to_self, batch_s=BATCH_S),
        Watch(nodes, affected, predicate=_matters),
    ]
    for children in (pods, revisions):
        watches += [
            Watch(children, to_owner(DAEMONSETS), batch_s=BATCH_S),
            Watch(children, to_adopting(sets.lister, selector_of), batch_s=BATCH_S),
        ]
    manager.add(Controller(name="daemonsets", reconcile=loop.reconcile, watches=watches, workers=_WORKERS))
