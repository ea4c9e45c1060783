"""What a server is told of webhooks, and that no configuration keeps its own program from starting."""

from __future__ import annotations

import base64
import functools
from typing import Any

import pytest

from ctrlkit import Review, custom_resource, mutating, validating
from ctrlkit.errors import ConfigError
from ctrlkit.kinds import DEPLOYMENTS, NODES, PODS
from ctrlkit.model import Unstructured
from ctrlkit.webhooks import ServiceAddress, Webhooks
from tests.unit.webhooks.support import CACHES, Cache
from tests.unit.webhooks.test_conversions import ALL

SERVICE = ServiceAddress(namespace="caches", name="cache-operator-webhooks")
SYSTEM = ["kube-system", "kube-node-lease"]


def anything(_thing: Any, _review: Review[Any]) -> None: ...


def entry(webhook: Any, **more: Any) -> dict[str, Any]:
    """The only entry of a webhook's configuration."""
    (configuration,) = Webhooks([webhook]).configurations(more.pop("address", SERVICE), name="cache-operator", **more)
    found: dict[str, Any]
    (found,) = configuration["webhooks"]
    return found


def test_a_configuration_says_all_that_matters() -> None:
    """Nothing is left to a default that another version of the server may choose."""

    @mutating(CACHES)
    def defaults(_cache: Cache, _review: Review[Cache]) -> None: ...

    check = validating(CACHES)(anything)
    made = Webhooks([defaults, check]).configurations(
        SERVICE, name="cache-operator", ca_bundle=b"PEM", labels={"app": "x"}
    )
    assert [each["kind"] for each in made] == ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
    assert {each["apiVersion"] for each in made} == {"admissionregistration.k8s.io/v1"}
    assert made[0]["metadata"] == {"name": "cache-operator", "labels": {"app": "x"}}
    assert made[0]["webhooks"] == [
        {
            "name": "defaults.caches.example.com",
            "clientConfig": {
                "service": {
                    "namespace": "caches",
                    "name": "cache-operator-webhooks",
                    "path": "/mutate-example-com-v1-cache/defaults",
                    "port": 443,
                },
                "caBundle": base64.b64encode(b"PEM").decode(),
            },
            "rules": [
                {
                    "apiGroups": ["example.com"],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["caches"],
                    "scope": "Namespaced",
                }
            ],
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "sideEffects": "None",
            "timeoutSeconds": 5,
            "admissionReviewVersions": ["v1"],
        }
    ]


def test_of_built_in_kinds_the_programs_own_namespace_and_those_of_the_control_plane_are_left_out() -> None:
    """Its namespace is the Service's unless said; objects of one's own kinds keep no pod from starting."""
    key = "kubernetes.io/metadata.name"
    for resource in (PODS, DEPLOYMENTS, NODES):
        found = entry(validating(resource)(anything))
        assert found["namespaceSelector"] == {
            "matchExpressions": [{"key": key, "operator": "NotIn", "values": ["caches", *SYSTEM]}]
        }
        assert "objectSelector" not in found
    found = entry(validating(PODS)(anything), address="https://10.0.0.1:9443/", own_namespace="home")
    assert found["namespaceSelector"]["matchExpressions"][0]["values"] == ["home", *SYSTEM]
    assert found["clientConfig"] == {"url": "https://10.0.0.1:9443/validate--v1-pod/anything"}
    assert "namespaceSelector" not in entry(validating(CACHES)(anything))


def test_where_the_own_namespace_is_covered_the_programs_own_pods_are_left_out() -> None:
    """By a label; nobody else can choose to be left out where the namespace already is."""
    own = {"app.kubernetes.io/name": "cache-operator"}
    webhook = validating(PODS, covers_own_namespace=True, namespace_selector={"matchLabels": {"checked": "yes"}})(
        anything
    )
    found = entry(webhook, own_labels=own)
    assert found["namespaceSelector"] == {
        "matchLabels": {"checked": "yes"},
        "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": SYSTEM}],
    }
    assert found["objectSelector"] == {
        "matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "NotIn", "values": ["cache-operator"]}]
    }
    assert "objectSelector" not in entry(validating(PODS)(anything), own_labels=own)
    assert "objectSelector" in entry(validating(PODS)(anything), own_labels=own, address="https://10.0.0.1")


