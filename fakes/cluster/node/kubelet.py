"""
The kubelets of the nodes that are played here: run the containers of the pods that are bound to them in a Runtime.

One loop does it for all nodes. Of each pod it looks at what its containers do, asks the plan (pod_plan.py) what comes
next, takes the steps that are due, and writes the status (pod_status.py). Nothing in it waits long: what takes time is
an activity, whose end wakes the pod, as does the end of a container. A pod at which nothing else is to be done is at
rest (resting.py): its probes are asked without a reconcile, and one that shows something new wakes it.

It keeps the history of each container; a new kubelet, as of a node that booted again, starts the containers of its pods
again and counts that as a restart. A node that is lost takes its containers with it, and nothing is said of its pods
until it has booted again. A pod that is over, or to be deleted, is ended: its containers are stopped in their order,
its last status is written, and if it is to be deleted, it is deleted for good.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from ctrlkit import clock
from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import (
    DONE,
    Controller,
    Outcome,
    Request,
    RequeueAfter,
    Watch,
    to_self,
)
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster.loops.pods import FINAL_PHASES, is_final
from ctrlkit.fakes.cluster.node.activities import Activities
from ctrlkit.fakes.cluster.node.admission import AFFINITY, Admission, Refusal, status_of
from ctrlkit.fakes.cluster.node.container_starts import RELIST_S, Starter
from ctrlkit.fakes.cluster.node.container_stops import Stopper, grace_s
from ctrlkit.fakes.cluster.node.declarations import NODE, Node
from ctrlkit.fakes.cluster.node.fleet import KUBELET, Fleet, Member
from ctrlkit.fakes.cluster.node.hooks import Hooks
from ctrlkit.fakes.cluster.node.observed import Observed
from ctrlkit.fakes.cluster.node.pod_ending import exceeded
from ctrlkit.fakes.cluster.node.pod_memory import Ending, KnownPod, first_seen
from ctrlkit.fakes.cluster.node.pod_plan import Container, Role, containers_of, plan_pod
from ctrlkit.fakes.cluster.node.pod_status import (
    Failure,
    PodView,
    last_status,
    pod_phase,
    pod_status,
    status_change,
    status_patch,
)
from ctrlkit.fakes.cluster.node.prober import Prober
from ctrlkit.fakes.cluster.node.pulls import Pulls
from ctrlkit.fakes.cluster.node.resizes import is_resized, needs_restart, resize_text
from ctrlkit.fakes.cluster.node.restart import CrashBackoff
from ctrlkit.fakes.cluster.node.resting import Resting
from ctrlkit.fakes.cluster.node.runtime import (
    ContainerId,
    Running,
    Runtime,
)
from ctrlkit.fakes.cluster.node.specs import SpecMaker
from ctrlkit.fakes.cluster.node.telling import Teller
from ctrlkit.fakes.cluster.node.volumes.attachments import Attachments
from ctrlkit.fakes.cluster.node.volumes.mounting import PodVolumes
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, ObjectKey, Patch, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import NODES, PODS, SERVICES

_WORKERS = 32
_ATTACHING = "attachdetach-controller"
_EVICTED, _EVICTION_GRACE_S = "Evicted", 1.0


@dataclass(slots=True)
class Kubelet:
    """
    Reconciles the pods that are bound to the nodes of a fleet. The runtime belongs to whoever entered it.

    `stop_s` is how long it takes at least to stop a pod, as on machines where that is never done at once.
    """

    client: Client
    pods: Lister[Unstructured]
    fleet: Fleet
    runtime: Runtime
    teller: Teller
    backoff: CrashBackoff
    volumes: PodVolumes
    specs: SpecMaker
    admission: Admission
    stop_s: float = 0.0
    activities: Activities = field(default_factory=Activities)
    prober: Prober = field(init=False)
    pulls: Pulls = field(init=False)
    observed: Observed = field(init=False)
    stopper: Stopper = field(init=False)
    starter: Starter = field(init=False)
    resting: Resting = field(init=False)
    _known: dict[ObjectKey, KnownPod] = field(default_factory=dict, init=False)
    _by_uid: dict[str, KnownPod] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.prober = Prober(self.runtime, self.activities)
        self.pulls = Pulls(self.runtime)
        self.observed = Observed(self.runtime, self.prober)
        hooks = Hooks(self.runtime)
        self.stopper = Stopper(
            runtime=self.runtime,
            observed=self.observed,
            hooks=hooks,
            activities=self.activities,
            teller=self.teller,
            admission=self.admission,
            stop_s=self.stop_s,
        )
        self.starter = Starter(
            runtime=self.runtime,
            fleet=self.fleet,
            observed=self.observed,
            prober=self.prober,
            pulls=self.pulls,
            specs=self.specs,
            hooks=hooks,
            activities=self.activities,
            stopper=self.stopper,
            teller=self.teller,
            backoff=self.backoff,
        )
        self.resting = Resting(self.pods, self.fleet, self.prober, self.activities, self.teller)
        self.activities.on_end = self.stir_pod

    def concerns(self, change: Change[Unstructured]) -> bool:
        """Whether a change is of a pod that is bound, or gone, and more than what was written here."""
        if change.new is None:
            return True
        known = self._known.get(change.key)
        if known is not None and _is_as_left(change.new.version, known):
            return False
        return bool(change.new.shared.at("spec.nodeName"))

    def stir(self, container: ContainerId) -> ObjectKey | None:
        """Note that a container has ended; return the pod to look at, None if nobody looks after it."""
        return self.stir_pod(container.pod_uid)

    def stir_pod(self, uid: str) -> ObjectKey | None:
        """Note that something has happened to a pod; return it, None if nobody looks after it."""
        known = self._by_uid.get(uid)
        if known is None:
            return None
        known.is_stirred = True
        return known.key

    async def reconcile(self, request: Request) -> Outcome:
        """Take the next steps for a pod: start, stop and probe its containers, write its status, end it."""
        pod = self.pods.find(request.key)
        uid = pod.at("metadata.uid") if pod is not None else ""
        known = self._known.get(request.key)
        if known is not None and (known.uid != uid or not self.fleet.works(known.node)):
            if self.fleet.works(known.node):
                self.stopper.tell_killing(known.pod, known)  # it was deleted by force
            await self._forget(known)
            known = None
        if pod is None or not self.fleet.works(pod.at("spec.nodeName") or ""):
            return DONE
        if known is not None and _is_as_left(pod.at("metadata.resourceVersion"), known):
            return _until(known.next_at)
        is_deleted = bool(pod.at("metadata.deletionTimestamp"))
        if is_final(pod) and (known is None or (known.ending is not None and known.ending.is_over)):
            return await self._delete(pod, known) if is_deleted else DONE
        if known is None:
            refused = None if is_deleted else await self._refusal(pod)
            if refused is not None:
                return await self._refuse(pod, refused)
            known = self._known[pod.key] = self._by_uid[uid] = self._first_seen(pod)
        known.pod, known.is_stirred, known.next_at = pod, False, None
        known.probe_at = None
        self.resting.end(known)
        return await self._sync(pod, known)

    async def _refusal(self, pod: Unstructured) -> Refusal | None:
        """Return why a pod is not let in, by the newest Node if it is a matter of labels; None if it may run."""
        refused = self.admission.admit(pod)
        if refused is not None and refused.reason == AFFINITY:
            with suppress(NotFound):
                node = await self.client.get(NODES, ObjectKey("", pod.at("spec.nodeName")))
                return self.admission.admit(pod, node=node)
        return refused

    async def _refuse(self, pod: Unstructured, refused: Refusal) -> Outcome:
        self.teller.tell(pod, None, EventType.WARNING, refused.reason, refused.message)
        status = status_of(refused, pod, now=clock.timestamp(clock.now()))
        with suppress(NotFound, Conflict):
            patch = MergePatch({"metadata": {"uid": pod.metadata.uid}, "status": status})
            await self.client.patch(PODS, pod.key, patch, subresource="status")
        return DONE

    def _first_seen(self, pod: Unstructured) -> KnownPod:
        member = self.fleet.find(pod.at("spec.nodeName"))
        assert member is not None  # its kubelet works
        return first_seen(pod, node=member.node.name, host=member.address)

    async def _sync(self, pod: Unstructured, known: KnownPod) -> Outcome:
        containers = containers_of(pod)
        pod = await self._catch_up(pod, known, containers)
        if known.has_gone and not known.version:
            await self._write_status(pod, known, containers)
            known.next_at = clock.monotonic()
            return _until(known.next_at)
        moments = await self._advance(pod, known, containers)
        if not self.fleet.works(known.node):
            return DONE
        await self._write_status(pod, known, containers)
        if known.ending is not None and known.ending.is_over and pod.at("metadata.deletionTimestamp"):
            return await self._delete(pod, known)
        if known.probe_at is not None and self._is_at_rest(known):
            self.resting.begin(known, containers, probe_at=known.probe_at)
        elif known.probe_at is not None:
            moments.append(known.probe_at)
        known.next_at = min(moments, default=None)
        return _until(known.next_at)

    def _is_at_rest(self, known: KnownPod) -> bool:
        """Whether nothing is left to do for a pod, until something happens to it, but to probe its containers."""
        is_left = known.ending is not None or known.is_stirred or known.is_resizing or known.is_pending
        return not is_left and not self.starter.is_at_work(known)

    async def _catch_up(self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...]) -> Unstructured:
        """Note what has happened to containers; return the pod, whose status tells of back-offs that are over now."""
        is_due = known.show_back_offs()
        for container in containers:
            self.starter.note_end(pod, known, container)
        if is_due and not pod.at("metadata.deletionTimestamp"):
            known.pod = await self._write_status(pod, known, containers)
        return known.pod

    async def _advance(self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...]) -> list[float]:
        """Run a pod, or go on with its end; return when to look again, on the loop's clock."""
        moments: list[float] = []
        self._end_if_due(pod, known, moments)
        if known.ending is None:
            moments = await self._run(pod, known, containers)
            known.is_busy = self.starter.is_at_work(known)
            self._end_if_due(pod, known, moments)
        if known.ending is not None:
            moments = self.stopper.go_on_ending(pod, known, containers)
            await self._probe(pod, known, containers, ending=True)
        return moments

    # ---- running -----------------------------------------------------------------------------------------------------

    async def _run(self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...]) -> list[float]:
        """Take the steps that are due; return when to look again, on the loop's clock."""
        moments: list[float] = []
        if known.has_gone and not known.address and self._is_lost(known, containers):
            self._begin_end(pod, known, 0.0, None)
            return []
        if not await self._has_volumes(pod, known, moments):
            return moments
        if not known.address:
            known.address = self._open_sandbox(pod, known)
        resized = self._resize(pod, known, containers)
        moments += await self._follow(pod, known, containers)
        if known.is_resizing and not any(self.observed.seen(known, container).resized for container in resized):
            known.is_resizing = False
            self.teller.tell(pod, None, EventType.NORMAL, "ResizeCompleted", resize_text("completed", pod))
        return moments

    async def _follow(self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...]) -> list[float]:
        """Follow the plan as far as it goes now; return when to look again, on the loop's clock."""
        moments: list[float] = []
        while True:
            if not self.starter.is_at_work(known) and _is_to_end(pod):
                return moments
            plan = plan_pod([self.observed.seen(known, container) for container in containers])
            if plan.ends and not self.starter.is_at_work(known):
                self._begin_end(pod, known, grace_s(pod), None)
                return []
            if await self.starter.take(pod, known, plan, moments):
                continue
            if plan.restarts_all and not plan.stop and not self.starter.is_at_work(known):
                anew = [one for one in containers if one.role is not Role.EPHEMERAL]
                known.start_anew(anew, pause_s=RELIST_S)  # as often as it is noticed that one has ended
                continue
            if not await self._probe(pod, known, containers):
                return moments

    async def _probe(
        self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...], *, ending: bool = False
    ) -> bool:
        """Run the probes that are due, and note when the next one is; return whether they make another plan."""
        due: list[float] = []
        is_changed = False
        for container in containers:
            container_id = known.id_of(container)
            before = self.prober.health(container_id)
            moment = await self.prober.look(known.key, container_id, self.teller.of(pod, container), ending=ending)
            if moment is not None:
                due.append(moment)
            is_changed |= self.prober.health(container_id) != before
        known.probe_at = min(due, default=None)
        return is_changed

    def _is_lost(self, known: KnownPod, containers: tuple[Container, ...]) -> bool:
        """Whether a pod is over as its containers are gone with an earlier kubelet, and are not restarted."""
        return pod_phase([self.observed.view(known, container) for container in containers]) in FINAL_PHASES

    async def _has_volumes(self, pod: Unstructured, known: KnownPod, moments: list[float]) -> bool:
        """Mount what is due of a pod's volumes; until all are there it gets no sandbox."""
        volumes = await self.volumes.advance(pod, self._member(known))
        if volumes.due_at is not None:
            moments.append(volumes.due_at)
        if volumes.overfull:
            self.teller.tell(pod, None, EventType.WARNING, _EVICTED, volumes.overfull)
            self._begin_end(pod, known, _EVICTION_GRACE_S, Failure(_EVICTED, volumes.overfull))
        return volumes.ready and not volumes.overfull

    def _member(self, known: KnownPod) -> Member:
        member = self.fleet.find(known.node)
        assert member is not None  # pods of others are not known
        return member

    def _resize(self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...]) -> list[Container]:
        """Give running containers the resources they ask for by now; return those that have to be restarted for it."""
        restarted: list[Container] = []
        for container in containers:
            record = known.record(container)
            if not record.starts or not is_resized(container.spec, record.given):
                continue
            if not isinstance(self.observed.state(known, container), Running):
                continue
            if not known.is_resizing:
                known.is_resizing = True
                self.teller.tell(pod, None, EventType.NORMAL, "ResizeStarted", resize_text("started", pod))
            if needs_restart(container.spec, record.given):
                restarted.append(container)
            else:
                record.given = container.spec.get("resources") or {}
        return restarted

    def _open_sandbox(self, pod: Unstructured, known: KnownPod) -> str:
        address = self.runtime.open_sandbox(known.uid)
        return known.host if pod.at("spec.hostNetwork") else address

    # ---- ending ------------------------------------------------------------------------------------------------------

    def _end_if_due(self, pod: Unstructured, known: KnownPod, moments: list[float]) -> None:
        """Begin to end a pod that is deleted, over, or active for too long; what goes on comes to its end first."""
        if known.is_busy:
            return
        if pod.at("metadata.deletionTimestamp"):
            if known.ending is None:
                self._begin_end(pod, known, float(pod.at("metadata.deletionGracePeriodSeconds") or 0), None)
            known.forget_waits()
        elif known.ending is None and is_final(pod):
            self._begin_end(pod, known, grace_s(pod), None)  # somebody else says that it is over
        elif known.ending is None:
            failure = exceeded(pod, moments)
            if failure is not None:
                self.teller.tell(pod, None, EventType.NORMAL, failure.reason, failure.message)
                self._begin_end(pod, known, grace_s(pod), failure)

    def _begin_end(self, pod: Unstructured, known: KnownPod, grace_s: float, failure: Failure | None) -> None:
        """Begin to end a pod: for good, and with this time, whatever is said later."""
        self.activities.cancel(known.uid)
        known.queue.clear()
        self.stopper.tell_killing(pod, known)
        for record in known.records.values():
            record.stops = record.begins = False
        known.ending = Ending(clock.monotonic(), grace_s, failure)

    async def _delete(self, pod: Unstructured, known: KnownPod | None) -> Outcome:
        """Delete for good a pod that has ended."""
        if known is not None:
            await self._forget(known)
        if pod.at("metadata.deletionGracePeriodSeconds") == 0:
            return DONE  # it waits for its finalizers alone
        with suppress(NotFound, Conflict):
            await self.client.delete(PODS, pod.key, grace_period_s=0, uid=pod.at("metadata.uid"))
        return DONE

    def keys_of(self, node: str) -> list[ObjectKey]:
        """Return the pods that are bound to a node, the oldest first: so they are let in when it boots."""
        bound = [pod for pod in self.pods.list() if pod.at("spec.nodeName") == node]
        return [pod.key for pod in sorted(bound, key=lambda pod: pod.at("metadata.creationTimestamp") or "")]

    async def _forget(self, known: KnownPod) -> None:
        del self._known[known.key], self._by_uid[known.uid]
        self.activities.cancel(known.uid)
        for name in known.records:
            self.prober.forget(ContainerId(known.uid, name))
        self.admission.let_out(known.node, known.uid)
        self.volumes.forget(known.uid, is_lost=not self.fleet.works(known.node))
        self.pulls.backoff.forget(known.uid)
        await self.runtime.close_sandbox(known.uid)

    async def _write_status(
        self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...]
    ) -> Unstructured:
        """Write what has changed in a pod's status; return the pod as it is then."""
        ending = known.ending
        is_over = ending is not None and ending.is_over
        view = PodView(
            containers=[self.observed.view(known, container) for container in containers],
            host=known.host,
            address=known.shown_address,
            has_sandbox=bool(known.address) and not is_over,
            is_over=is_over,
            restarts_all=any(one.rules.rules and self.observed.seen(known, one).restarts_all for one in containers),
            failure=ending.failure if ending else None,
        )
        version = pod.metadata.resource_version
        if view == known.told and version == known.version:
            return pod  # what was written then is all that there is to say
        known.told = view
        status = pod_status(pod, view, now=clock.now())
        if is_over:
            status = last_status(pod, status)
        change = status_change(pod.get("status") or {}, status)
        if not change or not self.fleet.works(known.node):
            known.version = version
            return pod
        meta = {"uid": known.uid, "resourceVersion": version}
        with suppress(NotFound, Conflict):
            try:
                pod = await self._patch_status(pod, MergePatch({"metadata": meta, "status": change}))
            except Conflict:  # somebody else has written it, who may have conditions of their own
                patch = {"metadata": {"uid": known.uid}, "status": status_patch(pod.get("status") or {}, status)}
                pod = await self._patch_status(pod, StrategicMergePatch(patch))
                known.is_stirred = True  # there is more to see of it than this
            known.version = pod.metadata.resource_version
        return pod

    async def _patch_status(self, pod: Unstructured, patch: Patch) -> Unstructured:
        return await self.client.patch(PODS, pod.key, patch, subresource="status")


