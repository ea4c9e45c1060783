"""The files of a container, in memory."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Sequence
from typing import NamedTuple, NoReturn


class MemoryEntry(NamedTuple):
    """A file or folder."""

    is_folder: bool
    mode: int
    size: int


class MemoryFiles:
    """Files by path; `volumes` are folders that are mounted, and whether they are read-only."""

    def __init__(self, volumes: dict[str, bool] | None = None) -> None:
        self.contents: dict[str, bytes] = {}
        self.folders: set[str] = {"/", *(volumes or {})}
        self._volumes = volumes or {}

    def find(self, path: str) -> MemoryEntry | None:
        """What is there."""
        if path in self.contents:
            return MemoryEntry(is_folder=False, mode=0o644, size=len(self.contents[path]))
        return MemoryEntry(is_folder=True, mode=0o755, size=0) if path in self.folders else None

    def read(self, path: str) -> bytes:
        """The content of a file."""
        if path not in self.contents:
            _refuse(errno.EISDIR if path in self.folders else errno.ENOENT, path)
        return self.contents[path]

    def write(self, path: str, content: bytes, *, append: bool = False) -> None:
        """Write a file."""
        if any(read_only and path.startswith(f"{volume}/") for volume, read_only in self._volumes.items()):
            _refuse(errno.EROFS, path)
        if posixpath.dirname(path) not in self.folders:
            _refuse(errno.ENOENT, path)
        self.contents[path] = (self.contents.get(path, b"") if append else b"") + content

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        while path != "/":
            self.folders.add(path)
            path = posixpath.dirname(path)

    def names(self, path: str) -> Sequence[str]:
        """What a folder holds."""
        return sorted(
            posixpath.basename(one)
            for one in {*self.contents, *self.folders} - {path, "/"}
            if posixpath.dirname(one) == path
        )

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that it holds."""
        for one in [*self.contents, *self.folders]:
            if one == path or one.startswith(f"{path}/"):
                self.contents.pop(one, None)
                self.folders.discard(one)

    def mounts(self) -> Sequence[tuple[str, bool]]:
        """Where volumes are mounted."""
        return tuple(self._volumes.items())


def _refuse(number: int, path: str) -> NoReturn:
    raise OSError(number, os.strerror(number), path)
