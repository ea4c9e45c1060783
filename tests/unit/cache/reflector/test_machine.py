"""What a reflector does next."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctrlkit.backoff import Backoff
from ctrlkit.cache.reflector.machine import (
    BARREN_WATCHES,
    FIRST_REQUESTS,
    REQUEST_EVERY_S,
    SILENT_WATCHES,
    STREAM_TRIES,
    HistoryRewritten,
    ListStep,
    ListWatchMachine,
    Reason,
    Step,
    StreamStep,
    WatchStep,
)
from ctrlkit.cache.reflector.options import (
    DEFAULT_OPTIONS,
    HEALTHY_AFTER_S,
    MARKER_PATIENCE_S,
    ReflectorOptions,
)
from ctrlkit.errors import (
    ApiError,
    BadRequest,
    Expired,
    Forbidden,
    Gone,
    InternalError,
    Invalid,
    NotFound,
    ServerTimeout,
    ServiceUnavailable,
    StreamBroken,
    TimedOut,
    Timeout,
    TooManyRequests,
    Unreachable,
)


def course_at(version: str) -> ListWatchMachine:
    machine = ListWatchMachine(chance=Random(7))
    machine.begin()
    machine.listed(version)
    return machine


def streaming_at(version: str) -> ListWatchMachine:
    """A machine whose first list was streamed."""
    machine = ListWatchMachine(chance=Random(7), streams=True)
    machine.begin()
    machine.streamed(version)
    return machine


@pytest.mark.behaviour("R1")
def test_the_first_list_takes_any_state_and_later_ones_none_older_than_the_last_seen() -> None:
    """R1: "0" first, then the last version."""
    machine = ListWatchMachine(chance=Random(7))
    assert machine.begin() == ListStep("0", Reason.FIRST)
    assert not machine.is_rewritten("5", asked="0")
    assert machine.listed("5") == WatchStep("5")
    machine.reached("9")
    step = machine.watch_ended(InternalError("boom"), lived_s=3)
    assert isinstance(step, ListStep)
    assert step.version == "9"


@pytest.mark.behaviour("R3")
@pytest.mark.parametrize(
    "error",
    [
        Expired("too old"),
        Gone("gone"),
        Timeout("Too large resource version: 9, current: 5"),
        Timeout("ahead", details={"causes": [{"reason": "ResourceVersionTooLarge"}]}),
    ],
)
def test_a_list_refused_for_its_version_is_repeated_once_at_once_for_the_newest(error: Exception) -> None:
    """R3: the second refusal waits, and the flag clears with the next success."""
    machine = course_at("9")
    assert machine.list_failed(error) == ListStep("", Reason.UNUSABLE_VERSION, 0.0)
    again = machine.list_failed(error)
    assert isinstance(again, ListStep)
    assert again.version == ""
    assert again.after_s > 0
    machine.listed("4")
    assert machine.list_failed(error) == ListStep("", Reason.UNUSABLE_VERSION, 0.0)


@pytest.mark.behaviour("B18", "R10")
def test_a_410_on_the_watch_lists_at_once_and_a_second_one_waits() -> None:
    """B18: one immediate relist; until a stream was healthy, the next 410 is a failure like any other."""
    machine = course_at("9")
    assert machine.watch_ended(Gone("old"), lived_s=0.1) == ListStep("9", Reason.EXPIRED, 0.0)
    machine.listed("9")
    second = machine.watch_ended(Gone("old"), lived_s=0.1)
    assert isinstance(second, ListStep)
    assert second.after_s > 0
    machine.listed("12")
    machine.watch_ended(None, lived_s=HEALTHY_AFTER_S)
    assert machine.watch_ended(Gone("old"), lived_s=HEALTHY_AFTER_S) == ListStep("12", Reason.EXPIRED, 0.0)


@pytest.mark.behaviour("R11")
@pytest.mark.parametrize(
    "error",
    [
        Unreachable("refused"),
        TooManyRequests("slow down"),
        ServiceUnavailable("restarting"),
        StreamBroken("half a line"),
        TimedOut("silence"),
    ],
)
def test_no_connection_and_429_resume_the_watch_where_it_was(error: Exception) -> None:
    """R11: back off, keep the version, list nothing."""
    machine = course_at("9")
    step = machine.watch_ended(error, lived_s=0)
    assert isinstance(step, WatchStep)
    assert step.version == "9"
    assert step.after_s > 0


def test_the_servers_own_wait_is_honoured() -> None:
    """Retry-After outlasts a shorter back-off."""
    step = course_at("9").watch_ended(TooManyRequests("slow down", retry_after_s=17), lived_s=0)
    assert step.after_s == 17


@pytest.mark.behaviour("R13")
def test_a_stream_that_lived_resumes_at_once_and_one_that_ends_early_waits() -> None:
    """A clean early end is a reconnect like any other; a healthy stream's timeout is none."""
    machine = course_at("9")
    assert machine.watch_ended(None, lived_s=HEALTHY_AFTER_S) == WatchStep("9", 0.0)
    early = machine.watch_ended(None, lived_s=0.2)
    assert isinstance(early, WatchStep)
    assert early.after_s > 0


