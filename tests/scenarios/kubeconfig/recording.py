"""
Servers that write down how they were reached: by which proxy, under which name, with which headers and certificate.

One `Site` is what one case of a kubeconfig can reach: an API server without TLS, one with, and proxies of both kinds
in front of them. All of them answer anything, so that a client sends the one request and is content.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import trustme

ANSWER = (
    b'{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"x"},"major":"1","minor":"36","gitVersion":"v1.36.0"}'
)
NAMES = ("127.0.0.1", "::1", "0.0.0.0", "localhost", "cluster.example", "api.cluster.example")


@dataclass(frozen=True, slots=True)
class Seen:
    """
    One request as a server or proxy saw it.

    Shape   `by` is the door it came through: `plain`, `tls`, `mutual` (asks for a client certificate), `proxy`,
            `tls_proxy`. `sni` is the name that TLS asked for, `certificate` the name in the client's own.
            `headers` are as they came, names in lower case.
    """

    by: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    sni: str | None
    certificate: str | None

    def header(self, name: str) -> list[str]:
        """All values of one header."""
        return [value for each, value in self.headers if each == name]


@dataclass(frozen=True, slots=True)
class Authority:
    """One certificate authority for all cases, and what it issued: making keys is slow."""

    ca: trustme.CA
    server: trustme.LeafCert

    asked_for: WeakKeyDictionary[ssl.SSLObject, str | None]
    """The name that a connection's client asked for."""

    def note(self, tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """Hear of a new connection."""
        self.asked_for[tls] = name


@cache
def authority() -> Authority:
    """The authority of this process."""
    ca = trustme.CA()
    return Authority(ca, ca.issue_cert(*NAMES), WeakKeyDictionary())


@cache
def _context(*, ask_client: bool) -> ssl.SSLContext:
    """What the servers of all sites use."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().server.configure_cert(context)
    context.sni_callback = authority().note
    if ask_client:
        authority().ca.configure_trust(context)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


@dataclass(slots=True)
class Site:
    """What one case can reach. `ports` are those of its doors, by name."""

    ports: Mapping[str, int] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    def text(self, template: str) -> str:
        """A text with the doors' ports filled in: `http://127.0.0.1:{plain}`."""
        for name, port in self.ports.items():
            template = template.replace(f"{{{name}}}", str(port))
        return template

    def template(self, text: str) -> str:
        """The other way round."""
        for name, port in self.ports.items():
            text = text.replace(f":{port}", f":{{{name}}}")
        return text


@asynccontextmanager
async def serving() -> AsyncIterator[Site]:
    """A site while the block lasts."""
    site = Site()
    servers: dict[str, asyncio.Server] = {}
    for door in ("plain", "tls", "mutual", "proxy", "tls_proxy"):
        context = _context(ask_client=door != "tls") if door in ("tls", "mutual", "tls_proxy") else None
        servers[door] = await asyncio.start_server(partial(_serve, site, door), "127.0.0.1", 0, ssl=context)
    site.ports = {door: server.sockets[0].getsockname()[1] for door, server in servers.items()}
    six = await _also_on_ipv6(site)
    try:
        yield site
    finally:
        for server in [*servers.values(), *six]:
            server.close()


async def _also_on_ipv6(site: Site) -> list[asyncio.Server]:
    """The plain door under the same number at ::1, where this machine has it."""
    with suppress(OSError):
        return [await asyncio.start_server(partial(_serve, site, "plain"), "::1", site.ports["plain"])]
    return []


async def _serve(site: Site, door: str, reader: StreamReader, writer: StreamWriter) -> None:
    """Note each request of one connection, and answer it or pass it on."""
    with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ", 2)
            headers = tuple(_header(line) for line in head[1:] if line)
            tls, certificate = writer.get_extra_info("ssl_object"), _name_in(writer.get_extra_info("peercert"))
            name = authority().asked_for.get(tls) if tls else None
            site.seen.append(Seen(door, method, target, headers, name, certificate))
            if method == "CONNECT":
                await _tunnel(site, target, reader, writer)
                break
            head_of_answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            writer.write(head_of_answer % len(ANSWER) + ANSWER)
            await writer.drain()
    writer.close()


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip().encode("latin-1").decode("utf-8", "replace")


def _name_in(certificate: Mapping[str, tuple[tuple[str, str], ...]] | None) -> str | None:
    return certificate["subjectAltName"][0][1] if certificate else None


async def _tunnel(site: Site, target: str, reader: StreamReader, writer: StreamWriter) -> None:
    """Connect to the door that the port names, whatever the host: there are no such hosts."""
    port = urlsplit(f"//{target}").port
    if port not in site.ports.values():
        port = site.ports["mutual"]
    upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await asyncio.gather(_pour(reader, upstream_writer), _pour(upstream_reader, writer))


async def _pour(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
