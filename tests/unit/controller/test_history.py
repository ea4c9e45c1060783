"""The past of keys: which fail since when, and how much of it is kept."""

from __future__ import annotations

import re
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit import clock
from ctrlkit.controller.history import CAUSE_MAX, KEYS_MAX, RUNS_MAX, History
from ctrlkit.controller.observer import Run
from ctrlkit.controller.reconcile import (
    DONE,
    ReconcileTimeout,
    RequeueAfter,
    Verdict,
    judge_error,
    judge_outcome,
)
from ctrlkit.controller.retries import ERROR_MAX
from ctrlkit.errors import Conflict, Forbidden, RetryLater, TerminalError
from ctrlkit.model import ObjectKey

VERDICTS = {
    "done": judge_outcome(DONE),
    "requeue_after": judge_outcome(RequeueAfter(5)),
    "error": judge_error(Forbidden("no")),
    "terminal_error": judge_error(TerminalError("never")),
    "timeout": judge_error(ReconcileTimeout("too long")),
    "conflict": judge_error(Conflict("changed")),
    "retry_later": judge_error(RetryLater("not yet")),
    "cancelled": None,
}
FAIL = {"error", "terminal_error", "timeout"}
WELL = {"done", "requeue_after"}
KEY = ObjectKey("demo", "a")


def end(
    history: History,
    verdict: Verdict | None,
    key: ObjectKey = KEY,
    causes: tuple[str, ...] = ("woken",),
    id_: str = "id",
) -> None:
    """One run ended so."""
    message = "" if verdict is None else verdict.message
    history.ended(Run("c", key, 1, id_, causes), verdict, message, took_s=0.1, writes=(), seen="7")


@settings(max_examples=20)
@given(st.lists(st.sampled_from(list(VERDICTS)), max_size=30))
def test_for_any_runs_a_key_fails_if_the_last_that_says_so_failed(ends: list[str]) -> None:
    """Runs that were cut off say nothing; failures in a row are those since the last success."""
    history = History()
    for each in ends:
        end(history, VERDICTS[each])
    said = [each for each in ends if each != "cancelled"]
    fails = bool(said) and said[-1] in FAIL
    assert len(history.streaks()) == fails
    since_well = said[max((at for at, each in enumerate(said) if each in WELL), default=-1) + 1 :]
    assert history.waiting().keys == ("retry_later" in since_well and not fails)
    assert [key for key, _ in history.waits()] == [KEY] * history.waiting().keys
    if history.waiting().keys:
        ((_, wait),) = history.waits()
        assert (wait.failures, wait.error) == (since_well.count("retry_later"), "not yet")
    in_a_row = said[max((at for at, each in enumerate(said) if each in WELL), default=-1) + 1 :]
    if fails:
        ((key, streak),) = history.streaks()
        assert (key, streak.result, streak.failures) == (KEY, said[-1], sum(each in FAIL for each in in_a_row))
    assert [run.result for run in history.runs(KEY)[: RUNS_MAX - 1]] == ends[::-1][: RUNS_MAX - 1]
    assert len(history.runs(KEY)) == min(len(ends), RUNS_MAX)


def test_of_failures_in_a_row_the_first_stays() -> None:
    """What led to it, and its line in the log, are found by it; after a success others take its place."""
    history = History()
    for name in ("done", "error", *["conflict", "error"] * 10):
        end(
            history,
            VERDICTS[name],
            causes=(f"{name} {len(history.runs(KEY))}",),
            id_=f"{name} {len(history.streaks())}",
        )
    assert [run.id for run in history.runs(KEY)][-1] == "error 0"
    assert history.runs(KEY)[-1].causes == ("error 1",)
    end(history, VERDICTS["done"])
    for _ in range(RUNS_MAX):
        end(history, VERDICTS["done"])
    assert {run.result for run in history.runs(KEY)} == {"done"}


def test_errors_that_differ_in_names_and_numbers_alone_are_alike() -> None:
    """Those of most keys come first; one of a single key has nothing that it is like."""
    history = History()
    for number in range(3):
        key = ObjectKey("demo", f"net-{number}")
        end(history, judge_error(Forbidden(f"ConfigMap {key.name} was refused after {number} s")), key)
        end(history, judge_error(TerminalError("never")), ObjectKey("demo", f"x{number}"))
    end(history, judge_error(TerminalError("never")), ObjectKey("demo", "y"))
    end(history, judge_error(Forbidden("other")), KEY)
    assert [(each.keys, each.longest.name) for each in history.alike()] == [(4, "x0"), (3, "net-0")]
    assert [each.keys for each in history.alike(lambda key: key.name[-1] in "01")] == [2, 2]


