"""Pods as the walk-through sees them: besides what the controller needs, how their containers fare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from ctrlkit.bitcoin.types import PODS, Pod, PodStatus
from ctrlkit.model import Resource

_TOLD_MAX: Final = 300
"""Characters of a container's last words; the end of them says most."""


class Waiting(msgspec.Struct, frozen=True):
    """Why a container does not run."""

    reason: str = ""
    message: str = ""


class Terminated(msgspec.Struct, frozen=True, rename="camel"):
    """How a container ended; the message is what it said last."""

    exit_code: int = 0
    message: str = ""


class ContainerState(msgspec.Struct, frozen=True):
    """One of these, or neither while it runs."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, rename="camel"):
    """One container: what it does now, and how its run before this one ended."""

    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class SeenPodStatus(PodStatus, frozen=True, kw_only=True):
    """A pod's status with its containers."""

    container_statuses: tuple[ContainerStatus, ...] | None = msgspec.field(default=None, name="containerStatuses")


class SeenPod(Pod, frozen=True, kw_only=True):
    """A pod with its containers."""

    status: SeenPodStatus = SeenPodStatus()


SEEN_PODS: Final[Resource[SeenPod]] = PODS.of(SeenPod)


def troubles(pods: Iterable[SeenPod]) -> str:
    """
    What keeps the containers of pods that are not ready from running, as far as it is told; empty where nothing does.

    >>> from ctrlkit.model import ObjectMeta
    >>> ended = ContainerState(terminated=Terminated(exit_code=1, message="Error: no such flag"))
    >>> status = SeenPodStatus(container_statuses=(ContainerStatus(restart_count=2, last_state=ended),))
    >>> troubles([SeenPod(metadata=ObjectMeta(name="net-sts-0"), status=status)])
    'net-sts-0 ended with status 1 (restarts: 2): Error: no such flag'
    """
    unready = [pod for pod in pods if not pod.ready]
    found = [(pod.metadata.name, _trouble(status)) for pod in unready for status in pod.status.container_statuses or ()]
    return "; ".join(f"{name} {trouble}" for name, trouble in found if trouble)


def _trouble(status: ContainerStatus) -> str:
    ended = status.state.terminated or status.last_state.terminated
    if ended is not None:
        return f"ended with status {ended.exit_code} (restarts: {status.restart_count}){_said(ended.message)}"
    waiting = status.state.waiting
    return "" if waiting is None else f"does not run: {waiting.reason or 'it waits'}{_said(waiting.message)}"


def _said(message: str) -> str:
    words = " ".join(message.split())
    return f": {words[-_TOLD_MAX:]}" if words else ""
