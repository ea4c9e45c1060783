"""A kind in two versions, with a webhook of each sort."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from ctrlkit import Denied, Manager, ObjectMeta, Review, conversion, custom_resource, mutating, validating
from ctrlkit.client import Client
from ctrlkit.crd import definition_of
from ctrlkit.errors import NotFound
from ctrlkit.manager.webhooks.options import WebhookServing
from ctrlkit.model import AnyResource, Definition
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS, PODS
from ctrlkit.webhooks import Webhook


class Spec(msgspec.Struct, frozen=True, omit_defaults=True):
    size: int = 1
    image: str = ""


class Cache(msgspec.Struct, frozen=True, omit_defaults=True):
    metadata: ObjectMeta
    spec: Spec = Spec()


class SpecV2(msgspec.Struct, frozen=True, omit_defaults=True):
    replicas: int = 1
    image: str = ""


class CacheV2(msgspec.Struct, frozen=True, omit_defaults=True):
    metadata: ObjectMeta
    spec: SpecV2 = SpecV2()


CACHES = custom_resource(group="example.com", kind="Cache", plural="caches", definition=Definition(storage=False)).of(
    Cache
)
CACHES_V2 = custom_resource(
    group="example.com", version="v2", kind="Cache", plural="caches", definition=Definition(storage=True)
).of(CacheV2)


@mutating(CACHES)
def defaults(cache: Cache, _review: Review[Cache]) -> Cache | None:
    return None if cache.spec.image else replace(cache, spec=replace(cache.spec, image="redis:7"))


@validating(CACHES, timeout_s=10)
async def check(cache: Cache, review: Review[Cache]) -> None:
    if cache.spec.image.endswith(":latest"):
        review.warn("spec.image: latest is a moving target")
    if cache.spec.image == "slow":
        await asyncio.sleep(0.5)
    if cache.spec.size < 1:
        raise Denied("spec.size: 0 is too small; write 1 or more")


@conversion(CACHES, to=CACHES_V2)
def upgrade(cache: Cache) -> CacheV2:
    return CacheV2(metadata=cache.metadata, spec=SpecV2(replicas=cache.spec.size, image=cache.spec.image))


@conversion(CACHES_V2, to=CACHES)
def downgrade(cache: CacheV2) -> Cache:
    return Cache(metadata=cache.metadata, spec=Spec(size=cache.spec.replicas, image=cache.spec.image))


@validating(PODS)
def admit(_pod: Any, _review: Review[Any]) -> None:
    """Ask about every pod, so that none can be made while nobody answers."""


WEBHOOKS = (defaults, check, upgrade, downgrade)


def cache_object(name: str, *, size: int = 1, image: str = "", version: str = "v1") -> dict[str, Any]:
    """A Cache as somebody would send it."""
    spec = {"size" if version == "v1" else "replicas": size} | ({"image": image} if image else {})
    return {
        "apiVersion": f"example.com/{version}",
        "kind": "Cache",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


async def define(client: Client) -> None:
    """Install the definition, and wait until the server serves the kind."""
    await client.create(CUSTOM_RESOURCE_DEFINITIONS, definition_of(CACHES, CACHES_V2))
    async with asyncio.timeout(60):
        while True:
            try:
                await client.list(CACHES_V2, namespace="default")
            except NotFound:
                await asyncio.sleep(0.05)
            else:
                return


@dataclass
class Running:
    """A replica of the program."""

    manager: Manager
    task: asyncio.Task[None]

    @property
    def port(self) -> int:
        """Where its webhooks are."""
        assert self.manager.webhook_server is not None
        return self.manager.webhook_server.port

    async def ready(self) -> None:
        """Wait until it says that it is ready."""
        async with asyncio.timeout(60):
            while self.manager.webhook_server is None or self.manager.webhook_server.check():
                assert not self.task.done(), self.task
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(
    client: Client, serving: WebhookServing, webhooks: Iterable[Webhook] = WEBHOOKS, *, watched: AnyResource = CACHES
) -> AsyncIterator[Running]:
    """Run the program in a block; it watches a kind."""
    manager = Manager(client, webhook_serving=serving)
    for each in webhooks:
        manager.add_webhook(each)
    manager.informer(watched)
    stop = asyncio.Event()
    task = asyncio.create_task(manager.run(stop))
    try:
        yield Running(manager, task)
    finally:
        stop.set()
        await task
