"""How far the pods of a workload are, in the cases that `kubectl rollout status` tells apart."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit import rollout_of
from ctrlkit.kinds import apps, core
from ctrlkit.model import ObjectMeta

THREE = {"observedGeneration": 1, "replicas": 3}
STATEFUL = {**THREE, "currentRevision": "a", "updateRevision": "b", "availableReplicas": 3}
SPREAD = {"observedGeneration": 1, "desiredNumberScheduled": 2}
SLOW = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too slow"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: q"}
OVER = {"type": "ReplicaFailure", "status": "False", "message": "it was so"}
ONE_NEW = {**THREE, "updatedReplicas": 1}


@pytest.mark.parametrize(
    ("kind", "spec", "status", "message"),
    [
        ("Deployment", {"replicas": 3}, {**THREE, "updatedReplicas": 1}, "1 of 3 are new"),
        ("Deployment", {"replicas": 3}, {**THREE, "replicas": 4, "updatedReplicas": 3}, "1 old ones are still there"),
        ("Deployment", {"replicas": 3}, {**THREE, "updatedReplicas": 3, "conditions": [SLOW]}, "too slow"),
        ("Deployment", {"replicas": 3}, {**ONE_NEW, "conditions": [OVER, QUOTA]}, "1 of 3 are new: exceeded quota: q"),
        ("Deployment", {"replicas": 3}, {**ONE_NEW, "conditions": [OVER]}, "1 of 3 are new"),
        ("Deployment", {"replicas": 3}, {**ONE_NEW, "conditions": [SLOW, QUOTA]}, "too slow: exceeded quota: q"),
        ("Deployment", {"replicas": 3, "paused": True}, ONE_NEW, "1 of 3 are new: it is paused"),
        ("Deployment", {}, {"observedGeneration": 1, "updatedReplicas": 1}, "0 of 1 are available"),
        ("StatefulSet", {"replicas": 3}, {**STATEFUL, "updatedReplicas": 2}, "2 of 3 are new"),
        ("StatefulSet", {"replicas": 3}, {**THREE, "availableReplicas": 2}, "2 of 3 are available"),
        ("DaemonSet", {}, {**SPREAD, "updatedNumberScheduled": 1}, "1 of 2 are new"),
        ("DaemonSet", {}, {**SPREAD, "updatedNumberScheduled": 2, "numberAvailable": 1}, "1 of 2 are available"),
    ],
)
def test_what_is_missing_is_said(kind: str, spec: dict[str, Any], status: dict[str, Any], message: str) -> None:
    """A rollout that is not done."""
    workload = {"kind": kind, "metadata": {"generation": 1}, "spec": spec, "status": status}
    assert rollout_of(workload) == (False, message)


@pytest.mark.parametrize(
    ("kind", "spec", "status"),
    [
        ("Deployment", {"replicas": 0, "paused": True}, {"observedGeneration": 1, "conditions": [QUOTA]}),
        ("StatefulSet", {"replicas": 3}, {**THREE, "availableReplicas": 3}),
        (
            "StatefulSet",
            {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
            {**STATEFUL, "updatedReplicas": 1},
        ),
        ("StatefulSet", {"replicas": 3, "updateStrategy": {"type": "OnDelete"}}, STATEFUL),
        ("DaemonSet", {}, {**SPREAD, "updatedNumberScheduled": 2, "numberAvailable": 2}),
        ("DaemonSet", {}, {"observedGeneration": 1}),
    ],
)
def test_what_is_done_is_done(kind: str, spec: dict[str, Any], status: dict[str, Any]) -> None:
    """Nothing wanted, a partition, and pods that are replaced by hand included."""
    workload = {"kind": kind, "metadata": {"generation": 1}, "spec": spec, "status": status}
    assert rollout_of(workload).done


def test_typed_objects_are_read_too_and_others_refused() -> None:
    """By the name of their type."""
    spec = apps.DaemonSetSpec(selector=None, template=core.PodTemplateSpec(spec=core.PodSpec(containers=())))
    assert rollout_of(apps.DaemonSet(metadata=ObjectMeta(), spec=spec)).done
    with pytest.raises(TypeError, match="tell the rollout of a ConfigMap: only Deployment, StatefulSet, DaemonSet"):
        rollout_of(core.ConfigMap(metadata=ObjectMeta()))
