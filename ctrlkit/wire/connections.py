"""
The pool of connections to one server: choose one for each request, and send each request once.

In      Requests of the HTTP library, and what became of them (`trying`).
Out     A connection for each; `sent_once`, which keeps the library from sending anything a second time.
Owns    What is known of each connection that waits to be used again.

N-a  A request leaves once. The library would send a GET, PUT or DELETE again by itself when its connection is lost,
     and a write that was carried out would come back as Conflict or NotFound. Who repeats a call is transport.py.
N-b  Nothing may have come on a connection while it waited. Its end means that the server closed it; anything else
     would be taken for the answer to the next request.
N-c  After an attempt that ended without an answer (timed out, cut, given up), no connection is used again that was used
     last before that attempt began: what made one go dark may have made all of them.
N-d  A connection waits for 8 s at most: servers and what is in front of them close those that wait, after 10 s at the
     earliest in what is customary, and a request that meets such an end on the way is lost.
N-e  The system asks the other end of each whether it is still there, and so notices most that are not within two
     minutes.
N-f  A connection outlives the call that it was made for, and so has no part of that call's context: what a reconcile
     has in its context variables ends with it.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientTimeout
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from ctrlkit.errors import CtrlkitError

KEPT_ALIVE_S = 8.0
ALIVE_IDLE_S = 30
ALIVE_EVERY_S = 15
ALIVE_TRIES = 4


class ConnectionLost(aiohttp.ClientConnectionError):
    """
    The connection of a request was lost, and some of the request may have left. `cause` is the library's own error.

    That is of none of the classes after which the library sends a request again, so that it lets this one pass.
    """

    def __init__(self, cause: aiohttp.ClientError) -> None:
        super().__init__(*cause.args)
        self.cause = cause


class NotConnected(ConnectionLost):
    """The same, where a proxy closed the connection before it led to the server: nothing of the request has left."""


async def sent_once(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """A middleware of the HTTP library under which it sends nothing twice."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionLost(error) from error


class Connections(aiohttp.TCPConnector):
    """
    The kept-alive connections of one transport, as many as are needed.

        connections = Connections()
        session = aiohttp.ClientSession(connector=connections, middlewares=(sent_once,))
        with connections.trying():
            ...  # one attempt, from its start to the end of its answer
    """

    def __init__(self) -> None:
        super().__init__(limit=0, keepalive_timeout=KEPT_ALIVE_S, socket_factory=alive_socket)
        self._moments = count()
        self._used_at: WeakKeyDictionary[ResponseHandler, int] = WeakKeyDictionary()
        self._trusted_from = 0
        self._context = copy_context()

    @contextmanager
    def trying(self) -> Iterator[None]:
        """One attempt; one that ends without an answer makes those connections suspect that were used before."""
        began = next(self._moments)
        try:
            yield
        except CtrlkitError:
            raise  # an answer, or nothing was asked
        except BaseException:
            self._trusted_from = max(self._trusted_from, began)
            raise

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        """A connection for a request: one that waits and may be used again, else a new one."""
        while True:
            try:
                connection = await super().connect(req, traces, timeout)
            except aiohttp.ClientConnectorError:
                raise
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
                raise NotConnected(error) from error
            protocol = connection.protocol
            if protocol is None or self._may_carry(protocol):
                return connection
            connection.close()

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        making = super()._create_connection(req, traces, timeout)
        return await self._context.run(asyncio.create_task, making, name="connect")

    def _release(self, *args: Any, **options: Any) -> None:
        self._context.run(super()._release, *args, **options)

    def _may_carry(self, protocol: ResponseHandler) -> bool:
        used_at = self._used_at.get(protocol)
        self._used_at[protocol] = next(self._moments)
        return used_at is None or (used_at >= self._trusted_from and _nothing_came(protocol))


def _nothing_came(protocol: ResponseHandler) -> bool:
    """Whether a connection that waited has brought nothing, not even its end; what is not read yet counts."""
    if protocol.should_close or protocol.transport is None:
        return False
    waiting = protocol.transport.get_extra_info("socket")
    if waiting is None or not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(waiting.fileno(), select.POLLIN)
    return not poll.poll(0)


def alive_socket(address: tuple[Any, Any, int, str, Any]) -> socket.socket:
    """A socket whose system asks the other end whether it is still there, and ends a connection whose end is not."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("KEEPIDLE", ALIVE_IDLE_S), ("KEEPINTVL", ALIVE_EVERY_S), ("KEEPCNT", ALIVE_TRIES)):
        option = getattr(socket, f"TCP_{name}", None)  # a system may lack one, and then has its own number
        if option is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
