"""Server-side apply in the name of one owner."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.controller.helpers import apply as apply_module
from ctrlkit.controller.helpers.apply import Applier, owned_fields
from ctrlkit.controller.helpers.converge import Convergence
from ctrlkit.errors import Conflict
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import (
    ApplyPatch,
    MergePatch,
    ObjectKey,
    ObjectMeta,
    OnConflict,
    Options,
    PartialObjectMetadata,
    Unstructured,
    custom_resource,
)
from ctrlkit.model.kinds import CONFIG_MAPS, SERVICES

NETWORKS = custom_resource(group="demo.dev", kind="Network", plural="networks")
KEY = "default/net"
META = {"name": "net", "namespace": "default"}
CREATED, UPDATED, UNCHANGED = Convergence.CREATED, Convergence.UPDATED, Convergence.UNCHANGED


def data(**fields: str) -> dict[str, Any]:
    return {"metadata": META, "data": fields}


def shown(clientset: FakeClientset) -> Unstructured:
    """The object as a lister would show it."""
    return clientset.tracker.get(CONFIG_MAPS, KEY)


async def test_the_first_apply_creates_and_the_same_again_changes_nothing() -> None:
    """Without `have` the version is asked for, and it is applied each time."""
    clientset = FakeClientset()
    applier = Applier(clientset.client, owner="mine")
    results = [(await applier.apply(CONFIG_MAPS, data(a="1"))).result for _ in range(2)]
    assert (results, len(clientset.writes)) == ([CREATED, UNCHANGED], 2)
    result, after = await applier.apply(CONFIG_MAPS, data(b="1"))
    assert (result, after["data"]) == (UPDATED, {"b": "1"})
    assert {action.options.field_manager for action in clientset.actions if action.verb.writes} == {"mine"}
    assert clientset.actions[0].options.metadata_only


async def test_what_is_known_to_change_nothing_is_not_sent() -> None:
    """The same fields on the object that they led to; a change of its status is no reason."""
    clientset = FakeClientset()
    clientset.tracker.registry.register_custom(NETWORKS)
    applier, fields = Applier(clientset.client, owner="mine"), {"metadata": META, "spec": {"replicas": 1}}
    assert (await applier.apply(NETWORKS, fields, current=None)).result is CREATED
    clientset.tracker.patch(NETWORKS, KEY, MergePatch({"status": {"ready": 1}}), subresource="status")
    have = clientset.tracker.get(NETWORKS, KEY)
    again = await applier.apply(NETWORKS, fields, current=have)
    assert (again, len(clientset.actions)) == ((UNCHANGED, have), 1)


class Slim(msgspec.Struct, frozen=True):
    """A typed view with a part of the object."""

    metadata: ObjectMeta


@pytest.mark.behaviour("C10", "C9")
@pytest.mark.parametrize("view", [PartialObjectMetadata, Slim])
async def test_the_metadata_alone_tell_what_is_known_to_change_nothing(view: Any) -> None:
    """Of a kind that counts generations: its status may change, its spec, its labels and its owner may not."""
    clientset = FakeClientset()
    clientset.tracker.registry.register_custom(NETWORKS)
    applier, fields = Applier(clientset.client, owner="mine"), {"metadata": META, "spec": {"replicas": 1}}

    async def again(wanted: dict[str, Any] = fields) -> tuple[Convergence, int]:
        clientset.clear_actions()
        have = view(metadata=clientset.tracker.get(NETWORKS, KEY).metadata)
        result, after = await applier.apply(NETWORKS, wanted, current=have)
        assert (after.key, after["kind"]) == (ObjectKey.parse(KEY), "Network")
        return result, len(clientset.actions)

    assert (await applier.apply(NETWORKS, fields, current=None)).result is CREATED
    assert await again() == (UNCHANGED, 0)
    clientset.tracker.patch(NETWORKS, KEY, MergePatch({"status": {"ready": 1}}), subresource="status")
    assert await again() == (UNCHANGED, 0)
    clientset.tracker.patch(NETWORKS, KEY, MergePatch({"spec": {"replicas": 2}}))
    assert await again() == (UPDATED, 1)
    clientset.tracker.patch(NETWORKS, KEY, MergePatch({"metadata": {"labels": {"a": "b"}}}))
    assert await again() == (UNCHANGED, 1)
    assert await again() == (UNCHANGED, 0)
    assert await again({"metadata": META, "spec": {"replicas": 3}}) == (UPDATED, 1)


async def test_without_generations_only_the_same_version_is_known_to_change_nothing() -> None:
    """The data of a ConfigMap may have changed, and nothing in the metadata would say so."""
    clientset = FakeClientset()
    applier = Applier(clientset.client, owner="mine")
    await applier.apply(CONFIG_MAPS, data(a="1"), current=None)

    async def again() -> tuple[Convergence, int]:
        clientset.clear_actions()
        have = PartialObjectMetadata(metadata=shown(clientset).metadata)
        return (await applier.apply(CONFIG_MAPS, data(a="1"), current=have)).result, len(clientset.actions)

    assert await again() == (UNCHANGED, 0)
    clientset.tracker.patch(CONFIG_MAPS, KEY, MergePatch({"data": {"a": "2"}}))
    assert await again() == (UPDATED, 1)
    assert shown(clientset)["data"] == {"a": "1"}
    assert await again() == (UNCHANGED, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"a": "2"}},
        {"data": {"theirs": "1"}},
        {"metadata": {"labels": {"theirs": "1"}}},
        {"metadata": {"finalizers": ["demo.dev/x"]}},
    ],
)
async def test_after_any_change_it_is_sent_again(change: dict[str, Any]) -> None:
    """Even one that would not matter: what others own is theirs to know."""
    clientset = FakeClientset()
    applier = Applier(clientset.client, owner="mine")
    await applier.apply(CONFIG_MAPS, data(a="1"), current=None)
    clientset.tracker.patch(CONFIG_MAPS, KEY, MergePatch(change))
    _, after = await applier.apply(CONFIG_MAPS, data(a="1"), current=shown(clientset))
    assert (len(clientset.writes), after["data"]["a"]) == (2, "1")
    assert (await applier.apply(CONFIG_MAPS, data(a="1"), current=after)).result is UNCHANGED
    assert len(clientset.writes) == 2


async def test_another_applier_of_the_owner_is_seen() -> None:
    """By what it left behind; other fields and another owner are sent, whoever applied the same before."""
    clientset = FakeClientset()
    mine, other = Applier(clientset.client, owner="mine"), Applier(clientset.client, owner="mine")
    await mine.apply(CONFIG_MAPS, data(a="1"), current=None)
    await other.apply(CONFIG_MAPS, data(b="1"), current=shown(clientset))
    assert (await mine.apply(CONFIG_MAPS, data(a="1"), current=shown(clientset))).result is UPDATED
    assert shown(clientset)["data"] == {"a": "1"}
    assert (await other.apply(CONFIG_MAPS, data(a="1"), current=shown(clientset))).result is UNCHANGED
    assert len(clientset.writes) == 4


async def test_fields_of_others_are_taken_unless_asked_otherwise() -> None:
    """Controllers force; OnConflict.FAIL leaves it to people."""
    clientset = FakeClientset()
    clientset.tracker.create(CONFIG_MAPS, data(a="theirs"), Options(field_manager="kubectl"))
    with pytest.raises(Conflict, match="kubectl"):
        await Applier(clientset.client, owner="mine", on_conflict=OnConflict.FAIL).apply(CONFIG_MAPS, data(a="1"))
    assert (await Applier(clientset.client, owner="mine").apply(CONFIG_MAPS, data(a="1"))).result is UPDATED


async def test_what_it_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was applied longest ago is forgotten, and sent again."""
    monkeypatch.setattr(apply_module, "REMEMBERED_MAX", 1)
    clientset = FakeClientset()
    applier = Applier(clientset.client, owner="mine")
    await applier.apply(CONFIG_MAPS, data(a="1"))
    await applier.apply(CONFIG_MAPS, {"metadata": META | {"name": "other"}})
    clientset.clear_actions()
    assert (await applier.apply(CONFIG_MAPS, data(a="1"), current=shown(clientset))).result is UNCHANGED
    assert len(clientset.writes) == 1


