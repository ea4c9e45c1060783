"""Custom resources in two versions between which a webhook of the definition converts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ctrlkit import clock
from ctrlkit.cache import Informer
from ctrlkit.errors import ApiError, Invalid, NotFound
from ctrlkit.fakes.world.world import World
from ctrlkit.model import MergePatch, OnConflict, custom_resource
from ctrlkit.model.kinds import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    RESOURCE_QUOTAS,
    VALIDATING_ADMISSION_POLICIES,
    VALIDATING_ADMISSION_POLICY_BINDINGS,
)
from tests.support.calls import counted_calls

V1 = custom_resource(group="demo.example", version="v1", kind="Machine", plural="machines")
V2 = custom_resource(group="demo.example", version="v2", kind="Machine", plural="machines")
PLACE = "demo.example"


def definition(stored: str = "v1") -> dict[str, Any]:
    """A kind with `spec.size` as a text in v1 and as a number in v2; a Service of the namespace demo converts."""
    versions = []
    for name, kind in (("v1", "string"), ("v2", "integer")):
        size = {"size": {"type": kind}, "note": {"type": "string", "default": f"from {name}"}}
        schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": size}}}
        versions.append(
            {"name": name, "served": True, "storage": name == stored, "schema": {"openAPIV3Schema": schema}}
        )
    client = {"service": {"namespace": "demo", "name": "converter", "path": "/convert"}}
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}
    names = {"plural": "machines", "singular": "machine", "kind": "Machine", "listKind": "MachineList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "machines.demo.example"},
        "spec": {"group": PLACE, "scope": "Namespaced", "names": names, "versions": versions, "conversion": conversion},
    }


def convert(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Convert the size between text and number."""
    wanted = request["desiredAPIVersion"]
    converted = []
    for one in request["objects"]:
        size = one["spec"]["size"]
        spec = {**one["spec"], "size": int(size) if wanted.endswith("v2") else str(size)}
        converted.append({**one, "apiVersion": wanted, "spec": spec})
    return converted


def with_annotations(request: dict[str, Any], annotations: dict[str, str]) -> list[dict[str, Any]]:
    """Convert the size, and annotate what comes of it."""
    return [{**one, "metadata": {**one["metadata"], "annotations": annotations}} for one in convert(request)]


def machine(size: Any, name: str = "m") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"size": size, "note": "n"}}


async def converting(world: World, stored: str = "v1") -> World:
    """Serve the kind in a world."""
    world.webhooks.answer("demo/converter:443/convert", convert)
    await world.define(definition(stored))
    return world


@pytest.mark.parametrize("stored", ["v1", "v2"])
async def test_each_version_is_read_and_written_in_its_own_words(world: World, stored: str) -> None:
    client = (await converting(world, stored)).client
    made = await client.create(V2, machine(3))
    assert (made["apiVersion"], made["spec"]["size"]) == ("demo.example/v2", 3)
    assert (await client.get(V1, "default/m"))["spec"]["size"] == "3"
    patched = await client.patch(V1, "default/m", MergePatch({"spec": {"size": "4"}}))
    assert patched["spec"]["size"] == "4"
    have = await client.get(V2, "default/m")
    updated = await client.update(V2, have | {"spec": {"size": 5, "note": "n"}})
    assert (updated["spec"]["size"], updated["metadata"]["generation"]) == (5, 3)
    applied = await client.apply(V1, "default/m", {"spec": {"size": "6"}}, on_conflict=OnConflict.FORCE)
    assert applied["spec"]["size"] == "6"
    assert [one["spec"]["size"] for one in (await client.list(V2, namespace="default"))] == [6]
    assert {call.name for call in world.webhooks.calls} == {"machines.demo.example"}


