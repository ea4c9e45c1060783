"""Take, reconcile, judge, done: what a worker makes of the end of a reconcile, and what it says."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from typing import Any

import msgspec
import pytest
from structlog.contextvars import bind_contextvars, bound_contextvars, get_contextvars
from structlog.testing import capture_logs

from ctrlkit import Context, reconciler
from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Outcome, Request, RequeueAfter, Result
from ctrlkit.controller.reconcile import ReconcilerExit
from ctrlkit.controller.retries import CONFLICT_CAP_S
from ctrlkit.controller.sources.watch import generation_changed
from ctrlkit.errors import Conflict, DecodeError, Forbidden, RetryLater, TerminalError, Unreachable
from ctrlkit.fakes import UnforeseenFailure, World
from ctrlkit.model import MergePatch, ObjectMeta, Unstructured, custom_resource
from ctrlkit.model.kinds import PODS
from tests.support.records import applied
from tests.unit.client.support import ScriptedTransport
from tests.unit.controller.support import (
    Script,
    counts,
    lines_of,
    one,
    pods,
    running,
    virtual_loop,
    without_jitter,
)


@pytest.mark.behaviour("K7", "K13")
async def test_what_was_too_early_comes_again_when_the_reconciler_says() -> None:
    """Not the queue: no error to anybody, one line with the reason; the failures around it count on, as attempts do."""
    without_jitter()
    later = RetryLater("the registry does not answer", after_s=30)
    script = Script(Forbidden("no"), Forbidden("no"), later, Forbidden("no"), later, DONE)
    controller = one(script, pods("d/a"))
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(1)
            (retry,) = controller.retries()
            assert (retry.failures, round(retry.due_at, 3), retry.error) == (3, 30.015, later.reason)
            assert controller.busy() == ("controller:test d/a waits for a retry",)
            await asyncio.sleep(100)
            assert controller.busy() == ()
    assert [when for _, _, when in script.calls] == [0.0, 0.005, 0.015, 30.015, 30.035, 60.035]
    assert [attempt for _, attempt, _ in script.calls] == [1, 2, 3, 4, 5, 6]
    assert counts(controller.statistics()) == {Result.ERROR: 3, Result.RETRY_LATER: 2, Result.DONE: 1}
    told = [line for line in lines_of(lines, "reconciled") if line["outcome"] == "retry_later"]
    assert [(line["log_level"], line["reason"], line["next_s"]) for line in told] == [("info", later.reason, 30)] * 2
    assert all("exc_info" not in line and "error" not in line for line in told)


async def test_what_was_too_early_without_a_delay_waits_as_after_an_error() -> None:
    """Delays that grow; the success forgets them."""
    without_jitter()
    script = Script(RetryLater("no"), RetryLater("no"), RetryLater("no"), DONE)
    async with running(one(script, pods("d/a"))):
        await asyncio.sleep(1)
    assert [when for _, _, when in script.calls] == [0.0, 0.005, 0.015, 0.035]


async def test_a_success_forgets_that_it_was_too_early() -> None:
    """The next run is a first attempt."""
    informer = pods("d/a")
    script = Script(RetryLater("no", after_s=1), RequeueAfter(5), DONE)
    async with running(one(script, informer)):
        await asyncio.sleep(60)
    assert [attempt for _, attempt, _ in script.calls] == [1, 2, 1]


@pytest.mark.behaviour("K7", "K13")
async def test_an_outside_api_that_is_down_is_no_mistake_of_the_program() -> None:
    """K13: not counted as one, and no traceback; tried again with growing delays."""
    script = Script(*[ConnectionRefusedError(111, "refused")] * 3, TimeoutError(), DONE)
    controller = one(script, pods("d/a"))
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(10)
    statistics = controller.statistics()
    assert (counts(statistics), statistics.unforeseen) == ({Result.ERROR: 4, Result.DONE: 1}, 0)
    told = [line for line in lines_of(lines, "reconciled") if line["outcome"] == "error"]
    assert [line["log_level"] for line in told] == ["warning", "debug", "debug", "warning"]
    assert all("exc_info" not in line for line in told)
    assert told[0]["error"] == "ConnectionRefusedError: [Errno 111] refused"


async def test_a_key_that_fails_or_waits_for_hours_is_told_every_quarter_of_an_hour_at_least() -> None:
    """And not each time: at first it is tried every few milliseconds, and who waits may do so every ten seconds."""

    async def reconcile(request: Request) -> Outcome:
        if request.name == "a":
            raise Forbidden("no")
        raise RetryLater("the database starts", after_s=10)

    minute = {"event": "a minute", "log_level": "debug"}
    with capture_logs() as lines:
        async with running(one(reconcile, pods("d/a", "d/b"))):
            for _ in range(120):
                await asyncio.sleep(60)
                lines.append(minute)
    for key, runs in (("d/a", 20), ("d/b", 700)):
        told = [line for line in lines if line is minute or line.get("key") == key]
        assert len(told) - told.count(minute) > runs
        written = [at for at, line in enumerate(told) if line["log_level"] != "debug"]
        assert 10 < len(written) < 30
        minutes = [told[:at].count(minute) for at in written]
        assert max(after - before for before, after in itertools.pairwise([*minutes, 120])) <= 1000 / 60 + 1


@pytest.mark.behaviour("K13")
async def test_the_traceback_of_a_mistake_is_told_once_for_all_keys_until_it_is_mended() -> None:
    """K13: each failure is counted and has its line, which says where it was raised."""
    mended = False

    async def reconcile(_request: Request) -> Outcome:
        if mended:
            return DONE
        raise KeyError("spec")

    informer = pods("d/a", "d/b")
    controller = one(reconcile, informer)
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(0.1)
            mended = True
            await asyncio.sleep(10)
            mended = False
            informer.apply([applied("d/a", 2)])
            await asyncio.sleep(0.01)
    told = [line for line in lines_of(lines, "reconciled") if line["outcome"] == "error"]
    with_traceback = [line["key"] for line in told if "exc_info" in line]
    assert with_traceback == ["d/a", "d/a"]
    assert {re.sub(r"\d+", "#", line["where"]) for line in told if "exc_info" not in line} == {
        "test_worker.py:# in reconcile"
    }
    repeated = [line.get("repeated", 0) for line in told if line["key"] == "d/b"]
    assert repeated == list(range(len(repeated)))
    assert controller.statistics().unforeseen == len(told)


@pytest.mark.behaviour("K7", "K11")
async def test_an_error_is_retried_with_growing_delays_until_a_success_forgets_them() -> None:
    """K7, K11: 5, 10, 20 ms; the attempt counts up; after the success both begin anew."""
    without_jitter()
    script = Script(OSError("disk"), Forbidden("no"), Unreachable("dial"), DONE, OSError("disk"), DONE)
    informer = pods("d/a")
    controller = one(script, informer)
    async with running(controller):
        await asyncio.sleep(1)
        assert controller.busy() == ()
        informer.apply([applied("d/a", 2)])
        await asyncio.sleep(1)
    assert script.calls == [
        ("d/a", 1, 0.0),
        ("d/a", 2, 0.005),
        ("d/a", 3, 0.015),
        ("d/a", 4, 0.035),
        ("d/a", 1, 1.0),
        ("d/a", 2, 1.005),
    ]
    assert counts(controller.statistics()) == {Result.ERROR: 4, Result.DONE: 2}
    assert controller.statistics().unforeseen == 0


@pytest.mark.behaviour("K7")
async def test_an_owed_retry_is_busy() -> None:
    """What waits for a retry is not settled."""
    controller = one(Script(Unreachable("dial")), pods("d/a"))
    async with running(controller):
        await asyncio.sleep(10)
        assert controller.busy() == ("controller:test d/a waits for a retry",)


@pytest.mark.behaviour("K8")
async def test_a_terminal_error_is_not_retried_until_something_changes() -> None:
    """K8: and the failures before it are not forgotten."""
    informer = pods("d/a")
    script = Script(OSError("disk"), TerminalError("spec.nodes is negative"), DONE)
    controller = one(script, informer)
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(3600)
            assert controller.busy() == ()
            informer.apply([applied("d/a", 2)])
            await asyncio.sleep(1)
    assert [(key, attempt) for key, attempt, _ in script.calls] == [("d/a", 1), ("d/a", 2), ("d/a", 2)]
    assert counts(controller.statistics()) == {Result.ERROR: 1, Result.TERMINAL_ERROR: 1, Result.DONE: 1}
    terminal = next(line for line in lines if line.get("outcome") == "terminal_error")
    assert (terminal["log_level"], terminal["error"]) == ("warning", "spec.nodes is negative")
    assert "exc_info" not in terminal


@pytest.mark.behaviour("K9")
async def test_requeue_after_forgets_failures_and_comes_back_on_time() -> None:
    """K9: exactly after the delay; meanwhile nothing is owed."""
    script = Script(OSError("disk"), RequeueAfter(30), DONE)
    without_jitter()
    controller = one(script, pods("d/a"))
    async with running(controller):
        await asyncio.sleep(10)
        assert controller.busy() == ()
        await asyncio.sleep(60)
    assert script.calls == [("d/a", 1, 0.0), ("d/a", 2, 0.005), ("d/a", 1, 30.005)]


@pytest.mark.behaviour("K10", "K13")
async def test_an_answer_that_is_no_outcome_is_an_error() -> None:
    """A forgotten return is told and retried."""
    controller = one(Script(None, DONE), pods("d/a"))
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(1)
    assert counts(controller.statistics()) == {Result.ERROR: 1, Result.DONE: 1}
    told = next(line for line in lines if line["log_level"] == "error")
    assert "return DONE" in told["error"]


@pytest.mark.behaviour("K13")
async def test_an_unforeseen_error_is_counted_told_with_its_traceback_and_costs_no_worker() -> None:
    """K13: other keys are served meanwhile, by the same worker."""

    async def reconcile(request: Request) -> Outcome:
        if request.name == "bad":
            raise KeyError("spec")
        return DONE

    controller = one(reconcile, pods("d/bad", "d/good"))
    with capture_logs() as lines:
        async with running(controller):
            await virtual_loop().wait_all_blocked()
    assert counts(controller.statistics()) == {Result.ERROR: 1, Result.DONE: 1}
    assert controller.statistics().unforeseen == 1
    told = next(line for line in lines if line.get("outcome") == "error")
    assert (told["log_level"], told["error"], told["key"]) == ("error", "KeyError('spec')", "d/bad")
    assert isinstance(told["exc_info"], KeyError)


async def test_an_expected_error_is_a_warning_without_traceback() -> None:
    """ApiError and TransportError say all in their message."""
    for error in (Forbidden("no", attempted="create pods d/a"), Unreachable("dial 127.0.0.1: refused")):
        with capture_logs() as lines:
            async with running(one(Script(error, DONE), pods("d/a"))):
                await asyncio.sleep(1)
        told = next(line for line in lines if line.get("outcome") == "error")
        assert (told["log_level"], told["error"]) == ("warning", str(error))
        assert "exc_info" not in told


@pytest.mark.behaviour("B11")
async def test_a_conflict_is_a_result_of_its_own_and_no_error() -> None:
    """B11: told at INFO without error, and retried soon."""
    without_jitter()
    script = Script(Conflict("changed"), DONE)
    controller = one(script, pods("d/a"))
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(1)
    assert [when for _, _, when in script.calls] == [0.0, 0.005]
    assert counts(controller.statistics()) == {Result.CONFLICT: 1, Result.DONE: 1}
    assert controller.statistics().unforeseen == 0
    told = next(line for line in lines if line.get("outcome") == "conflict")
    assert told["log_level"] == "info"
    assert "error" not in told


async def test_each_reconcile_is_one_line() -> None:
    """style: event `reconciled`, values as keys, the unit last in the key; the version is the one it could read."""
    script = Script(RequeueAfter(30), DONE)
    with capture_logs() as lines:
        async with running(one(script, pods("d/a"))):
            await asyncio.sleep(31)
    told = lines_of(lines, "reconciled")
    assert [" ".join(line) for line in told] == [
        "part controller key attempt causes outcome next_s waited_ms took_ms seen id event log_level",
        "part controller key attempt causes outcome waited_ms took_ms seen id event log_level",
    ]
    for line in told:
        assert len(line.pop("id")) == 8
    common: dict[str, Any] = {
        "event": "reconciled",
        "part": "controller",
        "controller": "test",
        "key": "d/a",
        "log_level": "info",
    }
    common |= {"attempt": 1, "waited_ms": 0.0, "took_ms": 0.0, "seen": "1"}
    first = ["pods d/a added at 1, seen by the first list"]
    assert told == [
        {**common, "causes": first, "outcome": "requeue_after", "next_s": 30},
        {**common, "causes": ["requeue"], "outcome": "done"},
    ]


async def test_the_line_of_a_reconcile_has_milliseconds_with_one_decimal() -> None:
    async def reconcile(_request: Request) -> Outcome:
        await asyncio.sleep(0.01234)
        return DONE

    with capture_logs() as lines:
        async with running(one(reconcile, pods("d/a"))):
            await asyncio.sleep(1)
    assert [line["took_ms"] for line in lines_of(lines, "reconciled")] == [12.3]


@pytest.mark.behaviour("K16")
async def test_each_reconcile_has_an_id_that_its_own_log_lines_carry_too() -> None:
    """K16: a new one for each call; gone from the context afterwards."""
    contexts: list[dict[str, Any]] = []

    async def reconcile(_request: Request) -> Outcome:
        contexts.append(get_contextvars())
        return DONE

    with capture_logs() as lines:
        async with running(one(reconcile, pods("d/a", "d/b"))):
            await asyncio.sleep(1)
    told = [line["id"] for line in lines if line["event"] == "reconciled"]
    assert [context["id"] for context in contexts] == told
    assert len(set(told)) == 2
    assert [(context["controller"], context["key"]) for context in contexts] == [("test", "d/a"), ("test", "d/b")]
    assert get_contextvars() == {}


@pytest.mark.behaviour("K16")
async def test_what_a_reconcile_binds_for_its_log_lines_is_gone_with_it() -> None:
    """The next key's lines do not bear it; what the program had bound stays."""
    contexts: list[dict[str, Any]] = []

    async def reconcile(request: Request) -> Outcome:
        contexts.append(get_contextvars())
        bind_contextvars(network=request.name, replica="changed")
        return DONE

    with bound_contextvars(replica="1"):
        async with running(one(reconcile, pods("d/a", "d/b"))):
            await asyncio.sleep(1)
    assert [(context["key"], context["replica"], "network" in context) for context in contexts] == [
        ("d/a", "1", False),
        ("d/b", "1", False),
    ]


