"""Lists: order, selectors, pages of one snapshot, and the versions they may be asked for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.errors import ApiError, BadRequest, Expired, Invalid, Timeout
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Action, MergePatch, Options, Verb
from ctrlkit.model.kinds import CONFIG_MAPS, EVENTS, NAMESPACES, NODES, PODS
from tests.support.objects import a_pod

NAMES = st.lists(st.sampled_from([f"c{number}" for number in range(12)]), unique=True, max_size=12)


def filled(*names: str) -> Tracker:
    tracker = Tracker()
    for name in names:
        labels = {"tier": "ab"[int(name[-1]) % 2]} if name[-1].isdigit() else {}
        tracker.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "default", "labels": labels}})
    return tracker


async def page(tracker: Tracker, **options: Any) -> dict[str, Any]:
    action = Action(verb=Verb.LIST, resource=CONFIG_MAPS, namespace="default", options=Options(**options))
    answer: dict[str, Any] = msgspec.json.decode(await tracker.do(action))
    return answer


def names_of(answer: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in answer["items"]]


async def test_a_list_is_ordered_by_path_and_carries_the_newest_version() -> None:
    tracker = filled("b", "a")
    tracker.create(NAMESPACES, {"metadata": {"name": "default-two"}})
    tracker.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default-two"}})
    answer = msgspec.json.decode(await tracker.do(Action(verb=Verb.LIST, resource=CONFIG_MAPS)))
    keys = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in answer["items"]]
    assert keys == [("default-two", "a"), ("default", "a"), ("default", "b")]
    assert (answer["kind"], answer["apiVersion"]) == ("ConfigMapList", "v1")
    assert answer["metadata"]["resourceVersion"] == str(tracker.version)
    assert names_of(await page(tracker)) == ["a", "b"]


@pytest.mark.behaviour("T11", "X10")
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"label_selector": "tier=a"}, ["c0", "c2"]),
        ({"label_selector": "tier!=a"}, ["c1", "plain"]),
        ({"label_selector": "tier in (b),tier"}, ["c1"]),
        ({"label_selector": "!tier"}, ["plain"]),
        ({"field_selector": "metadata.name=c1"}, ["c1"]),
        ({"field_selector": "metadata.name!=c1,metadata.namespace=default"}, ["c0", "c2", "plain"]),
        ({"label_selector": "tier=a", "field_selector": "metadata.name=c2"}, ["c2"]),
    ],
)
async def test_selectors_select(options: dict[str, Any], found: list[str]) -> None:
    tracker = filled("c0", "c1", "c2", "plain")
    assert names_of(await page(tracker, **options)) == found


@pytest.mark.behaviour("T11")
async def test_kinds_have_selectable_fields_of_their_own() -> None:
    tracker = Tracker()
    for name, node in (("p", "n1"), ("q", "n2")):
        tracker.create(PODS, a_pod(name, nodeName=node))
    tracker.create(
        EVENTS, {"metadata": {"name": "e", "namespace": "default"}, "reason": "R", "involvedObject": {"name": "p"}}
    )
    selectors = {PODS: ("spec.nodeName=n2,status.phase=Pending", "q"), EVENTS: ("involvedObject.name=p,reason=R", "e")}
    for resource, (selector, name) in selectors.items():
        found = tracker.list(resource, "default", Options(field_selector=selector))
        assert [item.metadata.name for item in found] == [name]


def test_nodes_that_say_nothing_take_pods_and_are_selected_as_such() -> None:
    """A field that is left out is false; others are compared as they are."""
    tracker = Tracker()
    for name, spec in (("closed", {"unschedulable": True}), ("open", {"unschedulable": False}), ("silent", {})):
        tracker.create(NODES, {"metadata": {"name": name}, "spec": spec})
    for selector, names in (
        ("spec.unschedulable=true", ["closed"]),
        ("spec.unschedulable=false", ["open", "silent"]),
        ("spec.unschedulable!=true,metadata.name=open", ["open"]),
    ):
        found = tracker.list(NODES, options=Options(field_selector=selector))
        assert [node.metadata.name for node in found] == names


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"field_selector": "data.i=3"},
            BadRequest,
            '"data.i" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        ({"label_selector": "a=("}, BadRequest, "unable to parse requirement"),
        ({"label_selector": "=a"}, BadRequest, "found '=', expected: !, identifier, or 'end of string'"),
        ({"label_selector": "!=a"}, BadRequest, "found '!=', expected: !, identifier, or 'end of string'"),
        ({"label_selector": "!,a"}, BadRequest, "found ',', expected: identifier"),
        ({"continue_token": "nonsense", "limit": 3}, BadRequest, "continue key is not valid"),
        ({"resource_version": "999"}, Timeout, "Too large resource version: 999"),
        ({"resource_version": "abc"}, BadRequest, 'invalid resource version: resourceVersion: Invalid value: "abc"'),
        ({"resource_version_match": "Exact"}, Invalid, "resourceVersionMatch is forbidden unless resourceVersion"),
        ({"resource_version_match": "Exact", "resource_version": "0"}, Invalid, "forbidden for resourceVersion"),
        ({"resource_version_match": "No", "resource_version": "1"}, Invalid, 'Unsupported value: "No"'),
    ],
)
async def test_a_list_is_refused_in_the_servers_words(
    options: dict[str, Any], error: type[ApiError], message: str
) -> None:
    with pytest.raises(error) as refusal:
        await page(filled("c0"), **options)
    assert message in refusal.value.message


async def test_pages_show_the_snapshot_of_the_first() -> None:
    tracker = filled("c0", "c1", "c2", "c3")
    first = await page(tracker, limit=2)
    assert (names_of(first), first["metadata"]["remainingItemCount"]) == (["c0", "c1"], 2)
    tracker.delete(CONFIG_MAPS, "default/c2")
    tracker.create(CONFIG_MAPS, {"metadata": {"name": "c20", "namespace": "default"}})
    tracker.patch(CONFIG_MAPS, "default/c3", MergePatch({"data": {"late": "1"}}))
    second = await page(tracker, limit=2, continue_token=first["metadata"]["continue"])
    assert names_of(second) == ["c2", "c3"]
    assert "data" not in second["items"][1]
    assert second["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}


async def test_a_selector_hides_how_many_remain() -> None:
    answer = await page(filled("c0", "c2", "c4"), limit=1, label_selector="tier=a")
    assert answer["metadata"]["continue"]
    assert "remainingItemCount" not in answer["metadata"]


@pytest.mark.behaviour("R4")
async def test_a_token_of_a_compacted_version_is_expired() -> None:
    tracker = filled("c0", "c1")
    token = (await page(tracker, limit=1))["metadata"]["continue"]
    tracker.delete(CONFIG_MAPS, "default/c0")
    tracker.compact()
    with pytest.raises(Expired, match="The provided continue parameter is too old") as refusal:
        await page(tracker, limit=1, continue_token=token)
    assert refusal.value.code == 410
    on = await page(tracker, limit=5, continue_token=refusal.value.continue_token)
    assert "c0" not in names_of(on)
    assert names_of(on)


async def test_an_exact_version_is_that_state_until_it_is_compacted() -> None:
    tracker = filled("c0")
    version = str(tracker.version)
    tracker.create(CONFIG_MAPS, {"metadata": {"name": "c1", "namespace": "default"}})
    exact = {"resource_version": version, "resource_version_match": "Exact"}
    assert names_of(await page(tracker, **exact)) == ["c0"]
    assert names_of(await page(tracker, resource_version=version)) == ["c0", "c1"]
    tracker.compact()
    with pytest.raises(Expired, match="The resourceVersion for the provided list is too old"):
        await page(tracker, **exact)


@pytest.mark.behaviour("R2")
async def test_version_zero_is_answered_whole() -> None:
    assert names_of(await page(filled("c0", "c1"), limit=1, resource_version="0")) == ["c0", "c1"]


@settings(deadline=None)
@given(names=NAMES, limit=st.integers(1, 5), gone=NAMES)
def test_for_any_snapshot_paging_yields_the_same_as_one_list(names: list[str], limit: int, gone: list[str]) -> None:
    """Whatever is written between the pages."""
    tracker = filled(*names)
    action = Action(verb=Verb.LIST, resource=CONFIG_MAPS, namespace="default")
    whole = _list(tracker, action, Options())["items"]
    paged: list[Any] = []
    token = ""
    while True:
        answer = _list(tracker, action, Options(limit=limit, continue_token=token))
        paged += answer["items"]
        token = answer["metadata"].get("continue", "")
        if not token:
            break
        for name in gone[:2]:
            if name in {item.metadata.name for item in tracker.list(CONFIG_MAPS)}:
                tracker.delete(CONFIG_MAPS, f"default/{name}")
            else:
                tracker.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "default"}})
    assert paged == whole


def _list(tracker: Tracker, action: Action, options: Options) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(
        tracker.call(Action(verb=action.verb, resource=action.resource, namespace=action.namespace, options=options))
    )
    return answer