async def test_a_watch_shows_changes_at_its_version(world: World) -> None:
    client = (await converting(world)).client
    for name in ("a", "b"):
        await client.create(V1, machine("1", name))
    informer = Informer(V2, {"": client.list_watch(V2)})
    seen: list[Any] = []
    informer.add_handler(lambda change: seen.append(change.record.value["spec"]["size"]))
    following = asyncio.create_task(informer.run())
    await world.pass_time("1s")
    await client.patch(V1, "default/a", MergePatch({"spec": {"size": "2"}}))
    await client.delete(V1, "default/b")
    await world.pass_time("1s")
    following.cancel()
    assert seen == [1, 1, 2, 1]


async def test_what_a_webhook_says_of_the_rest_of_the_metadata_does_not_count(world: World) -> None:
    client = (await converting(world)).client

    def relabel(request: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {**one, "metadata": {**one["metadata"], "labels": {"l": "1"}, "generation": 9}} for one in convert(request)
        ]

    world.webhooks.answer("demo/converter", relabel)
    world.webhooks.answer("demo/converter:443/convert", relabel)
    made = await client.create(V2, machine(3))
    assert (made["metadata"]["labels"], made["metadata"]["generation"]) == ({"l": "1"}, 1)


START = "conversion webhook for demo.example/v1, Kind=Machine "


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ([], f"{START}returned 0 objects, expected 1"),
        ({"result": {"status": "Failed", "message": "no way"}}, f"{START}failed: no way"),
        ({"result": {}}, f"{START}failed: response.result.status was '', not 'Success'"),
        (
            [{"apiVersion": "demo.example/v1", "kind": "Machine"}],
            f"{START}returned invalid object at index 0: invalid groupVersion (expected demo.example/v2, received "
            "demo.example/v1)",
        ),
        (
            [{"apiVersion": "demo.example/v2", "kind": "Machine", "metadata": {"name": "x"}}],
            f"{START}returned invalid object: must have the same name: m != x",
        ),
        (
            lambda request: with_annotations(request, {"a": "b" * 256 * 1024}),
            f"{START}returned invalid metadata: metadata.annotation: Too long: may not be more than 262144 bytes",
        ),
    ],
)
async def test_answers_that_do_not_convert_fail_in_a_servers_words(world: World, answer: object, text: str) -> None:
    client = (await converting(world)).client
    await client.create(V1, machine("3"))
    world.webhooks.answer("demo/converter:443/convert", answer if callable(answer) else lambda request: answer)
    with pytest.raises(ApiError) as failed:
        await client.get(V2, "default/m")
    assert (failed.value.code, failed.value.message) == (500, text)
    assert (await client.get(V1, "default/m"))["spec"]["size"] == "3"


async def test_a_write_waits_for_its_conversion_and_stores_nothing_if_that_fails(world: World) -> None:
    """A quota counts it once."""
    client = (await converting(world)).client
    hard = {"count/machines.demo.example": "1"}
    quota = world.tracker.create(
        RESOURCE_QUOTAS, {"metadata": {"name": "q", "namespace": "default"}, "spec": {"hard": hard}}
    )
    status = {"hard": hard, "used": {"count/machines.demo.example": "0"}}
    world.tracker.update(RESOURCE_QUOTAS, quota | {"status": status}, subresource="status")
    began = clock.monotonic()
    with world.webhooks.unreachable("demo/converter"), pytest.raises(ApiError, match="connection refused"):
        await client.create(V2, machine(3))
    with world.webhooks.slow("demo/converter", "2s"):
        await client.create(V2, machine(3))
    assert clock.monotonic() - began >= 2
    used = world.tracker.get(RESOURCE_QUOTAS, "default/q")["status"]["used"]
    assert used == {"count/machines.demo.example": "1"}


async def test_a_definition_that_changes_its_storage_keeps_what_is_stored_until_it_is_written(world: World) -> None:
    client = (await converting(world)).client
    await client.create(V1, machine("3"))
    await client.patch(
        CUSTOM_RESOURCE_DEFINITIONS, "machines.demo.example", MergePatch({"spec": definition("v2")["spec"]})
    )
    assert (await client.get(V2, "default/m"))["spec"]["size"] == 3
    assert (await client.get(V1, "default/m"))["spec"]["size"] == "3"