@pytest.mark.behaviour("R13")
def test_streams_that_end_at_once_without_an_event_lead_to_a_list() -> None:
    """Some servers answer a version they no longer have by closing the stream."""
    machine = course_at("9")
    steps = [machine.watch_ended(None, lived_s=0.1) for _ in range(BARREN_WATCHES)]
    assert [type(step) for step in steps] == [WatchStep] * (BARREN_WATCHES - 1) + [ListStep]


@pytest.mark.behaviour("R9")
def test_waits_grow_to_the_cap_and_start_over_after_a_healthy_stream() -> None:
    """R9's ceilings: .8 1.6 3.2 6.4 12.8 25.6 30, jittered to no less than half; B18's reset."""
    machine = course_at("9")
    waits = [machine.watch_ended(Unreachable("refused"), lived_s=0).after_s for _ in range(8)]
    ceilings = [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]
    assert all(ceiling / 2 <= wait <= ceiling for wait, ceiling in zip(waits, ceilings, strict=True))
    machine.watch_ended(None, lived_s=HEALTHY_AFTER_S)
    assert machine.watch_ended(Unreachable("refused"), lived_s=0).after_s <= 0.8


@pytest.mark.behaviour("R11")
def test_a_version_ahead_of_the_server_leads_to_a_list() -> None:
    """A 504 asks for patience, but not where it says that the version is too large: waiting would never end."""
    step = course_at("9").watch_ended(Timeout("Too large resource version: 9, current: 5"), lived_s=0)
    assert isinstance(step, ListStep)
    assert step.reason is Reason.WATCH_REFUSED
    assert step.after_s > 0


@pytest.mark.behaviour("R19", "R20")
def test_the_first_list_is_streamed_and_so_are_later_ones_from_the_last_version() -> None:
    """R19: the newest state first; a stream that got its end marker goes on, and is resumed as a watch."""
    machine = ListWatchMachine(chance=Random(7), streams=True)
    assert machine.begin() == StreamStep("", Reason.FIRST)
    machine.streamed("5")
    machine.reached("9")
    assert machine.watch_ended(Gone("old"), lived_s=100) == StreamStep("9", Reason.EXPIRED)
    machine.streamed("12")
    assert machine.watch_ended(None, lived_s=HEALTHY_AFTER_S) == WatchStep("12")


