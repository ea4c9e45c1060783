"""Plays scenes on two servers, and says where the answers differ."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import yaml
from multidict import CIMultiDict

from ctrlkit.fakes import ApiServer, Security, Tracker
from ctrlkit.fakes.tracker.furniture import furnish
from tests.conformance.comparison import differences, mask
from tests.judge.rights.scenes import API, GROUP, PLACES, PREFIX, Request, Scene

Answer = dict[str, Any]
_ALLOWED = re.compile(r"allowed by .*")
_SEVERAL = re.compile(r"RBAC: \[(.*?)\]")
_QUOTED = re.compile(r'"[^"]*"')
_IGNORED = ("body.metadata.managedFields.*.time", "body.serverAddressByClientCIDRs")


@dataclass(frozen=True, slots=True)
class Difference:
    """A request that is answered otherwise, and a line for each place."""

    request: Request
    lines: tuple[str, ...]

    @property
    def signature(self) -> str:
        """What two differences of the same cause have in common, most likely."""
        path = re.sub(r"(rt-\w+|one|two)", "_", self.request.path.partition("?")[0])
        return f"{self.request.method} {path} {_QUOTED.sub('_', self.lines[0])[:120]}"


class Server:
    """One of the two servers, and the token of the scene's service account there."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._token = ""

    async def ask(self, request: Request) -> Answer:
        """Send a request; return its status and body."""
        headers = CIMultiDict({"Content-Type": request.content_type, "Accept": "application/json"})
        for name, value in request.headers:
            headers.add(name, value.replace("${TOKEN}", self._token))
        data = None if request.body is None else json.dumps(request.body).encode()
        async with self._session.request(request.method, request.path, data=data, headers=headers) as reply:
            text = await reply.text()
        try:
            content = json.loads(text)
        except ValueError:
            content = text[:200]
        return {"status": reply.status, "body": content}

    async def prepare(self) -> None:
        """Make the namespaces."""
        for place in PLACES:
            await self._make("/api/v1/namespaces", {"metadata": {"name": place}})

    async def _act(self, account: str) -> str:
        """Make a service account, whose token is used from then on; return its path."""
        accounts = f"/api/v1/namespaces/{PLACES[0]}/serviceaccounts"
        await self._make(accounts, {"metadata": {"name": account}})
        form = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = await self.ask(Request("POST", f"{accounts}/{account}/token", form))
        self._token = answer["body"]["status"]["token"]
        return f"{accounts}/{account}"

    async def play(self, scene: Scene, marker: int) -> list[Answer]:
        """Make a policy, ask the requests, and remove the policy."""
        account = await self._act(scene.account)
        for path, body in scene.policy:
            await self._make(path, body)
        await self._settled(marker)
        answers = [await self.ask(request) for request in scene.requests]
        for path, body in scene.policy:
            await self.ask(Request("DELETE", f"{path}/{body['metadata']['name']}"))
        await self.ask(Request("DELETE", account))
        return answers

    async def _make(self, path: str, body: Mapping[str, Any]) -> None:
        answer = await self.ask(Request("POST", path, body))
        assert answer["status"] in (201, 409), answer

    async def _settled(self, marker: int) -> None:
        """Wait until the server has seen all roles and bindings: it sees those of a kind in order."""
        rule = {"apiGroups": ["rt"], "resources": [f"m{marker}"], "verbs": ["see"]}
        for base, kind, user in (
            (f"{API}/namespaces/{PLACES[0]}/", "Role", "r"),
            (f"{API}/cluster", "ClusterRole", "c"),
        ):
            name = f"{PREFIX}-marker-{user}"
            role = {"metadata": {"name": name}, "rules": [rule]}
            subject = {"kind": "User", "name": f"{name}-{marker}", "apiGroup": GROUP}
            reference = {"apiGroup": GROUP, "kind": kind, "name": name}
            for plural, body in (
                ("rolebindings", {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}),
                ("roles", role),
            ):
                await self.ask(Request("DELETE", f"{base}{plural}/{name}"))
                await self._make(f"{base}{plural}", body)
            wanted = {"verb": "see", "group": "rt", "resource": f"m{marker}", "namespace": PLACES[0]}
            spec = {"user": subject["name"], "resourceAttributes": wanted}
            review = Request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
            for _ in range(1000):
                if (await self.ask(review))["body"]["status"]["allowed"]:
                    break


def compared(scene: Scene, ours: Iterable[Answer], real: Iterable[Answer]) -> list[Difference]:
    """Return the requests that are answered otherwise."""
    found = []
    for request, got, want in zip(scene.requests, ours, real, strict=True):
        lines = tuple(differences(_comparable(want), _comparable(got), _IGNORED))
        if lines:
            found.append(Difference(request, lines))
    return found


def _comparable(answer: Answer) -> Any:
    """An answer without what is by chance: values of one server, and the order of what comes out of maps."""
    if answer["status"] == 200 and not (isinstance(answer["body"], dict) and answer["body"].get("kind") == "Status"):
        return {"status": 200}  # what is read is not compared here
    masked = mask(answer)
    masked["body"] = _sorted(masked["body"])
    return masked


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_order(name, _sorted(inner)) for name, inner in value.items()}
    if isinstance(value, list):
        return [_sorted(inner) for inner in value]
    return _text(value) if isinstance(value, str) else value


def _in_order(name: str, value: Any) -> Any:
    return sorted(value, key=json.dumps) if name in ("resourceRules", "nonResourceRules", "causes") else value


def _text(value: str) -> str:
    value = _ALLOWED.sub("allowed by <binding>", value)
    return _SEVERAL.sub(lambda found: f"RBAC: {sorted(found[1].split(', '))}", value)


@asynccontextmanager
async def both_servers(kubeconfig: str, release: str) -> AsyncIterator[tuple[Server, Server]]:
    """Our server and the real one, prepared."""
    with open(kubeconfig) as file:  # noqa: ASYNC230 - a small file, before anything runs
        config = yaml.safe_load(file)
    token, url = config["users"][0]["user"]["token"], config["clusters"][0]["cluster"]["server"]
    trusted = ssl.create_default_context()
    trusted.check_hostname, trusted.verify_mode = False, ssl.CERT_NONE
    tracker = Tracker(server=release, rbac=True)
    furnish(tracker)
    agent = {"User-Agent": "recorder/1.0"}
    async with AsyncExitStack() as exits:
        ours = await exits.enter_async_context(ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve())
        first = await exits.enter_async_context(aiohttp.ClientSession(ours.url, headers=agent))
        connector = aiohttp.TCPConnector(ssl=trusted)
        headers = {"Authorization": f"Bearer {token}", **agent}
        second = await exits.enter_async_context(aiohttp.ClientSession(url, headers=headers, connector=connector))
        servers = Server(first), Server(second)
        for server in servers:
            await server.prepare()
        yield servers
