"""Log lines of a test: plain, cheap, and kept by pytest for the tests that fail."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.typing import EventDict

from ctrlkit import clock


@contextmanager
def plain_logs() -> Iterator[None]:
    """Write one short line for each event to standard error, unless the user has configured structlog."""
    if structlog.is_configured():
        yield
        return
    factory = _StandardError()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _render],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=factory,
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        if structlog.get_config()["logger_factory"] is factory:  # nobody has configured it meanwhile
            structlog.reset_defaults()


class _StandardError:
    """Loggers of what is standard error now: pytest puts another one in its place for each test."""

    def __call__(self, *_: object) -> structlog.WriteLogger:
        return structlog.WriteLogger(sys.stderr)


def _render(_logger: Any, method: str, event: EventDict) -> str:
    name, trace = event.pop("event"), event.pop("exc_info", None)
    values = " ".join(f"{key}={value}" for key, value in event.items())
    line = f"{clock.now():%H:%M:%S.%f} {method:<7} {name} {values}"
    return line if trace is None else f"{line}\n{_traceback(trace)}"


def _traceback(trace: object) -> str:
    import traceback  # noqa: PLC0415

    match trace:
        case BaseException():
            return "".join(traceback.format_exception(trace)).rstrip()
        case True if (error := sys.exc_info()[1]) is not None:
            return "".join(traceback.format_exception(error)).rstrip()
        case _:
            return str(trace)
