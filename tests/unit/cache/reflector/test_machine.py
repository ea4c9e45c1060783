"""What a reflector does next."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.cache.reflector.machine import (
    BARREN_WATCHES,
    FIRST_REQUESTS,
    HEALTHY_AFTER_S,
    MARKER_PATIENCE_S,
    REQUEST_EVERY_S,
    SILENT_WATCHES,
    STREAM_TRIES,
    Course,
    HistoryRewritten,
    List,
    Reason,
    Step,
    Stream,
    Watch,
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


def course_at(version: str) -> Course:
    course = Course(chance=Random(7))
    course.begin()
    course.listed(version)
    return course


def streaming_at(version: str) -> Course:
    """A course whose first list was streamed."""
    course = Course(chance=Random(7), streams=True)
    course.begin()
    course.streamed(version)
    return course


@pytest.mark.behaviour("R1")
def test_the_first_list_takes_any_state_and_later_ones_none_older_than_the_last_seen() -> None:
    """R1: "0" first, then the last version."""
    course = Course(chance=Random(7))
    assert course.begin() == List("0", Reason.FIRST)
    assert not course.is_rewritten("5", asked="0")
    assert course.listed("5") == Watch("5")
    course.reached("9")
    step = course.watch_ended(InternalError("boom"), lived_s=3)
    assert isinstance(step, List)
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
    course = course_at("9")
    assert course.list_failed(error) == List("", Reason.UNUSABLE_VERSION, 0.0)
    again = course.list_failed(error)
    assert isinstance(again, List)
    assert again.version == ""
    assert again.after_s > 0
    course.listed("4")
    assert course.list_failed(error) == List("", Reason.UNUSABLE_VERSION, 0.0)


@pytest.mark.behaviour("B18", "R10")
def test_a_410_on_the_watch_lists_at_once_and_a_second_one_waits() -> None:
    """B18: one immediate relist; until a stream was healthy, the next 410 is a failure like any other."""
    course = course_at("9")
    assert course.watch_ended(Gone("old"), lived_s=0.1) == List("9", Reason.EXPIRED, 0.0)
    course.listed("9")
    second = course.watch_ended(Gone("old"), lived_s=0.1)
    assert isinstance(second, List)
    assert second.after_s > 0
    course.listed("12")
    course.watch_ended(None, lived_s=HEALTHY_AFTER_S)
    assert course.watch_ended(Gone("old"), lived_s=HEALTHY_AFTER_S) == List("12", Reason.EXPIRED, 0.0)


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
    course = course_at("9")
    step = course.watch_ended(error, lived_s=0)
    assert isinstance(step, Watch)
    assert step.version == "9"
    assert step.after_s > 0


def test_the_servers_own_wait_is_honoured() -> None:
    """Retry-After outlasts a shorter back-off."""
    step = course_at("9").watch_ended(TooManyRequests("slow down", retry_after_s=17), lived_s=0)
    assert step.after_s == 17


@pytest.mark.behaviour("R13")
def test_a_stream_that_lived_resumes_at_once_and_one_that_ends_early_waits() -> None:
    """A clean early end is a reconnect like any other; a healthy stream's timeout is none."""
    course = course_at("9")
    assert course.watch_ended(None, lived_s=HEALTHY_AFTER_S) == Watch("9", 0.0)
    early = course.watch_ended(None, lived_s=0.2)
    assert isinstance(early, Watch)
    assert early.after_s > 0


@pytest.mark.behaviour("R13")
def test_streams_that_end_at_once_without_an_event_lead_to_a_list() -> None:
    """Some servers answer a version they no longer have by closing the stream."""
    course = course_at("9")
    steps = [course.watch_ended(None, lived_s=0.1) for _ in range(BARREN_WATCHES)]
    assert [type(step) for step in steps] == [Watch] * (BARREN_WATCHES - 1) + [List]


@pytest.mark.behaviour("R9")
def test_waits_grow_to_the_cap_and_start_over_after_a_healthy_stream() -> None:
    """R9's ceilings: .8 1.6 3.2 6.4 12.8 25.6 30, jittered to no less than half; B18's reset."""
    course = course_at("9")
    waits = [course.watch_ended(Unreachable("refused"), lived_s=0).after_s for _ in range(8)]
    ceilings = [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]
    assert all(ceiling / 2 <= wait <= ceiling for wait, ceiling in zip(waits, ceilings, strict=True))
    course.watch_ended(None, lived_s=HEALTHY_AFTER_S)
    assert course.watch_ended(Unreachable("refused"), lived_s=0).after_s <= 0.8


