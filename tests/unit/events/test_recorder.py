"""Events for people: what is written, when, and what is told of what is not."""

from __future__ import annotations

import asyncio
import platform
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.errors import (
    AlreadyExists,
    ConfigError,
    CtrlkitError,
    DecodeError,
    Forbidden,
    InternalError,
    NotFound,
    TimedOut,
    Unreachable,
)
from ctrlkit.events import DropReason, EventRecorder, EventsApi, EventType
from ctrlkit.events import recorder as recorder_module
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import ObjectMeta, Verb
from ctrlkit.model.kinds import CLUSTER_ROLES, EVENTS, EVENTS_V1, NAMESPACES, NODES, PODS
from tests.unit.events.support import POD, EventServer, count_of, recording, say, without_jitter

BOTH = pytest.mark.parametrize("api", EventsApi)


def dropped(recorder: EventRecorder) -> dict[str, int]:
    """What was dropped, where anything was."""
    return {reason.value: count for reason, count in recorder.statistics().dropped.items() if count}


def untouched(recorder: EventRecorder) -> bool:
    """Whether the counts of a recorder add up."""
    now = recorder.statistics()
    return now.recorded == now.told + now.untold + sum(now.dropped.values()) - now.recovered


@pytest.mark.behaviour("E3")
async def test_an_event_names_object_source_time_and_count() -> None:
    """E3: object's name, a dot, the time in hexadecimal nanoseconds."""
    server = EventServer()
    async with recording(server) as recorder:
        await asyncio.sleep(90)
        recorder.event(POD, PODS, EventType.WARNING, "CreationError", "quota")
        await recorder.flush(timeout_s=1)
    (action,) = server.actions
    assert (action.verb, action.resource, action.namespace) == (Verb.CREATE, EVENTS, "demo")
    assert re.fullmatch(r"web-0\.[0-9a-f]{16}", action.name)
    assert action.body == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": action.name, "namespace": "demo"},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": "demo",
            "name": "web-0",
            "uid": "u1",
            "resourceVersion": "7",
        },
        "type": "Warning",
        "reason": "CreationError",
        "message": "quota",
        "source": {"component": "bitcoin"},
        "reportingComponent": "bitcoin",
        "firstTimestamp": "2026-01-01T00:01:30Z",
        "lastTimestamp": "2026-01-01T00:01:30Z",
        "count": 1,
    }


@pytest.mark.behaviour("E9", "E11")
async def test_an_event_of_the_newer_api_names_action_instance_and_related_object() -> None:
    """E11: the instance is the controller and its machine; the action is the reason where nobody names one."""
    server = EventServer()
    async with recording(server, EventsApi.EVENTS_V1) as recorder:
        node = ObjectMeta(name="node-1", uid="u2")
        recorder.event(POD, PODS, EventType.WARNING, "Lost", "node is gone", action="Bind", related=(node, NODES))
        say(recorder)
        await recorder.flush(timeout_s=1)
    action, second = server.actions
    assert (action.verb, action.resource, action.namespace) == (Verb.CREATE, EVENTS_V1, "demo")
    assert re.fullmatch(r"web-0\.[0-9a-f]{16}", action.name)
    assert action.body == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": action.name, "namespace": "demo"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "bitcoin",
        "reportingInstance": f"bitcoin-{platform.node()}"[:128],
        "action": "Bind",
        "reason": "Lost",
        "regarding": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": "demo",
            "name": "web-0",
            "uid": "u1",
            "resourceVersion": "7",
        },
        "related": {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "u2"},
        "note": "node is gone",
        "type": "Warning",
    }
    assert second.body["action"] == second.body["reason"] == "Created"


@BOTH
@pytest.mark.behaviour("E3")
async def test_an_object_without_namespace_has_its_events_in_default_and_an_odd_name_gives_a_uuid(
    api: EventsApi,
) -> None:
    """E3: roles may be called what no Event may be called."""
    server = EventServer()
    async with recording(server, api) as recorder:
        for name in ("system:admin", "x" * 250):
            recorder.event(ObjectMeta(name=name), CLUSTER_ROLES, EventType.NORMAL, "Seen", "hello")
        await recorder.flush(timeout_s=1)
    assert [action.namespace for action in server.actions] == ["default", "default"]
    for action in server.actions:
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", action.name)


