"""The level of the log over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from ctrlkit.telemetry import LogFormat, LogLevel, configure_logging, log_level, logger
from tests.unit.manager.endpoints.support import asking

PATH = "/debug/log-level"


@pytest.fixture
def configured() -> Iterator[None]:
    """Logging as `run` configures it."""
    configure_logging(LogFormat.JSON)
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("body", ["debug", " DEBUG\n", '"debug"', '{"level": "debug"}'])
async def test_the_level_is_shown_and_set(body: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Text or JSON; the next line is written accordingly."""
    log = logger("wire")
    async with asking() as ask:
        shown = json.loads((await ask.get(PATH)).text)
        assert shown == {"level": "info", "levels": ["debug", "info", "warning", "error"]}
        log.debug("unseen")
        answer = await ask.send("PUT", PATH, body=body)
        assert (answer.status, json.loads(answer.text)) == (200, {"level": "debug", "before": "info"})
        log.debug("seen")
        assert json.loads((await ask.get(PATH)).text)["level"] == "debug"
        assert json.loads((await ask.get("/debug.json")).text)["program"]["log_level"] == "debug"
    written = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert written == ["endpoints_serving", "log_level_changed", "seen"]


@pytest.mark.usefixtures("configured")
async def test_each_change_is_told_whichever_way_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    """Also the one after which nothing less than an error is written."""
    async with asking() as ask:
        for level in ("error", "warning", "error", "debug"):
            await ask.send("PUT", PATH, body=level)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    changes = [(line["before"], line["to"]) for line in lines if line["event"] == "log_level_changed"]
    assert changes == [("info", "error"), ("error", "warning"), ("warning", "error"), ("error", "debug")]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("body", ["verbose", "", "{}", "[]", "null", '{"level": 10}', "<b>"])
async def test_what_is_no_level_is_400_and_names_those_there_are(body: str) -> None:
    async with asking() as ask:
        refused = await ask.send("PUT", PATH, body=body)
        assert refused.status == 400
        assert "is no log level; send one of debug, info, warning, error" in refused.text
        assert refused.headers["Content-Type"].startswith("text/plain")
        assert log_level() is LogLevel.INFO


async def test_logging_that_the_program_configured_itself_is_left_alone() -> None:
    """409, and GET says that the level is not known."""
    async with asking() as ask:
        assert json.loads((await ask.get(PATH)).text)["level"] is None
        refused = await ask.send("PUT", PATH, body="debug")
        assert refused.status == 409
        assert "configured structlog itself" in refused.text
