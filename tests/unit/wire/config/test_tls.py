"""HTTPS with certificates of our own: authority from a file or from data, client certificates, and what goes wrong."""

from __future__ import annotations

import asyncio
import base64
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme
import yaml
from aiohttp import web
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ctrlkit.errors import ConfigError, Unauthorized, Unreachable
from ctrlkit.model import Action, Verb
from ctrlkit.model.kinds import PODS
from ctrlkit.wire.config import load_endpoint
from ctrlkit.wire.config.credentials import RENEW_AGAIN_S
from ctrlkit.wire.config.tls import not_after
from ctrlkit.wire.secrets import Pem
from ctrlkit.wire.transport import RestTransport
from tests.unit.wire.support import ScriptedServer, answers, refuses, serving

LIST = Action(verb=Verb.LIST, resource=PODS)
WATCH = Action(verb=Verb.WATCH, resource=PODS)
IDLE_CONNECTIONS_S = 4000.0
"""After this long the server has closed connections that nobody uses; the client's own patience is in real time."""
EMPTY = {"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": []}


@dataclass(frozen=True, slots=True)
class Files:
    """Certificates of one authority, as files and as what a kubeconfig carries inline."""

    folder: Path
    authority: trustme.CA

    def write(self, name: str, blob: trustme.Blob) -> str:
        """Put a certificate or key into a file; returns its name."""
        (self.folder / name).write_bytes(blob.bytes())
        return name

    def server(self, *, names: tuple[str, ...] = ("127.0.0.1",), ask_client: bool = False) -> ssl.SSLContext:
        """What the server uses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*names).configure_cert(context)
        if ask_client:
            self.authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def kubeconfig(self, server: ScriptedServer, cluster: dict[str, Any], user: dict[str, Any]) -> str:
        """A kubeconfig beside the certificates."""
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": server.url, **cluster}}],
            "users": [{"name": "u", "user": user}],
        }
        path = self.folder / "config"
        path.write_text(yaml.safe_dump(config))
        return str(path)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, trustme.CA())


def _inline(blob: trustme.Blob) -> str:
    return base64.b64encode(blob.bytes()).decode()


async def _call(path: str) -> None:
    async with RestTransport(await load_endpoint(kubeconfig=path)) as transport:
        await transport.do(LIST)


def from_file(files: Files) -> dict[str, Any]:
    return {"certificate-authority": files.write("ca.crt", files.authority.cert_pem)}


def from_data(files: Files) -> dict[str, Any]:
    return {"certificate-authority-data": _inline(files.authority.cert_pem)}


@pytest.mark.parametrize("authority", [from_file, from_data])
async def test_the_clusters_authority_is_trusted(files: Files, authority: Callable[[Files], dict[str, Any]]) -> None:
    """From a file beside the kubeconfig, or from its own data."""
    async with serving(answers(EMPTY), tls=files.server()) as server:
        await _call(files.kubeconfig(server, authority(files), {"token": "t"}))
    assert server.asked[0].headers["Authorization"] == "Bearer t"


async def test_an_unknown_authority_is_not(files: Files) -> None:
    """The error says that it is about the certificate, and of which server."""
    stranger = {"certificate-authority-data": _inline(trustme.CA().cert_pem)}
    async with serving(answers(EMPTY), tls=files.server()) as server:
        with pytest.raises(Unreachable) as caught:
            await _call(files.kubeconfig(server, stranger, {"token": "t"}))
    assert f"list pods *: {server.address} showed a certificate that is not trusted: " in str(caught.value)
    assert "check the cluster's certificate-authority" in str(caught.value)
    assert server.asked == []


async def test_the_wrong_name_is_not(files: Files) -> None:
    """A certificate for another host is refused, unless the kubeconfig names the one it is for."""
    async with serving(answers(EMPTY), tls=files.server(names=("kubernetes.example",))) as server:
        with pytest.raises(Unreachable, match="not trusted"):
            await _call(files.kubeconfig(server, from_data(files), {"token": "t"}))
        named = {**from_data(files), "tls-server-name": "kubernetes.example"}
        await _call(files.kubeconfig(server, named, {"token": "t"}))


async def test_a_dot_at_the_end_of_a_servers_name_is_not_in_its_certificate(files: Files) -> None:
    """It is the same host; another name may be asked for all the same."""
    server = ScriptedServer([], url="https://kubernetes.example.:6443")
    path = files.kubeconfig(server, from_data(files), {"token": "t"})
    assert (await load_endpoint(kubeconfig=path)).tls_server_name == "kubernetes.example"
    path = files.kubeconfig(server, {**from_data(files), "tls-server-name": "other.example"}, {"token": "t"})
    assert (await load_endpoint(kubeconfig=path)).tls_server_name == "other.example"


async def test_an_authority_need_not_be_all_that_the_standard_asks_for(files: Files) -> None:
    """Python 3.13 refuses some that clusters have had for years, and that Go accepts."""
    path = files.kubeconfig(ScriptedServer([], url="https://127.0.0.1:6443"), from_data(files), {"token": "t"})
    tls = (await load_endpoint(kubeconfig=path)).tls
    assert tls is not None
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert not tls.verify_flags & ssl.VERIFY_X509_STRICT
    assert tls.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN, "any certificate of the authority ends a chain"
    assert not tls.hostname_checks_common_name, "a server's name is a subject alternative name"


async def test_verification_can_be_left_out(files: Files) -> None:
    """Where the kubeconfig says so."""
    async with serving(answers(EMPTY), tls=files.server()) as server:
        await _call(files.kubeconfig(server, {"insecure-skip-tls-verify": True}, {"token": "t"}))


@pytest.mark.parametrize("inline", [False, True], ids=["file", "data"])
async def test_a_client_certificate_is_shown(files: Files, *, inline: bool) -> None:
    """Its key may be in the same place or in another; no Authorization header goes with it."""
    mine = files.authority.issue_cert("me@example.org")
    chain, key = mine.cert_chain_pems[0], mine.private_key_pem
    user = (
        {"client-certificate-data": _inline(chain), "client-key-data": _inline(key)}
        if inline
        else {"client-certificate": files.write("me.pem", chain), "client-key": files.write("me.key", key)}
    )
    async with serving(answers(EMPTY), tls=files.server(ask_client=True)) as server:
        await _call(files.kubeconfig(server, from_data(files), user))
        assert "Authorization" not in server.asked[0].headers
        with pytest.raises(Unreachable):
            await _call(files.kubeconfig(server, from_data(files), {"token": "t"}))


@pytest.mark.parametrize(
    ("cluster", "user", "fact"),
    [
        ({"certificate-authority": "bad.pem"}, {}, "certificate-authority"),
        ({"certificate-authority": "missing.pem"}, {}, "missing.pem"),
        ({}, {"client-certificate": "bad.pem", "client-key": "bad.pem"}, "client-certificate"),
        ({}, {"client-certificate": "missing.pem", "client-key": "missing.pem"}, "missing.pem"),
        ({"certificate-authority-data": "%%%"}, {}, "certificate-authority"),
        ({"certificate-authority-data": "abc"}, {}, "no valid kubeconfig"),
    ],
)
async def test_a_certificate_that_cannot_be_read_says_so(
    files: Files, cluster: dict[str, Any], user: dict[str, Any], fact: str
) -> None:
    """One line with the kubeconfig, the file or field, and what to do."""
    (files.folder / "bad.pem").write_text("not a certificate")
    path = files.kubeconfig(ScriptedServer([], url="https://127.0.0.1:6443"), cluster, {"token": "t", **user})
    with pytest.raises(ConfigError) as caught:
        await load_endpoint(kubeconfig=path)
    assert path in str(caught.value)
    assert fact in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_key_that_is_encrypted_says_so(files: Files) -> None:
    """OpenSSL would ask for its password on the terminal, and hold everything up."""
    mine = files.authority.issue_cert("me@example.org")
    key = load_pem_private_key(mine.private_key_pem.bytes(), None)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))
    (files.folder / "me.key").write_bytes(secret)
    user = {"client-certificate": files.write("me.pem", mine.cert_chain_pems[0]), "client-key": "me.key"}
    path = files.kubeconfig(ScriptedServer([], url="https://127.0.0.1:6443"), from_data(files), user)
    with pytest.raises(ConfigError, match="its key is encrypted"):
        await load_endpoint(kubeconfig=path)


async def test_nothing_of_ours_depends_on_temporary_files(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on a place to put them: pods have read-only file systems, and /tmp is cleared."""
    nowhere, tls = files.folder / "nowhere", files.server(ask_client=True)
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(nowhere))
    monkeypatch.setattr("tempfile.tempdir", str(nowhere))
    mine = files.authority.issue_cert("me@example.org")
    user = {
        "client-certificate-data": _inline(mine.cert_chain_pems[0]),
        "client-key-data": _inline(mine.private_key_pem),
    }
    async with serving(answers(EMPTY), tls=tls) as server:
        await _call(files.kubeconfig(server, from_data(files), user))


