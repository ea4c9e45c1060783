"""What libraries log are lines of the program's log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from ctrlkit.library_logs import libraries_heard, library_logger
from ctrlkit.telemetry import logger


@contextmanager
def handled_by(*handlers: logging.Handler) -> Iterator[logging.Logger]:
    """The root of all loggers with these handlers, and none of pytest's."""
    root = logging.getLogger()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(root, "handlers", list(handlers))
        yield root


def told_by(log: logging.Logger, error: BaseException) -> None:
    try:
        raise error
    except type(error) as caught:
        log.error("Error handling request from %s", "10.0.0.7", exc_info=caught)


def test_a_traceback_comes_once_and_a_foreseen_error_has_none() -> None:
    """Whoever sends again and again what a library cannot take fills no log."""
    log = library_logger("aiohttp.server", logger("webhooks"))
    with capture_logs() as lines:
        for error in (KeyError("x"), KeyError("x"), ConnectionResetError(104, "reset")):
            told_by(log, error)
        log.info("unseen")
    assert [(line["log_level"], "exc_info" in line) for line in lines] == [
        ("error", True),
        ("debug", False),
        ("warning", False),
    ]
    assert {(line["event"], line["part"], line["library"], line["text"]) for line in lines} == {
        ("library_logged", "webhooks", "aiohttp.server", "Error handling request from 10.0.0.7")
    }


async def test_a_task_whose_error_nobody_awaits_is_a_line_of_the_log() -> None:
    """As asyncio tells of it, with the traceback."""
    with handled_by(), capture_logs() as lines:
        libraries_heard()
        asyncio.get_running_loop().call_exception_handler(
            {"message": "Task exception was never retrieved", "exception": KeyError("spec")}
        )
        logging.getLogger("urllib3").warning("Retrying (%d) after\n%s", 3, "a reset")
        logging.getLogger("urllib3").warning("%d", "no number")
    first, second, third = lines
    assert (first["library"], first["error"], "exc_info" in first) == ("asyncio", "KeyError('spec')", True)
    assert (second["text"], second["log_level"], second["part"]) == ("Retrying (3) after a reset", "warning", "library")
    assert third["text"] == "%d"


def test_a_program_that_set_logging_up_keeps_its_own() -> None:
    own = logging.NullHandler()
    with handled_by(own) as root:
        libraries_heard()
        assert root.handlers == [own]
