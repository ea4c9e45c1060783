"""What a scrape says of controllers: controller-runtime's names, and each of them moves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import chain
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_mapped
from ctrlkit.controller.metrics import ControllerCollector
from ctrlkit.errors import Conflict, Forbidden, RetryLater, TerminalError
from ctrlkit.model import ObjectKey, Record
from ctrlkit.workqueue import FastSlow, WorkQueue
from tests.unit.controller.support import Script, one, pods, running, samples

K15_BUCKETS = [
    *("0.005", "0.01", "0.025", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3", "0.35", "0.4", "0.45", "0.5"),
    *("0.6", "0.7", "0.8", "0.9", "1", "1.25", "1.5", "1.75", "2", "2.5", "3", "3.5", "4", "4.5", "5"),
    *("6", "7", "8", "9", "10", "15", "20", "25", "30", "40", "50", "60", "+Inf"),
]
K15 = [
    "controller_runtime_reconcile_errors_total",
    "controller_runtime_terminal_reconcile_errors_total",
    "controller_runtime_reconcile_panics_total",
    "controller_runtime_reconcile_timeouts_total",
    "controller_runtime_active_workers",
    "controller_runtime_reconcile_time_seconds_count",
    "controller_runtime_reconcile_time_seconds_sum",
]
RESULTS = ("error", "requeue_after", "requeue", "success")


def text_of(*controllers: Controller) -> list[str]:
    registry = CollectorRegistry()
    registry.register(ControllerCollector(lambda: controllers))
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


@pytest.mark.behaviour("K15", "K4")
def test_a_scrape_before_the_first_event_has_every_name_label_and_bucket() -> None:
    """K15, K4: exactly, at zero."""
    text = text_of(one(Script(DONE), pods(), workers=3))
    theirs = [line for line in text if line.startswith("controller_runtime_")]
    assert sorted(theirs) == sorted(
        chain(
            (f'{name}{{controller="test"}} 0.0' for name in K15),
            ('controller_runtime_max_concurrent_reconciles{controller="test"} 3.0',),
            (f'controller_runtime_reconcile_total{{controller="test",result="{result}"}} 0.0' for result in RESULTS),
            ('controller_runtime_reconcile_total{controller="test",result="conflict"} 0.0',),
            (
                f'controller_runtime_reconcile_time_seconds_bucket{{controller="test",le="{bound}"}} 0.0'
                for bound in K15_BUCKETS
            ),
        )
    )
    assert len(K15_BUCKETS) == 40 + 1


@pytest.mark.behaviour("K7", "K8", "K9", "K11", "K13", "K15", "B11")
@pytest.mark.parametrize(
    ("end", "result", "also"),
    [
        (DONE, "success", []),
        (RequeueAfter(60), "requeue_after", []),
        (Forbidden("no"), "error", ["reconcile_errors"]),
        (KeyError("spec"), "error", ["reconcile_errors", "reconcile_panics"]),
        (OSError("disk"), "error", ["reconcile_errors"]),
        (RetryLater("too early", after_s=60), "requeue", []),
        (RetryLater("too early"), "requeue", []),
        (TerminalError("never"), "error", ["reconcile_errors", "terminal_reconcile_errors"]),
        (Conflict("changed"), "conflict", []),
    ],
)
async def test_each_end_moves_its_counters_and_no_other(end: object, result: str, also: list[str]) -> None:
    """K7 to K11, K13: as on a dashboard of controller-runtime; a conflict is nobody's error."""
    controller = one(Script(end, DONE), pods("d/a"))
    value = samples(controller)
    async with running(controller):
        await asyncio.sleep(0.001)
        totals = {each: value("controller_runtime_reconcile_total", result=each) for each in (*RESULTS, "conflict")}
        assert totals == {**dict.fromkeys(totals, 0), result: 1}
        for name in ("reconcile_errors", "terminal_reconcile_errors", "reconcile_panics", "reconcile_timeouts"):
            assert value(f"controller_runtime_{name}_total") == (name in also)
        assert value("controller_runtime_reconcile_time_seconds_count") == 1