async def test_what_is_applied_again_is_remembered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what was applied longest ago that is forgotten, not what was first known."""
    monkeypatch.setattr(apply_module, "REMEMBERED_MAX", 2)
    clientset = FakeClientset()
    applier = Applier(clientset.client, owner="mine")
    await applier.apply(CONFIG_MAPS, data(a="1"))
    await applier.apply(CONFIG_MAPS, {"metadata": META | {"name": "second"}})
    await applier.apply(CONFIG_MAPS, data(a="2"))
    await applier.apply(CONFIG_MAPS, {"metadata": META | {"name": "third"}})
    clientset.clear_actions()
    assert (await applier.apply(CONFIG_MAPS, data(a="2"), current=shown(clientset))).result is UNCHANGED
    assert clientset.writes == []


async def test_part_of_an_object_or_a_body_without_a_name_is_refused() -> None:
    """Before anything is sent."""
    applier = Applier(FakeClientset().client, owner="mine")
    part: Any = object()
    with pytest.raises(TypeError, match="a object has no metadata; give the object as a lister shows it"):
        await applier.apply(CONFIG_MAPS, data(), current=part)
    with pytest.raises(ValueError, match=r"the fields have no metadata\.name"):
        await applier.apply(CONFIG_MAPS, {"data": {}})


values = st.sampled_from(["1", "2"])
some_data = st.dictionaries(st.sampled_from("abc"), values, min_size=1, max_size=3)
"""Never none: where the last field of a map goes with its owner, the next apply also tidies what others owned there."""


@given(st.lists(st.tuples(st.sampled_from(["mine", "same", "theirs"]), some_data), max_size=8))
async def test_for_any_course_an_applier_that_skips_leaves_what_one_leaves_that_does_not(
    course: list[tuple[str, dict[str, str]]],
) -> None:
    """Object for object, who owns what included."""
    skipping, always = FakeClientset(), FakeClientset()
    appliers = [(clientset, Applier(clientset.client, owner="mine")) for clientset in (skipping, always)]
    last = {"a": "1"}
    for clientset, _ in appliers:
        clientset.tracker.create(CONFIG_MAPS, {"metadata": META})
    for who, fields in course:
        last = fields if who == "mine" else last
        for clientset, applier in appliers:
            if who == "theirs":
                clientset.tracker.patch(CONFIG_MAPS, KEY, MergePatch({"data": fields}))
            elif clientset is skipping:
                await applier.apply(CONFIG_MAPS, data(**last), current=shown(clientset))
            else:
                await applier.apply(CONFIG_MAPS, data(**last))
        one, other = (shown(clientset) for clientset in (skipping, always))
        assert one.get("data") == other.get("data")
        assert one.metadata.resource_version == other.metadata.resource_version
        assert one["metadata"].get("managedFields") == other["metadata"].get("managedFields")


@pytest.mark.behaviour("C10")
async def test_what_an_owner_applied_can_be_taken_out_changed_and_applied_again() -> None:
    """C10: nothing is dropped on the way, and nothing of anybody else's comes along."""
    clientset = FakeClientset()
    applier = Applier(clientset.client, owner="mine")
    ports = [{"name": "rpc", "port": 8332}, {"name": "p2p", "port": 8333}]
    body = {"metadata": META | {"labels": {"mine": "1"}}, "spec": {"selector": {"app": "net"}, "ports": ports}}
    made = await applier.apply(SERVICES, body)
    theirs = {"metadata": {"labels": {"theirs": "1"}}, "spec": {"ports": [{"name": "zmq", "port": 28332}]}}
    options = Options(field_manager="theirs")
    head = {"apiVersion": "v1", "kind": "Service"}
    now = clientset.tracker.patch(SERVICES, KEY, ApplyPatch(head | theirs), options=options)
    assert len(now.at("spec.ports")) == 3
    mine = owned_fields(now, "mine")
    assert mine == head | {
        "metadata": META | {"labels": {"mine": "1"}},
        "spec": {"selector": {"app": "net"}, "ports": [{"protocol": "TCP"} | port for port in ports]},
    }
    assert owned_fields(now, "theirs")["spec"] == {"ports": [{"name": "zmq", "port": 28332, "protocol": "TCP"}]}
    mine["spec"]["ports"][0]["port"] = 18332
    result, after = await applier.apply(SERVICES, mine, current=now)
    assert (result, [port["port"] for port in after.at("spec.ports")]) == (UPDATED, [18332, 8333, 28332])
    assert made.result is CREATED


