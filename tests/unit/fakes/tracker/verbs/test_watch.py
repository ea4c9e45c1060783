"""Watches: replay from any version, selectors, bookmarks, initial events, ends, and who lags behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.clock import now
from ctrlkit.errors import ApiError, Invalid, NotFound
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.tracker import Tracker, version_at
from ctrlkit.model import Action, LabelSelector, MergePatch, Options, Verb
from ctrlkit.model.kinds import CONFIG_MAPS, PODS, SECRETS
from tests.support.objects import a_pod

WRITES = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "delete"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["yes", "no", ""]),
        st.integers(0, 2),
    ),
    max_size=25,
)


def make(tracker: Tracker, name: str = "one", keep: str = "", number: int = 0) -> None:
    """Put an object there, new or changed."""
    labels = {"keep": keep} if keep else {}
    body = {"metadata": {"name": name, "namespace": "default", "labels": labels}, "data": {"n": str(number)}}
    try:
        tracker.get(CONFIG_MAPS, f"default/{name}")
    except NotFound:
        tracker.create(CONFIG_MAPS, body)
    else:
        tracker.update(CONFIG_MAPS, body)


def watch_action(namespace: str = "", **options: Any) -> Action:
    return Action(verb=Verb.WATCH, resource=CONFIG_MAPS, namespace=namespace, options=Options(**options))


def decode(lines: Sequence[bytes]) -> list[tuple[str, str, str]]:
    events = [msgspec.json.decode(line) for line in lines]
    return [
        (event["type"], event["object"]["metadata"].get("name", ""), event["object"]["metadata"]["resourceVersion"])
        for event in events
    ]


async def all_lines(tracker: Tracker, **options: Any) -> list[bytes]:
    """All lines of a watch that the server ends after a second."""
    found: list[bytes] = []
    async with tracker.watch(watch_action(**({"timeout_s": 1} | options))) as lines:
        async for batch in lines:
            found += batch
    return found


async def test_a_watch_of_metadata_tells_the_same_events_without_the_rest() -> None:
    tracker = Tracker()
    version = str(tracker.version)
    make(tracker, number=1)
    whole, cut = [await all_lines(tracker, resource_version=version, metadata_only=only) for only in (False, True)]
    assert decode(cut) == decode(whole)
    assert [name for _, name, _ in decode(cut)] == ["one"]
    told = msgspec.json.decode(cut[0])["object"]
    assert (told.keys(), told["kind"]) == ({"kind", "apiVersion", "metadata"}, "PartialObjectMetadata")


async def test_a_watch_that_ends_has_told_everything_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many batches that takes, and with a bookmark after the last of them."""
    monkeypatch.setattr("ctrlkit.fakes.tracker.verbs.watch.BATCH_BYTES_MAX", 500)
    tracker = Tracker()
    options: dict[str, Any] = {"resource_version": str(tracker.version), "timeout_s": 1, "allow_watch_bookmarks": True}
    for number in range(20):
        make(tracker, f"c{number}")
    async with tracker.watch(watch_action(**options)) as lines:
        await asyncio.sleep(2)
        batches = [list(batch) async for batch in lines]
    assert len(batches) > 3
    told = decode([line for batch in batches for line in batch])
    assert [name for kind, name, _ in told if kind == "ADDED"] == [f"c{number}" for number in range(20)]
    assert [kind for kind, _, _ in told].index("BOOKMARK") == 20


@pytest.mark.behaviour("T8", "T9")
async def test_every_write_after_a_version_is_replayed_deletes_included() -> None:
    tracker = Tracker()
    start = tracker.version
    make(tracker, "one")
    make(tracker, "two")
    make(tracker, "one", number=1)
    tracker.delete(CONFIG_MAPS, "default/two")
    assert decode(await all_lines(tracker, resource_version=str(start))) == [
        ("ADDED", "one", str(start + 1)),
        ("ADDED", "two", str(start + 2)),
        ("MODIFIED", "one", str(start + 3)),
        ("DELETED", "two", str(start + 4)),
    ]
    assert decode(await all_lines(tracker, resource_version=str(start + 3))) == [("DELETED", "two", str(start + 4))]


@pytest.mark.behaviour("T11")
async def test_leaving_a_selection_is_a_deletion_and_entering_it_an_addition() -> None:
    tracker = Tracker()
    start = tracker.version
    for keep in ("", "yes", "yes", ""):
        make(tracker, "one", keep, number=tracker.version)
    lines = await all_lines(tracker, resource_version=str(start), label_selector="keep")
    assert [kind for kind, _, _ in decode(lines)] == ["ADDED", "MODIFIED", "DELETED"]
    last = msgspec.json.decode(lines[-1])["object"]
    assert last["metadata"]["labels"] == {"keep": "yes"}
    assert last["metadata"]["resourceVersion"] == str(tracker.version)


