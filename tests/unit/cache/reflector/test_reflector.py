"""One store, kept equal to one collection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit import clock
from ctrlkit.cache.change import Cause
from ctrlkit.cache.reflector.failure import FailureCause
from ctrlkit.cache.reflector.options import MARKER_PATIENCE_S, SILENCE_S
from ctrlkit.cache.reflector.reflector import Reflector
from ctrlkit.cache.reflector.watchdog import DOUBT_S
from ctrlkit.errors import (
    DecodeError,
    Forbidden,
    Gone,
    InternalError,
    Invalid,
    NotFound,
    StoreReadError,
    StreamBroken,
    TimedOut,
    TooManyRequests,
    Unreachable,
)
from ctrlkit.model import Applied, Bookmark, Deleted, ObjectKey, Record, Snapshot
from tests.support.list_watch import Events, ScriptedSource, Stream
from tests.support.records import applied, deleted, record, snapshot


class Notebook:
    """A sink that writes down what it is told. `held_records` are what it says that it has."""

    def __init__(self) -> None:
        self.held_records: dict[ObjectKey, Record[Any]] = {}
        self.told: list[Any] = []
        self.failed: list[tuple[str, str]] = []
        self.reached: list[tuple[str, str]] = []
        self.unreadable = 0

    def known(self, record: Record[Any]) -> Record[Any]:
        return record

    def find(self, key: ObjectKey) -> Record[Any] | None:
        return self.held_records.get(key)

    def holds(self, record: Record[Any]) -> bool:
        held = self.held_records.get(record.key)
        return held is not None and held.version == record.version

    def first(self, count: int, *, scope: str) -> Sequence[Record[Any]]:
        return [self.held_records[key] for key in sorted(self.held_records)][:count]

    def replace(self, snapshot: Snapshot[Any], *, cause: Cause, scope: str) -> None:
        self.told.append((cause.value, [str(record.key) for record in snapshot.records]))
        self.unreadable += len(snapshot.unreadable)

    def apply(self, events: Sequence[Applied[Any] | Deleted[Any]]) -> None:
        self.told.extend((type(event).__name__.lower(), str(event.record.key)) for event in events)

    def list_failed(self, error: Exception, *, scope: str) -> None:
        self.failed.append((str(error), scope))

    def advance(self, version: str, *, scope: str) -> None:
        self.reached.append((version, scope))


@asynccontextmanager
async def reflecting(source: ScriptedSource, *, for_s: float) -> AsyncIterator[tuple[Reflector[Any], Notebook]]:
    """Run a reflector for some virtual seconds."""
    notebook = Notebook()
    reflector: Reflector[Any] = Reflector(source, notebook, name="things")
    task = asyncio.create_task(reflector.run())
    await asyncio.sleep(for_s)
    try:
        yield reflector, notebook
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_it_lists_then_watches_from_the_lists_version() -> None:
    """Events reach the sink in order and move the version."""
    source = ScriptedSource(
        [snapshot(3, record("d/a", 1))], [Stream([applied("d/b", 4), deleted("d/a", 5)], open_s=1e9)]
    )
    async with reflecting(source, for_s=1) as (reflector, notebook):
        assert source.asked == [("list", "0"), ("watch", "3")]
        assert notebook.told == [("initial", ["d/a"]), ("applied", "d/b"), ("deleted", "d/a")]
        assert reflector.version == "5"


@pytest.mark.behaviour("R7")
async def test_watches_ask_for_a_random_time_out_of_five_to_ten_minutes() -> None:
    """R7: whole seconds, drawn for each watch, so that many informers do not come back at once."""
    source = ScriptedSource([snapshot(3)], [Stream(open_s=40)])
    async with reflecting(source, for_s=4000):
        assert len(source.timeouts) == 100
    assert all(type(timeout_s) is int and 300 <= timeout_s <= 600 for timeout_s in source.timeouts)
    assert len(set(source.timeouts)) > 50
    assert min(source.timeouts) < 350
    assert max(source.timeouts) > 550


class Holding(Notebook):
    """A sink that has one object already, and writes down the records it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.held = record("d/a", 3)

    def known(self, record: Record[Any]) -> Record[Any]:
        return self.held if record.key == self.held.key else record

    def replace(self, snapshot: Snapshot[Any], *, cause: Cause, scope: str) -> None:
        self.told.extend(snapshot.records)


