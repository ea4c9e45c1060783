"""A container's environment is what its spec, its secrets and its pod say, as the kubelet builds it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.environment import Environment, SourceKind, resolve_environment
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused, without_secrets

OBJECTS: dict[tuple[SourceKind, str], Mapping[str, Any]] = {
    (SourceKind.SECRET, "login"): {"data": {"USER": base64.b64encode(b"bob").decode(), "PASS": "aHVudGVyMg=="}},
    (SourceKind.SECRET, "binary"): {"data": {"KEY": base64.b64encode(b"\xff\xfe").decode()}},
    (SourceKind.CONFIG_MAP, "settings"): {"data": {"USER": "anna", "LEVEL": "3"}},
}


def resolve(**container: Any) -> Environment:
    return resolve_environment(
        container,
        look_up=lambda kind, name: OBJECTS.get((kind, name)),
        pod_fields={"status.podIP": "10.244.0.7", "metadata.name": "net-0"},
    )


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
        ({"envFrom": [{"secretRef": {"name": "none"}}]}, "Secret none not found"),
        ({"envFrom": [{"configMapRef": {"name": "none"}}]}, "ConfigMap none not found"),
        ({"envFrom": [{"secretRef": {"name": "binary"}}]}, "Secret binary holds a value that is no text"),
        ({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "login", "key": "NO"}}}]}, "has no key NO"),
        ({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]}, "field spec.x is not supported"),
        ({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {}}}]}, "valueFrom is not supported"),
    ],
)
def test_what_is_missing_keeps_the_container_from_starting(container: dict[str, Any], fact: str) -> None:
    """The reason is the kubelet's, the message names what to make."""
    with pytest.raises(ContainerRefused, match=fact) as refused:
        resolve(**container)
    assert refused.value.reason == "CreateContainerConfigError"


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
        {"envFrom": [{"configMapRef": {"name": "settings"}, "prefix": f"P{n}_"} for n in range(250_000)]},
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
