"""What a reflector does next."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.cache.machine import (
    BARREN_WATCHES,
    HEALTHY_AFTER_S,
    Course,
    List,
    Reason,
    Watch,
)
from ctrlkit.errors import Expired, Gone, InternalError, StreamBroken, Timeout, TooManyRequests, Unreachable


def course_at(version: str) -> Course:
    course = Course(chance=Random(7))
    course.begin()
    course.listed(version)
    return course


@pytest.mark.behaviour("R1")
def test_the_first_list_takes_any_state_and_later_ones_none_older_than_the_last_seen() -> None:
    """R1: "0" first, then the last version."""
    course = Course(chance=Random(7))
    assert course.begin() == List("0", Reason.FIRST)
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


@pytest.mark.behaviour("B18")
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
@pytest.mark.parametrize("error", [Unreachable("refused"), TooManyRequests("slow down"), StreamBroken("half a line")])
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


OUTCOMES = st.sampled_from(
    [
        None,
        Gone("old"),
        Expired("old"),
        InternalError("boom"),
        Unreachable("refused"),
        StreamBroken("cut"),
        TooManyRequests("slow"),
        Timeout("Too large resource version: 9"),
        ValueError("a bug"),
    ]
)


@given(outcomes=st.lists(st.tuples(OUTCOMES, st.booleans()), min_size=1, max_size=60), seed=st.integers())
def test_for_any_run_of_short_lived_failures_requests_stay_below_two_a_second(
    outcomes: list[tuple[Exception | None, bool]], seed: int
) -> None:
    """Whatever a server does, n requests take at least (n - 4) / 2 seconds: four may go at once, no more."""
    course = Course(chance=Random(seed))
    step: List | Watch = course.begin()
    elapsed, requests = 0.0, 0
    for outcome, progress in outcomes:
        elapsed += step.after_s
        requests += 1
        if isinstance(step, List):
            step = course.listed(str(requests)) if outcome is None else course.list_failed(outcome)
        else:
            if progress:
                course.reached(str(1000 + requests))
            step = course.watch_ended(outcome, lived_s=0.0)
    lists_that_lead_to_watches = 2  # each list that succeeds is followed by a watch at once
    assert requests <= 4 + lists_that_lead_to_watches * 2 * (elapsed + 1)
