"""When a container that ended is started again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.restart import CrashBackoff, RestartPolicy


@given(st.integers(1, 2000), st.floats(0.01, 100), st.floats(100, 1000))
def test_for_any_number_of_crashes_the_wait_grows_up_to_its_cap(crashes: int, base_s: float, cap_s: float) -> None:
    """And the first restart waits for nothing."""
    backoff = CrashBackoff(base_s=base_s, cap_s=cap_s)
    assert backoff.delay_s(1) == 0
    assert backoff.delay_s(crashes) <= backoff.delay_s(crashes + 1) <= cap_s


@given(st.lists(st.floats(0, 599)))
def test_for_any_short_runs_all_of_them_count(runs: list[float]) -> None:
    """Only a long run makes up for the crashes before it."""
    backoff, crashes = CrashBackoff(), 0
    for ran_s in runs:
        crashes = backoff.count(crashes, ran_s=ran_s)
    assert crashes == len(runs)
    assert backoff.count(crashes, ran_s=600) == 1


@pytest.mark.parametrize(
    ("policy", "code", "restarts"),
    [("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_the_policy_says_which_ends_lead_to_a_restart(policy: str, code: int, *, restarts: bool) -> None:
    """As a pod's restartPolicy is documented."""
    assert RestartPolicy(policy).restarts(code) is restarts
