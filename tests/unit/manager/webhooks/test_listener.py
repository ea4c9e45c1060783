"""The HTTPS server for webhooks, on real sockets: certificates that change, clients that are slow, large or many."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from structlog.testing import capture_logs

from ctrlkit.errors import ConfigError
from ctrlkit.manager.webhooks import listener
from ctrlkit.manager.webhooks.certificates import CertificateMaker, chain_of
from ctrlkit.manager.webhooks.listener import listen
from ctrlkit.manager.webhooks.options import WebhookServing
from ctrlkit.manager.webhooks.rotation import Authority, Leaf
from ctrlkit.manager.webhooks.tls import MadeCertificate, MountedCertificate
from ctrlkit.webhooks import Webhooks
from tests.support.webhooked import WEBHOOKS, cache_object

pytestmark = [pytest.mark.real_time]
MAKER = CertificateMaker("web")
LOCAL = WebhookServing(address="127.0.0.1:0")
NAMES = frozenset({"127.0.0.1"})
HUNDREDS = 300
CHECK = "/validate-example-com-v1-cache"


def an_authority() -> Authority:
    return MAKER.authority(begins=time.time() - 60, ends=time.time() + 3600)


def a_leaf(authority: Authority) -> Leaf:
    return MAKER.leaf(authority, NAMES, begins=time.time() - 60, ends=time.time() + 600)


def trusting(*authorities: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata="".join(one.pem for one in authorities))


def a_review(size: int = 1, image: str = "redis:7") -> dict[str, Any]:
    kind = {"group": "example.com", "version": "v1", "kind": "Cache"}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": kind,
            "resource": {"group": "example.com", "version": "v1", "resource": "caches"},
            "name": "a",
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "me"},
            "object": cache_object("a", size=size, image=image),
        },
    }


async def allowed(session: aiohttp.ClientSession, port: int, review: object = None) -> Any:
    body = io.BytesIO(json.dumps(review or a_review()).encode())
    headers = {"Content-Type": "application/json"}
    async with session.post(f"https://127.0.0.1:{port}{CHECK}", data=body, headers=headers) as answer:
        assert answer.status == 200
        return (await answer.json())["response"]


def session(tls: ssl.SSLContext, limit: int = 100) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=limit))


@asynccontextmanager
async def serving(authority: Authority, options: WebhookServing = LOCAL) -> AsyncIterator[tuple[int, MadeCertificate]]:
    made = MadeCertificate(options.client_ca)
    made.present(chain_of(a_leaf(authority)))
    async with listen(Webhooks(WEBHOOKS), options, made.context) as port:
        yield port, made


@pytest.mark.behaviour("W11")
async def test_a_connection_outlives_a_change_of_the_certificate_and_a_new_one_gets_the_new() -> None:
    """The listener goes on, and nobody is cut off."""
    old, new = an_authority(), an_authority()
    async with serving(old) as (port, made), session(trusting(old)) as connected:
        assert (await allowed(connected, port))["allowed"]
        made.present(chain_of(a_leaf(new)))
        assert (await allowed(connected, port))["allowed"]
        async with session(trusting(old)) as late:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await allowed(late, port)
        async with session(trusting(new)) as late:
            assert (await allowed(late, port))["allowed"]


@pytest.mark.behaviour("W11")
async def test_mounted_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    """A certificate without its key is not taken, and the old one stays until both are there."""
    old, new = an_authority(), an_authority()
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    leaf = a_leaf(old)
    cert.write_text(leaf.pem)
    key.write_text(leaf.key)
    mounted = MountedCertificate(str(cert), str(key))
    assert mounted.check() == ""
    async with listen(Webhooks(WEBHOOKS), LOCAL, mounted.context) as port:
        leaf = a_leaf(new)
        cert.write_text(leaf.pem)
        async with session(trusting(old)) as asking:
            assert (await allowed(asking, port))["allowed"]
        key.write_text(leaf.key)
        async with session(trusting(new)) as asking:
            assert (await allowed(asking, port))["allowed"]


@pytest.mark.behaviour("W1")
async def test_with_client_authorities_those_alone_may_call_whose_certificate_they_signed(tmp_path: Path) -> None:
    """The same holds after the server's own certificate has changed."""
    authority, clients = an_authority(), trustme.CA()
    file = tmp_path / "clients.crt"
    clients.cert_pem.write_to_path(file)
    options = WebhookServing(address="127.0.0.1:0", client_ca=str(file))
    async with serving(authority, options) as (port, made):
        for _ in range(2):
            async with session(trusting(authority)) as asking:
                with pytest.raises(aiohttp.ClientError):
                    await allowed(asking, port)
            made.present(chain_of(a_leaf(authority)))
        tls = trusting(authority)
        clients.issue_cert("server.example.com").configure_cert(tls)
        async with session(tls) as asking:
            assert (await allowed(asking, port))["allowed"]