def test_a_failure_says_where_it_came_from() -> None:
    """The line, not what was in it."""
    history = History()
    try:
        int("a secret")
    except ValueError as error:
        end(history, judge_error(error))
    ((_, streak),) = history.streaks()
    assert history.runs(KEY)[0].where == streak.where
    assert re.fullmatch(r"test_history\.py:\d+ in test_a_failure_says_where_it_came_from", streak.where)


def test_a_key_fails_since_its_first_failure(monkeypatch: object) -> None:
    """Also where a conflict came between: nothing went well meanwhile."""
    history, began = History(), datetime(2026, 1, 2, 3, tzinfo=UTC)
    times = iter(began + timedelta(minutes=minutes) for minutes in range(10))
    monkeypatch.setattr(clock, "now", lambda: next(times))  # type: ignore[attr-defined]
    for name in ("error", "conflict", "terminal_error"):
        end(history, VERDICTS[name])
    assert history.failures()["terminal_error"] == (1, began)
    end(history, VERDICTS["done"])
    assert set(history.failures().values()) == {(0, None)}
    end(history, VERDICTS["error"])
    assert history.failures()["error"] == (1, began + timedelta(minutes=4))


def test_keys_that_fail_are_kept_before_keys_that_are_well() -> None:
    """And all that fail are counted, even where there are more than are kept."""
    history = History()
    end(history, VERDICTS["error"])
    for number in range(2 * KEYS_MAX):
        end(history, VERDICTS["done"], ObjectKey("demo", str(number)))
    assert [run.result for run in history.runs(KEY)] == ["error"]
    assert history.runs(ObjectKey("demo", "0")) == ()
    assert len(history.runs(ObjectKey("demo", str(2 * KEYS_MAX - 1)))) == 1
    for number in range(2 * KEYS_MAX):
        end(history, VERDICTS["terminal_error"], ObjectKey("demo", str(number)))
    assert len(history.streaks()) == 2 * KEYS_MAX + 1
    assert history.runs(KEY) == ()
    assert sum(bool(history.runs(ObjectKey("demo", str(number)))) for number in range(2 * KEYS_MAX)) == KEYS_MAX
    assert len(history.streaks(first=5)) == 5


CALLS_MAX = 12
BYTES_MAX = 1000


def test_a_run_costs_a_dozen_calls_and_less_than_a_kilobyte() -> None:
    """Each reconcile pays for it: calls of Python functions, and what is kept of a run of the usual length."""
    history, made = History(), 0

    def end_one(number: int) -> None:
        run = Run(
            "c", ObjectKey("demo", f"object-{number % 500}"), 1, f"{number:08x}", (f"objects updated at {number}",)
        )
        history.ended(run, VERDICTS["done"], took_s=0.1, writes=[f"patch:configmaps/{number}"], seen=str(number))

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal made
        made += event == "call"

    run = Run("c", KEY, 1, "id", ("woken",))
    for _ in range(2):
        made = 0
        sys.setprofile(count)
        history.ended(run, VERDICTS["done"], took_s=0.1, writes=["patch:configmaps/a"], seen="7")
        sys.setprofile(None)
    assert made <= CALLS_MAX
    tracemalloc.start()
    try:
        for number in range(500 * RUNS_MAX):
            end_one(number)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept / (500 * RUNS_MAX) < BYTES_MAX


def test_texts_are_cut() -> None:
    history = History()
    end(history, judge_error(Forbidden("x" * 10_000)), causes=("c" * 10_000,))
    (run,) = history.runs(KEY)
    assert (len(run.error), len(run.causes[0])) == (ERROR_MAX, CAUSE_MAX)


def test_a_key_that_is_another_replicas_does_not_fail_here() -> None:
    """Its last runs are known all the same."""
    history = History()
    end(history, VERDICTS["error"])
    history.drop(KEY)
    assert (len(history.streaks()), history.failed(), len(history.runs(KEY))) == (0, (), 1)
