"""
How long a failing key waits before its next try; pure but for the jitter, which the loop's one source of chance gives.

In       when(key) for each failure, forget(key) for each success.
Out      A delay in seconds.
Owns     The number of failures of each key, for a bounded number of keys.

Those that look at other things than one key's failures, and those made of others, are in shared_limits.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from ctrlkit.backoff import Backoff
from ctrlkit.clock import random_source

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)

KEYS_MAX = 100_000
"""For so many keys failures are counted by default."""
RETRY_FIRST_S = 0.005
RETRY_MAX_S = 300.0
"""By default: nobody waits longer after an outage has ended."""


class RateLimiter(Protocol[K_contra]):
    """What a work queue asks when a key failed; see rows Q11 to Q16."""

    def when(self, key: K_contra) -> float:
        """Count one more failure of `key`; the seconds to wait before its next try."""

    def forget(self, key: K_contra) -> None:
        """Count the failures of `key` from 0 again; harmless for a key that never failed."""

    def failures(self, key: K_contra) -> int:
        """How many failures of `key` are counted."""


class _PerKey(Generic[K]):
    """Counts failures, of at most `keys_max` keys: one more, and the key that failed longest ago starts over (B20)."""

    __slots__ = ("_failures", "_keys_max")

    def __init__(self, keys_max: int) -> None:
        if keys_max < 1:
            raise ValueError(f"{type(self).__name__}: keys_max must be at least 1, got {keys_max}")
        self._failures: OrderedDict[K, int] = OrderedDict()  # the key that failed last stands last
        self._keys_max = keys_max

    def forget(self, key: K) -> None:
        """Count the failures of `key` from 0 again; harmless for a key that never failed."""
        if key in self._failures:
            del self._failures[key]

    def failures(self, key: K) -> int:
        """How many failures of `key` are counted."""
        return self._failures.get(key, 0)

    def _count(self, key: K) -> int:
        """One more failure; how many there were before."""
        earlier = self._failures.get(key, 0)
        self._failures[key] = earlier + 1
        self._failures.move_to_end(key)
        if len(self._failures) > self._keys_max:
            self._failures.popitem(last=False)
        return earlier


class ExponentialPerKey(_PerKey[K]):
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
    Source  Rows Q11, Q21, B10 and B20. client-go waits up to 1000 s without jitter and never forgets by itself;
            `ExponentialPerKey(cap_s=1000.0, floor=1.0)` gives its very delays. The defaults differ because one outage
            fails many keys in the same moment: jitter spreads their retries, and 5 minutes is the longest that
            anyone waits after the outage has ended.
    """

    __slots__ = ("_curve",)

    def __init__(
        self,
        *,
        base_s: float = RETRY_FIRST_S,
        cap_s: float = RETRY_MAX_S,
        floor: float = 0.5,
        keys_max: int = KEYS_MAX,
    ) -> None:
        super().__init__(keys_max)
        self._curve = Backoff(base_s=base_s, factor=2.0, cap_s=cap_s, floor=floor)

    def when(self, key: K) -> float:
        """Count one more failure of `key`; the seconds to wait before its next try."""
        return self._curve.delay_s(self._count(key), random_source())


class FastSlow(_PerKey[K]):
    """
    One delay for the first failures in a row, another one for those that follow.

    >>> limiter = FastSlow[str](fast_s=1.0, slow_s=60.0, fast_tries=2)
    >>> [limiter.when("demo/a") for _ in range(4)]
    [1.0, 1.0, 60.0, 60.0]

    Units   Seconds, float, not negative; `fast_tries` at least 0.
    Cost    O(1); bounded as ExponentialPerKey.
    Errors  ValueError for numbers outside these ranges.
    Source  Row Q13.
    """

    __slots__ = ("_fast_s", "_fast_tries", "_slow_s")

    def __init__(self, *, fast_s: float, slow_s: float, fast_tries: int, keys_max: int = KEYS_MAX) -> None:
        super().__init__(keys_max)
        if not (fast_s >= 0 and slow_s >= 0 and fast_tries >= 0):
            raise ValueError(
                "FastSlow: fast_s, slow_s and fast_tries must be at least 0, "
                f"got fast_s={fast_s}, slow_s={slow_s}, fast_tries={fast_tries}"
            )
        self._fast_s = fast_s
        self._slow_s = slow_s
        self._fast_tries = fast_tries

    def when(self, key: K) -> float:
        """Count one more failure of `key`; the seconds to wait before its next try."""
        return self._fast_s if self._count(key) < self._fast_tries else self._slow_s
