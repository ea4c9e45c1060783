"""Limiters that look at more than one key's failures, and limiters made of others; see limits.py."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from ctrlkit.clock import monotonic, random_source
from ctrlkit.workqueue.limits import RateLimiter

K = TypeVar("K", bound=Hashable)


class Bucket(Generic[K]):
    """
    A token bucket that all keys share: so many retries a second in the long run, and so many at once.

    >>> Bucket[str](rate_per_s=10.0, burst=100).failures("demo/a")
    0

    Shape   Each when() takes a token, which comes back after 1 / `rate_per_s` seconds; there are `burst` of them. Where
            none is left the next is promised to who asks, and the delay is the time until it is there. A promise is
            never given back, so the delays grow for as long as more is asked for than comes back.
    Units   Tokens per second, float; seconds on the running loop's clock.
    Cost    O(1), and no memory for any key.
    Errors  ValueError unless `rate_per_s` is above 0 and `burst` at least 1; RuntimeError where no loop runs.
    Source  Row Q12; client-go's are 10 a second and 100.
    """

    __slots__ = ("_burst", "_rate_per_s", "_tokens", "_tokens_at")

    def __init__(self, *, rate_per_s: float, burst: int) -> None:
        if not (rate_per_s > 0 and burst >= 1):
            raise ValueError(
                f"Bucket: rate_per_s must be above 0 and burst at least 1, got rate_per_s={rate_per_s}, burst={burst}"
            )
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = float(burst)  # at the moment _tokens_at; below 0 when tokens are promised
        self._tokens_at: float | None = None

    def when(self, key: K) -> float:
        """The seconds until there is a token for this call."""
        now = monotonic()
        if self._tokens_at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._tokens_at) * self._rate_per_s)
        self._tokens_at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate_per_s)

    def forget(self, key: K) -> None:
        """Nothing: no key is counted."""

    def failures(self, key: K) -> int:
        """0: no key is counted."""
        return 0


class MaxOf(Generic[K]):
    """
    The longest delay that any of several limiters asks for.

    >>> from ctrlkit.workqueue import ExponentialPerKey
    >>> client_go = MaxOf[str](ExponentialPerKey(cap_s=1000.0, floor=1.0), Bucket(rate_per_s=10.0, burst=100))
    >>> client_go.failures("demo/a")
    0

    That one is client-go's default for controllers: no key is retried too often, and all of them together neither.

    Shape   Each of `limiters` is asked each time, so all of them count.
    Errors  ValueError for no limiter.
    Source  Row Q14.
    """

    __slots__ = ("_limiters",)

    def __init__(self, *limiters: RateLimiter[K]) -> None:
        if not limiters:
            raise ValueError("MaxOf: no limiter is given; give at least one")
        self._limiters = limiters

    def when(self, key: K) -> float:
        """Count one more failure of `key` everywhere; the longest delay."""
        return max([limiter.when(key) for limiter in self._limiters])

    def forget(self, key: K) -> None:
        """Count the failures of `key` from 0 again everywhere."""
        for limiter in self._limiters:
            limiter.forget(key)

    def failures(self, key: K) -> int:
        """The most failures of `key` that any of them counts."""
        return max(limiter.failures(key) for limiter in self._limiters)


class WithMaxWait(Generic[K]):
    """
    Another limiter's delays, but never above `max_s`.

    >>> from ctrlkit.workqueue import FastSlow
    >>> WithMaxWait[str](FastSlow(fast_s=1.0, slow_s=60.0, fast_tries=0), max_s=30.0).when("demo/a")
    30.0

    Units   Seconds, float.
    Errors  ValueError for a negative `max_s`.
    Source  Row Q15.
    """

    __slots__ = ("_limiter", "_max_s", "failures", "forget")

    def __init__(self, limiter: RateLimiter[K], *, max_s: float) -> None:
        if not max_s >= 0:
            raise ValueError(f"WithMaxWait: max_s must be at least 0, got {max_s}")
        self._limiter = limiter
        self._max_s = max_s
        self.forget = limiter.forget
        self.failures = limiter.failures

    def when(self, key: K) -> float:
        """Count one more failure of `key`; the seconds to wait before its next try."""
        return min(self._max_s, self._limiter.when(key))


class WithJitter(Generic[K]):
    """
    Another limiter's delays, each shortened by chance: uniform in [`floor`, 1] times it.

    >>> from ctrlkit.workqueue import FastSlow
    >>> 15 <= WithJitter[str](FastSlow(fast_s=1.0, slow_s=30.0, fast_tries=0)).when("demo/a") <= 30
    True

    ExponentialPerKey has its own. Around a Bucket this would let through more than the bucket allows.

    Errors  ValueError for a `floor` outside [0, 1].
    Source  Row B10; client-go has none (Q15).
    """

    __slots__ = ("_floor", "_limiter", "failures", "forget")

    def __init__(self, limiter: RateLimiter[K], *, floor: float = 0.5) -> None:
        if not 0 <= floor <= 1:
            raise ValueError(f"WithJitter: floor must be in [0, 1], got {floor}")
        self._limiter = limiter
        self._floor = floor
        self.forget = limiter.forget
        self.failures = limiter.failures

    def when(self, key: K) -> float:
        """Count one more failure of `key`; the seconds to wait before its next try."""
        return self._limiter.when(key) * random_source().uniform(self._floor, 1.0)
