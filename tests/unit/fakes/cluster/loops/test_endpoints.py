"""EndpointSlices follow the pods of a Service, and the nodes that these are on as far as real ones do."""

from __future__ import annotations

from typing import Any

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import Loop
from ctrlkit.model import StrategicMergePatch
from ctrlkit.model.kinds import ENDPOINT_SLICES, NODES, PODS, SERVICES
from tests.support.objects import a_pod

READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
SERVICE: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}


async def test_an_endpoint_waits_for_its_node_and_outlives_it() -> None:
    """It goes with its pod, which is collected later; until then a Service is looked at again for other reasons."""
    async with World(cluster=[Loop.ENDPOINTS]) as world:
        await world.client.create(SERVICES, SERVICE)
        pod = a_pod("a", nodeName="n")
        pod["metadata"]["labels"] = {"app": "web"}
        await world.client.create(PODS, pod)
        status = {"phase": "Running", "podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}], "conditions": [READY]}
        await world.client.patch(PODS, "default/a", StrategicMergePatch({"status": status}), subresource="status")
        await world.settle()
        assert _addresses(world) == []
        await world.client.create(NODES, {"metadata": {"name": "n"}})
        await world.settle()
        assert _addresses(world) == ["10.1.0.1"]
        await world.client.delete(NODES, "n")
        await world.settle()
        assert _addresses(world) == ["10.1.0.1"]
        await world.client.delete(PODS, "default/a", grace_period_s=0)
        await world.settle()
        assert _addresses(world) == []


def _addresses(world: World) -> list[str]:
    (found,) = world.tracker.list(ENDPOINT_SLICES)
    return [address for endpoint in found.get("endpoints") or () for address in endpoint["addresses"]]