@pytest.mark.behaviour("R21", "B17")
@pytest.mark.parametrize(
    "error",
    [
        None,
        StreamBroken("cut"),
        Unreachable("refused"),
        ServiceUnavailable("no"),
        ApiError("bad gateway", code=502),
        Timeout("a gateway's"),
    ],
)
def test_a_stream_that_ends_before_its_marker_is_asked_for_again_and_then_a_list(error: Exception | None) -> None:
    """B17: each time after a wait; a list after the third, and a stream again when that has succeeded."""
    machine = ListWatchMachine(chance=Random(7), streams=True)
    step = machine.begin()
    for _ in range(STREAM_TRIES - 1):
        step = machine.stream_failed(error, lived_s=0.1, objects=3)
        assert isinstance(step, StreamStep)
        assert step.after_s > 0
    step = machine.stream_failed(error, lived_s=0.1, objects=3)
    assert isinstance(step, ListStep)
    assert step.version == "0"
    assert isinstance(machine.list_failed(Unreachable("refused")), ListStep)
    machine.listed("7")
    assert machine.streams
    assert machine.watch_ended(Gone("old"), lived_s=100) == StreamStep("7", Reason.EXPIRED)


@pytest.mark.behaviour("R21")
@pytest.mark.parametrize(
    "error",
    [
        TooManyRequests("slow"),
        TooManyRequests("slow", retry_after_s=40),
        *(ApiError("later", code=code, retry_after_s=40) for code in (500, 502, 503, 504)),
        ServerTimeout("busy", retry_after_s=40),
    ],
)
def test_a_server_that_asks_for_patience_is_asked_for_a_stream_again(error: ApiError) -> None:
    """However often it does, and not before it said; no list burdens it meanwhile, and nothing is held against it."""
    machine = ListWatchMachine(chance=Random(7), streams=True)
    machine.begin()
    for _ in range(10):
        step = machine.stream_failed(error, lived_s=0, objects=0)
        assert isinstance(step, StreamStep)
        assert step.after_s >= (error.retry_after_s or 0.4)
    machine.streamed("5")
    assert machine.streams


@pytest.mark.behaviour("B17")
def test_a_stream_that_was_never_opened_is_no_sign_of_a_server_without_streams() -> None:
    """It was too slow: asked again after a wait, and only the third time for a list, which proves nothing."""
    machine = ListWatchMachine(chance=Random(7), streams=True)
    machine.begin()
    for _ in range(STREAM_TRIES - 1):
        step = machine.stream_failed(TimedOut("no answer"), lived_s=0, objects=0)
        assert isinstance(step, StreamStep)
        assert step.after_s > 0
    assert isinstance(machine.stream_failed(TimedOut("no answer"), lived_s=0, objects=0), ListStep)
    machine.listed("7")
    assert machine.streams


@pytest.mark.behaviour("R21", "R3")
@pytest.mark.parametrize("error", [Expired("old"), Timeout("Too large resource version: 9, current: 5")])
def test_a_stream_refused_for_its_version_is_repeated_once_at_once_for_the_newest(error: Exception) -> None:
    """As a list is."""
    machine = streaming_at("9")
    machine.watch_ended(Gone("old"), lived_s=100)
    assert machine.stream_failed(error, lived_s=0, objects=0) == StreamStep("", Reason.UNUSABLE_VERSION)
    again = machine.stream_failed(error, lived_s=0, objects=0)
    assert isinstance(again, StreamStep)
    assert again.version == ""
    assert again.after_s > 0


UNABLE = [
    (Invalid("sendInitialEvents: Forbidden"), 0.0, 0),
    (BadRequest("unknown parameter"), 0.0, 0),
    (ApiError("not implemented", code=501), 0.0, 0),
    (InternalError("the required storage feature RequestWatchProgress is disabled"), 0.0, 0),
    (TimedOut("no end marker"), MARKER_PATIENCE_S, 3),
    (TimedOut("cut by the transport, however soon"), 0.5, 0),
    (None, MARKER_PATIENCE_S, 3),
]


