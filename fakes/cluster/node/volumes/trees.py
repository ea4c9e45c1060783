"""
Files and folders of volumes: in memory, or in a folder of this machine for containers that are processes.

Both are a tree of relative paths, `a/b/c`, of which "" is the root. Errors are those of Python's files:
FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from ctrlkit import clock

FOLDER_MODE, FILE_MODE = 0o755, 0o644
BYTES_MAX = 64 * 1024 * 1024
"""Most bytes of one file."""

_DATA = "..data"
_STAMP = re.compile(r"\.\.[0-9_]+\.[0-9a-f]+")

E = TypeVar("E", bound=OSError)


@dataclass(frozen=True, slots=True)
class Written:
    """A file to write, and its mode."""

    content: bytes = field(repr=False)
    mode: int = FILE_MODE


@dataclass(frozen=True, slots=True)
class Entry:
    """What is at a path: a folder, or a file of some bytes."""

    is_folder: bool
    mode: int
    size: int = 0


class Tree(Protocol):
    """A tree of files and folders. What leads out of it, as `..` and links do, is refused with PermissionError."""

    def find(self, path: str) -> Entry | None:
        """Return what is at a path, None if nothing is."""
        ...

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        ...

    def write(self, path: str, file: Written) -> None:
        """Write a file, whole; its folder must be there."""
        ...

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it, where they are not there."""
        ...

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; nothing happens where there is none."""
        ...

    def project(self, path: str, files: Mapping[str, Written]) -> None:
        """Make a folder hold these files and no others of earlier calls, all at once for whoever looks."""
        ...


def parts_of(path: str) -> tuple[str, ...]:
    """
    Split a path into the names on its way.

    >>> parts_of("a//b/./c"), parts_of("")
    (('a', 'b', 'c'), ())

    Errors  PermissionError for a path with `..`.
    """
    found = tuple(name for name in path.split("/") if name not in ("", "."))
    if ".." in found:
        raise _error(PermissionError, errno.EACCES, path)
    return found


def _error(kind: type[E], number: int, path: str) -> E:
    return kind(number, os.strerror(number), path)


# ---- in memory -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _File:
    content: bytes
    mode: int


@dataclass(slots=True)
class _Folder:
    entries: dict[str, _File | _Folder] = field(default_factory=dict)
    projected: frozenset[str] = frozenset()


class MemoryTree:
    """
    A tree in memory.

    >>> tree = MemoryTree()
    >>> tree.make_folder("etc/web")
    >>> tree.write("etc/web/port", Written(b"80"))
    >>> tree.read("etc/web/port"), tree.names("etc")
    (b'80', ['web'])
    """

    def __init__(self) -> None:
        self._root = _Folder()

    def find(self, path: str) -> Entry | None:
        """See Tree.find."""
        try:
            found = self._at(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if isinstance(found, _Folder):
            return Entry(is_folder=True, mode=FOLDER_MODE)
        return Entry(is_folder=False, mode=found.mode, size=len(found.content))

    def read(self, path: str) -> bytes:
        """See Tree.read."""
        found = self._at(path)
        if isinstance(found, _Folder):
            raise _error(IsADirectoryError, errno.EISDIR, path)
        return found.content

    def write(self, path: str, file: Written) -> None:
        """See Tree.write."""
        folder, name = self._place(path)
        before = folder.entries.get(name)
        if isinstance(before, _Folder):
            raise _error(IsADirectoryError, errno.EISDIR, path)
        if len(file.content) > BYTES_MAX:
            raise _error(OSError, errno.EFBIG, path)
        folder.entries[name] = _File(file.content, before.mode if before else file.mode)

    def make_folder(self, path: str) -> None:
        """See Tree.make_folder."""
        here, names = self._root, parts_of(path)
        for number, name in enumerate(names, start=1):
            there = here.entries.setdefault(name, _Folder())
            if not isinstance(there, _Folder):
                if number == len(names):
                    raise _error(FileExistsError, errno.EEXIST, path)
                raise _error(NotADirectoryError, errno.ENOTDIR, path)
            here = there

    def names(self, path: str) -> list[str]:
        """See Tree.names."""
        return sorted(self._folder(path).entries)

    def remove(self, path: str) -> None:
        """See Tree.remove."""
        with suppress(FileNotFoundError, NotADirectoryError):
            folder, name = self._place(path)
            folder.entries.pop(name, None)

    def project(self, path: str, files: Mapping[str, Written]) -> None:
        """See Tree.project."""
        self.make_folder(path)
        folder, fresh = self._folder(path), MemoryTree()
        for name, file in files.items():
            fresh.make_folder(name.rpartition("/")[0])
            fresh.write(name, file)
        new = fresh._root.entries
        kept = {name: entry for name, entry in folder.entries.items() if name not in folder.projected}
        folder.entries = {**kept, **new}
        folder.projected = frozenset(new)

    def _at(self, path: str) -> _File | _Folder:
        here: _File | _Folder = self._root
        for name in parts_of(path):
            if not isinstance(here, _Folder):
                raise _error(NotADirectoryError, errno.ENOTDIR, path)
            if name not in here.entries:
                raise _error(FileNotFoundError, errno.ENOENT, path)
            here = here.entries[name]
        return here

    def _folder(self, path: str) -> _Folder:
        found = self._at(path)
        if not isinstance(found, _Folder):
            raise _error(NotADirectoryError, errno.ENOTDIR, path)
        return found

    def _place(self, path: str) -> tuple[_Folder, str]:
        *above, name = parts_of(path) or ("",)
        if not name:
            raise _error(IsADirectoryError, errno.EISDIR, path)
        return self._folder("/".join(above)), name


# ---- on disk ---------------------------------------------------------------------------------------------------------


class FolderTree:
    """
    A tree in a folder of this machine.

    Programs that run as processes may change it, and put links into it; none is followed out of the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder: Path = folder

    def real(self, path: str) -> Path:
        """Return where a path is on this machine. Errors: PermissionError if a link leads out of the folder."""
        place = self.folder.joinpath(*parts_of(path))
        root, real = self.folder.resolve(), place.resolve()
        if real != root and root not in real.parents:
            raise _error(PermissionError, errno.EACCES, path)
        return place

    def find(self, path: str) -> Entry | None:
        """See Tree.find."""
        try:
            status = self.real(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Entry(stat.S_ISDIR(status.st_mode), stat.S_IMODE(status.st_mode), status.st_size)

    def read(self, path: str) -> bytes:
        """See Tree.read."""
        place = self.real(path)
        if not place.is_dir() and place.exists() and not place.is_file():  # a pipe would never end
            raise _error(PermissionError, errno.EACCES, path)
        return place.read_bytes()

    def write(self, path: str, file: Written) -> None:
        """See Tree.write."""
        if len(file.content) > BYTES_MAX:
            raise _error(OSError, errno.EFBIG, path)
        place = self.real(path)
        is_new = not place.exists()
        if not is_new and not place.is_dir() and not place.is_file():
            raise _error(PermissionError, errno.EACCES, path)
        place.write_bytes(file.content)
        if is_new:
            place.chmod(file.mode)

    def make_folder(self, path: str) -> None:
        """See Tree.make_folder."""
        self.real(path).mkdir(mode=0o700, parents=True, exist_ok=True)

    def names(self, path: str) -> list[str]:
        """See Tree.names; what a kubelet hides in its folders begins with two dots and is left out."""
        return sorted(name for name in os.listdir(self.real(path)) if not name.startswith(".."))

    def remove(self, path: str) -> None:
        """See Tree.remove."""
        parts = parts_of(path)
        if not parts:
            raise _error(IsADirectoryError, errno.EISDIR, path)
        with suppress(FileNotFoundError, NotADirectoryError):
            place = self.real("/".join(parts[:-1])) / parts[-1]
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink()

    def project(self, path: str, files: Mapping[str, Written]) -> None:
        """See Tree.project: the files stand in a folder of their own, to which `..data` is a link, as on a cluster."""
        self.make_folder(path)
        folder = self.real(path)
        if self._holds(folder / _DATA, files):
            return
        stamp = clock.now().strftime("..%Y_%m_%d_%H_%M_%S.") + secrets.token_hex(5)
        for name, file in files.items():
            place = folder / stamp / Path(*parts_of(name))
            place.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            place.write_bytes(file.content)
            place.chmod(file.mode | stat.S_IRUSR)
        (folder / stamp).mkdir(mode=FOLDER_MODE, exist_ok=True)
        before = os.readlink(folder / _DATA) if (folder / _DATA).is_symlink() else ""
        (folder / f"{_DATA}_tmp").unlink(missing_ok=True)
        (folder / f"{_DATA}_tmp").symlink_to(stamp)
        (folder / f"{_DATA}_tmp").replace(folder / _DATA)
        self._show(folder, {parts_of(name)[0] for name in files})
        if _STAMP.fullmatch(before):  # and no link that a program has put in its place
            shutil.rmtree(folder / before, ignore_errors=True)

    def _holds(self, data: Path, files: Mapping[str, Written]) -> bool:
        if not data.is_symlink() or not _STAMP.fullmatch(os.readlink(data)):
            return False
        stamp = data.parent / os.readlink(data)
        there = {one.relative_to(stamp).as_posix(): one.read_bytes() for one in stamp.rglob("*") if one.is_file()}
        return there == {"/".join(parts_of(name)): file.content for name, file in files.items()}

    def _show(self, folder: Path, wanted: set[str]) -> None:
        """Make a link for each name that is to be seen, and take those away that are not any more."""
        for name in wanted:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(f"{_DATA}/{name}")
        for name in os.listdir(folder):
            link = folder / name
            if not name.startswith("..") and name not in wanted and link.is_symlink():
                link.unlink()
