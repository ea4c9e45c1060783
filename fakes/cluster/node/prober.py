"""
Probes the containers of the kubelet's pods, each at its moments, and knows what that means for them.

A probe is an activity of its pod: it may take its time, and its end wakes the pod.
"""

from __future__ import annotations

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
    """A probe of a container in its present run; `due_at` is on the loop's clock."""

    probe: Probe
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
            _Line(probe, first_course(kind, before.get(kind)), first_moment(probe, began_at, now))
            for kind, probe in probes.items()
        ]
        for kind in probes:
            self.activities.cancel(container_id.pod_uid, _name(kind, container_id))

    def health(self, container_id: ContainerId) -> Health:
        """Return what is known of a container that runs."""
        if container_id in self._health:
            return self._health[container_id]
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
        lines = self._lines.get(container_id)
        if lines is None or not isinstance(self.runtime.state(container_id), Running):
            return None
        started = self.health(container_id).started
        for line in lines:
            if line.due_at <= clock.monotonic() + _SOON_S and self._waits(
                container_id, line, started=started, ending=ending
            ):
                work = self._ask(container_id, line, tell)
                await self.activities.try_now(container_id.pod_uid, key, _name(line.probe.kind, container_id), work)
                started = self.health(container_id).started
        waiting = [line for line in lines if self._waits(container_id, line, started=started, ending=ending)]
        return min([line.due_at for line in waiting], default=None)

    def forget(self, container_id: ContainerId) -> None:
        """Forget a container."""
        self._lines.pop(container_id, None)
        self._health.pop(container_id, None)

    def _waits(self, container_id: ContainerId, line: _Line, *, started: bool, ending: bool) -> bool:
        """Whether a probe is wanted and does not run already."""
        return is_wanted(line.probe, line.course, started=started, ending=ending) and not self.activities.runs(
            container_id.pod_uid, _name(line.probe.kind, container_id)
        )

    async def _ask(self, container_id: ContainerId, line: _Line, tell: Tell) -> None:
        probe, word = line.probe, line.probe.kind.value.capitalize()
        try:
            result = await self._try(container_id, probe)
        except ProbeErrored as error:
            tell(EventType.WARNING, "Unhealthy", f"{word} probe errored and resulted in {error.state} state: {error}")
            return
        finally:
            line.due_at = next_moment(probe, line.due_at, clock.monotonic())
        if not isinstance(self.runtime.state(container_id), Running):
            return
        if result.warns:
            tell(EventType.WARNING, "ProbeWarning", f"{word} probe warning: {result.output}")
        elif not result.ok:
            tell(EventType.WARNING, "Unhealthy", f"{word} probe failed: {result.output}")
        line.course = line.course.after(probe, passed=result.ok)
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


def _name(kind: ProbeKind, container_id: ContainerId) -> str:
    return f"{kind.value} probe {container_id.name}"
