"""The cookie of a node: a password that it draws at each start, for whoever can read a file in its data folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

COOKIE: Final = ".cookie"
COOKIE_USER: Final = "__cookie__"


def write_cookie(folder: Path) -> tuple[str, str]:
    """Write the cookie of a node, which only its owner can read; returns its user and password."""
    password = os.urandom(32).hex()
    part = folder / f"{COOKIE}.tmp"
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{COOKIE_USER}:{password}")
    part.replace(folder / COOKIE)
    return COOKIE_USER, password


def read_cookie(folder: Path) -> tuple[str, str] | None:
    """Return user and password of the cookie in a folder; None if there is none that can be read."""
    try:
        user, colon, password = (folder / COOKIE).read_text().partition(":")
    except (OSError, UnicodeDecodeError):
        return None
    return (user, password) if colon else None
