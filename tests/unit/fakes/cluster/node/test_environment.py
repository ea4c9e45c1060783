"""A container's environment is what its spec, its secrets and its pod say, as the kubelet builds it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.environment import Environment, SourceKind, Sources, environment_of, read_line
from ctrlkit.fakes.cluster.node.pod_fields import Around
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused, without_secrets

OBJECTS: dict[tuple[SourceKind, str], Mapping[str, Any]] = {
    (SourceKind.SECRET, "login"): {"data": {"USER": base64.b64encode(b"bob").decode(), "PASS": "aHVudGVyMg=="}},
    (SourceKind.SECRET, "binary"): {"data": {"KEY": base64.b64encode(b"\xff\xfe").decode()}},
    (SourceKind.CONFIG_MAP, "settings"): {"data": {"USER": "anna", "LEVEL": "3"}},
}


POD: dict[str, Any] = {"metadata": {"name": "net-0", "namespace": "demo", "uid": "u1"}, "spec": {"nodeName": "n1"}}
SERVICES = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
LINES = {
    ("scratch", "made/env"): b"# made by the first one\nCOLOUR='dark blue'\nEMPTY=''\n",
    ("scratch", "bad"): b"A=1",
}


def resolve(*, services: Mapping[str, str] | None = None, **container: Any) -> Environment:
    sources = Sources(
        pod=POD,
        around=Around(host="10.0.0.7", address="10.244.0.7", allocatable={"cpu": "4"}),
        look_up=lambda kind, name: OBJECTS.get((kind, name)),
        services=services or {},
        read_file=lambda volume, path: LINES.get((volume, path)),
    )
    return environment_of(container, sources)


def file_key(key: str, path: str = "made/env", *, optional: bool = False) -> dict[str, Any]:
    """A variable from a file that another container wrote."""
    reference = {"volumeName": "scratch", "path": path, "key": key, "optional": optional}
    return {"name": "FILE", "valueFrom": {"fileKeyRef": reference}}


def test_a_whole_secret_becomes_variables_and_its_values_are_known_as_secret() -> None:
    """The bitcoin controller hands credentials to its nodes this way."""
    found = resolve(envFrom=[{"secretRef": {"name": "login", "optional": True}}])
    assert dict(found.variables) == {"USER": "bob", "PASS": "hunter2"}
    assert found.secrets == {"bob", "hunter2"}
    assert "hunter2" not in repr(found)


def test_later_sources_win_and_variables_win_over_sources() -> None:
    """envFrom in order, then env in order; a prefix is put before each key."""
    found = resolve(
        envFrom=[{"secretRef": {"name": "login"}}, {"configMapRef": {"name": "settings"}, "prefix": "X_"}],
        env=[{"name": "USER", "value": "$(USER) of $(X_LEVEL)"}, {"name": "EMPTY"}],
    )
    assert dict(found.variables) == {
        "USER": "bob of 3",
        "PASS": "hunter2",
        "X_USER": "anna",
        "X_LEVEL": "3",
        "EMPTY": "",
    }


def test_single_keys_and_fields_of_the_pod_become_variables() -> None:
    """valueFrom with secretKeyRef, configMapKeyRef and fieldRef; an optional key that is missing sets nothing."""
    found = resolve(
        env=[
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "login", "key": "PASS"}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "LEVEL"}}},
            {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "E", "valueFrom": {"secretKeyRef": {"name": "login", "key": "NONE", "optional": True}}},
            {"name": "F", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "NONE", "optional": True}}},
        ]
    )
    assert dict(found.variables) == {"A": "hunter2", "B": "3", "C": "10.244.0.7", "D": "net-0"}
    assert found.secrets == {"hunter2"}


def test_an_optional_secret_that_is_missing_gives_nothing() -> None:
    """The bitcoin node then uses its defaults."""
    assert resolve(envFrom=[{"secretRef": {"name": "none", "optional": True}}]) == Environment()


@pytest.mark.parametrize(
    ("container", "fact"),
    [
        ({"envFrom": [{"secretRef": {"name": "none"}}]}, 'secret "none" not found'),
        ({"envFrom": [{"configMapRef": {"name": "none"}}]}, 'configmap "none" not found'),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "login", "key": "NO"}}}]},
            "couldn't find key NO in Secret demo/login",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "NO"}}}]},
            "couldn't find key NO in ConfigMap demo/settings",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]},
            "field label not supported: spec.x",
        ),
        ({"env": [file_key("A", "none")]}, "couldn't parse env file"),
        ({"env": [file_key("A", "bad")]}, "couldn't parse env file"),
        (
            {"env": [file_key("SIZE")]},
            'environment variable key "SIZE" not found in file '
            '"/var/lib/kubelet/pods/u1/volumes/kubernetes.io~empty-dir/scratch/made/env"',
        ),
    ],
)
def test_what_is_missing_keeps_the_container_from_starting(container: dict[str, Any], fact: str) -> None:
    """The reason and the text are the kubelet's."""
    with pytest.raises(ContainerRefused) as refused:
        resolve(**container)
    assert (refused.value.reason, refused.value.message) == ("CreateContainerConfigError", fact)