@pytest.mark.parametrize("stored", ["v1", "v2"])
async def test_a_definition_goes_with_its_objects_though_nobody_converts_any_more(world: World, stored: str) -> None:
    """They are deleted as they are stored; one that a finalizer holds is marked."""
    client = (await converting(world, stored)).client
    held = machine(4, "held")
    held["metadata"]["finalizers"] = ["a.example/b"]
    await client.create(V2, held)
    await client.create(V1, machine("3"))
    with world.webhooks.unreachable("demo/converter:443/convert"):
        await client.delete(CUSTOM_RESOURCE_DEFINITIONS, "machines.demo.example")
        await world.settle()
    (left,) = await client.list(V2, namespace="default")
    assert (left.key.name, left.metadata.deleting) == ("held", True)
    await client.patch(V1, "default/held", MergePatch({"metadata": {"finalizers": None}}))
    with pytest.raises(NotFound):
        await client.get(CUSTOM_RESOURCE_DEFINITIONS, "machines.demo.example")


async def test_who_owns_what_is_forgotten_where_an_object_cannot_be_told_in_the_words_of_an_owner(world: World) -> None:
    """A schema says what is wrong with a write, and what fits is stored; only an apply fails by it, as on a server."""
    client = (await converting(world, "v2")).client
    await client.create(V1, machine("1"))

    def only_one(request: dict[str, Any]) -> Any:
        if request["objects"][0]["spec"]["size"] == 1:
            return convert(request)
        return {"result": {"status": "Failure", "message": "only 1"}}

    world.webhooks.answer("demo/converter:443/convert", only_one)
    with pytest.raises(Invalid, match=r"spec\.size"):
        await client.patch(V2, "default/m", MergePatch({"spec": {"size": "many"}}))
    patched = await client.patch(V2, "default/m", MergePatch({"spec": {"size": 2}}))
    assert patched["spec"]["size"] == 2
    assert "managedFields" not in patched["metadata"]


async def test_what_is_about_other_kinds_is_served_as_without_webhooks(world: World) -> None:
    """Only a request about the kind that is converted can have to wait, and is prepared for it."""

    def make(name: str) -> int:
        with counted_calls() as calls:
            world.tracker.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "default"}})
        return calls.count

    def least(name: str) -> int:  # a table of the process that is full is filled anew by one of them
        return min(make(f"{name}-{number}") for number in range(3))

    make("first")
    before = least("before")
    await converting(world)
    assert least("after") <= before + 5  # it is asked whether it can


async def test_the_parameters_of_a_policy_may_be_of_a_kind_that_is_converted(world: World) -> None:
    """A ConfigMap waits then for the webhook of another kind."""
    client = (await converting(world)).client
    await client.create(V1, machine("3"))
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    policy = {
        "paramKind": {"apiVersion": "demo.example/v2", "kind": "Machine"},
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "params.spec.size > 3", "message": "too small"}],
    }
    reference = {"name": "m", "namespace": "default", "parameterNotFoundAction": "Deny"}
    binding = {"policyName": "p", "paramRef": reference, "validationActions": ["Deny"]}
    world.tracker.create(VALIDATING_ADMISSION_POLICIES, {"metadata": {"name": "p"}, "spec": policy})
    world.tracker.create(VALIDATING_ADMISSION_POLICY_BINDINGS, {"metadata": {"name": "b"}, "spec": binding})
    body = {"metadata": {"name": "a", "namespace": "default"}}
    with pytest.raises(Invalid, match="too small"):
        await client.create(CONFIG_MAPS, body)
    await client.update(V2, (await client.get(V2, "default/m")) | {"spec": {"size": 4, "note": "n"}})
    await client.create(CONFIG_MAPS, body)