@pytest.mark.behaviour("T11")
async def test_a_field_selector_and_a_namespace_narrow_a_watch() -> None:
    tracker = Tracker()
    start = str(tracker.version)
    make(tracker, "one")
    make(tracker, "two")
    lines = await all_lines(tracker, resource_version=start, field_selector="metadata.name=two")
    assert [name for _, name, _ in decode(lines)] == ["two"]
    async with tracker.watch(watch_action("kube-system", resource_version=start, timeout_s=1)) as stream:
        assert [batch async for batch in stream] == []


@pytest.mark.parametrize("version", ["", "0"])
@pytest.mark.behaviour("T8")
async def test_without_a_version_the_state_comes_first_as_added(version: str) -> None:
    tracker = Tracker()
    make(tracker, "b")
    make(tracker, "a")
    kinds = [(kind, name) for kind, name, _ in decode(await all_lines(tracker, resource_version=version))]
    assert kinds == [("ADDED", "a"), ("ADDED", "b")]


@pytest.mark.behaviour("R19", "R20")
async def test_initial_events_end_with_a_marked_bookmark() -> None:
    tracker = Tracker()
    make(tracker)
    lines = await all_lines(
        tracker, send_initial_events=True, resource_version_match="NotOlderThan", allow_watch_bookmarks=True
    )
    events = [msgspec.json.decode(line) for line in lines]
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    marker = events[1]["object"]["metadata"]
    assert marker["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert marker["resourceVersion"] == str(tracker.version)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"send_initial_events": True}, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        ({"resource_version_match": "Exact"}, "resourceVersionMatch is forbidden for watch unless sendInitialEvents"),
        ({"resource_version": "abc"}, 'resourceVersion: Invalid value: "abc"'),
    ],
)
async def test_a_watch_is_refused_in_the_servers_words(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as refusal:
        await all_lines(Tracker(), **options)
    assert message in refusal.value.message
    assert isinstance(refusal.value, Invalid) or refusal.value.code == 500


@pytest.mark.behaviour("R12")
async def test_a_version_that_was_compacted_is_told_inside_the_stream_which_then_ends() -> None:
    tracker = Tracker()
    start = tracker.version
    make(tracker)
    tracker.compact()
    (line,) = await all_lines(tracker, resource_version=str(start))
    event = msgspec.json.decode(line)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert event["object"]["message"] == f"too old resource version: {start} ({start + 1})"
    assert await all_lines(tracker, resource_version=str(tracker.version)) == []


async def test_a_reader_that_was_overtaken_by_compaction_is_told_so() -> None:
    tracker = Tracker()
    async with tracker.watch(watch_action(resource_version=str(tracker.version))) as lines:
        make(tracker, "one")
        make(tracker, "two")
        tracker.compact()
        batch = await anext(aiter(lines))
        assert b'"ERROR"' in batch[-1]
        with pytest.raises(StopAsyncIteration):
            await anext(aiter(lines))


@pytest.mark.behaviour("R8")
async def test_bookmarks_come_every_minute_and_before_the_end_where_asked_for() -> None:
    tracker = Tracker()
    times = []
    start = str(tracker.version)
    action = watch_action(resource_version=start, timeout_s=150, allow_watch_bookmarks=True)
    async with tracker.watch(action) as lines:
        async for batch in lines:
            times.append(asyncio.get_running_loop().time())
            assert [kind for kind, _, _ in decode(batch)] == ["BOOKMARK"]
    assert times == [60.0, 120.0, 148.0]
    assert asyncio.get_running_loop().time() == 150.0


@pytest.mark.behaviour("R7")
async def test_a_watch_without_timeout_is_ended_by_the_server_after_half_an_hour_or_more() -> None:
    async with Tracker().watch(watch_action(resource_version="4")) as lines:
        assert [batch async for batch in lines] == []
    assert 1800 <= asyncio.get_running_loop().time() <= 3600


async def test_a_waiting_reader_is_woken_by_a_write_and_gets_several_at_once() -> None:
    tracker = Tracker()
    async with tracker.watch(watch_action(resource_version=str(tracker.version))) as lines:
        reader = asyncio.ensure_future(anext(aiter(lines)))
        await asyncio.sleep(1)
        assert not reader.done()
        make(tracker, "one")
        make(tracker, "two")
        assert len(await reader) == 2


async def test_one_line_is_built_for_all_watches() -> None:
    tracker = Tracker()
    start = str(tracker.version)
    make(tracker)
    first, second = [(await all_lines(tracker, resource_version=start))[0] for _ in range(2)]
    assert first is second


async def test_busy_names_the_watches_that_are_behind() -> None:
    tracker = Tracker()
    start = tracker.version
    selected = watch_action(resource_version=str(start), label_selector="keep=yes")
    async with (
        tracker.watch(selected) as picky,
        tracker.watch(watch_action("default", resource_version=str(start))) as all_,
    ):
        assert tracker.busy() == ()
        make(tracker, "one")
        assert tracker.busy() == (f"watch configmaps in default at {start}, server at {start + 1}",)
        await anext(aiter(all_))
        tracker.create(SECRETS, {"metadata": {"name": "s", "namespace": "default"}})
        assert tracker.busy() == ()
        make(tracker, "one", "yes")
        assert len(tracker.busy()) == 2
        await anext(aiter(picky))
        await anext(aiter(all_))
        assert tracker.busy() == ()
    make(tracker, "one", "yes", 2)
    assert tracker.busy() == ()


async def test_a_watch_that_was_just_opened_is_busy_until_the_state_is_handed_over() -> None:
    tracker = Tracker()
    make(tracker)
    async with tracker.watch(watch_action()) as lines:
        assert tracker.busy() == (f"watch configmaps at {tracker.version}, server at {tracker.version}",)
        await anext(aiter(lines))
        assert tracker.busy() == ()


async def test_a_watch_from_a_version_to_come_begins_after_it() -> None:
    tracker = Tracker()
    later = str(tracker.version + 2)
    async with tracker.watch(watch_action(resource_version=later, timeout_s=1)) as lines:
        for name in ("one", "two", "three"):
            make(tracker, name)
        assert [name async for batch in lines for _, name, _ in decode(batch)] == ["three"]


async def test_a_watch_of_a_named_object_selects_it() -> None:
    tracker = Tracker()
    action = Action(verb=Verb.WATCH, resource=PODS, namespace="default", name="p", options=Options(timeout_s=1))
    for name in ("p", "q"):
        tracker.create(PODS, a_pod(name))
    async with tracker.watch(action) as lines:
        assert [name async for batch in lines for _, name, _ in decode(batch)] == ["p"]


@settings(deadline=None)
@given(writes=WRITES, start=st.integers(0, 25), selector=st.sampled_from(["", "keep=yes", "keep!=no", "keep"]))
def test_for_any_writes_replaying_from_any_version_gives_the_final_list(
    writes: list[tuple[str, str, str, int]], start: int, selector: str
) -> None:
    """With and without selectors: the list at a version plus all events after it is the list at the end."""

    async def replay() -> None:
        tracker = Tracker()
        begin: tuple[int, dict[str, Any]] = (tracker.version, {})
        for index, (verb, name, keep, number) in enumerate(writes):
            if index == start:
                begin = (tracker.version, selected(tracker, selector))
            write(tracker, verb, name, keep, number)
        version, state = begin
        events = [
            msgspec.json.decode(line)
            for line in await all_lines(tracker, resource_version=str(version), label_selector=selector)
        ]
        for event in events:
            name = event["object"]["metadata"]["name"]
            assert (name in state) is (event["type"] != "ADDED")
            if event["type"] == "DELETED":
                del state[name]
            else:
                state[name] = event["object"]
        versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
        assert versions == sorted(set(versions))
        assert state == selected(tracker, selector)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(replay())


def write(tracker: Tracker, verb: str, name: str, keep: str, number: int) -> None:
    there = {item.metadata.name for item in tracker.list(CONFIG_MAPS)}
    if verb == "delete" and name in there:
        tracker.delete(CONFIG_MAPS, f"default/{name}")
    elif verb == "write":
        make(tracker, name, keep, number)


def selected(tracker: Tracker, selector: str) -> dict[str, Any]:
    chosen = LabelSelector.parse(selector)
    return {
        item.metadata.name: dict(item)
        for item in tracker.list(CONFIG_MAPS)
        if chosen.matches(item.at("metadata.labels"))
    }


async def test_a_deleted_event_carries_the_last_state_that_was_stored() -> None:
    tracker = Tracker()
    make(tracker)
    tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"metadata": {"finalizers": ["example.com/x"]}}))
    tracker.delete(CONFIG_MAPS, "default/one")
    start = str(tracker.version)
    tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"metadata": {"finalizers": None}}))
    (line,) = await all_lines(tracker, resource_version=start)
    event = msgspec.json.decode(line)
    assert event["type"] == "DELETED"
    assert event["object"]["metadata"]["finalizers"] == ["example.com/x"]


# ---- versions that the server does not know ----------------------------------------------------------------------


async def test_a_watch_from_a_version_yet_to_come_brings_nothing_before_it() -> None:
    """As a real server: no error, no event and no bookmark, until the versions are past it."""
    tracker = Tracker()
    make(tracker)
    ahead = tracker.version + 2
    make(tracker, "two")
    assert await all_lines(tracker, resource_version=str(ahead), timeout_s=200, allow_watch_bookmarks=True) == []
    async with tracker.watch(watch_action(resource_version=str(ahead), allow_watch_bookmarks=True)) as lines:
        make(tracker, "three")
        make(tracker, "four")
        assert [name for _, name, _ in decode(await anext(aiter(lines)))] == ["four"]


async def test_a_server_that_begins_later_knows_nothing_of_the_versions_before() -> None:
    """Whoever watched an earlier server at the same place is told to list anew."""
    earlier = Tracker(begins_at=version_at(now()))
    make(earlier)
    await asyncio.sleep(0.001)
    tracker = Tracker(begins_at=version_at(now()))
    make(tracker, "new")
    (line,) = await all_lines(tracker, resource_version=str(earlier.version))
    assert msgspec.json.decode(line)["object"]["code"] == 410
    assert earlier.version < tracker.version < 2**53
