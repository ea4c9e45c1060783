"""
Byte streams that subresources of pods open: the text of a log, and the channels of exec, attach and port-forward.

A channel is a number in front of each message, as in the WebSocket protocols `v4.channel.k8s.io` and
`v5.channel.k8s.io`. Of exec and attach they are those of `Channel`; of port-forward the n-th port (counted from 0) has
2n for data and 2n + 1 for errors, and the first message on each is its port number, two bytes, little-endian.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from enum import IntEnum
from typing import NamedTuple, Protocol

from ctrlkit.model.action import Action, Transport

V5 = "v5.channel.k8s.io"
"""The protocol in which one channel can be closed, so that a command sees the end of its stdin."""
V4 = "v4.channel.k8s.io"
CLOSED = 255
"""In v5, a message of this channel names the one on which no more comes."""


class Channel(IntEnum):
    """The channels of exec and attach."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    """Carries one `metav1.Status` at the end: Success, or why there is none, such as another exit code than 0."""
    RESIZE = 4
    """Carries `{"Width": columns, "Height": rows}` of the terminal."""


class Message(NamedTuple):
    """Some bytes of a channel."""

    channel: int
    data: bytes


class Connection(Protocol):
    """
    One open connection with channels.

    Errors  StreamBroken from `send` and `receive` where the connection is lost.
    """

    @property
    def protocol(self) -> str:
        """The protocol that the other end chose."""
        ...

    async def send(self, channel: int, data: bytes) -> None:
        """Send bytes on a channel; waits while the other end takes none."""
        ...

    async def close_channel(self, channel: int) -> None:
        """Say that no more comes on a channel; does nothing in a protocol that cannot say so."""
        ...

    async def receive(self) -> Message | None:
        """Wait for the next message; None when the other end has closed the connection."""
        ...


class StreamTransport(Transport, Protocol):
    """A Transport that opens byte streams too; `RestTransport`, `Tracker` and `FakeClientset` do."""

    def read(self, action: Action) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a text, in pieces as they arrive; leaving the context closes it."""
        ...

    def connect(self, action: Action, protocols: Sequence[str]) -> AbstractAsyncContextManager[Connection]:
        """Open a connection with channels, in one of these protocols, the best first; leaving the context closes it."""
        ...
