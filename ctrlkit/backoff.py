"""Exponential back-off as a value: no task, no clock, no state."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """
    Exponential back-off with jitter: each delay is drawn between `floor` and 1 times the ceiling of its failure.

    >>> curve = Backoff(base_s=0.8, factor=2.0, cap_s=30.0)
    >>> [curve.ceiling_s(n) for n in range(7)]
    [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0]

    Units   Seconds, float; `base_s` > 0, `factor` >= 1, `cap_s` >= `base_s`.
    Errors  ValueError for other numbers.
    Source  The numbers are those of client-go's reflector, the jitter is not.
    """

    base_s: float = 0.8
    factor: float = 2.0
    cap_s: float = 30.0
    floor: float = 0.5

    def __post_init__(self) -> None:
        if not (self.base_s > 0 and self.factor >= 1 and self.cap_s >= self.base_s and 0 <= self.floor <= 1):
            raise ValueError(
                f"Backoff: base_s must be > 0, factor >= 1, cap_s >= base_s and floor in [0, 1], got {self}"
            )

    def ceiling_s(self, failures: int) -> float:
        """The longest wait after `failures` earlier failures, without jitter."""
        try:
            return min(self.cap_s, self.base_s * self.factor**failures)
        except OverflowError:
            return self.cap_s

    def delay_s(self, failures: int, chance: Random) -> float:
        """How long to wait now: uniform in [floor x ceiling, ceiling]."""
        ceiling = self.ceiling_s(failures)
        return chance.uniform(self.floor * ceiling, ceiling)
