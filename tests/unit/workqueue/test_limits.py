"""How long a failing key waits."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.clock import monotonic
from ctrlkit.workqueue import (
    Bucket,
    ExponentialPerKey,
    FastSlow,
    Flows,
    MaxOf,
    RateLimiter,
    WithJitter,
    WithMaxWait,
    WorkQueue,
)


def client_go() -> ExponentialPerKey[str]:
    """The numbers of client-go's default: up to 1000 s, no jitter."""
    return ExponentialPerKey(cap_s=1000.0, floor=1.0)


@pytest.mark.behaviour("Q11")
def test_the_delays_of_client_go_are_met_exactly() -> None:
    """5, 10, 20, 40 ms ... 655.36 s at n=17, 1000 s from n=18."""
    limiter = client_go()
    delays_ms = [limiter.when("a") * 1000 for _ in range(21)]
    assert delays_ms == pytest.approx([5 * 2**n for n in range(18)] + [1_000_000] * 3)
    assert delays_ms[17] == pytest.approx(655_360)


@pytest.mark.behaviour("Q11")
def test_each_key_counts_its_own_failures_until_forgotten() -> None:
    """Forget resets one key; to forget a key that never failed is harmless."""
    limiter: RateLimiter[str] = client_go()
    assert [limiter.when("a"), limiter.when("a"), limiter.when("b")] == [0.005, 0.010, 0.005]
    assert (limiter.failures("a"), limiter.failures("b"), limiter.failures("c")) == (2, 1, 0)
    limiter.forget("a")
    limiter.forget("c")
    assert (limiter.failures("a"), limiter.failures("b")) == (0, 1)
    assert limiter.when("a") == 0.005


@pytest.mark.behaviour("Q11")
def test_failures_without_end_stay_at_the_cap() -> None:
    """The power of two outgrows a float at n=1024; the delay does not."""
    limiter = client_go()
    delays = [limiter.when("a") for _ in range(3000)]
    assert set(delays[18:]) == {1000.0}


@pytest.mark.behaviour("B10")
@given(keys=st.integers(1, 5), failures=st.integers(1, 40))
def test_any_delay_is_jittered_below_a_cap_of_five_minutes(keys: int, failures: int) -> None:
    """For any key and count, the delay is at least half the curve, so that the rate stays bounded, and at most it."""
    limiter = ExponentialPerKey[int]()
    for key in range(keys):
        for n in range(failures):
            ceiling_s = min(300.0, 0.005 * 2**n)
            assert ceiling_s / 2 <= limiter.when(key) <= ceiling_s


@pytest.mark.behaviour("B10")
async def test_keys_that_fail_together_do_not_retry_together() -> None:
    """One outage fails 100 keys at once; their retries come at 100 different moments."""
    limiter = ExponentialPerKey[int]()
    assert len({limiter.when(key) for key in range(100)}) == 100


@pytest.mark.behaviour("B20")
def test_failures_are_counted_for_a_bounded_number_of_keys() -> None:
    """When one too many fails, the key whose last failure is longest ago is forgotten."""
    limiter = ExponentialPerKey[str](keys_max=3)
    for key in ("a", "b", "c", "a", "d"):
        limiter.when(key)
    assert {key: limiter.failures(key) for key in "abcd"} == {"a": 2, "b": 0, "c": 1, "d": 1}


@pytest.mark.behaviour("Q16")
def test_forgotten_keys_take_no_memory() -> None:
    """1000 keys that fail and then succeed leave no entry."""
    limiter = ExponentialPerKey[int]()
    for key in range(1000):
        limiter.when(key)
        limiter.forget(key)
    assert not limiter._failures


@pytest.mark.parametrize(
    "wrong", [{"base_s": 0.0}, {"base_s": 2.0, "cap_s": 1.0}, {"floor": 1.5}, {"keys_max": 0}, {"floor": -0.1}]
)
def test_numbers_that_make_no_curve_are_refused(wrong: dict[str, float]) -> None:
    """The error names what was given."""
    with pytest.raises(ValueError, match="must be"):
        ExponentialPerKey[str](**wrong)  # type: ignore[arg-type]


