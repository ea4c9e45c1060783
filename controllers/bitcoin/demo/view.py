"""The output of the demo: the View interface, and a view that prints lines, for pipes and logs."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self, TextIO

from ctrlkit.bitcoin.demo.checks import NodeFacts
from ctrlkit.bitcoin.demo.steps import Report, StepReport, StepView
from ctrlkit.clock import monotonic


class View(StepView, Protocol):
    """Shows the demo; entered while it runs."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, headline: str, steps: Sequence[str]) -> None:
        """Show the nodes and the names of all steps."""

    def nodes_seen(self, facts: Sequence[NodeFacts]) -> None:
        """The facts of all nodes were read."""

    def end(self, report: Report) -> None:
        """The demo has ended."""

    def hint(self, lines: Sequence[str]) -> None:
        """Show lines of advice."""


class PlainView:
    """
    Prints a line for each step, followed by a line for each node that has changed.

        [ 14.9s] ok   nodes become ready one by one (11.9 s): 3 of 3 ready in the network's status
                      my-network-sts-0  ready      127.44.0.1       2 peers    0 blocks
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._began = 0.0
        self._facts: Sequence[NodeFacts] = ()
        self._shown: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        self._began = monotonic()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def begin(self, headline: str, steps: Sequence[str]) -> None:
        """Print one line."""
        self._write(headline)

    def step_began(self, name: str) -> None:
        """Print nothing until the step ends."""

    def step_waits(self, name: str, why: str) -> None:
        """Print one line."""
        self._write(f"{self._elapsed()} wait {name}: {why}")

    def step_ended(self, report: StepReport) -> None:
        """Print one line, and one for each node that has changed."""
        word = "ok  " if report.ok else "FAIL"
        self._write(f"{self._elapsed()} {word} {report.name} ({report.seconds:.1f} s): {report.detail}")
        lines = {fact.name: node_line(fact) for fact in self._facts}
        for name, line in lines.items():
            if self._shown.get(name) != line:
                self._write(f"{' ' * 14}{line}")
        self._shown = lines

    def nodes_seen(self, facts: Sequence[NodeFacts]) -> None:
        """Keep them for the end of the step."""
        self._facts = facts

    def end(self, report: Report) -> None:
        """Print one line."""
        self._write(summary(report))

    def hint(self, lines: Sequence[str]) -> None:
        """Print the lines."""
        for line in lines:
            self._write(line)

    def _elapsed(self) -> str:
        return f"[{monotonic() - self._began:5.1f}s]"

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def node_line(fact: NodeFacts) -> str:
    """
    Format a node as one line.

    >>> node_line(NodeFacts(name="net-sts-0", ready=True, address="127.16.0.1", peers=2, blocks=101))
    'net-sts-0  ready      127.16.0.1       2 peers  101 blocks'
    >>> node_line(NodeFacts(name="net-sts-1", ready=False, address="")).split()
    ['net-sts-1', 'not', 'ready', '-', '-', 'peers', '-', 'blocks']
    """
    ready = "ready" if fact.ready else "not ready"
    address = fact.address or "-"
    return f"{fact.name}  {ready:9}  {address:15}  {known(fact.peers)} peers  {known(fact.blocks):>3} blocks"


def known(number: int | None) -> str:
    """Format a number, or a dash if it is unknown."""
    return "-" if number is None else str(number)


def summary(report: Report) -> str:
    """
    Format the result as one line.

    >>> summary(Report(bitcoind="real", nodes=3, planned=0))
    'all 0 steps held in 0.0 s'
    """
    if report.ok:
        return f"all {report.planned} steps held in {sum(step.seconds for step in report.steps):.1f} s"
    failed = next((step for step in report.steps if not step.ok), None)
    played = sum(step.ok for step in report.steps)
    where = f"at: {failed.name}" if failed else "before the next one"
    return f"{played} of {report.planned} steps held; stopped {where}"
