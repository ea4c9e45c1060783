"""Each verb becomes one Action, and its answer the resource's type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pydantic
import pytest
from kubernetes.client import V1ConfigMap, V1ObjectMeta

from ctrlkit.client import Client, DryRun, Propagation, Scale
from ctrlkit.errors import ApiError, BadRequest, Conflict, DecodeError, Forbidden
from ctrlkit.model import (
    Action,
    ApplyPatch,
    JsonPatch,
    LabelSelector,
    MergePatch,
    ObjectKey,
    ObjectMeta,
    OnConflict,
    Options,
    Patch,
    PatchType,
    StrategicMergePatch,
    Unstructured,
    Verb,
)
from ctrlkit.model.kinds import CONFIG_MAPS, NAMESPACES, STATEFULSETS
from ctrlkit.names import program_name
from tests.unit.client.support import ScriptedTransport, a_list, an_object


class Slim(msgspec.Struct, frozen=True, omit_defaults=True):
    metadata: ObjectMeta
    data: dict[str, str] = {}


@dataclass
class SlimData:
    metadata: ObjectMeta


class SlimModel(pydantic.BaseModel):
    metadata: ObjectMeta


SLIMS = CONFIG_MAPS.of(Slim)
BY_US = Options(field_manager=program_name())


async def test_get_decodes_to_the_type() -> None:
    """The key may be text; the answer is of the resource's type, which the type checker knows."""
    transport = ScriptedTransport(an_object(data={"k": "v"}))
    client = Client(transport)
    slim: Slim = await client.get(SLIMS, "demo/a")
    plain: Unstructured = await client.get(CONFIG_MAPS, ObjectKey("demo", "a"))
    assert (slim.data, plain["data"]) == ({"k": "v"}, {"k": "v"})
    assert transport.actions[0] == Action(verb=Verb.GET, resource=SLIMS, namespace="demo", name="a")


async def test_a_cluster_scoped_key_is_a_name() -> None:
    """Its namespace is empty."""
    transport = ScriptedTransport({"kind": "Namespace", "metadata": {"name": "demo"}})
    await Client(transport).get(NAMESPACES, "demo", subresource="status")
    assert str(transport.action) == "get namespaces/status demo"


async def test_an_answer_that_does_not_fit_is_a_decode_error() -> None:
    """It names the object and the field."""
    with pytest.raises(DecodeError, match=r"decode configmaps demo/a as Slim: .*\$\.data"):
        await Client(ScriptedTransport(an_object(data=5))).get(SLIMS, "demo/a")


async def test_create_completes_the_body() -> None:
    """apiVersion and kind come from the resource, namespace and name from the body."""
    transport = ScriptedTransport(an_object())
    await Client(transport, field_manager="me").create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "demo"}})
    assert transport.action == Action(
        verb=Verb.CREATE,
        resource=CONFIG_MAPS,
        namespace="demo",
        name="a",
        body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "demo"}},
        options=Options(field_manager="me"),
    )


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"name": "a"}, "data": {"k": "v"}},
        Slim(ObjectMeta(name="a"), {"k": "v"}),
        V1ConfigMap(metadata=V1ObjectMeta(name="a"), data={"k": "v"}),
        V1ConfigMap(api_version="v1", kind="ConfigMap", metadata=V1ObjectMeta(name="a"), data={"k": "v"}),
    ],
    ids=lambda body: type(body).__name__,
)
async def test_create_takes_any_object(body: object) -> None:
    """A mapping, a Struct, a model of the kubernetes package: all become the same plain data."""
    transport = ScriptedTransport(an_object())
    await Client(transport).create(CONFIG_MAPS, body, namespace="demo", dry_run=DryRun.ALL)
    assert transport.action.namespace == "demo"
    assert transport.action.options.dry_run
    assert transport.action.body == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a"},
        "data": {"k": "v"},
    }


