"""
Put a new project into a folder, whole or not at all.

What is there already is never written over: files that are in the way are named, and nothing is made. The project is
made in a folder beside its own, which takes the other's place when all is done.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ctrlkit.errors import ConfigError

_SHOWN: Final = 5


def make_folder(target: Path, texts: Mapping[str, str], complete: Callable[[Path], None]) -> list[str]:
    """
    Write files into a new folder, or into one that has none of them, and return their paths in it.

    `complete` is called with the folder in which the files are made, before anything is seen in `target`; what it adds
    is part of the project.

    Errors  ConfigError where something is in the way; what `complete` raises.
    """
    target = Path(os.path.abspath(target))  # of `..` too, which is no name
    _check(target, texts)
    with _beside(target) as made:
        for path, text in texts.items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_text(text, encoding="utf-8")
        complete(made)
        paths = sorted(str(path.relative_to(made)) for path in made.rglob("*") if path.is_file())
        _check(target, paths)
        if target.exists():
            _move_into(target, made, paths)
        else:
            made.rename(target)
    return paths


def _check(target: Path, paths: Mapping[str, str] | list[str]) -> None:
    tried = f"make a project in {target}"
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{tried}: there is a file of that name; give another place with --dir")
    found = sorted({name for path in paths if (name := _in_the_way(target, path))})
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise ConfigError(
            f"{tried}: nothing is written over, and these are in the way: {', '.join(found[:_SHOWN])}{more}; give "
            "another place with --dir, or move them"
        )


def _in_the_way(target: Path, path: str) -> str:
    """The part of a path that is there and cannot be: the file itself, or a file where a folder must be."""
    parts = path.split("/")
    for end in range(1, len(parts)):
        folder = target.joinpath(*parts[:end])
        if os.path.lexists(folder) and not folder.is_dir():
            return "/".join(parts[:end])
    return path if os.path.lexists(target / path) else ""


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Make a folder on the same file system, which is gone afterwards unless it was moved."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        made = Path(folder) / target.name
        made.mkdir()
        yield made


def _move_into(target: Path, made: Path, paths: list[str]) -> None:
    """Move files one by one; one that somebody made meanwhile ends it, and takes back what was moved."""
    moved: list[Path] = []
    try:
        for path in paths:
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as file, (made / path).open("rb") as source:
                moved.append(place)
                shutil.copyfileobj(source, file)
    except BaseException:
        for place in moved:
            place.unlink(missing_ok=True)
        raise
