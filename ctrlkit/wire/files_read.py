"""Files that a configuration was read from, and whether they hold something else by now."""

from __future__ import annotations

import hashlib
from pathlib import Path


class FilesRead:
    """
    Reads files and remembers what they held, as digests.

    A file that cannot be read, or is empty in the middle of being written, says nothing new.
    """

    def __init__(self) -> None:
        self._digests: dict[str, bytes | None] = {}

    def read(self, path: str) -> bytes:
        """All of a file; OSError where it cannot be read, and then it is looked at later all the same."""
        self._digests[path] = None
        content = Path(path).read_bytes()
        self._digests[path] = _digest(content)
        return content

    def changed(self) -> bool:
        """Whether one of them holds something else now."""
        return any(_digest_now(path) not in (None, digest) for path, digest in self._digests.items())


def _digest(content: bytes) -> bytes | None:
    stripped = content.strip()
    return hashlib.sha256(stripped).digest() if stripped else None


def _digest_now(path: str) -> bytes | None:
    try:
        return _digest(Path(path).read_bytes())
    except OSError:
        return None