@pytest.mark.behaviour("B17")
@pytest.mark.parametrize(("error", "lived_s", "objects"), UNABLE)
def test_a_server_that_lists_but_does_not_stream_is_not_asked_to_again(
    error: Exception | None, lived_s: float, objects: int
) -> None:
    """The list comes at once, and its success is the proof."""
    machine = ListWatchMachine(chance=Random(7), streams=True)
    machine.begin()
    step = machine.stream_failed(error, lived_s=lived_s, objects=objects)
    assert step == ListStep("0", Reason.STREAM_REFUSED)
    assert machine.listed("5") == WatchStep("5")
    assert not machine.streams
    assert machine.watch_ended(Gone("old"), lived_s=100) == ListStep("5", Reason.EXPIRED)


@pytest.mark.behaviour("B17")
@pytest.mark.parametrize(("error", "lived_s", "objects"), UNABLE)
def test_a_server_that_neither_streams_nor_lists_may_still_be_able_to_stream(
    error: Exception | None, lived_s: float, objects: int
) -> None:
    """It is the server or the network that fails: a later success says nothing of streams."""
    machine = ListWatchMachine(chance=Random(7), streams=True)
    machine.begin()
    machine.stream_failed(error, lived_s=lived_s, objects=objects)
    assert isinstance(machine.list_failed(InternalError("boom")), ListStep)
    machine.listed("5")
    assert machine.streams


@pytest.mark.behaviour("R21")
@pytest.mark.parametrize("error", [NotFound("no such kind"), Forbidden("no"), InternalError("after some objects")])
def test_any_other_refusal_of_a_stream_leads_to_one_list_at_once(error: Exception) -> None:
    """For this cycle only: the next one streams."""
    machine = ListWatchMachine(chance=Random(7), streams=True)
    machine.begin()
    assert machine.stream_failed(error, lived_s=0, objects=2) == ListStep("0", Reason.STREAM_REFUSED)
    machine.listed("5")
    assert machine.watch_ended(Gone("old"), lived_s=100) == StreamStep("5", Reason.EXPIRED)


@pytest.mark.behaviour("B17")
def test_what_one_collection_has_learnt_another_one_need_not_try() -> None:
    """The list in place of the stream has its version and its reason."""
    machine = ListWatchMachine(chance=Random(7), streams=True)
    first = machine.begin()
    assert isinstance(first, StreamStep)
    assert machine.without_stream(first) == ListStep("0", Reason.FIRST)
    assert not machine.streams


def ended_early(machine: ListWatchMachine, *, lived_s: float = 0.1) -> Step:
    return machine.watch_ended(None, lived_s=lived_s)


@pytest.mark.parametrize("between", ["an event", "a healthy stream"])
def test_barren_watches_that_are_far_apart_do_not_add_up(between: str) -> None:
    """R13: only streams in a row that end at once and bring nothing lead to a list."""
    machine = course_at("9")
    for version in range(10, 30):
        steps = [ended_early(machine) for _ in range(BARREN_WATCHES - 1)]
        assert all(isinstance(step, WatchStep) for step in steps)
        if between == "an event":
            machine.reached(str(version))
            assert isinstance(ended_early(machine), WatchStep)
        else:
            assert isinstance(ended_early(machine, lived_s=HEALTHY_AFTER_S), WatchStep)
    lists = [isinstance(ended_early(machine), ListStep) for _ in range(2 * BARREN_WATCHES)]
    assert lists == [*[False] * (BARREN_WATCHES - 1), True] * 2, "and after a list they are counted anew"


