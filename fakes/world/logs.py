"""Log lines in tests: one short line each, captured by pytest and shown for failed tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, Final

import structlog
from structlog.typing import EventDict

from ctrlkit import clock
from ctrlkit.fakes.world.trace import CLUSTER, PART


@contextmanager
def plain_logs(*, shows_traceback: Callable[[BaseException], bool] = lambda _: True) -> Iterator[None]:
    """
    Write one short line for each event to standard error, unless the user has configured structlog otherwise.

    `shows_traceback` selects the errors whose traceback is printed; a test shows those that it fails with anyway. What
    a cluster's loops do stands in the trace: of their lines only warnings and errors are written.
    """
    if not _is_as_at_first():
        yield
        return
    factory = _StandardError()

    def render(_logger: Any, method: str, event: EventDict) -> str:
        name, trace = event.pop("event"), event.pop("exc_info", None)
        values = " ".join(f"{key}={value}" for key, value in event.items())
        line = f"{clock.now():%H:%M:%S.%f} {method:<7} {name} {values}"
        if trace is None or (isinstance(trace, BaseException) and not shows_traceback(trace)):
            return line
        return f"{line}\n{_traceback(trace)}"

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, render],
        wrapper_class=_WithoutTheCluster,
        logger_factory=factory,
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        if structlog.get_config()["logger_factory"] is factory:  # nobody has configured it meanwhile
            structlog.reset_defaults()


class _WithoutTheCluster(structlog.make_filtering_bound_logger("info")):  # type: ignore[misc]
    def info(self, event: str, *args: Any, **values: Any) -> Any:
        return None if PART.get() == CLUSTER else super().info(event, *args, **values)


def _is_as_at_first() -> bool:
    """Whether structlog has its first configuration; its own capture_logs, for instance, restores it."""
    return not structlog.is_configured() or structlog.get_config() == _AT_FIRST


_AT_FIRST: Final = (
    {}
    if structlog.is_configured()
    else {name: copy(value) if name == "processors" else value for name, value in structlog.get_config().items()}
)


class _StandardError:
    """Makes loggers to the current sys.stderr, which pytest replaces for each test."""

    def __call__(self, *_: object) -> structlog.WriteLogger:
        return structlog.WriteLogger(sys.stderr)


def _traceback(trace: object) -> str:
    import traceback  # noqa: PLC0415

    match trace:
        case BaseException():
            return "".join(traceback.format_exception(trace)).rstrip()
        case True if (error := sys.exc_info()[1]) is not None:
            return "".join(traceback.format_exception(error)).rstrip()
        case _:
            return str(trace)
