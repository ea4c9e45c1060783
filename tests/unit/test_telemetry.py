"""Log lines on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from ctrlkit.telemetry import LogFormat, LogLevel, configure_logging, logger


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
