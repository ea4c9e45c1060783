"""
What libraries log with the standard library's logging, as lines of this program's log.

    libraries_heard()              from all of them, warnings and errors, where the program has not set logging up
    library_logger(name, log)      a logger for one that takes one, such as a server

Without this they go to standard error as plain text, among lines of JSON, and a traceback comes as often as somebody
asks for it: whoever connects to a server and sends what is no HTTP causes one.
"""

from __future__ import annotations

import logging
from typing import Any

from structlog.typing import FilteringBoundLogger

from ctrlkit.failures import FailureLog
from ctrlkit.telemetry import LogLevel, logger


def libraries_heard() -> None:
    """Write what libraries log, warnings and errors, from now on; a program with handlers of its own keeps them."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(_Lines(logger("library")))


def library_logger(name: str, log: FilteringBoundLogger) -> logging.Logger:
    """Return a logger whose warnings and errors are lines of `log`; nobody else hears it."""
    made = logging.Logger(name, logging.WARNING)
    made.addHandler(_Lines(log))
    return made


class _Lines(logging.Handler):
    """Each record is a line: exceptions as FailureLog writes them, and what is repeated now and then."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._failures = FailureLog(log)

    def emit(self, record: logging.LogRecord) -> None:
        level = LogLevel.ERROR if record.levelno >= logging.ERROR else LogLevel.WARNING
        template = str(record.msg)
        facts: dict[str, Any] = {"library": record.name, "text": _text(record)}
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            self._failures.say("library_logged", (record.name, template), what="", level=level, **facts)
        else:
            self._failures.tell("library_logged", error, about=(record.name, template), **facts)


def _text(record: logging.LogRecord) -> str:
    """The message, in one line."""
    try:
        return " ".join(record.getMessage().split())
    except (TypeError, ValueError):  # its arguments do not fit: whose line it is matters more
        return str(record.msg)