@pytest.mark.behaviour("B16")
@pytest.mark.parametrize("streams", [[], [Stream([applied("d/a", 3), Bookmark("7", ends_initial_events=True)], 1e9)]])
async def test_each_object_of_a_list_is_looked_up_as_it_comes(streams: list[Stream]) -> None:
    """B16: where the sink has it already, what came is let go; of listed and of streamed collections."""
    sink = Holding()
    source = ScriptedSource([snapshot(7, record("d/a", 3))], streams=streams)
    task = asyncio.create_task(Reflector[Any](source, sink, name="things").run())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    (told,) = sink.told
    assert told is sink.held


@pytest.mark.behaviour("R8")
async def test_a_bookmark_moves_the_version_and_reaches_nobody() -> None:
    """R8: the next watch begins at it."""
    source = ScriptedSource([snapshot(3)], [Stream([Bookmark("50")], open_s=400), Stream(open_s=1e9)])
    async with reflecting(source, for_s=500) as (_, notebook):
        assert source.asked == [("list", "0"), ("watch", "3"), ("watch", "50")]
        assert notebook.told == [("initial", [])]
        assert notebook.reached == [("3", ""), ("50", "")]


@pytest.mark.behaviour("R12")
async def test_a_410_in_the_stream_leads_to_one_list_at_once() -> None:
    """The relist is told as such, so that deletions can be seen."""
    source = ScriptedSource(
        [snapshot(3, record("d/a", 1)), snapshot(9)], [Stream(error=Gone("too old")), Stream(open_s=1e9)]
    )
    async with reflecting(source, for_s=0.1) as (reflector, notebook):
        assert source.asked == [("list", "0"), ("watch", "3"), ("list", "3"), ("watch", "9")]
        assert notebook.told == [("initial", ["d/a"]), ("relist", [])]
        assert reflector.statistics().lists == {"first": 1, "expired": 1}


@pytest.mark.behaviour("R12")
async def test_429_in_the_stream_resumes_and_500_lists_again() -> None:
    """Both after a wait."""
    source = ScriptedSource(
        [snapshot(3)],
        [Stream(error=TooManyRequests("slow")), Stream(error=InternalError("boom")), Stream(open_s=1e9)],
    )
    async with reflecting(source, for_s=10):
        assert source.asked == [("list", "0"), ("watch", "3"), ("watch", "3"), ("list", "3"), ("watch", "3")]
        times = [at for _, _, at in source.calls]
        assert times[2] - times[1] >= 0.4
        assert times[3] - times[2] >= 0.4


@pytest.mark.behaviour("R11", "R17")
async def test_while_nobody_listens_it_waits_ever_longer_and_tells_why() -> None:
    """Refused connections: few requests, the last error at hand, then on from the version where it stopped."""
    refused = Stream(error=Unreachable("refused"), refused=True)
    source = ScriptedSource([snapshot(3)], [refused] * 6 + [Stream(open_s=1e9)])
    async with reflecting(source, for_s=30) as (reflector, _):
        assert source.asked == [("list", "0")] + [("watch", "3")] * 6
        assert "refused" in reflector.statistics().last_error
        assert reflector.state == "waiting"


@pytest.mark.behaviour("R17")
async def test_an_outage_ends_with_the_watch_that_is_accepted_and_says_so() -> None:
    """The same text is loud about every 30 s; each line says which attempt it was and when the next one follows."""
    refused = Stream(error=Unreachable("refused"), refused=True)
    source = ScriptedSource([snapshot(3)], [refused] * 8 + [Stream(open_s=1e9)])
    with capture_logs() as lines:
        async with reflecting(source, for_s=30) as (reflector, _):
            found = reflector.statistics()
            assert (found.attempts, found.failing_s) == (
                6,
                asyncio.get_running_loop().time() - reflector._outage.began_at,
            )
            await asyncio.sleep(170)
            found = reflector.statistics()
            assert (found.last_error, found.watch_error, found.attempts, found.failures) == ("", None, 0, 8)
            assert found.failing_s is None
    failed, resumed = lines[:-1], lines[-1]
    assert [line["attempt"] for line in failed] == list(range(1, 9))
    tries = [at for verb, _, at in source.calls if verb == "watch"]
    assert [line["next_s"] for line in failed] == [round(after - at, 1) for at, after in pairwise(tries)]
    assert failed[0]["log_level"] == "warning"
    loud = [at for line, at in zip(failed, tries, strict=False) if line["log_level"] == "warning"]
    assert all(30 <= after - at <= 60 for at, after in pairwise(loud))
    assert 1 < len(loud) < 6
    assert {line["log_level"] for line in failed} == {"warning", "debug"}
    assert (resumed["event"], resumed["log_level"]) == ("watch_resumed", "info")
    assert resumed["down_s"] == round(tries[-1] - tries[0], 1)