async def test_a_cancellation_from_within_is_a_failure_and_costs_no_worker() -> None:
    """A reconcile may await something that another task cancels; nobody asked the worker to end."""
    first = True

    async def reconcile(_request: Request) -> Outcome:
        nonlocal first
        if first:
            first = False
            lost = asyncio.get_running_loop().create_future()
            lost.cancel()
            await lost
        return DONE

    controller = one(reconcile, pods("d/a"))
    async with running(controller):
        await asyncio.sleep(1)
        assert counts(controller.statistics()) == {Result.ERROR: 1, Result.DONE: 1}


async def test_a_reconcile_that_swallows_its_cancellation_ends_its_worker_all_the_same() -> None:
    """Whether it returns or raises something else."""
    for end in (DONE, KeyError("spec")):

        async def reconcile(_request: Request, end: object = end) -> Outcome:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                if isinstance(end, Exception):
                    raise end from None
            return DONE

        controller = one(reconcile, pods("d/a", "d/b"))
        async with running(controller):
            await asyncio.sleep(1)
        assert controller.running == ()
        assert sum(controller.statistics().results.values()) == 1


@pytest.mark.behaviour("B11")
async def test_a_conflict_after_failures_is_retried_soon_and_costs_no_patience() -> None:
    """B11: its wait is its own, and the failures around it count on as if it had not been."""
    without_jitter()
    script = Script(*[Forbidden("no")] * 6, Conflict("changed"), Forbidden("no"), DONE)
    async with running(one(script, pods("d/a"))):
        await asyncio.sleep(10)
    waits = [round(after[2] - before[2], 6) for before, after in itertools.pairwise(script.calls)]
    assert waits == [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.005, 0.32]
    assert [attempt for _, attempt, _ in script.calls] == [1, 2, 3, 4, 5, 6, 7, 8, 8]