def add_kubelet(
    manager: Manager,
    runtime: Runtime,
    *,
    backoff: CrashBackoff,
    fleet: Fleet | None = None,
    stop_s: float = 0.0,
) -> None:
    """Add the kubelets of a fleet to a manager; without one there is that of the only node."""
    pods = manager.informer(PODS)
    fleet = fleet or Fleet([Node(NODE)])
    client = Client(manager.client.transport, field_manager=KUBELET)
    volumes = PodVolumes(
        client,
        runtime,
        Attachments(fleet.works, lambda key, uid: _uses_volumes(pods.lister.find(key), uid)),
        tell=lambda pod, kind, reason, text: kubelet.teller.tell(pod, None, kind, reason, text),
        tell_attaching=lambda pod, kind, reason, text: manager.recorder(_ATTACHING).event(
            pod.metadata, PODS, kind, reason, text
        ),
        follow=lambda resource, handler: manager.informer(resource).add_handler(handler, name="volumes of pods"),
        wake=lambda uid: wake_pod(kubelet.stir_pod(uid)),
    )
    kubelet = Kubelet(
        client,
        pods.lister,
        fleet,
        runtime,
        Teller(lambda node: manager.recorder(KUBELET, host=node, field_manager=KUBELET)),
        backoff,
        volumes,
        SpecMaker(client, volumes, manager.informer(SERVICES).lister),
        Admission(manager.informer(NODES).lister, fleet),
        stop_s,
    )
    controller = Controller(
        name="kubelet",
        reconcile=kubelet.reconcile,
        watches=[Watch(pods, to_self, predicate=kubelet.concerns), kubelet.activities],
        workers=_WORKERS,
    )

    def wake_pod(key: ObjectKey | None) -> None:
        if key is not None:
            controller.wake(key)

    def wake_all(node: str) -> None:
        for key in kubelet.keys_of(node):
            controller.wake(key)
        volumes.retry_attaching()  # a machine that boots lets go the disks of pods that are gone

    runtime.on_exit(lambda container: wake_pod(kubelet.stir(container)))
    fleet.on_change(wake_all)
    manager.add(controller)


def _is_as_left(version: str, known: KnownPod) -> bool:
    """Whether nothing has happened since this kubelet wrote a pod's status, if that is at this version."""
    if known.is_stirred or not known.version or version != known.version:
        return False
    return known.next_at is None or clock.monotonic() < known.next_at


def _uses_volumes(pod: Unstructured | None, uid: str) -> bool:
    """Whether a pod is the one of a uid, and not over."""
    return pod is not None and pod.metadata.uid == uid and not is_final(pod)


def _is_to_end(pod: Unstructured) -> bool:
    """Whether a pod is deleted, over, or active for too long."""
    return bool(pod.at("metadata.deletionTimestamp")) or is_final(pod) or exceeded(pod, []) is not None


def _until(moment: float | None) -> Outcome:
    return DONE if moment is None else RequeueAfter(max(moment - clock.monotonic(), 0.001))
