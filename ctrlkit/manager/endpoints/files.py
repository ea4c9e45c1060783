"""When a file has changed: told by looking at it at the moment it is needed, so that nothing has to watch it."""

from __future__ import annotations

import os

Stamp = tuple[tuple[int, int, int] | None, ...]


def stamp_of(*paths: str) -> Stamp:
    """
    What differs after any of the files was written, replaced, or taken away; a link counts as what it leads to.

    >>> stamp_of("/nowhere/at/all")
    (None,)
    """
    return tuple(map(_stamp, paths))


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino, found.st_size)


def told(error: OSError) -> str:
    """
    The fact in an error of a file, in words.

    >>> told(FileNotFoundError(2, "No such file or directory", "/nowhere"))
    'No such file or directory'
    """
    return error.strerror or type(error).__name__
