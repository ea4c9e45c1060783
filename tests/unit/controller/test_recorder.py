"""Events for people."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.controller import EventRecorder, EventType
from ctrlkit.controller import recorder as recorder_module
from ctrlkit.errors import AlreadyExists, CtrlkitError, Forbidden, NotFound, TimedOut, Unreachable
from ctrlkit.model import Action, Lines, ObjectMeta, Verb
from ctrlkit.model.kinds import CLUSTER_ROLES, PODS
from tests.unit.controller.support import without_jitter

POD = ObjectMeta(name="web-0", namespace="demo", uid="u1", resource_version="7")


class EventServer:
    """A Transport that notes each call with its time, raises what it is told to, and else says yes."""

    def __init__(self, *errors: CtrlkitError | None) -> None:
        self.errors = list(errors)
        self.actions: list[Action] = []
        self.times: list[float] = []

    async def do(self, action: Action) -> bytes:
        self.actions.append(action)
        self.times.append(round(monotonic(), 6))
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return json.dumps({"metadata": {"name": action.name, "namespace": action.namespace}}).encode()

    def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        raise NotImplementedError(action)

    @property
    def written(self) -> list[tuple[str, Any]]:
        """Verb and count of each call."""
        return [(action.verb.value, action.body["count"]) for action in self.actions]


@asynccontextmanager
async def recording(server: EventServer) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder(Client(server), "bitcoin")
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


def say(recorder: EventRecorder, message: str = "created service web", reason: str = "Created") -> None:
    recorder.event(POD, PODS, EventType.NORMAL, reason, message)


@pytest.mark.behaviour("E3")
async def test_an_event_names_object_source_time_and_count() -> None:
    """E3: object's name, a dot, the time in hexadecimal nanoseconds."""
    server = EventServer()
    async with recording(server) as recorder:
        await asyncio.sleep(90)
        recorder.event(POD, PODS, EventType.WARNING, "CreationError", "quota")
        await recorder.flush(timeout_s=1)
    (action,) = server.actions
    assert (action.verb, action.namespace) == (Verb.CREATE, "demo")
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


@pytest.mark.behaviour("E3")
async def test_an_object_without_namespace_has_its_events_in_default_and_an_odd_name_gives_a_uuid() -> None:
    """E3: roles may be called what no Event may be called."""
    server = EventServer()
    async with recording(server) as recorder:
        for name in ("system:admin", "x" * 250):
            recorder.event(ObjectMeta(name=name), CLUSTER_ROLES, EventType.NORMAL, "Seen", "hello")
        await recorder.flush(timeout_s=1)
    assert [action.namespace for action in server.actions] == ["default", "default"]
    for action in server.actions:
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", action.name)


async def test_events_of_one_moment_have_names_of_their_own() -> None:
    """Time stands still here, and still no name comes twice."""
    server = EventServer()
    async with recording(server) as recorder:
        for number in range(50):
            say(recorder, f"message {number}")
        await recorder.flush(timeout_s=1)
    assert len({action.name for action in server.actions}) == 50
    assert [action.body["message"] for action in server.actions] == [f"message {n}" for n in range(50)]


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


@given(repeats=st.lists(st.integers(1, 5), min_size=1, max_size=5))
async def test_for_any_bursts_the_count_on_the_server_is_the_number_recorded(repeats: list[int]) -> None:
    """What says the same before it is written is written once."""
    server = EventServer()
    async with recording(server) as recorder:
        for burst in repeats:
            for _ in range(burst):
                say(recorder)
            await recorder.flush(timeout_s=1)
    assert len(server.actions) == len(repeats)
    assert server.written[-1][1] == sum(repeats)


@pytest.mark.behaviour("E2")
async def test_an_event_that_the_server_has_dropped_is_made_again() -> None:
    """E2: PATCH 404 leads to a create, under a new name and with a count of its own."""
    server = EventServer(None, NotFound("gone"))
    async with recording(server) as recorder:
        for _ in range(3):
            say(recorder)
            await recorder.flush(timeout_s=1)
    assert server.written == [("create", 1), ("patch", 2), ("create", 1), ("patch", 2)]
    assert server.actions[3].key == server.actions[2].key != server.actions[0].key
    assert recorder.dropped == 0


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
    assert recorder.dropped == 1
    told = next(line for line in lines if line["event"] == "event_dropped")
    assert (told["log_level"], told["key"], told["kind"], told["reason"]) == ("warning", "demo/web-0", "Pod", "Created")
    assert "events is forbidden" in told["error"]


@pytest.mark.behaviour("E2")
async def test_no_answer_is_tried_again_with_growing_delays_and_a_late_discovery_is_no_error() -> None:
    """E2: the second try arrived, its answer did not: the third finds the Event there."""
    without_jitter()
    server = EventServer(Unreachable("dial"), TimedOut("read"), AlreadyExists("there"))
    async with recording(server) as recorder:
        say(recorder)
        await recorder.flush(timeout_s=60)
        say(recorder)
        await recorder.flush(timeout_s=60)
    assert server.times == [0.0, 1.0, 3.0, 3.0]
    assert server.written == [("create", 1), ("create", 1), ("create", 1), ("patch", 2)]
    assert (recorder.dropped, len({action.name for action in server.actions})) == (0, 1)


@pytest.mark.behaviour("E2")
async def test_after_twelve_tries_it_gives_up() -> None:
    """E2: dropped and told, once."""
    server = EventServer(*[Unreachable("dial")] * 12)
    async with recording(server) as recorder:
        say(recorder)
        await recorder.flush(timeout_s=600)
    assert (len(server.actions), recorder.dropped) == (12, 1)


@pytest.mark.behaviour("E1")
async def test_a_full_buffer_drops_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """E1: with the server away; repeats of what waits need no room."""
    monkeypatch.setattr(recorder_module, "PENDING_MAX", 3)
    recorder = EventRecorder(Client(EventServer()), "bitcoin")
    with capture_logs() as lines:
        for number in (1, 2, 3, 1, 2, 4, 5):
            say(recorder, f"message {number}")
    assert recorder.dropped == 2
    assert recorder.busy() == ("recorder:bitcoin has 3 events to write",)
    assert [line["error"] for line in lines] == ["the buffer is full", "the buffer is full"]


async def test_what_it_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Event written longest ago is forgotten, and made anew when it comes back."""
    monkeypatch.setattr(recorder_module, "REMEMBERED_MAX", 2)
    server = EventServer()
    async with recording(server) as recorder:
        for number in (1, 2, 1, 3, 1, 2):
            say(recorder, f"message {number}")
            await recorder.flush(timeout_s=1)
    assert server.written == [("create", 1), ("create", 1), ("patch", 2), ("create", 1), ("patch", 3), ("create", 1)]


@pytest.mark.behaviour("B15")
async def test_flush_waits_for_the_last_event_but_not_for_ever() -> None:
    """B15: it says how many were left."""
    server = EventServer(*[Unreachable("dial")] * 12)
    with capture_logs() as lines:
        async with recording(server) as recorder:
            say(recorder, "first")
            say(recorder, "second")
            assert await recorder.flush(timeout_s=5) == 2
            assert monotonic() == 5
    assert next(line for line in lines if line["event"] == "events_abandoned")["count"] == 2


async def test_a_long_message_is_cut() -> None:
    """At 1024 characters, visibly."""
    server = EventServer()
    async with recording(server) as recorder:
        say(recorder, "x" * 5000)
        await recorder.flush(timeout_s=1)
    message = server.actions[0].body["message"]
    assert len(message) == 1024
    assert message.endswith("x...")