@pytest.mark.behaviour("R17", "R20")
async def test_of_a_streamed_list_the_end_marker_ends_the_outage() -> None:
    """Its head says only that the list has begun."""
    marker = Bookmark("7", ends_initial_events=True)
    streams = [Stream(error=Unreachable("refused"), refused=True), Stream(then=[(3.0, [marker])], open_s=1e9)]
    with capture_logs() as lines:
        async with reflecting(ScriptedSource([snapshot(3)], streams=streams), for_s=2) as (reflector, _):
            assert reflector.statistics().list_error is not None
            await asyncio.sleep(5)
            assert reflector.statistics().list_error is None
    assert [line["event"] for line in lines if line["event"] != "relisted"] == ["list_failed", "watch_resumed"]


async def test_a_stream_cut_in_mid_line_resumes_after_the_last_whole_event() -> None:
    """R-c."""
    source = ScriptedSource(
        [snapshot(3)], [Stream([applied("d/a", 4)], error=StreamBroken("half a line")), Stream(open_s=1e9)]
    )
    async with reflecting(source, for_s=5):
        assert source.asked == [("list", "0"), ("watch", "3"), ("watch", "4")]


async def test_an_unforeseen_error_ends_nothing() -> None:
    """A bug in a source is logged and waited out like a failure."""
    source = ScriptedSource([ValueError("a bug"), snapshot(3)])
    with capture_logs() as lines:
        async with reflecting(source, for_s=5) as (reflector, _):
            assert source.asked == [("list", "0"), ("list", "0"), ("watch", "3")]
            assert reflector.synced.is_set()
    (line,) = [line for line in lines if line["event"] == "list_failed"]
    assert (line["error"], line["log_level"]) == ("ValueError('a bug')", "error"), "such an error need not tell itself"


async def test_a_foreseen_error_is_logged_in_its_own_words() -> None:
    """Without a traceback."""
    refused = Forbidden("may not list")
    with capture_logs() as lines:
        async with reflecting(ScriptedSource([refused, snapshot(3)]), for_s=5):
            pass
    (line,) = [line for line in lines if line["event"] == "list_failed"]
    assert (line["error"], line["log_level"]) == (str(refused), "warning")
    assert "exc_info" not in line


async def test_a_server_that_ends_every_watch_at_once_sees_few_requests() -> None:
    """The peers' hot loop: here under 2 a second at first and falling."""
    source = ScriptedSource([snapshot(3)], [Stream()])
    async with reflecting(source, for_s=60):
        assert len(source.calls) <= 20


END = Bookmark("7", ends_initial_events=True)


@pytest.mark.behaviour("R19", "R20", "G4")
async def test_a_streamed_list_is_told_at_its_end_marker_and_goes_on_as_the_watch() -> None:
    """R20: one stream for both; nothing is told before the marker, then all at once, then what follows."""
    batches: list[tuple[float, Events]] = [
        (1.0, [applied("d/a", 3), applied("d/b", 4)]),
        (4.0, [END, applied("d/c", 8)]),
        (1.0, [deleted("d/a", 9)]),
    ]
    source = ScriptedSource([snapshot(1)], streams=[Stream(then=batches, open_s=1e9)])
    async with reflecting(source, for_s=4.5) as (reflector, notebook):
        assert notebook.told == []
        assert (reflector.state, reflector.version, reflector.synced.is_set()) == ("streaming", "", False)
        await asyncio.sleep(3)
        assert source.asked == [("stream", "")]
        assert notebook.told == [("initial", ["d/a", "d/b"]), ("applied", "d/c"), ("deleted", "d/a")]
        assert (reflector.state, reflector.version) == ("watching", "9")
        assert reflector.statistics().lists == {"first": 1}


