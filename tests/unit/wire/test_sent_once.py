"""
A write leaves once, wherever its connection ends; and nobody is told of a success that nobody heard of.

The server keeps connections alive, and ends one after so many bytes of an exchange: those of the request first, then
those of the answer. It counts the requests that came whole, which are those that a server may carry out.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from ctrlkit import clock
from ctrlkit.errors import ApiError, CtrlkitError, TimedOut, Unreachable
from ctrlkit.model import Action, Options, PatchType, Verb
from ctrlkit.model.kinds import PODS
from ctrlkit.wire.answers import READ_AGAIN
from ctrlkit.wire.connections import KEPT_ALIVE_S
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import CUT_WAIT_S, RestTransport
from tests.support.proxy import proxy_to

POD = b'{"kind":"Pod","metadata":{"name":"a"}}'
GET = Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a")
LIST = Action(verb=Verb.LIST, resource=PODS, namespace="demo")
WATCH = Action(verb=Verb.WATCH, resource=PODS)
CREATE = Action(verb=Verb.CREATE, resource=PODS, namespace="demo", body={"spec": {}})
UPDATE = Action(verb=Verb.UPDATE, resource=PODS, namespace="demo", name="a", body={"spec": {}})
PATCH = Action(verb=Verb.PATCH, resource=PODS, namespace="demo", name="a", body={}, patch_type=PatchType.MERGE)
DELETE = Action(verb=Verb.DELETE, resource=PODS, namespace="demo", name="a")
DELETE_SOME = Action(
    verb=Verb.DELETE_COLLECTION, resource=PODS, namespace="demo", options=Options(propagation_policy="Foreground")
)
READS = (GET, LIST)
WRITES = (CREATE, UPDATE, PATCH, DELETE, DELETE_SOME)

FRAMINGS = {
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(POD), POD),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(POD), POD),
    "words before it": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
    % (len(POD), POD),
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(POD), POD),
}


class Ending:
    """How a connection ends."""

    @staticmethod
    def close(writer: asyncio.StreamWriter) -> None:
        """With a word: the other end reads an end."""
        writer.close()

    @staticmethod
    def reset(writer: asyncio.StreamWriter) -> None:
        """Without: the other end reads that it was reset."""
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()


@dataclass
class Severing:
    """A server on loopback that answers all requests alike, and ends the connection of one of them."""

    answer: bytes = FRAMINGS["a length"]
    url: str = ""
    whole: Counter[bytes] = field(default_factory=Counter)
    """Requests that came to their end, by method."""
    begun: int = 0
    """Requests of which anything came."""
    last_bytes: int = 0
    """The length of the last request that came whole."""
    request_bytes: int = 0
    """The length of the request in whose exchange a connection is to end."""
    left: int | None = None
    """How many bytes of the next exchange pass before its connection ends; None: it goes on."""
    end: Callable[[asyncio.StreamWriter], None] = Ending.close
    connection: asyncio.StreamWriter | None = None
    """The one that was made last."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self.connection = writer
        with suppress(OSError, asyncio.IncompleteReadError):
            while await self._exchange(reader, writer):
                pass
        self.end(writer)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = await reader.readexactly(1)
        self.begun += 1
        left, self.left = self.left, None
        if left is None:
            await self._rest(reader, first)
            writer.write(self.answer)
            await writer.drain()
            return True
        if left < self.request_bytes:
            await reader.readexactly(left - 1)
            return False
        await self._rest(reader, first)
        writer.write(self.answer[: left - self.request_bytes])
        await writer.drain()
        return False

    async def _rest(self, reader: asyncio.StreamReader, first: bytes) -> None:
        head = first + await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        body = await reader.readexactly(int(lengths[0].partition(b":")[2])) if lengths else b""
        self.last_bytes = len(head) + len(body)
        self.whole[head.partition(b" ")[0]] += 1


