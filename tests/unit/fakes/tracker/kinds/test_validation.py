"""What the tracker refuses of objects of built-in kinds, in a real server's words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.errors import ApiError, Invalid
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.model import AnyResource, MergePatch, StrategicMergePatch
from ctrlkit.model.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    LEASES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICES,
    STATEFULSETS,
)
from tests.support.objects import CONTAINERS, LABELS, a_pod, a_workload

META = {"name": "one", "namespace": "default"}
RBAC = "rbac.authorization.k8s.io"


def refusal(resource: AnyResource, body: dict[str, Any]) -> Invalid:
    with pytest.raises(Invalid) as caught:
        Tracker().create(resource, body)
    return caught.value


def container(**fields: Any) -> dict[str, Any]:
    return a_pod(containers=[CONTAINERS[0] | fields])


def service(**spec: Any) -> dict[str, Any]:
    return {"metadata": META, "spec": {"ports": [{"port": 80}]} | spec}


def claim(**spec: Any) -> dict[str, Any]:
    whole = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}} | spec
    return {"metadata": META, "spec": whole}


NO_MATCH = 'spec.template.metadata.labels: Invalid value: {"app":"node"}: `selector` does not match template `labels`'
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)

CASES: list[tuple[AnyResource, dict[str, Any], str]] = [
    (PODS, a_pod(containers=[]), "spec.containers: Required value"),
    (PODS, container(image=""), "spec.containers[0].image: Required value"),
    (PODS, container(name="A"), f'spec.containers[0].name: Invalid value: "A": {LABEL}'),
    (PODS, a_pod(containers=CONTAINERS * 2), 'spec.containers[1].name: Duplicate value: "main"'),
    (
        PODS,
        container(imagePullPolicy="Sometimes"),
        'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: '
        '"Always", "IfNotPresent", "Never"',
    ),
    (PODS, container(ports=[{"name": "p"}]), "spec.containers[0].ports[0].containerPort: Required value"),
    (
        PODS,
        container(ports=[{"containerPort": 70000}]),
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ),
    (
        PODS,
        container(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ),
    (
        PODS,
        container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    (
        PODS,
        container(readinessProbe={}),
        "spec.containers[0].readinessProbe: Required value: must specify a handler type",
    ),
    (
        PODS,
        a_pod(restartPolicy="Maybe"),
        'spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"',
    ),
    (
        PODS,
        a_pod(securityContext={"appArmorProfile": {"type": "Odd"}}),
        'spec.securityContext.appArmorProfile.type: Unsupported value: "Odd": supported values: '
        '"Localhost", "RuntimeDefault", "Unconfined"',
    ),
    (
        PODS,
        a_pod(securityContext={"appArmorProfile": {"type": "Localhost"}}),
        "spec.securityContext.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is "
        "Localhost",
    ),
    (
        STATEFULSETS,
        a_workload(selector=None),
        f"[spec.selector: Required value, {NO_MATCH}]",
    ),
    (STATEFULSETS, a_workload(selector={"matchLabels": {"app": "x"}}), NO_MATCH),
    (
        DEPLOYMENTS,
        a_workload(selector={"matchLabels": LABELS, "matchExpressions": [{"key": "app", "operator": "Odd"}]}),
        '[spec.selector.matchExpressions[0].operator: Invalid value: "Odd": not a valid selector operator, '
        'spec.selector: Invalid value: {"matchLabels":{"app":"node"},"matchExpressions":[{"key":"app",'
        '"operator":"Odd"}]}: invalid label selector]',
    ),
    (
        STATEFULSETS,
        a_workload(selector={}),
        "spec.selector: Invalid value: {}: empty selector is invalid for statefulset",
    ),
    (
        STATEFULSETS,
        a_workload(replicas=-1),
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    ),
    (
        STATEFULSETS,
        a_workload(podManagementPolicy="X"),
        "spec.podManagementPolicy: Invalid value: \"X\": must be 'OrderedReady' or 'Parallel'",
    ),
    (STATEFULSETS, a_workload("a.b"), 'metadata.name: Invalid value: "a.b": must not contain dots'),
    (
        DEPLOYMENTS,
        a_workload(strategy={"type": "Recreate", "rollingUpdate": {}}),
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ),
    (SERVICES, service(ports=[]), "spec.ports: Required value"),
    (
        SERVICES,
        service(ports=[{"port": 1}, {"port": 2}]),
        "[spec.ports[0].name: Required value, spec.ports[1].name: Required value]",
    ),
    (
        SERVICES,
        service(type="Odd"),
        'spec.type: Unsupported value: "Odd": supported values: '
        '"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ),
    (SERVICES, service(type="ExternalName"), "spec.externalName: Required value"),
    (
        SERVICES,
        service(clusterIP="x"),
        'spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ),
    (
        CONFIG_MAPS,
        {"metadata": META, "data": {"a b": "1"}},
        "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or "
        "'.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    ),
    (
        SECRETS,
        {"metadata": META, "type": "kubernetes.io/tls", "data": {"tls.crt": ""}},
        "data[tls.key]: Required value",
    ),
    (PERSISTENT_VOLUME_CLAIMS, claim(resources={}), "spec.resources[storage]: Required value"),
    (
        PERSISTENT_VOLUME_CLAIMS,
        claim(accessModes=[]),
        "spec.accessModes: Required value: at least 1 access mode is required",
    ),
    (
        LEASES,
        {"metadata": META, "spec": {"leaseDurationSeconds": 0}},
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
    ),
    (
        EVENTS,
        {"metadata": META, "involvedObject": {"namespace": "other"}},
        'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
    ),
    (
        ROLES,
        {"metadata": META, "rules": [{"apiGroups": [""], "resources": ["pods"]}]},
        "rules[0].verbs: Required value: verbs must contain at least one value",
    ),
    (
        ROLE_BINDINGS,
        {"metadata": META, "roleRef": {"kind": "Rule", "name": "r"}},
        'roleRef.kind: Unsupported value: "Rule": supported values: "Role", "ClusterRole"',
    ),
    (
        CONFIG_MAPS,
        {"metadata": META | {"finalizers": ["hold"]}},
        'metadata.finalizers[0]: Invalid value: "hold": name is neither a standard finalizer name nor is it fully '
        "qualified",
    ),
    (
        CONFIG_MAPS,
        {"metadata": META | {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": ""}]}},
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
    ),
    (
        CONFIG_MAPS,
        {"metadata": META | {"labels": {"a": "-"}}},
        'metadata.labels: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric '
        "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
        "'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    ),
]


@pytest.mark.behaviour("T10", "X10")
@pytest.mark.parametrize(("resource", "body", "text"), CASES)
async def test_what_breaks_a_rule_is_refused(resource: AnyResource, body: dict[str, Any], text: str) -> None:
    error = refusal(resource, body)
    assert error.message.partition(" is invalid: ")[2] == text
    assert all(f"{cause['field']}: {cause['message']}" in text for cause in error.details["causes"])


SEALED = "field is immutable when `immutable` is set"
CHANGES: list[tuple[AnyResource, dict[str, Any], dict[str, Any], str]] = [
    (
        STATEFULSETS,
        a_workload(),
        {"serviceName": "other"},
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
        "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
        "forbidden",
    ),
    (
        SERVICES,
        service(),
        {"clusterIP": "10.0.9.9"},
        'spec.clusterIPs[0]: Invalid value: ["10.0.9.9"]: may not change once set',
    ),
    (
        PODS,
        a_pod(),
        {"containers": []},
        "[spec.containers: Required value, spec.containers: Forbidden: pod updates may not",
    ),
    (PODS, a_pod(), {"hostname": "h"}, "spec: Forbidden: pod updates may not change fields other than"),
    (
        PERSISTENT_VOLUME_CLAIMS,
        claim(),
        {"accessModes": ["ReadWriteMany"]},
        "spec: Forbidden: spec is immutable after creation",
    ),
]


@pytest.mark.behaviour("T10")
@pytest.mark.parametrize(("resource", "body", "change", "text"), CHANGES)
async def test_what_is_immutable_stays(
    resource: AnyResource, body: dict[str, Any], change: dict[str, Any], text: str
) -> None:
    tracker = Tracker()
    made = tracker.create(resource, body)
    key = f"default/{made.metadata.name}"
    with pytest.raises(Invalid) as caught:
        tracker.patch(resource, key, MergePatch({"spec": change}))
    assert caught.value.message.partition(" is invalid: ")[2].startswith(text)
    assert tracker.get(resource, key) == made


async def test_a_pods_image_and_added_tolerations_may_change() -> None:
    tracker = Tracker()
    tracker.create(PODS, a_pod())
    patch = StrategicMergePatch({"spec": {"containers": [{"name": "main", "image": "img:2"}]}})
    assert tracker.patch(PODS, "default/p", patch).at("spec.containers")[0]["image"] == "img:2"
    patch = StrategicMergePatch({"spec": {"tolerations": [{"key": "k", "operator": "Exists"}]}})
    assert len(tracker.patch(PODS, "default/p", patch).at("spec.tolerations")) == 3


async def test_what_a_pod_tolerates_is_not_taken_back() -> None:
    """For how long it does may change."""
    tracker = Tracker()
    mine = {"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
    made = tracker.create(PODS, a_pod(tolerations=[mine]))
    others = [one for one in made.at("spec.tolerations") if one["key"] != "k"]
    for change in ([], [mine | {"operator": "Equal", "value": "v"}]):
        with pytest.raises(Invalid, match=r"spec\.tolerations: Forbidden: existing toleration can not be modified"):
            tracker.patch(PODS, "default/p", MergePatch({"spec": {"tolerations": [*others, *change]}}))
    longer = [*others, mine | {"tolerationSeconds": 60}]
    changed = tracker.patch(PODS, "default/p", MergePatch({"spec": {"tolerations": longer}}))
    assert changed.at("spec.tolerations") == longer


@pytest.mark.parametrize("name", ["volumeName", "storageClassName"])
async def test_a_claim_names_its_volume_and_its_class_once(name: str) -> None:
    tracker = Tracker()
    tracker.create(PERSISTENT_VOLUME_CLAIMS, claim())
    for _ in range(2):
        changed = tracker.patch(PERSISTENT_VOLUME_CLAIMS, "default/one", MergePatch({"spec": {name: "a"}}))
        assert changed.at(f"spec.{name}") == "a"
    with pytest.raises(Invalid, match="spec: Forbidden: spec is immutable after creation"):
        tracker.patch(PERSISTENT_VOLUME_CLAIMS, "default/one", MergePatch({"spec": {name: "b"}}))


async def test_sealed_data_and_a_secrets_type_and_a_bindings_role_are_immutable() -> None:
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, {"metadata": META, "data": {"a": "1"}, "immutable": True})
    for change in ({"data": {"a": "2"}}, {"immutable": False}):
        with pytest.raises(Invalid, match=SEALED):
            tracker.patch(CONFIG_MAPS, "default/one", MergePatch(change))
    tracker.create(SECRETS, {"metadata": META})
    with pytest.raises(Invalid, match='type: Invalid value: "x": field is immutable'):
        tracker.patch(SECRETS, "default/one", MergePatch({"type": "x"}))
    tracker.create(ROLE_BINDINGS, {"metadata": META, "roleRef": {"kind": "Role", "name": "r"}})
    text = f'roleRef: Invalid value: {{"APIGroup":"{RBAC}","Kind":"Role","Name":"s"}}: cannot change roleRef'
    with pytest.raises(Invalid) as caught:
        tracker.patch(ROLE_BINDINGS, "default/one", MergePatch({"roleRef": {"name": "s"}}))
    assert text in caught.value.message


def affine(zone: str) -> dict[str, Any]:
    """The affinity of a volume to a zone's nodes."""
    expression = {"key": "zone", "operator": "In", "values": [zone]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


@pytest.mark.parametrize("field", ["storageClassName", "volumeAttributesClassName"])
async def test_the_claim_of_an_ephemeral_volume_names_classes_that_can_be(field: str) -> None:
    """No class is one, too."""

    def pod(name: str) -> dict[str, Any]:
        template = {"spec": claim(**{field: name})["spec"]}
        return a_pod(volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}])

    (cause,) = refusal(PODS, pod("A_b")).details["causes"]
    assert cause["field"] == f"spec.volumes[0].ephemeral.volumeClaimTemplate.spec.{field}"
    assert cause["message"].startswith('Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of')
    for name in ("fast", ""):
        made = Tracker().create(PODS, pod(name))
        assert made.at("spec.volumes")[0]["ephemeral"]["volumeClaimTemplate"]["spec"][field] == name