@pytest.mark.behaviour("R21", "R14", "B17")
async def test_a_stream_cut_before_its_marker_leaves_nothing_behind() -> None:
    """Neither objects nor a version: the next one begins from nothing, after a wait."""
    source = ScriptedSource(
        [snapshot(1)],
        streams=[
            Stream([applied("d/a", 3), Bookmark("5")], error=StreamBroken("cut")),
            Stream([applied("d/b", 4), END], open_s=1e9),
        ],
    )
    async with reflecting(source, for_s=5) as (reflector, notebook):
        assert source.asked == [("stream", ""), ("stream", "")]
        assert source.calls[1][2] - source.calls[0][2] >= 0.4
        assert notebook.told == [("initial", ["d/b"])]
        assert reflector.version == "7"


@pytest.mark.behaviour("R21", "B17")
async def test_streams_that_never_end_their_list_lead_to_a_list() -> None:
    """The third one in a row; the next relist streams again."""
    source = ScriptedSource(
        [snapshot(3)],
        [Stream(error=Gone("old"), open_s=60), Stream(open_s=1e9)],
        streams=[*[Stream([applied("d/a", 3)])] * 3, Stream([END], open_s=1e9)],
    )
    async with reflecting(source, for_s=100):
        assert source.asked == [("stream", "")] * 3 + [("list", "0"), ("watch", "3"), ("stream", "3")]


@pytest.mark.behaviour("R23", "B17")
@pytest.mark.parametrize("error", [Invalid("sendInitialEvents is forbidden"), InternalError("RequestWatchProgress")])
async def test_a_server_that_refuses_to_stream_is_asked_once(error: Exception) -> None:
    """The list follows at once, and later ones are lists too."""
    source = ScriptedSource(
        [snapshot(3), snapshot(9)],
        [Stream(error=Gone("old"), open_s=60), Stream(open_s=1e9)],
        streams=[Stream(error=error)],
    )
    async with reflecting(source, for_s=100) as (reflector, _):
        assert source.asked == [("stream", ""), ("list", "0"), ("watch", "3"), ("list", "3"), ("watch", "9")]
        assert source.calls[1][2] == source.calls[0][2]
        assert not reflector.statistics().streams_lists


@pytest.mark.behaviour("R22", "B17")
async def test_a_marker_that_does_not_come_is_waited_for_for_some_seconds() -> None:
    """After the last object; then it is a list, there and for a while."""
    source = ScriptedSource([snapshot(3)], streams=[Stream(then=[(4.0, [applied("d/a", 3)])], open_s=1e9)])
    async with reflecting(source, for_s=100) as (reflector, notebook):
        assert source.asked == [("stream", ""), ("list", "0"), ("watch", "3")]
        assert source.calls[1][2] == 4 + MARKER_PATIENCE_S
        assert notebook.told == [("initial", [])]
        assert not source.streams_lists
        assert reflector.statistics().list_error is None


@pytest.mark.behaviour("R22", "B17")
async def test_a_stream_that_opens_late_has_the_same_patience() -> None:
    """The server asked for patience, which its client had; a stream is open only after that."""
    late = Stream(opens_after_s=60.0, then=[(MARKER_PATIENCE_S - 0.1, [applied("d/a", 3), END])], open_s=1e9)
    async with reflecting(ScriptedSource([snapshot(3)], streams=[late]), for_s=100) as (reflector, notebook):
        assert notebook.told == [("initial", ["d/a"])]
        assert reflector.statistics().streams_lists
        assert reflector.statistics().failures == 0


@pytest.mark.behaviour("R21", "B17")
async def test_a_stream_that_the_server_did_not_open_says_nothing_of_what_it_can_do() -> None:
    """It timed out before the first line of the answer: the next try is a stream again, after a wait, and no list."""
    source = ScriptedSource(
        [snapshot(3)],
        streams=[Stream(opens_after_s=30.0, error=TimedOut("no answer"), refused=True), Stream([END], open_s=1e9)],
    )
    async with reflecting(source, for_s=100):
        assert source.asked == [("stream", ""), ("stream", "")]
        assert source.calls[1][2] > 30.0
        assert source.streams_lists


