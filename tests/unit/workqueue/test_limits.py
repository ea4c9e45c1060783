"""How long a failing key waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.workqueue import ExponentialPerKey, RateLimiter


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
