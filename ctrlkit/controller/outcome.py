"""What a reconcile may answer."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do until something changes (row K11)."""


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """
    Look again after a while, or earlier if something changes (row K9).

    >>> RequeueAfter(30)
    RequeueAfter(delay_s=30)
    >>> RequeueAfter(-3)
    Traceback (most recent call last):
      ...
    ValueError: RequeueAfter: delay_s must be a positive number of seconds, got -3

    Units   `delay_s`: seconds, finite and > 0.
    Errors  ValueError for anything else.
    """

    delay_s: float

    def __post_init__(self) -> None:
        if not (isinstance(self.delay_s, int | float) and 0 < self.delay_s < math.inf):
            raise ValueError(f"RequeueAfter: delay_s must be a positive number of seconds, got {self.delay_s!r}")


DONE = Done()

Outcome = Done | RequeueAfter
"""What is not one of these is an error: a failure is raised, and None is most likely a forgotten `return DONE`."""
