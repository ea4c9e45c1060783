"""Who may speak to the embedded server: a token over TLS, a name of its own, no page of a browser."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import kubernetes
import pytest
import yaml

from ctrlkit.errors import ConfigError, Unreachable
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.apiserver.access import Access
from ctrlkit.fakes.files import write_private
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.manager import connect
from ctrlkit.model.kinds import CONFIG_MAPS, SERVICE_ACCOUNTS

PATH = "/api/v1/namespaces/default/configmaps"
JSON = {"Content-Type": "application/json"}
A_CONFIG_MAP = b'{"metadata":{"name":"a"}}'


class Said(NamedTuple):
    """An answer: its status, and its Status' reason and message, empty where it has none."""

    status: int
    reason: str
    message: str


class Served:
    """A running server, and the ways to ask it."""

    def __init__(self, tracker: Tracker, server: ApiServer, session: aiohttp.ClientSession) -> None:
        self.tracker = tracker
        self.server = server
        self._session = session
        config = yaml.safe_load(server.kubeconfig())
        self.token: str = config["users"][0]["user"].get("token", "")
        self.cluster: dict[str, Any] = config["clusters"][0]["cluster"]

    @property
    def with_token(self) -> dict[str, str]:
        """The header that an insecure server does not ask for."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def names(self) -> list[str]:
        """The ConfigMaps there are."""
        return [item.key.name for item in self.tracker.list(CONFIG_MAPS, "default")]

    async def ask(self, method: str = "GET", path: str = PATH, body: bytes | None = None, /, **headers: str) -> Said:
        """Send exactly these headers, underscores as hyphens, and no Content-Type of the library's."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(
            method, self.server.url + path, data=body, headers=sent, skip_auto_headers=["Content-Type"]
        ) as answer:
            assert not [name for name in answer.headers if name.startswith("Access-Control")]
            if answer.content_type != "application/json":
                return Said(answer.status, "", await answer.text())
            document = await answer.json()
            assert answer.status < 400 or (document["kind"], document["code"]) == ("Status", answer.status)
            return Said(answer.status, document.get("reason", ""), document.get("message", ""))

    async def send(self, request: bytes) -> tuple[bytes, bytes]:
        """The first line and the body of what comes for these bytes."""
        port = int(self.server.url.rpartition(":")[2])
        tls = _trusting(self.cluster) if self.server.url.startswith("https") else None
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        body = await reader.readexactly(int(length.partition(b":")[2]))
        writer.transport.abort()
        return head.partition(b"\r\n")[0], body


def _trusting(cluster: dict[str, Any]) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())


async def get(url: str, **options: Any) -> int:
    """The status of an answer."""
    async with aiohttp.ClientSession() as session, session.get(url, **options) as answer:
        return answer.status


@asynccontextmanager
async def serving(security: Security = Security.TLS, host: str = "127.0.0.1") -> AsyncIterator[Served]:
    """A server with an empty tracker."""
    tracker = Tracker()
    async with ApiServer(tracker, tracker.registry, security=security).serve(host) as server:
        cluster = yaml.safe_load(server.kubeconfig())["clusters"][0]["cluster"]
        connector = aiohttp.TCPConnector(ssl=_trusting(cluster) if security is Security.TLS else True)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Served(tracker, server, session)


@pytest.fixture(params=list(Security), ids=lambda security: security.name.lower())
def security(request: pytest.FixtureRequest) -> Security:
    """Both kinds of servers: what holds for the insecure one holds for the other with the token too."""
    kind: Security = request.param
    return kind


# ---- token and TLS ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x"])
async def test_without_the_token_nothing_is_told_but_that_the_server_lives(authorization: str) -> None:
    """Not even which paths there are."""
    async with serving() as served:
        header = authorization.format(token=served.token)
        for path in (PATH, "/api", "/version", "/openapi/v3", "/nope", "/healthz/x", "//healthz"):
            assert await served.ask("GET", path, Authorization=header) == (401, "Unauthorized", "Unauthorized")
        posted = await served.ask("POST", PATH, A_CONFIG_MAP, Authorization=header, Content_Type="application/json")
        assert posted.status == 401
        assert await served.ask("GET", "/livez", Authorization=header) == (200, "", "ok")
        assert served.names == []


