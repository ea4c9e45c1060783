"""See that one object is there and as it should be."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.controller import set_controller_reference
from ctrlkit.controller.helpers.converge import Convergence, create_or_patch, create_or_update
from ctrlkit.errors import AlreadyExists, Conflict, Forbidden
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.kinds import apps, core
from ctrlkit.model import Action, MergePatch, ObjectMeta, Unstructured, custom_resource, to_plain
from ctrlkit.model.kinds import CONFIG_MAPS, DEPLOYMENTS, SERVICES
from ctrlkit.model.values import lacking

NETWORKS = custom_resource(group="demo.dev", kind="Network", plural="networks")
KEY = "default/net"
META = {"name": "net", "namespace": "default"}
CREATED, UPDATED, STATUS, BOTH, UNCHANGED = (
    Convergence.CREATED,
    Convergence.UPDATED,
    Convergence.STATUS,
    Convergence.UPDATED_AND_STATUS,
    Convergence.UNCHANGED,
)


def served() -> FakeClientset:
    clientset = FakeClientset()
    clientset.tracker.registry.register_custom(NETWORKS)
    return clientset


def calls(clientset: FakeClientset) -> list[str]:
    """The verbs since the last time, and forget them."""
    made = [
        f"{action.verb.value}{f'/{action.subresource}' if action.subresource else ''}" for action in clientset.actions
    ]
    clientset.clear_actions()
    return made


def with_data(**data: str) -> Any:
    """Makes a config map hold this."""

    def mutate(config_map: Unstructured) -> None:
        config_map["data"] = data

    return mutate


@pytest.mark.behaviour("H11")
async def test_create_or_update_creates_updates_or_leaves_alone() -> None:
    """H11: get and create; get and update; get alone."""
    clientset = served()
    made = await create_or_update(clientset.client, CONFIG_MAPS, KEY, with_data(a="1"))
    assert (made.result, calls(clientset), made.object["data"]) == (CREATED, ["get", "create"], {"a": "1"})
    again = await create_or_update(clientset.client, CONFIG_MAPS, KEY, with_data(a="1"))
    assert (again.result, calls(clientset), again.object) == (UNCHANGED, ["get"], made.object)
    result, config_map = await create_or_update(clientset.client, CONFIG_MAPS, KEY, with_data(a="2"))
    assert (result, calls(clientset), config_map["data"]) == (UPDATED, ["get", "update"], {"a": "2"})


@pytest.mark.behaviour("H11")
async def test_the_function_sees_the_whole_object_and_what_it_leaves_stays() -> None:
    """H11: whatever Python type the resource has; what was read is not touched by it."""

    class Slim(msgspec.Struct):
        metadata: ObjectMeta

    clientset = served()
    clientset.tracker.create(CONFIG_MAPS, {"metadata": META | {"labels": {"x": "y"}}, "data": {"theirs": "1"}})
    have = clientset.tracker.get(CONFIG_MAPS, KEY)
    owner = ObjectMeta(name="owner", namespace="default", uid="u1")

    def mutate(config_map: Unstructured) -> None:
        set_controller_reference(config_map, owner, NETWORKS)
        config_map["data"]["mine"] = "2"

    result, after = await create_or_update(clientset.client, CONFIG_MAPS.of(Slim), KEY, mutate, current=have)
    assert (result, calls(clientset)) == (UPDATED, ["update"])
    assert after["data"] == {"theirs": "1", "mine": "2"}
    assert (after["metadata"]["labels"], after.metadata.is_controlled_by(owner)) == ({"x": "y"}, True)
    assert have["data"] == {"theirs": "1"}


@pytest.mark.behaviour("H11")
async def test_a_put_that_changes_nothing_on_the_server_is_unchanged() -> None:
    """H11: an empty map is none to the server; its version says so."""
    clientset = served()
    await create_or_update(clientset.client, CONFIG_MAPS, KEY, with_data())
    result, _ = await create_or_update(clientset.client, CONFIG_MAPS, KEY, with_data())
    assert (result, calls(clientset)) == (UNCHANGED, ["get", "create", "get", "update"])


@pytest.mark.behaviour("H11")
@pytest.mark.parametrize("change", [{"name": "other"}, {"namespace": "elsewhere"}])
async def test_a_function_that_renames_the_object_is_refused(change: dict[str, str]) -> None:
    """H11: for a new object and for one that is there."""
    clientset = served()
    there = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": META}
    for have in (None, there):
        with pytest.raises(ValueError, match=r"^converge configmaps default/net: it became ConfigMap .*; keep kind"):
            await create_or_update(
                clientset.client, CONFIG_MAPS, KEY, lambda thing: thing["metadata"].update(change), current=have
            )
    assert clientset.writes == []


async def test_what_a_lister_shows_needs_no_read_and_may_be_old() -> None:
    """An old version is a Conflict, an overlooked object AlreadyExists: the next reconcile knows better."""
    clientset = served()
    clientset.tracker.create(CONFIG_MAPS, {"metadata": META})
    old = clientset.tracker.get(CONFIG_MAPS, KEY)
    clientset.tracker.patch(CONFIG_MAPS, KEY, MergePatch({"data": {"theirs": "1"}}))
    with pytest.raises(Conflict):
        await create_or_update(clientset.client, CONFIG_MAPS, KEY, with_data(a="1"), current=old)
    with pytest.raises(AlreadyExists):
        await create_or_update(clientset.client, CONFIG_MAPS, KEY, with_data(a="1"), current=None)
    with pytest.raises(AlreadyExists):
        await create_or_patch(clientset.client, CONFIG_MAPS, {"metadata": META}, current=None)
    assert calls(clientset) == ["update", "create", "create"]


async def test_part_of_an_object_is_no_object() -> None:
    """What was decoded to part of its fields is never put back, nor compared with."""

    class Slim(msgspec.Struct):
        metadata: ObjectMeta

    clientset = served()
    slim: Any = Slim(ObjectMeta(name="net", namespace="default"))
    with pytest.raises(TypeError, match="a Slim may hold only some of the object's fields"):
        await create_or_update(clientset.client, CONFIG_MAPS, KEY, with_data(), current=slim)
    with pytest.raises(TypeError, match="a Slim may hold only some of the object's fields"):
        await create_or_patch(clientset.client, CONFIG_MAPS, {"metadata": META}, current=slim)


async def test_a_refusal_goes_through() -> None:
    """Only NotFound means that there is none."""
    clientset = served()

    def refuse(_: Action) -> None:
        raise Forbidden("no")

    clientset.add_reactor("get", CONFIG_MAPS, refuse)
    with pytest.raises(Forbidden):
        await create_or_update(clientset.client, CONFIG_MAPS, KEY, with_data())


def wanted(spec: int, ready: int | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"metadata": META, "spec": {"replicas": spec}}
    return body if ready is None else body | {"status": {"ready": ready}}


@pytest.mark.behaviour("H12")
async def test_create_or_patch_has_five_results() -> None:
    """H12: object and status are patched apart, each only where it lacks something."""
    clientset = served()
    course = []
    for body in (wanted(1, 0), wanted(1, 0), wanted(2, 0), wanted(2, 1), wanted(3, 2), wanted(3)):
        result, network = await create_or_patch(clientset.client, NETWORKS, body)
        assert lacking(network, {name: body[name] for name in ("spec", "status") if name in body}) == {}
        course.append((result, calls(clientset)))
    assert course == [
        (CREATED, ["get", "create", "patch/status"]),
        (UNCHANGED, ["get"]),
        (UPDATED, ["get", "patch"]),
        (STATUS, ["get", "patch/status"]),
        (BOTH, ["get", "patch", "patch/status"]),
        (UNCHANGED, ["get"]),
    ]


@pytest.mark.behaviour("H12", "D12")
async def test_only_the_fields_that_are_set_count() -> None:
    """H12: defaults and the fields of others are neither looked at nor touched; None removes; the patch is minimal."""
    clientset = served()
    ports = [{"name": "rpc", "port": 8332}]
    body = {"metadata": META, "spec": {"clusterIP": "None", "selector": {"app": "net"}, "ports": ports}}
    await create_or_patch(clientset.client, SERVICES, body)
    clientset.tracker.patch(SERVICES, KEY, MergePatch({"metadata": {"labels": {"theirs": "1"}}}))
    assert (await create_or_patch(clientset.client, SERVICES, body)).result is UNCHANGED
    calls(clientset)
    body["spec"]["selector"] = {"app": None, "node": "net"}  # type: ignore[index]
    result, service = await create_or_patch(clientset.client, SERVICES, body)
    assert (result, clientset.actions[-1].body) == (UPDATED, {"spec": {"selector": {"app": None, "node": "net"}}})
    assert (service.at("spec.selector"), service.at("metadata.labels")) == ({"node": "net"}, {"theirs": "1"})
    assert service.at("spec.ports")[0]["protocol"] == "TCP"


async def test_a_quantity_in_other_words_is_sent_and_changes_nothing() -> None:
    """Nothing here knows what a quantity is; the server does, and its version stays."""
    clientset = served()
    template = {
        "metadata": {"labels": {"app": "net"}},
        "spec": {"containers": [{"name": "a", "image": "b:1", "resources": {"requests": {"cpu": "1000m"}}}]},
    }
    body = {"metadata": META, "spec": {"selector": {"matchLabels": {"app": "net"}}, "template": template}}
    results = [(await create_or_patch(clientset.client, DEPLOYMENTS, body)).result for _ in range(2)]
    assert (results, calls(clientset)) == ([CREATED, UNCHANGED], ["get", "create", "get", "patch"])


async def test_a_body_names_its_object() -> None:
    """By metadata.name; a generated name could not be found again."""
    with pytest.raises(ValueError, match=r"^converge configmaps: the body has no metadata\.name"):
        await create_or_patch(served().client, CONFIG_MAPS, {"metadata": {"generateName": "net-"}})


fields = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2", None]), max_size=3)


@pytest.mark.behaviour("H12")
@given(st.lists(st.tuples(fields, fields, st.booleans()), max_size=6))
async def test_for_any_course_it_is_as_wanted_after_one_call_and_the_next_one_is_none(
    course: list[tuple[dict[str, str | None], dict[str, str | None], bool]],
) -> None:
    """H12: whoever changes the object in between; what was read from a lister does as well."""
    clientset = served()
    have: Unstructured | None = None
    for data, theirs, reads in course:
        body = {"metadata": META, "spec": data, "status": data}
        first = await (
            create_or_patch(clientset.client, NETWORKS, body)
            if reads
            else create_or_patch(clientset.client, NETWORKS, body, current=have)
        )
        have = clientset.tracker.get(NETWORKS, KEY)
        assert lacking(have, {"spec": {name: value for name, value in data.items() if value}}) == {}
        assert first.object == have
        calls(clientset)
        assert (await create_or_patch(clientset.client, NETWORKS, body, current=have)).result is UNCHANGED
        assert clientset.writes == []
        have = clientset.tracker.patch(NETWORKS, KEY, MergePatch({"spec": theirs}))


def deployment(**spec: Any) -> apps.Deployment:
    """A typed Deployment."""
    labels = {"app": "web"}
    template = core.PodTemplateSpec(
        metadata=ObjectMeta(labels=labels), spec=core.PodSpec(containers=(core.Container(name="web", image="web:1"),))
    )
    return apps.Deployment(
        metadata=ObjectMeta(name="net", namespace="default"),
        spec=apps.DeploymentSpec(selector=core.LabelSelector(match_labels=labels), template=template, **spec),
    )


LABEL = ("metadata", "labels", "example.com/team")


async def test_what_is_to_be_absent_is_taken_away_where_it_is() -> None:
    """What a typed object cannot say to be empty: a flag, a mapping, a label. Nothing is sent the next time."""
    clientset = served()
    made = deployment(paused=True, replicas=2)
    body = clientset.tracker.create(DEPLOYMENTS, to_plain(made)) | {}
    body["metadata"] = body["metadata"] | {"labels": {"example.com/team": "blue", "kept": "x"}}
    body["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    clientset.tracker.update(DEPLOYMENTS, Unstructured(body))
    gone = ["spec.paused", "spec.template.spec.nodeSelector", LABEL, "spec.minReadySeconds", "status.collisionCount"]
    clientset.clear_actions()
    result, after = await create_or_patch(clientset.client, apps.DEPLOYMENTS, deployment(replicas=3), absent=gone)
    assert (result, calls(clientset)) == (UPDATED, ["get", "patch"])
    result, after = await create_or_patch(clientset.client, apps.DEPLOYMENTS, deployment(replicas=3), absent=gone)
    assert (result, calls(clientset)) == (UNCHANGED, ["get"])
    assert (after.at("spec.replicas"), after.at("metadata.labels")) == (3, {"kept": "x"})
    assert (after.at("spec.paused"), after.at("spec.template.spec.nodeSelector")) == (None, None)


async def test_what_is_to_be_absent_is_not_made() -> None:
    """Of a new object nothing has to be taken away; of a status it is, by its own call."""
    clientset = served()
    network: dict[str, Any] = {"metadata": META, "spec": {"nodes": 4}, "status": {"ready": 2, "why": "x"}}
    assert (await create_or_patch(clientset.client, NETWORKS, network, absent=["spec.old"])).result is CREATED
    del network["status"]
    calls(clientset)
    found = await create_or_patch(clientset.client, NETWORKS, network, absent=["status.why", "spec.a.b"])
    assert (found.result, found.object.at("status")) == (STATUS, {"ready": 2})
    assert calls(clientset) == ["get", "patch/status"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("spec.pasued", "DeploymentSpec has no field pasued; it has minReadySeconds, paused, "),
        ("spec.replicas", "spec.replicas is to be absent, and the body has it; say one of them"),
        ("spec", "the body has it"),
        ("spec.template.spec.containers.image", "is within a list, which is replaced whole"),
        ("spec..paused", "names no field"),
        ("", "names no field"),
    ],
)
async def test_a_field_that_cannot_be_absent_is_named(path: str, says: str) -> None:
    """Before anything is asked for."""
    clientset = served()
    with pytest.raises(ValueError, match=r"converge deployments.apps default/net: ") as refused:
        await create_or_patch(clientset.client, apps.DEPLOYMENTS, deployment(replicas=3), absent=[path])
    assert says in str(refused.value)
    assert calls(clientset) == []
