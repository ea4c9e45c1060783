"""The manifests: complete, fitting to the code, and no permission too many."""

from __future__ import annotations

import functools
import re
from base64 import b64decode
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.credentials import PASSWORD_KEY, USER_KEY
from ctrlkit.bitcoin.manifests import NAMES, manifest, manifests, objects
from ctrlkit.bitcoin.names import service_name, statefulset_name
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork, Status
from ctrlkit.bitcoin.network_v1 import BITCOIN_NETWORKS_V1
from ctrlkit.bitcoin.run import ANSWER_LIMIT_S
from ctrlkit.crd import definition_of
from ctrlkit.deploy import describe, differences, files_of, load_program
from ctrlkit.deploy.rights import read_roles
from ctrlkit.errors import Invalid
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.rights import least_roles, rules_of
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.manager.endpoints.server import SHUTDOWN_S
from ctrlkit.manager.manager import FLUSH_S
from ctrlkit.model import Action, MergePatch, to_plain
from ctrlkit.telemetry import LogFormat
from tests.bitcoin.deployed import OWN_NAMESPACE, deployed, pods_of_the_deployment, the_deployment
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import LIFE, NETWORKS, loose_definition, scene_with, whole_life

Permission = tuple[str, str, str]

ASKED_FOR_BY_ADMISSION = {("update", BITCOIN_NETWORKS.group, "bitcoinnetworks/finalizers")}
"""No call of ours: clusters that check who may block an owner's deletion want the permission."""

ASKED_FOR_AT_THE_START = {("get", "apiextensions.k8s.io", "customresourcedefinitions")}
"""By the program, which holds the definition against the type; a World's managers do not ask."""


REPEATED_EVENTS = ("patch", "", "events")
"""An Event that is told again, such as of a Lease that went and came, is patched; here that does not happen."""

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "controllers" / "bitcoin" / "deploy"


def test_base_and_chart_are_what_the_code_says() -> None:
    """`ctrlkit manifests`, in the repository's folder, writes them."""
    program = load_program(REPOSITORY)
    assert differences(files_of(describe(program, REPOSITORY)), REPOSITORY / program.folder) == []
    assert REPOSITORY / program.folder == DEPLOY
    assert program.version == version("ctrlkit")


def _definition() -> Tracker:
    return FakeClientset(None, *objects("crd")).tracker


def _network(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "net", "namespace": "default"}
    return {
        "apiVersion": BITCOIN_NETWORKS.api_version,
        "kind": "BitcoinNetwork",
        "metadata": metadata,
        "spec": spec,
    }


def test_the_stream_holds_all_objects_in_the_order_a_cluster_takes_them() -> None:
    """The definition before what is defined by it, the namespace before what is in it."""
    kinds = [item["kind"] for item in yaml.safe_load_all(manifests())]
    assert kinds == [
        "CustomResourceDefinition",
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "Secret",
        "Service",
        "Service",
        "Deployment",
        "PodDisruptionBudget",
        "BitcoinNetwork",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_server_takes_each_manifest(name: str) -> None:
    """Applied one after the other, as `kubectl apply` would."""
    tracker = Tracker()
    for earlier in NAMES[: NAMES.index(name) + 1]:
        for item in objects(earlier):
            seed(tracker, item)
    assert manifest(name).startswith("#")


def test_the_definition_is_made_of_the_type() -> None:
    """Group, versions, plural and kind are what the controller asks for, and all is that of `ctrlkit crd`."""
    (crd,) = objects("crd")
    made = definition_of(BITCOIN_NETWORKS, BITCOIN_NETWORKS_V1, conversion=crd["spec"]["conversion"])
    assert {**crd, "metadata": {"name": crd["metadata"]["name"]}} == made
    spec = crd["spec"]
    version, former = spec["versions"]
    assert (spec["group"], version["name"]) == (BITCOIN_NETWORKS.group, BITCOIN_NETWORKS.version)
    assert (version["storage"], former["name"], former["served"]) == (True, "v1", True)
    assert (spec["names"]["plural"], spec["names"]["kind"]) == (BITCOIN_NETWORKS.plural, BITCOIN_NETWORKS.kind)
    fields = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert fields.keys() == to_plain(Status()).keys()


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"nodes": -1},
        {"nodes": 101},
        {"nodes": "3"},
        {"nodes": 1, "secret": 5},
        {"nodes": 1, "secret": ""},
        {"nodes": 1, "secret": "a/b"},
    ],
)
def test_the_definition_refuses_what_the_controller_could_not_read(spec: dict[str, Any]) -> None:
    """The server says so at once, rather than the controller later."""
    with pytest.raises(Invalid):
        seed(_definition(), _network(**spec))