@pytest.mark.parametrize("authorization", ["Bearer {token}", "bearer  {token} "])
async def test_with_the_token_all_is_served(authorization: str) -> None:
    """The scheme's case does not matter, as on a real server."""
    async with serving() as served:
        header = authorization.format(token=served.token)
        posted = await served.ask("POST", PATH, A_CONFIG_MAP, Authorization=header, Content_Type="application/json")
        assert (posted.status, served.names) == (201, ["a"])


async def test_each_server_has_a_token_and_an_authority_of_its_own(tmp_path: Path) -> None:
    """The kubeconfig of one leads nowhere at another, though it listens at the same address."""
    async with serving() as served:
        path, port = tmp_path / "kubeconfig", int(served.server.url.rpartition(":")[2])
        served.server.write_kubeconfig(path)
        token = served.token
        async with connect(kubeconfig=str(path)) as client:
            assert await client.list(CONFIG_MAPS) == []
    tracker = Tracker()
    async with (
        ApiServer(tracker, tracker.registry).serve(port=port) as another,
        connect(kubeconfig=str(path)) as client,
    ):
        assert token not in another.kubeconfig()
        with pytest.raises(Unreachable, match="certificate that is not trusted"):
            await client.list(CONFIG_MAPS)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
async def test_the_certificate_is_for_every_name_of_the_loopback(name: str) -> None:
    """The authority signs for no other."""
    async with serving(host="::1" if name == "[::1]" else "127.0.0.1") as served:
        port = served.server.url.rpartition(":")[2]
        tls = _trusting(served.cluster)
        assert await get(f"https://{name}:{port}/livez", ssl=tls) == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await get(f"https://{name}:{port}/livez", ssl=tls, server_hostname="evil.example")


async def test_plain_http_to_a_server_with_tls_is_no_answer() -> None:
    """So no token travels unencrypted twice."""
    async with serving() as served:
        with pytest.raises(aiohttp.ClientError):
            await get(served.server.url.replace("https", "http") + "/livez")


async def test_a_server_without_token_listens_on_loopback_only() -> None:
    """Other machines could do everything."""
    tracker = Tracker()
    for host in ("0.0.0.0", "192.0.2.1", "kube.example", ""):
        with pytest.raises(ConfigError, match="without TLS and token"):
            async with ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve(host):
                pass


def use_the_official_client(kubeconfig: Path) -> list[str]:
    """Make, change, watch and delete a ConfigMap with the client of the package kubernetes."""
    connect_to: Any = kubernetes.config.new_client_from_config
    with connect_to(str(kubeconfig)) as connection:
        api: Any = kubernetes.client.CoreV1Api(connection)
        watch: Any = kubernetes.watch.Watch
        api.create_namespaced_config_map("default", {"metadata": {"name": "a"}, "data": {"k": "1"}})
        api.patch_namespaced_config_map("a", "default", {"data": {"k": "2"}})
        stream = watch().stream(api.list_namespaced_config_map, "default", timeout_seconds=1)
        seen = [f"{event['type']} {event['object'].metadata.name} {event['object'].data['k']}" for event in stream]
        api.delete_namespaced_config_map("a", "default", body=kubernetes.client.V1DeleteOptions())
        return seen


@pytest.mark.real_time
async def test_the_official_python_client_is_served(security: Security, tmp_path: Path) -> None:
    """It reads the same kubeconfig, and sends JSON without a Content-Type."""
    async with serving(security) as served:
        served.server.write_kubeconfig(tmp_path / "kubeconfig")
        assert await asyncio.to_thread(use_the_official_client, tmp_path / "kubeconfig") == ["ADDED a 2"]
        assert served.names == []


