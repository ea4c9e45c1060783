"""Runs the probes of the containers of a kubelet, and says what they have found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ctrlkit import clock
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster.node.pod_plan import HEALTHY, Container, Health
from ctrlkit.fakes.cluster.node.probes import Readiness, read_probe
from ctrlkit.fakes.cluster.node.runtime import ContainerId, Running, Runtime


@dataclass(slots=True)
class Prober:
    """Probes containers, and keeps what was found in the present run of each."""

    runtime: Runtime
    _found: dict[ContainerId, Readiness] = field(default_factory=dict, init=False)

    def begin(self, container_id: ContainerId, container: Container) -> None:
        """Begin anew, as a container has been started."""
        probe = read_probe(container.spec) if container.spec.get("readinessProbe") else None
        if probe is not None:
            self._found[container_id] = Readiness(clock.monotonic() + probe.initial_delay_s)

    def health(self, container_id: ContainerId) -> Health:
        """Return what the probes of a container have found."""
        found = self._found.get(container_id)
        return HEALTHY if found is None or found.ready else Health(ready=False)

    async def look(
        self, container_id: ContainerId, container: Container, tell: Callable[[EventType, str, str], None]
    ) -> float | None:
        """Run the probes of a container that are due; return when the next one is, on the loop's clock."""
        found = self._found.get(container_id)
        probe = read_probe(container.spec) if found is not None else None
        if found is None or probe is None or not isinstance(self.runtime.state(container_id), Running):
            return None
        if clock.monotonic() >= found.due_at:
            result = await self.runtime.probe(container_id, probe.action, timeout_s=probe.timeout_s)
            found = self._found[container_id] = found.after(probe, held=result.ok, now=clock.monotonic())
            if not result.ok:
                tell(EventType.WARNING, "Unhealthy", f"Readiness probe failed: {result.output}")
        return found.due_at

    def forget(self, container_id: ContainerId) -> None:
        """Forget a container."""
        self._found.pop(container_id, None)
