"""The least roles for what a part did."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit import clock
from ctrlkit.errors import ConfigError, Forbidden
from ctrlkit.fakes import NeverSettled, UnforeseenFailure, World
from ctrlkit.fakes.rights import (
    Permission,
    asked_by,
    compare,
    least_roles,
    line_of,
    manifests_in,
    manifests_of,
    merge,
    rules_of,
)
from ctrlkit.fakes.tracker.rights.attributes import Attributes
from ctrlkit.fakes.tracker.rights.rules import allows
from ctrlkit.fakes.tracker.rights.rules import rules_of as rules_in
from ctrlkit.model import Action, Verb
from ctrlkit.model.kinds import CONFIG_MAPS, DEPLOYMENTS
from tests.support.greetings import GREETINGS, greeter, greeting

HELLO = greeting()

VERBS_AT_HOME = [("get", "me"), ("update", "me")]

WANTED = st.builds(
    Attributes,
    verb=st.sampled_from(["get", "list", "watch", "create", "patch", "use"]),
    group=st.sampled_from(["", "apps", "coordination.k8s.io"]),
    resource=st.sampled_from(["pods", "leases", "events", "deployments"]),
    subresource=st.sampled_from(["", "status", "scale"]),
    namespace=st.sampled_from(["", "demo", "me"]),
)


def _plural(api_version: str, kind: str) -> tuple[str, str] | None:
    return ("apps", "deployments") if (api_version, kind) == ("apps/v1", "Deployment") else None


def test_an_object_with_an_owner_asks_for_the_owners_finalizers_too() -> None:
    """Some clusters check who may keep an owner from being deleted."""
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u", "blockOwnerDeletion": True}
    others = [{**owner, "blockOwnerDeletion": False}, {**owner, "kind": "Unknown"}]
    body = {"metadata": {"name": "a", "ownerReferences": [owner, *others]}}
    action = Action(verb=Verb.CREATE, resource=CONFIG_MAPS, namespace="demo", body=body)
    assert [(one.verb, one.resource, one.subresource) for one in asked_by(action, made=True, find_plural=_plural)] == [
        ("create", "configmaps", ""),
        ("update", "deployments", "finalizers"),
    ]


def test_leases_and_events_at_home_are_for_the_programs_own_namespace() -> None:
    """All else is for the whole cluster: the namespaces of tests say nothing of those of a cluster."""
    used = [
        Attributes("get", "coordination.k8s.io", "leases", namespace="me"),
        Attributes("create", "", "events", namespace="me"),
        Attributes("create", "", "events", namespace="demo"),
        Attributes("patch", "apps", "deployments", "status", namespace="demo"),
    ]
    roles = least_roles(used, home="me")
    assert {one.resource for one in roles.at_home} == {"leases", "events"}
    assert {one.resource for one in roles.everywhere} == {"events", "deployments/status"}
    kinds = [one["kind"] for one in manifests_of(roles, name="web", namespace="me")]
    assert kinds == ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]


@given(st.sets(WANTED, max_size=8))
def test_for_any_use_the_roles_allow_it_and_nothing_else(used: set[Attributes]) -> None:
    """A rule for each resource, held against what a server makes of rules."""
    roles = least_roles(used, home="me")
    made = rules_of(roles.everywhere | roles.at_home)
    rules = rules_in({"rules": made})
    assert all(any(allows(rule, one) for rule in rules) for one in used)
    granted = {(*rule["apiGroups"], *rule["resources"], verb) for rule in made for verb in rule["verbs"]}
    assert granted == {(one.group, one.resource, one.verb) for one in map(Permission.of, used)}
    found = compare(roles, manifests_of(roles, name="web", namespace="me"))
    assert (found.lacking, found.unused) == ({}, {})


@given(st.sets(WANTED, min_size=1, max_size=8), st.data())
def test_for_any_use_a_right_that_is_taken_away_is_lacking(used: set[Attributes], data: st.DataObject) -> None:
    """And named as the line to add."""
    roles = least_roles(used, home="me")
    manifests = manifests_of(roles, name="web", namespace="me")
    role = data.draw(st.sampled_from([one for one in manifests if one["kind"] in ("Role", "ClusterRole")]))
    rule = data.draw(st.sampled_from(role["rules"]))
    verb = data.draw(st.sampled_from(rule["verbs"]))
    rule["verbs"] = [one for one in rule["verbs"] if one != verb]
    found = [one for rules in compare(roles, manifests).lacking.values() for one in rules]
    assert len(found) <= 1  # a ClusterRole may allow it as well
    assert all(yaml.safe_load(line_of(lacking)) == [{**rule, "verbs": [verb]}] for lacking in found)


def test_wildcards_allow_what_they_stand_for() -> None:
    """As in roles that somebody wrote by hand."""
    roles = least_roles([Attributes("patch", "apps", "deployments", "status", namespace="demo")], home="me")
    role: dict[str, Any] = {
        "kind": "ClusterRole",
        "rules": [{"apiGroups": ["*"], "resources": ["*/status"], "verbs": ["*"]}],
    }
    assert compare(roles, [role]) == ({}, {})


def _lacking(used: Iterable[Attributes], *manifests: dict[str, Any]) -> dict[str, list[str]]:
    found = compare(least_roles(used, home="me"), manifests)
    return {kind: [line_of(rule) for rule in rules] for kind, rules in found.lacking.items()}


def _role(kind: str, rule: dict[str, Any], **metadata: str) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "web", **metadata}, "rules": [rule]}


@pytest.mark.parametrize("namespace", ["", "demo"])
def test_leases_elsewhere_are_for_the_whole_cluster(namespace: str) -> None:
    """A Role at home would not allow to list all of them."""
    used = [Attributes(verb, "coordination.k8s.io", "leases", namespace=place) for verb, place in VERBS_AT_HOME]
    roles = least_roles([*used, Attributes("list", "coordination.k8s.io", "leases", namespace=namespace)], home="me")
    assert {one.verb for one in roles.at_home} == {"get", "update"}
    assert {one.verb for one in roles.everywhere} == {"list"}


@pytest.mark.parametrize("group", ["", "events.k8s.io"])
def test_events_at_home_are_for_the_cluster_too_unless_it_is_known_what_that_needs(group: str) -> None:
    """Tests whose objects are all at home say nothing of Events about others."""
    at_home = Attributes("create", group, "events", namespace="me")
    roles = least_roles([at_home, Attributes("list", group, "events")], home="me")
    assert roles.at_home == {Permission(group, "events", "create")}
    assert {one.verb for one in roles.everywhere} == {"create", "list"}
    roles = least_roles([at_home, Attributes("patch", group, "events", namespace="demo")], home="me")
    assert roles.at_home == {Permission(group, "events", "create")}
    assert roles.everywhere == {Permission(group, "events", "patch")}
    other = Attributes("patch", "events.k8s.io" if group == "" else "", "events", namespace="demo")
    assert Permission(group, "events", "create") in least_roles([at_home, other], home="me").everywhere


def test_a_role_counts_at_home_alone() -> None:
    """There it allows what was used only there."""
    used = Attributes("list", resource="pods", namespace="me")
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
    assert _lacking([used], _role("Role", rule, namespace="me")) == {}
    assert _lacking([used], _role("Role", rule)) == {}
    line = '- {apiGroups: [""], resources: [pods], verbs: [list]}'
    assert _lacking([used], _role("Role", rule, namespace="other")) == {"Role": [line]}
    elsewhere = Attributes("list", resource="pods", namespace="demo")
    assert _lacking([used, elsewhere], _role("Role", rule, namespace="me")) == {"ClusterRole": [line]}


@pytest.mark.parametrize("verb", ["get", "update", "patch", "delete"])
def test_a_rule_of_names_suffices_if_all_names_that_were_used_are_among_its_names(verb: str) -> None:
    """As a server answers; one use that has another name, or none, asks for all objects."""
    role = _role(
        "ClusterRole", {"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"], "resourceNames": ["a", "b"]}
    )
    used = [Attributes(verb, resource="secrets", namespace="demo", name=name) for name in ("a", "b")]
    line = f'- {{apiGroups: [""], resources: [secrets], verbs: [{verb}]}}'
    assert _lacking(used, role) == {}
    for name in ("c", ""):
        other = Attributes(verb, resource="secrets", namespace="demo", name=name)
        assert _lacking([*used, other], role) == {"ClusterRole": [line]}
    assert _lacking([Attributes("create", resource="secrets", namespace="demo", name="a")], role) != {}


def test_what_is_there_stays_but_for_the_rules_of_its_roles() -> None:
    """Objects are told apart by kind, namespace and name."""
    roles = least_roles([Attributes("get", "coordination.k8s.io", "leases", namespace="me")], home="me")
    made = manifests_of(roles, name="web", namespace="me")
    account = {**made[0], "imagePullSecrets": [{"name": "s"}]}
    other = _role("Role", {"verbs": ["get"]}, namespace="other")
    role = {**_role("Role", {"verbs": ["get"]}, namespace="me"), "immutable": True}
    binding = {"kind": "RoleBinding", "metadata": {"name": "web", "namespace": "me"}, "subjects": ["more"]}
    assert merge([account, other, role], made, home="me") == [
        account,
        other,
        {**role, "rules": made[1]["rules"]},
        made[2],
    ]
    assert merge([binding], made, home="me") == [binding, *made[:2]]


def test_lists_are_opened() -> None:
    """Also those of one kind, whose items need not say it; what is named so and has no items is an object."""
    roles = "{kind: RoleList, apiVersion: v1, items: [{metadata: {name: a}}]}"
    assert manifests_in(
        f"{{kind: List, items: [{roles}, {{kind: Role}}]}}\n---\n{{kind: AllowList, metadata: {{name: a}}}}\n"
    ) == [
        {"apiVersion": "v1", "kind": "Role", "metadata": {"name": "a"}},
        {"kind": "Role"},
        {"kind": "AllowList", "metadata": {"name": "a"}},
    ]


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("kind: Role\nmetadata: {name: {{ .Release.Name }}}", "it is no YAML: .* in line 2"),
        ("a: [", "it is no YAML: .* in line 2"),
        ("\x00", "it is no YAML: "),
        ("text", "it is of type str; write a mapping"),
        ("{kind: Role, metadata: web}", "the metadata of a Role is no mapping"),
        ("{kind: List, items: {a: b}}", "its items are no list"),
        ("{kind: List, items: [a]}", "item 1 of document 1 of the text: it is of type str"),
        ("{kind: Role, metadata: {name: web}, rules: {a: b}}", "the rules of the Role web are no list"),
        ("{kind: ClusterRole, rules: [a]}", "the ClusterRole None has a rule that is no object: 'a'"),
        ("{kind: Role, rules: [{verbs: get}]}", "the Role None has a rule whose verbs are no list of strings: 'get'"),
        ("{kind: Role, rules: [{apiGroups: [{}]}]}", "whose apiGroups are no list of strings"),
    ],
)
def test_what_is_no_role_is_told_on_one_line(text: str, fact: str) -> None:
    """In place of a traceback."""
    with pytest.raises(ConfigError, match=fact) as raised:
        manifests_in(text)
    assert "\n" not in str(raised.value)


async def test_a_world_knows_what_its_managers_asked_for() -> None:
    """With what a program asks for at its start, and without what the test itself does."""
    async with World(HELLO, kinds=[GREETINGS]) as world:
        world.manage(greeter())
        await world.settle()
        await world.client.list(DEPLOYMENTS)
        asked = {(one.verb, one.resource) for one in world.rights_used()}
        assert ("create", "configmaps") in asked
        assert not any(resource == "deployments" for _, resource in asked)
        with pytest.raises(KeyError, match="no manager has that name; there are manager"):
            world.rights_used("other")


ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "greeter", "namespace": "demo"}}
READER = yaml.safe_load(f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: greeter}}
rules:
- {{apiGroups: [{GREETINGS.group}], resources: [greetings], verbs: [list, watch]}}
- {{apiGroups: [""], resources: [configmaps], verbs: [list, watch]}}
""")
BINDING = yaml.safe_load("""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: greeter}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: greeter}
subjects: [{kind: ServiceAccount, name: greeter, namespace: demo}]
""")


