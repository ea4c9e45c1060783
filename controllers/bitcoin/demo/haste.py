"""
Shorter waits before the first readiness probe, for simulated nodes, which are up at once.

The controller asks for a first probe after 5 seconds. Five pods in a row would wait most of the walk-through for that,
so here the API server changes each pod as it is created, like a mutating admission webhook of a cluster. What the
controller wrote, the StatefulSet, stays as it is, and the pod shows what it got.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Final

from ctrlkit.model import Action, Lines, Transport, Verb
from ctrlkit.model.kinds import PODS

PROBE_S: Final = 1


class HastyPods:
    """A Transport that has pods probed for the first time after a second, and every second."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def do(self, action: Action) -> bytes:
        """As the transport behind, but for new pods."""
        creates_pod = action.verb is Verb.CREATE and action.resource.identity == PODS.identity
        if creates_pod and not action.subresource and isinstance(action.body, Mapping):
            action = replace(action, body=with_early_probes(action.body))
        return await self._transport.do(action)

    def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        """As the transport behind."""
        return self._transport.watch(action)


def with_early_probes(pod: Mapping[str, Any]) -> dict[str, Any]:
    """
    A pod whose readiness probes do not wait.

    >>> probe = {"initialDelaySeconds": 5, "periodSeconds": 5, "exec": {"command": ["true"]}}
    >>> with_early_probes({"spec": {"containers": [{"name": "c", "readinessProbe": probe}]}})["spec"]["containers"]
    [{'name': 'c', 'readinessProbe': {'initialDelaySeconds': 1, 'periodSeconds': 1, 'exec': {'command': ['true']}}}]
    """
    spec = pod.get("spec") or {}
    containers = [_hastened(container) for container in spec.get("containers") or ()]
    return {**pod, "spec": {**spec, "containers": containers}}


def _hastened(container: Mapping[str, Any]) -> dict[str, Any]:
    probe = container.get("readinessProbe")
    if not probe:
        return dict(container)
    return {**container, "readinessProbe": {**probe, "initialDelaySeconds": PROBE_S, "periodSeconds": PROBE_S}}
