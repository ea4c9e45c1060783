"""The result of a walk-through."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec


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
