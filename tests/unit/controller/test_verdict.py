"""What the end of a reconcile means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.controller.outcome import DONE, RequeueAfter
from ctrlkit.controller.verdict import Result, exit_asked, judge_error, judge_outcome
from ctrlkit.errors import Conflict, DecodeError, Forbidden, NotFound, RetryLater, TerminalError, Unreachable

FIELD_CONFLICT = Conflict("conflict with kubectl", details={"causes": [{"reason": "FieldManagerConflict"}]})
SORTS = [
    (Conflict("changed"), Result.CONFLICT, True),
    (TerminalError("spec.nodes is negative"), Result.TERMINAL_ERROR, True),
    (FIELD_CONFLICT, Result.ERROR, True),
    (Forbidden("no"), Result.ERROR, True),
    (Unreachable("refused"), Result.ERROR, True),
    (DecodeError("spec.nodes: want int"), Result.ERROR, True),
    (ConnectionResetError("reset"), Result.ERROR, True),
    (RetryLater("no answer"), Result.RETRY_LATER, True),
    (KeyError("spec"), Result.ERROR, False),
]


@pytest.mark.behaviour("K7", "K8", "K13", "B11")
@pytest.mark.parametrize(("error", "result", "foreseen"), SORTS)
def test_an_error_is_judged_by_its_class(error: Exception, result: Result, foreseen: bool) -> None:
    """B11: a stale write is a conflict; a dispute between field managers is not, for no fresh read ends it."""
    verdict = judge_error(error)
    assert (verdict.result, verdict.foreseen, verdict.error) == (result, foreseen, error)


@given(sort=st.sampled_from(SORTS), size=st.integers(1, 4), depth=st.integers(1, 3))
def test_any_group_of_one_sort_is_judged_as_that_sort(
    sort: tuple[Exception, Result, bool], size: int, depth: int
) -> None:
    """Reconciles that write from an asyncio.TaskGroup raise groups, perhaps nested."""
    group: Exception = ExceptionGroup("writes", [sort[0]] * size)
    for _ in range(depth):
        group = ExceptionGroup("outer", [group])
    verdict = judge_error(group)
    assert (verdict.result, verdict.foreseen) == sort[1:]


def test_a_mixed_group_is_retried_and_one_unforeseen_error_in_it_makes_it_unforeseen() -> None:
    """TerminalError beside an error that may pass: the retry is owed."""
    foreseen = judge_error(ExceptionGroup("writes", [TerminalError("never"), NotFound("not yet")]))
    assert (foreseen.result, foreseen.foreseen) == (Result.ERROR, True)
    unforeseen = judge_error(ExceptionGroup("writes", [Conflict("changed"), KeyError("spec")]))
    assert (unforeseen.result, unforeseen.foreseen) == (Result.ERROR, False)


def test_outcomes_are_good_ends() -> None:
    """K9, K11: neither carries an error."""
    assert judge_outcome(DONE).result is Result.DONE
    again = judge_outcome(RequeueAfter(30))
    assert (again.result, again.delay_s, again.error) == (Result.REQUEUE_AFTER, 30, None)


@pytest.mark.behaviour("K10")
@pytest.mark.parametrize("outcome", [None, True, 30, {"requeue": True}])
def test_what_is_no_outcome_is_an_error_that_names_its_type_only(outcome: object) -> None:
    """K10: there is no bare requeue, and None is a forgotten return; the object itself might hold a secret."""
    with pytest.raises(TypeError, match=f"type {type(outcome).__name__}; return DONE or RequeueAfter"):
        judge_outcome(outcome)


def test_too_early_is_a_result_of_its_own() -> None:
    """With its delay, or 0 for that of the queue; of several the first one to come due; others beside it are errors."""
    assert judge_error(RetryLater("no answer")).delay_s == 0
    later = judge_error(ExceptionGroup("both", [RetryLater("a", after_s=30), RetryLater("b", after_s=5)]))
    assert (later.result, later.delay_s, later.foreseen) == (Result.RETRY_LATER, 5, True)
    assert judge_error(ExceptionGroup("both", [RetryLater("a"), Forbidden("no")])).result is Result.ERROR
    assert judge_error(ExceptionGroup("both", [RetryLater("a"), KeyError("a")])).foreseen is False


@pytest.mark.parametrize(("code", "status"), [(None, 0), (0, 0), (3, 3), ("no configuration", 1)])
def test_a_reconciler_that_ends_the_process_chooses_its_status(code: int | str | None, status: int) -> None:
    """As Python itself has it: words are a failure, nothing is none."""
    asked = SystemExit(code)
    found = exit_asked(asked)
    assert (found.exit_status, found.__cause__) == (status, asked)