def test_broken_streams_that_are_far_apart_do_not_add_up() -> None:
    """R21: a list takes a stream's place after the third in a row, not after the third ever."""
    machine = ListWatchMachine(chance=Random(7), streams=True)
    step = machine.begin()
    for version in range(10):
        for _ in range(STREAM_TRIES - 1):
            step = machine.stream_failed(StreamBroken("cut"), lived_s=0.1, objects=3)
            assert isinstance(step, StreamStep)
        machine.streamed(str(version))
        step = machine.watch_ended(Gone("old"), lived_s=HEALTHY_AFTER_S)
    steps = [machine.stream_failed(StreamBroken("cut"), lived_s=0.1, objects=3) for _ in range(STREAM_TRIES)]
    assert [type(step) for step in steps] == [*[StreamStep] * (STREAM_TRIES - 1), ListStep]
    machine.listed("99")
    assert isinstance(machine.watch_ended(Gone("old"), lived_s=100), StreamStep)
    assert isinstance(machine.stream_failed(StreamBroken("cut"), lived_s=0.1, objects=3), StreamStep), "counted anew"


def test_silent_watches_in_a_row_lead_to_a_list_and_others_do_not() -> None:
    """A server may answer all that it is asked and still tell nothing: three watches without a line are enough."""
    machine = course_at("9")
    for version in ("10", "11"):
        for _ in range(SILENT_WATCHES - 1):
            assert isinstance(machine.watch_ended(TimedOut("silence"), lived_s=180), WatchStep)
        machine.reached(version)
        assert isinstance(machine.watch_ended(TimedOut("silence"), lived_s=180), WatchStep)
    assert isinstance(machine.watch_ended(None, lived_s=400), WatchStep), "it ended this one as it was asked to"
    steps = [machine.watch_ended(TimedOut("silence"), lived_s=180) for _ in range(SILENT_WATCHES)]
    assert [type(step) for step in steps] == [*[WatchStep] * (SILENT_WATCHES - 1), ListStep]
    assert isinstance(steps[-1], ListStep)
    assert (steps[-1].version, steps[-1].reason) == ("11", Reason.SILENT_WATCHES)
    machine.listed("11")
    assert isinstance(machine.watch_ended(TimedOut("silence"), lived_s=180), WatchStep), "counted anew"


@pytest.mark.parametrize(
    ("error", "lived_s"),
    [
        (Unreachable("refused"), 0.0),
        (StreamBroken("cut"), 100.0),
        (TimedOut("silence"), 180.0),
        (TooManyRequests("slow"), 0.0),
        (ServiceUnavailable("restarting"), 0.0),
        (None, 0.1),
        (None, 100.0),
    ],
)
def test_a_watch_that_ended_unasked_is_resumed_after_a_check(error: Exception | None, lived_s: float) -> None:
    """M-g: it may be another server's history that would be followed."""
    machine = course_at("9")
    step = machine.watch_ended(error, lived_s=lived_s, asked_s=300)
    assert isinstance(step, WatchStep)
    assert step.check
    assert machine.checked() == WatchStep("9")


def test_a_watch_that_ended_when_it_was_asked_to_is_resumed_at_once() -> None:
    """An idle mirror costs one request in five minutes."""
    assert course_at("9").watch_ended(None, lived_s=299, asked_s=300) == WatchStep("9")


@pytest.mark.parametrize(
    "error", [Unreachable("refused"), TimedOut("no answer"), TooManyRequests("slow"), ServiceUnavailable("restarting")]
)
def test_a_check_of_a_server_that_does_not_answer_is_made_again(error: Exception) -> None:
    """After a back-off, and as long as it takes."""
    machine = course_at("9")
    for _ in range(5):
        step = machine.check_failed(error)
        assert isinstance(step, WatchStep)
        assert step.check
        assert step.after_s > 0


@pytest.mark.parametrize("error", [Forbidden("no"), NotFound("no such kind"), InternalError("boom"), ValueError("bug")])
def test_a_server_that_refuses_to_be_checked_is_watched(error: Exception) -> None:
    """What it says of the watch decides."""
    assert course_at("9").check_failed(error) == WatchStep("9")


