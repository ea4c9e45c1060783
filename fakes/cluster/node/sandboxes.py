"""The pods of a runtime, by uid, how their containers are found in them, and when those are killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from ctrlkit.fakes.cluster.node.runtime import ContainerId, ContainerState, Running
from ctrlkit.fakes.cluster.node.streams import not_found
from ctrlkit.fakes.tracker.runtime import PodRef


class HasState(Protocol):
    """A container that was started."""

    @property
    def state(self) -> ContainerState:
        """Whether it runs, or how it ended."""
        ...


C = TypeVar("C", bound=HasState)
C_co = TypeVar("C_co", bound=HasState, covariant=True)


class Sandbox(Protocol[C_co]):
    """What a runtime has of one pod."""

    @property
    def containers(self) -> Mapping[str, C_co]:
        """The containers that were started in it, by name."""
        ...


def find(sandboxes: Mapping[str, Sandbox[C]], container: ContainerId) -> C | None:
    """Return a container that was started, None if there is none."""
    sandbox = sandboxes.get(container.pod_uid)
    return sandbox.containers.get(container.name) if sandbox else None


def find_running(sandboxes: Mapping[str, Sandbox[C]], pod: PodRef, name: str) -> C:
    """Return a container that runs. Errors: ApiError in a kubelet's words."""
    found = find(sandboxes, ContainerId(pod.uid, name))
    if found is None or not isinstance(found.state, Running):
        raise not_found(name)
    return found


class KillTimer:
    """Calls `kill` when the grace period of a container that is to end is over; a shorter one brings that forward."""

    def __init__(self, kill: Callable[[], None]) -> None:
        self._kill = kill
        self._timer: asyncio.TimerHandle | None = None

    def set(self, grace_s: float) -> None:
        """Kill after `grace_s` seconds, unless that is later than what was said before."""
        loop = asyncio.get_running_loop()
        when = loop.time() + grace_s
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = loop.call_at(when, self._kill)

    def cancel(self) -> None:
        """Kill nothing: the container has ended."""
        if self._timer is not None:
            self._timer.cancel()
