"""TLS with a certificate that changes (row W11)."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from structlog.testing import capture_logs

from ctrlkit.errors import ConfigError
from ctrlkit.manager.endpoints import Endpoints, serve
from tests.unit.manager.endpoints.support import standing


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as files, and who issues them."""

    cert: Path
    key: Path
    authority: trustme.CA

    def issue(self, name: str, *names: str) -> trustme.LeafCert:
        """A new pair that names `name` in its subject."""
        return self.authority.issue_cert("127.0.0.1", *names, common_name=name)

    def write(self, leaf: trustme.LeafCert) -> None:
        """As both files, each at once, the certificate first."""
        self.write_cert(leaf)
        self.write_key(leaf)

    def write_cert(self, leaf: trustme.LeafCert) -> None:
        _replace(self.cert, b"".join(blob.bytes() for blob in leaf.cert_chain_pems))

    def write_key(self, leaf: trustme.LeafCert) -> None:
        _replace(self.key, leaf.private_key_pem.bytes())

    @property
    def options(self) -> Endpoints:
        return Endpoints(address="127.0.0.1:0", tls_cert=str(self.cert), tls_key=str(self.key))

    def trust(self) -> ssl.SSLContext:
        """What a client needs."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


def _replace(path: Path, content: bytes) -> None:
    """As kubelets do: nobody sees a half of it."""
    aside = path.with_suffix(".new")
    aside.write_bytes(content)
    os.replace(aside, path)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    made = Pair(tmp_path / "tls.crt", tmp_path / "tls.key", trustme.CA())
    made.write(made.issue("first"))
    return made


async def shown(address: str, pair: Pair, server_name: str | None = None) -> str:
    """Whose certificate a new connection gets."""
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=pair.trust(), server_hostname=server_name or host)
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
        await writer.wait_closed()
    (name,) = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(name.value)


@pytest.mark.behaviour("W11", "M11")
async def test_a_new_pair_is_shown_to_the_next_connection(pair: Pair) -> None:
    """Without a restart, and whether or not the client names the server."""
    with capture_logs() as lines:
        async with serve(standing(), pair.options) as address, aiohttp.ClientSession() as session:
            assert await shown(address, pair) == "first"
            pair.write(pair.issue("second", "localhost"))
            assert await shown(address, pair) == "second"
            assert await shown(address, pair, "localhost") == "second"
            async with session.get(f"https://{address}/metrics", ssl=pair.trust()) as answer:
                text = await answer.text()
    assert "certwatcher_read_certificate_total 2.0" in text
    assert "certwatcher_read_certificate_errors_total 0.0" in text
    assert [line["event"] for line in lines if line["event"].startswith("cert")] == ["certificate_renewed"]


@pytest.mark.behaviour("W11")
async def test_a_new_pair_that_does_not_fit_keeps_the_old_one(pair: Pair) -> None:
    """Told of once; when the key has come too, the pair is taken."""
    second = pair.issue("second")
    with capture_logs() as lines:
        async with serve(standing(), pair.options) as address:
            pair.write_cert(second)
            assert await shown(address, pair) == "first"
            assert await shown(address, pair) == "first"
            pair.write_key(second)
            assert await shown(address, pair) == "second"
            pair.key.unlink()
            assert await shown(address, pair) == "second"
    told = [line for line in lines if line["event"].startswith("cert")]
    assert [line["event"] for line in told] == [
        "certificate_not_renewed",
        "certificate_renewed",
        "certificate_not_renewed",
    ]
    assert "the key is another certificate's" in told[0]["error"]
    assert f"No such file or directory ({pair.key})" in told[2]["error"]


def encrypted(pair: Pair) -> None:
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    pair.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda pair: pair.cert.unlink(), "No such file or directory"),
        (lambda pair: pair.key.write_text("no key"), "there is no PEM of its kind in one of them"),
        (lambda pair: pair.cert.write_text(""), "there is no PEM of its kind in one of them"),
        (lambda pair: pair.write_key(pair.issue("other")), "the key is another certificate's"),
        (encrypted, "the key is encrypted"),
    ],
)
async def test_a_pair_that_cannot_be_used_is_a_configuration_error(
    pair: Pair, spoil: Callable[[Pair], object], why: str
) -> None:
    """At the start nobody is served with anything else."""
    spoil(pair)
    with pytest.raises(ConfigError, match=rf"^read TLS certificate {pair.cert} and key {pair.key}: {why}.*; write a "):
        async with serve(standing(), pair.options):
            pass
