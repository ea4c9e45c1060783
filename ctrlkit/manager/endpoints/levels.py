"""The level of the log, asked and set over HTTP: GET and PUT /debug/log-level."""

from __future__ import annotations

import json

from aiohttp import web

from ctrlkit.telemetry import LogLevel, log_level, logger, set_log_level

_LEVELS = ", ".join(LogLevel)


async def get_level(_request: web.Request) -> web.Response:
    """`{"level": "info", "levels": [...]}`; the level is null where the program has configured logging itself."""
    return web.json_response({"level": log_level(), "levels": list(LogLevel)})


async def put_level(request: web.Request) -> web.Response:
    """Takes `debug`, `"debug"` or `{"level": "debug"}`; answers the new level and the one before."""
    wanted = _wanted(await request.text())
    before = log_level()
    if before is None:
        raise web.HTTPConflict(
            text="409: the program has configured structlog itself, so its log level is not ours to set\n"
        )
    log = logger("endpoints")
    more = list(LogLevel).index(wanted) < list(LogLevel).index(before)
    if more:
        set_log_level(wanted)
    log.warning("log_level_changed", to=wanted.value, before=before.value)
    set_log_level(wanted)
    return web.json_response({"level": wanted, "before": before})


def _wanted(body: str) -> LogLevel:
    text = body.strip()
    try:
        named = json.loads(text)
    except ValueError:
        named = text
    if isinstance(named, dict):
        named = named.get("level")
    try:
        return LogLevel(str(named).lower())
    except ValueError:
        raise web.HTTPBadRequest(
            text=f"400: {str(named)[:64]!r} is no log level; send one of {_LEVELS}, as text or JSON\n"
        ) from None