@pytest.mark.behaviour("B11")
async def test_conflicts_in_a_row_wait_up_to_a_second_and_are_owed() -> None:
    """B11: somebody else writes all the time; what is owed is not settled, and has its error."""
    without_jitter()
    script = Script(Conflict("changed"))
    controller = one(script, pods("d/a"))
    async with running(controller):
        await asyncio.sleep(20)
        assert controller.busy() == ("controller:test d/a waits for a retry",)
        (retry,) = controller.retries()
        assert (str(retry.key), retry.failures) == ("d/a", len(script.calls))
        assert 0 < retry.due_at - monotonic() <= CONFLICT_CAP_S
        assert "changed" in retry.error
        controller.stop()
        assert (controller.busy(), controller.retries()) == ((), ())
    waits = [round(after[2] - before[2], 6) for before, after in itertools.pairwise(script.calls)]
    assert waits[:8] == [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64]
    assert set(waits[8:]) == {1.0}


@pytest.mark.behaviour("K7", "B30")
async def test_of_many_retries_those_that_come_next_can_be_asked_for() -> None:
    """For the debug page: there may be very many."""
    without_jitter()

    async def reconcile(request: Request) -> Outcome:
        await asyncio.sleep(0 if request.attempt > 1 else {"a": 0.3, "b": 0.1, "c": 0.2}[request.name])
        raise Forbidden("no")

    controller = one(reconcile, pods("d/a", "d/b", "d/c"), workers=3)
    async with running(controller):
        await asyncio.sleep(100)
        owed = controller.retries()
        assert sorted(owed, key=lambda retry: retry.due_at)[:2] == list(controller.retries(first=2))
        assert {retry.key.name for retry in owed} == {"a", "b", "c"}


