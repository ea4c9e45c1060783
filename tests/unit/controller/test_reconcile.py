"""What a reconcile may answer."""

from __future__ import annotations

import functools
import math
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.controller import DONE, Controller, Done, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.controller.reconcile import Result, exit_asked, judge_error, judge_outcome
from ctrlkit.errors import Conflict, DecodeError, Forbidden, NotFound, RetryLater, TerminalError, Unreachable
from tests.unit.controller.support import one, pods


@pytest.mark.behaviour("K9")
@given(st.floats(min_value=0, max_value=1e12, exclude_min=True))
def test_any_positive_delay_is_an_outcome(delay_s: float) -> None:
    """K9: the delay is kept as it is."""
    assert RequeueAfter(delay_s).delay_s == delay_s


@pytest.mark.parametrize("delay_s", [0, -3, math.nan, math.inf, "30", None])
def test_any_other_delay_is_refused_at_once(delay_s: object) -> None:
    """The message names the class, the field, its unit and what was given."""
    with pytest.raises(
        ValueError, match=r"^RequeueAfter: delay_s must be a positive number of seconds, got "
    ) as caught:
        RequeueAfter(delay_s)  # type: ignore[arg-type]
    assert str(caught.value).endswith(repr(delay_s))


def test_done_is_a_value() -> None:
    """Any Done equals DONE."""
    assert Done() == DONE


@pytest.mark.parametrize(("reason", "said"), [("no DNS", "no DNS [gone]"), ("no DNS: gone", "no DNS: gone")])
@pytest.mark.parametrize("kind", [RetryLater, TerminalError])
def test_what_has_no_traceback_is_told_with_its_cause_and_once(
    kind: Callable[[str], Exception], reason: str, said: str
) -> None:
    error = kind(reason)
    error.__cause__ = Unreachable("gone")
    assert judge_error(error).message == said


async def greet(_request: Request) -> Outcome:
    return DONE


class Greeter:
    async def __call__(self, request: Request, more: int = 0) -> Outcome:
        return DONE

    async def greet(self, request: Request) -> Outcome:
        return DONE

    def hurry(self, request: Request) -> Outcome:
        return DONE


class Hasty:
    def __call__(self, request: Request) -> Outcome:
        return DONE


def passed_on(request: Request) -> Awaitable[Outcome]:
    return greet(request)


@functools.wraps(greet)
def wrapped(*args: object) -> object:
    return greet(*args)  # type: ignore[arg-type]


def sync(request: Request) -> Outcome:
    return DONE


def unsaid(request):  # type: ignore[no-untyped-def]
    return DONE


async def generates(request: Request) -> Any:
    yield DONE


GOOD: list[Callable[..., Any]] = [
    greet,
    Greeter(),
    Greeter().greet,
    functools.partial(Greeter(), more=1),
    functools.partial(greet),
    passed_on,
    wrapped,
    lambda request: greet(request),  # noqa: PLW0108 - it is the subject
    AsyncMock(return_value=DONE),
]


@pytest.mark.parametrize("reconcile", GOOD)
def test_what_may_give_something_to_await_is_taken(reconcile: Any) -> None:
    """Functions, methods, objects, wrappers, lambdas, mocks."""
    assert one(reconcile, pods()).name == "test"


@pytest.mark.parametrize(
    ("reconcile", "complaint"),
    [
        (sync, "reconcile must be an async function, and sync is not; make it `async def sync`"),
        (unsaid, "unsaid is not; make it `async def unsaid`"),
        (functools.partial(sync), "sync is not; make it `async def sync`"),
        (Greeter().hurry, r"Greeter.hurry is not; make it `async def hurry`"),
        (Hasty(), "Hasty is not; make it `async def __call__`"),
        (Greeter, "reconcile is the class Greeter; give it an object of that class"),
        (generates, "generates is not"),
        (None, "got an object of type NoneType"),
    ],
)
def test_a_function_that_is_not_async_is_refused_by_its_name(reconcile: Any, complaint: str) -> None:
    """At construction, where the mistake can be seen."""
    with pytest.raises(TypeError, match=rf"^Controller test: .*{complaint}"):
        one(reconcile, pods())


@pytest.mark.behaviour("H9", "K1")
def test_options_that_cannot_be_meant_are_refused() -> None:
    """H9: a name and something to watch."""
    watches = [Watch(pods(), to_self)]
    for name, message, options in (
        ("", "name is empty", {}),
        ("x", "Controller x: watches is empty", {"watches": []}),
        ("x", "Controller x: workers must be at least 1, got 0", {"workers": 0}),
        ("x", "Controller x: timeout_s must be more than 0, or None for no limit; got 0", {"timeout_s": 0}),
        ("x", "got nan", {"timeout_s": float("nan")}),
    ):
        with pytest.raises(ValueError, match=message):
            Controller(**{"name": name, "reconcile": greet, "watches": watches, **options})  # type: ignore[arg-type]


def test_a_request_can_be_made_of_a_key_alone() -> None:
    """A reconciler can be called by a test."""
    from ctrlkit.model import ObjectKey

    request = Request(ObjectKey("demo", "net"))
    assert (request.namespace, request.name, request.attempt, request.causes) == ("demo", "net", 1, ())


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
