"""How a step is played: within its deadline, to a report, whatever goes wrong in it; and a word when it drags on."""

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
    """How one step went; `detail` is what was seen, or why it did not hold."""

    name: str
    ok: bool
    seconds: float
    detail: str


@dataclass(slots=True, kw_only=True)
class Report:
    """
    The steps played so far, of `planned`: at least one, so that a walk-through that never began did not hold.

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
        """Whether every step was played, and held."""
        return len(self.steps) == self.planned and all(step.ok for step in self.steps)

    def to_json(self) -> str:
        """One object on one line, for programs."""
        fields = {"ok": self.ok, "bitcoind": self.bitcoind, "nodes": self.nodes, "steps": self.steps}
        return msgspec.json.encode(fields).decode()


INTERRUPTED: Final = "interrupted before it was done"


STANDSTILL_S: Final = 10.0
"""A step that has come no further for so long says what it waits for."""
_LOOK_AGAIN_S: Final = 1.0


class StepFailed(CtrlkitError):
    """A step saw something that must not be; waiting would not help."""


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

    def step_waits(self, name: str, why: str) -> None:
        """It has come no further for a while."""
        ...

    def step_ended(self, report: StepReport) -> None:
        """It held, or did not."""
        ...


async def play(steps: Sequence[Step], *, observer: Observer, report: Report, view: StepView) -> None:
    """Play the steps in order, up to the first that does not hold; the report grows with each."""
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
    """Say what a step waits for when nothing has moved for a while, and again when there is something else to say."""
    quiet_since, told = monotonic(), ""
    while True:
        await asyncio.sleep(_LOOK_AGAIN_S)
        stands_s = monotonic() - max(quiet_since, observer.last_at)
        why = observer.last_seen()
        if isinstance(observer.last, NotYet) and stands_s >= STANDSTILL_S and why != told:
            view.step_waits(step.name, why)
            quiet_since, told = monotonic(), why