@asynccontextmanager
async def severing(answer: bytes = FRAMINGS["a length"]) -> AsyncIterator[tuple[Severing, RestTransport]]:
    """The server, and a transport that has one connection to it."""
    script = Severing(answer)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await script.serve(reader, writer)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener:
        async with RestTransport(Endpoint(server=script.url)) as transport:
            yield script, transport
        await asyncio.gather(*tasks, return_exceptions=True)


async def _severed(script: Severing, transport: RestTransport, action: Action, *, left: int) -> bytes | CtrlkitError:
    """Perform an action over a connection that was used before, and that ends after so many bytes."""
    await transport.do(GET)
    script.whole.clear()
    script.begun, script.left = 0, left
    try:
        return await transport.do(action)
    except CtrlkitError as error:
        return error


async def _check_write(script: Severing, transport: RestTransport, action: Action, *, left: int) -> None:
    outcome = await _severed(script, transport, action, left=left)
    assert script.begun == 1
    assert script.whole.total() == (left >= script.request_bytes)
    if left == script.request_bytes + len(script.answer):
        assert outcome == POD
    else:
        assert isinstance(outcome, Unreachable), outcome
        assert READ_AGAIN in str(outcome)


async def _check_read(script: Severing, transport: RestTransport, action: Action, *, left: int) -> None:
    began = clock.monotonic()
    assert await _severed(script, transport, action, left=left) == POD
    in_one_go = left == script.request_bytes + len(script.answer)
    assert clock.monotonic() - began == (0 if in_one_go else CUT_WAIT_S)
    assert script.whole.total() == (left >= script.request_bytes) + (not in_one_go)


async def _at_every_byte(
    action: Action, answer: bytes, *ends: Callable[[asyncio.StreamWriter], None], step: int = 1
) -> None:
    async with severing(answer) as (script, transport):
        await transport.do(action)
        script.request_bytes = script.last_bytes
        check = _check_write if action.verb.writes else _check_read
        for left in range(script.request_bytes + len(answer), 0, -step):
            script.end = ends[left % len(ends)]
            await check(script, transport, action, left=left)


@pytest.mark.parametrize(
    ("action", "step"),
    [(UPDATE, 1), (DELETE, 1), *((action, 7) for action in (GET, LIST, CREATE, PATCH, DELETE_SOME))],
    ids=lambda value: str(getattr(value, "verb", value)),
)
async def test_a_connection_may_end_at_any_byte(action: Action, step: int) -> None:
    """No write is received twice, and it succeeded if its whole answer came; a read is tried again after a second."""
    await _at_every_byte(action, FRAMINGS["a length"], Ending.close, Ending.reset, step=step)


@pytest.mark.long
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("action", [*READS, *WRITES], ids=lambda action: str(action.verb))
async def test_a_connection_may_end_at_any_byte_of_any_answer(action: Action, framing: str) -> None:
    """However an answer says how long it is, and whichever way connections end."""
    await _at_every_byte(action, FRAMINGS[framing], Ending.close, Ending.reset)
    await _at_every_byte(action, FRAMINGS[framing], Ending.reset, Ending.close)


async def test_a_write_that_timed_out_says_that_nobody_knows() -> None:
    """Its connection is not used again, and it is not sent again."""
    async with severing(b"") as (script, transport):
        with pytest.raises(TimedOut, match=READ_AGAIN):
            await transport.do(UPDATE)
        assert script.whole == {b"PUT": 1}


# ---- refusals that say when to try again ------------------------------------------------------------------------


def _refusal(code: int) -> bytes:
    return b"HTTP/1.1 %d No\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n" % code


@pytest.mark.behaviour("C2")
@pytest.mark.parametrize("action", [GET, *WRITES], ids=lambda action: str(action.verb))
@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_a_refused_write_is_sent_again_only_where_it_was_not_begun(code: int, action: Action) -> None:
    """429 says so, and a 503 with a Status; a gateway's 503 or time-out may come after it was carried out."""
    async with severing(_refusal(code)) as (script, transport):
        with pytest.raises(ApiError) as caught:
            await transport.do(action)
    assert caught.value.code == code
    assert script.whole.total() == (1 if action.verb.writes and code != 429 else 11)


