"""Writes that lose are tried again on what is there now."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.client import DEFAULT_BACKOFF, DEFAULT_RETRY, Client, RetryPolicy, retry_on_conflict
from ctrlkit.clock import monotonic
from ctrlkit.errors import Conflict, CtrlkitError, Forbidden, TimedOut
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import MergePatch, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS


class Attempts:
    """Raises what it is told to, then answers."""

    def __init__(self, *errors: CtrlkitError) -> None:
        self.errors = list(errors)
        self.times: list[float] = []

    async def __call__(self) -> str:
        self.times.append(monotonic())
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.mark.behaviour("Q23")
@pytest.mark.parametrize(("retries", "least_s"), [(DEFAULT_RETRY, [0.01] * 4), (DEFAULT_BACKOFF, [0.01, 0.05, 0.25])])
async def test_so_many_tries_and_then_the_last_conflict(retries: RetryPolicy, least_s: list[float]) -> None:
    """Q23: 5 tries 10 ms apart, or 4 with a factor of 5; up to a tenth more each."""
    errors = [Conflict(f"number {number}") for number in range(retries.tries)]
    attempts = Attempts(*errors)
    with pytest.raises(Conflict) as raised:
        await retry_on_conflict(attempts, retries)
    assert raised.value is errors[-1]
    waits = [later - earlier for earlier, later in zip(attempts.times, attempts.times[1:], strict=False)]
    assert len(attempts.times) == retries.tries
    assert all(least <= wait <= least * 1.1 + 1e-9 for least, wait in zip(least_s, waits, strict=True))


@pytest.mark.behaviour("Q23")
@pytest.mark.parametrize(
    "error",
    [
        Forbidden("no"),
        TimedOut("read"),
        Conflict("kubectl owns it", details={"causes": [{"reason": "FieldManagerConflict"}]}),
    ],
)
async def test_nothing_else_is_tried_again(error: CtrlkitError) -> None:
    """Q23: nor what only another owner can mend."""
    attempts = Attempts(error)
    with pytest.raises(type(error)):
        await retry_on_conflict(attempts)
    assert len(attempts.times) == 1


@pytest.mark.behaviour("Q23")
async def test_each_try_reads_anew() -> None:
    """Q23: another writer comes in between twice, and nothing of either is lost."""
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}, "data": {"count": "0"}})
    client, others = Client(tracker), ["x", "y"]

    async def add_one() -> Unstructured:
        have = await client.get(CONFIG_MAPS, "default/a")
        if others:
            tracker.patch(CONFIG_MAPS, "default/a", MergePatch({"data": {others.pop(): "theirs"}}))
        have["data"]["count"] = str(int(have["data"]["count"]) + 1)
        return await client.update(CONFIG_MAPS, have)

    after = await retry_on_conflict(add_one)
    assert after["data"] == {"count": "1", "x": "theirs", "y": "theirs"}


@given(st.integers(1, 8), st.floats(0, 10), st.floats(0, 5), st.floats(0, 2), st.integers())
def test_for_any_numbers_there_is_one_wait_fewer_than_tries(
    tries: int, first_s: float, factor: float, jitter: float, seed: int
) -> None:
    """Each within its jitter."""
    retries = RetryPolicy(tries=tries, first_s=first_s, factor=factor, jitter=jitter)
    delays = list(retries.delays_s(random.Random(seed)))
    assert len(delays) == tries - 1
    for number, delay in enumerate(delays):
        least = first_s * factor**number
        assert least * 0.999 <= delay <= least * (1 + jitter) * 1.001 + 1e-12


@pytest.mark.parametrize("wrong", [{"tries": 0}, {"first_s": -1.0}, {"factor": -1.0}, {"jitter": -0.1}])
def test_numbers_that_make_no_sense(wrong: dict[str, float]) -> None:
    """Are refused where they are written."""
    numbers = {"tries": 3, "first_s": 1.0} | wrong
    with pytest.raises(ValueError, match=r"^RetryPolicy: at least one try"):
        RetryPolicy(**numbers)  # type: ignore[arg-type]