@pytest.mark.behaviour("W2")
async def test_what_is_too_large_or_no_post_is_refused() -> None:
    """An admission review of 7 MiB is answered with 413 in a review, as controller-runtime does."""
    authority = an_authority()
    async with serving(authority) as (port, _), session(trusting(authority)) as asking:
        response = await allowed(asking, port, a_review(image="x" * 7 * 1024 * 1024))
        assert (response["allowed"], response["status"]["code"]) == (False, 413)
        async with asking.get(f"https://127.0.0.1:{port}{CHECK}") as answer:
            assert answer.status == 405


async def test_who_sends_nothing_or_stops_in_the_middle_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds a connection for nothing; who has sent a whole request keeps it."""
    monkeypatch.setattr(listener, "FIRST_REQUEST_S", 0.1)
    monkeypatch.setattr(listener, "BODY_S", 0.1)
    monkeypatch.setattr(listener, "LINGER_S", 0.1)
    authority = an_authority()
    async with serving(authority) as (port, _), session(trusting(authority)) as asking:
        assert (await allowed(asking, port))["allowed"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(authority))
        assert await reader.read() == b""
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(authority))
        writer.write(f"POST {CHECK} HTTP/1.1\r\nHost: web\r\nContent-Length: 99\r\n\r\nhalf".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()
        assert (await allowed(asking, port))["allowed"]


async def test_who_goes_away_in_the_middle_of_a_body_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Servers restart; and who sends what cannot be unpacked is told so."""
    authority = an_authority()
    with capture_logs() as lines:
        await go_away_and_send_what_cannot_be_unpacked(authority, lines, caplog)


async def go_away_and_send_what_cannot_be_unpacked(
    authority: Authority, lines: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(authority) as (port, _), session(trusting(authority)) as asking:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(authority))
        writer.write(f"POST {CHECK} HTTP/1.1\r\nHost: web\r\nContent-Length: 99\r\n\r\nhalf".encode())
        await asyncio.sleep(0.05)
        writer.transport.abort()
        assert (await allowed(asking, port))["allowed"]
        assert caplog.records == []
        assert [line for line in lines if line["event"] == "library_logged"] == []
        packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        async with asking.post(f"https://127.0.0.1:{port}{CHECK}", data=io.BytesIO(b"half"), headers=packed) as answer:
            assert answer.status == 400


async def test_who_sends_what_is_no_http_has_one_line_without_a_traceback_or_what_was_sent() -> None:
    """Scanners do, again and again; what they sent may be a header with a token."""
    authority = an_authority()
    with capture_logs() as lines:
        async with serving(authority) as (port, _), session(trusting(authority)) as asking:
            for sent in (
                b"GET / HTTP/9.9",
                b"GET / HTTP/9.9",
                b"POST / HTTP/1.1\r\nAuthorization: s3cret" + b"x" * 9999,
            ):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(authority))
                writer.write(sent + b"\r\n\r\n")
                assert b" 400 " in await reader.readline()
                writer.close()
            assert (await allowed(asking, port))["allowed"]
    told = [line for line in lines if line["event"] == "library_logged"]
    assert [(line["part"], line["log_level"], line["error"]) for line in told] == [
        ("webhooks", "warning", "BadStatusLine"),
        ("webhooks", "debug", "BadStatusLine"),
        ("webhooks", "warning", "LineTooLong"),
    ]
    assert "exc_info" not in str(told)
    assert "s3cret" not in str(told)


@pytest.mark.long
async def test_hundreds_of_requests_at_once_are_all_answered() -> None:
    """One that is slow does not hold up the others."""
    authority = an_authority()
    async with serving(authority) as (port, _), session(trusting(authority), limit=32) as asking:
        slow = asyncio.create_task(allowed(asking, port, a_review(image="slow")))
        answers = await asyncio.gather(*(allowed(asking, port, a_review(size=n % 2)) for n in range(HUNDREDS)))
        assert [answer["allowed"] for answer in answers] == [n % 2 == 1 for n in range(HUNDREDS)]
        assert (await slow)["allowed"]


async def test_an_address_that_is_taken_is_told_with_the_setting() -> None:
    """One line, with what to change."""
    authority = an_authority()
    async with serving(authority) as (port, _):
        with pytest.raises(ConfigError, match="the port is taken; choose another with webhooks_address"):
            async with serving(authority, WebhookServing(address=f"127.0.0.1:{port}")):
                pass
