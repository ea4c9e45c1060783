"""
What a control plane has done, in place of how long it had: a workload is brought up and cleared away.

Each controller takes up what happens in its order, so what was there before a round has had its turn when the round has
ended, however slow the machine is. A round has the longest wait of theirs in it, that of `minReadySeconds`.
"""

from __future__ import annotations

from ctrlkit.client import Propagation
from ctrlkit.model.kinds import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICASETS,
    REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS,
    SERVICES,
)
from tests.stories.scene import Scene, template

MIN_READY_S = 2
"""The longest that programs give to a pod."""
PATIENCE_S = 300.0
"""For a control plane that has just been started on a machine with much else to do."""
_NAME = "round"
_LABELS = {"app": _NAME}
_MADE = (SERVICES, POD_DISRUPTION_BUDGETS, REPLICATION_CONTROLLERS, DEPLOYMENTS)
_FOLLOW = (ENDPOINT_SLICES, ENDPOINTS, REPLICASETS, PODS)


async def go_round(scene: Scene) -> None:
    """Have every controller that plays along here do its part of a round, in a namespace with nothing else in it."""

    async def behind() -> list[str]:
        return await _behind(scene)

    async def left() -> list[str]:
        is_counted = (await scene.get(RESOURCE_QUOTAS, _NAME)).at("status.used.pods") == "0"
        kinds = [kind.plural for kind in (*_MADE, *_FOLLOW) if await scene.all_of(kind)]
        return kinds if is_counted else [*kinds, RESOURCE_QUOTAS.plural]

    await _make(scene)
    await scene.becomes(behind, [], within=PATIENCE_S)
    for kind in _MADE:
        await scene.delete(kind, _NAME, propagation=Propagation.FOREGROUND)
    await scene.becomes(left, [], within=PATIENCE_S)
    await scene.delete(RESOURCE_QUOTAS, _NAME)


async def _make(scene: Scene) -> None:
    pods, others = template("web:1", app=_NAME), template("web:1", app="other")
    selector = {"matchLabels": _LABELS}
    await scene.make(RESOURCE_QUOTAS, _NAME, {"hard": {"pods": "5"}})
    await scene.make(SERVICES, _NAME, {"selector": _LABELS, "ports": [{"port": 80}]})
    await scene.make(POD_DISRUPTION_BUDGETS, _NAME, {"minAvailable": 1, "selector": selector})
    await scene.make(REPLICATION_CONTROLLERS, _NAME, {"replicas": 0, "selector": {"app": "other"}, "template": others})
    await scene.make(DEPLOYMENTS, _NAME, {"selector": selector, "template": pods, "minReadySeconds": MIN_READY_S})


async def _behind(scene: Scene) -> list[str]:
    """The kinds that do not show yet that the one pod is up."""
    wanted = {
        DEPLOYMENTS: ("status.availableReplicas", 1),
        REPLICATION_CONTROLLERS: ("status.observedGeneration", 1),
        POD_DISRUPTION_BUDGETS: ("status.currentHealthy", 1),
        RESOURCE_QUOTAS: ("status.used.pods", "1"),
    }
    behind = [kind.plural for kind, (path, value) in wanted.items() if (await scene.get(kind, _NAME)).at(path) != value]
    slices, endpoints = await scene.all_of(ENDPOINT_SLICES), await scene.all_of(ENDPOINTS)
    if not any(each["conditions"]["ready"] for one in slices for each in one["endpoints"] or ()):
        behind.append(ENDPOINT_SLICES.plural)
    if not any(each.get("addresses") for one in endpoints for each in one.get("subsets") or ()):
        behind.append(ENDPOINTS.plural)
    return behind
