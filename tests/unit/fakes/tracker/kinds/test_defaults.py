"""What the server fills into objects of built-in kinds, and what it keeps of what it is given."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.errors import Conflict, Invalid
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.kinds.core.pod_resources import quality_of_service
from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.fakes.tracker.schema.types import types_of
from ctrlkit.model import Action, MergePatch, Unstructured, Verb, custom_resource
from ctrlkit.model.kinds import (
    BUILT_IN,
    DEPLOYMENTS,
    EVENTS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    RESOURCE_QUOTAS,
    ROLE_BINDINGS,
    ROLES,
    SERVICES,
    STATEFULSETS,
)
from tests.support.objects import CONTAINERS, a_pod, a_workload

META = {"name": "one", "namespace": "default"}


def a_service(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": [{"port": 80}]} | spec}


def made_pod(**spec: Any) -> Unstructured:
    return Tracker().create(PODS, a_pod(**spec))


@pytest.mark.behaviour("T10")
async def test_a_pod_gets_the_defaults_of_its_spec_and_the_admission_plug_ins() -> None:
    spec = made_pod()["spec"]
    (container,) = spec.pop("containers")
    assert container == CONTAINERS[0] | {
        "resources": {},
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    tolerations = [(one["key"], one["tolerationSeconds"]) for one in spec.pop("tolerations")]
    assert tolerations == [("node.kubernetes.io/not-ready", 300), ("node.kubernetes.io/unreachable", 300)]
    assert spec == {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "priority": 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("img", "Always"),
        ("img:latest", "Always"),
        ("img:1", "IfNotPresent"),
        ("host:5000/img", "Always"),
        ("img@sha256:0", "IfNotPresent"),
    ],
)
async def test_what_is_not_pinned_is_always_pulled(image: str, policy: str) -> None:
    pod = made_pod(containers=[{"name": "c", "image": image}])
    assert pod.at("spec.containers")[0]["imagePullPolicy"] == policy


async def test_probes_ports_variables_and_volumes_have_defaults_of_their_own() -> None:
    container = CONTAINERS[0] | {
        "ports": [{"containerPort": 80}],
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}, {"name": "E", "value": ""}],
        "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 5},
        "volumeMounts": [{"name": "s", "mountPath": "/s"}],
    }
    volumes = [{"name": "s", "secret": {"secretName": "s"}}, {"name": "e"}, {"name": "p", "projected": {"sources": []}}]
    spec = made_pod(containers=[container], volumes=volumes, serviceAccountName="sa")["spec"]
    (container,) = spec["containers"]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert container["env"][1] == {"name": "E"}
    assert container["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "periodSeconds": 5,
        "timeoutSeconds": 1,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert spec["volumes"] == [
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 420}},
        {"name": "e", "emptyDir": {}},
        {"name": "p", "projected": {"sources": None, "defaultMode": 420}},
    ]
    assert spec["serviceAccount"] == "sa"


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"requests": {"cpu": "1000m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1024Mi"}}, "Guaranteed"),
        ({"requests": {"cpu": "1"}, "limits": {"cpu": "1", "memory": "1Gi"}}, "Burstable"),
        ({"requests": {"storage": "1Gi"}}, "BestEffort"),
    ],
)
def test_a_pods_class_follows_from_what_it_asks_for(resources: dict[str, Any], quality: str) -> None:
    assert quality_of_service({"containers": [{"resources": resources}]}) == quality


@pytest.mark.parametrize(
    ("annotation", "profile"),
    [
        ("runtime/default", {"type": "RuntimeDefault"}),
        ("localhost/strict", {"type": "Localhost", "localhostProfile": "strict"}),
        ("unconfined", None),
    ],
)
def test_an_apparmor_annotation_becomes_the_field_of_its_container(
    annotation: str, profile: dict[str, Any] | None
) -> None:
    """Unless the pod has the same profile for all of them."""
    pod = a_pod(securityContext={"appArmorProfile": {"type": "Unconfined"}})
    pod["metadata"]["annotations"] = {"container.apparmor.security.beta.kubernetes.io/main": annotation}
    (container,) = Tracker().create(PODS, pod).at("spec.containers")
    assert container.get("securityContext") == (profile and {"appArmorProfile": profile})


async def test_limits_are_requests_where_none_are_made_and_quantities_have_one_form() -> None:
    pod = made_pod(containers=[CONTAINERS[0] | {"resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}}])
    wanted = {"cpu": "500m", "memory": "1Gi"}
    assert pod.at("spec.containers")[0]["resources"] == {"limits": wanted, "requests": wanted}
    assert pod.at("status.qosClass") == "Guaranteed"


async def test_a_stateful_set_gets_its_defaults_and_a_status_of_nothing() -> None:
    size = {"requests": {"storage": "1Gi"}}
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": size}}
    made = Tracker().create(STATEFULSETS, a_workload(volumeClaimTemplates=[claim]))
    template = made["spec"]["template"]["spec"]
    assert template["dnsPolicy"] == "ClusterFirst"
    assert "enableServiceLinks" not in template
    wanted = {
        "replicas": 1,
        "serviceName": "",
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "revisionHistoryLimit": 10,
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
    }
    assert wanted.items() <= made["spec"].items()
    (claim,) = made["spec"]["volumeClaimTemplates"]
    assert (claim["kind"], claim["status"], claim["spec"]["volumeMode"]) == (
        "PersistentVolumeClaim",
        {"phase": "Pending"},
        "Filesystem",
    )
    assert made["status"] == {"replicas": 0, "availableReplicas": 0}


async def test_a_deployment_rolls_by_a_quarter() -> None:
    spec = Tracker().create(DEPLOYMENTS, a_workload(replicas=0))["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (0, 10, 600)


async def test_services_get_addresses_that_nobody_else_has_until_they_go() -> None:
    tracker = Tracker()
    first = tracker.create(SERVICES, a_service("a"))
    address = first.at("spec.clusterIP")
    assert first.at("spec.clusterIPs") == [address]
    assert first.at("spec.ports") == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert tracker.create(SERVICES, a_service("b")).at("spec.clusterIP") != address
    with pytest.raises(Invalid, match="provided IP is already allocated"):
        tracker.create(SERVICES, a_service("c", clusterIP=address))
    with pytest.raises(Invalid, match="does not match the current range"):
        tracker.create(SERVICES, a_service("c", clusterIP="1.2.3.4"))
    tracker.delete(SERVICES, "default/a")
    assert tracker.create(SERVICES, a_service("c", clusterIP=address)).at("spec.clusterIP") == address


async def test_a_service_keeps_its_address_and_ports_when_an_update_leaves_them_out() -> None:
    tracker = Tracker()
    made = tracker.create(SERVICES, a_service(type="NodePort"))
    port = made.at("spec.ports")[0]["nodePort"]
    assert 30000 <= port < 32768
    again = tracker.update(SERVICES, a_service(type="NodePort", selector={"a": "b"}))
    assert again.at("spec.clusterIP") == made.at("spec.clusterIP")
    assert again.at("spec.ports")[0]["nodePort"] == port
    taken = a_service("other", type="NodePort", ports=[{"port": 1, "nodePort": port}])
    with pytest.raises(Invalid, match="provided port is already allocated"):
        tracker.create(SERVICES, taken)
    external = tracker.create(SERVICES, a_service("x", type="ExternalName", externalName="a.example", ports=[]))
    assert "clusterIP" not in external["spec"]


async def test_a_headless_service_that_becomes_an_external_name_has_no_addresses() -> None:
    """Neither none nor an empty list of them."""
    tracker = Tracker()
    tracker.create(SERVICES, a_service(clusterIP="None"))
    patch = MergePatch({"spec": {"type": "ExternalName", "externalName": "a.example", "clusterIP": None}})
    external = tracker.patch(SERVICES, "default/web", patch)
    assert {"clusterIP", "clusterIPs"}.isdisjoint(external["spec"])


async def test_a_dry_run_takes_no_address() -> None:
    tracker = Tracker()
    options = Action(verb=Verb.CREATE, resource=SERVICES).options
    dry = tracker.create(SERVICES, a_service("a"), type(options)(dry_run=True))
    assert tracker.create(SERVICES, a_service("b")).at("spec.clusterIP") == dry.at("spec.clusterIP")


async def test_bindings_claims_and_events_are_completed() -> None:
    tracker = Tracker()
    subjects = [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "default"}]
    body = {"metadata": META, "roleRef": {"kind": "Role", "name": "r"}, "subjects": subjects}
    binding = tracker.create(ROLE_BINDINGS, body)
    assert binding.at("roleRef.apiGroup") == "rbac.authorization.k8s.io"
    assert [one.get("apiGroup") for one in binding["subjects"]] == ["rbac.authorization.k8s.io", None]
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    claim = tracker.create(PERSISTENT_VOLUME_CLAIMS, {"metadata": META, "spec": spec})
    assert (claim["spec"], claim["status"]) == (spec | {"volumeMode": "Filesystem"}, {"phase": "Pending"})
    event = tracker.create(EVENTS, {"metadata": META, "involvedObject": {"namespace": "default"}})
    assert (event["source"], event["eventTime"], event["reportingComponent"]) == ({}, None, "")
    assert tracker.create(ROLES, {"metadata": META})["rules"] is None


async def test_empty_values_are_kept_only_where_they_are_told_from_none() -> None:
    security = {"privileged": False, "runAsUser": 0}
    spec = made_pod(hostNetwork=False, nodeSelector={}, containers=[CONTAINERS[0] | {"securityContext": security}])
    assert not {"hostNetwork", "nodeSelector"} & spec["spec"].keys()
    assert spec.at("spec.containers")[0]["securityContext"] == security


async def test_a_pods_class_outlives_a_status_that_leaves_it_out() -> None:
    tracker = Tracker()
    made = tracker.create(PODS, a_pod())
    updated = tracker.update(PODS, made | {"status": {"phase": "Running"}}, subresource="status")
    assert updated["status"] == {"phase": "Running", "qosClass": "BestEffort"}
    condition = {"type": "Ready", "status": "True"}
    patch = MergePatch({"status": {"conditions": [condition]}})
    (shown,) = tracker.patch(PODS, "default/p", patch, subresource="status").at("status.conditions")
    assert shown == condition | {"lastProbeTime": None, "lastTransitionTime": None}


async def test_a_pod_is_bound_by_the_older_kind_too_and_that_counts_as_no_change_of_its_spec() -> None:
    tracker = Tracker()
    tracker.create(PODS, a_pod())
    binding = {"metadata": {"name": "p", "namespace": "default"}, "target": {"kind": "Node", "name": "n1"}}
    resource = custom_resource(group="", version="v1", kind="Binding", plural="bindings")
    action = Action(verb=Verb.CREATE, resource=resource, namespace="default", body=binding)
    tracker.call(action)
    pod = tracker.get(PODS, "default/p")
    assert (pod.at("spec.nodeName"), pod.metadata.generation) == ("n1", 1)
    with pytest.raises(Conflict):
        tracker.call(action)


@given(st.sampled_from([one for one in BUILT_IN if one.kind != "CustomResourceDefinition"]), st.data())
def test_for_any_object_reading_it_again_changes_nothing(resource: Any, data: st.DataObject) -> None:
    values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists, max_leaves=3)
    names = st.sampled_from(["metadata", "spec", "data", "status", "type", "bogus", "rules"])
    plain = data.draw(st.dictionaries(names, values))
    try:
        once, _ = typed.read(types_of(), resource, plain, {})
    except typed.DoesNotFit:
        return
    assert typed.read(types_of(), resource, once, {}) == (once, [])


async def test_an_update_without_change_of_a_defaulted_object_writes_nothing() -> None:
    tracker = Tracker()
    for resource, body in (
        (PODS, a_pod()),
        (STATEFULSETS, a_workload()),
        (DEPLOYMENTS, a_workload()),
        (SERVICES, a_service()),
    ):
        made = tracker.create(resource, body)
        version = tracker.version
        assert tracker.update(resource, made) == made
        assert tracker.update(resource, body | {"status": {}})["spec"] == made["spec"]
        assert tracker.version == version


@pytest.mark.parametrize(
    ("resource", "body", "path"),
    [
        (PERSISTENT_VOLUME_CLAIMS, {"spec": {"resources": {"requests": "$"}}}, "spec.resources.requests"),
        (PERSISTENT_VOLUMES, {"spec": {"capacity": "$", "hostPath": {"path": "/x"}}}, "spec.capacity"),
        (RESOURCE_QUOTAS, {"spec": {"hard": "$"}}, "spec.hard"),
        (NODES, {"status": {"capacity": "$"}}, "status.allocatable"),
    ],
)
def test_amounts_of_resources_are_kept_in_thousandths(resource: Any, body: dict[str, Any], path: str) -> None:
    """Whatever kind has them: what is smaller is rounded up."""
    given = json.loads(json.dumps(body).replace('"$"', '{"storage": "1500000001n"}'))
    given["spec"] = {"accessModes": ["ReadWriteOnce"], **given.get("spec", {})}
    metadata = {"name": "one", **({"namespace": "default"} if resource.namespaced else {})}
    if resource in (RESOURCE_QUOTAS, NODES):
        del given["spec"]["accessModes"]
    name = "requests.storage" if resource is RESOURCE_QUOTAS else "storage"
    if resource is RESOURCE_QUOTAS:
        given = {"spec": {"hard": {name: "1500000001n"}}}
    made = Tracker().create(resource, {"metadata": metadata, **given})
    assert made.at(path) == {name: "1501m"}
