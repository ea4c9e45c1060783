"""Modules that a command is told by name, those of the current directory included, as with `python -m`."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Collection
from typing import Any

from ctrlkit.errors import ConfigError
from ctrlkit.exits import BAD_ARGUMENTS


class TargetError(ConfigError):
    """What is named on the command line is of the wrong form, or not there."""

    exit_status = BAD_ARGUMENTS


def import_named(name: str, *, tried: str) -> Any:
    """
    Import a module; `tried` begins the message, such as `run greeting:greet`.

    Errors  TargetError for a module that is not there, and for a path; ConfigError for a module that imports what is
            not there. What else goes wrong inside the module passes.
    """
    here = os.getcwd()
    if not name or os.sep in name or name.startswith(".") or (name.endswith(".py") and os.path.isfile(name)):
        raise TargetError(f"{tried}: a module is named as it is imported, not as a file; {_instead(name)}")
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{tried}: {name} was found, and imports what is not there: {error}") from error
        raise TargetError(
            f"{tried}: there is no module {error.name} in {here} or among the installed packages; name the file "
            "without .py, with dots for folders"
        ) from None


def _instead(path: str) -> str:
    """
    Return what to write instead of a path.

    >>> _instead("./shop/caches.py")
    'write shop.caches'
    """
    parts = os.path.relpath(path or ".").removesuffix(".py").split(os.sep)
    if parts[-1] == "__init__":
        del parts[-1]
    if not parts or not all(part.isidentifier() for part in parts):
        return "write its name, with dots for folders, in a folder from which it can be imported"
    return f"write {'.'.join(parts)}"


def meant(name: str, known: Collection[str]) -> str:
    """Return what could have been meant, as the end of a message; "" for nothing like it."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
