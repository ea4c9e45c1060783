"""
How a kubelet starts containers: back-off, image, spec, the program, the postStart hook; and why one does not start.

The containers of a pod are started one after another: while an image is pulled or a hook runs, which are activities,
those behind it wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ctrlkit import clock
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster.node.activities import Activities
from ctrlkit.fakes.cluster.node.container_stops import Stopper, grace_s
from ctrlkit.fakes.cluster.node.durations import go_duration
from ctrlkit.fakes.cluster.node.fleet import Fleet, Member
from ctrlkit.fakes.cluster.node.hooks import HookFailed, Hooks, has_hook
from ctrlkit.fakes.cluster.node.observed import Observed
from ctrlkit.fakes.cluster.node.pod_memory import ContainerRecord, KnownPod
from ctrlkit.fakes.cluster.node.pod_plan import Container, Plan, Role
from ctrlkit.fakes.cluster.node.pod_status import Waiting
from ctrlkit.fakes.cluster.node.prober import Prober
from ctrlkit.fakes.cluster.node.pulls import Pulls
from ctrlkit.fakes.cluster.node.restart import CrashBackoff
from ctrlkit.fakes.cluster.node.runtime import (
    START_ERROR,
    ContainerRefused,
    Exited,
    PulledImage,
    Running,
    Runtime,
)
from ctrlkit.fakes.cluster.node.specs import SpecMaker
from ctrlkit.fakes.cluster.node.telling import Teller
from ctrlkit.fakes.cluster.node.volumes.sources import Plain, mounted_images
from ctrlkit.model import Unstructured

OF_STARTS = ("pull ", "start ")
"""How the names of activities begin that are parts of starts."""

RETRY_S = 10.0
"""After so long a kubelet tries again what kept a container from starting."""

RELIST_S = 1.0
"""After so long a kubelet notices what has changed in the runtime, and looks at a pod once more."""

RESYNC_S = 60.0
"""After so long a kubelet looks at a pod at which nothing seems to happen."""

_UNSTARTED_CODE = 128
"""The exit code of a container whose program could not be started."""

_WITHOUT_SECRETS = "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed."

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts containers, and notes how their runs end."""

    runtime: Runtime
    fleet: Fleet
    observed: Observed
    prober: Prober
    pulls: Pulls
    specs: SpecMaker
    hooks: Hooks
    activities: Activities
    stopper: Stopper
    teller: Teller
    backoff: CrashBackoff

    def is_at_work(self, known: KnownPod) -> bool:
        """Whether what was begun for a pod goes on: a kubelet does one thing after another, and all of a plan."""
        return bool(known.queue) or self._waits(known)

    def _waits(self, known: KnownPod) -> bool:
        starts = any(name.startswith(OF_STARTS) for name in self.activities.names(known.uid))
        return starts or self.stopper.is_at_work(known) or any(record.begins for record in known.records.values())

    async def take(self, pod: Unstructured, known: KnownPod, plan: Plan, moments: list[float]) -> bool:
        """
        Take the steps of a plan that are due, or go on with those of an earlier one.

        Returns whether there is another plan to make.
        """
        if self._waits(known):
            return False
        if known.queue:
            await self._go_on(pod, known, moments)
            return not (known.queue or self._waits(known))
        known.queue = list(plan.start)
        for stop in plan.stop:
            if stop.at_once or not self.stopper.is_at_work(known):
                self.stopper.stop(pod, known, stop)
        if self._waits(known):
            return False
        if any(known.record(container).is_due(container, now=clock.monotonic()) for container in known.queue):
            await self._look_for_secrets(pod)
        return await self._go_on(pod, known, moments) and len(known.records) > 1

    async def _go_on(self, pod: Unstructured, known: KnownPod, moments: list[float]) -> bool:
        """Start the containers of the queue, up to one that takes time; return whether one was started."""
        has_started = False
        while known.queue:
            container = known.queue[0]
            record = known.record(container)
            if isinstance(self.observed.state(known, container), Running):
                known.queue.pop(0)  # it is to end first
                continue
            is_due = record.pulled is not None or record.is_due(container, now=clock.monotonic())
            if is_due:
                record.tried_image, record.looks_at = container.image, None
                may_go_on = await self._try_start(pod, known, container)
                if self.activities.runs(known.uid, _pull_of(container)):
                    return has_started
                known.queue.pop(0)
                if not may_go_on:
                    return has_started
                has_started |= record.waiting is None
            else:
                known.queue.pop(0)
                if record.looks_at is not None and clock.monotonic() >= record.looks_at:
                    self._tell_back_off(pod, known, container)
            if record.waiting is not None or record.backs_off is not None or not is_due:
                moments.append(self._next_look(record))
                if container.role is Role.INIT:
                    known.queue.clear()
        return has_started

    async def _look_for_secrets(self, pod: Unstructured) -> None:
        """Tell which of the secrets that a pod has for its images are not there; its images are pulled without."""
        names = [name for one in pod.at("spec.imagePullSecrets") or () if (name := one.get("name"))]
        missing = [name for name in names if not await self.specs.has_secret(pod, name)]
        if missing:
            self.teller.tell(
                pod,
                None,
                EventType.WARNING,
                "FailedToRetrieveImagePullSecret",
                _WITHOUT_SECRETS.format(", ".join(missing)),
            )

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
        return record.start_at if record.looks_at is None else min(record.start_at, record.looks_at)

    async def _image(self, pod: Unstructured, known: KnownPod, container: Container) -> PulledImage | None:
        """Return the image of a container that is to start; None while it is pulled, or where it cannot be had."""
        record, tell = known.record(container), self.teller.of(pod, container)
        found, record.pulled = record.pulled, None
        volumes = mounted_images(pod, container.spec)
        if found is None and not volumes:
            found = self.pulls.present(known.node, container.spec, tell)
        if found is None and not self.activities.runs(known.uid, _pull_of(container)):
            pull = self._pull(pod, known, container, volumes)
            if await self.activities.try_now(known.uid, known.key, _pull_of(container), pull):
                found, record.pulled = record.pulled, None
        if isinstance(found, ContainerRefused):
            self._note_image_refused(record, container, found)
            tell(EventType.WARNING, "Failed", f"Error: {found.reason}")
            return None
        return found

    async def _pull(self, pod: Unstructured, known: KnownPod, container: Container, volumes: list[Plain]) -> None:
        """Pull the images that a container has as volumes, then its own."""
        record = known.record(container)
        try:
            for volume in volumes:
                await self.pulls.ensure(known.node, known.uid, volume, self.teller.of(pod, None))
            tell = self.teller.of(pod, container)
            record.pulled = await self.pulls.ensure(known.node, known.uid, container.spec, tell)
        except ContainerRefused as refusal:
            record.pulled = refusal
        known.is_stirred = True

    def _note_image_refused(self, record: ContainerRecord, container: Container, refusal: ContainerRefused) -> None:
        """A kubelet shows at the next try how the one before ended, and tries again soon after the first."""
        now = Waiting(refusal.reason, refusal.message)
        if record.refused_image != container.image:
            record.refused, record.refused_image = None, container.image
        record.waiting = record.refused or now
        record.start_at = clock.monotonic() + (RETRY_S if record.refused else RELIST_S)
        record.refused = now

    async def _start(self, pod: Unstructured, known: KnownPod, container: Container, image: PulledImage) -> None:
        record = known.record(container)
        try:
            self._check_target(known, container)
            spec = await self.specs.make(pod, container.spec, self._member(known.node), known.address)
            if not self.fleet.works(known.node):
                return
            await self.runtime.start(spec)
        except ContainerRefused as refusal:
            self._note_refusal(pod, known, container, refusal, image)
            return
        if image.note and not record.starts:
            self.teller.tell(pod, container, EventType.NORMAL, "StandIn", image.note)
        waited_for = record.waiting
        record.begin(container, image.id)
        self.teller.tell(pod, container, EventType.NORMAL, "Created", "Container created")
        self.teller.tell(pod, container, EventType.NORMAL, "Started", "Container started")
        record.begins = has_hook(container.spec, "postStart")
        if record.begins:
            record.waiting = waited_for
            work = self._finish_start(pod, known, container, began_at=clock.monotonic())
            await self.activities.try_now(known.uid, known.key, f"start {container.name}", work)
        else:
            self.prober.begin(known.id_of(container), container, began_at=clock.monotonic())

    def _check_target(self, known: KnownPod, container: Container) -> None:
        """Refuse an ephemeral container whose target was never started. Errors: ContainerRefused."""
        target = container.spec.get("targetContainerName")
        if target and not known.records[target].starts:
            raise ContainerRefused("CreateContainerConfigError", f"unable to find target container {target}")

    async def _finish_start(self, pod: Unstructured, known: KnownPod, container: Container, *, began_at: float) -> None:
        """Run the postStart hook of a container, which is stopped if that fails."""
        record = known.record(container)
        try:
            await self.hooks.after_start(pod, container, self.teller.of(pod, container))
        except HookFailed as failure:
            record.hook_failure = Waiting("PostStartHookError", str(failure))
            self.teller.tell(pod, container, EventType.NORMAL, "Killing", "FailedPostStartHook")
            self.stopper.begin_stop(pod, known, container, grace_s(pod))
            return
        record.begins, record.waiting = False, None
        self.prober.begin(known.id_of(container), container, began_at=began_at)

    def _note_refusal(
        self, pod: Unstructured, known: KnownPod, container: Container, refusal: ContainerRefused, image: PulledImage
    ) -> None:
        """Note that a container was not started; one that was made, and whose program did not start, has ended."""
        record = known.record(container)
        if refusal.reason == START_ERROR:
            self.teller.tell(pod, container, EventType.NORMAL, "Created", "Container created")
            record.begin(container, image.id)
            record.unstarted = Exited(
                exit_code=_UNSTARTED_CODE,
                reason="StartError",
                message=refusal.message,
                started_at=_NEVER,
                finished_at=clock.now(),
            )
            self.note_end(pod, known, container)
        else:
            record.start_at = clock.monotonic() + (RETRY_S if record.waiting is not None else RELIST_S)
        if record.unstarted is None or container.is_restarted(_UNSTARTED_CODE):
            record.waiting = Waiting(refusal.reason, refusal.message)
        self.teller.tell(pod, container, EventType.WARNING, "Failed", f"Error: {refusal.message}")

    def note_end(self, pod: Unstructured, known: KnownPod, container: Container) -> None:
        """Note that a run of a container has ended, and when it may be started again."""
        state, record = self.observed.state(known, container), known.record(container)
        if not isinstance(state, Exited) or state is record.ended:
            return
        if record.begins and record.hook_failure is None:
            return  # its hook is about to fail
        self.activities.cancel(known.uid, f"stop {container.name}")  # its hook must not stop the next run
        was_stopped = record.stops
        delay_s = record.end(container, state, self.backoff, now=clock.monotonic())
        if delay_s and known.ending is None and container.is_restarted(state.exit_code):
            whole = f"{pod.key.name}_{pod.key.namespace}({known.uid})"
            text = f"back-off {go_duration(delay_s)} restarting failed container={container.name} pod={whole}"
            record.backs_off = Waiting("CrashLoopBackOff", text)
            if was_stopped and record.hook_failure is None:
                known.show_back_offs()  # a kubelet that has stopped it looks once more when it has ended
            self._tell_back_off(pod, known, container)
        if record.hook_failure is not None and container.is_restarted(state.exit_code):
            record.waiting = record.hook_failure
        record.hook_failure = None

    def _tell_back_off(self, pod: Unstructured, known: KnownPod, container: Container) -> None:
        """Tell that a container waits after a crash, as kubelets do at each look; the next one is after a while."""
        known.record(container).looks_at = clock.monotonic() + RESYNC_S
        told = f"Back-off restarting failed container {container.name} in pod {pod.key.name}_{pod.key.namespace}"
        self.teller.tell(pod, container, EventType.WARNING, "BackOff", f"{told}({known.uid})")

    def _member(self, node: str) -> Member:
        member = self.fleet.find(node)
        assert member is not None  # pods of others are not known
        return member


def _pull_of(container: Container) -> str:
    """The name of the activity that pulls the image of a container."""
    return f"pull {container.name}"
