"""Which log is read by which status, and a kubelet's words where there is none."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.errors import BadRequest
from ctrlkit.fakes.tracker.subresources.log_choice import asks_run_before

RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
ENDED = {"terminated": {"exitCode": 1, "containerID": "x://1"}}
LOST = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}


def waits(reason: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason}}


def pod(
    state: dict[str, Any], last: dict[str, Any] | None = None, *, field: str = "containerStatuses"
) -> dict[str, Any]:
    """A pod with one container."""
    return {"metadata": {"name": "p"}, "status": {field: [{"name": "web", "state": state, "lastState": last or {}}]}}


@pytest.mark.parametrize(
    ("one", "previous", "is_before"),
    [
        (pod(RUNNING), False, False),
        (pod(RUNNING, ENDED), True, True),
        (pod(ENDED), False, False),
        (pod(ENDED, ENDED), True, True),
        (pod(waits("CrashLoopBackOff"), ENDED), False, False),
        (pod(waits("CrashLoopBackOff"), ENDED), True, False),
        (pod(LOST, ENDED), False, False),
        (pod(RUNNING, field="initContainerStatuses"), False, False),
        (pod(RUNNING, field="ephemeralContainerStatuses"), False, False),
        ({"metadata": {"name": "p"}}, True, True),
    ],
)
def test_the_run_is_found(one: dict[str, Any], *, previous: bool, is_before: bool) -> None:
    """The last one that was started, or the one before it."""
    assert asks_run_before(one, "web", previous=previous) == is_before


@pytest.mark.parametrize(
    ("one", "previous", "words"),
    [
        (pod(waits("ContainerCreating")), False, "is waiting to start: ContainerCreating"),
        (pod(waits("PodInitializing")), False, "is waiting to start: PodInitializing"),
        (pod(waits("ErrImagePull")), False, "is waiting to start: image can't be pulled"),
        (pod(waits("ImagePullBackOff")), False, "is waiting to start: trying and failing to pull image"),
        (pod(LOST), False, "is terminated"),
        (pod({}), False, "is waiting to start - no logs yet"),
    ],
)
def test_there_is_no_log_yet(one: dict[str, Any], words: str, *, previous: bool) -> None:
    """And the kubelet says why."""
    with pytest.raises(BadRequest) as refused:
        asks_run_before(one, "web", previous=previous)
    assert refused.value.message == f'container "web" in pod "p" {words}'


def test_there_was_no_run_before_or_no_such_container() -> None:
    """Nor one that was lost with its node."""
    for one in (pod(RUNNING), pod(RUNNING, LOST)):
        with pytest.raises(BadRequest, match='previous terminated container "web" in pod "p" not found'):
            asks_run_before(one, "web", previous=True)
    with pytest.raises(BadRequest, match='container "db" in pod "p" is not available'):
        asks_run_before(pod(RUNNING), "db", previous=False)
