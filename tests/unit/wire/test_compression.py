"""Lists come compressed where the server offers it; watches never do."""

from __future__ import annotations

import msgspec
import pytest
from aiohttp import web

from ctrlkit.client import Client
from ctrlkit.errors import Unreachable
from ctrlkit.model import Action, Verb
from ctrlkit.model.kinds import PODS
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.unit.wire.support import answers, serving

COUNT = 2_000
LIST = Action(verb=Verb.LIST, resource=PODS)
PODS_BODY = msgspec.json.encode(
    {
        "kind": "PodList",
        "metadata": {"resourceVersion": "7"},
        "items": [
            {"metadata": {"name": f"web-{n:06}", "namespace": "demo"}, "spec": {"x": "y" * 500}} for n in range(COUNT)
        ],
    }
)


async def compressed(request: web.BaseRequest) -> web.StreamResponse:
    """What kube-apiserver does with answers above 128 KB: compressed for those who ask for it."""
    response = web.StreamResponse()
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        response.enable_compression(web.ContentCoding.gzip)
    await response.prepare(request)
    for start in range(0, len(PODS_BODY), 4096):
        await response.write(PODS_BODY[start : start + 4096])
    await response.write_eof()
    SENT.append((response.headers.get("Content-Encoding", ""), response.body_length))
    return response


SENT: list[tuple[str, int]] = []
"""Of each answer how it was encoded, and how many bytes went over the wire."""


@pytest.fixture(autouse=True)
def nothing_sent() -> None:
    SENT.clear()


async def test_a_list_travels_compressed_and_arrives_whole() -> None:
    """A twentieth of its bytes go over the wire."""
    async with serving(compressed) as server, RestTransport(Endpoint(server=server.url)) as transport:
        assert await transport.do(LIST) == PODS_BODY
        pods = await Client(transport).list(PODS)
    assert [pod.key.name for pod in pods] == [f"web-{number:06}" for number in range(COUNT)]
    assert server.asked[0].headers["Accept-Encoding"] == "gzip", "API servers know no other"
    for encoding, length in SENT:
        assert encoding == "gzip"
        assert 0 < length < len(PODS_BODY) / 20


async def test_a_watch_asks_for_no_compression() -> None:
    """Somebody on the way might hold an event back until a block is full."""
    watch = Action(verb=Verb.WATCH, resource=PODS)
    async with (
        serving(compressed) as server,
        RestTransport(Endpoint(server=server.url)) as transport,
        transport.watch(watch) as lines,
    ):
        with pytest.raises(Exception, match="cut within a line"):
            await anext(lines)
    assert server.asked[0].headers["Accept-Encoding"] == "identity"
    assert SENT[0][0] == ""


async def test_an_answer_that_cannot_be_decompressed_is_none() -> None:
    """The error says what was asked of whom, and is not waited out as a lost connection is."""
    broken = answers(b"no gzip at all", headers={"Content-Encoding": "gzip"})
    async with serving(broken) as server, RestTransport(Endpoint(server=server.url)) as transport:
        with pytest.raises(Unreachable, match=r"list pods \*: .* is not compressed as its Content-Encoding says"):
            await transport.do(LIST)
    assert len(server.asked) == 1