@pytest.mark.behaviour("K7", "B30")
async def test_an_owed_retry_carries_the_last_error() -> None:
    """For the debug page: which key, how often, when, and why; gone with the success."""
    script = Script(OSError("disk"), Forbidden("no", attempted="create pods d/a"), DONE)
    without_jitter()
    controller = one(script, pods("d/a"))
    async with running(controller):
        await asyncio.sleep(0.006)
        (retry,) = controller.retries()
        assert (str(retry.key), retry.failures, round(retry.due_at, 6)) == ("d/a", 2, 0.015)
        assert retry.error.startswith("create pods d/a: no")
        await asyncio.sleep(1)
        assert controller.retries() == ()


@pytest.mark.behaviour("K13")
@pytest.mark.parametrize(("error", "status"), [(SystemExit(3), 3), (SystemExit("no"), 1), (KeyboardInterrupt(), 130)])
async def test_a_reconciler_that_asks_the_process_to_end_stops_its_controller_in_order(
    error: BaseException, status: int
) -> None:
    """K13: it is told in one line, others finish, and run() raises what the program can end with."""

    async def reconcile(request: Request) -> Outcome:
        if request.name == "bad":
            raise error
        await asyncio.sleep(10)
        return DONE

    controller = one(reconcile, pods("d/a", "d/bad"), workers=2)
    with capture_logs() as lines, pytest.raises(ReconcilerExit) as caught:  # noqa: PT012 - it ends while others run
        async with running(controller) as work:
            await asyncio.wait([work])
            assert monotonic() == 10
    assert caught.value.exit_status == status
    told = {line["key"]: (line["log_level"], line["outcome"]) for line in lines_of(lines, "reconciled")}
    assert told == {"d/bad": ("warning", "error"), "d/a": ("info", "done")}