GREETER = "system:serviceaccount:demo:greeter"


async def test_a_verb_that_lacks_fails_the_test_with_the_line_to_add() -> None:
    """A controller tries again for ever, and the world never settles."""
    async with World(ACCOUNT, READER, BINDING, HELLO, kinds=[GREETINGS], rbac=True, acting_as=GREETER) as world:
        world.manage(greeter())
        with pytest.raises(NeverSettled) as raised:
            await world.settle(patience_s=60)
        world.allow_failures(Forbidden)
    line = 'its roles lack, for manager: - {apiGroups: [""], resources: [configmaps], verbs: [create]}'
    assert line in str(raised.value)


async def _refused(*, is_allowed: bool) -> None:
    async with World(ACCOUNT, READER, BINDING, rbac=True, acting_as=GREETER) as world:
        manager = world.manage([])
        if is_allowed:
            world.allow_failures(Forbidden)
        world.start(_Asks(manager.client), acting_as=GREETER)
        await world.settle()


async def test_a_refusal_that_a_controller_does_without_is_told_at_the_end() -> None:
    """Unless the test is about it."""
    await _refused(is_allowed=True)
    with pytest.raises(UnforeseenFailure, match=r"resources: \[deployments\], verbs: \[list\]"):
        await _refused(is_allowed=False)


class _Asks:
    def __init__(self, client: Any) -> None:
        self._client = client

    async def run(self) -> None:
        """List once, and do without."""
        try:
            await self._client.list(DEPLOYMENTS)
        except Forbidden:
            return

    def busy(self) -> tuple[str, ...]:
        """Nothing is left to do."""
        return ()


async def test_a_kind_that_may_not_be_listed_ends_the_test_at_once_with_the_line_to_add() -> None:
    """Its cache asks for list and watch; one line names both, and what writes them."""

    async def without_rights() -> None:
        async with World(ACCOUNT, HELLO, kinds=[GREETINGS], rbac=True, acting_as=GREETER) as world:
            world.manage(greeter())
            await world.settle()

    began = clock.monotonic()
    with pytest.raises(NeverSettled) as raised:
        await without_rights()
    said = str(raised.value)
    assert 'its roles lack, for manager: - {apiGroups: [""], resources: [configmaps], verbs: [list, watch]}' in said
    assert "pytest --rbac-write FILE" in said
    assert (said.count("\n"), clock.monotonic() - began) == (0, 0)
    assert not hasattr(raised.value, "__notes__")
