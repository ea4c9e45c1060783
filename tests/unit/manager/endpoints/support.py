"""A manager for endpoints to answer for, and a way to ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp

from ctrlkit.cache import Informer
from ctrlkit.client import Client
from ctrlkit.fakes import FakeClientset
from ctrlkit.manager.endpoints import Checks, Endpoints, serve
from ctrlkit.manager.endpoints.health import Heartbeat
from ctrlkit.manager.endpoints.metrics import registry
from ctrlkit.webhooks import Webhooks

ANY = Endpoints(address="127.0.0.1:0")


@dataclass
class _Standing:
    """What the endpoints ask of a manager, with nothing in it unless a test puts it there."""

    client: Client = field(default_factory=lambda: FakeClientset().client)
    informers: tuple[Informer[Any], ...] = ()
    controllers: tuple[Any, ...] = ()
    recorders: tuple[Any, ...] = ()
    elector: Any = None
    sharding: Any = None
    webhooks: Webhooks = field(default_factory=Webhooks)
    webhook_server: Any = None
    settings: dict[str, object] = field(default_factory=dict)
    checks: Checks = field(default_factory=Checks)
    electors: tuple[Any, ...] = ()
    began: Any = None


def standing() -> Any:
    """One, for a Manager."""
    return _Standing()


def families() -> Iterator[tuple[str, tuple[str, tuple[str, ...]]]]:
    """
    Each family of a registry: its name, its type and its labels.

    Families without samples know their labels too, though not in public.
    """
    made = registry(standing(), heartbeat=Heartbeat())
    described = {
        family.name: family
        for collector in made._collector_to_names
        for family in getattr(collector, "describe", tuple)()
    }
    for family in made.collect():  # names of counters are without their ending
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if family.name in described:
            labels = tuple(described[family.name]._labelnames)
        else:
            labels = tuple(family.samples[0].labels)
        yield name, (family.type, labels)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    text: str
    headers: Any


class Asking:
    """Asks one server."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address = address
        self._session = session

    async def get(self, path: str, **headers: str) -> Answer:
        """GET, with headers whose names have _ for -."""
        return await self.send("GET", path, headers=headers)

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: str | None = None,
        redirect: bool = True,
    ) -> Answer:
        """Any method."""
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        url = f"http://{self.address}{path}"
        async with self._session.request(method, url, headers=named, data=body, allow_redirects=redirect) as answer:
            return Answer(answer.status, await answer.text(), answer.headers)


@asynccontextmanager
async def asking(manager: object = None, options: Endpoints = ANY, *, address: str = "") -> AsyncIterator[Asking]:
    """Serve, and ask over loopback; or ask what is served at an address already."""
    async with AsyncExitStack() as stack:
        if not address:
            address = await stack.enter_async_context(serve(cast("Any", manager or standing()), options))
        yield Asking(address, await stack.enter_async_context(aiohttp.ClientSession()))
