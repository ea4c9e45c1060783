"""Aggregated ClusterRoles have the rules of the roles that they select."""

from __future__ import annotations

from typing import Any

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import Loop
from ctrlkit.model.kinds import CLUSTER_ROLES


def a_rule(resource: str) -> dict[str, Any]:
    return {"apiGroups": [""], "resources": [resource], "verbs": ["get"]}


async def test_what_the_author_of_a_role_wrote_stays_while_it_selects_nothing() -> None:
    """As the controller applies no rules then; those that it has gathered go with the role that they are of."""
    select = {"clusterRoleSelectors": [{"matchLabels": {"to": "all"}}]}
    async with World(cluster={Loop.AGGREGATION}) as world:
        body = {"metadata": {"name": "all"}, "aggregationRule": select, "rules": [a_rule("mine")]}
        world.tracker.create(CLUSTER_ROLES, body)
        await world.settle()
        assert world.tracker.get(CLUSTER_ROLES, "all")["rules"] == [a_rule("mine")]
        one = {"metadata": {"name": "one", "labels": {"to": "all"}}, "rules": [a_rule("pods")]}
        world.tracker.create(CLUSTER_ROLES, one)
        await world.settle()
        assert world.tracker.get(CLUSTER_ROLES, "all")["rules"] == [a_rule("pods")]
        world.tracker.delete(CLUSTER_ROLES, "one")
        await world.settle()
        assert world.tracker.get(CLUSTER_ROLES, "all").get("rules") is None
