"""What a server says of itself: as a real one, whoever asks and however."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDictProxy

from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Action, Verb
from ctrlkit.model.kinds import SERVICE_ACCOUNTS

pytestmark = pytest.mark.real_time

Answer = tuple[int, CIMultiDictProxy[str], bytes]


async def ask(path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
    """Ask a new server for a page; redirects are not followed and bodies come as they were sent."""
    tracker = Tracker()
    async with (
        ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve() as server,
        aiohttp.ClientSession(server.url, auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as session,
        session.request(method, path, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status, answer.headers, (await answer.read()).replace(server.url.encode(), b"URL")


async def read(path: str) -> Any:
    """A page's JSON."""
    status, _, body = await ask(path)
    assert status == 200
    return json.loads(body)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/livez/ping", "/readyz/ping", "/healthz/log"])
async def test_health_is_ok(path: str) -> None:
    status, headers, body = await ask(path)
    assert (status, headers["Content-Type"], body) == (200, "text/plain; charset=utf-8", b"ok")


async def test_each_check_of_health_is_told_to_who_asks_for_all() -> None:
    _, _, body = await ask("/readyz?verbose")
    assert body.decode() == "[+]ping ok\n[+]log ok\n[+]shutdown ok\nreadyz check passed\n"
    _, _, body = await ask("/livez?verbose&exclude=log")
    assert body.decode() == "[+]ping ok\n[+]log excluded: ok\nlivez check passed\n"


@pytest.mark.parametrize(
    "path", ["/readyz/none", "/livez/", "/logs", "/logs/", "/openapi", "/openapi/v2/", "/metrics/", "/swagger.json"]
)
async def test_there_is_nothing_at_other_paths(path: str) -> None:
    status, _, body = await ask(path)
    assert (status, body) == (404, b"404 page not found\n")


async def test_the_paths_of_a_server_are_listed_in_order() -> None:
    _, _, body = await ask("/")
    assert body.startswith(b'{\n  "paths": [\n    "/.well-known/openid-configuration",\n')
    paths = json.loads(body)["paths"]
    assert paths == sorted(set(paths))
    assert paths[:3] == ["/.well-known/openid-configuration", "/api", "/api/v1"]
    assert {"/apis/apps", "/apis/apps/v1", "/healthz/ping", "/openapi/v2", "/openapi/v3/", "/version"} <= set(paths)


async def test_tokens_of_service_accounts_have_an_issuer() -> None:
    status, headers, body = await ask("/.well-known/openid-configuration")
    assert (status, headers["Cache-Control"]) == (200, "public, max-age=3600")
    assert json.loads(body) == {
        "issuer": "https://kubernetes.default.svc",
        "jwks_uri": "URL/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    status, headers, body = await ask("/openid/v1/jwks")
    assert (status, headers["Content-Type"]) == (200, "application/jwk-set+json")
    (key,) = json.loads(body)["keys"]
    assert {name: key[name] for name in ("use", "kty", "alg", "e")} == {
        "use": "sig",
        "kty": "RSA",
        "alg": "RS256",
        "e": "AQAB",
    }


def test_a_token_is_signed_by_the_key_that_is_published() -> None:
    """Whoever checks a token by the published keys finds it good."""
    tracker = Tracker()
    tracker.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bot", "namespace": "default"}})
    action = Action(
        verb=Verb.CREATE,
        resource=SERVICE_ACCOUNTS,
        namespace="default",
        name="bot",
        subresource="token",
        body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )
    token = json.loads(tracker.call(action))["status"]["token"]
    (key,) = tracker.token_keys()
    head, claims, signature = token.split(".")
    assert json.loads(decoded(head)) == {"alg": "RS256", "kid": key["kid"]}
    number = pow(*(int.from_bytes(decoded(part), "big") for part in (signature, key["e"], key["n"])))
    assert number.to_bytes(256, "big").endswith(hashlib.sha256(f"{head}.{claims}".encode()).digest())


def decoded(text: str) -> bytes:
    """The bytes of a text in base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def test_metrics_are_text_for_prometheus() -> None:
    status, headers, body = await ask("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert body.startswith(b"# HELP apiserver_longrunning_requests ")
    assert b'kubernetes_build_info{major="1",minor="36"} 1\n' in body


async def test_a_document_that_is_asked_for_by_its_hash_may_be_kept() -> None:
    place = (await read("/openapi/v3"))["paths"]["apis/apps/v1"]["serverRelativeURL"]
    status, headers, body = await ask(place)
    tag = f'"{place.partition("=")[2]}"'
    assert (status, headers["ETag"], headers["Cache-Control"]) == (200, tag, "public, immutable")
    assert headers["Expires"].endswith(" UTC")
    assert "/apis/apps/v1/deployments" in json.loads(body)["paths"]


async def test_a_document_that_is_asked_for_by_another_hash_is_elsewhere() -> None:
    place = (await read("/openapi/v3"))["paths"]["api/v1"]["serverRelativeURL"]
    status, headers, _ = await ask("/openapi/v3/api/v1?hash=X")
    assert (status, headers["Location"]) == (301, place)


@pytest.mark.parametrize("path", ["/openapi/v3/api/v1", "/openapi/v2"])
async def test_a_document_is_sent_once_and_compressed_where_that_is_read(path: str) -> None:
    _, plain_headers, plain = await ask(path)
    status, headers, body = await ask(path, headers={"Accept-Encoding": "gzip"})
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert gzip.decompress(body) == plain
    assert headers["ETag"] == plain_headers["ETag"]
    status, _, body = await ask(path, headers={"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("text/html, */*;q=0.1", 200),
        ("application/yaml", 406),
        ("text/html", 406),
        ("application/com.github.proto-openapi.spec.v2.v1.0+protobuf,application/json", 200),
    ],
)
@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/apis/apps/v1"])
async def test_documents_are_json(path: str, accept: str, status: int) -> None:
    got, _, body = await ask(path, headers={"Accept": accept})
    assert got == status
    assert bool(body) == (status == 200)


async def test_no_document_is_served_of_unknown_groups() -> None:
    for path in ("/openapi/v3/apis/none/v1", "/openapi/v3/", "/openapi/v3/v2", "/openapi/v3/apis_apps_v1"):
        status, _, body = await ask(path)
        assert (status, body) == (404, b"")


@pytest.mark.parametrize("path", ["/healthz", "/", "/openapi/v3", "/metrics"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_page_is_answered_whatever_the_method(path: str, method: str) -> None:
    status, _, _ = await ask(path, method=method)
    assert status == 200
