"""What runs a program: pods that are safe, probed and given time; rights that suffice and are no more."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from ctrlkit import Scope, custom_resource
from ctrlkit.deploy import description_of, objects_of
from ctrlkit.deploy.description import Description
from ctrlkit.deploy.rights import read_roles
from ctrlkit.errors import ConfigError
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model.kinds import DEPLOYMENTS
from tests.support.caches import described, rule


def the(kind: str, description: Description, name: str = "cache-operator") -> dict[str, Any]:
    """The one object of a kind and name."""
    (found,) = (one for one in objects_of(description) if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def pod(description: Description) -> tuple[dict[str, Any], dict[str, Any]]:
    """The spec of the Deployment's pods, and their container."""
    spec = the("Deployment", description)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return spec, container


def test_a_server_takes_all_of_it_in_its_order() -> None:
    """The Namespace before what is in it."""
    tracker = Tracker()
    for one in objects_of(described(), options=["networkPolicy"]):
        seed(tracker, one)
    assert tracker.get(DEPLOYMENTS, "caches/cache-operator")["spec"]["replicas"] == 2


def test_the_namespace_holds_pods_to_the_strictest_standard_and_the_pods_fit_it() -> None:
    """What `restricted` asks for: no root, no escalation, no capabilities, a profile for system calls."""
    assert the("Namespace", described(), "caches")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == (
        "restricted"
    )
    spec, container = pod(described())
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


def test_probes_ask_the_port_at_which_the_settings_serve() -> None:
    """Where it is another one, too, and over TLS where it is."""
    description = described(settings={"endpoints_address": ":9000", "tls_cert": "/tls/tls.crt", "tls_key": "/tls/key"})
    _, container = pod(description)
    (port,) = (one for one in container["ports"] if one["name"] == "metrics")
    assert port["containerPort"] == 9000
    asked = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")]
    assert [(one["path"], one["port"], one["scheme"]) for one in asked] == [
        ("/healthz", "metrics", "HTTPS"),
        ("/healthz", "metrics", "HTTPS"),
        ("/readyz", "metrics", "HTTPS"),
    ]


def test_replicas_that_share_the_work_are_rolled_with_one_more_and_others_are_replaced() -> None:
    """Of two that do not share it, none may run beside the other."""
    assert the("Deployment", described())["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    alone = described(replicas=1, settings={"leader_elect": False})
    assert the("Deployment", alone)["spec"]["strategy"] == {"type": "Recreate"}
    assert not [one for one in objects_of(alone) if one["kind"] in ("PodDisruptionBudget", "Lease")]
    assert "coordination.k8s.io" not in str(objects_of(alone))
    assert the("PodDisruptionBudget", described())["spec"]["maxUnavailable"] == 1


def test_rights_are_sorted_by_where_they_hold() -> None:
    """Kinds without namespaces in a role of their own; a Role of another namespace stays there."""
    role = the("ClusterRole", described(), "cache-operator-cluster")
    definitions = rule("apiextensions.k8s.io", "customresourcedefinitions", "get")
    assert role["rules"] == [
        {**definitions, "resourceNames": ["caches.example.com"]},
        {**definitions, "resourceNames": ["fleets.example.com"]},
        rule("example.com", "fleets", "list", "watch"),
        rule("example.com", "fleets/status", "patch"),
    ]
    assert the("ClusterRole", described())["rules"] == [
        rule("", "configmaps", "list", "watch"),
        rule("example.com", "caches", "list", "watch"),
    ]
    roles = [one for one in objects_of(described()) if one["kind"] == "Role"]
    assert {one["metadata"]["namespace"] for one in roles} == {"caches", "kube-system"}


def test_a_lease_and_its_events_are_allowed_though_no_test_took_one() -> None:
    """And more of Leases where keys are shared."""
    home = next(one for one in objects_of(described()) if one["kind"] == "Role")
    leases = rule("coordination.k8s.io", "leases", "get", "create", "update")
    assert leases in home["rules"]
    shards = next(one for one in objects_of(described(settings={"shards": 4})) if one["kind"] == "Role")
    assert rule("coordination.k8s.io", "leases", "get", "list", "create", "update", "delete") in shards["rules"]


def test_a_program_that_is_limited_to_namespaces_is_bound_there_alone() -> None:
    """But for what is in no namespace."""
    objects = objects_of(described(settings={"namespaces": ["a", "b"]}))
    bound = {
        (one["kind"], one["metadata"].get("namespace"), one["roleRef"]["name"])
        for one in objects
        if one["kind"].endswith("Binding") and one["roleRef"]["kind"] == "ClusterRole"
    }
    assert bound == {
        ("RoleBinding", "a", "cache-operator"),
        ("RoleBinding", "b", "cache-operator"),
        ("ClusterRoleBinding", None, "cache-operator-cluster"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "`ctrlkit rbac TESTS"),
        ("a: [", "it is no YAML"),
        ("kind: ConfigMap", "there is no Role and no ClusterRole"),
        ("kind: Role\nrules: [{resources: pods}]", "a rule of Role None is not of the form"),
        ("kind: ClusterRole\naggregationRule: {clusterRoleSelectors: []}", "write its rules out"),
    ],
)
def test_a_file_of_roles_that_cannot_be_used_is_named(text: str | None, said: str, tmp_path: Any) -> None:
    """With what makes one."""
    path = tmp_path / "rbac.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=said) as raised:
        read_roles(path)
    assert str(path) in str(raised.value)


def test_a_program_without_kinds_of_its_own_has_no_definitions() -> None:
    """Its controllers are for kinds that are there."""
    description = description_of(described().program, roles=[{"kind": "ClusterRole", "rules": []}])
    assert "CustomResourceDefinition" not in {one["kind"] for one in objects_of(description)}


def test_kinds_of_others_without_namespaces_are_known_where_the_program_names_them() -> None:
    """Rights to them are of use in a ClusterRoleBinding alone."""
    theirs = ModuleType("theirs")
    theirs.ZONES = custom_resource(group="other.example.com", kind="Zone", plural="zones", scope=Scope.CLUSTER)  # type: ignore[attr-defined]
    role = {"kind": "ClusterRole", "rules": [rule("other.example.com", "zones", "list", "watch")]}
    program = described(settings={"namespaces": ["a"]}).program
    cluster = the("ClusterRole", description_of(program, theirs, roles=[role]), "cache-operator-cluster")
    assert cluster["rules"] == role["rules"]


def test_who_may_create_events_may_count_them() -> None:
    """No test has to tell the same twice, and any program will."""
    role = {"kind": "ClusterRole", "rules": [rule("", "events", "create"), rule("", "pods", "create")]}
    made = the("ClusterRole", description_of(described().program, roles=[role]))
    assert made["rules"] == [rule("", "events", "create", "patch"), rule("", "pods", "create")]


def test_an_option_that_there_is_not_is_refused() -> None:
    """Such as one for webhooks, of a program that has none."""
    with pytest.raises(ValueError, match="there is no option certManager"):
        objects_of(described(), options=["certManager"])