@functools.cache
def _rule_of_names() -> dict[str, Any]:
    (crd,) = objects("crd")
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    rule: dict[str, Any] = schema["properties"]["metadata"]["properties"]["name"]
    return rule


@given(st.from_regex(r"[-a-z0-9.]{1,60}", fullmatch=True))
def test_for_any_name_the_definition_takes_it_if_the_children_can_carry_it(name: str) -> None:
    """A Service's name begins with a letter and has no dot; a pod's label holds the StatefulSet's name and a hash."""
    rule = _rule_of_names()
    takes = re.search(rule["pattern"], name) is not None and len(name) <= rule["maxLength"]
    label = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
    carries = all(label.fullmatch(part) for part in (name, service_name(name)))
    assert takes == (carries and len(f"{statefulset_name(name)}-0123456789") <= 63)


def test_the_sample_network_names_the_sample_secret() -> None:
    """Whose credentials are the ones the original's examples use."""
    (secret,), (network,) = objects("secret"), objects("network")
    assert network["spec"] == {"nodes": 3, "secret": secret["metadata"]["name"]}
    assert secret["metadata"]["name"] == "bitcoin-default-secret"
    assert {key: b64decode(value) for key, value in secret["data"].items()} == {
        USER_KEY: b"bc-user",
        PASSWORD_KEY: b"bc-password",
    }


async def test_the_definition_serves_status_and_scale() -> None:
    """`kubectl scale btcnet` works, and the network's spec cannot be changed through its status."""
    clientset = FakeClientset(None, *objects("crd"), _network(nodes=3))
    scale = await clientset.client.set_scale(NETWORKS, "default/net", 5)
    assert scale.spec_replicas == 5
    await clientset.client.patch(
        NETWORKS, "default/net", MergePatch({"spec": {"nodes": 1}, "status": {"readyNodes": 2}}), subresource="status"
    )
    network = await clientset.client.get(BITCOIN_NETWORKS, "default/net")
    assert isinstance(network, BitcoinNetwork)
    assert (network.spec.nodes, network.status.ready_nodes) == (5, 2)


