"""Log lines on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

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


@pytest.mark.parametrize(("is_terminal", "first"), [(True, "2"), (False, "{")])
def test_people_at_a_terminal_get_lines_and_everybody_else_json(
    is_terminal: bool, first: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever collects the log of a container reads JSON; whoever says what is wanted gets that."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    configure_logging()
    logger("wire").info("connected")
    assert capsys.readouterr().err.startswith(first)
    configure_logging(LogFormat.CONSOLE)
    logger("wire").info("connected")
    assert capsys.readouterr().err.startswith("2")


@pytest.mark.parametrize(
    ("variables", "is_terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": ""}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colours_are_for_terminals_and_for_who_asks(
    variables: dict[str, str], is_terminal: bool, coloured: bool, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    """In tracebacks and JSON there are none."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    configure_logging(LogFormat.CONSOLE)
    logger("wire").warning("connected")
    assert ("\x1b[" in capsys.readouterr().err) is coloured


def test_logging_that_is_not_ours_has_no_level_to_set() -> None:
    """Whoever configured it knows how to change it."""
    structlog.configure(processors=[structlog.dev.ConsoleRenderer()])
    assert log_level() is None
    with pytest.raises(RuntimeError, match="the program has configured structlog itself"):
        set_log_level(LogLevel.DEBUG)
