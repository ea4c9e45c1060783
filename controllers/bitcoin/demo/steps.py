"""Runs the steps of the demo, each within its deadline, and reports their results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from ctrlkit.bitcoin.demo.checks import NotYet
from ctrlkit.bitcoin.demo.observer import Observer
from ctrlkit.bitcoin.rpc import RpcError
from ctrlkit.clock import monotonic
from ctrlkit.errors import CtrlkitError


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """The result of a step; `detail` is what was found, or why it failed."""

    name: str
    ok: bool
    seconds: float
    detail: str


@dataclass(slots=True, kw_only=True)
class Report:
    """
    The results of the steps so far, of `planned`, which is at least one, so that a demo that never began has failed.

    >>> report = Report(bitcoind="real", nodes=3, planned=1)
    >>> report.steps.append(StepReport(name="mine", ok=True, seconds=1.25, detail="all have 101 blocks"))
    >>> report.ok, report.to_json()[:34]
    (True, '{"ok":true,"bitcoind":"real","node')
    """

    bitcoind: str
    nodes: int
    planned: int = 1
    steps: list[StepReport] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every planned step succeeded."""
        return len(self.steps) == self.planned and all(step.ok for step in self.steps)

    def to_json(self) -> str:
        """Format as a JSON object on one line."""
        fields = {"ok": self.ok, "bitcoind": self.bitcoind, "nodes": self.nodes, "steps": self.steps}
        return msgspec.json.encode(fields).decode()


INTERRUPTED: Final = "interrupted before it was done"


STANDSTILL_S: Final = 10.0
"""Seconds without progress after which the view shows what a step waits for."""
_LOOK_AGAIN_S: Final = 1.0


class StepFailed(CtrlkitError):
    """A step found something wrong that waiting would not change."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step: `play` performs it, waits for its conditions, and returns what was found."""

    name: str
    deadline_s: float
    play: Callable[[], Awaitable[str]]


class StepView(Protocol):
    """Shows steps."""

    def step_began(self, name: str) -> None:
        """A step began."""
        ...

    def step_waits(self, name: str, why: str) -> None:
        """A step has made no progress for a while."""
        ...

    def step_ended(self, report: StepReport) -> None:
        """A step succeeded or failed."""
        ...


async def play(steps: Sequence[Step], *, observer: Observer, report: Report, view: StepView) -> None:
    """Run the steps in order, up to the first that fails, and add each result to the report."""
    for step in steps:
        view.step_began(step.name)
        telling = asyncio.create_task(_tell_of_standstill(step, observer, view), name="standstill")
        try:
            result = await _play_one(step, observer, report)
        finally:
            telling.cancel()
            await asyncio.wait({telling})
        if not telling.cancelled():
            telling.result()  # it failed
        report.steps.append(result)
        view.step_ended(result)
        if not result.ok:
            return


async def _play_one(step: Step, observer: Observer, report: Report) -> StepReport:
    began = monotonic()

    def result(*, ok: bool, detail: str) -> StepReport:
        return StepReport(name=step.name, ok=ok, seconds=round(monotonic() - began, 1), detail=" ".join(detail.split()))

    try:
        async with asyncio.timeout(step.deadline_s):
            return result(ok=True, detail=await step.play())
    except TimeoutError:
        return result(ok=False, detail=f"not within {step.deadline_s:g} s; last seen: {observer.last_seen()}")
    except (CtrlkitError, RpcError) as error:
        return result(ok=False, detail=str(error))
    except asyncio.CancelledError:
        report.steps.append(result(ok=False, detail=INTERRUPTED))
        raise


async def _tell_of_standstill(step: Step, observer: Observer, view: StepView) -> None:
    """Show what a step waits for after a while without progress, and again when that changes."""
    quiet_since, shown = monotonic(), ""
    while True:
        await asyncio.sleep(_LOOK_AGAIN_S)
        stands_s = monotonic() - max(quiet_since, observer.last_at)
        why = observer.last_seen()
        if isinstance(observer.last, NotYet) and stands_s >= STANDSTILL_S and why != shown:
            view.step_waits(step.name, why)
            quiet_since, shown = monotonic(), why
