"""A world that asks who may do what: whom its parts act as."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ctrlkit.client import Client
from ctrlkit.errors import Forbidden
from ctrlkit.fakes.world.world import World
from ctrlkit.model import Scope, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS, SECRETS

pytestmark = pytest.mark.virtual_time

SELF_SUBJECT_REVIEWS = custom_resource(
    group="authentication.k8s.io",
    version="v1",
    kind="SelfSubjectReview",
    plural="selfsubjectreviews",
    scope=Scope.CLUSTER,
)
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "demo"}}
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "web", "namespace": "demo"},
    "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create"]}],
}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "web", "namespace": "demo"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "web"},
    "subjects": [{"kind": "ServiceAccount", "name": "web"}],
}
POD = {"serviceAccountName": "web", "containers": [{"name": "c", "image": "img:1"}]}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "demo"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": POD},
    },
}
USERNAME = "system:serviceaccount:demo:web"


class Asking:
    """A part that finds out who it is, makes a ConfigMap, and tries to read a Secret."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.found: list[Any] = []

    async def run(self) -> None:
        """Ask, and wait for the end."""
        review = await self._client.create(SELF_SUBJECT_REVIEWS, {"metadata": {}})
        self.found.append(review.at("status.userInfo.username"))
        await self._client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "demo"}})
        try:
            await self._client.list(SECRETS, namespace="demo")
        except Forbidden as error:
            self.found.append(error.message)
        await asyncio.Event().wait()

    def busy(self) -> tuple[str, ...]:
        """Nothing is left to do."""
        return ()


async def test_a_part_has_the_rights_of_whom_it_acts_as_and_the_test_has_all() -> None:
    async with World(ACCOUNT, ROLE, BINDING, rbac=True) as world:
        part = Asking(world.client)
        world.start(part, acting_as=USERNAME)
        await world.settle()
        assert part.found == [
            USERNAME,
            f'secrets is forbidden: User "{USERNAME}" cannot list resource "secrets" in API group "" in the namespace '
            '"demo"',
        ]
        assert await world.client.list(SECRETS, namespace="demo") == []
        assert "Forbidden" in str(world.trace)


async def test_a_manager_acts_as_the_account_of_the_workload_that_is_there() -> None:
    async with World(ACCOUNT, DEPLOYMENT, rbac=True) as world:
        manager = world.manage([])
        await world.stop(manager)
        assert world.restart(manager) is not manager


@pytest.mark.parametrize(
    ("objects", "acting_as", "says"),
    [
        ((ACCOUNT,), "", "no workload names a service account"),
        ((DEPLOYMENT,), "", "act as the service account demo/web: it is not there"),
        ((), USERNAME, "act as the service account demo/web: it is not there"),
        (
            (DEPLOYMENT, DEPLOYMENT | {"metadata": {"name": "other", "namespace": "else"}}),
            "",
            f"the workloads name {USERNAME}, system:serviceaccount:else:web",
        ),
    ],
)
async def test_a_world_says_whom_it_cannot_act_as(objects: tuple[Any, ...], acting_as: str, says: str) -> None:
    async with World(*objects, rbac=True, acting_as=acting_as) as world:
        with pytest.raises(ValueError, match=says):
            world.manage([])


async def test_anybody_can_be_acted_as() -> None:
    """A user that is no service account has the rights that are bound to its name."""
    named = BINDING | {"subjects": [{"kind": "User", "name": "nina", "apiGroup": "rbac.authorization.k8s.io"}]}
    async with World(ROLE, named, rbac=True) as world:
        part = Asking(world.client)
        world.start(part, acting_as="nina")
        await world.settle()
        assert part.found[0] == "nina"
        assert world.tracker.get(CONFIG_MAPS, "demo/a")