@pytest.mark.behaviour("Q12")
async def test_a_bucket_gives_a_hundred_at_once_and_then_ten_a_second() -> None:
    """Whatever the keys; a promise counts for the next, and what comes back is never more than the burst."""
    bucket: RateLimiter[str] = Bucket(rate_per_s=10.0, burst=100)
    assert [bucket.when(str(number)) for number in range(100)] == [0.0] * 100
    assert [bucket.when("a") for _ in range(3)] == pytest.approx([0.1, 0.2, 0.3])
    await asyncio.sleep(0.2)
    assert bucket.when("b") == pytest.approx(0.2)
    await asyncio.sleep(1000)
    assert [bucket.when("a") for _ in range(100)] == [0.0] * 100
    assert bucket.when("a") == pytest.approx(0.1)


@pytest.mark.behaviour("Q12")
async def test_a_bucket_counts_no_key() -> None:
    """There is nothing to forget."""
    bucket = Bucket[str](rate_per_s=1.0, burst=1)
    bucket.when("a")
    bucket.forget("a")
    assert bucket.failures("a") == 0
    assert bucket.when("a") == pytest.approx(1.0)


@pytest.mark.behaviour("Q12", "Q22")
@given(
    steps=st.lists(st.floats(0, 3), min_size=1, max_size=60), rate_per_s=st.floats(0.5, 20), burst=st.integers(1, 10)
)
async def test_for_any_calls_no_more_than_the_burst_and_the_rate_allow_go_through(
    steps: list[float], rate_per_s: float, burst: int
) -> None:
    """In any stretch of time: what is promised for it is no more than the burst and what came back meanwhile."""
    bucket = Bucket[int](rate_per_s=rate_per_s, burst=burst)
    moments: list[float] = []
    for step_s in steps:
        await asyncio.sleep(step_s)
        moments.append(monotonic() + bucket.when(0))
    for first, begin in enumerate(moments):
        for last, end in enumerate(moments[first:], start=first):
            assert last - first + 1 <= burst + (end - begin) * rate_per_s + 1e-6


@pytest.mark.behaviour("Q13")
def test_the_first_failures_are_retried_fast_and_the_others_slowly() -> None:
    """For each key on its own, until it is forgotten."""
    limiter: RateLimiter[str] = FastSlow(fast_s=5.0, slow_s=10.0, fast_tries=3)
    assert [limiter.when("one") for _ in range(5)] == [5.0, 5.0, 5.0, 10.0, 10.0]
    assert (limiter.when("two"), limiter.failures("one"), limiter.failures("two")) == (5.0, 5, 1)
    limiter.forget("one")
    limiter.forget("never failed")
    assert (limiter.when("one"), limiter.failures("one")) == (5.0, 1)


@pytest.mark.behaviour("Q13", "B20")
def test_fast_and_slow_failures_are_counted_for_a_bounded_number_of_keys() -> None:
    """As everywhere, the key whose last failure is longest ago is forgotten."""
    limiter = FastSlow[str](fast_s=1.0, slow_s=2.0, fast_tries=1, keys_max=2)
    for key in ("a", "b", "a", "c"):
        limiter.when(key)
    assert {key: limiter.failures(key) for key in "abc"} == {"a": 2, "b": 0, "c": 1}


@pytest.mark.behaviour("Q14")
async def test_the_longest_delay_of_several_limiters_holds_and_all_of_them_count() -> None:
    """client-go's default for controllers: each key has its curve, and all together their bucket."""
    per_key = ExponentialPerKey[str](cap_s=1000.0, floor=1.0)
    slow = FastSlow[str](fast_s=0.015, slow_s=0.0, fast_tries=1)
    limiter: RateLimiter[str] = MaxOf(per_key, Bucket(rate_per_s=10.0, burst=4), slow)
    assert [limiter.when("a") for _ in range(4)] == [0.015, 0.01, 0.02, 0.04]
    assert limiter.when("b") == pytest.approx(0.1)
    per_key.forget("a")
    assert (limiter.failures("a"), slow.failures("a"), per_key.failures("b")) == (4, 4, 1)
    limiter.forget("a")
    assert (limiter.failures("a"), limiter.failures("b")) == (0, 1)


@pytest.mark.behaviour("Q15")
def test_any_limiter_can_be_capped() -> None:
    """It goes on counting."""
    limiter: RateLimiter[str] = WithMaxWait(ExponentialPerKey(cap_s=1000.0, floor=1.0), max_s=0.03)
    assert [limiter.when("a") for _ in range(5)] == [0.005, 0.01, 0.02, 0.03, 0.03]
    assert limiter.failures("a") == 5
    limiter.forget("a")
    assert (limiter.when("a"), limiter.failures("a")) == (0.005, 1)


