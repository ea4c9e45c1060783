"""Performs the same steps on two servers, and says where the answers differ."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import yaml

from ctrlkit.fakes import ApiServer, Security, Tracker
from ctrlkit.fakes.tracker.furniture import furnish
from tests.conformance.comparison import differences, mask
from tests.judge.differential.requests import Requests, Step, changed
from tests.judge.differential.seeds import NAMESPACE

Answer = dict[str, Any]
Steps = list[Step]

_PATCHES = {"merge": "application/merge-patch+json", "strategic": "application/strategic-merge-patch+json"}
_FORCE = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
_IGNORED = (
    "body.metadata.managedFields.*.time",
    "body.spec.clusterIP",
    "body.spec.clusterIPs",
)
_ECHO = re.compile(r'"\{.*\}"(?=: )|map\[.*\]')
_RANDOM = re.compile(r"\d+|\"[^\"]*\"|'[^']*'")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two answers to a step differ: the step's number and word, and a line for each place."""

    step: int
    word: str
    lines: tuple[str, ...]

    @property
    def signature(self) -> tuple[str, str]:
        """What two differences of the same cause have in common, most likely."""
        return self.word, _RANDOM.sub("_", self.lines[0])[:150]


class Server:
    """One of the two servers."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Answer:
        """Send a request; return its status, body and warnings."""
        data = None if body is None else json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        async with self._session.request(method, path, data=data, headers=headers) as reply:
            text = await reply.text()
        try:
            content = json.loads(text)
        except ValueError:
            content = text
        return {"status": reply.status, "body": content, "warning": sorted(reply.headers.getall("Warning", []))}

    async def run(self, requests: Requests, steps: Steps) -> list[Answer]:
        """Perform steps, and remove what they made."""
        answers = [await self._perform(requests, step) for step in steps]
        made = [answer["body"]["metadata"]["name"] for answer in answers if _is_object(requests, answer)]
        for place in dict.fromkeys((requests.object, *(f"{requests.collection}/{name}" for name in made))):
            await self._remove(place)
        return answers

    async def _perform(self, requests: Requests, step: Step) -> Answer:
        path = requests.path(step)
        match step.verb:
            case "create":
                return await self.ask("POST", path, _with_dash(changed(requests.seed(step.part), step.given)))
            case "update":
                found = await self.ask("GET", path.partition("?")[0])
                body = found["body"] if found["status"] == 200 else requests.seed(step.part)
                return await self.ask("PUT", path, changed(body, step.given))
            case "apply":
                body = changed(requests.seed(step.part), step.given)
                return await self.ask("PATCH", path, body, "application/apply-patch+yaml")
            case "delete":
                return await self.ask("DELETE", path, step.given)
        return await self.ask("PATCH", path, step.given, _PATCHES[step.verb])

    async def _remove(self, path: str) -> None:
        for _ in range(3):
            found = await self.ask("DELETE", path, _FORCE)
            if found["status"] == 404:
                return
            await self.ask("PATCH", path, {"metadata": {"finalizers": None}}, _PATCHES["merge"])


def _is_object(requests: Requests, answer: Answer) -> bool:
    body = answer["body"]
    return answer["status"] == 201 and isinstance(body, dict) and body.get("kind") == requests.kind.kind


def _with_dash(plain: Any) -> Any:
    """Let the base of a generated name end with a dash, so that what is random in the name is seen."""
    metadata = plain.get("metadata")
    base = metadata.get("generateName") if isinstance(metadata, dict) and not metadata.get("name") else None
    return (
        {**plain, "metadata": {**metadata, "generateName": f"{base[:50]}-"}}
        if base and isinstance(base, str)
        else plain
    )


def difference(steps: Steps, ours: Iterable[Answer], real: Iterable[Answer]) -> Difference | None:
    """Return the first step whose answers differ."""
    for number, (step, got, want) in enumerate(zip(steps, ours, real, strict=True)):
        lines = lines_between(got, want)
        if lines:
            return Difference(number, step.word, lines)
    return None


def comparable(answer: Mapping[str, Any]) -> Any:
    """An answer without what is by chance: values of one server, and the order of several causes."""
    masked = mask(answer)
    body = masked["body"] = _without_echo(masked["body"])
    causes = (body.get("details") or {}).get("causes") if isinstance(body, dict) else None
    if causes and len(causes) > 1:
        causes.sort(key=lambda cause: (cause.get("field", ""), cause.get("message", "")))
        body["message"] = "<that of the causes>"
    return masked


def _without_echo(value: Any) -> Any:
    """Leave out whole objects that a message repeats, whose fields come in another order."""
    if isinstance(value, dict):
        return {name: _without_echo(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_echo(inner) for inner in value]
    return _ECHO.sub("<object>", _sorted_errors(value)) if isinstance(value, str) else value


def _sorted_errors(text: str) -> str:
    """
    Sort what an apply says of several fields, which comes in the order of a map.

    A field that is not declared ends it, and where that comes is by chance, so of these nothing else is kept.
    """
    if text.startswith("failed to create typed patch object") and "field not declared in schema" in text:
        return "failed to create typed patch object: field not declared in schema"
    first, *errors = text.split("\n")
    return "\n".join([first, *sorted(errors)])


class Plane(Protocol):
    """A real server that runs."""

    @property
    def url(self) -> str:
        """Its address."""
        ...

    @property
    def kubeconfig(self) -> str:
        """How to speak to it."""
        ...

    @property
    def release(self) -> str:
        """The Kubernetes release, such as "1.36"."""
        ...


def lines_between(ours: Answer, real: Answer) -> tuple[str, ...]:
    """Return a line for each place where two answers differ."""
    return tuple(differences(comparable(real), comparable(ours), _IGNORED))


@asynccontextmanager
async def both_servers(plane: Plane) -> AsyncIterator[tuple[Server, Server]]:
    """Our server and the real one, each with the namespace of the requests."""
    with open(plane.kubeconfig) as file:  # noqa: ASYNC230 - a small file, before anything runs
        config = yaml.safe_load(file)
    token = config["users"][0]["user"]["token"]
    trusted = ssl.create_default_context()
    trusted.check_hostname, trusted.verify_mode = False, ssl.CERT_NONE
    tracker = Tracker(server=plane.release)
    furnish(tracker)
    async with AsyncExitStack() as exits:
        ours = await exits.enter_async_context(ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve())
        agent = {"User-Agent": "recorder/1.0"}
        first = await exits.enter_async_context(aiohttp.ClientSession(ours.url, headers=agent))
        connector = aiohttp.TCPConnector(ssl=trusted)
        headers = {"Authorization": f"Bearer {token}", **agent}
        second = await exits.enter_async_context(aiohttp.ClientSession(plane.url, headers=headers, connector=connector))
        servers = Server(first), Server(second)
        for server in servers:
            await server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        yield servers
