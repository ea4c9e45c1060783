"""One informer for each collection."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from ctrlkit.cache import InformerFactory, InformerOptions
from ctrlkit.cache.reflector.interfaces import ListWatch
from ctrlkit.errors import Forbidden, NotSynced
from ctrlkit.model import ObjectMeta, Resource
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
    assert factory.informer(PODS, InformerOptions(label_selector="app=x")) is not factory.informer(PODS)
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
    with pytest.raises(NotSynced) as caught:
        await factory.wait_synced(timeout_s=5)
    assert "1 not synced after 5 s: pods: list pods *: pods is forbidden" in str(caught.value)
    assert str(caught.value).endswith("[403 Forbidden] (forbidden, waiting)")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.behaviour("B12", "D9")
async def test_an_informer_stops_with_its_last_lease_and_the_next_one_is_new() -> None:
    """B12: reference-counted; D9: who asks again gets a fresh list."""
    sources = Sources()
    async with InformerFactory(sources) as factory:
        async with factory.borrow_informer(PODS) as pods:
            async with factory.borrow_informer(PODS) as same:
                assert same is pods
                await pods.wait_synced()
            assert list(factory.informers) == [pods]
            pods.add_handler(lambda _: None)
        assert not factory.informers
        with pytest.raises(RuntimeError, match="it has ended"):
            pods.add_handler(lambda _: None)
        async with factory.borrow_informer(PODS) as again:
            assert again is not pods
            await again.wait_synced()
    assert len(sources.made) == 2


@pytest.mark.behaviour("B12")
async def test_an_informer_that_somebody_asked_for_for_good_outlives_its_leases() -> None:
    """As the manager does."""
    async with InformerFactory(Sources()) as factory:
        async with factory.borrow_informer(PODS) as leased:
            assert factory.informer(PODS) is leased
        await leased.wait_synced()
        leased.add_handler(lambda _: None)


@pytest.mark.behaviour("I14")
async def test_a_factory_is_entered_once() -> None:
    """I14: neither in its block nor after it again: its informers would stand still, and be read all the same."""
    factory = InformerFactory(Sources())
    pods = factory.informer(PODS)

    async def is_refused() -> None:
        for again in (factory.run(), factory.__aenter__()):
            with pytest.raises(RuntimeError, match=r"^enter the informer factory: it was entered before"):
                await again

    async with factory:
        await is_refused()
        await factory.wait_synced(timeout_s=1)
        pods.add_handler(lambda _: None)
    await is_refused()
    with pytest.raises(RuntimeError, match="it has ended"):
        pods.add_handler(lambda _: None)
    assert factory.informer(PODS) is pods
    with pytest.raises(RuntimeError, match=r"^make an informer of services: the factory has ended"):
        factory.informer(SERVICES)
    with pytest.raises(RuntimeError, match=r"^make an informer of services: the factory has ended"):
        async with factory.borrow_informer(SERVICES):
            pass


@pytest.mark.behaviour("I14", "D7", "D8")
async def test_a_request_may_name_its_own_namespaces() -> None:
    """One informer for each set of them, in whatever order they are named."""
    sources = Sources()
    factory = InformerFactory(sources, namespaces=["one"])
    both = factory.informer(PODS, InformerOptions(namespaces=["two", "one"]))
    assert both is factory.informer(PODS, InformerOptions(namespaces=["one", "two", "one"]))
    assert both is not factory.informer(PODS)
    everything = factory.informer(PODS, InformerOptions(namespaces=[]))
    assert list(everything.sources) == [""]
    assert list(both.sources) == ["one", "two"]


class Slim(msgspec.Struct, frozen=True):
    """A pod's metadata and nothing else, from whole objects."""

    metadata: ObjectMeta


@pytest.mark.behaviour("D3")
async def test_each_view_of_a_kind_has_an_informer_of_its_own() -> None:
    """D3: three lists; what two ask for alike is one."""
    sources = Sources()
    factory = InformerFactory(sources)
    views = [factory.informer(view) for view in (PODS, PODS.of(Slim), PODS.metadata_only(), PODS.of(Slim))]
    assert len(set(views)) == len(sources.made) == 3


@pytest.mark.behaviour("F8")
async def test_a_collection_has_one_transform() -> None:
    """What one of its users wants to have left out, another would miss."""
    factory = InformerFactory(Sources())

    def trim(found: Any) -> Any:
        return found

    assert factory.informer(PODS, InformerOptions(transform=trim)) is factory.informer(
        PODS, InformerOptions(transform=trim)
    )
    with pytest.raises(ValueError, match="in use with another transform"):
        factory.informer(PODS)


async def test_a_lease_that_ends_while_others_wait_does_not_fail_them() -> None:
    """Nobody waits for an informer that nobody wants."""
    sources = Sources(pods=Forbidden("no"))
    async with InformerFactory(sources) as factory:
        factory.informer(SERVICES)
        async with factory.borrow_informer(PODS):
            waiting = asyncio.create_task(factory.wait_synced(timeout_s=60))
            await asyncio.sleep(5)
            assert not waiting.done()
        await waiting


async def test_namespaces_in_one_text_are_refused() -> None:
    """Its letters are no namespaces."""
    factory = InformerFactory(Sources())
    message = r"""namespaces is the text 'demo'; write \["demo"\]"""
    with pytest.raises(TypeError, match=message):
        factory.informer(PODS, InformerOptions(namespaces="demo"))
    with pytest.raises(TypeError, match=message):
        async with factory.borrow_informer(PODS, InformerOptions(namespaces="demo")):
            pass
    with pytest.raises(TypeError, match=message):
        InformerFactory(Sources(), namespaces="demo")
