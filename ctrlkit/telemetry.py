"""Structured logging; docs/logging.md lists all lines and their keys."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from ctrlkit import clock


class LogFormat(StrEnum):
    """The format of log lines: for people, or one JSON object each; AUTO is the first on a terminal, else JSON."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def logger(part: str, **values: Any) -> FilteringBoundLogger:
    """
    Return the logger of one part; `values` are added to each of its lines.

        log = logger("election", lease="demo/net")
        log.info("leader_seen", holder="net-0")

    The name of a line is constant and in the past tense; what varies are keys. It may be called before
    configure_logging.
    """
    proxy: FilteringBoundLogger = structlog.get_logger(part=part, **values)
    return proxy


def configure_logging(log_format: LogFormat = LogFormat.AUTO, level: LogLevel = LogLevel.INFO) -> None:
    """
    Write log lines to standard error, from now on.

    Lines for people have colours on a terminal, unless NO_COLOR is set or TERM is `dumb`, and elsewhere where
    FORCE_COLOR is set.

    Tracebacks show code, never the values of local variables: those may be credentials.
    """
    structlog.configure(
        processors=[
            _Threshold(level),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _add_time,
            *_renderers(_chosen(log_format)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=_standard_error,
        cache_logger_on_first_use=False,
    )


def log_level() -> LogLevel | None:
    """Return the current level; None where the program has configured structlog itself."""
    threshold = _threshold()
    return None if threshold is None else threshold.level


def set_log_level(level: LogLevel) -> None:
    """
    Write the lines of this level and above from now on, from all loggers.

    Errors  RuntimeError where `log_level()` is None: the program has configured structlog itself.
    """
    threshold = _threshold()
    if threshold is None:
        raise RuntimeError(
            f"set the log level to {level}: the program has configured structlog itself; change it there, or let "
            "configure_logging do it"
        )
    threshold.level = level


class _Threshold:
    """The first processor: drops what is below the level, which bound loggers share and so all follow."""

    def __init__(self, level: LogLevel) -> None:
        self.level = level

    def __call__(self, _logger: object, method: str, event: EventDict) -> EventDict:
        if _SEVERITY.get(method, logging.CRITICAL) < _SEVERITY[self.level.value]:
            raise structlog.DropEvent
        return event


_SEVERITY: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def _threshold() -> _Threshold | None:
    first = next(iter(structlog.get_config()["processors"]), None)
    return first if isinstance(first, _Threshold) else None


def _standard_error(*_: Any) -> structlog.PrintLogger:
    """A logger to what is standard error at this moment: tests and daemons put another one in its place."""
    return structlog.PrintLogger(sys.stderr)


def _chosen(log_format: LogFormat) -> LogFormat:
    if log_format is LogFormat.AUTO:
        return LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON
    return log_format


def _has_colours(environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """
    Whether lines are written in colours, as https://no-color.org and https://force-color.org say.

    >>> [_has_colours(environ, is_terminal=True) for environ in ({}, {"NO_COLOR": "1"}, {"TERM": "dumb"})]
    [True, False, False]
    >>> _has_colours({}, is_terminal=False), _has_colours({"FORCE_COLOR": "1"}, is_terminal=False)
    (False, True)
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return is_terminal and environ.get("TERM") != "dumb"


def _renderers(log_format: LogFormat) -> tuple[Processor, ...]:
    match log_format:
        case LogFormat.CONSOLE:
            console = structlog.dev.ConsoleRenderer(
                colors=_has_colours(os.environ, is_terminal=sys.stderr.isatty()),
                pad_event_to=0,
                sort_keys=False,
                exception_formatter=structlog.dev.plain_traceback,
            )
            return (console,)
        case _:
            return (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())


def _add_time(_logger: object, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = clock.micro_timestamp(clock.now())
    return event
