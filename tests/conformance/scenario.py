"""
One scenario: requests in a row with the answers a real kube-apiserver 1.36 gave to them.

A step is {"name", "method", "path", "headers"?, "body"? (JSON) or "raw"? (text), "save"?, "wait"?, "ignore"?,
"answer"}.
`save` keeps values of an answer under names, `${NAME}` stands for them later on; `wait` repeats the request until the
answer holds something, for up to ten seconds; `ignore` names what is not compared.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from ctrlkit import clock
from tests.conformance.comparison import differences, mask

SCENARIOS = Path(__file__).with_name("scenarios")
_PATIENCE_S = 10.0
_PAUSE_S = 0.1

Step = Mapping[str, Any]


def read_steps(name: str) -> list[Step]:
    """The steps of a scenario."""
    steps: list[Step] = json.loads((SCENARIOS / f"{name}.json").read_text())["steps"]
    return steps


async def replay(url: str, steps: list[Step]) -> dict[str, list[str]]:
    """Send a scenario's requests to a server; what differs, by the names of the steps where anything does."""
    found: dict[str, list[str]] = {}
    kept: dict[str, str] = {}
    async with aiohttp.ClientSession(url, headers={"User-Agent": "recorder/1.0"}) as session:
        for step in steps:
            answer = await _perform(session, step, kept)
            lines = list(differences(mask(step["answer"]), mask(answer), step.get("ignore", ())))
            if lines:
                found[step["name"]] = lines
    return found


async def _perform(session: aiohttp.ClientSession, step: Step, kept: dict[str, str]) -> dict[str, Any]:
    until = clock.monotonic() + _PATIENCE_S
    while True:
        answer = await _ask(session, step, kept)
        if _holds(step.get("wait"), answer) or clock.monotonic() > until:
            break
        await asyncio.sleep(_PAUSE_S)
    kept.update((name, str(_look_up(answer["body"], path))) for name, path in step.get("save", {}).items())
    return answer


async def _ask(session: aiohttp.ClientSession, step: Step, kept: Mapping[str, str]) -> dict[str, Any]:
    headers = {"Accept": "application/json", **_filled(step.get("headers", {}), kept)}
    data = None
    if "raw" in step or "body" in step:
        data = (_filled(step["raw"], kept) if "raw" in step else json.dumps(_filled(step["body"], kept))).encode()
        headers.setdefault("Content-Type", "application/json")
    path = _filled(step["path"], kept)
    async with session.request(step["method"], path, data=data, headers=headers) as reply:
        text = await reply.text()
    is_watch = "watch=" in path and reply.status == 200
    body = [json.loads(line) for line in text.splitlines() if line.strip()] if is_watch else _parsed(text)
    answer = {"status": reply.status, "contentType": reply.content_type, "body": body}
    warnings = reply.headers.getall("Warning", [])
    return answer | ({"warning": warnings[-1]} if warnings else {})


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _filled(value: Any, kept: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in kept.items():
            value = value.replace(f"${{{name}}}", text)
        return value
    if isinstance(value, dict):
        return {_filled(name, kept): _filled(part, kept) for name, part in value.items()}
    return [_filled(one, kept) for one in value] if isinstance(value, list) else value


def _holds(wait: Mapping[str, Any] | None, answer: Mapping[str, Any]) -> bool:
    if wait is None:
        return True
    if wait.get("gone"):
        return bool(answer["status"] == 404)
    return bool(_look_up(answer["body"], wait["path"]) == wait["equals"])


def _look_up(value: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict):
            value = value.get(part.replace("~", "."))
        else:
            return None
    return value