@pytest.mark.behaviour("R13", "B18")
async def test_a_watch_that_was_refused_after_long_patience_was_never_healthy() -> None:
    """What it waited for its opening proves nothing, so that the back-off goes on growing."""
    refused = Stream(opens_after_s=40.0, error=Forbidden("no"), refused=True)
    source = ScriptedSource([snapshot(3)], [refused])
    async with reflecting(source, for_s=1200):
        asked_at = [at for verb, _, at in source.calls if verb == "watch"]
    waits = [later - earlier - 40.0 for earlier, later in pairwise(asked_at)]
    assert waits[-1] >= 15


@pytest.mark.behaviour("B17")
async def test_a_server_that_was_found_unable_to_stream_is_asked_again_some_time() -> None:
    """It may have been overloaded, or be a newer one now: once that is forgotten, the next list is streamed."""
    ends = Stream(error=Gone("old"), open_s=60)
    source = ScriptedSource(
        [snapshot(3)],
        [ends, ends, Stream(open_s=1e9)],
        streams=[Stream(error=Invalid("no")), Stream([END], open_s=1e9)],
    )
    async with reflecting(source, for_s=90) as (reflector, _):
        assert source.asked[-2:] == [("list", "3"), ("watch", "3")]
        source.stopped = False
        await asyncio.sleep(60)
        assert source.asked[-1] == ("stream", "3")
        assert reflector.statistics().streams_lists


@pytest.mark.behaviour("B17")
async def test_what_one_reflector_learns_of_a_server_holds_for_all() -> None:
    """Also for one that waits for its next try."""
    source = ScriptedSource([snapshot(3)], streams=[Stream(error=Unreachable("refused"), refused=True)])
    async with reflecting(source, for_s=0.1):
        source.stop_streaming()
        await asyncio.sleep(5)
        assert source.asked == [("stream", ""), ("list", "0"), ("watch", "3")]


@pytest.mark.behaviour("R3", "R21")
async def test_a_stream_from_an_unusable_version_is_repeated_for_the_newest() -> None:
    """At once, once."""
    source = ScriptedSource(
        [snapshot(3)],
        streams=[Stream([END, applied("d/a", 8)], error=Gone("old")), Stream(error=Gone("old")), Stream([END], 1e9)],
    )
    async with reflecting(source, for_s=0.1):
        assert source.asked == [("stream", ""), ("stream", "8"), ("stream", "")]


@pytest.mark.behaviour("R8")
async def test_a_stream_that_goes_silent_is_given_up_and_resumed() -> None:
    """Three bookmarks are missing; no list follows."""
    source = ScriptedSource([snapshot(3)], [Stream(then=[(60.0, [Bookmark("4")])], open_s=1e9), Stream(open_s=1e9)])
    with capture_logs() as lines:
        async with reflecting(source, for_s=300):
            assert source.asked == [("list", "0"), ("watch", "3"), ("watch", "4")]
            assert 60 + SILENCE_S < source.calls[2][2] <= 60 + SILENCE_S + 0.8
    assert [(line["event"], line.get("cause")) for line in lines] == [
        ("watch_failed", FailureCause.SILENT.value),
        ("watch_resumed", None),
    ]


@pytest.mark.behaviour("R8")
async def test_a_silent_server_that_never_sent_a_bookmark_is_left_alone() -> None:
    """Until it should have ended the watch: an hour costs a dozen watches, and a list after each third of them."""
    source = ScriptedSource([snapshot(3)])
    async with reflecting(source, for_s=3600) as (reflector, _):
        assert set(reflector.statistics().lists) == {"first", "silent-watches"}
        assert reflector.statistics().lists["silent-watches"] in (2, 3)
        times = [at for verb, _, at in source.calls if verb == "watch"]
        assert all(later - sooner >= 330 for sooner, later in pairwise(times))
        assert len(times) <= 11


@pytest.mark.behaviour("B14", "R15")
async def test_a_line_without_a_name_is_counted_and_passed_over() -> None:
    """It moves the version where that can be read; what comes after it is told."""
    source = ScriptedSource(
        [snapshot(3)],
        [Stream(then=[(1.0, DecodeError("no name", version="8")), (1.0, [applied("d/b", 9)])], open_s=1e9)],
    )
    async with reflecting(source, for_s=1.5) as (reflector, notebook):
        assert reflector.version == "8"
        await asyncio.sleep(1)
        assert notebook.told == [("initial", []), ("applied", "d/b")]
        assert reflector.version == "9"
        assert reflector.statistics().unreadable == 1
        assert source.asked == [("list", "0"), ("watch", "3")]