@pytest.mark.behaviour("D11")
async def test_every_write_carries_the_managers_name_and_may_be_a_dry_run() -> None:
    """D11, without a wrapper for each option."""
    transport = ScriptedTransport(an_object())
    client = Client(transport, field_manager="me")
    for dry_run in DryRun:
        await client.create(CONFIG_MAPS, an_object(), dry_run=dry_run)
        await client.update(CONFIG_MAPS, an_object(), dry_run=dry_run)
        await client.patch(CONFIG_MAPS, "demo/a", MergePatch({}), dry_run=dry_run)
        await client.apply(CONFIG_MAPS, "demo/a", {}, dry_run=dry_run)
    options = [(action.options.field_manager, action.options.dry_run) for action in transport.actions]
    assert options == [("me", False)] * 4 + [("me", True)] * 4


async def test_create_by_generate_name_has_no_name() -> None:
    """The server makes one."""
    transport = ScriptedTransport(an_object("a-x7f"))
    made = await Client(transport).create(CONFIG_MAPS, {"metadata": {"generateName": "a-"}}, namespace="demo")
    assert (transport.action.name, made.key) == ("", ObjectKey("demo", "a-x7f"))


@pytest.mark.parametrize(("field", "value"), [("kind", "Secret"), ("apiVersion", "v2")])
async def test_a_body_of_another_kind_is_refused(field: str, value: str) -> None:
    """Before anything is sent, by create and by update."""
    transport = ScriptedTransport(an_object())
    with pytest.raises(ValueError, match=f"configmaps: the body says {field} '{value}'"):
        await Client(transport).create(CONFIG_MAPS, {**an_object(), field: value})
    with pytest.raises(ValueError, match=f"configmaps: the body says {field} '{value}'"):
        await Client(transport).update(CONFIG_MAPS, {**an_object(), field: value})
    assert transport.actions == []


async def test_update_puts_a_whole_object() -> None:
    """As it was read and changed, version included."""
    transport = ScriptedTransport(an_object(version="8"))
    client = Client(transport)
    config_map = await client.get(CONFIG_MAPS, "demo/a")
    config_map["data"] = {"k": "v"}
    await client.update(CONFIG_MAPS, config_map)
    assert transport.actions[1] == Action(
        verb=Verb.UPDATE,
        resource=CONFIG_MAPS,
        namespace="demo",
        name="a",
        body=an_object(version="8", data={"k": "v"}),
        options=BY_US,
    )
    assert type(transport.actions[1].body) is dict
    assert transport.actions[1].body["data"] is not config_map["data"]


async def test_update_takes_a_kubernetes_model() -> None:
    """These hold the whole object."""
    transport = ScriptedTransport(an_object())
    await Client(transport).update(CONFIG_MAPS, V1ConfigMap(metadata=V1ObjectMeta(name="a", namespace="demo")))
    assert str(transport.action) == "update configmaps demo/a"


@pytest.mark.behaviour("D12")
@pytest.mark.parametrize("body", [Slim(ObjectMeta(name="a")), SlimData(ObjectMeta(name="a"))])
async def test_part_of_an_object_is_never_put(body: Any) -> None:
    """A PUT would erase what the type does not declare."""
    transport = ScriptedTransport(an_object())
    for call in (Client(transport).update(CONFIG_MAPS, body), Client(transport).update_status(CONFIG_MAPS, body)):
        with pytest.raises(TypeError, match=r"holds only some of the object's fields .*; patch or apply it"):
            await call
    assert transport.actions == []


async def test_a_model_is_put_by_its_own_resource_only_if_it_keeps_all_fields() -> None:
    """One that keeps extra fields holds the whole object."""
    transport = ScriptedTransport(an_object())
    models = CONFIG_MAPS.of(SlimModel)
    with pytest.raises(TypeError, match="holds only some"):
        await Client(transport).update(models, SlimModel(metadata=ObjectMeta(name="a", namespace="demo")))

    class Open(SlimModel, extra="allow"):
        pass

    body = Open.model_validate({"metadata": {"name": "a", "namespace": "demo"}, "data": {"k": "v"}})
    await Client(transport).update(CONFIG_MAPS.of(Open), body)
    assert transport.action.body["data"] == {"k": "v"}


