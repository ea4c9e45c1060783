"""
How long a failing key waits before its next try; pure but for the jitter, which the loop's one source of chance gives.

In       when(key) for each failure, forget(key) for each success.
Out      A delay in seconds.
Owns     The number of failures of each key, for a bounded number of keys.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from ctrlkit.backoff import Backoff
from ctrlkit.clock import random_source

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)


class RateLimiter(Protocol[K_contra]):
    """What a work queue asks when a key failed; see rows Q11 to Q16."""

    def when(self, key: K_contra) -> float:
        """Count one more failure of `key`; the seconds to wait before its next try."""

    def forget(self, key: K_contra) -> None:
        """Count the failures of `key` from 0 again; harmless for a key that never failed."""

    def failures(self, key: K_contra) -> int:
        """How many failures of `key` are counted."""


class ExponentialPerKey(Generic[K]):
    """
    A delay for each key that doubles with each failure in a row.

    >>> limiter = ExponentialPerKey[str](floor=1.0)                       # a floor of 1 means no jitter
    >>> [limiter.when("demo/a") for _ in range(4)], limiter.when("demo/b")
    ([0.005, 0.01, 0.02, 0.04], 0.005)
    >>> limiter.forget("demo/a"); limiter.when("demo/a")
    0.005

    Shape   The n-th delay (n from 0) lies between `floor` and 1 times `base_s` x 2^n, and never above `cap_s`. At most
            `keys_max` keys are counted; one more, and the key whose last failure is longest ago starts from 0 again.
    Units   Seconds, float; `floor` in [0, 1].
    Cost    O(1).
    Errors  ValueError for numbers outside these ranges.
    Source  Rows Q11, B10 and B20. client-go waits up to 1000 s without jitter and never forgets by itself;
            `ExponentialPerKey(cap_s=1000.0, floor=1.0)` gives its very delays. The defaults differ because one outage
            fails many keys in the same moment: jitter spreads their retries, and 5 minutes is the longest that
            anyone waits after the outage has ended.
    """

    __slots__ = ("_curve", "_failures", "_keys_max")

    def __init__(
        self, *, base_s: float = 0.005, cap_s: float = 300.0, floor: float = 0.5, keys_max: int = 100_000
    ) -> None:
        if keys_max < 1:
            raise ValueError(f"ExponentialPerKey: keys_max must be at least 1, got {keys_max}")
        self._curve = Backoff(base_s=base_s, factor=2.0, cap_s=cap_s, floor=floor)
        self._failures: OrderedDict[K, int] = OrderedDict()  # the key that failed last stands last
        self._keys_max = keys_max

    def when(self, key: K) -> float:
        """Count one more failure of `key`; the seconds to wait before its next try."""
        earlier = self._failures.get(key, 0)
        self._failures[key] = earlier + 1
        self._failures.move_to_end(key)
        if len(self._failures) > self._keys_max:
            self._failures.popitem(last=False)
        return self._curve.delay_s(earlier, random_source())

    def forget(self, key: K) -> None:
        """Count the failures of `key` from 0 again; harmless for a key that never failed."""
        if key in self._failures:
            del self._failures[key]

    def failures(self, key: K) -> int:
        """How many failures of `key` are counted."""
        return self._failures.get(key, 0)