def _granted(kind: str) -> set[Permission]:
    """What the ClusterRoles, or the Role in the controller's own namespace, allow."""
    return {
        (verb, group, resource)
        for role in objects("rbac")
        if role["kind"] == kind
        for rule in role["rules"]
        if not _is_of_webhooks(rule)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _is_of_webhooks(rule: dict[str, Any]) -> bool:
    """Whether a rule is about what the keeper of certificates writes; a World's managers have none."""
    is_named = any(name.endswith(("-webhooks", BITCOIN_NETWORKS.group)) for name in rule.get("resourceNames") or ())
    return is_named or (rule["resources"], rule["verbs"]) == (["secrets"], ["create"])


def _used(actions: Iterable[Action]) -> set[Permission]:
    return {
        (
            action.verb.value,
            action.resource.group,
            f"{action.resource.plural}/{action.subresource}" if action.subresource else action.resource.plural,
        )
        for action in actions
    }


async def test_the_permissions_are_those_that_are_used_and_no_others() -> None:
    """Every call of a whole life is granted, and every grant is used."""
    crd = loose_definition()
    nodes, there = MemoryNodes(), [item for item in objects("rbac") if item["kind"] == "Namespace"]
    async with scene_with(
        nodes, *there, crd=crd, cluster=LIFE, settings=deployed(lease_namespace=OWN_NAMESPACE)
    ) as scene:
        await whole_life(scene)
        await scene.world.stop(scene.manager)
        actions = scene.world.clientset.actions
    at_home = [action for action in actions if action.namespace == OWN_NAMESPACE]
    elsewhere = [action for action in actions if action.namespace != OWN_NAMESPACE]
    assert _used(at_home) == _granted("Role") - {REPEATED_EVENTS}
    made = {("create", group, resource) for verb, group, resource in _used(elsewhere) if verb == "patch"}
    used = _used(elsewhere) | (made & _granted("ClusterRole"))  # what is applied may be made by that
    assert used == _granted("ClusterRole") - ASKED_FOR_BY_ADMISSION - ASKED_FOR_AT_THE_START
    roles = least_roles(scene.world.rights_used("first"), home=OWN_NAMESPACE)
    rules = [item["rules"] for item in read_roles(DEPLOY / "rbac.yaml")]
    assert rules == [rules_of(roles.everywhere), rules_of(roles.at_home)]


async def test_secrets_can_only_be_read_one_by_one() -> None:
    """Who may list secrets has them all; those of networks are made and changed."""
    verbs = {verb for verb, _, resource in _granted("ClusterRole") if resource == "secrets"}
    assert verbs == {"get", "create", "patch"}


def test_every_binding_binds_a_role_that_is_there_to_the_account_that_the_pods_use() -> None:
    """All in the one namespace."""
    there = {(item["kind"], item["metadata"]["name"]) for item in objects("rbac")}
    deployment = the_deployment()
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    bindings = [item for item in objects("rbac") if item["kind"].endswith("Binding")]
    for binding in bindings:
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in there
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": OWN_NAMESPACE}]
    namespaces = {item["metadata"]["namespace"] for item in objects("rbac") if "namespace" in item["metadata"]}
    assert (len(bindings), namespaces, deployment["metadata"]["namespace"]) == (3, {OWN_NAMESPACE}, OWN_NAMESPACE)


def test_the_deployment_serves_metrics_and_health_where_probes_and_scrapers_look() -> None:
    """One port by name; both probes ask for it, the annotations give its number."""
    template, container = pods_of_the_deployment()
    port = next(port for port in container["ports"] if port["name"] == "metrics")
    endpoints = deployed().endpoints
    assert endpoints is not None
    assert (endpoints.host, endpoints.port, port["name"]) == ("", port["containerPort"], "metrics")
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port["name"], "scheme": "HTTP"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"], "scheme": "HTTP"}
    annotations = template["metadata"]["annotations"]
    told = tuple(annotations[f"prometheus.io/{name}"] for name in ("scrape", "port", "path"))
    assert told == ("true", str(port["containerPort"]), "/metrics")


def test_the_deployment_has_two_replicas_of_which_one_leads_and_logs_that_programs_read() -> None:
    """So a rolling update leaves nobody without a controller, and never with two that work."""
    deployment = the_deployment()
    settings = deployed()
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert (settings.leader_elect, settings.lease_name) == (True, "bitcoin-controller")
    assert settings.log_format is LogFormat.JSON


def test_a_pod_is_given_the_time_that_an_orderly_end_takes() -> None:
    """Running reconciles, the last Events, the lease, the Event about it, and open connections to the endpoints."""
    template, _ = pods_of_the_deployment()
    settings = deployed()
    needed_s = settings.grace_s + FLUSH_S + settings.renew_s + FLUSH_S + SHUTDOWN_S
    assert template["spec"]["terminationGracePeriodSeconds"] > needed_s


def test_probes_do_not_kill_a_pod_that_asks_a_slow_server_first() -> None:
    """Endpoints are served after that."""
    _, container = pods_of_the_deployment()
    probe = container["startupProbe"]
    assert probe["httpGet"]["path"] == "/healthz"
    assert probe["periodSeconds"] * probe["failureThreshold"] > ANSWER_LIMIT_S