@pytest.mark.parametrize("years", [0, 40])
def test_the_end_of_a_certificate_is_read(files: Files, years: int) -> None:
    """In both forms that certificates have for it; what is no certificate has none."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365 * years, hours=1)
    mine = files.authority.issue_cert("me@example.org", not_after=ends)
    assert not_after(Pem(mine.private_key_and_cert_chain_pem.bytes().decode())) == ends
    broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    assert [not_after(Pem(text)) for text in ("", "x", broken)] == [None] * 3


async def test_https_to_a_server_without_it_says_so(files: Files) -> None:
    """And the other way round."""
    async with serving(answers(EMPTY)) as server:
        plain = ScriptedServer([], url=server.url.replace("http:", "https:"))
        with pytest.raises(Unreachable, match=r"no TLS connection with|cannot be reached"):
            await _call(files.kubeconfig(plain, from_data(files), {"token": "t"}))


PLUGIN = """
import json, pathlib
folder = pathlib.Path("{folder}")
status = {{"clientCertificateData": (folder / "me.pem").read_text(), "clientKeyData": (folder / "me.key").read_text()}}
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}}))
"""


@pytest.mark.real_time
async def test_a_plugin_may_bring_a_client_certificate(files: Files) -> None:
    """Instead of a token."""
    _write_mine(files, "me@example.org")
    async with serving(answers(EMPTY), tls=files.server(ask_client=True)) as server:
        await _call(files.kubeconfig(server, from_data(files), {"exec": _plugin(files)}))
    assert "Authorization" not in server.asked[0].headers


@pytest.mark.real_time
@pytest.mark.parametrize(("left_s", "shown"), [(30, "new.example"), (600, "old.example")])
async def test_a_plugin_is_run_again_a_minute_before_its_certificate_runs_out(
    files: Files, monkeypatch: pytest.MonkeyPatch, left_s: int, shown: str
) -> None:
    """Also where it does not say when that is: nobody answers with 401 to one that has run out."""
    monkeypatch.setattr("ctrlkit.wire.config.credentials.RENEW_AGAIN_S", 0.0)
    seen: list[str] = []

    async def by_name(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(_client_in(request))
        return await answers(EMPTY)(request)

    _write_mine(files, "old.example", datetime.now(UTC) + timedelta(seconds=left_s))
    async with serving(by_name, tls=files.server(ask_client=True)) as server:
        path = files.kubeconfig(server, from_data(files), {"exec": _plugin(files)})
        endpoint = await load_endpoint(kubeconfig=path)
        _write_mine(files, "new.example")
        async with RestTransport(endpoint) as transport:
            await transport.do(LIST)
    assert seen == [shown]


@pytest.mark.real_time
@pytest.mark.parametrize("by", ["plugin", "files"])
async def test_a_renewed_client_certificate_is_shown_at_once(
    files: Files, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """A server refuses one that has run out on the connections there are, which must not be used for the renewed."""
    monkeypatch.setattr("ctrlkit.wire.config.credentials.RENEW_AGAIN_S", 0.0)
    seen: list[str] = []

    async def by_name(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(_client_in(request))
        return await (answers(EMPTY) if seen[-1] == "new.example" else refuses(401, "Unauthorized"))(request)

    _write_mine(files, "old.example")
    user = {"exec": _plugin(files)} if by == "plugin" else {"client-certificate": "me.pem", "client-key": "me.key"}
    async with serving(by_name, tls=files.server(ask_client=True)) as server:
        endpoint = await load_endpoint(kubeconfig=files.kubeconfig(server, from_data(files), user))
        async with RestTransport(endpoint) as transport:
            with pytest.raises(Unauthorized):
                await transport.do(LIST)
            _write_mine(files, "new.example")
            await transport.do(LIST)
    assert seen == ["old.example"] * (3 if by == "plugin" else 2) + ["new.example"], "changed files are seen before"


@pytest.fixture
def pod(files: Files, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Files that are a pod's service account as well."""
    (files.folder / "token").write_text("t")
    monkeypatch.setattr("ctrlkit.wire.config.identity.FOLDER", files.folder)
    monkeypatch.setenv("HOME", str(files.folder / "nowhere"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return files


@pytest.mark.parametrize("of", ["kubeconfig", "pod"])
@pytest.mark.behaviour("G5")
async def test_an_authority_that_rotates_is_trusted_without_a_restart(
    pod: Files, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    """Its file is looked at every 10 s; new connections trust what it holds then, and no longer what it held."""
    old, new = pod, Files(pod.folder, trustme.CA())
    tls = old.server()
    async with serving(answers(EMPTY), tls=tls) as server:
        path = old.kubeconfig(server, from_file(old), {"token": "t"})
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.address.rpartition(":")[2])
        endpoint = await load_endpoint(kubeconfig=path if of == "kubeconfig" else None)
        async with RestTransport(endpoint) as transport:
            await transport.do(LIST)
            new.authority.issue_cert("127.0.0.1").configure_cert(tls)
            await asyncio.sleep(IDLE_CONNECTIONS_S)
            with pytest.raises(Unreachable, match="not trusted"):
                await transport.do(LIST)
            from_file(new)
            await asyncio.sleep(RENEW_AGAIN_S)
            await transport.do(LIST)
            old.authority.issue_cert("127.0.0.1").configure_cert(tls)
            await asyncio.sleep(IDLE_CONNECTIONS_S)
            with pytest.raises(Unreachable, match="not trusted"):
                await transport.do(LIST)


async def test_a_client_certificate_that_rotates_is_shown_by_new_connections(files: Files) -> None:
    """Without a restart or a refusal, once certificate and key fit each other; a watch that is open goes on."""
    seen: list[str] = []
    ends = asyncio.Event()

    async def by_name(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(_client_in(request))
        if "watch" not in request.path_qs:
            return await answers(EMPTY)(request)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{}\n")
        await ends.wait()
        await response.write(b"{}\n")
        return response

    _write_mine(files, "old.example")
    user = {"client-certificate": "me.pem", "client-key": "me.key"}
    async with serving(by_name, tls=files.server(ask_client=True)) as server:
        endpoint = await load_endpoint(kubeconfig=files.kubeconfig(server, from_data(files), user))
        async with RestTransport(endpoint) as transport, transport.watch(WATCH) as stream:
            await anext(stream)
            renewed = files.authority.issue_cert("new.example")
            files.write("me.pem", renewed.cert_chain_pems[0])
            await asyncio.sleep(RENEW_AGAIN_S)
            with structlog.testing.capture_logs() as logs:
                await transport.do(LIST)
            assert [(entry["event"], "client-key" in entry["error"]) for entry in logs] == [
                ("credentials_not_renewed", True)
            ]
            files.write("me.key", renewed.private_key_pem)
            await asyncio.sleep(RENEW_AGAIN_S)
            await transport.do(LIST)
            await transport.do(LIST)
            ends.set()
            assert [lines async for lines in stream] == [[b"{}"]]
    assert seen == ["old.example", "old.example", "new.example", "new.example"]


def _write_mine(files: Files, name: str, ends: datetime | None = None) -> None:
    mine = files.authority.issue_cert(name, not_after=ends)
    files.write("me.pem", mine.cert_chain_pems[0])
    files.write("me.key", mine.private_key_pem)


def _plugin(files: Files) -> dict[str, Any]:
    code = PLUGIN.format(folder=files.folder)
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": ["-c", code]}
    return {**command, "interactiveMode": "Never"}


def _client_in(request: web.BaseRequest) -> str:
    assert request.transport is not None
    ((_, name),) = request.transport.get_extra_info("peercert")["subjectAltName"]
    return str(name)
