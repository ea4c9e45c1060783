"""
Rate limiters: how long a key that failed waits before its next try.

Give one to a queue, and the queue to a controller:

    limiter = MaxOf(ExponentialPerKey(cap_s=1000.0), Bucket(rate_per_s=10.0, burst=100))
    Controller("net", reconcile, sources, queue=WorkQueue(limiter=limiter))

All are pure but for the clock of a Bucket and the jitter, which comes from the loop's one source of chance.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from ctrlkit.backoff import Backoff
from ctrlkit.bounded import BoundedDict
from ctrlkit.clock import monotonic, random_source

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)

KEYS_MAX = 100_000
"""For so many keys failures are counted by default."""
RETRY_FIRST_S = 0.005
RETRY_MAX_S = 300.0
"""By default: nobody waits longer after an outage has ended."""


class RateLimiter(Protocol[K_contra]):
    """Decides how long a key that failed waits. Write one of your own, or combine those of this module."""

    def when(self, key: K_contra) -> float:
        """Count one more failure of `key`; returns the seconds to wait before its next try."""
        ...

    def forget(self, key: K_contra) -> None:
        """Count the failures of `key` from 0 again; harmless for a key that never failed."""
        ...

    def failures(self, key: K_contra) -> int:
        """How many failures of `key` are counted."""
        ...


class _PerKey(Generic[K]):
    """Counts failures, of at most `keys_max` keys: one more, and the key that failed longest ago starts over."""

    __slots__ = ("_failures",)

    def __init__(self, keys_max: int) -> None:
        if keys_max < 1:
            raise ValueError(f"{type(self).__name__}: keys_max must be at least 1, got {keys_max}")
        self._failures: BoundedDict[K, int] = BoundedDict(limit=keys_max)

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
        self._failures.put(key, earlier + 1)
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
    Source  client-go waits up to 1000 s without jitter and never forgets by itself;
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
        """Count one more failure of `key`; returns the seconds to wait before its next try."""
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
        """Count one more failure of `key`; returns the seconds to wait before its next try."""
        return self._fast_s if self._count(key) < self._fast_tries else self._slow_s


class Bucket(Generic[K]):
    """
    A token bucket that all keys share: `rate_per_s` retries a second in the long run, `burst` at once.

    >>> Bucket[str](rate_per_s=10.0, burst=100).failures("demo/a")
    0

    Shape   Each when() takes a token; one comes back every 1 / `rate_per_s` seconds. Where none is left, the delay is
            the time until the next one that is not promised yet: delays grow for as long as more tokens are taken than
            come back.
    Units   Tokens per second, float; seconds on the running loop's clock.
    Cost    O(1), and no memory for any key.
    Errors  ValueError unless `rate_per_s` is above 0 and `burst` at least 1; RuntimeError where no loop runs.
    Source  client-go's default is 10 a second and a burst of 100.
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
        """Do nothing: no key is counted."""

    def failures(self, key: K) -> int:
        """Return 0: no key is counted."""
        return 0


class MaxOf(Generic[K]):
    """
    The longest delay that any of several limiters asks for.

    >>> from ctrlkit.workqueue import ExponentialPerKey
    >>> client_go = MaxOf[str](ExponentialPerKey(cap_s=1000.0, floor=1.0), Bucket(rate_per_s=10.0, burst=100))
    >>> client_go.failures("demo/a")
    0

    This is client-go's default for controllers: it limits the retries of each key, and of all keys together.

    Shape   Each of `limiters` is asked each time, so all of them count.
    Errors  ValueError for no limiter.
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


class _Around(Generic[K]):
    """Counts failures by another limiter."""

    __slots__ = ("_limiter",)

    def __init__(self, limiter: RateLimiter[K]) -> None:
        self._limiter = limiter

    def forget(self, key: K) -> None:
        """Count the failures of `key` from 0 again; harmless for a key that never failed."""
        self._limiter.forget(key)

    def failures(self, key: K) -> int:
        """How many failures of `key` are counted."""
        return self._limiter.failures(key)


class WithMaxWait(_Around[K]):
    """
    Another limiter's delays, but never above `max_s`.

    >>> from ctrlkit.workqueue import FastSlow
    >>> WithMaxWait[str](FastSlow(fast_s=1.0, slow_s=60.0, fast_tries=0), max_s=30.0).when("demo/a")
    30.0

    Units   Seconds, float.
    Errors  ValueError for a negative `max_s`.
    """

    __slots__ = ("_max_s",)

    def __init__(self, limiter: RateLimiter[K], *, max_s: float) -> None:
        if not max_s >= 0:
            raise ValueError(f"WithMaxWait: max_s must be at least 0, got {max_s}")
        super().__init__(limiter)
        self._max_s = max_s

    def when(self, key: K) -> float:
        """Count one more failure of `key`; returns the seconds to wait before its next try."""
        return min(self._max_s, self._limiter.when(key))


class WithJitter(_Around[K]):
    """
    Another limiter's delays, each shortened by chance: uniform in [`floor`, 1] times it.

    >>> from ctrlkit.workqueue import FastSlow
    >>> 15 <= WithJitter[str](FastSlow(fast_s=1.0, slow_s=30.0, fast_tries=0)).when("demo/a") <= 30
    True

    ExponentialPerKey has its own. Around a Bucket this would let through more than the bucket allows.

    Errors  ValueError for a `floor` outside [0, 1].
    """

    __slots__ = ("_floor",)

    def __init__(self, limiter: RateLimiter[K], *, floor: float = 0.5) -> None:
        if not 0 <= floor <= 1:
            raise ValueError(f"WithJitter: floor must be in [0, 1], got {floor}")
        super().__init__(limiter)
        self._floor = floor

    def when(self, key: K) -> float:
        """Count one more failure of `key`; returns the seconds to wait before its next try."""
        return self._limiter.when(key) * random_source().uniform(self._floor, 1.0)
