"""Who may do what: the decision, and the refusals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.errors import Forbidden
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.callers import acting_as
from ctrlkit.fakes.tracker.rights.attributes import Attributes, of_action, of_request, refused
from ctrlkit.fakes.tracker.rights.policy import Subject, grants
from ctrlkit.fakes.tracker.rights.rules import Rule, allows, missing
from ctrlkit.model import Action, Options, Verb
from ctrlkit.model.kinds import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    NAMESPACES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
)

NINA = {"username": "nina", "groups": ["crowd", "system:authenticated"]}
READ = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}


def bound(role: str, *subjects: Mapping[str, str], namespace: str = "", kind: str = "ClusterRole") -> dict[str, Any]:
    """A binding of a role to subjects."""
    metadata = {"name": f"to-{role}", **({"namespace": namespace} if namespace else {})}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
    return {"metadata": metadata, "roleRef": reference, "subjects": list(subjects)}


class Given:
    """Roles and bindings in dicts, as a Policy."""

    def __init__(self, roles: Mapping[tuple[str, str], Any], bindings: Mapping[str, list[Any]]) -> None:
        self._roles, self._bindings = roles, bindings

    def bindings(self, namespace: str) -> Iterable[Mapping[str, Any]]:
        """The bindings of a namespace."""
        return self._bindings.get(namespace, [])

    def role(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """A role with one rule."""
        return self._roles.get((namespace, name))


@pytest.mark.parametrize(
    ("subject", "is_granted"),
    [
        ({"kind": "User", "name": "nina"}, True),
        ({"kind": "User", "name": "Nina"}, False),
        ({"kind": "Group", "name": "crowd"}, True),
        ({"kind": "Group", "name": "nina"}, False),
        ({"kind": "ServiceAccount", "name": "nina", "namespace": "demo"}, False),
    ],
)
def test_a_binding_is_for_its_subjects(subject: dict[str, str], is_granted: bool) -> None:
    policy = Given({("", "reader"): {"rules": [READ]}}, {"": [bound("reader", subject)]})
    found, problems = grants(policy, Subject.of(NINA), "demo")
    assert (bool(found), problems) == (is_granted, [])


def test_the_account_of_a_role_binding_is_of_its_namespace_unless_it_says_another() -> None:
    account = {"kind": "ServiceAccount", "name": "web"}
    binding = bound("reader", account, namespace="demo", kind="Role")
    policy = Given({("demo", "reader"): {"rules": [READ]}}, {"demo": [binding]})
    found, _ = grants(policy, Subject("system:serviceaccount:demo:web"), "demo")
    assert [grant.source for grant in found] == [
        'RoleBinding "to-reader/demo" of Role "reader" to ServiceAccount "web/demo"'
    ]
    assert grants(policy, Subject("system:serviceaccount:other:web"), "demo") == ([], [])


def test_a_role_that_is_not_there_grants_nothing_and_is_told_of() -> None:
    policy = Given({}, {"": [bound("gone", {"kind": "User", "name": "nina"})]})
    found, problems = grants(policy, Subject.of(NINA), "")
    assert found == []
    assert [error.message for error in problems] == ['clusterrole.rbac.authorization.k8s.io "gone" not found']


@pytest.mark.parametrize(
    ("rule", "wanted", "is_allowed"),
    [
        (Rule(("get",), ("",), ("pods",)), Attributes("get", resource="pods"), True),
        (Rule(("get",), ("",), ("pods",)), Attributes("get", resource="pods", subresource="log"), False),
        (Rule(("get",), ("",), ("*/log",)), Attributes("get", resource="pods", subresource="log"), True),
        (Rule(("get",), ("",), ("*/log",)), Attributes("get", resource="pods"), False),
        (Rule(("*",), ("*",), ("*",)), Attributes("get", "apps", "deployments", "scale"), True),
        (Rule(("*",), ("*",), ("*",)), Attributes("get", path="/metrics"), False),
        (Rule(("get",), ("",), ("pods",), ("a",)), Attributes("get", resource="pods", name="b"), False),
        (Rule(("list",), ("",), ("pods",), ("a",)), Attributes("list", resource="pods"), False),
        (Rule(("get",), urls=("/api/*",)), Attributes("get", path="/api/v1"), True),
        (Rule(("get",), urls=("/api/*",)), Attributes("get", path="/api"), False),
    ],
)
def test_a_rule_allows(rule: Rule, wanted: Attributes, is_allowed: bool) -> None:
    assert allows(rule, wanted) is is_allowed


TEXTS = st.lists(st.sampled_from(["*", "a", "b", "a/s", "*/s"]), min_size=1, max_size=3).map(tuple)
RULES = st.builds(Rule, TEXTS, TEXTS, TEXTS, st.one_of(st.just(()), TEXTS))


@given(st.lists(RULES, max_size=3), RULES, st.sampled_from("ab"), st.sampled_from("ab"), st.sampled_from(["", "s"]))
def test_for_any_rules_what_is_covered_allows_no_more(
    owned: list[Rule], wanted: Rule, verb: str, resource: str, part: str
) -> None:
    """If rules cover another one, then whatever that one allows is allowed by one of them."""
    asked = Attributes(verb, "a", resource, part, name="a")
    if not missing(owned, [wanted]) and allows(wanted, asked):
        assert any(allows(rule, asked) for rule in owned)


@pytest.mark.parametrize(
    ("method", "path", "query", "wanted"),
    [
        ("GET", "/api/v1/namespaces/demo/pods", {}, Attributes("list", resource="pods", namespace="demo")),
        ("GET", "/api/v1/pods", {"watch": "1"}, Attributes("watch", resource="pods")),
        (
            "GET",
            "/api/v1/namespaces/demo/pods",
            {"fieldSelector": "metadata.name=a"},
            Attributes("list", resource="pods", namespace="demo", name="a"),
        ),
        ("GET", "/api/v1/watch/pods", {}, Attributes("watch", resource="pods")),
        ("GET", "/api/v1/namespaces/demo", {}, Attributes("get", resource="namespaces", namespace="demo", name="demo")),
        (
            "PUT",
            "/api/v1/namespaces/demo/finalize",
            {},
            Attributes("update", "", "namespaces", "finalize", "demo", "demo"),
        ),
        ("DELETE", "/apis/apps/v1/namespaces/d/x", {}, Attributes("deletecollection", "apps", "x", "", "d")),
        ("PATCH", "/apis/apps/v1/namespaces/d/x/a/scale", {}, Attributes("patch", "apps", "x", "scale", "d", "a")),
        ("HEAD", "/apis/apps/v1", {}, Attributes("head", path="/apis/apps/v1")),
        ("GET", "/", {}, Attributes("get", path="/")),
    ],
)
def test_what_a_request_asks_for(method: str, path: str, query: dict[str, str], wanted: Attributes) -> None:
    assert of_request(method, path, query) == wanted


def test_an_action_asks_for_what_its_request_does() -> None:
    action = Action(verb=Verb.LIST, resource=PODS, namespace="demo", options=Options(field_selector="metadata.name=a"))
    assert of_action(action) == Attributes("list", resource="pods", namespace="demo", name="a")
    assert of_action(Action(verb=Verb.DELETE, resource=NAMESPACES, name="demo")).namespace == "demo"


def test_a_refusal_has_the_words_of_a_server() -> None:
    error = refused("<nina>", Attributes("get", "apps", "deployments", "scale", "demo", "web"), "RBAC: why")
    assert error.message == (
        'deployments.apps "web" is forbidden: User "&lt;nina&gt;" cannot get resource "deployments/scale" in API group '
        '"apps" in the namespace "demo": RBAC: why'
    )
    assert refused("nina", Attributes("get", path="/metrics")).message == (
        'forbidden: User "nina" cannot get path "/metrics"'
    )


# ---- at a server -----------------------------------------------------------------------------------------------------


@pytest.fixture
def tracker() -> Tracker:
    """A server that asks who may do what, with a role that reads ConfigMaps."""
    tracker = Tracker(rbac=True)
    tracker.create(ROLES, {"metadata": {"name": "reader", "namespace": "default"}, "rules": [READ]})
    tracker.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
    return tracker


def test_rights_begin_and_end_with_their_binding(tracker: Tracker) -> None:
    """What was decided is not remembered beyond a change of roles and bindings."""
    with acting_as(NINA), pytest.raises(Forbidden, match='User "nina" cannot get resource "configmaps"'):
        tracker.get(CONFIG_MAPS, "default/a")
    binding = bound("reader", {"kind": "User", "name": "nina"}, namespace="default", kind="Role")
    tracker.create(ROLE_BINDINGS, binding)
    with acting_as(NINA):
        assert tracker.get(CONFIG_MAPS, "default/a")
        with pytest.raises(Forbidden, match="cannot delete"):
            tracker.delete(CONFIG_MAPS, "default/a")
    tracker.delete(ROLE_BINDINGS, "default/to-reader")
    with acting_as(NINA), pytest.raises(Forbidden):
        tracker.get(CONFIG_MAPS, "default/a")


def test_without_role_based_access_control_everybody_may_do_everything() -> None:
    tracker = Tracker()
    with acting_as(NINA):
        assert tracker.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})


def test_nobody_makes_an_object_by_an_update_without_the_right_to_create(tracker: Tracker) -> None:
    """An update of a missing object makes it, which needs the right to create as well."""
    rule = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["update", "escalate"]}
    tracker.create(ROLES, {"metadata": {"name": "writer", "namespace": "default"}, "rules": [rule]})
    tracker.create(ROLE_BINDINGS, bound("writer", {"kind": "Group", "name": "crowd"}, namespace="default", kind="Role"))
    with acting_as(NINA), pytest.raises(Forbidden) as raised:
        tracker.update(ROLES, {"metadata": {"name": "new", "namespace": "default"}, "rules": [READ]})
    assert raised.value.message == (
        'roles.rbac.authorization.k8s.io "new" is forbidden: User "nina" cannot create resource "roles" in API group '
        '"rbac.authorization.k8s.io" in the namespace "default"'
    )


def test_whoever_may_bind_a_role_grants_more_than_it_has(tracker: Tracker) -> None:
    rules = [
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterrolebindings"], "verbs": ["create"]},
        {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles"],
            "verbs": ["bind"],
            "resourceNames": ["view"],
        },
    ]
    tracker.create(CLUSTER_ROLES, {"metadata": {"name": "binder"}, "rules": rules})
    nina = {"kind": "User", "name": "nina"}
    tracker.create(CLUSTER_ROLE_BINDINGS, bound("binder", nina))
    with acting_as(NINA):
        assert tracker.create(CLUSTER_ROLE_BINDINGS, bound("view", nina))
        with pytest.raises(Forbidden, match=r"is attempting to grant RBAC permissions not currently held:\n{APIGroups"):
            tracker.create(CLUSTER_ROLE_BINDINGS, bound("edit", nina))


def test_who_writes_bindings_is_told_of_missing_roles_as_of_bindings(tracker: Tracker) -> None:
    """A server names there the kind that the request writes, whatever is missing."""
    nina = {"kind": "User", "name": "nina"}
    rule = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"], "verbs": ["create"]}
    tracker.create(ROLES, {"metadata": {"name": "writer", "namespace": "default"}, "rules": [rule]})
    tracker.create(ROLE_BINDINGS, bound("writer", nina, namespace="default", kind="Role"))
    tracker.create(ROLE_BINDINGS, bound("gone", nina, namespace="default", kind="Role"))
    with acting_as(NINA), pytest.raises(Forbidden) as raised:
        tracker.create(ROLE_BINDINGS, bound("reader", nina, namespace="default", kind="Role"))
    assert raised.value.message.endswith(
        '{APIGroups:[""], Resources:["configmaps"], Verbs:["get" "list"]}; resolution errors: '
        '[rolebindings.rbac.authorization.k8s.io "gone" not found]'
    )