@pytest.mark.behaviour("Q15", "B10")
async def test_any_limiter_can_be_jittered() -> None:
    """Keys that fail together do not come back together; none comes later than it would without."""
    limiter: RateLimiter[int] = WithJitter(FastSlow(fast_s=10.0, slow_s=10.0, fast_tries=0), floor=0.2)
    delays = [limiter.when(key) for key in range(100)]
    assert len(set(delays)) == 100
    assert all(2.0 <= delay_s <= 10.0 for delay_s in delays)
    assert limiter.failures(7) == 1
    limiter.forget(7)
    assert limiter.failures(7) == 0


@pytest.mark.behaviour("Q14", "Q16")
async def test_a_queue_takes_any_of_them() -> None:
    """Ten keys fail at once; two may be tried again at once, the others one each second."""
    queue = WorkQueue[str](limiter=MaxOf(FastSlow(fast_s=0.5, slow_s=9.0, fast_tries=1), Bucket(rate_per_s=1, burst=2)))
    for number in range(5):
        queue.add_rate_limited(str(number))
    assert [(await queue.take(), monotonic()) for _ in range(5)] == [
        ("0", 0.5),
        ("1", 0.5),
        ("2", 1.0),
        ("3", 2.0),
        ("4", 3.0),
    ]


@pytest.mark.parametrize("rate_per_s", [0.0, -1.0, float("nan")])
def test_a_bucket_fills(rate_per_s: float) -> None:
    """The errors name what was given."""
    with pytest.raises(ValueError, match="rate_per_s must be above 0 and burst at least 1"):
        Bucket[str](rate_per_s=rate_per_s, burst=1)


def test_numbers_that_make_no_limiter_are_refused() -> None:
    """The errors name what was given."""
    with pytest.raises(ValueError, match="burst=0"):
        Bucket[str](rate_per_s=1.0, burst=0)
    with pytest.raises(ValueError, match="slow_s=-1"):
        FastSlow[str](fast_s=1.0, slow_s=-1.0, fast_tries=1)
    with pytest.raises(ValueError, match="keys_max must be at least 1, got 0"):
        FastSlow[str](fast_s=1.0, slow_s=1.0, fast_tries=1, keys_max=0)
    with pytest.raises(ValueError, match="at least one"):
        MaxOf[str]()
    with pytest.raises(ValueError, match="max_s must be at least 0, got -1"):
        WithMaxWait[str](ExponentialPerKey(), max_s=-1)
    with pytest.raises(ValueError, match=r"floor must be in \[0, 1\], got 2"):
        WithJitter[str](ExponentialPerKey(), floor=2)


def test_what_stands_at_the_border_of_what_is_allowed_is_allowed() -> None:
    """No delay, no jitter or all of it, no fast tries, a burst of one, memory for one key."""
    fast: FastSlow[str] = FastSlow(fast_s=0.0, slow_s=0.0, fast_tries=0, keys_max=1)
    assert [fast.when("a"), fast.when("b"), fast.failures("a"), fast.failures("b")] == [0.0, 0.0, 0, 1]
    assert WithMaxWait(FastSlow[str](fast_s=1.0, slow_s=1.0, fast_tries=1), max_s=0.0).when("a") == 0.0
    assert WithJitter(FastSlow[str](fast_s=1.0, slow_s=1.0, fast_tries=1), floor=1.0).when("a") == 1.0
    assert 0.0 <= WithJitter(FastSlow[str](fast_s=1.0, slow_s=1.0, fast_tries=1), floor=0.0).when("a") <= 1.0
    assert ExponentialPerKey[str](keys_max=1).failures("a") == 0
    assert Flows[str](of=str, running_max=1).running_max == 1
    for floor in (-0.01, 1.01, float("nan")):
        with pytest.raises(ValueError, match=r"floor must be in \[0, 1\]"):
            WithJitter(fast, floor=floor)
    for point_s in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="point_s must be a positive number of seconds"):
            WorkQueue[str](point_s=point_s)
    with pytest.raises(ValueError, match="running_max must be at least 1, got 0"):
        Flows[str](of=str, running_max=0)
    with pytest.raises(ValueError, match="keys_max must be at least 1, got 0"):
        ExponentialPerKey[str](keys_max=0)