# ---- connections that wait --------------------------------------------------------------------------------------


def _its_socket(script: Severing) -> socket.socket:
    """The server's end of the connection that was made last, to act on without a turn of the loop."""
    assert script.connection is not None
    return socket.socket(fileno=os.dup(script.connection.get_extra_info("socket").fileno()))


async def test_a_connection_that_was_closed_while_it_waited_is_not_used() -> None:
    """Even if the loop was busy and has not heard of it yet: no write is lost on it."""
    async with severing() as (script, transport):
        await transport.do(GET)
        with _its_socket(script) as its:
            its.shutdown(socket.SHUT_RDWR)
        assert await transport.do(DELETE) == POD
        assert script.whole == {b"GET": 1, b"DELETE": 1}


UNASKED = {
    "an answer": FRAMINGS["a length"],
    "the gateway's own time limit": b"HTTP/1.0 408 Request Time-out\r\nConnection: close\r\n\r\n<html>",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
}


@pytest.mark.parametrize("turns", [0, 5])
@pytest.mark.parametrize("unasked", UNASKED.values(), ids=UNASKED)
async def test_what_comes_on_a_connection_that_waits_is_no_answer(unasked: bytes, turns: int) -> None:
    """Whether the loop has read it yet or not: the next request goes over another connection."""
    async with severing() as (script, transport):
        await transport.do(GET)
        with _its_socket(script) as its:
            its.send(unasked)
        for _ in range(turns):
            await asyncio.sleep(0)
        script.answer = _refusal(404)
        with pytest.raises(ApiError, match="404"):
            await transport.do(DELETE)
        assert script.whole == {b"GET": 1, b"DELETE": 1}


async def test_a_connection_waits_less_long_than_servers_let_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no request meets its end on the way, as it would each time where both waited equally long."""
    monkeypatch.setattr("aiohttp.connector.monotonic", clock.monotonic)
    async with severing() as (script, transport):
        await transport.do(GET)
        first = script.connection
        await asyncio.sleep(KEPT_ALIVE_S - 0.1)
        await transport.do(GET)
        assert script.connection is first
        await asyncio.sleep(KEPT_ALIVE_S + 0.1)
        await transport.do(GET)
        assert script.connection is not first


async def _five_that_wait(transport: RestTransport) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(transport.do(GET))


async def _wait_for(transport: RestTransport) -> None:
    with pytest.raises(TimedOut):
        await transport.do(UPDATE)


async def _give_up(transport: RestTransport) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await transport.do(UPDATE)


@pytest.mark.parametrize("unanswered", [_wait_for, _give_up])
async def test_after_a_call_without_an_answer_the_next_has_a_new_connection(
    unanswered: Callable[[RestTransport], Awaitable[None]],
) -> None:
    """Five connections go dark: one call is lost, timed out here or given up by who waited, and not five."""
    async with severing() as (script, upstream), proxy_to(int(script.url.rpartition(":")[2])) as proxy:
        del upstream
        async with RestTransport(Endpoint(server=proxy.url)) as transport:
            await _five_that_wait(transport)
            proxy.lose()
            await unanswered(transport)
            began = clock.monotonic()
            for _ in range(5):
                await transport.do(UPDATE)
            assert clock.monotonic() == began


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 Connection est", b"HTTP/1.1 200 OK\r\n"])
async def test_a_write_that_its_proxy_dropped_was_not_sent(answer: bytes) -> None:
    """The tunnel was never there, so that nothing has left, and the error does not say that nobody knows."""
    asked: list[bytes] = []

    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    listener = await asyncio.start_server(drop, "127.0.0.1", 0)
    async with listener:
        proxy = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        endpoint = Endpoint(server="https://10.0.0.1:6443", tls=ssl.create_default_context(), proxy=proxy)
        async with RestTransport(endpoint) as transport:
            with pytest.raises(Unreachable, match="closed the connection before it led there") as caught:
                await transport.do(UPDATE)
    assert READ_AGAIN not in str(caught.value)
    assert len(asked) == 1