async def test_update_status_goes_to_the_subresource() -> None:
    """The rest of the body is the server's to ignore."""
    transport = ScriptedTransport(an_object())
    await Client(transport).update_status(CONFIG_MAPS, an_object(status={"x": 1}))
    assert str(transport.action) == "update configmaps/status demo/a"


@pytest.mark.behaviour("D12")
@pytest.mark.parametrize(
    ("patch", "patch_type", "body"),
    [
        (JsonPatch(({"op": "remove", "path": "/data"},)), PatchType.JSON, [{"op": "remove", "path": "/data"}]),
        (MergePatch({"data": None}), PatchType.MERGE, {"data": None}),
        (StrategicMergePatch({"data": {"k": "v"}}), PatchType.STRATEGIC, {"data": {"k": "v"}}),
        (
            ApplyPatch(Slim(ObjectMeta(labels={"a": "b"}), {"k": "v"})),
            PatchType.APPLY,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"labels": {"a": "b"}, "name": "a", "namespace": "demo"},
                "data": {"k": "v"},
            },
        ),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_patches_say_what_they_say(patch: Patch, patch_type: PatchType, body: Any) -> None:
    """Each type with its body; an apply is completed with what a server needs to make the object."""
    transport = ScriptedTransport(an_object())
    await Client(transport).patch(CONFIG_MAPS, "demo/a", patch, subresource="status")
    assert transport.action == Action(
        verb=Verb.PATCH,
        resource=CONFIG_MAPS,
        namespace="demo",
        name="a",
        subresource="status",
        body=body,
        patch_type=patch_type,
        options=BY_US,
    )


@pytest.mark.parametrize(("on_conflict", "force"), [(OnConflict.FAIL, False), (OnConflict.FORCE, True)])
async def test_apply_forces_only_when_told_to(on_conflict: OnConflict, *, force: bool) -> None:
    """Fields of others are taken by force or not at all."""
    transport = ScriptedTransport(an_object())
    await Client(transport).apply(CONFIG_MAPS, "demo/a", {"data": {}}, on_conflict=on_conflict)
    assert transport.action.options.force is force


@pytest.mark.parametrize("fields", [{"metadata": {"managedFields": [{}]}}, {"metadata": {"name": "b"}}])
@pytest.mark.behaviour("C8")
async def test_apply_refuses_what_was_read(fields: dict[str, Any]) -> None:
    """managedFields show that the object came from a server: applying it would own every field. Nor another name."""
    with pytest.raises(ValueError, match="apply configmaps demo/a"):
        await Client(ScriptedTransport(an_object())).apply(CONFIG_MAPS, "demo/a", fields)


async def test_delete_says_how_and_whom() -> None:
    """Preconditions, propagation and grace period; the answer, object or Status, is not looked at."""
    transport = ScriptedTransport({"kind": "Status", "status": "Success"})
    await Client(transport).delete(
        CONFIG_MAPS, "demo/a", propagation=Propagation.FOREGROUND, grace_period_s=0, uid="u", version="7"
    )
    assert transport.action.options == Options(
        propagation_policy="Foreground", grace_period_s=0, precondition_uid="u", precondition_version="7"
    )


async def test_delete_collection_selects() -> None:
    """Selectors may be values."""
    transport = ScriptedTransport(a_list())
    await Client(transport).delete_collection(
        CONFIG_MAPS, namespace="demo", label_selector=LabelSelector.parse("a = b"), propagation=Propagation.ORPHAN
    )
    assert transport.action == Action(
        verb=Verb.DELETE_COLLECTION,
        resource=CONFIG_MAPS,
        namespace="demo",
        options=Options(label_selector="a=b", propagation_policy="Orphan"),
    )


SCALE = {
    "kind": "Scale",
    "apiVersion": "autoscaling/v1",
    "metadata": {"name": "a", "resourceVersion": "9"},
    "spec": {"replicas": 3},
    "status": {"replicas": 2, "selector": "app=a"},
}