def test_what_a_declaration_says_stands_in_the_configuration() -> None:
    webhook = validating(
        PODS,
        name="look",
        operations=["DELETE"],
        failure_policy="Ignore",
        timeout_s=2,
        side_effects=True,
        object_selector={"matchLabels": {"a": "b"}},
        match_conditions={"no-nodes": "!('system:nodes' in request.userInfo.groups)"},
    )(anything)
    found = entry(webhook)
    assert found["name"] == "look.pods.core"
    assert (found["failurePolicy"], found["timeoutSeconds"], found["sideEffects"]) == ("Ignore", 2, "NoneOnDryRun")
    assert found["rules"][0]["operations"] == ["DELETE"]
    assert found["objectSelector"] == {"matchLabels": {"a": "b"}}
    assert found["matchConditions"] == [
        {"name": "no-nodes", "expression": "!('system:nodes' in request.userInfo.groups)"}
    ]


def test_the_definition_of_a_converted_kind_is_told_where_the_conversion_is() -> None:
    webhooks = Webhooks(ALL)
    assert webhooks.converted == ("caches.example.com",)
    assert webhooks.configurations(SERVICE, name="x") == []
    assert webhooks.conversion(SERVICE) == {
        "strategy": "Webhook",
        "webhook": {
            "clientConfig": {
                "service": {
                    "namespace": "caches",
                    "name": "cache-operator-webhooks",
                    "path": "/convert",
                    "port": 443,
                }
            },
            "conversionReviewVersions": ["v1"],
        },
    }


def test_what_no_server_would_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="a server calls nothing but https"):
        entry(validating(PODS)(anything), address="http://10.0.0.1")
    both = Webhooks([validating(kind, name="a.b.c")(anything) for kind in (PODS, DEPLOYMENTS)])
    with pytest.raises(ConfigError, match=r"2 are called a\.b\.c; give them a name"):
        both.configurations(SERVICE, name="x")
    with pytest.raises(ConfigError, match=r"answers at /validate--v1-pod/anything; give it a name"):
        Webhooks([validating(PODS)(anything)] * 2)
    with pytest.raises(ConfigError, match="it reads nodes, and there are no caches here"):
        Webhooks([validating(PODS, reads=[NODES])(anything)])


def test_names_of_groups_and_functions_become_paths_and_names_of_webhooks() -> None:
    zones = custom_resource(group="dns.example.com", version="v1beta1", kind="ZoneSet", plural="zonesets")

    @validating(zones.of(Unstructured), subresource="status")
    def _check_status(_zone: Unstructured, _review: Review[Unstructured]) -> None: ...

    assert _check_status.path == "/validate-dns-example-com-v1beta1-zoneset-status/check-status"
    assert _check_status.full_name == "check-status.status.zonesets.dns.example.com"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"operations": []}, "operations"),
        ({"operations": "CREATE"}, "operations"),
        ({"operations": ["BURN"]}, "operations"),
        ({"failure_policy": "fail"}, "failure_policy 'fail': write 'Fail' or 'Ignore'"),
        ({"timeout_s": 0}, "timeout_s 0: write whole seconds from 1 to 30"),
        ({"timeout_s": 2.5}, "timeout_s 2.5"),
        ({"name": "A b"}, "name 'A b': write lower-case"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_where_it_stands(arguments: dict[str, Any], words: str) -> None:
    decorator: Any = validating
    with pytest.raises(ValueError, match=words):
        decorator(PODS, **arguments)(anything)


def test_a_function_with_a_yield_is_refused_for_it_would_refuse_nothing() -> None:
    def lazy(_thing: Any, _review: Any) -> Any:
        yield

    async def slow(_thing: Any, _review: Any) -> Any:
        yield

    for function in (lazy, slow, functools.partial(lazy)):
        with pytest.raises(TypeError, match="has a yield, so that calling it does nothing; return instead"):
            validating(PODS)(function)


def test_a_part_of_a_function_is_called_as_the_function() -> None:
    def check_size(_thing: Any, _review: Any, limit: int) -> None:
        del limit

    assert validating(PODS)(functools.partial(check_size, limit=3)).path == "/validate--v1-pod/check-size"


def test_a_function_that_cannot_be_called_is_refused_with_what_to_write() -> None:
    with pytest.raises(
        TypeError, match=r"@validating: .*one\(thing.*\) -> .* cannot be called with 2 argument\(s\); write"
    ):

        @validating(PODS)  # type: ignore[arg-type]
        def one(thing: Unstructured) -> None: ...

    with pytest.raises(TypeError, match=r"@mutating takes a kind first, and got anything; write @mutating\(KIND\)"):
        mutating(anything)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="what is sent there is no Pod; say body=Type"):
        validating(PODS, subresource="eviction")(anything)  # type: ignore[call-overload]
