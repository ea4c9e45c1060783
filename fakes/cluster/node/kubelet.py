"""
The kubelets of the nodes that are played here: run the containers of the pods that are bound to them in a Runtime.

One loop does it for all nodes. Of each pod it looks at what its containers do, asks the plan (pod_plan.py) what comes
next, takes the steps that are due, and writes the status (pod_status.py). Nothing in it waits long: what takes time is
an activity, whose end wakes the pod, as does the end of a container.

It keeps the history of each container; a new kubelet, as of a node that booted again, starts the containers of its pods
again and counts that as a restart. A node that is lost takes its containers with it, and nothing is said of its pods
until it has booted again. A pod that is over, or to be deleted, is ended: its containers are stopped in their order,
its last status is written, and if it is to be deleted, it is deleted for good.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

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
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.node.activities import Activities
from ctrlkit.fakes.cluster.node.admission import AFFINITY, Admission, Refusal, status_of
from ctrlkit.fakes.cluster.node.declarations import NODE, Node
from ctrlkit.fakes.cluster.node.durations import go_duration
from ctrlkit.fakes.cluster.node.fleet import Fleet, Member
from ctrlkit.fakes.cluster.node.hooks import HookFailed, Hooks, has_hook
from ctrlkit.fakes.cluster.node.pod_ending import LEAST_GRACE_S, grace_left_s, turn_of
from ctrlkit.fakes.cluster.node.pod_memory import ContainerRecord, Ending, KnownPod, first_seen
from ctrlkit.fakes.cluster.node.pod_plan import Container, Plan, Role, Seen, Stop, containers_of, plan_pod
from ctrlkit.fakes.cluster.node.pod_status import (
    FINAL_PHASES,
    ContainerView,
    Failure,
    PodView,
    Waiting,
    last_status,
    pod_phase,
    pod_status,
    status_patch,
)
from ctrlkit.fakes.cluster.node.prober import Prober
from ctrlkit.fakes.cluster.node.probes import grace_of
from ctrlkit.fakes.cluster.node.pulls import Pulls
from ctrlkit.fakes.cluster.node.resizes import is_resized, needs_restart, resize_text
from ctrlkit.fakes.cluster.node.restart import CrashBackoff
from ctrlkit.fakes.cluster.node.runtime import (
    START_ERROR,
    ContainerId,
    ContainerRefused,
    ContainerState,
    Exited,
    PulledImage,
    Running,
    Runtime,
)
from ctrlkit.fakes.cluster.node.specs import SpecMaker
from ctrlkit.fakes.cluster.node.volumes.attachments import Attachments
from ctrlkit.fakes.cluster.node.volumes.mounting import PodVolumes
from ctrlkit.fakes.cluster.node.volumes.sources import Plain, mounted_images
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, ObjectKey, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import NODES, PODS, SERVICES

_WORKERS = 32
_OF_STARTS = ("pull ", "start ")
"""How the names of activities begin that are parts of starts."""
_ATTACHING = "attachdetach-controller"
_EVICTED, _EVICTION_GRACE_S = "Evicted", 1.0

RETRY_S = 10.0
"""After so long a kubelet tries again what kept a container from starting."""

RELIST_S = 1.0
"""After so long a kubelet notices what has changed in the runtime, and looks at a pod once more."""

RESYNC_S = 60.0
"""After so long a kubelet looks at a pod at which nothing seems to happen."""

_TERMINATION_GRACE_S = 30.0
_UNSTARTED_CODE = 128
"""The exit code of a container whose program could not be started."""

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


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
    recorder_of: Callable[[str], EventRecorder]
    """Returns the recorder of Events of the kubelet of a node."""
    backoff: CrashBackoff
    volumes: PodVolumes
    specs: SpecMaker
    admission: Admission
    stop_s: float = 0.0
    activities: Activities = field(default_factory=Activities)
    prober: Prober = field(init=False)
    pulls: Pulls = field(init=False)
    hooks: Hooks = field(init=False)
    _known: dict[ObjectKey, KnownPod] = field(default_factory=dict, init=False)
    _by_uid: dict[str, KnownPod] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.prober = Prober(self.runtime, self.activities)
        self.pulls = Pulls(self.runtime)
        self.hooks = Hooks(self.runtime)
        self.activities.on_end = self.stir_pod

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
                self._tell_killing(known.pod, known)  # it was deleted by force
            await self._forget(known)
            known = None
        if pod is None or not self.fleet.works(pod.at("spec.nodeName") or ""):
            return DONE
        if known is not None and self._is_as_left(pod, known):
            return _until(known.next_at)
        is_final, is_deleted = pod.at("status.phase") in FINAL_PHASES, bool(pod.at("metadata.deletionTimestamp"))
        if is_final and (known is None or known.ending is None or known.ending.is_over):
            return await self._delete(pod, known) if is_deleted else DONE
        if known is None:
            refused = None if is_deleted else await self._refusal(pod)
            if refused is not None:
                return await self._refuse(pod, refused)
            known = self._known[pod.key] = self._by_uid[uid] = self._first_seen(pod)
        known.pod, known.is_stirred, known.next_at = pod, False, None
        return await self._sync(pod, known)

    def _is_as_left(self, pod: Unstructured, known: KnownPod) -> bool:
        """Whether nothing has happened since this kubelet wrote the pod's status."""
        if known.is_stirred or not known.version or pod.at("metadata.resourceVersion") != known.version:
            return False
        return known.next_at is None or clock.monotonic() < known.next_at

    async def _refusal(self, pod: Unstructured) -> Refusal | None:
        """Return why a pod is not let in, by the newest Node if it is a matter of labels; None if it may run."""
        refused = self.admission.admit(pod)
        if refused is not None and refused.reason == AFFINITY:
            with suppress(NotFound):
                node = await self.client.get(NODES, ObjectKey("", pod.at("spec.nodeName")))
                return self.admission.admit(pod, node=node)
        return refused

    async def _refuse(self, pod: Unstructured, refused: Refusal) -> Outcome:
        self.tell(pod, None, EventType.WARNING, refused.reason, refused.message)
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
        is_due = known.show_back_offs()
        for container in containers:
            self._note_end(pod, known, container)
        is_deleted = bool(pod.at("metadata.deletionTimestamp"))
        if is_due and not is_deleted:
            pod = known.pod = await self._write_status(pod, known, containers)
        if is_deleted and not known.is_starting:
            self._end_deleted(pod, known)
        moments: list[float] = []
        if known.has_gone and not known.version:
            await self._write_status(pod, known, containers)
            known.next_at = clock.monotonic()
            return _until(known.next_at)
        if known.ending is None:
            moments = await self._run(pod, known, containers)
            known.is_starting = any(name.startswith(_OF_STARTS) for name in self.activities.names(known.uid))
            if is_deleted and not known.is_starting:
                self._end_deleted(pod, known)
        if known.ending is not None:
            moments = self._go_on_ending(pod, known, containers)
            moments += await self._probe(pod, known, containers, ending=True) or ()
        if not self.fleet.works(known.node):
            return DONE
        if known.ending is not None and known.ending.is_over and pod.at("metadata.deletionTimestamp"):
            await self._write_status(pod, known, containers)
            return await self._delete(pod, known)
        await self._write_status(pod, known, containers)
        known.next_at = min(moments, default=None)
        return _until(known.next_at)

    # ---- running -----------------------------------------------------------------------------------------------------

    async def _run(self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...]) -> list[float]:
        """Take the steps that are due; return when to look again, on the loop's clock."""
        moments: list[float] = []
        failure = _exceeded(pod, moments)
        if failure is not None:
            self.tell(pod, None, EventType.NORMAL, failure.reason, failure.message)
            self._begin_end(pod, known, _grace_s(pod), failure)
            return []
        if known.has_gone and self._is_lost(known, containers):
            self._begin_end(pod, known, 0.0, None)
            return []
        if not await self._has_volumes(pod, known, moments):
            return moments
        if not known.address:
            known.address = self._open_sandbox(pod, known)
        resized = self._resize(pod, known, containers)
        moments += await self._follow(pod, known, containers)
        if known.is_resizing and not any(self._seen(known, container).resized for container in resized):
            known.is_resizing = False
            self.tell(pod, None, EventType.NORMAL, "ResizeCompleted", resize_text("completed", pod))
        return moments

    async def _follow(self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...]) -> list[float]:
        """Follow the plan as far as it goes now; return when to look again, on the loop's clock."""
        moments: list[float] = []
        while True:
            plan = plan_pod([self._seen(known, container) for container in containers])
            if plan.ends:
                self._begin_end(pod, known, _grace_s(pod), None)
                return []
            if await self._take(pod, known, plan, moments):
                continue
            due = await self._probe(pod, known, containers)
            if due is not None:
                return moments + due

    async def _probe(
        self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...], *, ending: bool = False
    ) -> list[float] | None:
        """Run the probes that are due; return when the next ones are, None if what they found makes another plan."""
        due: list[float] = []
        is_changed = False
        for container in containers:
            container_id = known.id_of(container)
            before = self.prober.health(container_id)
            moment = await self.prober.look(known.key, container_id, self._teller(pod, container), ending=ending)
            if moment is not None:
                due.append(moment)
            is_changed |= self.prober.health(container_id) != before
        return None if is_changed and not ending else due

    def _is_lost(self, known: KnownPod, containers: tuple[Container, ...]) -> bool:
        """Whether a pod is over as its containers are gone with an earlier kubelet, and are not restarted."""
        return pod_phase([self._view(known, container) for container in containers]) in FINAL_PHASES

    async def _has_volumes(self, pod: Unstructured, known: KnownPod, moments: list[float]) -> bool:
        """Mount what is due of a pod's volumes; until all are there it gets no sandbox."""
        volumes = await self.volumes.advance(pod, self._member(known))
        if volumes.due_at is not None:
            moments.append(volumes.due_at)
        if volumes.overfull:
            self.tell(pod, None, EventType.WARNING, _EVICTED, volumes.overfull)
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
            if not isinstance(self._state(known, container), Running):
                continue
            if not known.is_resizing:
                known.is_resizing = True
                self.tell(pod, None, EventType.NORMAL, "ResizeStarted", resize_text("started", pod))
            if needs_restart(container.spec, record.given):
                restarted.append(container)
            else:
                record.given = container.spec.get("resources") or {}
        return restarted

    def _open_sandbox(self, pod: Unstructured, known: KnownPod) -> str:
        address = self.runtime.open_sandbox(known.uid)
        return known.host if pod.at("spec.hostNetwork") else address

    def _seen(self, known: KnownPod, container: Container) -> Seen:
        record, container_id = known.record(container), known.id_of(container)
        state = self._state(known, container)
        if not isinstance(state, Running):
            return Seen(container, state)
        resized = container.spec.get("resources") is not None and needs_restart(container.spec, record.given)
        health = self.prober.health(container_id)
        return Seen(container, state, health, changed=record.image != container.image, resized=resized)

    def _state(self, known: KnownPod, container: Container) -> ContainerState | None:
        return known.record(container).unstarted or self.runtime.state(known.id_of(container))

    async def _take(self, pod: Unstructured, known: KnownPod, plan: Plan, moments: list[float]) -> bool:
        """Take the steps of a plan that are due; return whether that makes another plan."""
        for stop in plan.stop:
            self._stop(pod, known, stop)
        if any(record.begins for record in known.records.values()):
            return False  # the others are started after it
        has_started = False
        for container in plan.start:
            record = known.record(container)
            if isinstance(self._state(known, container), Running):
                continue  # it is to end first
            if clock.monotonic() >= record.start_at:
                if not await self._try_start(pod, known, container):
                    return False
                has_started |= record.waiting is None
            if record.waiting is not None or record.backs_off is not None:
                moments.append(self._next_look(record))
                if container.role is Role.INIT:
                    break
        return has_started and len(known.records) > 1

    async def _try_start(self, pod: Unstructured, known: KnownPod, container: Container) -> bool:
        """Start a container if its image is there; return whether others may be started, which wait for that."""
        image = await self._image(pod, known, container)
        if self.activities.runs(known.uid, _pull_of(container)):
            return False
        if image is not None:
            await self._start(pod, known, container, image)
        return self.fleet.works(known.node) and not known.record(container).begins

    def _next_look(self, record: ContainerRecord) -> float:
        """Return when to look at a container that waits, on the loop's clock; after a while kubelets look anyway."""
        is_shown = record.backs_off is None
        return record.start_at if is_shown else min(record.start_at, clock.monotonic() + RESYNC_S)

    async def _image(self, pod: Unstructured, known: KnownPod, container: Container) -> PulledImage | None:
        """Return the image of a container that is to start; None while it is pulled, or where it cannot be had."""
        record, tell = known.record(container), self._teller(pod, container)
        found, record.pulled = record.pulled, None
        volumes = mounted_images(pod, container.spec)
        if found is None and not volumes:
            found = self.pulls.present(known.node, container.spec, tell)
        if found is None and not self.activities.runs(known.uid, _pull_of(container)):
            pull = self._pull(pod, known, container, volumes)
            if await self.activities.try_now(known.uid, known.key, _pull_of(container), pull):
                found, record.pulled = record.pulled, None
        if isinstance(found, ContainerRefused):
            self._note_image_refused(record, found)
            tell(EventType.WARNING, "Failed", f"Error: {found.reason}")
            return None
        return found

    async def _pull(self, pod: Unstructured, known: KnownPod, container: Container, volumes: list[Plain]) -> None:
        """Pull the images that a container has as volumes, then its own."""
        record = known.record(container)
        try:
            for volume in volumes:
                await self.pulls.ensure(known.node, known.uid, volume, self._teller(pod, None))
            tell = self._teller(pod, container)
            record.pulled = await self.pulls.ensure(known.node, known.uid, container.spec, tell)
        except ContainerRefused as refusal:
            record.pulled = refusal
        known.is_stirred = True

    def _note_image_refused(self, record: ContainerRecord, refusal: ContainerRefused) -> None:
        """A kubelet shows at the next try how the one before ended, and tries again soon after the first."""
        now = Waiting(refusal.reason, refusal.message)
        record.waiting = record.refused or now
        record.start_at = clock.monotonic() + (RETRY_S if record.refused else RELIST_S)
        record.refused = now

    async def _start(self, pod: Unstructured, known: KnownPod, container: Container, image: PulledImage) -> None:
        record = known.record(container)
        try:
            spec = await self.specs.make(pod, container.spec, self._member(known), known.address)
            if not self.fleet.works(known.node):
                return
            await self.runtime.start(spec)
        except ContainerRefused as refusal:
            self._note_refusal(pod, known, container, refusal, image)
            return
        if image.note and not record.starts:
            self.tell(pod, container, EventType.NORMAL, "StandIn", image.note)
        waited_for = record.waiting
        record.begin(container, image.id)
        self.tell(pod, container, EventType.NORMAL, "Created", "Container created")
        self.tell(pod, container, EventType.NORMAL, "Started", "Container started")
        record.begins = has_hook(container.spec, "postStart")
        if record.begins:
            record.waiting = waited_for
            work = self._finish_start(pod, known, container, began_at=clock.monotonic())
            await self.activities.try_now(known.uid, known.key, f"start {container.name}", work)
        else:
            self.prober.begin(known.id_of(container), container, began_at=clock.monotonic())

    async def _finish_start(self, pod: Unstructured, known: KnownPod, container: Container, *, began_at: float) -> None:
        """Run the postStart hook of a container, which is stopped if that fails."""
        record = known.record(container)
        try:
            await self.hooks.after_start(pod, container, self._teller(pod, container))
        except HookFailed as failure:
            record.hook_failure = Waiting("PostStartHookError", str(failure))
            self.tell(pod, container, EventType.NORMAL, "Killing", "FailedPostStartHook")
            self._begin_stop(pod, known, container, _grace_s(pod))
            return
        record.begins, record.waiting = False, None
        self.prober.begin(known.id_of(container), container, began_at=began_at)

    def _note_refusal(
        self, pod: Unstructured, known: KnownPod, container: Container, refusal: ContainerRefused, image: PulledImage
    ) -> None:
        """Note that a container was not started; one that was made, and whose program did not start, has ended."""
        record = known.record(container)
        if refusal.reason == START_ERROR:
            self.tell(pod, container, EventType.NORMAL, "Created", "Container created")
            record.begin(container, image.id)
            record.unstarted = Exited(
                exit_code=_UNSTARTED_CODE,
                reason="StartError",
                message=refusal.message,
                started_at=_NEVER,
                finished_at=clock.now(),
            )
            self._note_end(pod, known, container)
        else:
            record.start_at = clock.monotonic() + RETRY_S
        record.waiting = Waiting(refusal.reason, refusal.message)
        self.tell(pod, container, EventType.WARNING, "Failed", f"Error: {refusal.message}")

    def _stop(self, pod: Unstructured, known: KnownPod, stop: Stop) -> None:
        """Stop a container that is not to run on as it is."""
        record = known.record(stop.container)
        if not record.stops:
            self.tell(pod, stop.container, EventType.NORMAL, "Killing", stop.message)
            grace_s = grace_of(stop.container.spec, stop.probe)
            self._begin_stop(pod, known, stop.container, _grace_s(pod) if grace_s is None else grace_s)

    def _begin_stop(self, pod: Unstructured, known: KnownPod, container: Container, grace_s: float) -> None:
        """Stop a container of a pod that goes on, after its preStop hook."""
        known.record(container).stops = True
        if grace_s > 0 and has_hook(container.spec, "preStop"):
            work = self._stop_after_hook(pod, known, container, grace_s)
            self.activities.begin(known.uid, known.key, f"stop {container.name}", work)
        else:
            self.runtime.stop(known.id_of(container), grace_s=grace_left_s(grace_s, 0.0))

    async def _stop_after_hook(self, pod: Unstructured, known: KnownPod, container: Container, grace_s: float) -> None:
        container_id, began_at = known.id_of(container), clock.monotonic()
        late = asyncio.get_running_loop().call_later(
            grace_s, functools.partial(self.runtime.stop, container_id, grace_s=LEAST_GRACE_S)
        )
        try:
            await self.hooks.before_stop(pod, container, self._teller(pod, container))
        finally:
            late.cancel()
        self.runtime.stop(container_id, grace_s=grace_left_s(grace_s, clock.monotonic() - began_at))

    def _note_end(self, pod: Unstructured, known: KnownPod, container: Container) -> None:
        """Note that a run of a container has ended, and when it may be started again."""
        state, record = self._state(known, container), known.record(container)
        if not isinstance(state, Exited) or state is record.ended:
            return
        if record.begins and record.hook_failure is None:
            return  # its hook is about to fail
        was_stopped = record.stops
        delay_s = record.end(container, state, self.backoff, now=clock.monotonic())
        if delay_s and known.ending is None and container.is_restarted(state.exit_code):
            whole = f"{pod.key.name}_{pod.key.namespace}({known.uid})"
            text = f"back-off {go_duration(delay_s)} restarting failed container={container.name} pod={whole}"
            record.backs_off = Waiting("CrashLoopBackOff", text)
            if was_stopped and record.hook_failure is None:
                known.show_back_offs()  # a kubelet that has stopped it looks once more when it has ended
            told = f"Back-off restarting failed container {container.name} in pod {whole}"
            self.tell(pod, container, EventType.WARNING, "BackOff", told)
        if record.hook_failure is not None and container.is_restarted(state.exit_code):
            record.waiting = record.hook_failure
        record.hook_failure = None

    # ---- ending ------------------------------------------------------------------------------------------------------

    def _end_deleted(self, pod: Unstructured, known: KnownPod) -> None:
        """Begin to end a pod that is deleted; where the start of a container goes on, it comes to its end first."""
        if known.ending is None:
            self._begin_end(pod, known, float(pod.at("metadata.deletionGracePeriodSeconds") or 0), None)
        known.forget_waits()

    def _begin_end(self, pod: Unstructured, known: KnownPod, grace_s: float, failure: Failure | None) -> None:
        """Begin to end a pod: for good, and with this time, whatever is said later."""
        self.activities.cancel(known.uid)
        self._tell_killing(pod, known)
        for record in known.records.values():
            record.stops = record.begins = False
        known.ending = Ending(clock.monotonic(), grace_s, failure)

    def _tell_killing(self, pod: Unstructured, known: KnownPod) -> None:
        if known.ending is not None:
            return
        for container in containers_of(pod):
            state = self._state(known, container)
            if isinstance(state, Running):
                known.record(container).ran = state
                message = f"Stopping container {container.name}"
                self.tell(pod, container, EventType.NORMAL, "Killing", message)

    def _go_on_ending(self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...]) -> list[float]:
        """Stop the containers whose turn it is; return when to look again, on the loop's clock."""
        ending = known.ending
        assert ending is not None  # begun before
        seen = [self._seen(known, container) for container in containers]
        waited_s = clock.monotonic() - ending.began_at
        is_late = waited_s >= ending.grace_s
        running = [one.container for one in seen if isinstance(one.state, Running)]
        for container in running:
            self._begin_hook(pod, known, container, ending)
        for container in running if is_late else turn_of(seen):
            record, has_time = known.record(container), not is_late
            if record.stops or (has_time and self.activities.runs(known.uid, f"preStop {container.name}")):
                continue
            record.stops = True
            self.runtime.stop(known.id_of(container), grace_s=grace_left_s(ending.grace_s, waited_s))
        if any(isinstance(one.state, Running) for one in seen):
            return [] if is_late else [ending.began_at + ending.grace_s]
        if pod.at("metadata.deletionTimestamp") and waited_s < self.stop_s:
            return [ending.began_at + self.stop_s]
        ending.is_over = True
        self.admission.let_out(known.node, known.uid)
        return []

    def _begin_hook(self, pod: Unstructured, known: KnownPod, container: Container, ending: Ending) -> None:
        """Begin the preStop hook of a container once, of a pod that ends; there has to be time for it."""
        if container.name in ending.hooked or ending.grace_s <= 0 or not has_hook(container.spec, "preStop"):
            return
        ending.hooked.add(container.name)
        work = self.hooks.before_stop(pod, container, self._teller(pod, container))
        self.activities.begin(known.uid, known.key, f"preStop {container.name}", work)

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

    # ---- what is told ------------------------------------------------------------------------------------------------

    def tell(
        self,
        pod: Unstructured,
        container: Container | None,
        event_type: EventType,
        reason: str,
        message: str,
    ) -> None:
        """Record an Event about a pod, or about one of its containers."""
        path = container.field_path if container is not None else ""
        recorder = self.recorder_of(pod.at("spec.nodeName"))
        recorder.event(pod.metadata, PODS, event_type, reason, message, field_path=path)

    def _teller(self, pod: Unstructured, container: Container | None) -> Callable[[EventType, str, str], None]:
        return lambda event_type, reason, message: self.tell(pod, container, event_type, reason, message)

    async def _write_status(
        self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...]
    ) -> Unstructured:
        """Write what has changed in a pod's status; return the pod as it is then."""
        ending = known.ending
        is_over = ending is not None and ending.is_over
        view = PodView(
            containers=[self._view(known, container) for container in containers],
            host=known.host,
            address=known.shown_address,
            has_sandbox=bool(known.address) and not is_over,
            is_over=is_over,
            failure=ending.failure if ending else None,
        )
        status = pod_status(pod, view, now=clock.now())
        if is_over:
            status = last_status(pod, status)
        patch = status_patch(pod.get("status") or {}, status)
        if not patch or not self.fleet.works(known.node):
            known.version = pod.at("metadata.resourceVersion")
            return pod
        with suppress(NotFound, Conflict):
            whole = StrategicMergePatch({"metadata": {"uid": known.uid}, "status": patch})
            pod = await self.client.patch(PODS, pod.key, whole, subresource="status")
            known.version = pod.metadata.resource_version
        return pod

    def _view(self, known: KnownPod, container: Container) -> ContainerView:
        health = self.prober.health(known.id_of(container))
        return known.view(container, self.runtime.state(known.id_of(container)), health)


