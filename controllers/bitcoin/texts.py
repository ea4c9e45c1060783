"""
Texts of others, as they are told in a status, an Event or a message. Pure.

Pods, Events and bitcoin nodes say what they like: no character of it that does not print reaches a terminal, and
nothing that looks like credentials is told.
"""

from __future__ import annotations

import re
from typing import Final

TEXT_MAX: Final = 200
"""Most characters that are told of a text of others."""

_READ_MAX: Final = 2000


def shown(text: str, limit: int = TEXT_MAX) -> str:
    """
    Return a text of others as one line of characters that print, bounded, without credentials and without what differs
    at each try.

    >>> shown("pull https://me:hunter2@example.com/core: denied"), shown("rpcpassword=hunter2 is no option", 20)
    ('pull https://***@example.com/core: denied', 'rpcpassword=*** i...')
    """
    printed = "".join(char if char.isprintable() else " " for char in text[:_READ_MAX])
    line = " ".join(printed.split())
    for pattern, replacement in _HIDDEN:
        line = pattern.sub(replacement, line)
    line = line.rstrip(" .;!")
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


_HIDDEN: Final = (
    (re.compile(r"(rpc(?:password|auth|user)\w*)\s*[=:]\s*\S+", re.IGNORECASE), r"\1=***"),
    (re.compile(r"(BC_RPC_\w+)\s*[=:]\s*\S+"), r"\1=***"),
    (re.compile(r"\S+:[0-9a-f]{16,}\$[0-9a-f]{32,}"), "***"),
    (re.compile(r"//[^/@\s]+@"), "//***@"),
    (re.compile(r"\s*\(pod: .*"), ""),
    (re.compile(r"\([0-9a-f]{8}-[0-9a-f-]{27}\)"), ""),
    (re.compile(r"\S+->"), ""),  # a port of this very connection
)
