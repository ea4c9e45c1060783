"""
Explore definitions of custom resources: python -m tests.judge.differential.definitions [--minutes 20] [--kubeconfig F]

The same random definitions are sent to a real API server and to ours: most are only asked about (`dryRun`); some are
stored, changed and deleted. Each new kind of difference is printed once, shrunk. Needs $KUBEBUILDER_ASSETS, or the
kubeconfig of a server that runs, where the definitions of the group `fuzz.example.com` are made and deleted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.releases import NEWEST
from tests.conformance.comparison import differences
from tests.judge.differential.compare import Answer, Server, both_servers, comparable
from tests.judge.differential.schemas import Plain, definitions

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_PHASES = (Phase.generate, Phase.shrink)
_MASKED = re.compile(r"\d+|\"[^\"]*\"|'[^']*'|\[[^\]]*\]|\{.*\}|`[^`]*`")
_EMPTY = re.compile(r'":(?:\{\}|\[\])')
_SELF = re.compile(r"selfType\d+")
_PATIENCE = 60
_PAUSE_S = 0.05
_IGNORED = ("body.metadata.managedFields.*.time",)

Steps = list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the answers to a step differ; `signature` is what differences of the same cause have in common."""

    step: int
    lines: tuple[str, ...]
    signature: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Running:
    """A server that runs already, as `both_servers` wants to know it."""

    kubeconfig: str
    url: str
    release: str = NEWEST


class _Found(Exception):
    """A new difference."""


def difference(steps: Steps, ours: list[Answer], real: list[Answer]) -> Difference | None:
    """Return the first step whose answers differ."""
    for number, (got, want) in enumerate(zip(ours, real, strict=True)):
        one, other = (_without_empty(comparable(answer)) for answer in (got, want))
        lines = tuple(differences(other, one, _IGNORED))
        if lines:
            apart = [*_apart(one, other, "ours"), *_apart(other, one, "real")]
            named = sorted({_MASKED.sub("_", text) for text in apart} or {_MASKED.sub("_", lines[0])})
            return Difference(number, (*apart, *lines)[:8], (steps[number][0], *(text[:120] for text in named[:3])))
    return None