def test_a_secret_that_is_no_text_cannot_be_given_to_a_container_runtime() -> None:
    """A kubelet takes it, and fails to send it."""
    with pytest.raises(ContainerRefused, match="string field contains invalid UTF-8") as refused:
        resolve(envFrom=[{"secretRef": {"name": "binary"}}])
    assert refused.value.reason == "CreateContainerError"


def test_the_variables_of_services_come_last_and_can_be_referred_to() -> None:
    """What a container says itself goes before them."""
    found = resolve(services=SERVICES, env=[{"name": "API", "value": "https://$(KUBERNETES_SERVICE_HOST)"}])
    assert dict(found.variables) == {**SERVICES, "API": "https://10.0.0.1"}
    own = resolve(services=SERVICES, env=[{"name": "KUBERNETES_SERVICE_HOST", "value": "mine"}])
    assert dict(own.variables) == {"KUBERNETES_SERVICE_HOST": "mine"}


def test_resources_and_lines_of_files_become_variables() -> None:
    """A limit that is not set is what the node has; an optional line that is missing or empty sets nothing."""
    cpu = {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}
    found = resolve(env=[cpu, file_key("COLOUR")])
    assert dict(found.variables) == {"CPUS": "4", "FILE": "dark blue"}
    assert resolve(env=[file_key("EMPTY", optional=True)]) == Environment()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A='1'", "1"),
        ("  A='1' # one", "1"),
        ("B='2'\r\nA='1'\r\n", "1"),
        ("A='one\n\ntwo'", "one\n\ntwo"),
        ("A= '1'", ""),
        ("B='2'", ""),
        ("A ='1'", None),
        ('A="1"', None),
        ("A='1' and more", None),
        ("A='1", None),
        ("='1'", None),
        ("A", None),
        ("A='1'\nB", "1"),
    ],
)
def test_a_file_of_variables_is_read_by_its_strict_rules(text: str, value: str | None) -> None:
    """Quotation marks around all values, nothing before the sign of equality; lines after the key are not looked at."""
    assert read_line(text, "A") == value


def test_a_sub_path_of_variables_needs_a_value_for_each() -> None:
    environment = Environment({"POD": "web-0", "EMPTY": ""})
    assert environment.expand_sub_path("logs/$(POD)/$$(POD)") == "logs/web-0/$(POD)"
    with pytest.raises(ContainerRefused, match="missing value for EMPTY, NONE"):
        environment.expand_sub_path("$(NONE)/$(EMPTY)/$(POD)")


@given(st.text(alphabet="$)AB", max_size=12))
def test_for_any_text_without_names_expansion_only_undoes_doubled_dollars(text: str) -> None:
    """As the kubelet reads it, from left to right."""
    assert Environment().expand([text]) == (text.replace("$$", "$"),)


@given(st.sets(st.text(min_size=1, max_size=4)), st.text())
def test_for_any_output_no_secret_is_left_in_it(secrets: set[str], text: str) -> None:
    """Also where one secret is part of another."""
    shown = without_secrets(text + "".join(secrets), frozenset(secrets))
    assert all(secret not in shown.replace("***", "") or set(secret) <= {"*"} for secret in secrets)


def doubling(count: int) -> list[dict[str, str]]:
    """Variables of which each is twice the one before."""
    return [
        {"name": "V0", "value": "x" * 8},
        *({"name": f"V{n}", "value": f"$(V{n - 1})" * 2} for n in range(1, count)),
    ]


@pytest.mark.parametrize(
    "container",
    [
        {"env": doubling(60)},
        {"envFrom": [{"configMapRef": {"name": "settings"}, "prefix": "P"}] * 250_000},
    ],
    ids=["references", "sources"],
)
def test_variables_that_repeat_others_are_refused_before_they_are_large(container: dict[str, Any]) -> None:
    """No process could be started with them; sixty short variables would be 2**62 bytes."""
    with pytest.raises(ContainerRefused, match="argument list too long"):
        resolve(**container)


def test_a_command_that_repeats_variables_is_refused_before_it_is_large() -> None:
    environment = Environment({"A": "x" * 1_000})
    assert environment.expand(["$(A)", "-b"]) == ("x" * 1_000, "-b")
    for texts in (["$(A)" * 10_000], ["$(A)"] * 10_000):
        with pytest.raises(ContainerRefused, match="argument list too long"):
            environment.expand(texts)