@pytest.mark.behaviour("B14", "R15")
async def test_after_a_line_of_which_nothing_can_be_told_a_list_follows() -> None:
    """Soon, not at once; until then changes are told, and the version stays where all before it was seen."""
    source = ScriptedSource(
        [snapshot(3), snapshot(9, record("d/b", 9))],
        [Stream(then=[(1.0, DecodeError("<html>")), (1.0, [applied("d/b", 9)])], open_s=1e9), Stream(open_s=1e9)],
    )
    async with reflecting(source, for_s=10) as (reflector, notebook):
        assert notebook.told == [("initial", []), ("applied", "d/b")]
        assert reflector.version == "3"
        await asyncio.sleep(DOUBT_S)
        assert source.asked == [("list", "0"), ("watch", "3"), ("list", "3"), ("watch", "9")]
        assert reflector.statistics().lists == {"first": 1, "watch-refused": 1}


@pytest.mark.behaviour("B14", "R15")
async def test_after_a_line_without_a_name_a_list_follows_too() -> None:
    """The change that it told of was lost: an object that ended would be here for ever."""
    nameless = DecodeError("no name", version="8")
    source = ScriptedSource(
        [snapshot(3, record("d/a", 2)), snapshot(9)],
        [Stream(then=[(1.0, nameless)], open_s=1e9), Stream(open_s=1e9)],
    )
    async with reflecting(source, for_s=10) as (reflector, notebook):
        assert reflector.last_error is nameless, "it says what it waits for"
        await asyncio.sleep(DOUBT_S)
        assert source.asked == [("list", "0"), ("watch", "3"), ("list", "8"), ("watch", "9")]
        assert notebook.told == [("initial", ["d/a"]), ("relist", [])]
        assert reflector.last_error is None


@pytest.mark.behaviour("B14", "R15")
async def test_after_a_list_of_which_not_all_could_be_read_another_one_follows() -> None:
    """Its objects are served, and changes to them; until a list can be read, it says so."""
    part = Snapshot([record("d/a", 2)], "3", unreadable=[DecodeError("no name")])
    first = Stream(then=[(1.0, [applied("d/b", 5)])], open_s=1e9)
    source = ScriptedSource([part, snapshot(9)], [first, Stream(open_s=1e9)])
    async with reflecting(source, for_s=10) as (reflector, notebook):
        assert reflector.synced.is_set()
        assert notebook.told == [("initial", ["d/a"]), ("applied", "d/b")]
        assert reflector.version == "5"
        assert "a list with 1 item that cannot be read; the first: no name" in reflector.statistics().last_error
        assert reflector.statistics().unreadable == 1
        await asyncio.sleep(DOUBT_S)
        assert source.asked == [("list", "0"), ("watch", "3"), ("list", "5"), ("watch", "9")]
        assert reflector.statistics().list_error is None


@pytest.mark.behaviour("B14", "R20")
async def test_a_streamed_list_of_which_not_all_could_be_read_deletes_nothing() -> None:
    """It is followed by another one, as a list is."""
    events: list[tuple[float, Events | DecodeError]] = [
        (0.0, [applied("d/a", 2)]),
        (0.0, DecodeError("no name", version="2")),
        (0.0, [Bookmark("3", ends_initial_events=True)]),
    ]
    source = ScriptedSource([snapshot(9)], streams=[Stream(then=events, open_s=1e9)])
    async with reflecting(source, for_s=5) as (reflector, notebook):
        assert notebook.told == [("initial", ["d/a"])]
        assert notebook.unreadable == 1
        assert reflector.statistics().list_error is not None
        await asyncio.sleep(DOUBT_S)
        assert len(source.asked) == 2


