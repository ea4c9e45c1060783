"""
What is installed on request: `pip install ctrlkit` is what production runs, extras bring the rest.

Where a part needs the packages of an extra it calls `require` first, so that a missing one is an error of one line that
says what to install.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from ctrlkit.errors import ConfigError

_FAKES: Final = ("cryptography", "re2")
_CLI: Final = ("shtab", "watchfiles")
MODULES: Final[Mapping[str, tuple[str, ...]]] = {
    "fakes": _FAKES,
    "bitcoin": (*_FAKES, "rich"),
    "init": (*_FAKES, *_CLI, "jinja2", "mypy", "pytest", "ruff"),
    "cli": _CLI,
    "webhooks": ("cryptography",),
}
"""The modules that an extra's packages install, for the extras that `require` knows."""


class MissingExtra(ConfigError, ImportError):
    """A part was used whose packages are not installed; the message names the extra that brings them."""


def require(extra: str, user: str) -> None:
    """
    Check that the packages of an extra are installed, on behalf of `user`, which the message names.

    Errors  MissingExtra where one is not.
    """
    missing = [name for name in MODULES[extra] if find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"{user} needs what is not installed ({', '.join(missing)}): run pip install 'ctrlkit[{extra}]'",
            name=missing[0],
        )