async def test_a_reconciler_that_returns_nothing_to_await_is_named_at_its_first_call() -> None:
    """Where the mistake can not be seen before."""
    controller = one(lambda _request: DONE, pods("d/a"))  # type: ignore[arg-type, return-value]
    with capture_logs() as lines:
        async with running(controller):
            await virtual_loop().wait_all_blocked()
    (told,) = lines_of(lines, "reconciled")
    assert told["log_level"] == "error"
    assert "for controller test: " in told["error"]
    assert "<lambda> returned an object of type Done and nothing to await" in told["error"]


@pytest.mark.behaviour("B30")
async def test_the_line_says_what_was_written() -> None:
    """verb:kind/name, the first ones."""
    names = ["a", *(f"p{number}" for number in range(11))]
    answers = [{"kind": "Pod", "metadata": {"name": each, "namespace": "d", "resourceVersion": "9"}} for each in names]
    client = Client(ScriptedTransport(*answers))

    async def reconcile(_request: Request) -> Outcome:
        await client.patch(PODS, "d/a", MergePatch({"status": {"phase": "Running"}}), subresource="status")
        for number in range(11):
            await client.patch(PODS, f"d/p{number}", MergePatch({}))
        return DONE

    with capture_logs() as lines:
        async with running(one(reconcile, pods("d/a"))):
            await virtual_loop().wait_all_blocked()
    (told,) = lines_of(lines, "reconciled")
    assert told["writes"] == ["patch:pods/a/status", *(f"patch:pods/p{number}" for number in range(7)), "and 4 more"]


