"""Webhooks of a World: Python functions that the server calls as it would over HTTPS."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ctrlkit import clock
from ctrlkit.client import DryRun
from ctrlkit.errors import ApiError, Forbidden, InternalError, Invalid
from ctrlkit.fakes.tracker.notices import noticed
from ctrlkit.fakes.world.webhooks import allow, deny
from ctrlkit.fakes.world.world import World
from ctrlkit.model import AnyResource, ApplyPatch, MergePatch, Options, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS, VALIDATING_WEBHOOK_CONFIGURATIONS

BODY: dict[str, Any] = {"metadata": {"name": "c", "namespace": "default"}, "data": {"a": "1"}}
NAME = "check.demo.example"
AUTOSCALERS_V1 = custom_resource(
    group="autoscaling", version="v1", kind="HorizontalPodAutoscaler", plural="horizontalpodautoscalers"
)


def labelled(**labels: str) -> Any:
    """Make a mutating webhook that sets labels."""

    def handler(request: dict[str, Any]) -> object:
        have = request["object"]["metadata"].get("labels") or {}
        return allow([{"op": "add", "path": "/metadata/labels", "value": {**have, **labels}}])

    return handler


@pytest.mark.parametrize(
    ("path", "value", "refusal"),
    [
        ("/spec/ratio", None, 'spec.ratio in body must be of type number: "null"'),
        ("/spec/ports", [{"a": None}], r'spec.ports\[0\].a in body must be of type integer: "null"'),
        ("/spec/ports", [None], r'spec.ports\[0\] in body must be of type object: "null"'),
        ("/spec", None, 'spec in body must be of type object: "null"'),
        ("/spec/size", None, ""),
        ("/spec/may", None, ""),
        ("/spec/unknown", None, ""),
        ("/status", None, ""),
    ],
)
async def test_a_null_that_a_webhook_sets_has_to_be_valid_as_on_a_server(
    world: World, path: str, value: object, refusal: str
) -> None:
    """It is passed over in what somebody sends, and filled in where there is a default (seen with 1.36)."""
    port = {"type": "object", "properties": {"a": {"type": "integer"}}}
    fields = {
        "size": {"type": "integer", "default": 1},
        "may": {"type": "integer", "nullable": True},
        "ratio": {"type": "number"},
        "ports": {"type": "array", "items": port},
    }
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}
    kind = custom_resource(group="example.com", version="v1", kind="Thing", plural="things")
    await world.define(definition(kind, schema))
    world.webhooks.mutating(NAME, lambda _: allow([{"op": "add", "path": path, "value": value}]), resources=["things"])
    body = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"size": 2, "ratio": None}}
    if refusal:
        with pytest.raises(Invalid, match=refusal):
            await world.client.create(kind, body)
        return
    spec = {"/spec/size": {"size": 1}, "/spec/may": {"size": 2, "may": None}}.get(path, {"size": 2})
    assert (await world.client.create(kind, body))["spec"] == spec


def definition(kind: AnyResource, schema: dict[str, Any]) -> dict[str, Any]:
    version = {"name": kind.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {"kind": kind.kind, "plural": kind.plural},
            "versions": [version],
        },
    }


@pytest.mark.parametrize("kind", ["mutating", "validating"])
async def test_a_webhook_refuses_with_its_own_words_and_nothing_is_stored(world: World, kind: str) -> None:
    declare = getattr(world.webhooks, kind)
    declare(NAME, lambda request: deny("no a", code=409, reason="Conflict"), resources=["configmaps"])
    with pytest.raises(ApiError) as refused:
        await world.client.create(CONFIG_MAPS, BODY)
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
    assert refused.value.message == f'admission webhook "{NAME}" denied the request: no a'
    assert not world.tracker.list(CONFIG_MAPS, "default")


async def test_the_review_says_who_does_what_and_shows_the_object_before_and_after(world: World) -> None:
    world.tracker.create(CONFIG_MAPS, BODY)
    world.webhooks.validating(NAME, lambda request: None, resources=["configmaps"], operations=["UPDATE", "DELETE"])
    await world.client.patch(CONFIG_MAPS, "default/c", MergePatch({"data": {"a": "2"}}))
    await world.client.delete(CONFIG_MAPS, "default/c")
    patched, deleted = (call.request for call in world.webhooks.calls)
    assert (patched["operation"], patched["name"], patched["namespace"]) == ("UPDATE", "c", "default")
    assert (patched["oldObject"]["data"], patched["object"]["data"]) == ({"a": "1"}, {"a": "2"})
    assert patched["userInfo"]["username"] == "admin"
    assert patched["options"] == {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "test"}
    assert deleted["object"] is None
    assert deleted["oldObject"]["kind"] == "ConfigMap"


async def test_mutating_webhooks_see_what_those_before_them_made_and_an_object_without_identity(world: World) -> None:
    world.webhooks.mutating("b.demo.example", labelled(b="2"), resources=["configmaps"])
    world.webhooks.mutating("a.demo.example", labelled(a="1"), resources=["configmaps"])
    made = await world.client.create(CONFIG_MAPS, {**BODY, "metadata": {"generateName": "c-", "namespace": "default"}})
    assert made["metadata"]["labels"] == {"a": "1", "b": "2"}
    first, second = (call.request["object"]["metadata"] for call in world.webhooks.calls)
    assert "uid" not in first
    assert "name" not in first
    assert second["labels"] == {"a": "1"}


async def test_what_webhooks_change_has_no_owner_until_somebody_changes_it(world: World) -> None:
    world.webhooks.mutating(NAME, labelled(a="1"), resources=["configmaps"])
    made = await world.client.apply(CONFIG_MAPS, "default/c", {"data": {"a": "1"}})
    (entry,) = made["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {"f:data": {"f:a": {}}}


async def test_a_webhook_is_called_again_if_one_after_it_changed_the_object(world: World) -> None:
    world.webhooks.mutating("a.demo.example", lambda request: None, resources=["*"], reinvocationPolicy="IfNeeded")
    world.webhooks.mutating("b.demo.example", labelled(b="2"), resources=["configmaps"])
    world.webhooks.mutating("c.demo.example", lambda request: None, resources=["configmaps"])
    await world.client.create(CONFIG_MAPS, BODY)
    assert [call.name[0] for call in world.webhooks.calls] == ["a", "b", "c", "a"]
    assert world.webhooks.calls[-1].request["object"]["metadata"]["labels"] == {"b": "2"}


async def test_a_slow_webhook_fails_after_its_timeout_of_virtual_time(world: World) -> None:
    world.webhooks.validating(NAME, lambda request: None, resources=["configmaps"], timeoutSeconds=7)
    began = clock.monotonic()
    with world.webhooks.slow(NAME, "1m"), pytest.raises(InternalError) as failed:
        await world.client.create(CONFIG_MAPS, BODY)
    assert clock.monotonic() - began == 7
    url = f"https://webhooks.test/{NAME}?timeout=7s"
    problem = f'failed calling webhook "{NAME}": failed to call webhook: Post "{url}": context deadline exceeded'
    assert failed.value.message == f"Internal error occurred: {problem}"
    with world.webhooks.slow(NAME, "6s"):
        await world.client.create(CONFIG_MAPS, BODY)
    assert clock.monotonic() - began == 13


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_a_webhook_that_cannot_be_called_counts_as_its_failure_policy_says(world: World, policy: str) -> None:
    world.webhooks.mutating(NAME, labelled(a="1"), resources=["configmaps"], failurePolicy=policy)
    for trouble in (
        world.webhooks.unreachable(NAME),
        world.webhooks.slow(NAME, "1h"),
        world.webhooks.answering(NAME, b"boom", status=500),
        world.webhooks.answering(NAME, b"{}"),
        world.webhooks.answering(NAME, b"<html>"),
    ):
        with trouble:
            if policy == "Fail":
                with pytest.raises(InternalError, match=f'failed calling webhook "{NAME}"'):
                    await world.client.create(CONFIG_MAPS, BODY)
            else:
                made = await world.client.create(CONFIG_MAPS, BODY)
                assert "labels" not in made["metadata"]
                await world.client.delete(CONFIG_MAPS, made.key)


async def test_validating_webhooks_are_called_at_the_same_time(world: World) -> None:
    async def slowly(_request: dict[str, Any]) -> None:
        await asyncio.sleep(3)

    for letter in "ab":
        world.webhooks.validating(f"{letter}.demo.example", slowly, resources=["configmaps"])
    began = clock.monotonic()
    await world.client.create(CONFIG_MAPS, BODY)
    assert clock.monotonic() - began == 3


async def test_an_update_during_a_call_is_not_lost_and_the_webhook_sees_the_object_anew(world: World) -> None:
    world.tracker.create(CONFIG_MAPS, BODY)

    async def interrupted(request: dict[str, Any]) -> None:
        if request["oldObject"]["data"] == {"a": "1"}:
            world.tracker.webhooks, kept = type(world.webhooks)(world.tracker), world.tracker.webhooks
            world.tracker.webhooks.answer(NAME, lambda _: None)
            world.tracker.patch(CONFIG_MAPS, "default/c", MergePatch({"data": {"b": "1"}}))
            world.tracker.webhooks = kept

    world.webhooks.validating(NAME, interrupted, resources=["configmaps"])
    await world.client.patch(CONFIG_MAPS, "default/c", MergePatch({"data": {"c": "1"}}))
    assert world.tracker.get(CONFIG_MAPS, "default/c")["data"] == {"a": "1", "b": "1", "c": "1"}
    seen = [call.request["object"]["data"] for call in world.webhooks.calls]
    assert seen == [{"a": "1", "c": "1"}, {"a": "1", "b": "1", "c": "1"}]


async def test_a_dry_run_does_not_call_webhooks_with_effects(world: World) -> None:
    world.webhooks.validating(NAME, lambda request: None, resources=["configmaps"], sideEffects="NoneOnDryRun")
    await world.client.create(CONFIG_MAPS, BODY, dry_run=DryRun.ALL)
    assert world.webhooks.calls[0].request["dryRun"] is True
    assert not world.tracker.list(CONFIG_MAPS, "default")


async def test_warnings_and_audit_annotations_come_through_once(world: World) -> None:
    response = {"warnings": ["careful"], "auditAnnotations": {"seen": "yes"}}
    world.webhooks.mutating(NAME, lambda request: response, resources=["configmaps"])
    world.webhooks.validating(f"v.{NAME}", lambda request: response, resources=["configmaps"])
    with noticed() as texts:
        await world.client.create(CONFIG_MAPS, BODY)
    assert texts == ["careful"]
    ((_, annotations),) = world.webhooks.annotations
    assert annotations == {f"{NAME}/seen": "yes", f"v.{NAME}/seen": "yes"}


async def test_selectors_and_scopes_choose_the_requests(world: World) -> None:
    selector = {"matchLabels": {"checked": "yes"}}
    world.webhooks.validating("n.demo.example", lambda request: deny("n"), namespaceSelector=selector)
    world.webhooks.validating("o.demo.example", lambda request: deny("o"), objectSelector=selector)
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["*"], "scope": "Cluster"}
    world.webhooks.validating("s.demo.example", lambda request: deny("s"), rules=[rule])
    await world.client.create(CONFIG_MAPS, BODY)
    labels = {"metadata": {"name": "x", "namespace": "default", "labels": {"checked": "yes"}}}
    with pytest.raises(Forbidden, match="denied the request: o"):
        await world.client.create(CONFIG_MAPS, labels)
    with pytest.raises(Forbidden, match="denied the request: n"):
        await world.client.create(NAMESPACES, {"metadata": {"name": "x", "labels": {"checked": "yes"}}})
    with pytest.raises(Forbidden, match="denied the request: s"):
        await world.client.create(NAMESPACES, {"metadata": {"name": "x"}})


async def test_a_collection_is_deleted_one_by_one_up_to_what_may_not_go(world: World) -> None:
    for name in "abc":
        world.tracker.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "default"}})
    world.webhooks.validating(
        NAME,
        lambda request: deny("stay") if request["oldObject"]["metadata"]["name"] == "b" else None,
        resources=["configmaps"],
        operations=["DELETE"],
    )
    with pytest.raises(Forbidden, match="stay"):
        await world.client.delete_collection(CONFIG_MAPS, namespace="default")
    assert [one.key.name for one in world.tracker.list(CONFIG_MAPS, "default")] == ["b", "c"]


async def test_subresources_are_matched_by_their_own_rules(world: World) -> None:
    container = {"name": "c", "image": "i"}
    spec: dict[str, Any] = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}}}
    spec["template"]["spec"] = {"containers": [container]}
    world.tracker.create(DEPLOYMENTS, {"metadata": {"name": "d", "namespace": "default"}, "spec": spec})
    world.tracker.create(PODS, {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": [container]}})
    world.webhooks.validating(NAME, lambda request: None, resources=["*/scale", "pods/eviction"])
    await world.client.patch(DEPLOYMENTS, "default/d", MergePatch({"spec": {"replicas": 3}}), subresource="scale")
    await world.client.patch(DEPLOYMENTS, "default/d", MergePatch({"spec": {"replicas": 4}}))
    await world.client.evict("default/p")
    scale, eviction = (call.request for call in world.webhooks.calls)
    assert scale["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert scale["resource"]["resource"] == "deployments"
    assert (scale["oldObject"]["spec"], scale["object"]["spec"]) == ({"replicas": 1}, {"replicas": 3})
    assert eviction["kind"]["kind"] == "Eviction"


async def test_webhook_configurations_are_not_sent_to_webhooks(world: World) -> None:
    world.webhooks.validating(NAME, lambda request: deny("no"), operations=["*"])
    await world.client.delete(VALIDATING_WEBHOOK_CONFIGURATIONS, NAME)
    await world.client.create(CONFIG_MAPS, BODY)
    assert not world.webhooks.calls


async def test_a_function_answers_for_the_service_of_a_seeded_configuration(world: World) -> None:
    client = {"service": {"namespace": "demo", "name": "hook", "path": "/validate"}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    hook: dict[str, Any] = {"name": NAME, "clientConfig": client, "rules": [rule], "sideEffects": "None"}
    hook["admissionReviewVersions"] = ["v1"]
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    world.seed({**kind, "metadata": {"name": "hooks"}, "webhooks": [hook]})
    problem = 'Post "https://hook.demo.svc:443/validate?timeout=10s": service "hook" not found'
    with pytest.raises(InternalError, match="hook") as failed:
        await world.client.create(CONFIG_MAPS, BODY)
    assert failed.value.message.endswith(problem)
    world.webhooks.answer("demo/hook:443/validate", lambda request: deny("seen"))
    with pytest.raises(Forbidden, match="seen"):
        await world.client.create(CONFIG_MAPS, BODY)


async def test_plain_calls_of_the_tracker_call_functions_but_not_coroutine_functions(world: World) -> None:
    async def later(_request: dict[str, Any]) -> None:
        await asyncio.sleep(1)

    world.webhooks.validating(NAME, lambda request: deny("no"), resources=["configmaps"])
    with pytest.raises(Forbidden, match="no"):
        world.tracker.create(CONFIG_MAPS, BODY)
    world.webhooks.answer(NAME, later)
    with pytest.raises(RuntimeError, match=r"use world\.client"):
        world.tracker.create(CONFIG_MAPS, BODY)


async def test_an_apply_of_what_a_webhook_changes_sees_its_change_as_nobodys(world: World) -> None:
    world.webhooks.mutating(NAME, labelled(a="1"), resources=["configmaps"])
    await world.client.apply(CONFIG_MAPS, "default/c", {"data": {"a": "1"}})
    named = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": {"a": "2"}}}
    applied = world.tracker.patch(CONFIG_MAPS, "default/c", ApplyPatch(named), options=Options(field_manager="other"))
    assert applied["metadata"]["labels"] == {"a": "1"}


@pytest.mark.parametrize(
    ("expression", "policy", "outcome"),
    [
        ("object.data.a == '1'", "Fail", "called"),
        ("object.data.a == '2'", "Fail", "not called"),
        ("request.userInfo.username == 'admin' && !has(object.metadata.labels)", "Fail", "called"),
        ("object.data.missing == '2'", "Fail", "no such key: missing"),
        ("object.data.missing == '2'", "Ignore", "not called"),
        ("authorizer.group('').resource('configmaps').check('create').allowed()", "Fail", "called"),
    ],
)
async def test_conditions_choose_the_requests(world: World, expression: str, policy: str, outcome: str) -> None:
    conditions = [{"name": "c", "expression": expression}]
    options: dict[str, Any] = {"resources": ["configmaps"], "matchConditions": conditions, "failurePolicy": policy}
    world.webhooks.validating(NAME, lambda request: None, **options)
    refusal = ""
    try:
        await world.client.create(CONFIG_MAPS, BODY)
    except Forbidden as error:
        refusal = error.message.partition("resulted in error: ")[2]
    assert (refusal or ("called" if world.webhooks.calls else "not called")) == outcome


async def test_a_rule_for_another_version_of_the_kind_gets_the_object_in_that(world: World) -> None:
    """By the match policy Equivalent, and not by Exact; what it changes is converted back."""
    rule = {"apiGroups": ["autoscaling"], "apiVersions": ["v2"], "operations": ["*"], "resources": ["*"]}
    patch = [{"op": "replace", "path": "/spec/metrics/0/resource/target/averageUtilization", "value": 70}]
    world.webhooks.mutating(NAME, lambda request: allow(patch), rules=[rule])
    world.webhooks.validating(f"exact.{NAME}", lambda request: deny("no"), rules=[rule], matchPolicy="Exact")
    target = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
    spec = {"maxReplicas": 3, "scaleTargetRef": target, "targetCPUUtilizationPercentage": 50}
    made = await world.client.create(AUTOSCALERS_V1, {"metadata": {"name": "h", "namespace": "default"}, "spec": spec})
    assert made["spec"]["targetCPUUtilizationPercentage"] == 70
    (call,) = world.webhooks.calls
    assert (call.request["kind"]["version"], call.request["requestKind"]["version"]) == ("v2", "v1")
    assert call.request["object"]["apiVersion"] == "autoscaling/v2"
