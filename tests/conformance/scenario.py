"""
One scenario: requests in a row with the answers a real kube-apiserver 1.36 gave to them.

A scenario is {"name", "steps", "ignore"?, "cleanup"?}, a step is {"name", "method", "path", "headers"?, "body"? (JSON)
or "raw"? (text) or "base64"?, "save"?, "wait"?, "ignore"?, "only"?, "sort"?, "keep"?, "nobody"?, "hashes"?, "answer"}.
`save` keeps values of an answer under names, `${NAME}` stands for them later on, and `${repeat:x:1000}` for so many x;
`wait` repeats the request until the answer holds something, for up to ten seconds; `ignore` names what is not compared,
`only` what alone is; `sort` sorts lists by a field of their items; of a large answer only the paths in `keep` were
recorded, or with `nobody` nothing. Answers in protobuf are kept as trees of their fields (protobuf_tree.py).
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from ctrlkit import clock
from tests.conformance.comparison import concerns, differences, look_up, mask
from tests.conformance.protobuf_tree import frames, tree

SCENARIOS = Path(__file__).with_name("scenarios")
_PATIENCE_S = 10.0
_PAUSE_S = 0.1

Step = Mapping[str, Any]
Scenario = Mapping[str, Any]


def read_scenario(name: str) -> Scenario:
    """A scenario by its name."""
    scenario: Scenario = json.loads((SCENARIOS / f"{name}.json").read_text())
    return scenario


async def replay(url: str, scenario: Scenario, *, patience_s: float = _PATIENCE_S) -> dict[str, list[str]]:
    """Send a scenario's requests to a server; what differs, by the names of the steps where anything does."""
    found: dict[str, list[str]] = {}
    kept: dict[str, str] = {}
    async with aiohttp.ClientSession(url, headers={"User-Agent": "recorder/1.0"}) as session:
        for step in scenario["steps"]:
            answer = await _perform(session, step, kept, patience_s)
            lines = compare(step, answer, scenario.get("ignore", ()))
            if lines:
                found[step["name"]] = lines
    return found


def compare(step: Step, answer: Mapping[str, Any], ignored: Sequence[str] = ()) -> list[str]:
    """Where an answer differs from the recorded one."""
    lines = differences(_prepared(step["answer"], step), _prepared(answer, step), [*ignored, *step.get("ignore", ())])
    return [line for line in lines if concerns(line, step.get("only", ()))]


def _prepared(answer: Mapping[str, Any], step: Step) -> Any:
    masked = mask(answer, hashes=step.get("hashes", False))
    for path, by in step.get("sort", {}).items():
        things = look_up(masked, path)
        if isinstance(things, list):
            things.sort(key=lambda one: json.dumps([look_up(one, key) for key in by.split(",")]))
    return masked


async def _perform(
    session: aiohttp.ClientSession, step: Step, kept: dict[str, str], patience_s: float
) -> dict[str, Any]:
    until = clock.monotonic() + patience_s
    while True:
        answer = await _ask(session, step, kept)
        if _holds(step.get("wait"), answer) or clock.monotonic() > until:
            break
        await asyncio.sleep(_PAUSE_S)
    kept.update((name, str(look_up(answer["body"], path))) for name, path in step.get("save", {}).items())
    return answer


async def _ask(session: aiohttp.ClientSession, step: Step, kept: Mapping[str, str]) -> dict[str, Any]:
    headers = {"Accept": "application/json", **_filled(step.get("headers", {}), kept)}
    data = _data(step, kept)
    if data is not None:
        headers.setdefault("Content-Type", "application/json")
    headers = {name: value for name, value in headers.items() if value}
    path = _filled(step["path"], kept)
    body = None if data is None else io.BytesIO(data)
    async with session.request(step["method"], path, data=body, headers=headers) as reply:
        content = await reply.read()
    answer = {
        "status": reply.status,
        "contentType": reply.headers.get("Content-Type", "").partition(";")[0],
        "body": _body(step, reply, content),
    }
    warnings = reply.headers.getall("Warning", [])
    if warnings:
        answer["warning"] = warnings[0] if len(warnings) == 1 else warnings
    return answer


def _data(step: Step, kept: Mapping[str, str]) -> bytes | None:
    if "base64" in step:
        return base64.b64decode(step["base64"])
    if "raw" in step:
        return str(_filled(step["raw"], kept)).encode()
    return json.dumps(_filled(step["body"], kept)).encode() if "body" in step else None


def _body(step: Step, reply: aiohttp.ClientResponse, content: bytes) -> Any:
    if step.get("nobody"):
        return "<not kept>"
    is_watch = "watch=" in step["path"]
    if "protobuf" in reply.content_type and "openapi" not in step["path"]:
        return {"frames": frames(content)} if is_watch else {"protobuf": tree(content)}
    text = content.decode(errors="replace")
    if is_watch and reply.status == 200:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    body = _parsed(text)
    if "keep" in step and isinstance(body, dict) and reply.status == 200:
        return {"kept": {path: look_up(body, path) for path in step["keep"]}}
    return body


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _filled(value: Any, kept: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        value = re.sub(r"\$\{repeat:(.+?):(\d+)\}", lambda found: found[1] * int(found[2]), value)
        for name, text in kept.items():
            value = value.replace(f"${{{name}}}", text)
        return value
    if isinstance(value, dict):
        return {_filled(name, kept): _filled(part, kept) for name, part in value.items()}
    return [_filled(one, kept) for one in value] if isinstance(value, list) else value


def _holds(wait: Mapping[str, Any] | None, answer: Mapping[str, Any]) -> bool:
    if wait is None:
        return True
    if "all" in wait:
        return all(_holds(one, answer) for one in wait["all"])
    status = 404 if wait.get("gone") else wait.get("status")
    if status is not None:
        return bool(answer["status"] == status)
    return _fits(wait, look_up(answer["body"], wait["path"]))


def _fits(wait: Mapping[str, Any], found: Any) -> bool:
    if "count" in wait:
        return isinstance(found, list | None) and len(found or ()) == wait["count"]
    if "matches" in wait:
        return found is not None and re.search(wait["matches"], str(found)) is not None
    return bool(found == wait["equals"])
