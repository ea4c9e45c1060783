"""
Webhooks over HTTPS, on the embedded API server and on a real one: the same assertions.

`webhook_answers.json` has what a real kube-apiserver 1.36 made of answers of a webhook: good ones, odd ones and wrong
ones. `$uid` stands for that of the review, `$name` for the webhook's.
"""

from __future__ import annotations

import base64
import itertools
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ctrlkit.client import Client, DryRun
from ctrlkit.errors import ApiError, InternalError
from ctrlkit.fakes import ApiServer, Security, Tracker
from ctrlkit.fakes.apiserver.certificates import Authority
from ctrlkit.fakes.apiserver.webhook_client import HttpsWebhooks
from ctrlkit.manager import connect
from ctrlkit.model import Resource, Unstructured
from ctrlkit.model.kinds import (
    CONFIG_MAPS,
    MUTATING_WEBHOOK_CONFIGURATIONS,
    VALIDATING_WEBHOOK_CONFIGURATIONS,
)

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(300)]

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("webhook_answers.json").read_text())
KINDS: dict[str, Resource[Unstructured]] = {
    "Mutating": MUTATING_WEBHOOK_CONFIGURATIONS,
    "Validating": VALIDATING_WEBHOOK_CONFIGURATIONS,
}
_NUMBERS = itertools.count(1)


class Hook:
    """An HTTPS server of webhooks; each path answers with the reply of a case."""

    def __init__(self) -> None:
        self.authority = Authority()
        self.replies: dict[str, dict[str, Any]] = {}
        self.reviews: dict[str, list[dict[str, Any]]] = {}
        self.url = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Hook]:
        """Serve while in the block."""
        runner = web.ServerRunner(web.Server(self._answer))
        await runner.setup()
        tls: ssl.SSLContext = self.authority.server_context("127.0.0.1")
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        self.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path, review = request.path.strip("/"), await request.json()
        self.reviews.setdefault(path, []).append(review | {"query": request.query_string})
        reply, uid = self.replies[path], review["request"]["uid"]
        text = json.dumps(reply["review"]).replace("$uid", uid) if "review" in reply else reply["body"]
        headers = {"Content-Type": "application/json"}
        return web.Response(body=text.encode(), status=reply.get("status", 200), headers=headers)

    def webhook(self, path: str, **more: Any) -> dict[str, Any]:
        """Return a webhook for the ConfigMaps that have the label `case` with the path."""
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
        bundle = base64.b64encode(self.authority.pem).decode()
        return {
            "name": f"{path}.ctrlkit.test",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "timeoutSeconds": 10,
            "clientConfig": {"url": f"{self.url}/{path}", "caBundle": bundle},
            "objectSelector": {"matchLabels": {"case": path}},
            "rules": [rule],
            **more,
        }


@asynccontextmanager
async def embedded(_request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Client]:
    """A client of the embedded server."""
    tracker = Tracker()
    tracker.webhooks = HttpsWebhooks({})
    async with ApiServer(tracker, tracker.registry, security=Security.TLS).serve() as server:
        server.write_kubeconfig(tmp_path / "kubeconfig")
        async with connect(kubeconfig=str(tmp_path / "kubeconfig")) as client:
            yield client


@asynccontextmanager
async def real(request: pytest.FixtureRequest, _tmp_path: Path) -> AsyncIterator[Client]:
    """A client of a real server."""
    async with connect(kubeconfig=request.getfixturevalue("control_plane").kubeconfig) as client:
        yield client


SERVERS = [embedded, pytest.param(real, marks=pytest.mark.judge)]


async def asked(client: Client, hook: Hook, kind: str, path: str, **more: Any) -> Any:
    """Configure a webhook, and create a ConfigMap for it, in a dry run, until the server knows the webhook."""
    body = {"metadata": {"name": path}, "webhooks": [hook.webhook(path, **more)]}
    await client.create(KINDS[kind], body)
    metadata = {"name": "a", "namespace": "default", "labels": {"case": path}}
    while True:
        try:
            made = await client.create(CONFIG_MAPS, {"metadata": metadata, "data": {"a": "1"}}, dry_run=DryRun.ALL)
        except ApiError as error:
            return error
        if path in hook.reviews:
            return made


@pytest.mark.parametrize("server", SERVERS)
async def test_answers_of_a_webhook_lead_to_what_a_real_server_makes_of_them(
    server: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        hook = await stack.enter_async_context(Hook().serve())
        client = await stack.enter_async_context(server(request, tmp_path))
        wrong = {}
        for case in CASES:
            path = f"case-{next(_NUMBERS)}"
            hook.replies[path] = case["reply"]
            found = await asked(client, hook, case["kind"], path)
            uid = hook.reviews[path][-1]["request"]["uid"]
            if (seen := seen_of(found, path, uid)) != case["want"]:
                wrong[f"{case['kind']}: {case['name']}"] = (seen, case["want"])
            assert hook.reviews[path][-1]["query"] == "timeout=10s"
    assert not wrong


def seen_of(found: Any, path: str, uid: str) -> dict[str, Any]:
    """What a client sees of an answer, as the file has it."""
    if isinstance(found, ApiError):
        status = found.to_status()
        message = status["message"].replace(uid, "$uid").replace(f"{path}.ctrlkit.test", "$name")
        return {"code": found.code, "message": message}
    return {"code": 201, "name": found.key.name, "data": found["data"]}


@pytest.mark.parametrize("server", SERVERS)
async def test_a_webhook_that_is_not_there_or_not_trusted_fails_or_is_ignored(
    server: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Nothing listens at port 1; another authority's certificates are not accepted."""
    other = base64.b64encode(Authority().pem).decode()
    async with AsyncExitStack() as stack:
        hook = await stack.enter_async_context(Hook().serve())
        client = await stack.enter_async_context(server(request, tmp_path))
        away = f"away-{next(_NUMBERS)}"
        config = {"url": "https://127.0.0.1:1/x", "caBundle": other}
        hook.reviews[away] = []
        failed = await until_refused(client, hook, away, config)
        assert failed.message.endswith(
            'failed to call webhook: Post "https://127.0.0.1:1/x?timeout=10s": dial tcp 127.0.0.1:1: connect: '
            "connection refused"
        )
        untrusted = f"untrusted-{next(_NUMBERS)}"
        failed = await until_refused(client, hook, untrusted, {"url": f"{hook.url}/x", "caBundle": other})
        assert "tls: failed to verify certificate: x509: certificate signed by unknown authority" in failed.message
        broken = f"broken-{next(_NUMBERS)}"
        nothing = base64.b64encode(b"nothing").decode()
        failed = await until_refused(client, hook, broken, {"url": f"{hook.url}/x", "caBundle": nothing})
        assert failed.message.endswith(
            "could not get REST client: unable to load root certificates: unable to parse bytes as PEM block"
        )
        hook.reviews["ignored"] = []
        assert not isinstance(
            await asked(client, hook, "Validating", "ignored", clientConfig=config, failurePolicy="Ignore"), ApiError
        )


async def until_refused(client: Client, hook: Hook, path: str, config: dict[str, Any]) -> InternalError:
    """Configure a webhook that cannot be called, and return the failure once the server knows it."""
    hook.reviews.pop(path, None)
    failed = await asked(client, hook, "Validating", path, clientConfig=config)
    assert isinstance(failed, InternalError)
    return failed