async def test_events_of_one_moment_have_names_of_their_own_and_keep_their_order() -> None:
    """Time stands still here, and still no name comes twice."""
    server = EventServer()
    async with recording(server) as recorder:
        for number in range(20):
            say(recorder, reason=f"Reason{number}")
        await recorder.flush(timeout_s=1)
    assert len({action.name for action in server.actions}) == 20
    assert [action.body["reason"] for action in server.actions] == [f"Reason{n}" for n in range(20)]


async def test_two_recorders_that_speak_in_one_instant_overwrite_nothing_of_each_other() -> None:
    """Both draw the same name; the one that comes second draws another."""
    tracker = Tracker()
    tracker.create(NAMESPACES, {"metadata": {"name": "demo"}})
    async with recording(tracker) as first, recording(tracker) as second:
        for recorder, message in ((first, "one"), (second, "two")):
            recorder.event(POD, PODS, EventType.NORMAL, "Said", message)
        assert await first.flush(timeout_s=1) == await second.flush(timeout_s=1) == 0
    assert sorted(event["message"] for event in tracker.list(EVENTS, "demo")) == ["one", "two"]


@pytest.mark.behaviour("E5")
async def test_a_repeat_counts_up_the_event_that_is_there() -> None:
    """E5: one create, then patches of count and time; another message, reason or type is another Event."""
    server = EventServer()
    async with recording(server) as recorder:
        for _ in range(3):
            say(recorder)
            await asyncio.sleep(60)
        say(recorder, reason="Updated")
        await recorder.flush(timeout_s=1)
    assert server.written == [("create", 1), ("patch", 2), ("patch", 3), ("create", 1)]
    assert server.actions[1].key == server.actions[0].key
    assert server.actions[2].body["lastTimestamp"] == "2026-01-01T00:02:00Z"
    assert (recorder.statistics().created, recorder.statistics().updated) == (2, 2)


@pytest.mark.behaviour("E4", "B27")
async def test_the_tenth_message_is_written_as_a_combined_event_and_counted_up() -> None:
    """E4, B27: what the write of a combined Event taught is known to the next occurrence of it."""
    server = EventServer()
    async with recording(server) as recorder:
        for number in range(12):
            say(recorder, f"message {number}")
            await recorder.flush(timeout_s=1)
    assert server.written == [("create", 1)] * 10 + [("patch", 2), ("patch", 3)]
    assert {action.key for action in server.actions[9:]} == {server.actions[9].key}
    assert server.actions[9].body["message"] == "(combined from similar events): message 9"
    assert server.actions[11].body["message"] == "(combined from similar events): message 11"
    assert server.actions[8].body["reportingComponent"] == server.actions[9].body["source"]["component"]
    assert "reportingComponent" not in server.actions[9].body, "client-go makes it anew, without a reporter"
    assert recorder.statistics().aggregated == 3


@pytest.mark.behaviour("E6")
async def test_the_26th_write_about_an_object_is_held_and_its_count_told_by_the_next_one() -> None:
    """E6: 26 events, 25 writes; 300 s later one more is let through, with all that were counted."""
    server = EventServer()
    async with recording(server) as recorder:
        for _ in range(26):
            say(recorder)
            await recorder.flush(timeout_s=1)
        assert (len(server.actions), dropped(recorder)) == (25, {"spam": 1})
        assert recorder.statistics().told == 25
        await asyncio.sleep(300)
        say(recorder)
        await recorder.flush(timeout_s=1)
    assert server.written[-1] == ("patch", 27)
    after = recorder.statistics()
    assert (len(server.actions), after.told, after.recovered) == (26, 27, 1)
    assert untouched(recorder)


