"""Manifests in a folder: written where they differ, compared, and removed where they are made no longer."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from ctrlkit.deploy.chart import chart_files
from ctrlkit.deploy.description import Description
from ctrlkit.deploy.kustomize import kustomize_files
from ctrlkit.deploy.objects import GENERATED
from ctrlkit.errors import ConfigError

FOLDERS: Final = ("chart", "kustomize")
"""What is written is in these; what else is in them is left alone."""


class Change(StrEnum):
    """What is to be done about a file."""

    NEW = "new"
    CHANGED = "changed"
    OBSOLETE = "obsolete"


class Difference(NamedTuple):
    """A file that is not what the code says."""

    path: str
    change: Change

    @property
    def fact(self) -> str:
        """What is the matter with it, in words."""
        return _WORDS[self.change]


_WORDS: Final = {
    Change.NEW: "is not there",
    Change.CHANGED: "is not what the code says",
    Change.OBSOLETE: "was generated, and is no longer",
}


def files_of(described: Description) -> dict[str, str]:
    """Return all files of a program's manifests, by their paths below its folder for them."""
    chart = {f"chart/{path}": text for path, text in chart_files(described).items()}
    return chart | {f"kustomize/{path}": text for path, text in kustomize_files(described).items()}


def differences(files: Mapping[str, str], folder: str | Path) -> list[Difference]:
    """
    Return where a folder is not what it should be, in the order of paths.

    Shape   Files that were not generated are nobody's business here, whatever their names, unless they stand where a
            generated one belongs.
    Errors  ConfigError for such a file, and for one that cannot be read.
    """
    found: list[Difference] = []
    for path, text in files.items():
        there = _read(Path(folder) / path)
        if there is None:
            found.append(Difference(path, Change.NEW))
        elif there != text:
            if not is_generated(there):
                raise ConfigError(
                    f"write {Path(folder) / path}: there is such a file, which was not generated; move it elsewhere, "
                    "such as into an overlay"
                )
            found.append(Difference(path, Change.CHANGED))
    known = {Path(folder) / path for path in files}
    for place in FOLDERS:
        found += [
            Difference(each.relative_to(folder).as_posix(), Change.OBSOLETE)
            for each in (Path(folder) / place).rglob("*")
            if each.is_file() and each not in known and is_generated(_read(each) or "")
        ]
    return sorted(found)


def write(files: Mapping[str, str], folder: str | Path) -> list[Difference]:
    """
    Make a folder what it should be, and return what was to be done.

    Errors  As `differences`, before anything is written; ConfigError for a file that cannot be written.
    """
    found = differences(files, folder)
    for path, change in found:
        target = Path(folder) / path
        try:
            if change is Change.OBSOLETE:
                target.unlink()
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(files[path], encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"write {target}: {error}") from None
    return found


def is_generated(text: str) -> bool:
    """Whether a file says of itself that it was generated, near its beginning."""
    return GENERATED in text[:200]


def _read(path: Path) -> str | None:
    """A file's text; None where it is not there, and "" for what is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return ""
    except OSError as error:
        raise ConfigError(f"read {path}: {error}") from None