def _without_empty(value: Any) -> Any:
    """Without what is by chance: whether what is empty is shown, and the number in the name of a type."""
    if isinstance(value, dict):
        return {name: _without_empty(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_empty(inner) for inner in value]
    return _SELF.sub("selfType", _EMPTY.sub('":null', value)) if isinstance(value, str) else value


def _apart(one: Any, other: Any, whose: str) -> list[str]:
    """The causes that only one of two answers has."""
    mine, theirs = (Counter(_causes(answer)) for answer in (one, other))
    return [f"{whose}: {text}" for text in (mine - theirs)]


def _causes(answer: Any) -> Iterator[str]:
    body = answer["body"]
    details = body.get("details") if isinstance(body, dict) else None
    for cause in (details or {}).get("causes") or ():
        yield f"{cause.get('field')}: {cause.get('message')}"


async def perform(server: Server, steps: Steps) -> list[Answer]:
    """Perform steps about one definition, and remove it."""
    answers = []
    name = ""
    for word, value in steps:
        if word == "try":
            answers.append(await server.ask("POST", f"{PATH}?dryRun=All", value))
            continue
        if word == "create":
            name = value["metadata"]["name"]
        answers.append(await _step(server, word, name, value))
        if word == "delete":
            await _gone(server, name)
        else:
            answers.append(await _settled(server, name))
    if name:
        await server.ask("DELETE", f"{PATH}/{name}")
        await _gone(server, name)
    return answers


async def _gone(server: Server, name: str) -> None:
    for _ in range(_PATIENCE):
        if (await server.ask("GET", f"{PATH}/{name}"))["status"] == 404:
            break
        await asyncio.sleep(_PAUSE_S)


async def _step(server: Server, word: str, name: str, value: Any) -> Answer:
    match word:
        case "create":
            return await server.ask("POST", PATH, value)
        case "update":
            current = (await server.ask("GET", f"{PATH}/{name}"))["body"]
            value = {**value, "metadata": {**value["metadata"], "name": name}}
            value["metadata"]["resourceVersion"] = (current.get("metadata") or {}).get("resourceVersion", "")
            return await server.ask("PUT", f"{PATH}/{name}", value)
        case "patch":
            return await server.ask("PATCH", f"{PATH}/{name}", value, "application/merge-patch+json")
        case "status":
            return await server.ask("PATCH", f"{PATH}/{name}/status", value, "application/merge-patch+json")
        case "apply":
            value = {**value, "metadata": {**value["metadata"], "name": name}}
            way = f"{PATH}/{name}?fieldManager=me&force=true"
            return await server.ask("PATCH", way, value, "application/apply-patch+yaml")
    return await server.ask("DELETE", f"{PATH}/{name}")


async def _settled(server: Server, name: str) -> Answer:
    """Return a definition once the server's controllers have nothing more to say of it."""
    found, before = await server.ask("GET", f"{PATH}/{name}"), None
    for _ in range(_PATIENCE):
        if found["status"] == 404 or (before == found and _is_named(found["body"])):
            break
        before = found
        await asyncio.sleep(_PAUSE_S)
        found = await server.ask("GET", f"{PATH}/{name}")
    return found


def _is_named(definition: Plain) -> bool:
    status = definition["status"]
    said = {one["type"]: one for one in status.get("conditions") or ()}
    return "NamesAccepted" in said and said.get("Established", {}).get("reason") != "Installing"


@st.composite
def sequences(draw: st.DrawFn) -> Steps:
    """Draw steps: one definition that is tried, or several that follow one another."""
    if draw(st.integers(0, 9)) < 8:
        return [("try", draw(definitions()))]
    steps: Steps = [("create", draw(definitions()))]
    for word in draw(st.lists(st.sampled_from(("update", "apply", "patch", "status", "delete")), max_size=3)):
        value: Any = None
        if word in ("update", "apply"):
            value = draw(definitions())
        elif word == "patch":
            value = draw(st.sampled_from(_PATCHES))
        elif word == "status":
            value = {"status": draw(st.sampled_from(_STATUS_PATCHES)), "metadata": {"labels": {"a": "b"}}}
        steps.append((word, value))
    return steps


_PATCHES: tuple[Plain, ...] = (
    {"spec": {"scope": "Namespaced"}},
    {"spec": {"names": {"kind": "Other"}}},
    {"spec": {"names": {"shortNames": ["x"]}}},
    {"spec": {"names": {"singular": None, "categories": ["all"]}}},
    {"spec": {"group": "other.example.com"}},
    {"spec": {"conversion": None}},
    {"spec": {"versions": []}},
    {"metadata": {"annotations": {"api-approved.kubernetes.io": "x"}}},
)
_STATUS_PATCHES: tuple[Plain, ...] = (
    {"storedVersions": ["v9"]},
    {"storedVersions": []},
    {"acceptedNames": {"plural": "A_"}},
    {"conditions": []},
    {"storedVersions": ["v1", "v0"]},
)


def explore(
    runner: asyncio.Runner,
    servers: tuple[Server, Server],
    known: set[tuple[str, ...]],
    *,
    examples: int,
    start: int,
    shrinks: bool = True,
) -> Iterator[tuple[Steps, Difference]]:
    """Yield a new difference that any of so many examples shows, shrunk; or else all of them, as they are."""
    smallest: list[tuple[Steps, Difference]] = []

    async def compared(steps: Steps) -> Difference | None:
        try:
            ours, real = [await perform(server, steps) for server in servers]
        except aiohttp.ServerDisconnectedError:  # the server has no answer to it
            return None
        every = [step for step in steps for _ in range(1 if step[0] in ("try", "delete") else 2)]
        return difference(every, ours, real)

    @seed(start)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=_PHASES if shrinks else _PHASES[:1],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(sequences())
    def search(steps: Steps) -> None:
        found = runner.run(compared(steps))
        if found is not None and found.signature not in known:
            smallest.append((steps, found))
            if shrinks:
                raise _Found
            known.add(found.signature)

    with contextlib.suppress(_Found, Flaky):
        search()
    yield from smallest[-1:] if shrinks else smallest


def _plane(kubeconfig: str) -> contextlib.AbstractContextManager[Any]:
    if not kubeconfig:
        return ControlPlane()
    with open(kubeconfig) as file:
        url = yaml.safe_load(file)["clusters"][0]["cluster"]["server"]
    return contextlib.nullcontext(_Running(kubeconfig, url))


def main() -> None:
    """Explore until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rough", action="store_true", help="print differences as they are found, not shrunk")
    parser.add_argument("--kubeconfig", default="")
    asked = parser.parse_args()
    until, start, known = time.monotonic() + asked.minutes * 60, asked.seed, set[tuple[str, ...]]()
    with _plane(asked.kubeconfig) as plane, asyncio.Runner() as runner:
        stack = both_servers(plane)
        servers = runner.run(stack.__aenter__())
        while time.monotonic() < until:
            for steps, one in explore(
                runner, servers, known, examples=asked.examples, start=start, shrinks=not asked.rough
            ):
                known.add(one.signature)
                print(f"step {one.step}:", *one.lines, sep="\n    ")
                print(f"    steps {json.dumps(steps)}", flush=True)
            start += 1
            print(f"== {len(known)} differences, seed {start}", flush=True)
        runner.run(stack.__aexit__(None, None, None))


if __name__ == "__main__":
    main()
