"""Terminals for processes of this machine: what a program takes for a screen and a keyboard."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from types import TracebackType

from ctrlkit.fakes.tracker.runtime import TerminalSize

_LIMIT_BYTES = 64 * 1024


async def reader_of(descriptor: int) -> asyncio.StreamReader:
    """Read from a pipe or terminal, and close it when it ends."""
    reader = asyncio.StreamReader(limit=_LIMIT_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    return reader


async def writer_of(descriptor: int) -> asyncio.StreamWriter:
    """Write to a pipe or terminal; whoever closes the writer closes it."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop), os.fdopen(descriptor, "wb", buffering=0)
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


class Terminal:
    """
    A terminal, in whose place this process reads and writes.

    Shape   `path` is what the program opens; `reader` has what it writes, and ends, by an OSError (EIO) on Linux, after
            `program_ended`. `writer` is for what is typed.
    Owner   Whoever opened it closes it.
    """

    def __init__(self, ours: int, theirs: int) -> None:
        self._ours = ours
        self._theirs: int | None = theirs
        self.path: str = os.ttyname(theirs)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @classmethod
    async def open(cls) -> Terminal:
        """Open one."""
        ours, theirs = os.openpty()
        terminal = cls(ours, theirs)
        terminal._writer = await writer_of(os.dup(ours))
        terminal._reader = await reader_of(ours)
        return terminal

    async def __aenter__(self) -> Terminal:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def reader(self) -> asyncio.StreamReader:
        """What the program writes."""
        assert self._reader is not None  # since it was opened
        return self._reader

    @property
    def writer(self) -> asyncio.StreamWriter:
        """What is typed."""
        assert self._writer is not None  # since it was opened
        return self._writer

    def program_ended(self) -> None:
        """Close the program's side, which is kept open as long as it may not have opened it yet."""
        if self._theirs is not None:
            os.close(self._theirs)
            self._theirs = None

    def resize(self, size: TerminalSize) -> None:
        """Change its size; the program is told by a signal."""
        rows, columns = (min(max(number, 0), 0xFFFF) for number in (size.rows, size.columns))
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> None:
        """Close both sides."""
        self.program_ended()
        self.writer.close()