def _pull_of(container: Container) -> str:
    """The name of the activity that pulls the image of a container."""
    return f"pull {container.name}"


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
    volumes = PodVolumes(
        manager.client,
        runtime,
        Attachments(fleet.works, lambda key, uid: _uses_volumes(pods.lister.find(key), uid)),
        tell=lambda pod, kind, reason, text: kubelet.tell(pod, None, kind, reason, text),
        tell_attaching=lambda pod, kind, reason, text: manager.recorder(_ATTACHING).event(
            pod.metadata, PODS, kind, reason, text
        ),
        follow=lambda resource, handler: manager.informer(resource).add_handler(handler, name="volumes of pods"),
        wake=lambda uid: wake_pod(kubelet.stir_pod(uid)),
    )
    kubelet = Kubelet(
        manager.client,
        pods.lister,
        fleet,
        runtime,
        lambda node: manager.recorder("kubelet", host=node),
        backoff,
        volumes,
        SpecMaker(manager.client, volumes, manager.informer(SERVICES).lister),
        Admission(manager.informer(NODES).lister, fleet),
        stop_s,
    )
    controller = Controller(
        name="kubelet",
        reconcile=kubelet.reconcile,
        watches=[Watch(pods, to_self, predicate=_concerns_a_node), kubelet.activities],
        workers=_WORKERS,
    )

    def wake_pod(key: ObjectKey | None) -> None:
        if key is not None:
            controller.wake(key)

    def wake_all(node: str) -> None:
        for key in kubelet.keys_of(node):
            controller.wake(key)

    runtime.on_exit(lambda container: wake_pod(kubelet.stir(container)))
    fleet.on_change(wake_all)
    manager.add(controller)