@pytest.mark.parametrize("streams", [False, True])
def test_a_rewritten_history_is_left_for_the_newest_state(streams: bool) -> None:
    """M-h: whatever its version; a list that fails meanwhile does not make anybody forget why it was asked for."""
    machine = streaming_at("9") if streams else course_at("9")
    step = machine.rewritten()
    assert step == (StreamStep if streams else ListStep)("", Reason.HISTORY_REWRITTEN)
    machine.list_failed(Unreachable("refused"))
    assert machine.is_rewritten("12", asked="")
    machine.listed("12")
    assert not machine.is_rewritten("12", asked="")
    machine.reached("13")
    assert machine.watch_ended(HistoryRewritten("left out"), lived_s=1) == machine.rewritten()


def test_only_the_newest_state_proves_that_history_was_rewritten() -> None:
    """M-h: a list that was to be no older than what was reached, and is, comes of a server that is behind."""
    machine = course_at("9")
    assert machine.is_rewritten("4", asked="")
    assert not machine.is_rewritten("9", asked="")
    assert not machine.is_rewritten("10", asked="")
    assert not machine.is_rewritten("4", asked="9")
    assert machine.is_outdated("4", asked="9")
    assert not machine.is_outdated("9", asked="9")
    assert not machine.is_outdated("4", asked="")
    assert not ListWatchMachine(chance=Random(7)).is_outdated("4", asked="0"), "nothing was reached yet"
    assert machine.outdated() == ListStep("", Reason.UNUSABLE_VERSION)


OUTCOMES = st.sampled_from(
    [
        None,
        Gone("old"),
        Expired("old"),
        InternalError("boom"),
        Forbidden("no"),
        Invalid("no streams"),
        Unreachable("refused"),
        StreamBroken("cut"),
        TimedOut("silence"),
        TooManyRequests("slow"),
        Timeout("Too large resource version: 9"),
        ValueError("a bug"),
    ]
)


HASTY = ReflectorOptions(backoff=Backoff(base_s=0.001, cap_s=0.001))
LISTED, REFUSED = (None, False, 0.0), (Unreachable("refused"), False, 0.0)


FAILED, FORGOTTEN = (InternalError("boom"), True, 0.0), (Gone("old"), False, 0.0)


@example(outcomes=[LISTED, *[REFUSED, LISTED] * 20], seed=1, streams=False, options=HASTY)
@example(outcomes=[FAILED, *[LISTED] * 4, FORGOTTEN, FORGOTTEN, LISTED], seed=0, streams=True, options=HASTY)
@given(
    outcomes=st.lists(st.tuples(OUTCOMES, st.booleans(), st.just(0.0) | st.floats(0, 2)), min_size=1, max_size=60),
    seed=st.integers(),
    streams=st.booleans(),
    options=st.sampled_from([DEFAULT_OPTIONS, HASTY]),
)
def test_for_any_run_of_failures_requests_stay_below_two_a_second(
    outcomes: list[tuple[Exception | None, bool, float]], seed: int, streams: bool, options: ReflectorOptions
) -> None:
    """M-f: whatever a server does, however much it brings between its failures, and however short the back-off is."""
    machine = ListWatchMachine(chance=Random(seed), streams=streams, options=options)
    step: Step = machine.begin()
    elapsed = 0.0
    for requests, (outcome, progress, lived_s) in enumerate(outcomes, start=1):
        elapsed += step.after_s
        assert requests <= FIRST_REQUESTS + 3 + elapsed / REQUEST_EVERY_S
        match step:
            case ListStep():
                step = machine.listed(str(requests)) if outcome is None else machine.list_failed(outcome)
            case StreamStep() if not progress:
                step = machine.stream_failed(outcome, lived_s=lived_s, objects=0)
            case WatchStep(check=True):
                step = machine.checked() if outcome is None else machine.check_failed(outcome)
                if outcome is None and progress:
                    step = machine.rewritten()
            case _:
                if isinstance(step, StreamStep):
                    machine.streamed(str(requests))
                if progress:
                    machine.reached(str(1000 + requests))
                elapsed += lived_s
                step = machine.watch_ended(outcome, lived_s=lived_s)
