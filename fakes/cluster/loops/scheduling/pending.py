"""The pods that wait for a node: those to be tried, the most important first, and those that did not fit. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import PodFacts
from ctrlkit.fakes.cluster.loops.scheduling.verdicts import Plugin


class PendingPods:
    """
    Pods without a node, by uid.

    Shape   `pop` returns those that are to be tried by their priority, then in the order in which they came.
    """

    def __init__(self) -> None:
        self._ready: dict[str, PodFacts] = {}
        self._order: list[tuple[int, int, str]] = []
        self._unfit: dict[str, tuple[PodFacts, frozenset[Plugin]]] = {}
        self._numbers = count()

    def add(self, pod: PodFacts) -> None:
        """Let a pod be tried, however often it has been."""
        self._unfit.pop(pod.uid, None)
        if pod.uid not in self._ready:
            heapq.heappush(self._order, (-pod.priority, next(self._numbers), pod.uid))
        self._ready[pod.uid] = pod

    def park(self, pod: PodFacts, plugins: frozenset[Plugin]) -> None:
        """Keep a pod that did not fit, with the parts that kept it from the nodes; one that is to be tried stays so."""
        if pod.uid not in self._ready:
            self._unfit[pod.uid] = (pod, plugins)

    def refresh(self, pod: PodFacts) -> bool:
        """Take note of a new state of a pod that asks for the same; return whether it is known here."""
        if pod.uid in self._ready:
            self._ready[pod.uid] = pod
            return True
        if pod.uid in self._unfit:
            self._unfit[pod.uid] = (pod, self._unfit[pod.uid][1])
            return True
        return False

    def find(self, uid: str) -> PodFacts | None:
        """Return a pod that waits here."""
        if uid in self._ready:
            return self._ready[uid]
        return self._unfit[uid][0] if uid in self._unfit else None

    def remove(self, uid: str) -> None:
        """Forget a pod."""
        self._ready.pop(uid, None)
        self._unfit.pop(uid, None)

    def retry(self, helps: Callable[[frozenset[Plugin], PodFacts], bool]) -> bool:
        """Let those be tried again that a change may help; return whether there are any."""
        helped = [pod for pod, plugins in self._unfit.values() if helps(plugins, pod)]
        for pod in helped:
            self.add(pod)
        return bool(helped)

    def pop(self) -> PodFacts | None:
        """Take the next pod to be tried; None if there is none."""
        while self._order:
            _, _, uid = heapq.heappop(self._order)
            pod = self._ready.pop(uid, None)
            if pod is not None:
                return pod
        return None
