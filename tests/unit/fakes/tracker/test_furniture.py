"""What a new cluster has from the start, for each release."""

from __future__ import annotations

import pytest

from ctrlkit.fakes import World
from ctrlkit.fakes.releases import NAMES, furniture
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.furniture import furnish
from ctrlkit.model.kinds import (
    API_SERVICES,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    FLOW_SCHEMAS,
    PRIORITY_CLASSES,
    SERVICES,
)


@pytest.mark.parametrize("server", NAMES)
def test_every_object_is_made_as_it_is_in_a_cluster(server: str) -> None:
    """With the rules of a real server, and the status that its controllers gave."""
    tracker = Tracker(server=server)
    furnish(tracker)
    for item in furniture(server):
        served = tracker.registry.find_kind(item["apiVersion"], item["kind"])
        assert served is not None
        metadata = item["metadata"]
        made = tracker.get(served.resource, f"{metadata.get('namespace', '')}/{metadata['name']}".lstrip("/"))
        assert made.get("rules") == item.get("rules") or not item.get("rules")
        assert [one["type"] for one in made.at("status.conditions") or ()] == [
            one["type"] for one in item.get("status", {}).get("conditions", ())
        ]


async def test_a_world_has_it_when_asked() -> None:
    async with World(furnished=True) as world, World() as bare:
        tracker = world.tracker
        roles = {role.metadata.name for role in tracker.list(CLUSTER_ROLES)}
        assert {"view", "edit", "admin", "cluster-admin", "system:node"} <= roles
        assert tracker.get(CLUSTER_ROLE_BINDINGS, "cluster-admin").at("roleRef.name") == "cluster-admin"
        assert tracker.get(PRIORITY_CLASSES, "system-node-critical")["value"] == 2000001000
        assert tracker.get(SERVICES, "default/kubernetes").at("spec.clusterIP") == "10.96.0.1"
        assert tracker.get(API_SERVICES, "v1.apps").at("status.conditions")[0]["status"] == "True"
        assert tracker.get(FLOW_SCHEMAS, "exempt").at("status.conditions")[0]["type"] == "Dangling"
        assert bare.tracker.list(CLUSTER_ROLES) == []
