"""
What proxies, gateways and broken servers make of a truthful answer, as functions from bytes to bytes.

A lie never says something that only a truthful server could say: nobody could tell that from the truth.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec
from hypothesis import strategies as st

from ctrlkit.model import Action, Lines, Transport

Lie = Callable[[bytes], bytes]
DEPTHS = (40, 990, 1_100, 10_000)
FAILURE = b'{"kind":"Status","status":"Failure","code":503}'
EXPIRED = b'{"kind":"Status","apiVersion":"v1","status":"Failure","code":410,"reason":"Expired","message":"too old"}'
SUCCESS = b'{"kind":"Status","apiVersion":"v1","status":"Success","code":200}'
PAGES = (
    b"",
    b"<html><body>502 Bad Gateway</body></html>",
    b"upstream connect error",
    b"[]",
    b"{}",
    b"null",
    b"5",
    b'{"message":"no route"}',
    b'{"items":[]}',
    b'{"kind":5,"apiVersion":{},"metadata":[],"items":{}}',
    b'{"kind":"Status","apiVersion":"v1","metadata":5,"status":"Failure","code":"x","details":[],"reason":{}}',
    b'{"kind":"Status","code":1%b}' % (b"0" * 400),
    FAILURE,
    EXPIRED,
    b'{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"9"},"columnDefinitions":[],"rows":[]}',
    b'{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[]}',
    b'{"kind":"ConfigMapList","apiVersion":"v2","metadata":{"resourceVersion":"9"},"items":[]}',
    b'{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"9"}}',
    b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"9"},"items":[]}',
    b'{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a","namespace":"default","resourceVersion":"9"}}',
    b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"other","namespace":"default","resourceVersion":"9"}}',
    b'{"kind":"Status","a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    b"[" * 10_000,
)
"""Answers that say nothing of what was asked for."""


def instead() -> st.SearchStrategy[Lie]:
    """Something else in the place of an answer."""
    return st.sampled_from(PAGES).map(lambda page: lambda _: page)


def mangled() -> st.SearchStrategy[Lie]:
    """An answer that went through the wrong hands: cut, or in another encoding."""

    def cut(share: float) -> Lie:
        return lambda data: data[: int(len(data) * share)]

    return st.one_of(
        st.floats(0, 0.999).map(cut),
        st.sampled_from(["utf-16", "utf-32-le", "utf-8-sig"]).map(lambda to: lambda data: data.decode().encode(to)),
    )


def without_a_part() -> st.SearchStrategy[Lie]:
    """An answer of which a field is missing, null, or of another type."""
    paths = st.sampled_from(
        [("kind",), ("metadata",), ("items",), ("metadata", "name"), ("metadata", "resourceVersion")]
    )
    values: st.SearchStrategy[Any] = st.sampled_from([..., None, 5, [], {}, "x" * 300])

    def spoil(path: tuple[str, ...], value: Any) -> Lie:
        def lie(data: bytes) -> bytes:
            document = msgspec.json.decode(data)
            if path[0] == "items" and ("items" not in document or value in (None, [])):
                return data  # it would say that there are none
            if path[-1] == "resourceVersion" and isinstance(value, str):
                return data  # it would say that it is another one
            _put(document, path, value)
            return msgspec.json.encode(document)

        return lie

    return st.builds(spoil, paths, values)


def poisoned() -> st.SearchStrategy[Lie]:
    """An answer in which one object cannot be read, for what is in its data."""
    return st.tuples(st.integers(0, 9), poison()).map(lambda drawn: lambda data: _poison(data, *drawn))


def poison() -> st.SearchStrategy[bytes]:
    """What makes an object unreadable, or nearly so."""
    nested = st.sampled_from(DEPTHS).map(lambda depth: b'{"x":' * depth + b"1" + b"}" * depth)
    arrays = st.sampled_from(DEPTHS).map(lambda depth: b"[" * depth + b"]" * depth)
    others = [b"NaN", b'"\xff\xfe"', b'"\\ud800"', b"1" + b"0" * 400, b"1" + b"0" * 9_000, b"1e999", b'"\\q"', b"5"]
    return st.one_of(nested, arrays, st.sampled_from(others))


def _put(document: Any, path: tuple[str, ...], value: Any) -> None:
    *into, last = path
    for name in into:
        document = document.get(name) if isinstance(document, dict) else None
    if not isinstance(document, dict):
        return
    if value is ...:
        document.pop(last, None)
    else:
        document[last] = value


def _poison(data: bytes, which: int, value: bytes) -> bytes:
    """In the place of one object's data; whichever there is."""
    places = data.count(b'"data":{')
    if not places:
        return data
    begin = -1
    for _ in range(which % places + 1):
        begin = data.index(b'"data":{', begin + 1)
    end = data.index(b"}", begin)
    return b'%b"data":%b%b' % (data[:begin], value, data[end + 1 :])


class Liar:
    """
    Stands between a client and a server: what it is told to lie about it lies about, once each, in order.

    Shape   `of_documents` are for answers, `of_lines` for the lines of watches, bookmarks excepted. `None` is the
            truth. What a lie makes of a line is one line.
    """

    streams_lists = True

    def __init__(self, server: Transport) -> None:
        self.of_documents: deque[Lie | None] = deque()
        self.of_lines: deque[Lie | None] = deque()
        self.requests = 0
        self._server = server
        self._open: set[asyncio.Event] = set()

    def end_watches(self) -> None:
        """Close those there are, as a server does."""
        for ending in self._open:
            ending.set()

    def tell_the_truth(self) -> None:
        """From now on."""
        self.of_documents.clear()
        self.of_lines.clear()

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch (Transport)."""
        self.requests += 1
        lie = self.of_documents.popleft() if self.of_documents else None
        answer = await self._server.do(action)
        return answer if lie is None else lie(answer)

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        """Open a watch (Transport)."""
        self.requests += 1
        ending = asyncio.Event()
        self._open.add(ending)
        try:
            async with self._server.watch(action) as lines, aclosing(self._told(lines, ending)) as told:
                yield told
        finally:
            self._open.discard(ending)

    async def _told(self, lines: Lines, ending: asyncio.Event) -> AsyncGenerator[Sequence[bytes], None]:
        ended = asyncio.create_task(ending.wait())
        try:
            while True:
                coming = asyncio.ensure_future(anext(lines, None))
                await asyncio.wait([coming, ended], return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait([coming])
                    return
                batch = coming.result()
                if batch is None:
                    return
                yield [self._line(line) for line in batch]
        finally:
            ended.cancel()
            await asyncio.wait([ended])

    def _line(self, line: bytes) -> bytes:
        if b'"BOOKMARK"' in line or not self.of_lines:
            return line
        lie = self.of_lines.popleft()
        return line if lie is None else lie(line).replace(b"\n", b" ") or b"-"