async def test_the_nodes_of_a_volume_stay_and_the_refusal_shows_the_others() -> None:
    """In the server's own form, and as null where none are left."""
    tracker = Tracker()
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/a"}}
    tracker.create(PERSISTENT_VOLUMES, {"metadata": {"name": "v"}, "spec": spec | {"nodeAffinity": affine("a")}})
    term = '{"MatchExpressions":[{"Key":"zone","Operator":"In","Values":["b"]}],"MatchFields":null}'
    for change, shown in ((affine("b"), f'{{"Required":{{"NodeSelectorTerms":[{term}]}}}}'), (None, "null")):
        with pytest.raises(Invalid) as caught:
            tracker.patch(PERSISTENT_VOLUMES, "v", MergePatch({"spec": {"nodeAffinity": change}}))
        text = f"nodeAffinity: Invalid value: {shown}: field is immutable, except for updating from beta label to GA"
        assert caught.value.message.partition(" is invalid: ")[2] == text


async def test_the_base_of_a_made_up_name_is_held_against_the_same_rules() -> None:
    error = refusal(CONFIG_MAPS, {"metadata": {"generateName": "Bad-", "namespace": "default"}})
    assert {cause["field"] for cause in error.details["causes"]} == {"metadata.generateName", "metadata.name"}
    body = {"metadata": {"generateName": "good-", "namespace": "default"}}
    assert Tracker().create(CONFIG_MAPS, body).metadata.name.startswith("good-")


async def test_a_stateful_sets_status_adds_up() -> None:
    tracker = Tracker()
    made = tracker.create(STATEFULSETS, a_workload())
    with pytest.raises(
        Invalid, match=r"status\.readyReplicas: Invalid value: 2: cannot be greater than status\.replicas"
    ):
        tracker.update(STATEFULSETS, made | {"status": {"replicas": 1, "readyReplicas": 2}}, subresource="status")


@given(st.text(max_size=70))
def test_for_any_text_a_label_value_is_refused_or_kept(text: str) -> None:
    body = {"metadata": META | {"labels": {"a": text}}}
    if formats.label_value(text):
        refusal(CONFIG_MAPS, body)
    else:
        assert Tracker().create(CONFIG_MAPS, body).at("metadata.labels") == {"a": text}


async def test_a_refusal_leaves_nothing() -> None:
    tracker = Tracker()
    version = tracker.version
    for resource, body, _ in CASES:
        with pytest.raises(ApiError):
            tracker.create(resource, body)
    assert tracker.version == version
