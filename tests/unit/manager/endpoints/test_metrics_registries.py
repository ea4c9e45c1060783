"""One registry for each manager (row B20), and no scrape in which a sample stands twice."""

from __future__ import annotations

from collections import Counter

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Gauge, GCCollector, ProcessCollector
from prometheus_client import Counter as CounterMetric

from ctrlkit.cache import InformerOptions
from ctrlkit.fakes import FakeClientset, World
from ctrlkit.manager import Manager
from ctrlkit.manager.endpoints import Endpoints
from ctrlkit.manager.endpoints.metrics import families, registry
from ctrlkit.model.kinds import PODS
from tests.support.greetings import GREETINGS, greeter, greeting
from tests.unit.manager.endpoints.support import asking


@pytest.mark.behaviour("B20", "K3")
async def test_managers_of_one_process_know_nothing_of_each_other() -> None:
    """Each serves its own, also where they have controllers of one name; nothing is left in the process."""
    before = {family.name for family in REGISTRY.collect()}
    async with World(greeting("a"), greeting("b", namespace="other"), kinds=[GREETINGS]) as world:
        managers = []
        for namespace in ("demo", "other"):
            manager = Manager(world.client, namespaces=[namespace], endpoints=Endpoints(address="127.0.0.1:0"))
            manager.add(greeter()(manager))  # type: ignore[arg-type]
            world.start(manager)
            managers.append(manager)
        await world.settle()
        world.tracker.delete(GREETINGS, "other/b")
        await world.settle()
        texts = []
        for manager in managers:
            async with asking(address=manager.address) as ask:
                texts.append((await ask.get("/metrics")).text)
        for manager in managers:
            await world.stop(manager)
    stored = [line for text in texts for line in text.splitlines() if line.startswith("informer_store_items{")]
    assert [line.rpartition(" ")[2] for line in stored if '"greetings"' in line] == ["1.0", "0.0"]
    assert {family.name for family in REGISTRY.collect()} == before


async def test_parts_of_one_name_are_told_apart() -> None:
    """A scrape with one sample twice is refused as a whole."""
    manager = Manager(FakeClientset().client)
    for selector in ("app=a", "app=b"):
        manager.informer(PODS, InformerOptions(label_selector=selector))
    for _ in range(2):
        manager.add(greeter()(manager))  # type: ignore[arg-type]
    samples = [sample for family in registry(manager).collect() for sample in family.samples]
    counted = Counter((sample.name, *sample.labels.items()) for sample in samples)
    assert {sample: count for sample, count in counted.items() if count > 1} == {}
    assert {"greetings", "greetings#2"} <= {sample.labels.get("controller") for sample in samples}


def test_what_a_program_counts_itself_is_served_beside_ours() -> None:
    """And of a name that is ours, ours: the process and Python are measured in both registries."""
    manager = Manager(FakeClientset().client)
    theirs = CollectorRegistry()
    ProcessCollector(registry=theirs)
    GCCollector(registry=theirs)
    CounterMetric("notes_sent", "Notes that were sent.", registry=theirs).inc(3)
    shown = families(registry(manager), theirs)
    assert [name for name, count in Counter(family.name for family in shown).items() if count > 1] == []
    assert [sample.value for family in shown for sample in family.samples if sample.name == "notes_sent_total"] == [3]
    assert "workqueue_depth" in {family.name for family in shown}


async def test_a_scrape_shows_what_is_in_the_registry_of_the_process() -> None:
    """Where prometheus_client puts a metric of which nobody said more than name and meaning."""
    gauge = Gauge("notes_open", "Notes that are open.")
    gauge.set(7)
    try:
        async with asking() as ask:
            assert "\nnotes_open 7.0\n" in (await ask.get("/metrics")).text
    finally:
        REGISTRY.unregister(gauge)
