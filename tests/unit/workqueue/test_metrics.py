"""Each metric of work queues is registered, has client-go's name, and moves (Q17 to Q19)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ctrlkit.workqueue import LOW, NORMAL, Meter, WorkQueue
from ctrlkit.workqueue.metrics import OTHER_PRIORITIES, QueueCollector

LABELS = 'controller="pods",name="pods"'
SMALL_BOUNDS = ("1e-08", "1e-07", "1e-06", "9.999999999999999e-06", "9.999999999999999e-05")
BOUNDS = (*SMALL_BOUNDS, "0.001", "0.01", "0.1", "1", "10", "100", "1000", "+Inf")


def registry_of(*queues: tuple[str, WorkQueue[Any]]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(QueueCollector(lambda: queues))
    return registry


class Scraped:
    """What a scrape shows of the queue `pods`, without the prefix that all names share."""

    def __init__(self, queue: WorkQueue[Any]) -> None:
        self._registry = registry_of(("pods", queue))

    def text(self) -> str:
        return generate_latest(self._registry).decode()

    def __getitem__(self, name: str) -> float | None:
        return self._registry.get_sample_value(f"workqueue_{name}", {"name": "pods", "controller": "pods"})

    def depth(self, priority: int | str = NORMAL) -> float | None:
        labels = {"name": "pods", "controller": "pods", "priority": str(priority)}
        return self._registry.get_sample_value("workqueue_depth", labels)


@pytest.fixture
def queue() -> WorkQueue[str]:
    return WorkQueue(meter=Meter())


@pytest.mark.behaviour("Q17", "Q18", "P5", "P7")
async def test_the_numbers_are_those_of_client_go(queue: WorkQueue[str]) -> None:
    """The course of client-go's own test: adds, re-adds of a running key, and what each of them changes at once."""
    scraped = Scraped(queue)
    queue.add("foo")
    assert (scraped["adds_total"], scraped.depth()) == (1, 1)
    await asyncio.sleep(50e-6)
    assert queue.take_nowait() == "foo"
    assert (scraped["queue_duration_seconds_count"], scraped["queue_duration_seconds_sum"]) == (1, 5e-05)
    assert scraped.depth() == 0

    queue.add("foo")  # it runs: it counts at once, and once, although no key is ready
    for _ in range(4):
        queue.add("foo")
    assert (scraped["adds_total"], scraped.depth(), queue.statistics().ready) == (2, 1, 0)

    await asyncio.sleep(25e-6)
    queue.done("foo")
    assert scraped["work_duration_seconds_count"] == 1
    assert scraped["work_duration_seconds_sum"] == pytest.approx(25e-6)
    assert (scraped["adds_total"], scraped.depth(), queue.statistics().ready) == (2, 1, 1)

    assert queue.take_nowait() == "foo"  # it waited from the first re-add on, while it ran
    assert scraped["queue_duration_seconds_count"] == 2
    assert scraped["queue_duration_seconds_sum"] == pytest.approx(50e-6 + 25e-6)
    await asyncio.sleep(1e-3)
    assert scraped["unfinished_work_seconds"] == pytest.approx(1e-3)
    assert scraped["longest_running_processor_seconds"] == pytest.approx(1e-3)
    queue.done("foo")
    assert (scraped["work_duration_seconds_count"], scraped.depth()) == (2, 0)
    assert scraped["work_duration_seconds_sum"] == pytest.approx(25e-6 + 1e-3)
    assert (scraped["unfinished_work_seconds"], scraped["longest_running_processor_seconds"]) == (0, 0)


@pytest.mark.behaviour("Q17")
async def test_unfinished_work_is_that_of_all_running_keys(queue: WorkQueue[str]) -> None:
    """And the longest that of the one that began first."""
    for key in ("a", "b"):
        queue.add(key)
        queue.take_nowait()
        await asyncio.sleep(2)
    scraped = Scraped(queue)
    assert (scraped["unfinished_work_seconds"], scraped["longest_running_processor_seconds"]) == (6, 4)


@pytest.mark.behaviour("Q10", "P7")
async def test_retries_count_what_is_put_off(queue: WorkQueue[str]) -> None:
    """After a failure or not; a delay of nothing is an add."""
    queue.add_after("a", 1)
    queue.add_after("a", 0)
    queue.add_rate_limited("b")
    scraped = Scraped(queue)
    assert (scraped["retries_total"], scraped["adds_total"]) == (2, 1)
    queue.abandon()


