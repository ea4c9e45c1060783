"""
How a kubelet stops containers: one that is not to run on as it is, or all of a pod that ends, in their order.

A preStop hook comes first, as an activity; the time that it takes is part of the container's.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass

from ctrlkit import clock
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster.node.activities import Activities
from ctrlkit.fakes.cluster.node.admission import Admission
from ctrlkit.fakes.cluster.node.hooks import Hooks, has_hook
from ctrlkit.fakes.cluster.node.observed import Observed
from ctrlkit.fakes.cluster.node.pod_ending import LEAST_GRACE_S, grace_left_s, turn_of
from ctrlkit.fakes.cluster.node.pod_memory import Ending, KnownPod
from ctrlkit.fakes.cluster.node.pod_plan import Container, Stop, containers_of
from ctrlkit.fakes.cluster.node.probes import grace_of
from ctrlkit.fakes.cluster.node.runtime import ContainerId, Running, Runtime
from ctrlkit.fakes.cluster.node.telling import Teller
from ctrlkit.model import Unstructured

_TERMINATION_GRACE_S = 30.0


@dataclass(frozen=True, slots=True)
class Stopper:
    """
    Stops containers.

    `stop_s` is how long it takes at least to stop a pod that is deleted.
    """

    runtime: Runtime
    observed: Observed
    hooks: Hooks
    activities: Activities
    teller: Teller
    admission: Admission
    stop_s: float

    def stop(self, pod: Unstructured, known: KnownPod, stop: Stop) -> None:
        """Stop a container that is not to run on as it is."""
        record = known.record(stop.container)
        if not record.stops:
            self.teller.tell(pod, stop.container, EventType.NORMAL, "Killing", stop.message)
            record.starts_anew = stop.at_once
            of_probe_s = 0.0 if stop.at_once else grace_of(stop.container.spec, stop.probe)
            self.begin_stop(pod, known, stop.container, grace_s(pod) if of_probe_s is None else of_probe_s)

    def is_at_work(self, known: KnownPod) -> bool:
        """Whether a container of a pod that goes on was told to end, and has not."""
        return any(
            record.stops and isinstance(self.runtime.state(ContainerId(known.uid, name)), Running)
            for name, record in known.records.items()
        )

    def begin_stop(self, pod: Unstructured, known: KnownPod, container: Container, grace_s: float) -> None:
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
            await self.hooks.before_stop(pod, container, self.teller.of(pod, container))
        finally:
            late.cancel()
        self.runtime.stop(container_id, grace_s=grace_left_s(grace_s, clock.monotonic() - began_at))

    def tell_killing(self, pod: Unstructured, known: KnownPod) -> None:
        """Tell of each container of a pod that ends that it is stopped."""
        if known.ending is not None:
            return
        for container in containers_of(pod):
            state = self.observed.state(known, container)
            if isinstance(state, Running):
                known.record(container).ran = state
                message = f"Stopping container {container.name}"
                self.teller.tell(pod, container, EventType.NORMAL, "Killing", message)

    def go_on_ending(self, pod: Unstructured, known: KnownPod, containers: tuple[Container, ...]) -> list[float]:
        """Stop the containers whose turn it is; return when to look again, on the loop's clock."""
        ending = known.ending
        assert ending is not None  # begun before
        seen = [self.observed.seen(known, container) for container in containers]
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
        work = self.hooks.before_stop(pod, container, self.teller.of(pod, container))
        self.activities.begin(known.uid, known.key, f"preStop {container.name}", work)


def grace_s(pod: Unstructured) -> float:
    """How long a pod's containers may take to end."""
    given_s = pod.at("spec.terminationGracePeriodSeconds")
    return _TERMINATION_GRACE_S if given_s is None else float(given_s)
