"""
What a kubelet sees of the containers of its pods now: what the runtime says, its own memory, and what probes found.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ctrlkit.fakes.cluster.node.pod_memory import KnownPod
from ctrlkit.fakes.cluster.node.pod_plan import Container, Role, Seen
from ctrlkit.fakes.cluster.node.pod_status import LOST_CODE, ContainerView
from ctrlkit.fakes.cluster.node.prober import Prober
from ctrlkit.fakes.cluster.node.resizes import needs_restart
from ctrlkit.fakes.cluster.node.runtime import ContainerState, Exited, Running, Runtime

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_LOST = Exited(exit_code=LOST_CODE, started_at=_LONG_AGO, finished_at=_LONG_AGO)


@dataclass(frozen=True, slots=True)
class Observed:
    """Looks at containers."""

    runtime: Runtime
    prober: Prober

    def state(self, known: KnownPod, container: Container) -> ContainerState | None:
        """Return the state of a container; None if it has never run."""
        record = known.record(container)
        return None if record.is_gone else record.unstarted or self.runtime.state(known.id_of(container))

    def seen(self, known: KnownPod, container: Container) -> Seen:
        """Return what the plan has to know of a container."""
        record, container_id = known.record(container), known.id_of(container)
        state = self.state(known, container)
        if record.is_gone and container.role is Role.EPHEMERAL:
            return Seen(container, _LOST)  # it has been there, and is not started again
        if not isinstance(state, Running):
            return Seen(container, state)
        resized = container.spec.get("resources") is not None and needs_restart(container.spec, record.given)
        health = self.prober.health(container_id)
        return Seen(container, state, health, changed=record.image != container.image, resized=resized)

    def view(self, known: KnownPod, container: Container) -> ContainerView:
        """Return what the status shows of a container."""
        health = self.prober.health(known.id_of(container))
        return known.view(container, self.state(known, container), health)