@pytest.mark.behaviour("B4", "R17")
async def test_the_last_errors_of_lists_and_watches_are_kept_apart() -> None:
    """Each until the next success of its kind."""
    source = ScriptedSource(
        [NotFound("no such kind"), snapshot(3), Forbidden("no"), snapshot(5)],
        [Stream(error=InternalError("boom")), Stream(then=[(50.0, [Bookmark("6")])], open_s=1e9)],
    )
    async with reflecting(source, for_s=0.1) as (reflector, _):

        def causes() -> tuple[str, str]:
            found = reflector.statistics()
            return (
                found.list_error.cause.value if found.list_error else "",
                found.watch_error.cause.value if found.watch_error else "",
            )

        assert causes() == ("missing", "")
        await asyncio.sleep(3)
        assert causes() == ("forbidden", "refused")
        await asyncio.sleep(10)
        assert causes() == ("", ""), "though the watch that was accepted has brought nothing yet"
        assert reflector.statistics().last_error == ""
        assert (reflector.statistics().last_event_age_s or 0) > 5


@pytest.mark.behaviour("R18")
async def test_an_object_that_the_server_cannot_read_goes_with_the_list_that_can() -> None:
    """Its deletion by force ends the stream with a 500; the relist has it no more."""
    source = ScriptedSource(
        [snapshot(3, record("d/a", 1), record("d/b", 2)), StoreReadError("corrupt"), snapshot(9, record("d/b", 2))],
        [Stream(error=StoreReadError("corrupt")), Stream(open_s=1e9)],
    )
    async with reflecting(source, for_s=10) as (_, notebook):
        assert notebook.told == [("initial", ["d/a", "d/b"]), ("relist", ["d/b"])]


@pytest.mark.behaviour("R6")
async def test_a_stop_in_any_state_ends_it_at_once() -> None:
    """Waiting, listing, streaming and watching."""
    for source in (
        ScriptedSource([Unreachable("refused")]),
        ScriptedSource([snapshot(3)]),
        ScriptedSource([snapshot(3)], streams=[Stream(open_s=1e9)]),
    ):
        async with reflecting(source, for_s=20):
            pass
    assert clock.monotonic() == 60


# ---- a rewritten history -----------------------------------------------------------------------------------------


def lines_of(lines: Sequence[Any], event: str) -> list[Any]:
    return [line for line in lines if line["event"] == event]


@pytest.mark.parametrize("late", [Bookmark("4"), applied("d/b", 4)])
async def test_a_line_at_a_lower_version_ends_the_watch_for_a_look_at_the_server(late: Any) -> None:
    """The look shows that the server began anew: its newest state takes the place of all there is."""
    source = ScriptedSource(
        [snapshot(9, record("d/a", 9)), snapshot(4, record("d/b", 4))],
        [Stream(then=[(5.0, [late])], open_s=1e9), Stream(open_s=1e9)],
    )
    source.samples = [snapshot(4, record("d/b", 4))]
    with capture_logs() as lines:
        async with reflecting(source, for_s=10) as (reflector, notebook):
            assert source.asked == [("list", "0"), ("watch", "9"), ("list", ""), ("watch", "4")]
            assert len(source.sampled) == 1
            assert notebook.told[-1] == ("rewritten", ["d/b"])
            assert reflector.version == "4"
            assert notebook.reached[-1] == ("4", "")
    (line,) = lines_of(lines, "history_rewritten")
    assert (line["log_level"], line["reached"], line["version"], line["objects"]) == ("warning", "9", "4", 1)


async def test_a_server_that_only_repeats_itself_is_looked_at_now_and_then() -> None:
    """Late lines change nothing, and do not end one watch after the other."""
    repeats: Events = [applied("d/b", 4)]
    source = ScriptedSource(
        [snapshot(9, record("d/a", 9))], [Stream(then=[(1.0, repeats)] * 1000, open_s=1e9)], samples=[snapshot(9)]
    )
    async with reflecting(source, for_s=300) as (reflector, _):
        assert reflector.version == "9"
        assert set(reflector.statistics().lists) == {"first"}
        assert 8 <= len(source.sampled) <= 11


