"""When a pod has been active for too long, in which order its containers are stopped, and how long they may take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.pod_plan import Container, Role, Seen
from ctrlkit.fakes.cluster.node.pod_status import Failure
from ctrlkit.fakes.cluster.node.runtime import Running
from ctrlkit.model import Unstructured

LEAST_GRACE_S = 2.0
"""So long each container may take to end at least, however little is left of its pod's time."""


def turn_of(seen: Sequence[Seen]) -> list[Container]:
    """
    Return the containers that run and may be stopped now.

    Sidecars wait until all regular containers have ended, and each until those declared after it have: so they serve
    the others to the end.
    """
    running = [one.container for one in seen if isinstance(one.state, Running)]
    sidecars = [container for container in running if container.role is Role.SIDECAR]
    if not sidecars:
        return running
    others = [container for container in running if container.role is not Role.SIDECAR]
    if any(container.role is Role.REGULAR for container in others):
        return others
    return [*others, sidecars[-1]]


def grace_left_s(grace_s: float, waited_s: float) -> float:
    """
    Return how long a container may take to end, after hooks and other containers took their time; in whole seconds.

    >>> grace_left_s(30.0, 4.5), grace_left_s(30.0, 30.0)
    (26.0, 2.0)
    """
    return max(grace_s - int(waited_s), LEAST_GRACE_S)


def exceeded(pod: Unstructured, moments: list[float]) -> Failure | None:
    """Return the failure of a pod that has been active for too long; else note when that will be."""
    limit_s, since = pod.at("spec.activeDeadlineSeconds"), pod.at("status.startTime")
    if limit_s is None:
        return None
    left_s = float(limit_s) - ((clock.now() - datetime.fromisoformat(since)).total_seconds() if since else 0.0)
    if left_s <= 0:
        return Failure("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
    moments.append(clock.monotonic() + left_s)
    return None
