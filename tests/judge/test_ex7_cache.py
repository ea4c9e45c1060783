"""Example 7 on a real API server with the real controllers: children, rollout, scale, deletion."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.crd import definition_of
from ctrlkit.errors import NotFound
from ctrlkit.fakes import ControlPlane, NoControlPlane
from ctrlkit.fakes.world.live import LiveWorld
from ctrlkit.kinds import apps
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import CONFIG_MAPS, EVENTS, PODS
from examples.ex7_cache import CACHES, Registry, caches, registry
from tests.judge.controllers import controllers, programs

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]


async def ready_pods(world: LiveWorld) -> None:
    """What a kubelet would do: say that each pod is ready."""
    for pod in await world.client.list(PODS, namespace=world.namespace):
        if not pod.at("status.conditions") or all(each["type"] != "Ready" for each in pod["status"]["conditions"]):
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
            status = {"phase": "Running", "conditions": [ready]}
            await world.client.patch(PODS, pod.key, MergePatch({"status": status}), subresource="status")


async def test_a_cache_lives_on_a_real_control_plane(control_plane: ControlPlane) -> None:
    """It says what is ready, is scaled, rolls with its configuration, and goes when the registry knows."""
    try:
        programs()
    except NoControlPlane as missing:
        pytest.skip(str(missing))
    outside = Registry()
    async with LiveWorld(kubeconfig=control_plane.kubeconfig) as world:
        with controllers(control_plane.kubeconfig):
            await world.define(definition_of(CACHES))
            world.provide(registry, outside)
            world.manage(caches)
            key = f"{world.namespace}/orders"
            made = await world.client.create(
                CACHES, {"metadata": {"name": "orders", "namespace": world.namespace}, "spec": {"size": 2}}
            )

            async def is_ready(size: int) -> Any:
                await ready_pods(world)
                cache = await world.client.get(CACHES, key)
                (condition,) = cache.status.conditions or (None,)
                is_so = condition is not None and condition.status == "True" and cache.status.ready == size
                deployment = await world.client.get(apps.DEPLOYMENTS, key)
                return deployment if is_so else None

            first = await world.until(lambda: is_ready(2), within="60s")
            assert outside.addresses == {made.metadata.uid: f"orders.{world.namespace}:6379"}
            assert (await world.client.get_scale(CACHES, key)).selector == "cache=orders"

            await world.client.set_scale(CACHES, key, 3)
            await world.until(lambda: is_ready(3), within="60s")
            await world.client.patch(CACHES, key, MergePatch({"spec": {"memoryMb": 128}}))

            async def rolled() -> Any:
                pods = await is_ready(3)
                return pods and pods.spec.template != first.spec.template

            await world.until(rolled, within="60s")
            told = [each["reason"] for each in await world.client.list(EVENTS, namespace=world.namespace)]
            assert told.count("Rolled") == 1
            config = await world.client.get(CONFIG_MAPS, key)
            assert config["data"] == {"redis.conf": "maxmemory 128mb\n"}

            await world.client.delete(CACHES, key)

            async def is_gone() -> bool:
                try:
                    await world.client.get(apps.DEPLOYMENTS, key)
                except NotFound:
                    return True
                return False

            await world.until(is_gone, within="60s")
            assert list(outside.addresses.values()) == [""]