@pytest.mark.behaviour("R11")
def test_a_version_ahead_of_the_server_leads_to_a_list() -> None:
    """A 504 asks for patience, but not where it says that the version is too large: waiting would never end."""
    step = course_at("9").watch_ended(Timeout("Too large resource version: 9, current: 5"), lived_s=0)
    assert isinstance(step, List)
    assert step.reason is Reason.WATCH_REFUSED
    assert step.after_s > 0


@pytest.mark.behaviour("R19", "R20")
def test_the_first_list_is_streamed_and_so_are_later_ones_from_the_last_version() -> None:
    """R19: the newest state first; a stream that got its end marker goes on, and is resumed as a watch."""
    course = Course(chance=Random(7), streams=True)
    assert course.begin() == Stream("", Reason.FIRST)
    course.streamed("5")
    course.reached("9")
    assert course.watch_ended(Gone("old"), lived_s=100) == Stream("9", Reason.EXPIRED)
    course.streamed("12")
    assert course.watch_ended(None, lived_s=HEALTHY_AFTER_S) == Watch("12")


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
    course = Course(chance=Random(7), streams=True)
    step = course.begin()
    for _ in range(STREAM_TRIES - 1):
        step = course.stream_failed(error, lived_s=0.1, objects=3)
        assert isinstance(step, Stream)
        assert step.after_s > 0
    step = course.stream_failed(error, lived_s=0.1, objects=3)
    assert isinstance(step, List)
    assert step.version == "0"
    assert isinstance(course.list_failed(Unreachable("refused")), List)
    course.listed("7")
    assert course.streams
    assert course.watch_ended(Gone("old"), lived_s=100) == Stream("7", Reason.EXPIRED)


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
    course = Course(chance=Random(7), streams=True)
    course.begin()
    for _ in range(10):
        step = course.stream_failed(error, lived_s=0, objects=0)
        assert isinstance(step, Stream)
        assert step.after_s >= (error.retry_after_s or 0.4)
    course.streamed("5")
    assert course.streams


@pytest.mark.behaviour("B17")
def test_a_stream_that_was_never_opened_is_no_sign_of_a_server_without_streams() -> None:
    """It was too slow: asked again after a wait, and only the third time for a list, which proves nothing."""
    course = Course(chance=Random(7), streams=True)
    course.begin()
    for _ in range(STREAM_TRIES - 1):
        step = course.stream_failed(TimedOut("no answer"), lived_s=0, objects=0)
        assert isinstance(step, Stream)
        assert step.after_s > 0
    assert isinstance(course.stream_failed(TimedOut("no answer"), lived_s=0, objects=0), List)
    course.listed("7")
    assert course.streams


@pytest.mark.behaviour("R21", "R3")
@pytest.mark.parametrize("error", [Expired("old"), Timeout("Too large resource version: 9, current: 5")])
def test_a_stream_refused_for_its_version_is_repeated_once_at_once_for_the_newest(error: Exception) -> None:
    """As a list is."""
    course = streaming_at("9")
    course.watch_ended(Gone("old"), lived_s=100)
    assert course.stream_failed(error, lived_s=0, objects=0) == Stream("", Reason.UNUSABLE_VERSION)
    again = course.stream_failed(error, lived_s=0, objects=0)
    assert isinstance(again, Stream)
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
    course = Course(chance=Random(7), streams=True)
    course.begin()
    step = course.stream_failed(error, lived_s=lived_s, objects=objects)
    assert step == List("0", Reason.STREAM_REFUSED)
    assert course.listed("5") == Watch("5")
    assert not course.streams
    assert course.watch_ended(Gone("old"), lived_s=100) == List("5", Reason.EXPIRED)


@pytest.mark.behaviour("B17")
@pytest.mark.parametrize(("error", "lived_s", "objects"), UNABLE)
def test_a_server_that_neither_streams_nor_lists_may_still_be_able_to_stream(
    error: Exception | None, lived_s: float, objects: int
) -> None:
    """It is the server or the network that fails: a later success says nothing of streams."""
    course = Course(chance=Random(7), streams=True)
    course.begin()
    course.stream_failed(error, lived_s=lived_s, objects=objects)
    assert isinstance(course.list_failed(InternalError("boom")), List)
    course.listed("5")
    assert course.streams


