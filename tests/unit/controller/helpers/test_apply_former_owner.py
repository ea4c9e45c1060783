"""A program comes to own what it applied when all programs were called "ctrlkit"."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.controller.helpers.apply import Applier, owners_after_takeover
from ctrlkit.controller.helpers.converge import FROM_SERVER, Convergence
from ctrlkit.errors import Conflict
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import ApplyPatch, MergePatch, OnConflict, Options
from ctrlkit.model.kinds import CONFIG_MAPS, SERVICES

KEY = "default/net"
META = {"name": "net", "namespace": "default"}
FORMER = Options(field_manager="ctrlkit")


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": META, "data": data}


def applied_before(body: dict[str, Any]) -> FakeClientset:
    """A server on which the program, or another one of that name, applied something as "ctrlkit"."""
    clientset = FakeClientset()
    clientset.tracker.patch(CONFIG_MAPS, KEY, ApplyPatch(body), options=FORMER)
    return clientset


def owners(clientset: FakeClientset) -> list[tuple[str, str]]:
    """Who owns something of the object, and how."""
    entries = clientset.tracker.get(CONFIG_MAPS, KEY)["metadata"]["managedFields"]
    return [(entry["manager"], entry["operation"]) for entry in entries]


@pytest.mark.parametrize("on_conflict", OnConflict)
@pytest.mark.parametrize("is_handed_over", [True, False])
@pytest.mark.parametrize("value", ["1", "2"])
async def test_what_was_applied_under_the_old_name_is_changed_and_dropped_under_the_new_one(
    on_conflict: OnConflict, is_handed_over: bool, value: str
) -> None:
    """Without a conflict, without a leftover: the fields left out are gone, and one owner is left."""
    clientset = applied_before(config_map(a="1", b="1"))
    applier = Applier(clientset.client, owner="greeting", on_conflict=on_conflict)
    have = clientset.tracker.get(CONFIG_MAPS, KEY) if is_handed_over else FROM_SERVER
    result, after = await applier.apply(CONFIG_MAPS, config_map(a=value), current=have)
    assert (result, after["data"], owners(clientset)) == (
        Convergence.UPDATED,
        {"a": value},
        [("greeting", "Apply")],
    )
    clientset.clear_actions()
    assert (await applier.apply(CONFIG_MAPS, config_map(a=value), current=after)).result is Convergence.UNCHANGED
    assert clientset.actions == ()


async def test_other_owners_keep_what_they_own() -> None:
    """Their entries, their fields, and what they share with the program."""
    clientset = applied_before(config_map(a="1", b="1"))
    clientset.tracker.patch(CONFIG_MAPS, KEY, ApplyPatch(config_map(b="1", c="1")), options=Options(field_manager="x"))
    clientset.tracker.patch(CONFIG_MAPS, KEY, MergePatch({"data": {"d": "1"}}), options=FORMER)
    await Applier(clientset.client, owner="greeting").apply(CONFIG_MAPS, config_map(a="2"))
    assert clientset.tracker.get(CONFIG_MAPS, KEY)["data"] == {"a": "2", "b": "1", "c": "1", "d": "1"}
    assert sorted(owners(clientset)) == [("ctrlkit", "Update"), ("greeting", "Apply"), ("x", "Apply")]


async def test_a_program_that_is_still_called_so_keeps_its_fields() -> None:
    """Where the new owner wants none of them: two programs, and nobody takes anything."""
    clientset = applied_before(config_map(theirs="1"))
    applier = Applier(clientset.client, owner="greeting", on_conflict=OnConflict.FAIL)
    await applier.apply(CONFIG_MAPS, config_map(mine="1"))
    assert sorted(owners(clientset)) == [("ctrlkit", "Apply"), ("greeting", "Apply")]
    await applier.apply(CONFIG_MAPS, config_map(mine="2"))
    assert clientset.tracker.get(CONFIG_MAPS, KEY)["data"] == {"theirs": "1", "mine": "2"}
    clientset.tracker.patch(CONFIG_MAPS, KEY, ApplyPatch(config_map(theirs="2")), options=FORMER)
    with pytest.raises(Conflict, match="ctrlkit"):
        await applier.apply(CONFIG_MAPS, config_map(theirs="3"))
    assert clientset.tracker.get(CONFIG_MAPS, KEY)["data"] == {"theirs": "2", "mine": "2"}


async def test_what_both_names_applied_alike_has_one_owner_again() -> None:
    """As when a client applied it under the new name before an Applier did."""
    clientset = applied_before(config_map(a="1"))
    clientset.tracker.patch(CONFIG_MAPS, KEY, ApplyPatch(config_map(a="1", b="1")), options=Options(field_manager="g"))
    await Applier(clientset.client, owner="g", on_conflict=OnConflict.FAIL).apply(CONFIG_MAPS, config_map(a="2"))
    assert (clientset.tracker.get(CONFIG_MAPS, KEY)["data"], owners(clientset)) == ({"a": "2"}, [("g", "Apply")])


async def test_an_object_that_has_changed_since_it_was_read_is_a_conflict() -> None:
    """The reconcile comes again, and has read it anew."""
    clientset = applied_before(config_map(a="1"))
    have = clientset.tracker.get(CONFIG_MAPS, KEY)
    clientset.tracker.patch(CONFIG_MAPS, KEY, MergePatch({"data": {"b": "1"}}))
    with pytest.raises(Conflict) as caught:
        await Applier(clientset.client, owner="greeting").apply(CONFIG_MAPS, config_map(a="2"), current=have)
    assert not caught.value.over_fields


async def test_who_is_still_called_so_is_left_alone() -> None:
    """And so is what nobody applied."""
    clientset = applied_before(config_map(a="1"))
    await Applier(clientset.client, owner="ctrlkit").apply(CONFIG_MAPS, config_map(a="2"))
    assert (owners(clientset), len(clientset.writes)) == ([("ctrlkit", "Apply")], 1)
    assert owners_after_takeover({"metadata": {}}, config_map(a="1"), "greeting") is None


async def test_items_of_lists_are_found_by_their_keys() -> None:
    """A port that both name is common ground; another port is not."""
    clientset = FakeClientset()
    head = {"apiVersion": "v1", "kind": "Service", "metadata": META}

    def service(port: int) -> dict[str, Any]:
        return {**head, "spec": {"ports": [{"name": "rpc", "port": port, "protocol": "TCP"}]}}

    there = clientset.tracker.patch(SERVICES, KEY, ApplyPatch(service(80)), options=FORMER)
    assert owners_after_takeover(there, service(81), "greeting") is None
    taken = owners_after_takeover(there, service(80), "greeting")
    assert [entry["manager"] for entry in taken or ()] == ["greeting"]


@pytest.mark.parametrize(
    ("step", "items", "is_taken"), [('v:"a"', ["b", "a"], True), ('v:"a"', ["b"], False), ("i:0", ["a"], False)]
)
def test_items_of_lists_are_found_by_their_values_and_never_by_their_places(
    step: str, items: list[str], is_taken: bool
) -> None:
    """What stands in a place may be anything."""
    former = {"manager": "ctrlkit", "operation": "Apply", "fieldsV1": {"f:spec": {"f:list": {step: {}}}}}
    thing = {"metadata": {"managedFields": [former]}}
    taken = [{**former, "manager": "greeting"}] if is_taken else None
    assert owners_after_takeover(thing, {"spec": {"list": items}}, "greeting") == taken


some_data = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2"]), min_size=1)


@given(some_data, some_data)
async def test_for_any_fields_that_overlap_what_was_applied_is_what_is_there(
    before: dict[str, str], now: dict[str, str]
) -> None:
    """As if the program had always been called so."""
    clientset = applied_before(config_map(**before))
    await Applier(clientset.client, owner="greeting", on_conflict=OnConflict.FORCE).apply(
        CONFIG_MAPS, config_map(**now)
    )
    data = clientset.tracker.get(CONFIG_MAPS, KEY)["data"]
    if before.keys() & now.keys():
        assert (data, owners(clientset)) == (now, [("greeting", "Apply")])
    else:
        assert data == before | now
