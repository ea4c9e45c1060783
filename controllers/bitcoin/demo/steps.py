"""How a step is played: within its deadline, to a report, whatever goes wrong in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from controllers.bitcoin.demo.observer import Observer
from controllers.bitcoin.demo.report import INTERRUPTED, Report, StepReport
from controllers.bitcoin.rpc import RpcError
from ctrlkit.clock import monotonic
from ctrlkit.errors import CtrlkitError


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `play` does it, returns when it holds, and says what was seen."""

    name: str
    deadline_s: float
    play: Callable[[], Awaitable[str]]


class StepView(Protocol):
    """Who is told of steps."""

    def step_began(self, name: str) -> None:
        """A step begins."""
        ...

    def step_ended(self, report: StepReport) -> None:
        """It held, or did not."""
        ...


async def play(steps: Sequence[Step], *, observer: Observer, report: Report, view: StepView) -> None:
    """Play the steps in order, up to the first that does not hold; the report grows with each."""
    for step in steps:
        view.step_began(step.name)
        result = await _play_one(step, observer, report)
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
        return result(ok=False, detail=f"not within {step.deadline_s:g} s; last seen: {observer.last.detail}")
    except (CtrlkitError, RpcError) as error:
        return result(ok=False, detail=str(error))
    except asyncio.CancelledError:
        report.steps.append(result(ok=False, detail=INTERRUPTED))
        raise