@pytest.mark.behaviour("E9", "E10")
async def test_a_series_is_written_at_its_second_event_each_30_minutes_and_at_its_end() -> None:
    """E9, E10: all that happens within 6 minutes of each other is one Event."""
    server = EventServer()
    async with recording(server, EventsApi.EVENTS_V1) as recorder:
        for _ in range(40):
            say(recorder)
            await asyncio.sleep(60)
        assert recorder.busy() == ()
        await asyncio.sleep(15 * 60)
        say(recorder)
        await recorder.flush(timeout_s=1)
    assert server.written == [("create", 1), ("patch", 2), ("patch", 30), ("patch", 40), ("create", 1)]
    assert server.times == [0, 60, 1800, 48 * 60, 55 * 60]
    assert server.actions[1].body == {
        "series": {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"},
    }
    assert {action.key for action in server.actions[:4]} == {server.actions[0].key} != {server.actions[4].key}
    assert (recorder.statistics().merged, recorder.statistics().told) == (38, 41)


@pytest.mark.behaviour("E10", "E12", "B15")
async def test_a_flush_writes_what_series_have_gained() -> None:
    """B15: the count of the last minutes is not lost at the end."""
    server = EventServer()
    async with recording(server, EventsApi.EVENTS_V1) as recorder:
        for _ in range(5):
            say(recorder)
            await asyncio.sleep(1)
        assert (server.written[-1], recorder.statistics().untold) == (("patch", 2), 3)
        assert await recorder.flush(timeout_s=2) == 0
    assert server.written[-1] == ("patch", 5)


@BOTH
@given(repeats=st.lists(st.integers(1, 4), min_size=1, max_size=6))
async def test_for_any_bursts_the_count_on_the_server_is_the_number_recorded(
    api: EventsApi, repeats: list[int]
) -> None:
    """What says the same before it is written is written once."""
    server = EventServer()
    async with recording(server, api) as recorder:
        for burst in repeats:
            for _ in range(burst):
                say(recorder)
            await recorder.flush(timeout_s=1)
    assert len(server.actions) == len(repeats)
    assert server.written[-1][1] == sum(repeats)


class Scene:
    """What may happen between two events."""

    events = st.tuples(st.just("event"), st.integers(0, 1), st.integers(0, 12))
    waits = st.tuples(st.just("wait"), st.sampled_from([0, 1, 50, 400, 2000]), st.just(0))
    errors = st.sampled_from(
        [None, None, None, Forbidden("no"), NotFound("gone"), Unreachable("dial"), AlreadyExists("there")]
    )


@BOTH
@given(
    steps=st.lists(st.one_of(Scene.events, Scene.events, Scene.waits), max_size=60),
    errors=st.lists(Scene.errors, max_size=60),
)
async def test_for_any_events_and_any_server_the_counts_add_up(
    api: EventsApi, steps: list[tuple[str, int, int]], errors: list[CtrlkitError | None]
) -> None:
    """Recorded = told + dropped - recovered once all is written; the server was told of no more than was recorded."""
    server = EventServer(*errors)
    async with recording(server, api) as recorder:
        for kind, first, second in steps:
            if kind == "event":
                say(recorder, f"message {second}", f"Reason{first}")
            else:
                await asyncio.sleep(first)
            assert untouched(recorder)
        await recorder.flush(timeout_s=10_000)
        after = recorder.statistics()
    assert (after.pending, after.untold) == (0, 0)
    assert after.recorded == sum(kind == "event" for kind, _, _ in steps)
    assert after.created + after.updated <= after.recorded + 2 * len(errors)
    if not errors:
        final = {action.key: count_of(action.body) for action in server.actions}
        assert sum(final.values()) == after.told
        assert after.created == len(final)


@BOTH
@pytest.mark.behaviour("E2")
async def test_an_event_that_the_server_has_dropped_is_made_again(api: EventsApi) -> None:
    """E2: PATCH 404 leads to a create, with all that was counted."""
    server = EventServer(None, NotFound("gone"))
    async with recording(server, api) as recorder:
        for _ in range(2):
            say(recorder)
            await recorder.flush(timeout_s=1)
    assert server.written == [("create", 1), ("patch", 2), ("create", 2)]
    assert len({action.key for action in server.actions}) == 1
    assert (dropped(recorder), recorder.statistics().told) == ({}, 2)


@pytest.mark.behaviour("E2")
async def test_a_refusal_is_told_and_counted_and_not_repeated() -> None:
    """E2: the next event is written all the same."""
    server = EventServer(Forbidden("events is forbidden"))
    with capture_logs() as lines:
        async with recording(server) as recorder:
            say(recorder, "first")
            say(recorder, "second")
            await recorder.flush(timeout_s=1)
    assert server.written == [("create", 1), ("create", 1)]
    assert dropped(recorder) == {"refused": 1}
    told = next(line for line in lines if line["event"] == "event_dropped")
    assert (told["log_level"], told["key"], told["kind"], told["reason"]) == ("warning", "demo/web-0", "Pod", "Created")
    assert "events is forbidden" in told["error"]


@pytest.mark.behaviour("E2")
async def test_an_ending_namespace_is_no_news() -> None:
    """E2: Events come too late for every namespace that ends; the line is for who looks closely."""
    cause = {"reason": "NamespaceTerminating", "field": "metadata.namespace"}
    server = EventServer(Forbidden("demo is being terminated", details={"causes": [cause]}))
    with capture_logs() as lines:
        async with recording(server) as recorder:
            say(recorder)
            await recorder.flush(timeout_s=1)
    assert [(line["event"], line["log_level"]) for line in lines] == [("event_dropped", "debug")]
    assert dropped(recorder) == {"refused": 1}


@pytest.mark.behaviour("E2")
async def test_no_answer_is_tried_again_with_growing_delays_and_a_late_discovery_is_no_error() -> None:
    """E2: the second try arrived, its answer did not: the third finds the Event there, and makes sure of its count."""
    without_jitter()
    server = EventServer(Unreachable("dial"), TimedOut("read"), AlreadyExists("there"))
    async with recording(server) as recorder:
        say(recorder)
        await recorder.flush(timeout_s=60)
        say(recorder)
        await recorder.flush(timeout_s=60)
    assert server.times == [0.0, 1.0, 3.0, 3.0, 3.0]
    assert server.written == [("create", 1), ("create", 1), ("create", 1), ("patch", 1), ("patch", 2)]
    assert (dropped(recorder), len({action.name for action in server.actions})) == ({}, 1)


@pytest.mark.behaviour("E2")
async def test_what_is_no_refusal_is_tried_again() -> None:
    """A gateway's page, or a token that cannot be sent: nobody has refused the Event."""
    without_jitter()
    server = EventServer(DecodeError("a page of HTML"), ConfigError("the header cannot be sent"), Unreachable("dial"))
    async with recording(server) as recorder:
        say(recorder)
        await recorder.flush(timeout_s=60)
    assert server.written == [("create", 1)] * 4
    assert dropped(recorder) == {}


async def test_what_nobody_foresaw_costs_one_event() -> None:
    """A bug of a transport: it is told with its traceback, and the next Event is written."""
    server = EventServer(RuntimeError("bug"))  # type: ignore[arg-type]
    with capture_logs() as lines:
        async with recording(server) as recorder:
            say(recorder, reason="First")
            say(recorder, reason="Second")
            await recorder.flush(timeout_s=60)
    (told,) = lines
    assert (told["event"], told["log_level"], repr(told["exc_info"])) == (
        "event_dropped",
        "error",
        "RuntimeError('bug')",
    )
    assert dropped(recorder) == {"undelivered": 1}
    assert len(server.written) == 2


@BOTH
@pytest.mark.behaviour("E2", "E11")
async def test_after_twelve_tries_it_gives_up(api: EventsApi) -> None:
    """E2: dropped and told, once; the next write of that Event tells of it."""
    server = EventServer(*[Unreachable("dial")] * 12)
    async with recording(server, api) as recorder:
        say(recorder)
        await recorder.flush(timeout_s=600)
        assert (len(server.actions), dropped(recorder)) == (12, {"undelivered": 1})
        say(recorder)
        await recorder.flush(timeout_s=600)
    assert server.written[-1] == ("create", 2)
    assert recorder.statistics().recovered == 1


@BOTH
@pytest.mark.behaviour("E1", "E11")
async def test_a_full_buffer_drops_and_nobody_waits(monkeypatch: pytest.MonkeyPatch, api: EventsApi) -> None:
    """E1: with the server away; repeats of what waits need no room."""
    monkeypatch.setattr(recorder_module, "PENDING_MAX", 3)
    recorder = EventRecorder(Client(EventServer()), "bitcoin", api=api)
    with capture_logs() as lines:
        for number in (1, 2, 3, 1, 2, 4, 5):
            say(recorder, reason=f"Reason{number}")
    assert dropped(recorder) == {"buffer_full": 2}
    assert recorder.busy() == ("recorder:bitcoin has 3 events to write",)
    assert [line["error"] for line in lines] == ["the buffer is full", "the buffer is full"]
    assert (recorder.statistics().merged, recorder.statistics().pending) == (2, 3)


@BOTH
@pytest.mark.behaviour("E3", "E11")
async def test_what_no_server_could_take_is_dropped_and_told(api: EventsApi) -> None:
    """E11: a bad type, an object without a name."""
    recorder = EventRecorder(Client(EventServer()), "bitcoin", api=api)
    bad_type: Any = "Fatal"
    with capture_logs() as lines:
        recorder.event(POD, PODS, bad_type, "Created", "hello")
        recorder.event(ObjectMeta(), PODS, EventType.NORMAL, "Created", "hello")
        recorder.event(POD, PODS, EventType.NORMAL, "", "hello")
    assert (dropped(recorder), recorder.busy()) == ({"malformed": 3}, ())
    assert [line["event"] for line in lines] == ["event_dropped"] * 3


@pytest.mark.behaviour("B15", "E12")
async def test_flush_waits_for_the_last_event_but_not_for_ever() -> None:
    """B15: it says how many were left, and they are still there for another try."""
    server = EventServer(*[Unreachable("dial")] * 12)
    with capture_logs() as lines:
        async with recording(server) as recorder:
            say(recorder, "first")
            say(recorder, "second")
            assert await recorder.flush(timeout_s=5) == 2
            assert monotonic() == 5
    assert next(line for line in lines if line["event"] == "events_abandoned")["count"] == 2
    assert recorder.statistics().pending == 2


@pytest.mark.behaviour("E2")
async def test_an_error_of_the_server_is_an_answer() -> None:
    """E2: a Status is not tried again, whatever its code."""
    server = EventServer(InternalError("no"))
    async with recording(server) as recorder:
        say(recorder)
        await recorder.flush(timeout_s=60)
    assert (len(server.actions), dropped(recorder)) == (1, {DropReason.REFUSED.value: 1})


@BOTH
async def test_a_long_message_is_cut(api: EventsApi) -> None:
    """At 1024 bytes, which is what servers count, visibly, and between two characters."""
    tracker = Tracker()
    tracker.create(NAMESPACES, {"metadata": {"name": "demo"}})
    async with recording(tracker, api) as recorder:
        for sign in ("x", chr(0xE9), chr(0x20BF)):
            say(recorder, sign * 1500, f"Reason{ord(sign)}")
        await recorder.flush(timeout_s=1)
        assert dropped(recorder) == {}
    messages = [event["message"] for event in tracker.list(EVENTS, "demo")]
    assert sorted(len(message.encode()) for message in messages) == [1023, 1023, 1024]
    assert all(message.endswith("...") for message in messages)


@BOTH
async def test_a_message_that_is_no_unicode_ends_nobody(api: EventsApi) -> None:
    """Such as the name of a file in another encoding: what cannot be written is shown as ?, and the next one comes."""
    tracker = Tracker()
    tracker.create(NAMESPACES, {"metadata": {"name": "demo"}})
    async with recording(tracker, api) as recorder:
        say(recorder, b"found \xff".decode(errors="surrogateescape"))
        say(recorder, "next", "Next")
        assert await recorder.flush(timeout_s=1) == 0
    assert sorted(event["message"] for event in tracker.list(EVENTS, "demo")) == ["found ?", "next"]
