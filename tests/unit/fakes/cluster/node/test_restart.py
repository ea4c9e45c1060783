"""When a container that ended is started again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.restart import CrashBackoff, RestartPolicy, rules_of


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


@pytest.mark.parametrize(
    ("operator", "restarts"), [("In", [False, True, True, False]), ("NotIn", [True, False, False, True])]
)
def test_rules_of_a_container_are_about_exit_codes(operator: str, restarts: list[bool]) -> None:
    """Those that are listed, or all others; the rest is for its own policy to say."""
    rule = {"action": "Restart", "exitCodes": {"operator": operator, "values": [1, 2]}}
    rules = rules_of({"restartPolicy": "Never", "restartPolicyRules": [rule]}, RestartPolicy.ALWAYS)
    assert [rules.restarts(code) for code in range(4)] == restarts


def test_a_container_without_a_policy_of_its_own_has_its_pods() -> None:
    """As most have."""
    assert [rules_of({}, policy).restarts(1) for policy in RestartPolicy] == [True, True, False]


@given(st.integers(1, 50), st.floats(0, 1000))
def test_for_any_stop_the_wait_is_counted_from_the_end_before(crashes: int, since_end_s: float) -> None:
    """A container that its kubelet stops and starts again waits only where it ended shortly before."""
    backoff = CrashBackoff()
    count, delay_s = backoff.after_stop(crashes, since_end_s=since_end_s)
    due_s = backoff.delay_s(crashes + 1)
    assert count == crashes + 1
    assert delay_s == (due_s if since_end_s < due_s else 0)
    assert backoff.after_stop(crashes, since_end_s=None) == (crashes, 0)
