"""Seeing what one wrote."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ctrlkit.cache import Informer
from ctrlkit.clock import monotonic
from ctrlkit.controller.writes import WritesNotSeen, seeing_writes
from ctrlkit.errors import AlreadyExists
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, SECRETS
from tests.support.running import running


def named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}}


def informer_of(clientset: FakeClientset) -> Informer[Unstructured]:
    return Informer[Unstructured](CONFIG_MAPS, {"": clientset.client.list_watch(CONFIG_MAPS)})


def names(informer: Informer[Unstructured]) -> list[str]:
    return [found.key.name for found in informer.lister.list()]


@pytest.mark.behaviour("Q24", "Q25", "B1")
async def test_after_the_block_all_that_was_written_in_it_is_seen() -> None:
    """Two creates, one of them in a task of its own, and a deletion; a create that failed is not waited for."""
    clientset = FakeClientset(None, {"apiVersion": "v1", "kind": "ConfigMap", **named("old")})
    client, informer = clientset.client, informer_of(clientset)
    async with running(informer):
        began = monotonic()
        clientset.faults.stall_watches(lasts=3)
        async with seeing_writes(informer) as writes:
            await client.create(CONFIG_MAPS, named("a"))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(client.create(CONFIG_MAPS, named("b")))
            with pytest.raises(AlreadyExists):
                await client.create(CONFIG_MAPS, named("a"))
            await client.delete(CONFIG_MAPS, "default/old")
            await client.create(SECRETS, named("c"))
            assert names(informer) == ["old"]
        assert names(informer) == ["a", "b"]
        assert (len(writes), round(monotonic() - began)) == (4, 3)


@pytest.mark.behaviour("Q24")
async def test_what_does_not_show_in_time_is_told() -> None:
    """Q24 gives up after 5 minutes, and goes on as if it had been seen; here that is an error that names the writes."""
    clientset = FakeClientset()
    informer = informer_of(clientset)
    async with running(informer):
        clientset.faults.stall_watches(lasts=60)
        with pytest.raises(WritesNotSeen, match=r"1 writes: .* within 5 s; .* \[configmaps default/a") as raised:
            async with seeing_writes(informer, within_s=5):
                await clientset.client.create(CONFIG_MAPS, named("a"))
        assert [write.key.name for write in raised.value.writes] == ["a"]
        assert round(monotonic()) == 5


async def test_a_block_that_raises_is_not_waited_for() -> None:
    """Its error goes through at once."""
    clientset = FakeClientset()
    informer = informer_of(clientset)

    async def create_twice() -> None:
        async with seeing_writes(informer):
            for _ in range(2):
                await clientset.client.create(CONFIG_MAPS, named("a"))

    async with running(informer):
        clientset.faults.stall_watches(lasts=60)
        with pytest.raises(AlreadyExists):
            await create_twice()
        assert monotonic() < 1
