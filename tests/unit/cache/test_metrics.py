"""Each metric that is declared is registered, and moves (B19)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ctrlkit.cache import Change, Informer, InformerOptions, handlers
from ctrlkit.cache.metrics import InformerCollector
from ctrlkit.clock import monotonic
from ctrlkit.errors import DecodeError, Forbidden, Unreachable
from ctrlkit.model import Bookmark, Unusable
from ctrlkit.model.kinds import PODS
from tests.support.list_watch import ScriptedSource, Stream
from tests.support.records import applied, record, snapshot
from tests.support.running import running
from tests.support.scrape import samples

LABELS = '{group="",name="pods",resource="pods",version="v1"'


def registry_of(*informers: Informer[Any]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(InformerCollector(lambda: informers))
    return registry


def troubled() -> Informer[Any]:
    """A mirror to which everything happens that is counted."""
    bad: Unusable[dict[str, Any]] = Unusable(record("d/bad", 2).meta, DecodeError("no spec"))
    lost = DecodeError("no name", version="3")
    watches = [Stream(then=[(1, lost)]), Stream(error=Forbidden("no watch"), refused=True)]
    lists: list[Any] = [snapshot("20000000000000000002", record("d/a", 1), bad), Forbidden("no list")]
    informer = Informer[Any](PODS, {"": ScriptedSource(lists, watches)})
    informer.add_index("broken", lambda found: [(found.meta.annotations or {})["team"]])

    def raises(_: Change[Any]) -> None:
        raise RuntimeError("no")

    informer.add_handler(raises, name="mine")
    return informer


@pytest.mark.behaviour("B19", "R26", "R27", "B4", "B8")
async def test_each_declared_metric_is_registered_and_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """B19; names, labels and buckets of R27 where there is one."""
    informer = troubled()
    registry = registry_of(informer)
    before = samples(registry)
    gone = informer.add_handler(lambda _: None, name="gone")
    async with running(informer):
        await asyncio.sleep(100)
        informer.apply([applied("d/b", "20000000000000000005")])
        informer.remove_handler(gone)
        with monkeypatch.context() as patch:
            patch.setattr(handlers, "monotonic", lambda: monotonic() + 3)  # the loop has been busy elsewhere
            after = samples(registry)
        assert (
            after['informer_handler_queued_items{group="",handler="mine",name="pods",resource="pods",version="v1"}']
            == 1
        )
        await asyncio.sleep(0)
        text = generate_latest(registry).decode()
    for family in InformerCollector.families:
        assert f"# TYPE {family.name} " in text, family.name
        moved = {key: value for key, value in after.items() if key.startswith((family.name + "{", family.name + "_"))}
        assert any(value != before.get(key, 0) for key, value in moved.items()), family.name
    assert after[f"informer_store_resource_version{LABELS}}}"] == 2
    assert after[
        'informer_failing{cause="forbidden",group="",name="pods",resource="pods",scope="",verb="list",version="v1"}'
    ]
    assert 'le="0.025"' in text


async def test_informers_of_one_name_are_told_apart() -> None:
    """Two samples of one name would make the whole scrape invalid."""
    one, two = (
        Informer[Any](PODS, {}, options=InformerOptions(label_selector=selector)) for selector in ("app=x", "app=y")
    )
    one.apply([applied("d/a", 1)])
    found = samples(registry_of(one, two))
    assert found[f"informer_store_items{LABELS}}}"] == 1
    assert found['informer_store_items{group="",name="pods#2",resource="pods",version="v1"}'] == 0


async def test_a_scrape_of_no_informer_is_empty_and_valid() -> None:
    """Registering asks nobody anything."""
    assert samples(registry_of()) == {}


@pytest.mark.behaviour("B19")
async def test_of_several_namespaces_each_has_its_age_and_all_of_them_the_oldest() -> None:
    """One that is blind shows, whatever the others hear."""
    heard = ScriptedSource([snapshot(1)], [Stream(then=[(1.0, [Bookmark("2")])] * 1000, open_s=1e9)])
    blind = ScriptedSource([snapshot(1)], [Stream(error=Unreachable("gone"), refused=True)])
    informer = Informer[Any](PODS, {"a": heard, "b": blind, "c": ScriptedSource([Forbidden("no")])})
    registry = registry_of(informer)
    async with running(informer):
        await asyncio.sleep(600.5)
        found, statistics = samples(registry), informer.statistics()
        assert statistics.last_event_age_s is None, "one has not heard anything yet"
    ages = {key: value for key, value in found.items() if key.startswith("informer_last_event_age_seconds")}
    assert list(ages) == [
        f'informer_last_event_age_seconds{{group="",name="pods",resource="pods",scope="{scope}",version="v1"}}'
        for scope in "ab"
    ]
    young, old = ages.values()
    assert (round(young, 1), round(old, 1)) == (0.5, 600.5)
    late: list[Any] = [*[Unreachable("no")] * 3, snapshot(1)]
    two = Informer[Any](PODS, {"a": ScriptedSource([snapshot(1)]), "b": ScriptedSource(late)})
    async with running(two):
        await asyncio.sleep(60)
        ages_s = [of.last_event_age_s for of in two.statistics().reflectors.values()]
        assert ages_s[0] != ages_s[1]
        assert two.statistics().last_event_age_s == max(age for age in ages_s if age is not None)