@pytest.mark.behaviour("Q17", "Q19")
async def test_the_exposition_has_the_names_labels_and_buckets_of_controller_runtime(queue: WorkQueue[str]) -> None:
    """To the letter, for one key that waited for 3 ms and ran for 5 s, and one that waits."""
    queue.add("a")
    await asyncio.sleep(3e-3)
    queue.take_nowait()
    await asyncio.sleep(5)
    queue.done("a")
    queue.add("b", priority=LOW)
    lines = [line for line in Scraped(queue).text().splitlines() if not line.startswith("# HELP")]

    def histogram(name: str, counts: list[int], seconds: str) -> list[str]:
        buckets = [
            f'{name}_bucket{{controller="pods",le="{bound}",name="pods"}} {count}.0'
            for bound, count in zip(BOUNDS, counts, strict=True)
        ]
        return [
            f"# TYPE {name} histogram",
            *buckets,
            f"{name}_count{{{LABELS}}} 1.0",
            f"{name}_sum{{{LABELS}}} {seconds}",
        ]

    assert lines == [
        "# TYPE workqueue_depth gauge",
        f'workqueue_depth{{{LABELS},priority="0"}} 0.0',
        f'workqueue_depth{{{LABELS},priority="-100"}} 1.0',
        "# TYPE workqueue_adds_total counter",
        f"workqueue_adds_total{{{LABELS}}} 2.0",
        *histogram("workqueue_queue_duration_seconds", [0] * 6 + [1] * 7, "0.003"),
        *histogram("workqueue_work_duration_seconds", [0] * 9 + [1] * 4, "5.0"),
        "# TYPE workqueue_unfinished_work_seconds gauge",
        f"workqueue_unfinished_work_seconds{{{LABELS}}} 0.0",
        "# TYPE workqueue_longest_running_processor_seconds gauge",
        f"workqueue_longest_running_processor_seconds{{{LABELS}}} 0.0",
        "# TYPE workqueue_retries_total counter",
        f"workqueue_retries_total{{{LABELS}}} 0.0",
    ]


@pytest.mark.behaviour("Q19")
async def test_25_priorities_have_a_label_value_of_their_own(queue: WorkQueue[str]) -> None:
    """In the order in which scrapes see them; the others share one, and a priority that was seen stays."""
    scraped = Scraped(queue)
    queue.add("early", priority=-7)
    assert scraped.depth(-7) == 1
    for number in range(40):
        queue.add(str(number), priority=number)
    assert [scraped.depth(priority) for priority in (39, 17, 16, 0, -7)] == [1, 1, None, 1, 1]
    assert scraped.depth(OTHER_PRIORITIES) == 16
    assert scraped.text().count("workqueue_depth{") == 26
    queue.abandon()
    assert (scraped.depth(39), scraped.depth(0), scraped.depth(OTHER_PRIORITIES)) == (0, 0, None)


@pytest.mark.behaviour("Q17", "Q18")
async def test_each_declared_metric_is_registered_and_moves(queue: WorkQueue[str]) -> None:
    """None is for show."""
    scraped = Scraped(queue)
    before = set(scraped.text().splitlines())
    queue.add("ended")
    queue.add("runs")
    queue.done(queue.take_nowait())
    queue.take_nowait()
    queue.add("waits")
    queue.add_after("later", 1)
    await asyncio.sleep(0.5)
    moved = [line for line in scraped.text().splitlines() if line not in before]
    for family in QueueCollector.families:
        assert any(line.startswith((f"{family.name}{{", f"{family.name}_")) for line in moved), family.name
    queue.abandon()


@pytest.mark.behaviour("B20")
async def test_queues_of_one_name_are_told_apart_and_gone_ones_forgotten(queue: WorkQueue[str]) -> None:
    """Their samples do not add up, and a namesake that comes later starts with the priorities it has."""
    queues: list[tuple[str, WorkQueue[str]]] = [("pods", queue), ("pods", WorkQueue())]
    registry = CollectorRegistry()
    registry.register(QueueCollector(lambda: queues))
    queue.add("a", priority=5)
    text = generate_latest(registry).decode()
    assert 'workqueue_adds_total{controller="pods",name="pods"} 1.0' in text
    assert 'workqueue_adds_total{controller="pods#2",name="pods#2"} 0.0' in text
    queues.clear()
    assert "workqueue_depth{" not in generate_latest(registry).decode()
    queues.append(("pods", WorkQueue()))
    assert 'priority="5"' not in generate_latest(registry).decode()


async def test_without_a_meter_there_are_no_durations() -> None:
    """The other metrics are there."""
    queue = WorkQueue[str]()
    queue.add("a")
    queue.done(queue.take_nowait())
    scraped = Scraped(queue)
    assert (scraped["adds_total"], scraped["work_duration_seconds_count"]) == (1, None)
