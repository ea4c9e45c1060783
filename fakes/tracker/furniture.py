"""
What a new cluster has before anybody makes an object: roles, priorities, flow control, the Service `kubernetes`.

The objects are data of the release. What its controllers add to each namespace is a loop of the cluster
(ctrlkit.fakes.cluster.loops.accounts).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ctrlkit import clock
from ctrlkit.fakes.releases import furniture
from ctrlkit.fakes.tracker.kinds import metadata
from ctrlkit.fakes.tracker.store import Identity
from ctrlkit.model import ObjectKey, Options, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core
    from ctrlkit.fakes.tracker.tracker import Tracker

_BY_SERVER = Options(field_manager="kube-apiserver")
_TOKEN_TRACKING = {"namespace": "kube-system", "name": "kube-apiserver-legacy-service-account-token-tracking"}
_POLICY = "rbac.authorization.k8s.io/v1"


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
        if tracker.has_rbac and item["apiVersion"] == _POLICY:
            continue  # which such a server has already
        served = tracker.registry.find_kind(item["apiVersion"], item["kind"])
        if served is None:
            raise AssertionError(f"release {tracker.registry.release} does not serve its own {item['kind']}")
        made = tracker.create(served.resource, item, _BY_SERVER)
        if "status" in item and served.has_status:
            status = _with_times(item["status"], clock.timestamp(clock.now()))
            tracker.update(served.resource, Unstructured(made | {"status": status}), subresource="status")
    today = clock.now().date().isoformat()  # since then it is known which tokens of Secrets are in use
    tracker.create(CONFIG_MAPS, {"metadata": _TOKEN_TRACKING, "data": {"since": today}}, _BY_SERVER)


class _Made(NamedTuple):
    identity: Identity
    key: ObjectKey
    plain: Mapping[str, Any]


def furnish_policy(core: Core) -> None:
    """Make the roles and bindings of a new cluster, at a server that asks who may do what."""
    now = clock.timestamp(clock.now())
    for made in _policy(core.registry.release):
        meta: dict[str, Any] = made.plain["metadata"]
        fresh = metadata.born(meta, made.key.namespace, generation=False)
        fresh["managedFields"] = [{**entry, "time": now} for entry in meta["managedFields"]]
        core.store.write(made.identity, made.key, {**made.plain, "metadata": fresh})


@functools.cache
def _policy(release: str) -> tuple[_Made, ...]:
    """The roles and bindings as a server stores them, which takes a while to find out."""
    from ctrlkit.fakes.tracker.tracker import Tracker  # noqa: PLC0415 - each of the two makes the other

    tracker = Tracker(server=release)
    made = []
    for item in furniture(release):
        served = tracker.registry.find_kind(item["apiVersion"], item["kind"])
        if item["apiVersion"] == _POLICY and served is not None:
            stored = tracker.create(served.resource, item, _BY_SERVER)
            plain = {name: value for name, value in stored.items() if name not in ("kind", "apiVersion")}
            key = ObjectKey(stored.metadata.namespace, stored.metadata.name)
            made.append(_Made(served.resource.identity, key, plain))
    return tuple(made)


def _with_times(status: Mapping[str, Any], now: str) -> dict[str, Any]:
    """Say since when the conditions are so."""
    return {**status, "conditions": [{**one, "lastTransitionTime": now} for one in status["conditions"]]}
