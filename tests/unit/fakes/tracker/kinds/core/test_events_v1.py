"""Events in their two forms: one object, two names for its fields, and two sets of rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.cache import Informer
from ctrlkit.client import Client
from ctrlkit.errors import AlreadyExists, BadRequest, Invalid, NotFound
from ctrlkit.events import EventRecorder, EventsApi, EventType
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.kinds.core import events
from ctrlkit.fakes.tracker.kinds.core.events_v1 import EVENTS_STRATEGY_V1
from ctrlkit.fakes.tracker.notices import noticed
from ctrlkit.model import ApplyPatch, JsonPatch, MergePatch, ObjectMeta, Options, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import EVENTS, EVENTS_V1, PODS
from tests.support.running import running

TIME = "2026-01-01T00:00:00.000000Z"
NEW: dict[str, Any] = {
    "metadata": {"name": "web.1", "namespace": "default"},
    "eventTime": TIME,
    "reportingController": "bitcoin",
    "reportingInstance": "bitcoin-1",
    "action": "Bind",
    "reason": "Lost",
    "regarding": {"kind": "Pod", "namespace": "default", "name": "web"},
    "note": "node is gone",
    "type": "Warning",
}


def test_both_groups_show_the_same_object() -> None:
    """A server keeps one Event; each group has its own words for it."""
    tracker = Tracker()
    made = tracker.create(EVENTS_V1, NEW)
    core = tracker.get(EVENTS, "default/web.1")
    assert (made.at("note"), core.at("message"), made.at("message"), core.at("note")) == (
        "node is gone",
        "node is gone",
        None,
        None,
    )
    assert (made["apiVersion"], core["apiVersion"]) == ("events.k8s.io/v1", "v1")
    assert core.at("involvedObject.name") == made.at("regarding.name") == "web"
    assert (core.at("reportingComponent"), made.at("reportingController")) == ("bitcoin", "bitcoin")
    assert (made["deprecatedFirstTimestamp"], core["firstTimestamp"]) == (None, None)
    assert core.metadata.resource_version == made.metadata.resource_version
    tracker.delete(EVENTS_V1, "default/web.1")
    assert tracker.list(EVENTS) == tracker.list(EVENTS_V1) == []


def test_an_older_event_is_shown_with_its_deprecated_fields() -> None:
    """And without what was never set."""
    tracker = Tracker()
    about = {"kind": "Pod", "namespace": "default", "name": "web"}
    old = {"metadata": {"name": "a", "namespace": "default"}, "involvedObject": about, "count": 3, "message": "hello"}
    tracker.create(EVENTS, old | {"source": {"component": "kubelet"}, "lastTimestamp": "2026-01-01T00:00:00Z"})
    (shown,) = tracker.list(EVENTS_V1)
    assert {name: value for name, value in shown.items() if name != "metadata"} == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "regarding": about,
        "deprecatedCount": 3,
        "deprecatedSource": {"component": "kubelet"},
        "deprecatedFirstTimestamp": None,
        "deprecatedLastTimestamp": "2026-01-01T00:00:00Z",
        "eventTime": None,
        "note": "hello",
    }


@pytest.mark.parametrize(
    ("change", "complaints"),
    [
        ({"eventTime": None}, {"eventTime"}),
        ({"type": "Fatal"}, {"type"}),
        ({"action": ""}, {"action"}),
        ({"reportingController": ""}, {"reportingController"}),
        ({"series": {"count": 1, "lastObservedTime": TIME}}, {"series.count"}),
        ({"series": {"count": 2}}, {"series.lastObservedTime"}),
        ({"deprecatedCount": 2, "deprecatedSource": {"host": "a"}}, {"count", "source"}),
        ({"note": "x" * 1025, "type": ""}, {"message", "type"}),
    ],
)
def test_what_the_newer_form_asks_for(change: dict[str, Any], complaints: set[str]) -> None:
    """All complaints come in one answer, and nothing is stored."""
    tracker = Tracker()
    with pytest.raises(Invalid, match=r'^Event "web\.1" is invalid: ') as raised:
        tracker.create(EVENTS_V1, NEW | change)
    assert {cause["field"] for cause in raised.value.details["causes"]} == complaints
    assert tracker.list(EVENTS) == []


@pytest.mark.behaviour("E9")
def test_only_the_series_can_be_changed() -> None:
    """By any kind of patch; core/v1 takes more."""
    tracker = Tracker()
    tracker.create(EVENTS_V1, NEW)
    series = {"series": {"count": 2, "lastObservedTime": TIME}}
    assert tracker.patch(EVENTS_V1, "default/web.1", StrategicMergePatch(series)).at("series.count") == 2
    operation = {"op": "replace", "path": "/series/count", "value": 5}
    assert tracker.patch(EVENTS_V1, "default/web.1", JsonPatch([operation])).at("series.count") == 5
    for patch in (
        MergePatch({"note": "other"}),
        JsonPatch([{"op": "replace", "path": "/note", "value": "other"}]),
        MergePatch({"series": {"count": 1}}),
    ):
        with pytest.raises(Invalid, match=r"message: Invalid value: \"other\": field is immutable|series.count"):
            tracker.patch(EVENTS_V1, "default/web.1", patch)
    assert tracker.patch(EVENTS, "default/web.1", MergePatch({"message": "other"})).at("message") == "other"
    assert tracker.get(EVENTS_V1, "default/web.1").at("note") == "other"


def test_an_event_can_be_applied() -> None:
    """And is the same afterwards under either group."""
    tracker = Tracker()
    options = Options(field_manager="me")
    tracker.patch(
        EVENTS_V1,
        "default/web.1",
        ApplyPatch(NEW | {"apiVersion": "events.k8s.io/v1", "kind": "Event"}),
        options=options,
    )
    assert tracker.get(EVENTS, "default/web.1").at("message") == "node is gone"


def test_refusals_name_the_group() -> None:
    """As a server words them."""
    tracker = Tracker()
    tracker.create(EVENTS_V1, NEW)
    with pytest.raises(NotFound, match=r'events\.events\.k8s\.io "b" not found') as raised:
        tracker.get(EVENTS_V1, "default/b")
    assert raised.value.details == {"name": "b", "group": "events.k8s.io", "kind": "events"}
    with pytest.raises(AlreadyExists, match=r'events\.events\.k8s\.io "web.1" already exists'):
        tracker.create(EVENTS_V1, NEW)
    with pytest.raises(BadRequest, match='unknown field "message"'):
        tracker.create(EVENTS_V1, NEW | {"message": "x"}, Options(field_validation="Strict"))
    with noticed() as texts:
        tracker.create(EVENTS_V1, NEW | {"metadata": {"name": "c", "namespace": "default"}, "involvedObject": {}})
    assert texts == ['unknown field "involvedObject"']


def test_selection_by_the_fields_of_each_form() -> None:
    """`regarding.name` here, `involvedObject.name` there, and not the other way round."""
    tracker = Tracker()
    tracker.create(EVENTS_V1, NEW)
    for resource, good, bad in (
        (EVENTS_V1, "regarding.name=web,reason=Lost,reportingController!=x", "involvedObject.name=web"),
        (EVENTS, "involvedObject.name=web,reason=Lost", "regarding.name=web"),
    ):
        assert len(tracker.list(resource, options=Options(field_selector=good))) == 1
        assert tracker.list(resource, options=Options(field_selector=good.replace("web", "db"))) == []
        with pytest.raises(BadRequest, match="field label not supported"):
            tracker.list(resource, options=Options(field_selector=bad))


async def test_watches_of_either_form_see_the_same_changes() -> None:
    """An informer of one form follows what is written in the other."""
    tracker = Tracker()
    informer = Informer[Unstructured](EVENTS_V1, {"": Client(tracker).list_watch(EVENTS_V1)})
    about = {"kind": "Pod", "namespace": "default", "name": "web"}
    async with running(informer):
        made = tracker.create(EVENTS, {"metadata": {"name": "a", "namespace": "default"}, "involvedObject": about})
        tracker.patch(EVENTS, made.key, MergePatch({"message": "hello", "count": 2}))
        assert tracker.busy() == ("watch events.events.k8s.io at 4, server at 6",)
        await asyncio.sleep(1)
        assert tracker.busy() == ()
        (event,) = informer.lister.list(namespace="default")
        assert (event.at("note"), event.at("regarding"), event.at("deprecatedCount")) == ("hello", about, 2)
        await asyncio.sleep(120)
        assert informer.statistics().version == "6"


@asynccontextmanager
async def recording(recorder: EventRecorder) -> AsyncIterator[None]:
    task = asyncio.create_task(recorder.run())
    yield
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.behaviour("E9", "E11")
async def test_what_a_recorder_writes_is_taken() -> None:
    """By the rules of each API: a first event, a series, a combined one."""
    tracker = Tracker()
    for api in EventsApi:
        recorder = EventRecorder(Client(tracker), "bitcoin", api=api)
        async with recording(recorder):
            for number in range(12):
                recorder.event(
                    ObjectMeta(name=f"web-{api.name.lower().replace('_', '-')}", namespace="default"),
                    PODS,
                    EventType.WARNING,
                    "Lost",
                    f"node {number} is gone",
                    related=(ObjectMeta(name="node-1"), PODS),
                )
                assert await recorder.flush(timeout_s=1) == 0
        assert not any(recorder.statistics().dropped.values())
    core, newer = (
        [event for event in tracker.list(EVENTS_V1) if event.at("regarding.name") == name]
        for name in ("web-core-v1", "web-events-v1")
    )
    assert sorted(event.at("deprecatedCount") for event in core) == [1] * 9 + [3]
    assert [event.at("series.count") for event in newer] == [12]


def test_tables_are_the_same() -> None:
    """kubectl prints the same line whichever group it asks."""
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert EVENTS_STRATEGY_V1.cells is not None
    assert events.EVENTS.cells is not None
    assert EVENTS_STRATEGY_V1.cells(NEW, now) == events.EVENTS.cells(events.exchanged(NEW), now)


@given(st.dictionaries(st.sampled_from(["note", "message", "reason", "regarding", "count", "other"]), st.integers()))
def test_for_any_fields_the_exchange_is_its_own_opposite(fields: dict[str, int]) -> None:
    """Nothing is lost on the way there and back."""
    assert events.exchanged(events.exchanged(fields)) == fields