# ---- web pages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "8.8.8.8", "", "@"]
)
async def test_a_name_that_is_not_the_servers_is_refused(security: Security, host: str) -> None:
    """A page can have its own name lead to 127.0.0.1, and then reads answers as those of its own site."""
    async with serving(security) as served:
        for path in (PATH, "/livez"):
            said = await served.ask("GET", path, Host=host, **served.with_token)
            assert (said.status, said.reason) == (403, "Forbidden")
            assert "call it by its address, or localhost" in said.message


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.2:6443", "[::1]:6443"])
async def test_the_names_of_this_machine_are_the_servers(security: Security, host: str) -> None:
    """With whatever port: there may be a forwarder between."""
    async with serving(security) as served:
        assert (await served.ask(Host=host, **served.with_token)).status == 200


async def test_the_name_told_to_listen_at_is_the_servers() -> None:
    """And the address that it stands for."""
    async with serving(host="localhost") as served:
        assert (await served.ask(Host="localhost:1", **served.with_token)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:80"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "same-origin"},
    ],
    ids=str,
)
async def test_what_a_page_asks_for_is_refused(security: Security, headers: dict[str, str]) -> None:
    """Whatever its origin, for the server has no pages; a preflight is refused as well, and allows nothing."""
    async with serving(security) as served:
        for method, body in (("GET", None), ("OPTIONS", None), ("POST", A_CONFIG_MAP), ("DELETE", None)):
            said = await served.ask(method, PATH, body, Content_Type="application/json", **headers, **served.with_token)
            assert (said.status, said.reason) == (403, "Forbidden")
        assert served.names == []


async def test_the_user_of_a_browser_may_look(security: Security) -> None:
    """An address typed in is no page's doing."""
    async with serving(security) as served:
        assert (await served.ask(Sec_Fetch_Site="none", **served.with_token)).status == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_body_has_to_be_of_a_type_that_no_form_sends(
    security: Security, method: str, content_type: str
) -> None:
    """A browser lets a page send these to every server without asking it first."""
    async with serving(security) as served:
        named = {"Content_Type": content_type} if content_type else {"User_Agent": "Mozilla/5.0 (X11; Linux x86_64)"}
        path = PATH if method == "POST" else f"{PATH}/a"
        said = await served.ask(method, path, A_CONFIG_MAP, **named, **served.with_token)
        assert (said.status, said.reason) == (415, "UnsupportedMediaType")
        assert served.names == []


@pytest.mark.parametrize(("agent", "status"), [("python-requests/2.34.2", 201), ("curl/8.5.0", 201), ("", 415)])
async def test_programs_may_leave_the_type_out(security: Security, agent: str, status: int) -> None:
    """What they send is taken for JSON then; who has no name may be a browser that hides it."""
    async with serving(security) as served:
        said = await served.ask("POST", PATH, A_CONFIG_MAP, User_Agent=agent, **served.with_token)
        assert said.status == status


async def test_a_delete_without_a_body_needs_no_type(security: Security) -> None:
    """Nothing is to be read."""
    async with serving(security) as served:
        served.tracker.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
        assert (await served.ask("DELETE", f"{PATH}/a", **served.with_token)).status == 200


# ---- what is no proper request ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_line",
    [
        b"GARBAGE",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example",
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.0",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4",
    ],
    ids=range(6),
)
async def test_what_is_no_http_is_answered_by_a_status(security: Security, request_line: bytes) -> None:
    """Nobody has to read a page of the library."""
    async with serving(security) as served:
        first, body = await served.send(request_line + b"\r\n\r\n")
        assert first.split()[1] == b"400"
        assert b'"kind":"Status"' in body
        assert b'"reason":"BadRequest"' in body


