"""
What arrives on an open response: the lines of a watch, the pieces of a text.

Errors  StreamBroken where the connection is lost; TimedOut where the end, or the next piece of a text, does not come in
        time.
"""

from __future__ import annotations

import asyncio

import aiohttp

from ctrlkit.clock import monotonic
from ctrlkit.errors import TimedOut
from ctrlkit.wire.errors import broken
from ctrlkit.wire.secrets import Sealed


class LineSplitter:
    r"""
    Splits a stream of bytes into lines; empty lines are skipped.

    >>> lines = LineSplitter()
    >>> lines.feed(b'{"a":1}\n{"b"'), lines.feed(b':2}\n'), lines.feed(b'{')
    ([b'{"a":1}'], [b'{"b":2}'], [])
    >>> lines.unfinished
    1

    Shape   Lines come without their newline. No limit on their length: an object may be large.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes; returns the lines that they complete."""
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines and self._parts:
            self._parts.append(lines[0])
            lines[0] = b"".join(self._parts)
            self._parts.clear()
        if rest:
            self._parts.append(rest)
        return [line for line in lines if line and not line.isspace()]

    @property
    def unfinished(self) -> int:
        """How many bytes of a line are waiting for its end: a stream that ends while there are any was cut."""
        return sum(len(part.rstrip()) for part in self._parts)


class _Stream:
    """What arrives on an open response; its end must come within `limit_s`, where that is not None."""

    _again = "watch again from the last version"

    def __init__(
        self, response: aiohttp.ClientResponse, *, attempted: str, evidence: str, limit_s: float | None
    ) -> None:
        self._content = response.content
        self._limit_s = limit_s
        self._ends_at = None if limit_s is None else monotonic() + limit_s
        self._attempted = attempted
        self._evidence = evidence

    async def _chunk(self) -> bytes:
        """The next bytes; empty at the end."""
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await self._content.readany()
        except TimeoutError as error:
            raise TimedOut(
                f"{self._attempted}: the stream had not ended after {self._limit_s:g} s, as it should have; "
                f"{self._again} [{self._evidence}]"
            ) from error
        except Exception as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception | None, unfinished: int = 0) -> Exception:
        return broken(
            error, attempted=self._attempted, evidence=self._evidence, unfinished=unfinished, next_step=self._again
        )


class LineStream(_Stream):
    """The lines of an open watch, as many at a time as have arrived."""

    def __init__(
        self, response: aiohttp.ClientResponse, *, attempted: str, evidence: str, limit_s: float | None
    ) -> None:
        super().__init__(response, attempted=attempted, evidence=evidence, limit_s=limit_s)
        self._splitter = LineSplitter()

    def __aiter__(self) -> LineStream:
        return self

    async def __anext__(self) -> list[bytes]:
        with Sealed():
            return await self._next()

    async def _next(self) -> list[bytes]:
        while True:
            chunk = await self._chunk()
            if not chunk:
                if self._splitter.unfinished:
                    raise self._broken(None, self._splitter.unfinished)
                raise StopAsyncIteration
            lines = self._splitter.feed(chunk)
            if lines:
                return lines

    def _broken(self, error: Exception | None, unfinished: int = 0) -> Exception:
        return super()._broken(error, unfinished or self._splitter.unfinished)


class TextStream(_Stream):
    """The pieces of a text as they arrive; each must come within the limit."""

    _again = "read it again"

    def __aiter__(self) -> TextStream:
        return self

    async def __anext__(self) -> bytes:
        with Sealed():
            chunk = await self._chunk()
            if not chunk:
                raise StopAsyncIteration
            self._ends_at = None if self._limit_s is None else monotonic() + self._limit_s
            return chunk
