"""What performs an Action: HTTP to a server, or a fake in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ctrlkit.model.action import Action

Lines = AsyncIterator[Sequence[bytes]]


class Transport(Protocol):
    """
    Carries Actions to a server.

    Shape   Answers are JSON documents as bytes, watches are JSON lines (without the newline), several at a time as they
            arrive. Bytes are what cannot be changed, so a fake may hand out what it stores.
    Errors  ApiError for a refusal, TransportError where no answer came. `watch` raises both on entering, and while
            iterating TransportError where the stream breaks; a stream that ends cleanly just ends. A Status inside the
            stream is a line like any other.
    """

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch."""
        ...

    def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        """Open a watch; leaving the context closes it."""
        ...
