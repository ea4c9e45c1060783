"""Users besides the administrator: by token, by certificate, and whom they act as."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ctrlkit.errors import ConfigError
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.apiserver.clients import Clients, read_clients
from ctrlkit.fakes.tracker import Tracker

pytestmark = pytest.mark.real_time

TOKENS = 'secret,nina,u-1,"crowd,team"\nplain,ned,\n'
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class Authority:
    """A certificate authority that signs certificates of clients."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self._name("clients"), self._key.public_key(), is_authority=True)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def write_client(self, path: Path, username: str, *groups: str) -> Path:
        """Write a certificate with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(self._name(username, *groups), key.public_key())
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        path.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, *form))
        return path

    def _name(self, common: str, *groups: str) -> x509.Name:
        names = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common)]
        return x509.Name([*names, *(x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, one) for one in groups)])

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, is_authority: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name("clients"))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )


class Asking:
    """A client of a server, which trusts it and shows a certificate or none."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    async def ask(
        self,
        path: str = REVIEWS,
        body: Any = REVIEW,
        *,
        certificate: Path | None = None,
        **headers: str,
    ) -> tuple[int, Any]:
        trusted = ssl.create_default_context(cadata=self._server.root_ca) if self._server.root_ca else None
        if trusted is not None and certificate is not None:
            trusted.load_cert_chain(certificate)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        method = "GET" if body is None else "POST"
        async with (
            aiohttp.ClientSession(self._server.url, connector=aiohttp.TCPConnector(ssl=trusted or False)) as session,
            session.request(method, path, json=body, headers=sent) as reply,
        ):
            is_json = reply.content_type == "application/json"
            return reply.status, await reply.json() if is_json else await reply.text()


@asynccontextmanager
async def serving(
    clients: Clients, *, rbac: bool = True, security: Security = Security.TLS, server: str = "1.36"
) -> AsyncIterator[Asking]:
    """A server that knows some users."""
    tracker = Tracker(rbac=rbac, server=server)
    async with ApiServer(tracker, tracker.registry, security=security, clients=clients).serve() as running:
        yield Asking(running)


def user(answer: tuple[int, Any]) -> Mapping[str, Any]:
    """The user that a review tells of."""
    status, review = answer
    assert status == 201, review
    found: Mapping[str, Any] = review["status"]["userInfo"]
    return found


async def test_a_token_of_the_file_is_a_user(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(TOKENS)
    async with serving(read_clients(tmp_path / "tokens", None)) as client:
        nina = user(await client.ask(Authorization="Bearer secret"))
        assert nina == {"username": "nina", "uid": "u-1", "groups": ["crowd", "team", "system:authenticated"]}
        assert user(await client.ask(Authorization="Bearer plain"))["groups"] == ["system:authenticated"]
        assert (await client.ask(Authorization="Bearer other"))[0] == 401
        assert (await client.ask())[0] == 401
        status, refusal = await client.ask("/metrics", None, Authorization="Bearer secret")
        assert (status, refusal["message"]) == (403, 'forbidden: User "nina" cannot get path "/metrics"')


async def test_a_certificate_names_a_user_and_its_groups(tmp_path: Path) -> None:
    authority, other = Authority(), Authority()
    (tmp_path / "ca").write_text(authority.pem)
    certificate = authority.write_client(tmp_path / "nina", "nina", "crowd", "team")
    async with serving(read_clients(None, tmp_path / "ca")) as client:
        assert user(await client.ask(certificate=certificate)) == {
            "username": "nina",
            "groups": ["crowd", "team", "system:authenticated"],
        }
        assert (await client.ask())[0] == 401
        with pytest.raises(aiohttp.ClientError):
            await client.ask(certificate=other.write_client(tmp_path / "foreign", "nina"))


async def test_who_acts_as_somebody_else_needs_the_right_to(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f'{TOKENS}root,root,,"system:masters"\n')
    async with serving(read_clients(tmp_path / "tokens", None)) as client:
        acting = await client.ask(Authorization="Bearer root", Impersonate_User="ned", Impersonate_Group="crowd")
        assert user(acting) == {"username": "ned", "groups": ["crowd", "system:authenticated"]}
        status, refusal = await client.ask(Authorization="Bearer secret", Impersonate_User="ned")
        assert (status, refusal["message"]) == (
            403,
            'selfsubjectreviews.authentication.k8s.io is forbidden: User "nina" cannot impersonate-on:user-info:create '
            'resource "selfsubjectreviews" in API group "authentication.k8s.io" at the cluster scope',
        )
        status, refusal = await client.ask(Authorization="Bearer root", Impersonate_Group="crowd")
        assert (status, refusal["message"]) == (
            400,
            'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"crowd"}, Extra:map[string][]string(nil)} '
            "without impersonating a user name",
        )


async def test_an_older_server_knows_one_way_to_act_as_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(TOKENS)
    async with serving(read_clients(tmp_path / "tokens", None), server="1.34") as client:
        status, refusal = await client.ask(Authorization="Bearer secret", Impersonate_User="ned")
        assert (status, refusal["message"]) == (
            403,
            'users "ned" is forbidden: User "nina" cannot impersonate resource "users" in API group "" at the cluster '
            "scope",
        )
        status, refusal = await client.ask(Authorization="Bearer secret", Impersonate_Group="crowd")
        assert refusal["message"] == "requested [{Group  crowd    }] without impersonating a user"


async def test_anybody_acts_as_anybody_where_nobody_asks_who_may() -> None:
    async with serving(Clients(), rbac=False, security=Security.INSECURE) as client:
        assert user(await client.ask(Impersonate_User="nina"))["username"] == "nina"
        assert user(await client.ask(Authorization="Bearer any"))["username"] == "admin"


async def test_an_insecure_server_with_rights_looks_at_tokens_that_are_sent() -> None:
    async with serving(Clients(), security=Security.INSECURE) as client:
        assert user(await client.ask())["username"] == "admin"
        assert (await client.ask(Authorization="Bearer wrong"))[0] == 401


@pytest.mark.parametrize(
    ("text", "says"),
    [("secret,nina\n", "line 1 is no user"), ("a,b,c\n,x,y\n", "line 2 is no user")],
)
def test_a_file_of_tokens_that_says_something_else_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "tokens").write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_clients(tmp_path / "tokens", None)


def test_a_file_without_a_certificate_is_no_authority(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("nothing")
    with pytest.raises(ConfigError, match="it holds no certificate"):
        read_clients(None, tmp_path / "ca")
    with pytest.raises(ConfigError, match="No such file"):
        read_clients(None, tmp_path / "gone")
