"""
Probes the containers of the kubelet's pods, each at its moments, and knows what that means for them.

A probe is an activity of its pod: it may take its time. Its end wakes the pod, unless that is at rest and the answer
means nothing new: then no reconcile is needed between two changes, however often a container is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ctrlkit import clock
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster.node.activities import Activities
from ctrlkit.fakes.cluster.node.pod_plan import HEALTHY, Container, Health, ProbeKind
from ctrlkit.fakes.cluster.node.probes import (
    Course,
    Impossible,
    Probe,
    Verdict,
    first_course,
    first_moment,
    health_of,
    is_wanted,
    moment_after_start,
    next_moment,
    read_probes,
)
from ctrlkit.fakes.cluster.node.runtime import (
    ContainerId,
    ContainerRefused,
    ProbeErrored,
    ProbeResult,
    Running,
    Runtime,
)
from ctrlkit.fakes.cluster.node.telling import Tell
from ctrlkit.model import ObjectKey

_TRIES = 3
_SOON_S = 1e-6
"""What is due within this time is due now: sums of seconds are not exact."""


@dataclass(slots=True)
class _Line:
    """A probe of a container in its present run, as an activity called `name`; `due_at` is on the loop's clock."""

    probe: Probe
    name: str
    course: Course
    due_at: float


