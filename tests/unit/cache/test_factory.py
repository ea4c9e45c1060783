"""One informer for each collection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ctrlkit.cache import InformerFactory
from ctrlkit.cache.source import ListWatch
from ctrlkit.errors import Forbidden, NotSynced
from ctrlkit.model import Resource
from ctrlkit.model.kinds import NODES, PODS, SERVICES
from tests.support.list_watch import ScriptedSource
from tests.support.records import record, snapshot


class Sources:
    """Makes sources and remembers for what."""

    def __init__(self, **answers: Any) -> None:
        self.made: list[tuple[str, str, str]] = []
        self.answers = answers

    def list_watch(
        self, resource: Resource[Any], *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> ListWatch[Any]:
        self.made.append((resource.plural, namespace, label_selector))
        return ScriptedSource([self.answers.get(resource.plural, snapshot(1))])


@pytest.mark.behaviour("I14")
async def test_who_asks_for_the_same_collection_shares_one_informer() -> None:
    """By resource and selectors."""
    sources = Sources()
    factory = InformerFactory(sources)
    assert factory.informer(PODS) is factory.informer(PODS)
    assert factory.informer(PODS, label_selector="app=x") is not factory.informer(PODS)
    assert sources.made == [("pods", "", ""), ("pods", "", "app=x")]


async def test_namespaces_limit_namespaced_kinds_only() -> None:
    """D7, in one informer."""
    sources = Sources()
    factory = InformerFactory(sources, namespaces=["one", "two", "one"])
    factory.informer(PODS)
    factory.informer(NODES)
    assert sources.made == [("pods", "one", ""), ("pods", "two", ""), ("nodes", "", "")]


@pytest.mark.behaviour("I14")
async def test_an_informer_added_while_the_factory_runs_starts_at_once() -> None:
    """No second start is needed."""
    factory = InformerFactory(Sources(services=snapshot(1, record("d/s", 1))))
    pods = factory.informer(PODS)
    task = asyncio.create_task(factory.run())
    await pods.wait_synced()
    services = factory.informer(SERVICES)
    await factory.wait_synced(timeout_s=1)
    assert [str(key) for key in services.lister.keys()] == ["d/s"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.behaviour("B4")
async def test_waiting_in_vain_names_who_is_behind_and_why() -> None:
    """B4: the cause of the delay is in the error."""
    refusal = Forbidden("pods is forbidden: User x cannot list", attempted="list pods *")
    factory = InformerFactory(Sources(pods=refusal))
    factory.informer(PODS)
    factory.informer(SERVICES)
    task = asyncio.create_task(factory.run())
    with pytest.raises(NotSynced, match=r"1 not synced after 5 s: pods: list pods \*: pods is forbidden"):
        await factory.wait_synced(timeout_s=5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
