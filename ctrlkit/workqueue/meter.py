"""What is measured of the keys on their way through a work queue; pure."""

from __future__ import annotations

from itertools import accumulate, repeat
from operator import mul
from typing import Final

from ctrlkit.histogram import Histogram

BUCKETS_S: Final = tuple(accumulate(repeat(10.0, 11), mul, initial=1e-8))
"""The upper bounds, in seconds, of controller-runtime's work queue histograms (row Q19)."""


class Meter:
    """
    How long keys waited, from the add to the take, and how long they ran, from there to the done.

    Owner   One work queue: each has its own.
    Source  Rows Q17 and Q18.
    """

    __slots__ = ("waited", "worked")

    def __init__(self) -> None:
        self.waited = Histogram(BUCKETS_S)
        self.worked = Histogram(BUCKETS_S)
