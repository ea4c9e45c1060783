"""
What a kubelet remembers of its pods and their containers, and what it reads of them when it first sees them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.pod_plan import Container, Health, Role, containers_of
from ctrlkit.fakes.cluster.node.pod_status import (
    LOST_CODE,
    RESTARTING_ALL,
    STATUSES,
    ContainerView,
    Earlier,
    Failure,
    Waiting,
)
from ctrlkit.fakes.cluster.node.restart import CrashBackoff, RuleAction
from ctrlkit.fakes.cluster.node.runtime import (
    ContainerId,
    ContainerRefused,
    ContainerState,
    Exited,
    PulledImage,
    Running,
)
from ctrlkit.model import ObjectKey, Unstructured


@dataclass(slots=True)
class ContainerRecord:
    """
    What a kubelet remembers of a container.

    `starts` counts all runs, `crashes` those that ended in a row. `waiting` is why it does not run and `start_at` when
    to try again, on the loop's clock, with `tried_image`; `backs_off` is that it waits after a crash, which is shown at
    the next look, and `looks_at` when that wait is told again; `pulled` and `refused` are how its last pulls went, of
    `refused_image` if that was refused. `ended` is how its last run ended, of those that have, and `ended_start` which
    one it was; `ended_at` when that was noticed; `before` is the end before that one. `image` and `image_id` are those
    of its present run, `given` its resources. `stops`: it was told to end; `starts_anew`: with all others, to start
    anew. `unstarted` is the end of a run whose program did not start. `is_gone`: an earlier kubelet ran it, and it is
    not there any more; `was_running` at that time. `ran` is its state when the end of its pod began. `begins`: its
    postStart hook runs, or has failed as `hook_failure` says; the run does not count until then.
    """

    starts: int = 0
    crashes: int = 0
    waiting: Waiting | None = None
    start_at: float = 0.0
    tried_image: str = ""
    backs_off: Waiting | None = None
    looks_at: float | None = None
    ended: Exited | Earlier | None = None
    ended_start: int = 0
    ended_at: float | None = None
    before: Exited | Earlier | None = None
    image: str = ""
    image_id: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    refused: Waiting | None = None
    refused_image: str = ""
    pulled: PulledImage | ContainerRefused | None = None
    stops: bool = False
    unstarted: Exited | None = None
    is_gone: bool = False
    was_running: bool = False
    ran: Running | None = None
    begins: bool = False
    starts_anew: bool = False
    hook_failure: Waiting | None = None

    def is_due(self, container: Container, *, now: float) -> bool:
        """Whether to try to start it: how that went with another image says nothing of this one."""
        return now >= self.start_at or self.tried_image not in ("", container.image)

    def begin(self, container: Container, image_id: str) -> None:
        """Note that a run has begun."""
        self.starts += 1
        if self.image != container.image:
            self.crashes = min(self.crashes, 1)  # the back-off is that of an image
        self.image, self.image_id, self.given = container.image, image_id, container.spec.get("resources") or {}
        self.waiting = self.backs_off = self.refused = self.unstarted = self.looks_at = None
        self.stops = self.is_gone = False
        self.refused_image = ""

    def end(self, container: Container, ended: Exited, backoff: CrashBackoff, *, now: float) -> float:
        """Note that a run has ended; return how long to wait before the next one, in seconds."""
        if self.starts_anew or container.rules.action(ended.exit_code) is RuleAction.RESTART_ALL:
            delay_s = 0.0
        elif self.image != container.image:
            self.crashes, delay_s = int(self.ended is not None), 0.0
        elif self.stops and self.hook_failure is None:
            since_s = None if self.ended_at is None else now - self.ended_at
            self.crashes, delay_s = backoff.after_stop(self.crashes, since_end_s=since_s)
        else:
            ran_s = (ended.finished_at - ended.started_at).total_seconds() if self.unstarted is None else 0.0
            self.crashes = backoff.count(self.crashes, ran_s=ran_s)
            delay_s = backoff.delay_s(self.crashes)
        self.before, self.ended, self.ended_start, self.ended_at = self.ended, ended, self.starts, now
        self.start_at = now + delay_s
        self.stops = self.begins = self.starts_anew = False
        return delay_s


@dataclass(slots=True)
class Ending:
    """The end of a pod: since when, on the loop's clock, how long its containers may take, and why it failed."""

    began_at: float
    grace_s: float
    failure: Failure | None = None
    is_over: bool = False
    """Whether all has been stopped, and the last status was written."""
    hooked: set[str] = field(default_factory=set)
    """The containers whose preStop hooks have begun."""


