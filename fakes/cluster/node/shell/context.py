"""What a script runs in: its streams, its files, and how it ends."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Write = Callable[[bytes], Awaitable[None]]


class Entry(Protocol):
    """A file or folder."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        ...

    @property
    def mode(self) -> int:
        """Its permissions."""
        ...

    @property
    def size(self) -> int:
        """Its length in bytes."""
        ...


class Files(Protocol):
    """The files of a container, by absolute paths. Errors: OSError, whose `strerror` is what a shell prints."""

    def find(self, path: str) -> Entry | None:
        """What is there."""
        ...

    def read(self, path: str) -> bytes:
        """The content of a file."""
        ...

    def write(self, path: str, content: bytes, *, append: bool = False) -> None:
        """Write a file, which is made if it is not there."""
        ...

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        ...

    def names(self, path: str) -> Sequence[str]:
        """What a folder holds."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that it holds."""
        ...

    def mounts(self) -> Sequence[tuple[str, bool]]:
        """Where volumes are mounted, and whether they are read-only."""
        ...


class NoFiles:
    """The files of a container that has none."""

    def find(self, path: str) -> Entry | None:
        """Nothing is there."""
        return None

    def read(self, path: str) -> bytes:
        """Nothing can be read."""
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def write(self, path: str, content: bytes, *, append: bool = False) -> None:
        """Nothing can be written."""
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    def make_folder(self, path: str) -> None:
        """Nor made."""
        self.write(path, b"")

    def names(self, path: str) -> Sequence[str]:
        """No folder holds anything."""
        return ()

    def remove(self, path: str) -> None:
        """Nothing is there to be removed."""
        self.read(path)

    def mounts(self) -> Sequence[tuple[str, bool]]:
        """No volumes."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """
    What a script runs in.

    Shape   `stdin` is None if nobody sends any. With `tty` it is what is typed at a terminal, which the shell echoes.
            `name` is what the shell calls itself in its complaints.
    """

    environment: Mapping[str, str]
    stdout: Write
    stderr: Write
    files: Files = field(default_factory=NoFiles)
    stdin: AsyncIterator[bytes] | None = None
    hostname: str = "localhost"
    working_dir: str = "/"
    tty: bool = False
    name: str = "sh"


class Input:
    """What a command reads, in lines or whole."""

    def __init__(self, source: AsyncIterator[bytes] | None = None, text: bytes = b"") -> None:
        self._source = source
        self._rest = text

    async def line(self) -> bytes:
        """Read a line with its newline; the last one may have none; b"" at the end."""
        while b"\n" not in self._rest and await self._more():
            pass
        line, newline, self._rest = self._rest.partition(b"\n")
        return line + newline

    async def piece(self) -> bytes:
        """Read what there is; b"" at the end."""
        if not self._rest:
            await self._more()
        piece, self._rest = self._rest, b""
        return piece

    async def all(self) -> bytes:
        """Read to the end."""
        while await self._more():
            pass
        return await self.piece()

    async def _more(self) -> bool:
        if self._source is None:
            return False
        async for piece in self._source:
            self._rest += piece
            return True
        self._source = None
        return False


class Io(NamedTuple):
    """The streams of a command."""

    stdin: Input
    stdout: Write
    stderr: Write

    async def say(self, text: str) -> None:
        """Write a text to stdout."""
        await self.stdout(text.encode())

    async def complain(self, text: str) -> None:
        """Write a line to stderr."""
        await self.stderr(f"{text}\n".encode())


class Exit(Exception):
    """`exit`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code: int = code


class Leave(Exception):
    """`break` and `continue`, for so many loops."""

    def __init__(self, count: int, *, goes_on: bool) -> None:
        super().__init__(count)
        self.count: int = count
        self.goes_on: bool = goes_on