async def test_a_list_that_is_older_than_it_was_to_be_is_dropped_for_the_newest() -> None:
    """A replica that is behind proves nothing: its list is not told to anybody; the newest state decides."""
    source = ScriptedSource(
        [snapshot(9, record("d/a", 9)), snapshot(4, record("d/b", 4)), snapshot(11, record("d/c", 11))],
        [Stream(error=Gone("old"), open_s=1), Stream(open_s=1e9)],
    )
    with capture_logs() as lines:
        async with reflecting(source, for_s=10) as (reflector, notebook):
            assert source.asked == [("list", "0"), ("watch", "9"), ("list", "9"), ("list", ""), ("watch", "11")]
            assert notebook.told == [("initial", ["d/a"]), ("relist", ["d/c"])]
            assert reflector.version == "11"
    assert not lines_of(lines, "history_rewritten")
    assert len(lines_of(lines, "list_failed")) == 1


async def test_a_streamed_list_that_is_older_than_it_was_to_be_is_dropped_for_the_newest() -> None:
    """As a list is; and the newest one, at a lower version still, is what there is."""
    source = ScriptedSource(
        [],
        [Stream(open_s=1e9)],
        [
            Stream([applied("d/a", 9), Bookmark("9", ends_initial_events=True)], open_s=1, error=Gone("old")),
            Stream([applied("d/b", 4), Bookmark("4", ends_initial_events=True)], open_s=1e9),
        ],
    )
    with capture_logs() as lines:
        async with reflecting(source, for_s=10) as (reflector, notebook):
            assert source.asked == [("stream", ""), ("stream", "9"), ("stream", "")]
            assert notebook.told == [("initial", ["d/a"]), ("rewritten", ["d/b"])]
            assert reflector.version == "4"
            assert reflector.statistics().streams_lists
    assert len(lines_of(lines, "history_rewritten")) == 1


class Keeping(Notebook):
    """A sink that holds what it is told."""

    def replace(self, snapshot: Snapshot[Any], *, cause: Cause, scope: str) -> None:
        super().replace(snapshot, cause=cause, scope=scope)
        self.held_records = {record.key: record for record in snapshot.records}

    def apply(self, events: Sequence[Applied[Any] | Deleted[Any]]) -> None:
        super().apply(events)
        for event in events:
            self.held_records.pop(event.record.key, None)


OWED = [
    ([Stream([deleted("d/a", 11)], open_s=1e9)], False),
    ([Stream([Bookmark("12")], open_s=1e9)], True),
    ([Stream([Bookmark("11")], open_s=1e9), Stream(open_s=1e9)], True),
    ([Stream(open_s=1e9)], True),
]


@pytest.mark.parametrize(("watches", "rewritten"), OWED, ids=["brought", "passed over", "left behind", "silence"])
async def test_a_deletion_that_a_resumed_watch_has_to_bring_is_waited_for(
    watches: list[Stream], rewritten: bool
) -> None:
    """Half a minute at most: a watch that tells another history may leave it out."""
    sink = Keeping()
    source = ScriptedSource(
        [snapshot(9, record("d/a", 9), record("d/b", 3)), snapshot(12, record("d/b", 3))],
        [Stream(error=StreamBroken("cut"), open_s=1), *watches],
        samples=[snapshot(12, record("d/b", 3))],
    )
    task = asyncio.create_task(Reflector[Any](source, sink, name="things").run())
    with capture_logs() as lines:
        await asyncio.sleep(2 + DOUBT_S)
        assert [str(key) for key in sink.held_records] == ["d/b"]
        assert len(lines_of(lines, "history_rewritten")) == rewritten
        assert source.asked[-1] == (("watch", "12") if rewritten else ("watch", "9"))
        await asyncio.sleep(100)
    assert len(source.sampled) == 1, "and the watch goes on"
    task.cancel()
    await asyncio.wait([task])


async def test_a_look_at_a_server_that_is_away_is_a_failure_like_others() -> None:
    """It is told, waited out, and over with the watch that follows."""
    source = ScriptedSource(
        [snapshot(9)],
        [Stream(error=StreamBroken("cut"), open_s=1), Stream(open_s=1e9)],
        samples=[Unreachable("refused"), Unreachable("refused"), snapshot(9)],
    )
    async with reflecting(source, for_s=2) as (reflector, _):
        statistics = reflector.statistics()
        assert (statistics.state, statistics.last_error) == ("waiting", "refused")
        await asyncio.sleep(60)
        assert source.asked == [("list", "0"), ("watch", "9"), ("watch", "9")]
        assert len(source.sampled) == 3
        statistics = reflector.statistics()
        assert (statistics.state, statistics.last_error, statistics.failures) == ("watching", "", 3)
