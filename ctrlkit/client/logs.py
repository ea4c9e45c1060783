"""The log of a container, as one text or line by line."""

from __future__ import annotations

import codecs
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing
from datetime import datetime
from typing import Any

from ctrlkit import clock
from ctrlkit.client.calls import Calls
from ctrlkit.model import Action


class Logs:
    """
    What `Client.logs` returns: wait for it to have the whole text, or iterate over it to have the lines as they come.

    Each of the two asks the server anew. Bytes that are no UTF-8 come as U+FFFD. Lines come without their newline.
    """

    def __init__(self, calls: Calls, action: Action) -> None:
        self._calls = calls
        self._action = action

    def __await__(self) -> Generator[Any, None, str]:
        return self._whole().__await__()

    def __aiter__(self) -> AsyncIterator[str]:
        return self._lines()

    async def _whole(self) -> str:
        return "".join([text async for text in self._texts()])

    async def _lines(self) -> AsyncIterator[str]:
        rest: list[str] = []
        async with aclosing(self._texts()) as texts:
            async for text in texts:
                first, *more = text.split("\n")
                rest.append(first)
                for line in more:
                    yield "".join(rest)
                    rest = [line]
        if any(rest):
            yield "".join(rest)

    async def _texts(self) -> AsyncGenerator[str, None]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        async with self._calls.read(self._action) as pieces:
            async for piece in pieces:
                yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)


def log_parameters(
    *,
    container: str,
    follow: bool,
    previous: bool,
    timestamps: bool,
    since_s: int | None,
    since_time: datetime | None,
    tail_lines: int | None,
    limit_bytes: int | None,
) -> tuple[tuple[str, str], ...]:
    """
    The query of a log; what is not asked for is left out.

    >>> plain = dict(follow=False, previous=False, timestamps=False, since_s=None, since_time=None, limit_bytes=None)
    >>> log_parameters(container="web", tail_lines=10, **plain)
    (('container', 'web'), ('tailLines', '10'))

    Errors  ValueError for a time without a time zone.
    """
    if since_time is not None and since_time.tzinfo is None:
        raise ValueError(f"logs since {since_time}: the time has no time zone; give it one, such as UTC")
    asked: dict[str, object] = {
        "container": container or None,
        "follow": "true" if follow else None,
        "previous": "true" if previous else None,
        "timestamps": "true" if timestamps else None,
        "sinceSeconds": since_s,
        "sinceTime": None if since_time is None else clock.timestamp(since_time),
        "tailLines": tail_lines,
        "limitBytes": limit_bytes,
    }
    return tuple((name, str(value)) for name, value in asked.items() if value is not None)
