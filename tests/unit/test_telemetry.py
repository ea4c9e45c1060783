"""Log lines on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from ctrlkit.telemetry import LogFormat, LogLevel, configure_logging, log_level, logger, set_log_level


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def fail_with_a_secret_at_hand() -> None:
    password = f"hunter{1 + 1}"
    assert password
    raise KeyError("spec")


@pytest.mark.parametrize("log_format", LogFormat)
def test_a_traceback_never_shows_local_variables(log_format: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    """They may be credentials."""
    log = logger("controller", controller="bitcoin")  # made before the configuration, as in the parts
    configure_logging(log_format)
    try:
        fail_with_a_secret_at_hand()
    except KeyError as error:
        log.error("reconciled", key="demo/net", exc_info=error)
    out, err = capsys.readouterr()
    assert not out
    assert "KeyError" in err
    assert "fail_with_a_secret_at_hand" in err
    assert "hunter2" not in err


def test_json_is_one_object_for_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With level, time and part."""
    configure_logging(LogFormat.JSON)
    logger("wire").info("connected", took_ms=1.5)
    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "connected", "level": "info", "part": "wire", "took_ms": 1.5}


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """And the level can be changed for loggers that exist."""
    log = logger("wire")
    configure_logging(LogFormat.CONSOLE, LogLevel.WARNING)
    log.info("connected")
    assert capsys.readouterr().err == ""
    configure_logging(LogFormat.CONSOLE, LogLevel.DEBUG)
    log.debug("connected", host="127.0.0.1")
    assert "connected part=wire host=127.0.0.1" in capsys.readouterr().err


def test_the_level_changes_at_run_time_for_every_logger_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Also for those that were bound before, and for what goes through another level's method."""
    configure_logging(LogFormat.JSON, LogLevel.WARNING)
    lazy, bound = logger("wire"), logger("wire").bind(host="a")
    lazy.info("unseen")
    bound.info("unseen")
    assert log_level() is LogLevel.WARNING
    set_log_level(LogLevel.DEBUG)
    assert log_level() is LogLevel.DEBUG
    lazy.debug("first")
    bound.debug("second")
    set_log_level(LogLevel.ERROR)
    bound.warning("unseen")
    bound.critical("third")
    try:
        fail_with_a_secret_at_hand()
    except KeyError:
        bound.exception("fourth")
    written = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert written == ["first", "second", "third", "fourth"]


def test_logging_that_is_not_ours_has_no_level_to_set() -> None:
    """Whoever configured it knows how to change it."""
    structlog.configure(processors=[structlog.dev.ConsoleRenderer()])
    assert log_level() is None
    with pytest.raises(RuntimeError, match="the program has configured structlog itself"):
        set_log_level(LogLevel.DEBUG)