@pytest.mark.behaviour("C10")
def test_what_nobody_applied_is_only_a_name() -> None:
    """C10: of other owners, of updates, of another subresource; sets and lists by place are taken apart as well."""
    entry = {"manager": "mine", "operation": "Apply", "fieldsV1": {"f:spec": {"f:set": {".": {}, 'v:"a"': {}}}}}
    thing = {
        "kind": "Network",
        "metadata": {"name": "net", "managedFields": [entry]},
        "spec": {"set": ["a", "b"], "list": [1, 2]},
    }
    assert owned_fields(thing, "mine") == {"kind": "Network", "metadata": {"name": "net"}, "spec": {"set": ["a"]}}
    assert owned_fields(thing, "other") == {"kind": "Network", "metadata": {"name": "net"}}
    assert owned_fields(thing, "mine", subresource="status") == {"kind": "Network", "metadata": {"name": "net"}}
    entry["fieldsV1"] = {"f:spec": {"f:list": {"i:1": {}}}}
    assert owned_fields(thing, "mine")["spec"] == {"list": [2]}
    entry["operation"] = "Update"
    assert "spec" not in owned_fields(thing, "mine")


@pytest.mark.behaviour("C10")
@pytest.mark.parametrize(
    ("theirs", "data"),
    [
        ({"f:data": {"f:theirs": {}}}, {}),
        ({"f:data": {".": {}}}, {"theirs": "2"}),
        ({"f:metadata": {"f:labels": {"f:theirs": {}}}}, {"theirs": "2"}),
    ],
)
def test_a_map_of_which_others_own_fields_was_applied_empty(theirs: dict[str, Any], data: dict[str, str]) -> None:
    """C10: the same entry names all of a map where nobody else owns anything in it, whatever they own elsewhere."""
    entries: list[dict[str, Any]] = [
        {"manager": manager, "operation": "Apply", "fieldsV1": fields}
        for manager, fields in (("mine", {"f:data": {}}), ("theirs", theirs))
    ]
    thing = {"metadata": {"name": "net", "managedFields": entries}, "data": {"theirs": "2"}}
    assert owned_fields(thing, "mine") == {"metadata": {"name": "net"}, "data": data}


@pytest.mark.behaviour("C10")
@given(some_data, some_data, some_data)
async def test_for_any_fields_what_is_taken_out_is_what_was_applied(
    mine: dict[str, str], theirs: dict[str, str], later: dict[str, str]
) -> None:
    """C10: and applying it again changes nothing, as long as nobody else changed it."""
    clientset = FakeClientset()
    applier = Applier(clientset.client, owner="mine")
    await applier.apply(CONFIG_MAPS, data(**mine))
    await Applier(clientset.client, owner="theirs").apply(CONFIG_MAPS, data(**theirs))
    await applier.apply(CONFIG_MAPS, data(**later))
    now = shown(clientset)
    assert owned_fields(now, "mine").get("data", {}) == later
    if later:  # an empty map is owned and not kept, so it cannot be taken out
        assert (await applier.apply(CONFIG_MAPS, owned_fields(now, "mine"))).result is UNCHANGED
