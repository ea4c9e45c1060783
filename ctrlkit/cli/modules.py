"""Modules that a command is told by name, those of the current directory included, as with `python -m`."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Collection
from typing import Any

from ctrlkit.errors import ConfigError


def import_named(name: str, *, tried: str) -> Any:
    """
    Import a module; `tried` begins the message, such as `run greeting:greet`.

    Errors  ConfigError for a module that is not there. What goes wrong inside the module passes.
    """
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{tried}: {name} was found, and imports what is not there: {error}") from error
        raise ConfigError(
            f"{tried}: there is no module {error.name} in {here} or among the installed packages; name the file "
            "without .py, with dots for folders"
        ) from None


def meant(name: str, known: Collection[str]) -> str:
    """Return what could have been meant, as the end of a message; "" for nothing like it."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