@pytest.mark.behaviour("R21")
@pytest.mark.parametrize("error", [NotFound("no such kind"), Forbidden("no"), InternalError("after some objects")])
def test_any_other_refusal_of_a_stream_leads_to_one_list_at_once(error: Exception) -> None:
    """For this cycle only: the next one streams."""
    course = Course(chance=Random(7), streams=True)
    course.begin()
    assert course.stream_failed(error, lived_s=0, objects=2) == List("0", Reason.STREAM_REFUSED)
    course.listed("5")
    assert course.watch_ended(Gone("old"), lived_s=100) == Stream("5", Reason.EXPIRED)


@pytest.mark.behaviour("B17")
def test_what_one_collection_has_learnt_another_one_need_not_try() -> None:
    """The list in place of the stream has its version and its reason."""
    course = Course(chance=Random(7), streams=True)
    first = course.begin()
    assert isinstance(first, Stream)
    assert course.without_stream(first) == List("0", Reason.FIRST)
    assert not course.streams


def ended_early(course: Course, *, lived_s: float = 0.1) -> Step:
    return course.watch_ended(None, lived_s=lived_s)


@pytest.mark.parametrize("between", ["an event", "a healthy stream"])
def test_barren_watches_that_are_far_apart_do_not_add_up(between: str) -> None:
    """R13: only streams in a row that end at once and bring nothing lead to a list."""
    course = course_at("9")
    for version in range(10, 30):
        steps = [ended_early(course) for _ in range(BARREN_WATCHES - 1)]
        assert all(isinstance(step, Watch) for step in steps)
        if between == "an event":
            course.reached(str(version))
            assert isinstance(ended_early(course), Watch)
        else:
            assert isinstance(ended_early(course, lived_s=HEALTHY_AFTER_S), Watch)
    lists = [isinstance(ended_early(course), List) for _ in range(2 * BARREN_WATCHES)]
    assert lists == [*[False] * (BARREN_WATCHES - 1), True] * 2, "and after a list they are counted anew"


def test_broken_streams_that_are_far_apart_do_not_add_up() -> None:
    """R21: a list takes a stream's place after the third in a row, not after the third ever."""
    course = Course(chance=Random(7), streams=True)
    step = course.begin()
    for version in range(10):
        for _ in range(STREAM_TRIES - 1):
            step = course.stream_failed(StreamBroken("cut"), lived_s=0.1, objects=3)
            assert isinstance(step, Stream)
        course.streamed(str(version))
        step = course.watch_ended(Gone("old"), lived_s=HEALTHY_AFTER_S)
    steps = [course.stream_failed(StreamBroken("cut"), lived_s=0.1, objects=3) for _ in range(STREAM_TRIES)]
    assert [type(step) for step in steps] == [*[Stream] * (STREAM_TRIES - 1), List]
    course.listed("99")
    assert isinstance(course.watch_ended(Gone("old"), lived_s=100), Stream)
    assert isinstance(course.stream_failed(StreamBroken("cut"), lived_s=0.1, objects=3), Stream), "counted anew"


def test_silent_watches_in_a_row_lead_to_a_list_and_others_do_not() -> None:
    """A server may answer all that it is asked and still tell nothing: three watches without a line are enough."""
    course = course_at("9")
    for version in ("10", "11"):
        for _ in range(SILENT_WATCHES - 1):
            assert isinstance(course.watch_ended(TimedOut("silence"), lived_s=180), Watch)
        course.reached(version)
        assert isinstance(course.watch_ended(TimedOut("silence"), lived_s=180), Watch)
    assert isinstance(course.watch_ended(None, lived_s=400), Watch), "it ended this one as it was asked to"
    steps = [course.watch_ended(TimedOut("silence"), lived_s=180) for _ in range(SILENT_WATCHES)]
    assert [type(step) for step in steps] == [*[Watch] * (SILENT_WATCHES - 1), List]
    assert isinstance(steps[-1], List)
    assert (steps[-1].version, steps[-1].reason) == ("11", Reason.SILENT_WATCHES)
    course.listed("11")
    assert isinstance(course.watch_ended(TimedOut("silence"), lived_s=180), Watch), "counted anew"


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
    course = course_at("9")
    step = course.watch_ended(error, lived_s=lived_s, asked_s=300)
    assert isinstance(step, Watch)
    assert step.check
    assert course.checked() == Watch("9")


