"""
What a new cluster has before anybody makes an object: roles, priorities, flow control, the Service `kubernetes`.

The objects are data of the release. What its controllers add to each namespace is a loop of the cluster
(ctrlkit.fakes.cluster.loops.accounts).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ctrlkit import clock
from ctrlkit.fakes.releases import furniture
from ctrlkit.model import Options, Unstructured

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.tracker import Tracker

_BY_SERVER = Options(field_manager="kube-apiserver")


def furnish(tracker: Tracker) -> None:
    """
    Make the furniture of a new cluster of the tracker's release.

    >>> from ctrlkit.fakes.tracker import Tracker
    >>> from ctrlkit.model.kinds import CLUSTER_ROLES, SERVICES
    >>> tracker = Tracker()
    >>> furnish(tracker)
    >>> len(tracker.list(CLUSTER_ROLES)) > 60, tracker.get(SERVICES, "default/kubernetes").at("spec.clusterIP")
    (True, '10.96.0.1')
    """
    for item in furniture(tracker.registry.release):
        served = tracker.registry.find_kind(item["apiVersion"], item["kind"])
        if served is None:
            raise AssertionError(f"release {tracker.registry.release} does not serve its own {item['kind']}")
        made = tracker.create(served.resource, item, _BY_SERVER)
        if "status" in item and served.has_status:
            status = _with_times(item["status"], clock.timestamp(clock.now()))
            tracker.update(served.resource, Unstructured(made | {"status": status}), subresource="status")


def _with_times(status: Mapping[str, Any], now: str) -> dict[str, Any]:
    """Say since when the conditions are so."""
    return {**status, "conditions": [{**one, "lastTransitionTime": now} for one in status["conditions"]]}
