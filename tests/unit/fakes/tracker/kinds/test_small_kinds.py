"""Defaults, refusals and answers of small kinds, as a real server gives them."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.errors import BadRequest, Forbidden, Invalid, MethodNotAllowed, NotFound
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.notices import noticed
from ctrlkit.model import Action, AnyResource, Options, Unstructured, Verb
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PODS, SECRETS, SERVICES

Plain = dict[str, Any]


def resource(tracker: Tracker, api_version: str, kind: str) -> AnyResource:
    """A kind by its apiVersion and kind."""
    served = tracker.registry.find_kind(api_version, kind)
    assert served is not None
    return served.resource


def create(tracker: Tracker, api_version: str, kind: str, name: str, **rest: Any) -> Unstructured:
    """Create an object, in the namespace default where the kind has namespaces."""
    found = resource(tracker, api_version, kind)
    metadata = {"name": name, **({"namespace": "default"} if found.namespaced else {})}
    return tracker.create(found, {"metadata": metadata, **rest})


def test_a_load_balancer_gets_ports_and_loses_them_with_its_type() -> None:
    tracker = Tracker()
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]}
    made = create(tracker, "v1", "Service", "lb", spec=spec)
    assert made.at("spec.healthCheckNodePort")
    assert made.at("spec.ports")[0]["nodePort"]

    plain = made.to_plain() if hasattr(made, "to_plain") else dict(made)
    plain["spec"] = {**plain["spec"], "type": "ClusterIP"}
    changed = tracker.update(SERVICES, plain)
    assert "nodePort" not in changed.at("spec.ports")[0]
    for name in ("healthCheckNodePort", "externalTrafficPolicy", "allocateLoadBalancerNodePorts"):
        assert changed.at(f"spec.{name}") is None


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"ipFamilyPolicy": "RequireDualStack"}, "this cluster is not configured for dual-stack services"),
        ({"clusterIP": "fd00::1"}, "IPv6 is not configured on this cluster"),
        ({"clusterIP": "10.0.0.010"}, "must not have leading 0s"),
        ({"trafficDistribution": "Odd"}, 'supported values: "PreferClose", "PreferSameZone", "PreferSameNode"'),
    ],
)
def test_a_service_that_cannot_be_is_refused(spec: Plain, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        create(Tracker(), "v1", "Service", "x", spec={"ports": [{"port": 80}], **spec})
    assert text in str(caught.value)


def test_a_claim_gets_the_default_class_and_a_finalizer() -> None:
    tracker = Tracker()
    create(tracker, "storage.k8s.io/v1", "StorageClass", "slow", provisioner="a.b/c")
    classes = resource(tracker, "storage.k8s.io/v1", "StorageClass")
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    tracker.create(classes, {"metadata": {"name": "fast", "annotations": annotations}, "provisioner": "a.b/c"})
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    made = create(tracker, "v1", "PersistentVolumeClaim", "data", spec=spec)
    assert made.at("spec.storageClassName") == "fast"
    assert made.at("metadata.finalizers") == ["kubernetes.io/pvc-protection"]

    with pytest.raises(Invalid) as caught:
        tracker.update(
            PERSISTENT_VOLUME_CLAIMS,
            {"metadata": {"name": "data", "namespace": "default"}, "spec": {**spec, "accessModes": ["ReadOnlyMany"]}},
        )
    assert '-  "ReadWriteOnce"\n+  "ReadOnlyMany"' in str(caught.value)


def test_a_limit_range_completes_and_refuses_pods() -> None:
    tracker = Tracker()
    limits = [{"type": "Container", "max": {"cpu": "2"}, "defaultRequest": {"cpu": "100m"}}]
    create(tracker, "v1", "LimitRange", "l", spec={"limits": limits})
    containers = [{"name": "c", "image": "i"}]
    made = create(tracker, "v1", "Pod", "small", spec={"containers": containers})
    assert made.at("spec.containers")[0]["resources"] == {"limits": {"cpu": "2"}, "requests": {"cpu": "100m"}}
    greedy = [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "3"}}}]
    with pytest.raises(Forbidden) as caught:
        create(tracker, "v1", "Pod", "large", spec={"containers": greedy})
    assert "maximum cpu usage per Container is 2, but limit is 3" in str(caught.value)


def test_a_quota_counts_what_is_made_and_refuses_what_exceeds_it() -> None:
    tracker = Tracker()
    quotas = resource(tracker, "v1", "ResourceQuota")
    made = create(tracker, "v1", "ResourceQuota", "q", spec={"hard": {"count/secrets": "1"}})
    plain = {"metadata": {"name": made.metadata.name, "namespace": "default"}}
    status = {"hard": {"count/secrets": "1"}, "used": {"count/secrets": "0"}}
    tracker.update(quotas, {**plain, "spec": {"hard": {"count/secrets": "1"}}, "status": status}, subresource="status")
    create(tracker, "v1", "Secret", "one")
    assert tracker.get(quotas, "default/q").at("status.used") == {"count/secrets": "1"}
    with pytest.raises(Forbidden) as caught:
        create(tracker, "v1", "Secret", "two")
    assert "exceeded quota: q, requested: count/secrets=1, used: count/secrets=1" in str(caught.value)
    assert [one.metadata.name for one in tracker.list(SECRETS)] == ["one"]


def test_an_access_review_is_answered_and_not_stored() -> None:
    tracker = Tracker()
    reviews = resource(tracker, "authorization.k8s.io/v1", "SelfSubjectAccessReview")
    answer = tracker.create(reviews, {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}})
    assert answer.at("status.allowed") is True
    served = tracker.registry.find_kind("authorization.k8s.io/v1", "SelfSubjectAccessReview")
    assert served is not None
    assert not served.supports(Verb.LIST)


def test_each_request_for_endpoints_is_warned_about() -> None:
    tracker = Tracker()
    with noticed() as texts:
        tracker.list(resource(tracker, "v1", "Endpoints"))
    assert texts == ["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"]


async def test_the_parts_of_the_cluster_are_told_of_when_asked_for_and_cannot_be_watched() -> None:
    """As a real server: no version, no uid, a warning each time, and refusals that name the kind in its own way."""
    tracker = Tracker()
    parts = resource(tracker, "v1", "ComponentStatus")
    with noticed() as warnings:
        assert [part.metadata.name for part in tracker.list(parts)] == ["controller-manager", "scheduler", "etcd-0"]
    assert warnings == ["v1 ComponentStatus is deprecated in v1.19+"]
    assert not tracker.list(parts, options=Options(label_selector="a=b"))
    assert dict(tracker.get(parts, "etcd-0")) == {
        "kind": "ComponentStatus",
        "apiVersion": "v1",
        "metadata": {"name": "etcd-0"},
        "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}],
    }
    with pytest.raises(NotFound) as absent:
        tracker.get(parts, "none")
    assert (absent.value.message, absent.value.details["kind"]) == (
        'componentstatus "none" not found',
        "componentstatus",
    )
    with pytest.raises(MethodNotAllowed, match='watch is not supported on resources of kind "componentstatuses"'):
        async with tracker.watch(Action(verb=Verb.WATCH, resource=parts)):
            pass


def test_webhooks_and_claims_for_devices_have_defaults() -> None:
    tracker = Tracker()
    client = {"service": {"name": "s", "namespace": "n"}}
    webhook = {"name": "a.b.c", "clientConfig": client, "sideEffects": "None", "admissionReviewVersions": ["v1"]}
    requests = [{"name": "a", "exactly": {"deviceClassName": "c"}}]
    claim = create(tracker, "resource.k8s.io/v1", "ResourceClaim", "r", spec={"devices": {"requests": requests}})
    exactly = claim.at("spec.devices.requests")[0]["exactly"]
    assert (exactly["allocationMode"], exactly["count"]) == ("ExactCount", 1)
    group = "admissionregistration.k8s.io/v1"
    made = create(tracker, group, "ValidatingWebhookConfiguration", "w", webhooks=[webhook])
    found = made.at("webhooks")[0]
    assert (found["failurePolicy"], found["timeoutSeconds"], made.at("metadata.generation")) == ("Fail", 10, 1)
    assert not tracker.list(PODS)


_DEVICES = "resource.k8s.io/v1"
_POOL = {"name": "p", "generation": 1, "resourceSliceCount": 1}


@pytest.mark.parametrize(
    ("kind", "spec", "text"),
    [
        ("DeviceClass", {"config": [{"opaque": {"driver": "", "parameters": {"a": 1}}}]}, "opaque.driver: Required"),
        ("DeviceClass", {"config": [{"opaque": {"driver": "d", "parameters": 7}}]}, "must be a valid JSON object"),
        ("ResourceClaim", {"devices": {"constraints": [{}]}}, 'exactly one of "matchAttribute" or "distinctAttribute"'),
        ("ResourceClaim", {"devices": {"constraints": [{"matchAttribute": "a"}]}}, "a domain and a name separated by"),
        ("ResourceClaimTemplate", {"spec": {}, "metadata": {"name": "n"}}, "spec.metadata.name: Forbidden: cannot be"),
        ("ResourceSlice", {"allNodes": True}, "is required, but multiple fields are set"),
        ("ResourceSlice", {"devices": [{"name": "x", "taints": [{"key": "a", "effect": ""}]}]}, "effect: Required"),
        (
            "ResourceSlice",
            {"devices": [{"name": "x", "attributes": {"a/b": {}}}]},
            "exactly one value must be specified",
        ),
        ("ResourceSlice", {"devices": [{"name": "x", "bindingConditions": ["a"]}]}, "are required to use binding"),
    ],
)
def test_what_devices_cannot_be_is_refused_in_a_servers_words(kind: str, spec: Plain, text: str) -> None:
    base = {"driver": "d.example.com", "nodeName": "n", "pool": _POOL} if kind == "ResourceSlice" else {}
    with pytest.raises(Invalid) as caught:
        create(Tracker(), _DEVICES, kind, "x", spec={**base, **spec})
    assert text in str(caught.value)


def test_access_for_administrators_needs_a_label_of_the_namespace() -> None:
    tracker = Tracker()
    exactly = {"deviceClassName": "c", "adminAccess": True}
    spec = {"devices": {"requests": [{"name": "a", "exactly": exactly}]}}
    with pytest.raises(Invalid) as caught:
        create(tracker, _DEVICES, "ResourceClaim", "r", spec=spec)
    assert "spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires" in str(caught.value)
    labels = {"resource.kubernetes.io/admin-access": "true"}
    tracker.update(resource(tracker, "v1", "Namespace"), {"metadata": {"name": "default", "labels": labels}})
    assert create(tracker, _DEVICES, "ResourceClaim", "r", spec=spec).at("spec.devices.requests")


@pytest.mark.parametrize(
    ("group", "kind", "condition"),
    [
        ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", {"type": ""}),
        ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", {"type": "A", "reason": "", "status": "True"}),
    ],
)
def test_conditions_of_server_configuration_are_checked(group: str, kind: str, condition: Plain) -> None:
    tracker = Tracker()
    specs: dict[str, Plain] = {
        "FlowSchema": {"priorityLevelConfiguration": {"name": "catch-all"}},
        "ValidatingAdmissionPolicy": {
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                ]
            },
            "validations": [{"expression": "true"}],
        },
    }
    made = create(tracker, group, kind, "x", spec=specs[kind])
    body = dict(made) | {"status": {"conditions": [condition]}}
    with pytest.raises(Invalid) as caught:
        tracker.update(resource(tracker, group, kind), body, subresource="status")
    assert "status.conditions[0]" in str(caught.value)


def test_an_api_service_is_checked_with_each_write() -> None:
    tracker = Tracker()
    group = "apiregistration.k8s.io/v1"
    services = resource(tracker, group, "APIService")
    spec = {"group": "g.example.com", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10}
    with pytest.raises(Invalid, match='"1 bytes": local APIServices may not have a caBundle'):
        create(tracker, group, "APIService", "v1.g.example.com", spec={**spec, "caBundle": "dg=="})
    made = create(tracker, group, "APIService", "v1.g.example.com", spec=spec)
    body = dict(made)
    with pytest.raises(Invalid, match=r"metadata\.generateName: Invalid value"):
        tracker.update(services, {**body, "metadata": {**body["metadata"], "generateName": "a"}})
    condition = {"type": "Available", "status": "Perhaps"}
    with pytest.raises(Invalid, match=r'status\.conditions\[0\]\.status: Unsupported value: "Perhaps"'):
        tracker.update(services, {**body, "status": {"conditions": [condition]}}, subresource="status")


def test_empty_topology_terms_are_told_as_doubles_of_all_before() -> None:
    with pytest.raises(Invalid) as caught:
        create(Tracker(), "storage.k8s.io/v1", "StorageClass", "s", provisioner="a.b/c", allowedTopologies=[{}, {}])
    causes = [cause["field"] for cause in caught.value.details["causes"]]
    first, second = (f"allowedTopologies[{index}].matchLabelExpressions" for index in range(2))
    assert causes == [first] * 2 + [second] * 3


def test_a_value_of_a_wrong_type_is_told_with_its_version() -> None:
    spec = {"maxReplicas": 1, "scaleTargetRef": {"kind": "Deployment", "name": "a"}, "behavior": True}
    with pytest.raises(BadRequest, match=r"HorizontalPodAutoscalerSpec\.spec\.behavior of type v2\.Horizontal"):
        create(Tracker(), "autoscaling/v2", "HorizontalPodAutoscaler", "a", spec=spec)
