"""Steps in order, each within its deadline, up to the first that does not hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ctrlkit.bitcoin.demo.checks import Finding, Holds, NotYet
from ctrlkit.bitcoin.demo.observer import Observer
from ctrlkit.bitcoin.demo.steps import Report, Step, StepFailed, StepReport, play
from ctrlkit.bitcoin.rpc import NodeUnreachable
from ctrlkit.errors import CtrlkitError, NotFound
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import ObjectKey


class Notes:
    """A view that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step_began(self, name: str) -> None:
        self.lines.append(f"began {name}")

    def step_waits(self, name: str, why: str) -> None:
        self.lines.append(f"{name} waits at {asyncio.get_running_loop().time():.0f} s: {why}")

    def step_ended(self, report: StepReport) -> None:
        self.lines.append(f"ended {report.name}")


def an_observer() -> Observer:
    return Observer(FakeClientset().client, ObjectKey("demo", "net"))


def saying(detail: str, *, after_s: float = 0.0) -> Callable[[], Awaitable[str]]:
    async def step() -> str:
        await asyncio.sleep(after_s)
        return detail

    return step


def raising(error: Exception) -> Callable[[], Awaitable[str]]:
    async def step() -> str:
        raise error

    return step


async def test_steps_are_played_in_order_and_timed() -> None:
    """Each step's seconds and detail are in the report; the view hears of begin and end."""
    steps = [Step("one", 10, saying("seen", after_s=1.25)), Step("two", 10, saying("too"))]
    report, notes = Report(bitcoind="real", nodes=3, planned=2), Notes()

    await play(steps, observer=an_observer(), report=report, view=notes)

    assert [(step.name, step.ok, step.seconds, step.detail) for step in report.steps] == [
        ("one", True, 1.2, "seen"),
        ("two", True, 0.0, "too"),
    ]
    assert report.ok
    assert notes.lines == ["began one", "ended one", "began two", "ended two"]


async def test_a_step_that_does_not_hold_in_time_says_what_was_seen_last() -> None:
    """The steps after it are not played."""
    observer = an_observer()

    async def never() -> str:
        return await observer.until(lambda: NotYet("2 of 3 ready"))

    report = Report(bitcoind="real", nodes=3, planned=2)
    await play([Step("ready", 30, never), Step("next", 1, saying(""))], observer=observer, report=report, view=Notes())

    assert [step.name for step in report.steps] == ["ready"]
    assert report.steps[0].detail == "not within 30 s; last seen: 2 of 3 ready"
    assert not report.ok


async def test_a_step_that_comes_no_further_for_ten_seconds_says_what_it_waits_for() -> None:
    """Once for each thing there is to say, and not while it moves on."""
    observer, notes = an_observer(), Notes()

    async def found() -> Finding:
        match asyncio.get_running_loop().time():
            case now if now < 16:
                return NotYet(f"{now // 8:g} of 3 ready")
            case now if now < 40:
                return NotYet("2 of 3 ready")
        return Holds("3 of 3 ready")

    report = Report(bitcoind="real", nodes=3, planned=1)
    step = Step("ready", 60, lambda: observer.ask_until(found))
    await play([step, Step("next", 60, saying("", after_s=30))], observer=observer, report=report, view=notes)

    assert notes.lines == [
        "began ready",
        "ready waits at 27 s: 2 of 3 ready",
        "ended ready",
        "began next",
        "ended next",
    ]


@pytest.mark.parametrize(
    "error", [StepFailed("it is wrong"), NodeUnreachable("no answer"), NotFound("no such\nobject")]
)
async def test_a_foreseen_error_fails_the_step_with_its_message_in_one_line(error: CtrlkitError) -> None:
    """Refusals of the server and silence of nodes are results, not crashes."""
    report = Report(bitcoind="real", nodes=3, planned=1)

    await play([Step("one", 10, raising(error))], observer=an_observer(), report=report, view=Notes())

    assert not report.ok
    assert report.steps[0].detail == " ".join(str(error).split())


async def test_an_unforeseen_error_is_raised() -> None:
    """A mistake in the walk-through itself must not pass for a finding."""
    with pytest.raises(ZeroDivisionError):
        await play(
            [Step("one", 10, raising(ZeroDivisionError()))],
            observer=an_observer(),
            report=Report(bitcoind="real", nodes=3, planned=1),
            view=Notes(),
        )


async def test_an_interrupted_step_is_in_the_report() -> None:
    """Cancelling goes through, and the report tells where it came."""
    report = Report(bitcoind="real", nodes=3, planned=1)
    playing = asyncio.create_task(
        play([Step("one", 10, saying("", after_s=5))], observer=an_observer(), report=report, view=Notes())
    )
    await asyncio.sleep(1)
    playing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await playing
    assert [(step.ok, step.detail) for step in report.steps] == [(False, "interrupted before it was done")]
