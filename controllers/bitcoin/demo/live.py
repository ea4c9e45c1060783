"""A view for terminals: the list of steps, and a table of the nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ctrlkit.bitcoin.demo.checks import NodeFacts
from ctrlkit.bitcoin.demo.steps import Report, StepReport
from ctrlkit.bitcoin.demo.view import known, summary
from ctrlkit.clock import monotonic

_REFRESH_S = 0.25


class LiveView:
    """
    A View that redraws itself. A successful step has one line, a failed one its whole reason.

    Entering starts a task that updates the seconds; leaving ends it and keeps the last picture on the terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._headline = ""
        self._planned: Sequence[str] = ()
        self._played: list[StepReport] = []
        self._running_since: float | None = None
        self._waits_for = ""
        self._facts: Sequence[NodeFacts] = ()
        self._summary = Text()
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._live.start()
        self._ticker = asyncio.create_task(self._tick(), name="view")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._ticker is not None:
                self._ticker.cancel()
                await asyncio.wait({self._ticker})
        finally:
            self._draw()
            self._live.stop()

    def begin(self, headline: str, steps: Sequence[str]) -> None:
        """Show all steps."""
        self._headline, self._planned = headline, steps
        self._draw()

    def step_began(self, name: str) -> None:
        """Show the seconds of the running step."""
        self._running_since = monotonic()
        self._draw()

    def step_waits(self, name: str, why: str) -> None:
        """Show what the running step waits for."""
        self._waits_for = why
        self._draw()

    def step_ended(self, report: StepReport) -> None:
        """Mark the step as done."""
        self._running_since, self._waits_for = None, ""
        self._played.append(report)
        self._draw()

    def nodes_seen(self, facts: Sequence[NodeFacts]) -> None:
        """Update the table."""
        self._facts = facts

    def end(self, report: Report) -> None:
        """Show the result below the table."""
        self._summary = Text(summary(report), style="bold green" if report.ok else "bold red")
        self._draw()

    def hint(self, lines: Sequence[str]) -> None:
        """Print the lines above the picture."""
        for line in lines:
            self._console.print(Text(line), soft_wrap=True)

    def picture(self) -> RenderableType:
        """Return the current picture."""
        return Group(Text(self._headline, style="bold"), self._steps(), Text(), self._nodes(), self._summary)

    def _steps(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(ratio=1)
        for index, name in enumerate(self._planned):
            if index < len(self._played):
                table.add_row(*_played_row(self._played[index]))
            elif index == len(self._played) and self._running_since is not None:
                seconds = f"{monotonic() - self._running_since:.1f} s"
                table.add_row(Text("▸", style="yellow"), Text(name, style="yellow"), seconds, Text(self._waits_for))
            else:
                table.add_row("·", Text(name, style="dim"), "", "")
        return table

    def _nodes(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("node", "ready", "address"):
            table.add_column(name, no_wrap=True)
        for name in ("peers", "blocks"):
            table.add_column(name, justify="right")
        for fact in self._facts:
            ready = Text("✓", style="green") if fact.ready else Text("…", style="yellow")
            table.add_row(fact.name, ready, fact.address or "-", known(fact.peers), known(fact.blocks))
        return table

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_S)
            self._draw()

    def _draw(self) -> None:
        self._live.update(self.picture(), refresh=True)


def _played_row(step: StepReport) -> tuple[Text, Text, str, Text]:
    seconds = f"{step.seconds:.1f} s"
    if step.ok:
        detail = Text(step.detail, style="dim", no_wrap=True, overflow="ellipsis")
        return Text("✓", style="green"), Text(step.name), seconds, detail
    return Text("✗", style="bold red"), Text(step.name, style="bold red"), seconds, Text(step.detail, style="red")