def test_a_watch_that_ended_when_it_was_asked_to_is_resumed_at_once() -> None:
    """An idle mirror costs one request in five minutes."""
    assert course_at("9").watch_ended(None, lived_s=299, asked_s=300) == Watch("9")


@pytest.mark.parametrize(
    "error", [Unreachable("refused"), TimedOut("no answer"), TooManyRequests("slow"), ServiceUnavailable("restarting")]
)
def test_a_check_of_a_server_that_does_not_answer_is_made_again(error: Exception) -> None:
    """After a back-off, and as long as it takes."""
    course = course_at("9")
    for _ in range(5):
        step = course.check_failed(error)
        assert isinstance(step, Watch)
        assert step.check
        assert step.after_s > 0


@pytest.mark.parametrize("error", [Forbidden("no"), NotFound("no such kind"), InternalError("boom"), ValueError("bug")])
def test_a_server_that_refuses_to_be_checked_is_watched(error: Exception) -> None:
    """What it says of the watch decides."""
    assert course_at("9").check_failed(error) == Watch("9")


@pytest.mark.parametrize("streams", [False, True])
def test_a_rewritten_history_is_left_for_the_newest_state(streams: bool) -> None:
    """M-h: whatever its version; a list that fails meanwhile does not make anybody forget why it was asked for."""
    course = streaming_at("9") if streams else course_at("9")
    step = course.rewritten()
    assert step == (Stream if streams else List)("", Reason.HISTORY_REWRITTEN)
    course.list_failed(Unreachable("refused"))
    assert course.is_rewritten("12", asked="")
    course.listed("12")
    assert not course.is_rewritten("12", asked="")
    course.reached("13")
    assert course.watch_ended(HistoryRewritten("left out"), lived_s=1) == course.rewritten()


def test_only_the_newest_state_proves_that_history_was_rewritten() -> None:
    """M-h: a list that was to be no older than what was reached, and is, comes of a server that is behind."""
    course = course_at("9")
    assert course.is_rewritten("4", asked="")
    assert not course.is_rewritten("9", asked="")
    assert not course.is_rewritten("10", asked="")
    assert not course.is_rewritten("4", asked="9")
    assert course.is_outdated("4", asked="9")
    assert not course.is_outdated("9", asked="9")
    assert not course.is_outdated("4", asked="")
    assert not Course(chance=Random(7)).is_outdated("4", asked="0"), "nothing was reached yet"
    assert course.outdated() == List("", Reason.UNUSABLE_VERSION)


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


@given(
    outcomes=st.lists(st.tuples(OUTCOMES, st.booleans(), st.floats(0, 2)), min_size=1, max_size=60),
    seed=st.integers(),
    streams=st.booleans(),
)
def test_for_any_run_of_failures_requests_stay_below_two_a_second(
    outcomes: list[tuple[Exception | None, bool, float]], seed: int, streams: bool
) -> None:
    """M-f: whatever a server does, and however much it brings between its failures."""
    course = Course(chance=Random(seed), streams=streams)
    step: Step = course.begin()
    elapsed = 0.0
    for requests, (outcome, progress, lived_s) in enumerate(outcomes, start=1):
        elapsed += step.after_s
        assert requests <= FIRST_REQUESTS + 3 + elapsed / REQUEST_EVERY_S
        match step:
            case List():
                step = course.listed(str(requests)) if outcome is None else course.list_failed(outcome)
            case Stream() if not progress:
                step = course.stream_failed(outcome, lived_s=lived_s, objects=0)
            case Watch(check=True):
                step = course.checked() if outcome is None else course.check_failed(outcome)
                if outcome is None and progress:
                    step = course.rewritten()
            case _:
                if isinstance(step, Stream):
                    course.streamed(str(requests))
                if progress:
                    course.reached(str(1000 + requests))
                elapsed += lived_s
                step = course.watch_ended(outcome, lived_s=lived_s)
