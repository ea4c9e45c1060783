"""
Pods at rest: nothing is left to do for them, until something happens to them, but to probe their containers.

In       A pod at rest, as the kubelet's reconcile leaves it, with the moment of its next probe.
Out      Its probes are asked, each at its moment, without a reconcile. One that shows something new wakes the pod, as
         all else does that happens to it; the reconcile that follows ends the rest.

What else is due at the moment of a probe comes first, as if the probe waited for its turn in the kubelet's queue: so a
container that ends then is not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from ctrlkit import clock
from ctrlkit.cache import Lister
from ctrlkit.fakes.cluster.node.activities import Activities
from ctrlkit.fakes.cluster.node.fleet import Fleet
from ctrlkit.fakes.cluster.node.pod_memory import KnownPod
from ctrlkit.fakes.cluster.node.pod_plan import Container
from ctrlkit.fakes.cluster.node.prober import Prober
from ctrlkit.fakes.cluster.node.telling import Teller
from ctrlkit.model import Unstructured


@dataclass(frozen=True, slots=True)
class Resting:
    """Probes the containers of pods at rest."""

    pods: Lister[Unstructured]
    fleet: Fleet
    prober: Prober
    activities: Activities
    teller: Teller

    def begin(self, known: KnownPod, containers: Sequence[Container], *, probe_at: float) -> None:
        """Let a pod rest, whose next probe is due at a moment on the loop's clock."""
        asked = [(one, known.id_of(one)) for one in containers if self.prober.asks(known.id_of(one))]
        known.rest = [(container, container_id, self.prober.health(container_id)) for container, container_id in asked]
        self._ask_at(known, [probe_at])

    def end(self, known: KnownPod) -> None:
        """End the rest of a pod, if it rests; probes that were begun go on, and wake it when they end."""
        known.rest = None
        self.activities.cancel_call(known.uid)

    def _ask_at(self, known: KnownPod, moments: Iterable[float | None]) -> None:
        """Ask at the first of these moments, if there is one."""
        moment = min((one for one in moments if one is not None), default=None)
        if moment is not None:
            self.activities.call_at(known.uid, moment, partial(self._ask, known))

    def _ask(self, known: KnownPod) -> None:
        """Begin the probes that are due, unless the pod is looked at now in any case."""
        pod = self.pods.find(known.key)
        if known.rest is None or pod is None or pod.metadata.uid != known.uid or not self.fleet.works(known.node):
            return
        if known.is_stirred or (known.next_at is not None and known.next_at <= clock.monotonic()):
            return
        then = partial(self._take_answer, known)
        moments = [
            self.prober.begin_due(known.key, container_id, self.teller.of(pod, container), then)
            for container, container_id, _ in known.rest
        ]
        if not known.is_stirred:
            self._ask_at(known, moments)

    def _take_answer(self, known: KnownPod, what: str) -> None:
        """Wake the pod at the end of a probe, unless it still rests and that has shown nothing new."""
        rest = known.rest
        if rest is None or any(self.prober.health(container_id) != health for _, container_id, health in rest):
            self.activities.wake(known.uid, known.key, what)
        else:
            self._ask_at(known, [self.prober.next_moment(container_id) for _, container_id, _ in rest])