async def test_scale_is_read_and_set() -> None:
    """Whatever the kind's own type, the subresource is a Scale; nothing but the replicas is sent."""
    transport = ScriptedTransport(SCALE)
    client = Client(transport)
    scale = Scale(spec_replicas=3, status_replicas=2, selector="app=a", version="9")
    assert await client.get_scale(STATEFULSETS.of(Slim), "demo/a") == scale
    assert await client.set_scale(STATEFULSETS, "demo/a", 3) == scale
    assert [str(action) for action in transport.actions] == [
        "get statefulsets.apps/scale demo/a",
        "patch statefulsets.apps/scale demo/a",
    ]
    assert (transport.actions[1].body, transport.actions[1].patch_type) == ({"spec": {"replicas": 3}}, PatchType.MERGE)


async def test_a_scale_that_a_type_cannot_hold_is_told_how_to_be_read() -> None:
    """By the calls that are made for it; errors of other subresources say nothing of them."""
    client = Client(ScriptedTransport({**SCALE, "data": 5}))
    with pytest.raises(DecodeError, match="what came is a Scale: get_scale and set_scale read and write it"):
        await client.get(STATEFULSETS.of(Slim), "demo/a", subresource="scale")


async def test_no_replicas_at_all_is_zero() -> None:
    """Servers leave zeros out."""
    body: dict[str, object] = {"kind": "Scale", "metadata": {"name": "a"}, "spec": {}, "status": {}}
    scale = await Client(ScriptedTransport(body)).get_scale(STATEFULSETS, "d/a")
    assert (scale.spec_replicas, scale.status_replicas) == (0, 0)
    with pytest.raises(DecodeError, match="the answer is no Scale"):
        await Client(ScriptedTransport({**body, "spec": 5})).get_scale(STATEFULSETS, "d/a")


async def test_errors_say_what_was_attempted() -> None:
    """Where whoever raised them did not."""
    with pytest.raises(Conflict) as caught:
        await Client(ScriptedTransport(Conflict("it changed"))).update(CONFIG_MAPS, an_object())
    assert caught.value.attempted == "update configmaps demo/a"
    with pytest.raises(Forbidden) as known:
        await Client(ScriptedTransport(Forbidden("no", attempted="said before"))).get(CONFIG_MAPS, "demo/a")
    assert known.value.attempted == "said before"


@pytest.mark.parametrize("key", ["demo/..", "demo/a%2Fb", ObjectKey("demo", "a/b"), ObjectKey("..", "a"), "a/b/c", ""])
@pytest.mark.behaviour("C8")
async def test_keys_that_are_none_are_refused_here(key: ObjectKey | str) -> None:
    """Whatever the transport, so that a fake is as strict as a server."""
    transport = ScriptedTransport(an_object())
    client = Client(transport)
    for call in (client.get(CONFIG_MAPS, key), client.delete(CONFIG_MAPS, key)):
        with pytest.raises(BadRequest) as caught:
            await call
        assert isinstance(caught.value, ApiError)
    assert transport.actions == []


async def test_an_object_without_a_place_is_refused_here() -> None:
    """A namespaced object needs a namespace, an update a name."""
    client = Client(ScriptedTransport(an_object()))
    with pytest.raises(BadRequest, match="a namespace is needed"):
        await client.create(CONFIG_MAPS, {"metadata": {"name": "a"}})
    with pytest.raises(BadRequest, match="a name is needed"):
        await client.update(CONFIG_MAPS, {"metadata": {"namespace": "demo"}})


@pytest.mark.parametrize("body", [None, "text", ["a"], {"metadata": "a"}])
async def test_what_is_no_object_is_refused_here(body: object) -> None:
    """TypeError."""
    with pytest.raises(TypeError, match="object of configmaps"):
        await Client(ScriptedTransport(an_object())).create(CONFIG_MAPS, body, namespace="demo")


@pytest.mark.parametrize("key", [None, 7, ("demo", "a")])
async def test_what_is_no_key_at_all_is_a_slip_of_the_program(key: Any) -> None:
    """No refusal, which would be waited out and tried again."""
    with pytest.raises(ValueError, match=r"get configmaps: object key .*: want an ObjectKey or its text"):
        await Client(ScriptedTransport(an_object())).get(CONFIG_MAPS, key)