@dataclass(slots=True)
class KnownPod:
    """
    What a kubelet remembers of a pod, which is `pod` as it was last seen.

    `address` is "" as long as it has no sandbox. `version` is that of the pod as this kubelet last wrote it, `told` the
    view of it that its status tells since, `next_at` when to look at it again, and `is_stirred` whether something has
    happened to it since. `is_busy`: a container is being started or stopped, and nothing else is done until that is
    over. `is_resizing`: a resize was told. `anew_at` is when all containers last started anew. `probe_at` is when the
    next probe is due, and `rest` the containers of a pod at rest, with what their probes had shown when it came to it.
    `queue` are the containers that are to be started before another plan is made.
    """

    pod: Unstructured
    key: ObjectKey
    uid: str
    node: str
    host: str
    records: dict[str, ContainerRecord]
    address: str = ""
    ending: Ending | None = None
    version: str = ""
    told: object = None
    next_at: float | None = None
    is_stirred: bool = False
    is_busy: bool = False
    is_resizing: bool = False
    anew_at: float = -math.inf
    probe_at: float | None = None
    rest: Sequence[tuple[Container, ContainerId, Health]] | None = None
    queue: list[Container] = field(default_factory=list)

    @property
    def shown_address(self) -> str:
        """The address, once a kubelet tells of it: when it has tried to start a container."""
        return (
            self.address
            if any(record.starts > record.begins or record.waiting for record in self.records.values())
            else ""
        )

    @property
    def has_gone(self) -> bool:
        """Whether containers of an earlier kubelet are to be started anew."""
        return any(record.is_gone for record in self.records.values())

    @property
    def is_pending(self) -> bool:
        """Whether something about a container is to be done, or told, at a later look."""
        return any(
            record.waiting or record.backs_off or record.stops or record.begins or record.is_gone
            for record in self.records.values()
        )

    def start_anew(self, containers: Iterable[Container], *, pause_s: float) -> None:
        """
        Forget the runs of containers, which have ended: they start from the first init container on.

        Shape   `pause_s` is the least time between two such starts.
        """
        self.anew_at = max(clock.monotonic(), self.anew_at + pause_s)
        for record in map(self.record, containers):
            if record.starts and not record.is_gone:
                record.ended, record.is_gone, record.was_running = Earlier(_REMOVED), True, True
                record.waiting = Waiting(RESTARTING_ALL, _REMOVED["message"])
            record.start_at, record.unstarted, record.backs_off, record.looks_at = self.anew_at, None, None, None

    def forget_waits(self) -> None:
        """Forget why containers do not run, as they are not to run any more."""
        for record in self.records.values():
            record.waiting = record.backs_off = record.looks_at = None

    def show_back_offs(self) -> bool:
        """Show from now on that containers wait after a crash; return whether that is new of one that is to start."""
        is_due = False
        for record in self.records.values():
            if record.backs_off is not None:
                record.waiting, record.backs_off = record.backs_off, None
                is_due |= clock.monotonic() >= record.start_at
        return is_due

    def record(self, container: Container) -> ContainerRecord:
        """Return what is known of a container; an ephemeral one may be new."""
        record = self.records.get(container.name)
        if record is None:
            record = self.records[container.name] = ContainerRecord()
        return record

    def id_of(self, container: Container) -> ContainerId:
        """Return what the runtime knows a container by."""
        return ContainerId(self.uid, container.name)

    def view(self, container: Container, state: ContainerState | None, health: Health) -> ContainerView:
        """Return what a pod's status shows of a container that the runtime has in this state."""
        record = self.record(container)
        if record.is_gone:
            return _view_of_gone(container, record, record.starts)
        starts = record.starts
        if record.begins and isinstance(record.ended, Earlier):
            return _view_of_gone(container, record, starts - 1)
        if record.ran is not None and self.ending is not None and not self.ending.is_over:
            state = record.ran  # of a pod that ends nothing is told until all have ended
        elif record.begins:
            state, starts = None, starts - 1
        there = state or record.ended
        shown = there if isinstance(there, Running) or record.waiting is None else record.waiting
        is_of_this_run = record.ended_start == starts
        last = record.before if is_of_this_run and not isinstance(shown, Waiting) else record.ended
        return ContainerView(
            container=container,
            state=shown or Waiting(),
            id=_run_id(self.uid, container.name, starts),
            image=record.image,
            image_id=record.image_id if starts else "",
            last=last,
            last_id=_run_id(self.uid, container.name, record.ended_start - (last is record.before)),
            started=health.started,
            ready=health.ready,
            restarts=max(starts - 1, 0),
        )


def _view_of_gone(container: Container, record: ContainerRecord, starts: int) -> ContainerView:
    if record.was_running or not isinstance(record.ended, Earlier):
        waiting, restarts = record.waiting or Waiting(), starts if record.was_running else starts - 1
        return ContainerView(container=container, state=waiting, last=record.ended, restarts=restarts)
    return ContainerView(container=container, state=record.ended, restarts=starts - 1)


def _run_id(uid: str, name: str, start: int) -> str:
    """Return the container ID of one run of a container; "" for none."""
    return f"ctrlkit://{hashlib.sha256(f'{uid}/{name}/{start}'.encode()).hexdigest()}" if start else ""


def first_seen(pod: Unstructured, *, node: str, host: str) -> KnownPod:
    """
    Return what is known of a pod that a kubelet sees for the first time.

    Containers that an earlier kubelet ran are gone, and are to be started anew, from the first init container on.
    """
    records = {container.name: _first_record(pod, container) for container in containers_of(pod)}
    return KnownPod(pod, pod.key, pod.at("metadata.uid"), node, host, records)


def _first_record(pod: Unstructured, container: Container) -> ContainerRecord:
    statuses = pod.at(f"status.{STATUSES[container.role]}") or ()
    status = next((one for one in statuses if one.get("name") == container.name), None)
    if status is None or not (status.get("containerID") or status.get("restartCount")):
        return ContainerRecord()
    state, last = status.get("state") or {}, (status.get("lastState") or {}).get("terminated")
    record = ContainerRecord(starts=int(status.get("restartCount") or 0) + 1, is_gone=True)
    if "running" in state:
        record.ended, record.was_running = Earlier(_GONE), container.role is not Role.EPHEMERAL
    elif end := state.get("terminated") or last:
        record.ended = Earlier(end)
    return record


_REMOVED: Mapping[str, Any] = {
    "exitCode": LOST_CODE,
    "reason": RESTARTING_ALL,
    "message": "The container is removed because RestartAllContainers in place",
}

_GONE: Mapping[str, Any] = {
    "exitCode": LOST_CODE,
    "reason": "ContainerStatusUnknown",
    "message": "The container could not be located when the pod was deleted.  The container used to be Running",
}