def _uses_volumes(pod: Unstructured | None, uid: str) -> bool:
    """Whether a pod is the one of a uid, and not over."""
    return pod is not None and pod.metadata.uid == uid and pod.at("status.phase") not in FINAL_PHASES


def _concerns_a_node(change: Change[Unstructured]) -> bool:
    """Whether a pod is bound, or gone; before that it is the scheduler's."""
    return change.new is None or bool(change.new.value.at("spec.nodeName"))


def _until(moment: float | None) -> Outcome:
    return DONE if moment is None else RequeueAfter(max(moment - clock.monotonic(), 0.001))


def _grace_s(pod: Unstructured) -> float:
    """How long a pod's containers may take to end."""
    grace_s = pod.at("spec.terminationGracePeriodSeconds")
    return _TERMINATION_GRACE_S if grace_s is None else float(grace_s)


def _exceeded(pod: Unstructured, moments: list[float]) -> Failure | None:
    """Return the failure of a pod that has been active for too long; else note when that will be."""
    limit_s, since = pod.at("spec.activeDeadlineSeconds"), pod.at("status.startTime")
    if limit_s is None:
        return None
    left_s = float(limit_s) - ((clock.now() - datetime.fromisoformat(since)).total_seconds() if since else 0.0)
    if left_s <= 0:
        return Failure("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
    moments.append(clock.monotonic() + left_s)
    return None
