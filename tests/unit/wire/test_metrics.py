"""Each request is counted once, by what came of it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from ctrlkit.client import Client
from ctrlkit.errors import CtrlkitError
from ctrlkit.model import Action, Verb
from ctrlkit.model.kinds import PODS
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.metrics import RestCollector
from ctrlkit.wire.transport import RestTransport
from tests.unit.wire.support import answers, refuses, resets, serving, streams

GET = Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a")
LIST = Action(verb=Verb.LIST, resource=PODS)
WATCH = Action(verb=Verb.WATCH, resource=PODS)
CREATE = Action(verb=Verb.CREATE, resource=PODS, namespace="demo", name="a", body={"metadata": {"name": "a"}})
POD = {"metadata": {"name": "a"}}


async def _try(transport: RestTransport, action: Action) -> None:
    with suppress(CtrlkitError):
        if action.verb is not Verb.WATCH:
            await transport.do(action)
            return
        async with transport.watch(action) as lines:
            async for _ in lines:
                pass


@pytest.mark.behaviour("C7")
async def test_requests_are_counted_by_code_and_method() -> None:
    """Each attempt, retries included; a watch once, however it ends; `<error>` where no answer came."""
    replies = [
        answers(POD),
        refuses(429, "TooManyRequests", Retry_After="1"),
        answers(POD),
        refuses(409, "AlreadyExists"),
        resets(),
        streams(b"{}\n", b'{"', cut=True),
        answers(b"", status=307, headers={"Location": "http://elsewhere"}),
    ]
    async with serving(*replies) as server, RestTransport(Endpoint(server=server.url)) as transport:
        assert transport.statistics().requests == {}
        for action in (GET, LIST, CREATE, CREATE, WATCH, GET):
            await _try(transport, action)
        statistics = transport.statistics()
    assert statistics.host == server.address
    assert statistics.requests == {
        ("200", "GET"): 3,
        ("429", "GET"): 1,
        ("409", "POST"): 1,
        ("<error>", "POST"): 1,
        ("307", "GET"): 1,
    }
    assert sum(statistics.requests.values()) == len(server.asked)


@pytest.mark.behaviour("C7")
async def test_what_is_never_answered_is_counted_too() -> None:
    """A connection refused, a time limit passed, and a caller that did not wait."""

    async def hangs(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(3600)
        return web.Response()

    async with serving(hangs) as server, RestTransport(Endpoint(server=server.url)) as transport:
        await _try(transport, GET)
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await transport.do(CREATE)
        assert transport.statistics().requests == {("<error>", "GET"): 1, ("<error>", "POST"): 1}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with RestTransport(Endpoint(server=f"http://127.0.0.1:{taken.getsockname()[1]}")) as transport:
            await _try(transport, CREATE)
            assert transport.statistics().requests == {("<error>", "POST"): 1}


@pytest.mark.behaviour("C7", "B19")
async def test_the_metric_is_registered_and_moves() -> None:
    """Under client-go's name and labels; transports to one host are added up, and a client has its own at hand."""
    registry = CollectorRegistry()
    transports: list[RestTransport] = []
    registry.register(RestCollector(lambda: transports))
    assert [family.name for family in registry.collect()] == ["rest_client_requests"]
    async with serving(answers(POD)) as server, serving(refuses(403, "Forbidden")) as other:
        for url in (server.url, server.url, other.url):
            async with RestTransport(Endpoint(server=url)) as transport:
                client = Client(transport)
                with suppress(CtrlkitError):
                    await client.get(PODS, "demo/a")
                assert client.transport is transport
                transports.append(transport)

    def value(code: str, host: str) -> float | None:
        labels = {"code": code, "method": "GET", "host": host}
        return registry.get_sample_value("rest_client_requests_total", labels)

    assert (value("200", server.address), value("403", other.address)) == (2.0, 1.0)
    assert value("<error>", server.address) is None
