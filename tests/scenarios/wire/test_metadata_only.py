"""Metadata alone travels, where only metadata is asked for: from tracker, fake clientset and over HTTP alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.cache import InformerFactory
from ctrlkit.client import Client
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Action, Lines, MergePatch, PartialObjectMetadata, Transport, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS
from ctrlkit.wire.config import load_endpoint
from ctrlkit.wire.transport import RestTransport

META = CONFIG_MAPS.metadata_only()
SECRET_DATA = "x" * 5000


class Measured:
    """A transport that keeps what the server sends for reads."""

    def __init__(self, inner: Transport) -> None:
        self.received: list[bytes] = []
        self._inner = inner

    async def do(self, action: Action) -> bytes:
        answer = await self._inner.do(action)
        if not action.verb.writes:
            self.received.append(answer)
        return answer

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        async with self._inner.watch(action) as lines:
            yield self._kept(lines)

    async def _kept(self, lines: Lines) -> AsyncIterator[Sequence[bytes]]:
        async for batch in lines:
            self.received.extend(batch)
            yield batch


@asynccontextmanager
async def _over_http(folder: Path) -> AsyncIterator[Transport]:
    tracker = Tracker()
    async with ApiServer(tracker, tracker.registry).serve() as server:
        server.write_kubeconfig(folder / "kubeconfig")
        async with RestTransport(await load_endpoint(kubeconfig=str(folder / "kubeconfig"))) as transport:
            yield transport


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[Measured]:
    match kind:
        case "tracker":
            yield Measured(Tracker())
        case "clientset":
            yield Measured(FakeClientset())
        case _:
            async with _over_http(folder) as inner:
                yield Measured(inner)


KINDS = pytest.mark.parametrize("kind", ["tracker", "clientset", "http"])


def body(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", "labels": {"n": name}}, "data": {"k": SECRET_DATA}}


@KINDS
@pytest.mark.behaviour("C9", "D13")
async def test_an_informer_of_metadata_mirrors_no_more_than_that(kind: str, tmp_path: Path) -> None:
    """C9: list and watch; the objects' own fields do not travel."""
    async with opened(kind, tmp_path) as transport:
        client = Client(transport)
        await client.create(CONFIG_MAPS, body("a"))
        async with InformerFactory(client) as factory, factory.borrow_informer(META) as informer:
            await informer.wait_synced()
            await client.create(CONFIG_MAPS, body("b"))
            changed = await client.patch(META, "default/b", MergePatch({"metadata": {"labels": {"n": "c"}}}))
            await informer.reached(changed.metadata.resource_version, timeout_s=10)
            await client.delete(META, "default/a")
            while informer.lister.find("default/a") is not None:  # noqa: ASYNC110 - the next line of the watch
                await asyncio.sleep(0.001)
            found = informer.lister.get("default/b")
        assert isinstance(found, PartialObjectMetadata)
        assert found.metadata.labels == {"n": "c"}
        assert transport.received
        assert not any(SECRET_DATA.encode() in data for data in transport.received)


@KINDS
@pytest.mark.behaviour("C9", "D13")
async def test_metadata_can_be_read_but_no_whole_object_be_written(kind: str, tmp_path: Path) -> None:
    """D13: get and list are fine; create and update would lose the rest."""
    async with opened(kind, tmp_path) as transport:
        client = Client(transport)
        await client.create(CONFIG_MAPS, body("a"))
        assert (await client.get(META, "default/a")).metadata.name == "a"
        assert "a" in [found.metadata.name for found in await client.list(META, namespace="default")]
        assert not any(SECRET_DATA.encode() in data for data in transport.received)
        for call in (client.create, client.update):
            with pytest.raises(TypeError, match="only its metadata is dealt with here"):
                await call(META, Unstructured(body("b")))
