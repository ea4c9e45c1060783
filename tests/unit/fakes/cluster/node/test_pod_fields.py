"""What a container is told of its pod: paths, defaults and refusals as the kubelet's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.pod_fields import (
    Around,
    SourceError,
    field_value,
    file_resource,
    metadata_value,
    variable_resource,
)

AROUND = Around(host="10.0.0.1", address="10.1.0.7", allocatable={"cpu": "4", "memory": "8Gi"})
LABELS = {"b": 'two "2"', "a": "1"}
POD: dict[str, Any] = {
    "metadata": {
        "name": "web-0",
        "namespace": "demo",
        "uid": "u1",
        "labels": LABELS,
        "annotations": {"Example.com/Note": "x"},
    },
    "spec": {
        "nodeName": "n1",
        "serviceAccountName": "bot",
        "containers": [{"name": "a", "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "100M"}}}],
        "initContainers": [{"name": "first"}],
    },
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web-0"),
        ("metadata.namespace", "demo"),
        ("metadata.uid", "u1"),
        ("metadata.labels", 'a="1"\nb="two \\"2\\""'),
        ("metadata.labels['a']", "1"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['Example.com/Note']", "x"),
        ("spec.nodeName", "n1"),
        ("spec.serviceAccountName", "bot"),
        ("status.hostIP", "10.0.0.1"),
        ("status.hostIPs", "10.0.0.1"),
        ("status.podIP", "10.1.0.7"),
        ("status.podIPs", "10.1.0.7"),
    ],
)
def test_a_variable_can_have_each_field_that_kubernetes_lets_it_have(path: str, value: str) -> None:
    """Labels and annotations as a whole are lines, sorted, with quoted values."""
    assert field_value(POD, path, AROUND) == value


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        ("spec.hostname", "field label not supported: spec.hostname"),
        ("status.phase", "unsupported fieldPath: status.phase"),
        ("spec.nodeName['a']", "fieldPath \"spec.nodeName['a']\" does not support subscript"),
        ("metadata.labels['a b']", "invalid key subscript in metadata.labels"),
    ],
)
def test_any_other_field_is_refused_in_the_kubelets_words(path: str, fact: str) -> None:
    with pytest.raises(SourceError) as refused:
        field_value(POD, path, AROUND)
    assert fact in str(refused.value)


def test_a_file_knows_no_fields_outside_of_metadata() -> None:
    """The addresses and the node of a pod are for variables alone."""
    with pytest.raises(SourceError, match=r"unsupported fieldPath: spec\.nodeName"):
        metadata_value(POD, "spec.nodeName")


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "limits.cpu", "divisor": "0"}, "2"),
        ({"resource": "limits.memory"}, str(8 * 2**30)),
        ({"resource": "limits.memory", "divisor": "1Gi"}, "8"),
        ({"resource": "requests.memory", "divisor": "1Mi"}, "96"),
        ({"resource": "requests.cpu"}, "0"),
        ({"resource": "limits.ephemeral-storage"}, "0"),
        ({"resource": "limits.hugepages-2Mi"}, "0"),
        ({"resource": "limits.cpu", "containerName": "first"}, "0"),
    ],
)
def test_resources_are_rounded_up_and_limits_fall_back_to_what_the_node_has(
    selector: dict[str, str], value: str
) -> None:
    """A quotient is rounded up; another container that is an init container has no default."""
    assert variable_resource(POD, POD["spec"]["containers"][0], selector, AROUND) == value


def test_the_limits_of_a_pod_go_before_those_of_its_node_in_variables_not_in_files() -> None:
    """As the two parts of a kubelet have it."""
    pod = {**POD, "spec": {"containers": [{"name": "a"}], "resources": {"limits": {"cpu": "2"}}}}
    selector = {"resource": "limits.cpu", "containerName": "a"}
    assert variable_resource(pod, pod["spec"]["containers"][0], {"resource": "limits.cpu"}, AROUND) == "2"
    assert variable_resource(pod, {}, selector, AROUND) == "2"
    assert file_resource(pod, selector, AROUND) == "4"


@pytest.mark.parametrize(
    ("selector", "fact"),
    [
        ({"resource": "limits.cpu", "containerName": "none"}, "container none not found"),
        ({"resource": "limits.gpu"}, "unsupported container resource : limits.gpu"),
        ({"resource": "cpu"}, "unsupported container resource : cpu"),
    ],
)
def test_what_is_no_resource_of_a_container_is_refused(selector: dict[str, str], fact: str) -> None:
    with pytest.raises(SourceError, match=fact):
        variable_resource(POD, {}, selector, AROUND)


@given(st.integers(min_value=1, max_value=10**9), st.integers(min_value=1, max_value=10**6))
def test_for_any_limit_and_divisor_the_quotient_covers_the_limit_and_no_more(milli: int, divisor: int) -> None:
    container = {"resources": {"limits": {"cpu": f"{milli}m"}}}
    value = int(variable_resource(POD, container, {"resource": "limits.cpu", "divisor": f"{divisor}m"}, AROUND))
    assert (value - 1) * divisor < milli <= value * divisor