@dataclass(slots=True)
class Prober:
    """The probes of all containers that have some, and what they have shown in the present run of each."""

    runtime: Runtime
    activities: Activities
    _lines: dict[ContainerId, list[_Line]] = field(default_factory=dict, init=False)
    _health: dict[ContainerId, Health] = field(default_factory=dict, init=False)

    def begin(self, container_id: ContainerId, container: Container, *, began_at: float) -> None:
        """Begin anew: a container has been started, at a moment on the loop's clock; it is asked nothing before now."""
        probes = read_probes(container.spec)
        if not probes:
            return
        before = {line.probe.kind: line.course for line in self._lines.get(container_id, ())}
        now = clock.monotonic()
        self._health.pop(container_id, None)
        self._lines[container_id] = [
            _Line(
                probe,
                _name(kind, container_id),
                first_course(kind, before.get(kind)),
                first_moment(probe, began_at, now),
            )
            for kind, probe in probes.items()
        ]
        for kind in probes:
            self.activities.cancel(container_id.pod_uid, _name(kind, container_id))

    def asks(self, container_id: ContainerId) -> bool:
        """Whether a container that was started has probes."""
        return container_id in self._lines

    def health(self, container_id: ContainerId) -> Health:
        """Return what is known of a container that runs."""
        known = self._health.get(container_id)
        if known is not None:
            return known
        lines = self._lines.get(container_id)
        health = health_of((line.probe, line.course) for line in lines) if lines else HEALTHY
        self._health[container_id] = health
        return health

    async def look(
        self, key: ObjectKey, container_id: ContainerId, tell: Tell, *, ending: bool = False
    ) -> float | None:
        """
        Begin the probes of a container that are due, if it runs; its pod goes on, or is `ending`.

        Returns the moment of the next one on the loop's clock; None if there is none to wait for.
        """
        for line in self._waiting(container_id, ending=ending):
            if not _is_due(line):
                continue
            work = self._ask(container_id, line, tell)
            await self.activities.try_now(container_id.pod_uid, key, line.name, work)
        return self.next_moment(container_id, ending=ending)

    def begin_due(
        self, key: ObjectKey, container_id: ContainerId, tell: Tell, then: Callable[[str], object]
    ) -> float | None:
        """
        Run the probes of a container of a pod at rest that are due.

        Those for which nothing has to run are answered at once. `then` is told when one of the others has ended, or an
        answer has changed what is known of the container. Returns the moment of the next probe of those that do not go
        on, on the loop's clock; None if there is none.
        """
        moments: list[float] = []
        for line in self._waiting(container_id, ending=False):
            if not _is_due(line):
                moments.append(line.due_at)
            elif self._is_answered(container_id, line, tell):
                moments.append(line.due_at)
                if container_id not in self._health:
                    then(f"{line.name} has ended")
            else:
                work = self._ask(container_id, line, tell)
                self.activities.begin(container_id.pod_uid, key, line.name, work, then=then)
        return min(moments, default=None)

    def _is_answered(self, container_id: ContainerId, line: _Line, tell: Tell) -> bool:
        """Ask a container for which nothing has to run; return whether that is so."""
        action = line.probe.action
        result = None if isinstance(action, Impossible) else self.runtime.answer(container_id, action)
        if result is None:
            return False
        line.due_at = next_moment(line.probe, line.due_at, clock.monotonic())
        self._take(container_id, line, result, tell)
        return True

    def next_moment(self, container_id: ContainerId, *, ending: bool = False) -> float | None:
        """Return the moment of the next probe of a container that runs, on the loop's clock; None if there is none."""
        return min([line.due_at for line in self._waiting(container_id, ending=ending)], default=None)

    def forget(self, container_id: ContainerId) -> None:
        """Forget a container."""
        self._lines.pop(container_id, None)
        self._health.pop(container_id, None)

    def _waiting(self, container_id: ContainerId, *, ending: bool) -> Iterator[_Line]:
        """Yield the probes that are wanted and do not go on, if their container runs; what one shows counts at once."""
        lines = self._lines.get(container_id)
        if lines is None or not isinstance(self.runtime.state(container_id), Running):
            return
        for line in lines:
            started = self.health(container_id).started
            is_asked = is_wanted(line.probe, line.course, started=started, ending=ending)
            if is_asked and not self.activities.runs(container_id.pod_uid, line.name):
                yield line

    async def _ask(self, container_id: ContainerId, line: _Line, tell: Tell) -> None:
        probe = line.probe
        if not isinstance(self.runtime.state(container_id), Running):
            return  # it has ended at this moment
        try:
            result = await self._try(container_id, probe)
        except ProbeErrored as error:
            word = probe.kind.value.capitalize()
            tell(EventType.WARNING, "Unhealthy", f"{word} probe errored and resulted in {error.state} state: {error}")
            return
        finally:
            line.due_at = next_moment(probe, line.due_at, clock.monotonic())
        if isinstance(self.runtime.state(container_id), Running):
            self._take(container_id, line, result, tell)

    def _take(self, container_id: ContainerId, line: _Line, result: ProbeResult, tell: Tell) -> None:
        """Tell of a result, and note what it means."""
        probe, word = line.probe, line.probe.kind.value.capitalize()
        if result.warns:
            tell(EventType.WARNING, "ProbeWarning", f"{word} probe warning: {result.output}")
        elif not result.ok:
            tell(EventType.WARNING, "Unhealthy", f"{word} probe failed: {result.output}")
        before, line.course = line.course, line.course.after(probe, passed=result.ok)
        if line.course.verdict is not before.verdict:
            self._health.pop(container_id, None)
        if probe.kind is ProbeKind.STARTUP and line.course.verdict is Verdict.SUCCESS:
            self._begin_others(container_id)

    def _begin_others(self, container_id: ContainerId) -> None:
        """Say when the probes are due that waited for the startup probe."""
        for line in self._lines.get(container_id, ()):
            if line.probe.kind is not ProbeKind.STARTUP:
                line.due_at = moment_after_start(line.probe, line.due_at, clock.monotonic())

    async def _try(self, container_id: ContainerId, probe: Probe) -> ProbeResult:
        if isinstance(probe.action, Impossible):
            raise ProbeErrored(probe.action.message)
        error = ProbeErrored("")
        for _ in range(_TRIES):
            try:
                return await self.runtime.probe(container_id, probe.action, timeout_s=probe.timeout_s)
            except ProbeErrored as failed:
                error = failed
            except ContainerRefused as refusal:
                error = ProbeErrored(refusal.message)
        raise error


def _is_due(line: _Line) -> bool:
    return line.due_at <= clock.monotonic() + _SOON_S


def _name(kind: ProbeKind, container_id: ContainerId) -> str:
    return f"{kind.value} probe {container_id.name}"