@pytest.mark.behaviour("K14", "K15")
async def test_what_moves_while_a_reconcile_runs_and_when_it_takes_too_long() -> None:
    """Active workers up and down; the timeout counts, and its time falls into its bucket."""

    async def reconcile(request: Request) -> Outcome:
        await asyncio.sleep(0.12 if request.attempt > 1 or request.name == "b" else 3600)
        return DONE

    controller = one(reconcile, pods("d/a", "d/b"), workers=2, timeout_s=2)
    value = samples(controller)
    async with running(controller):
        await asyncio.sleep(0.1)
        assert value("controller_runtime_active_workers") == 2
        await asyncio.sleep(1)
        assert value("controller_runtime_active_workers") == 1
        await asyncio.sleep(5)
        assert value("controller_runtime_active_workers") == 0
    assert value("controller_runtime_reconcile_timeouts_total") == 1
    assert value("controller_runtime_reconcile_errors_total") == 1
    buckets = {
        le: value("controller_runtime_reconcile_time_seconds_bucket", le=le) for le in ("0.1", "0.15", "1.75", "2")
    }
    assert buckets == {"0.1": 0, "0.15": 2, "1.75": 2, "2": 3}
    assert value("controller_runtime_reconcile_time_seconds_sum") == pytest.approx(2.24)


async def test_our_own_move_too() -> None:
    """Causes, cut-offs, keys that fail or are stuck, failures of sources, and whether the beginning is over."""
    moved: set[str] = set()

    def mapping(seen: Record[Any]) -> Iterable[str]:
        if seen.key.name == "bad":
            raise KeyError("app")
        return [str(seen.key)]

    async def reconcile(request: Request) -> Outcome:
        if request.name == "broken":
            raise TerminalError("spec.x is a number")
        if request.name == "early":
            raise RetryLater("no database", after_s=30)
        await asyncio.sleep(3600)
        return DONE

    watch = Watch(pods("d/broken", "d/early", "d/a", "d/bad"), to_mapped(mapping))
    controller = Controller(name="test", reconcile=reconcile, watches=[watch])
    value = samples(controller)

    def look() -> None:
        names: dict[str, dict[str, str]] = {
            name: {} for name in ("cancelled_total", "stuck_keys", "source_failures_total", "synced")
        }
        names |= {"waiting_keys": {}, "longest_waiting_seconds": {}}
        names |= {name: {"result": "terminal_error"} for name in ("failing_keys", "longest_failing_seconds")}
        moved.update(name for name, more in names.items() if value(f"controller_{name}", **more))
        if value("controller_causes_total", cause="initial"):
            moved.add("causes_total")

    look()
    assert moved == set()
    async with running(controller):
        await asyncio.sleep(120)
        look()
        controller.cut_off(lambda _key: True)
        await asyncio.sleep(1)
        look()
    ours = {
        family.name
        for family in ControllerCollector.families
        if "runtime" not in family.name and "write_gate" not in family.name
    }
    assert {f"controller_{name}" for name in moved} == ours


async def test_a_queue_of_ones_own_is_measured_like_any_other() -> None:
    """Whoever gives a limiter does not lose the durations."""
    queue = WorkQueue[ObjectKey](limiter=FastSlow(fast_s=1, slow_s=60, fast_tries=3))
    queue.add(ObjectKey("d", "early"))
    assert queue.take_nowait().name == "early"
    controller = one(Script(DONE), pods("d/a"), queue=queue)
    queue.done(ObjectKey("d", "early"))
    async with running(controller):
        await asyncio.sleep(1)
        statistics = controller.statistics().queue
        assert statistics.adds == 2
        assert statistics.waited is not None
        assert statistics.worked is not None
        assert sum(statistics.waited.counts) == 1


@pytest.mark.behaviour("K3", "B20")
async def test_names_may_be_used_twice_and_again() -> None:
    """K3, B20: two at a time are told apart, and a name is free when its controller is gone."""
    first, second = (one(Script(DONE), pods("d/a")) for _ in range(2))
    text = text_of(first, second)
    assert len(text) == len(set(text))
    assert 'controller_runtime_active_workers{controller="test#2"} 0.0' in text
    assert text_of(second) == text_of(first)
    for _ in range(3):
        async with running(one(Script(DONE), pods("d/a"))):
            await asyncio.sleep(1)
