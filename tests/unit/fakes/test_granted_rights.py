"""The least roles of programs that write roles and bindings, keep to a namespace, or have webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ctrlkit import DONE, Context, Outcome, reconciler
from ctrlkit.errors import Forbidden
from ctrlkit.fakes import World
from ctrlkit.fakes.rights import HandedOn, Permission, compare, least_roles, line_of, manifests_of
from ctrlkit.fakes.tracker.rights.attributes import Attributes
from ctrlkit.manager import Settings
from ctrlkit.model import OnConflict, Unstructured
from ctrlkit.model.kinds import CLUSTER_ROLES, CONFIG_MAPS, ROLE_BINDINGS, ROLES, SECRETS
from ctrlkit.webhooks import Review, validating

RBAC = "rbac.authorization.k8s.io"
ME = "system:serviceaccount:me:web"
RULE = {"apiGroups": ["", "apps"], "resources": ["pods", "deployments/scale"], "verbs": ["get", "update"]}
TENANT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tenant", "namespace": "demo"}}


def binding(kind: str, name: str) -> dict[str, Any]:
    """A RoleBinding."""
    return {
        "metadata": {"name": name, "namespace": "demo"},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "demo"}],
    }


@reconciler(CONFIG_MAPS)
async def roles(config: Unstructured, context: Context) -> Outcome:
    """Makes a role for each ConfigMap and binds it, and lets everybody there view."""
    client = context.client
    role = {"metadata": {"name": config.metadata.name, "namespace": "demo"}, "rules": [RULE]}
    for kind, wanted in ((ROLES, role), *((ROLE_BINDINGS, binding(*one)) for one in (("Role", "tenant"), VIEW))):
        await client.apply(kind, f"demo/{wanted['metadata']['name']}", wanted, on_conflict=OnConflict.FORCE)
    return DONE


VIEW = ("ClusterRole", "view")


async def used_by(*builds: Any, settings: Settings | None = None, objects: tuple[Any, ...] = (TENANT,)) -> Any:
    """What a program asks for in a world that allows everything."""
    async with World(*objects) as world:
        world.manage(list(builds), settings=settings)
        await world.settle()
        return world.rights_used()


async def test_roles_made_of_what_was_done_suffice_to_write_roles_and_to_bind_them() -> None:
    """With what is handed on, `bind` on the role of somebody else, and neither `bind` on its own nor `escalate`."""
    made = manifests_of(least_roles(await used_by(roles), home="me"), name="web", namespace="me")
    rules = [line_of(rule) for one in made if one["kind"] == "ClusterRole" for rule in one["rules"]]
    assert f"- {{apiGroups: [{RBAC}], resources: [clusterroles], resourceNames: [view], verbs: [bind]}}" in rules
    assert "- {apiGroups: [apps], resources: [deployments/scale], verbs: [get, update]}" in rules
    assert "escalate" not in str(rules)
    assert "resources: [roles], resourceNames" not in str(rules)
    async with World(*made, TENANT, rbac=True, acting_as=ME) as world:
        world.manage(roles)
        await world.settle()
        assert [one.metadata.name for one in world.tracker.list(ROLE_BINDINGS, "demo")] == ["tenant", "view"]


@pytest.mark.parametrize(("verb", "resource"), [("bind", "clusterroles"), ("update", "deployments/scale")])
async def test_what_lacks_to_grant_is_the_line_to_add(verb: str, resource: str) -> None:
    """And not the call itself, which is allowed."""
    made = manifests_of(least_roles(await used_by(roles), home="me"), name="web", namespace="me")
    for role in made:
        for rule in role.get("rules", ()):
            if resource in rule["resources"]:
                rule["verbs"] = [one for one in rule["verbs"] if one != verb] or ["list"]
    async with World(*made, TENANT, rbac=True, acting_as=ME) as world:
        world.manage(roles)
        with pytest.raises(Exception, match=rf"lack, for manager: - .*resources: \[{resource}\].*verbs: \[{verb}\]"):
            await world.settle(patience_s=30)
        world.allow_failures(Forbidden)


def test_escalate_suffices_for_what_is_handed_on() -> None:
    """And counts as used then; of an aggregated role, and of paths, no other rule says it."""
    used = [HandedOn("get", "", "pods", by="roles", role="a"), Attributes("create", RBAC, "roles", namespace="demo")]
    rule = {"apiGroups": [RBAC], "resources": ["roles"], "verbs": ["create", "escalate"]}
    found = compare(least_roles(used, home="me"), [{"kind": "ClusterRole", "metadata": {"name": "a"}, "rules": [rule]}])
    assert (found.lacking, found.unused) == ({}, {})


async def test_a_role_that_gathers_others_asks_for_escalate() -> None:
    gathers = {
        "metadata": {"name": "all"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
    }

    @reconciler(CONFIG_MAPS)
    async def gather(_: Unstructured, context: Context) -> Outcome:
        await context.client.apply(CLUSTER_ROLES, "all", gathers, on_conflict=OnConflict.FORCE)
        return DONE

    roles = least_roles(await used_by(gather), home="me")
    assert Permission(RBAC, "clusterroles", "escalate") in roles.everywhere


def resources_of(kind: str, used: Any) -> Mapping[str, set[str]]:
    """The verbs of the roles of a kind, by resource."""
    roles = least_roles(used, home="me")
    found: dict[str, set[str]] = {}
    for one in roles.everywhere if kind == "ClusterRole" else roles.at_home:
        found.setdefault(one.resource, set()).add(one.verb)
    return found


async def test_a_program_that_keeps_to_its_namespace_has_a_role_there() -> None:
    """It lists and watches there alone, so what it makes without listing it is there too."""

    @reconciler(CONFIG_MAPS)
    async def keeps(config: Unstructured, context: Context) -> Outcome:
        wanted = {"metadata": {"name": "s", "namespace": config.metadata.namespace}}
        await context.client.apply(SECRETS, f"{config.metadata.namespace}/s", wanted, on_conflict=OnConflict.FORCE)
        return DONE

    here = {**TENANT, "metadata": {"name": "tenant", "namespace": "me"}}
    used = await used_by(keeps, settings=Settings(namespaces=("me",)), objects=(here,))
    assert resources_of("Role", used) == {"configmaps": {"list", "watch"}, "secrets": {"patch", "create"}}
    assert resources_of("ClusterRole", used) == {}
    everywhere = await used_by(keeps, objects=(here,))
    assert resources_of("Role", everywhere) == {}
    assert resources_of("ClusterRole", everywhere) == {"configmaps": {"list", "watch"}, "secrets": {"patch", "create"}}


async def test_what_a_webhook_reads_is_among_what_its_program_asks_for() -> None:
    """As what a reconciler reads."""

    @validating(CONFIG_MAPS, reads=[SECRETS])
    def check(config: Unstructured, review: Review[Unstructured]) -> None:
        """Looks whether a Secret of that name is there."""
        review.lister(SECRETS).find(config.metadata.key)

    used = await used_by(check)
    assert resources_of("ClusterRole", used)["secrets"] == {"list", "watch"}


def test_what_every_user_may_do_is_not_in_a_role() -> None:
    """Reviews of oneself are allowed to all by a role of each cluster; those of others are not."""
    reviews = {"authorization.k8s.io": "selfsubjectaccessreviews", "authentication.k8s.io": "selfsubjectreviews"}
    used = [Attributes("create", group, resource) for group, resource in reviews.items()]
    asked = least_roles([*used, Attributes("create", "authentication.k8s.io", "tokenreviews")], home="me")
    assert [one.resource for one in asked.everywhere] == ["tokenreviews"]
