"""What a container sees of files: volumes at the paths where they are mounted, elsewhere files of its own."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ctrlkit.fakes.cluster.node.volumes.trees import Entry, FolderTree, MemoryTree, Tree, Written

FOLDERS = ("bin", "etc", "home", "opt", "proc", "root", "run", "sys", "tmp", "usr/local", "var/log", "var/run", "dev")
"""What a container has of its own, all of it empty."""

MESSAGE_MAX = 4096
"""Most letters of a termination message."""


@dataclass(frozen=True, slots=True)
class Limit:
    """
    How much a volume is to hold, in bytes; `place` is where it is in the tree.

    One that is strict takes no more, as memory does; of any other one `exceeded` is called.
    """

    place: str
    size: int
    is_strict: bool
    exceeded: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Bound:
    """A place in a tree that is mounted at an absolute path of a container."""

    path: str
    place: str
    is_read_only: bool = False
    limit: Limit | None = None


class ContainerFiles:
    """
    The files of a container, by absolute paths.

    >>> files = own_files()
    >>> files.make_folder("/srv/www")
    >>> files.write("/srv/www/index.html", b"hello")
    >>> files.read("/srv/www/index.html"), files.names("/srv")
    (b'hello', ['www'])

    Errors  Those of Python's files, such as FileNotFoundError; OSError with EROFS for what is mounted to be read only.
            Their `filename` is the path that was given.
    """

    def __init__(self, tree: Tree, own: str, bound: Sequence[Bound] = (), *, message_path: str = "") -> None:
        self._tree = tree
        self._own = f"{own}/files"
        self._message = f"{own}/message"
        self._bound = (*bound, *([Bound(absolute(message_path), self._message)] if message_path else ()))
        self._has_begun = False

    def last_words(self) -> str:
        """Return what was written to the file of the termination message."""
        if not self._has_begun:
            return ""
        found = self._tree.find(self._message)
        return self._tree.read(self._message).decode(errors="replace")[:MESSAGE_MAX] if found is not None else ""

    def _begin(self) -> None:
        """Make the container's own files when somebody looks at them for the first time."""
        self._has_begun = True
        self._tree.remove(posixpath.dirname(self._own))
        for folder in FOLDERS:
            self._tree.make_folder(f"{self._own}/{folder}")
        self._tree.write(self._message, Written(b""))

    def find(self, path: str) -> Entry | None:
        """Return what is at a path; None if nothing is."""
        place, _ = self._place(path)
        found = self._tree.find(place)
        if found is None and any(self._below(path)):
            return Entry(is_folder=True, mode=0o755)
        return found

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        place, _ = self._place(path)
        with _named(path):
            return self._tree.read(place)

    def write(self, path: str, content: bytes, *, append: bool = False) -> None:
        """Write a file, or add to it; its folder must be there."""
        place, bound = self._place(path)
        self._check_writable(path, place, bound)
        with _named(path):
            found = self._tree.find(place)
            before = self._tree.read(place) if append and found is not None else b""
            limit = bound.limit if bound is not None else None
            if limit is not None and limit.is_strict:
                grows = len(before) + len(content) - (found.size if found is not None else 0)
                if size_of(self._tree, limit.place) + grows > limit.size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            self._tree.write(place, Written(before + content))
            if limit is not None and size_of(self._tree, limit.place) > limit.size:
                limit.exceeded()

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        place = self._writable(path)
        with _named(path):
            self._tree.make_folder(place)

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; those of mounts too."""
        place, _ = self._place(path)
        mounts = set(self._below(path))
        if mounts and self._tree.find(place) is None:
            return sorted(mounts)
        with _named(path):
            return sorted({*self._tree.names(place), *mounts})

    def remove(self, path: str) -> None:
        """Remove a file, or a folder and what is in it; nothing happens where there is none."""
        path = absolute(path)
        if any(bound.path == path or bound.path.startswith(f"{path}/") for bound in self._bound):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        with _named(path):
            self._tree.remove(self._writable(path))

    def mounts(self) -> Sequence[tuple[str, bool]]:
        """Return the paths of mounts and whether they are read only."""
        return [(bound.path, bound.is_read_only) for bound in self._bound]

    def real(self, path: str) -> Path | None:
        """Return where a path of a volume is on this machine; None for what is in memory, and outside of volumes."""
        place, bound = self._place(path)
        return self._tree.real(place) if bound is not None and isinstance(self._tree, FolderTree) else None

    def _place(self, path: str) -> tuple[str, Bound | None]:
        if not self._has_begun:
            self._begin()
        path = absolute(path)
        found = max(
            (one for one in self._bound if _covers(one.path, path)), key=lambda one: len(one.path), default=None
        )
        if found is None:
            return self._own + path, None
        return (found.place + path[len(found.path) :]) if found.path != "/" else f"{found.place}{path}", found

    def _below(self, path: str) -> Iterable[str]:
        """Yield the names in a folder that lead to mounts."""
        prefix = absolute(path).rstrip("/") + "/"
        return (one.path[len(prefix) :].partition("/")[0] for one in self._bound if one.path.startswith(prefix))

    def _writable(self, path: str) -> str:
        place, bound = self._place(path)
        self._check_writable(path, place, bound)
        return place

    def _check_writable(self, path: str, place: str, bound: Bound | None) -> None:
        if bound is None:
            above = posixpath.dirname(place)
            if any(self._below(posixpath.dirname(path))) and self._tree.find(above) is None:
                self._tree.make_folder(above)
        elif bound.is_read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)


def size_of(tree: Tree, path: str) -> int:
    """Return the size of a file, or of all files in a folder, in bytes."""
    found = tree.find(path)
    if found is None or not found.is_folder:
        return found.size if found is not None else 0
    return sum(size_of(tree, f"{path}/{name}") for name in tree.names(path))


def own_files() -> ContainerFiles:
    """Return the files of a container without volumes, in memory."""
    return ContainerFiles(MemoryTree(), "own")


def absolute(path: str) -> str:
    """
    Return a path of a container without detours.

    >>> absolute("//etc/../tmp/"), absolute("..")
    ('/tmp', '/')
    """
    return posixpath.normpath(f"/{path.lstrip('/')}")


def _covers(mount: str, path: str) -> bool:
    return mount in ("/", path) or path.startswith(f"{mount}/")


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Let an error name the path that the container knows, and not the place in the tree."""
    try:
        yield
    except OSError as error:
        error.filename = path
        raise