@pytest.mark.parametrize("end", [DONE, TimeoutError("after 5 s")])
@pytest.mark.parametrize("waits", [True, False])
async def test_a_reconcile_that_cancels_the_task_it_runs_in_costs_no_worker(end: object, waits: bool) -> None:
    """As libraries' time limits did that do not take back what they asked for; the one worker serves every key."""
    left = 2

    async def reconcile(_request: Request) -> Outcome:
        nonlocal left
        if left:
            left -= 1
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            if waits:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(1)
            if isinstance(end, Exception):
                raise end
        return DONE

    informer = pods("d/a", "d/b", "d/c")
    controller = one(reconcile, informer)
    async with running(controller) as work:
        await asyncio.sleep(60)
        informer.apply([applied("d/d", 2)])
        await asyncio.sleep(60)
        assert not work.done()
        assert controller.busy() == ()
    failures = 2 if isinstance(end, Exception) else 0
    results = counts(controller.statistics())
    assert results[Result.DONE] == 4
    assert results.get(Result.ERROR, 0) in ((failures,) if waits else (failures, failures + 1))  # who waits next fails
    assert controller.statistics().cancelled == 0


class Spec(msgspec.Struct, frozen=True):
    """What a user wants."""

    text: str = ""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A note, and what somebody else says of it."""

    metadata: ObjectMeta
    spec: Spec = Spec()
    status: dict[str, str] = {}


NOTES = custom_resource(group="demo.dev", version="v1", kind="Note", plural="notes").of(Note)


@pytest.mark.behaviour("B14")
@pytest.mark.parametrize("status", [{}, {"ready": 5}])
async def test_an_object_that_cannot_be_read_is_not_tried_again_before_it_can(
    world: World, status: dict[str, Any]
) -> None:
    """Another look would show the same. When it is mended it is looked at, though no predicate sees a change."""
    world.allow_failures(DecodeError)
    world.serve(NOTES)
    text: object = 5 if not status else "a"
    metadata = {"name": "a", "namespace": "demo"}
    world.seed(
        {"apiVersion": "demo.dev/v1", "kind": "Note", "metadata": metadata, "spec": {"text": text}, "status": status}
    )
    looked: list[str] = []

    @reconciler(NOTES, predicates={NOTES: generation_changed})
    async def notes(note: Note, _context: Context) -> Outcome:
        looked.append(note.spec.text)
        return DONE

    manager = world.manage(notes)
    await world.pass_time("1h")
    (controller,) = manager.controllers
    assert counts(controller.statistics()) == {Result.TERMINAL_ERROR: 1}
    assert not looked
    mended = {"status": {"ready": "yes"}} if status else {"spec": {"text": "a"}}
    await world.client.patch(
        NOTES.of(Unstructured), "demo/a", MergePatch(mended), subresource="status" if status else ""
    )
    await world.settle()
    assert looked == ["a"]


async def test_an_object_that_cannot_be_read_fails_a_test(world: World) -> None:
    """Or one with a mistake in what it seeds would look for the reason elsewhere."""
    world.serve(NOTES)
    world.seed(
        {
            "apiVersion": "demo.dev/v1",
            "kind": "Note",
            "metadata": {"name": "a", "namespace": "demo"},
            "spec": {"text": 5},
        }
    )

    @reconciler(NOTES)
    async def notes(_note: Note, _context: Context) -> Outcome:
        return DONE

    world.manage(notes)
    with pytest.raises(UnforeseenFailure, match=r"reconcile of notes demo/a .*at `\$\.spec\.text`"):
        await world.settle()