async def test_a_whole_url_in_the_first_line_counts_as_the_name(security: Security) -> None:
    """As for a proxy, which this server is not."""
    async with serving(security) as served:
        for url in (b"http://evil.example/livez", b"http://evil.example:80/livez"):
            first, _ = await served.send(b"GET " + url + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert first.split()[1] == b"403"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "OPTIONS", "PROPFIND"])
async def test_methods_of_no_api_are_refused(security: Security, method: str) -> None:
    """Nothing is echoed, nothing tunnelled, nothing allowed."""
    async with serving(security) as served:
        headers = b"".join(f"{name}: {value}\r\n".encode() for name, value in served.with_token.items())
        target = b"evil.example:443" if method == "CONNECT" else PATH.encode()
        first, body = await served.send(
            method.encode() + b" " + target + b" HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n"
        )
        assert first.split()[1] in (b"403", b"404", b"405")
        assert served.token.encode() not in body or not served.token


# ---- the kubeconfig --------------------------------------------------------------------------------------------------


async def test_the_kubeconfig_is_for_its_owner_only(tmp_path: Path) -> None:
    """It names the server, its authority, the token and a context; an older file is replaced, not reused."""
    path = tmp_path / "kubeconfig"
    path.write_text("old")
    path.chmod(0o644)
    async with serving() as served:
        served.server.write_kubeconfig(path)
        config = yaml.safe_load(path.read_text())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        assert cluster.keys() == {"server", "certificate-authority-data"}
        assert cluster["server"] == served.server.url
        assert user.keys() == {"token"}
        assert len(user["token"]) >= 43
        assert config["contexts"][0]["context"]["namespace"] == "default"


def test_a_link_put_in_the_kubeconfigs_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """What it led to stays as it was; no part of a file is left where the writing fails."""
    victim, path = tmp_path / "victim", tmp_path / "kubeconfig"
    victim.write_text("untouched")
    path.symlink_to(victim)
    write_private(path, "ours")
    assert (victim.read_text(), path.read_text(), path.is_symlink()) == ("untouched", "ours", False)
    (tmp_path / "folder" / "x").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_private(tmp_path / "folder", "ours")
    assert sorted(os.listdir(tmp_path)) == ["folder", "kubeconfig", "victim"]


def test_the_token_is_in_no_repr() -> None:
    """Nobody prints it by accident."""
    access = Access(Security.TLS)
    assert access.token is not None
    assert access.token not in repr(access)


async def test_reviews_know_whom_a_token_stands_for() -> None:
    """The server's own is the administrator's; one that it made is its account's; any other is nobody's."""
    tracker = Tracker()
    tracker.create(SERVICE_ACCOUNTS, {"metadata": {"name": "web", "namespace": "default"}})
    async with ApiServer(tracker, tracker.registry).serve() as server:
        user = yaml.safe_load(server.kubeconfig())["users"][0]["user"]
        trusted = ssl.create_default_context(cadata=server.root_ca)
        reviews = "/apis/authentication.k8s.io/v1"
        async with aiohttp.ClientSession(server.url) as session:

            async def post(path: str, body: object, token: str) -> dict[str, Any]:
                headers = {"Authorization": f"Bearer {token}"}
                async with session.post(path, json=body, headers=headers, ssl=trusted) as answer:
                    assert answer.status == 201
                    found: dict[str, Any] = (await answer.json())["status"]
                    return found

            path = "/api/v1/namespaces/default/serviceaccounts/web/token"
            account = (await post(path, {"spec": {}}, user["token"]))["token"]
            told = [
                (await post(f"{reviews}/tokenreviews", {"spec": {"token": token}}, user["token"]))
                for token in (user["token"], account, "other")
            ]
            mine = await post(f"{reviews}/selfsubjectreviews", {}, account)
    assert [one["user"].get("username") for one in told] == ["admin", "system:serviceaccount:default:web", None]
    assert [one.get("authenticated") for one in told] == [True, True, None]
    assert mine["userInfo"]["groups"][1] == "system:serviceaccounts:default"
