"""
Read what says who we are: a kubeconfig's user, or a pod's service account -> headers and certificates.

Reads the files that they name and runs the user's credential plugin. A server without TLS is sent nothing that could
be taken on the way.
"""

from __future__ import annotations

import base64
import os
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from multidict import CIMultiDict

from ctrlkit.errors import ConfigError
from ctrlkit.wire.config.addresses import Server
from ctrlkit.wire.config.credentials import FilesRead, LoadedCredentials
from ctrlkit.wire.config.entries import User, texts
from ctrlkit.wire.config.files import ChosenContext
from ctrlkit.wire.config.plugin import PluginAnswer, PluginFailed, ask_plugin
from ctrlkit.wire.config.tls import Certificates, Verify, not_after
from ctrlkit.wire.secrets import Pem, Secret

_IN_NAMES = frozenset((string.ascii_letters + string.digits + "!#$&'*+-.^_`|~").encode())


def bearer(token: str) -> Secret:
    """Authorization with a token; it is checked where it is read, with `check_token`."""
    return Secret(f"Bearer {token}")


def basic(name: str, password: str) -> Secret:
    """Authorization with a name and a password."""
    return Secret("Basic " + base64.b64encode(f"{name}:{password}".encode()).decode())


def check_token(token: Secret, of: str) -> None:
    """
    Refuse a token that no server can have given out, before it is sent.

    Errors  ConfigError that names `of`, where it was found, and not the token.
    """
    if not token.strip():
        raise ConfigError(f"{of} is empty; put a token there")
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(
            f"{of} has a line break or another character in it that no token has; write it there alone, on one line"
        )


def headers_of(authorization: Secret | None, user: User, tried: str) -> Mapping[str, str]:
    """
    The headers of each request; several may have one name.

    Errors  ConfigError that begins with `tried`, for a value that no header can carry.
    """
    headers: CIMultiDict[str] = CIMultiDict()
    if authorization:
        headers.add("Authorization", authorization)
    for name, value in _impersonation(user):
        if any((character < " " and character != "\t") or character == "\x7f" for character in value):
            raise ConfigError(f"{tried}: {name} would have a line break in it; correct `as` and its kin")
        headers.add(name, value)
    return headers


def _impersonation(user: User) -> Iterator[tuple[str, str]]:
    if not user.impersonate:
        return
    yield "Impersonate-User", user.impersonate
    if user.impersonate_uid:
        yield "Impersonate-Uid", user.impersonate_uid
    for group in texts(user.impersonate_groups):
        yield "Impersonate-Group", group
    for key, values in user.impersonate_extra.items():
        for value in texts(values or ()):
            yield f"Impersonate-Extra-{escaped(key)}", value


def escaped(key: str) -> str:
    """
    A key as part of a header's name: every byte that cannot stand there is percent-encoded.

    >>> escaped("example.com/scopes")
    'example.com%2Fscopes'
    """
    return "".join(chr(byte) if byte in _IN_NAMES else f"%{byte:02X}" for byte in key.encode())


async def load_choice(choice: ChosenContext, server: Server, source: str) -> LoadedCredentials:
    """
    Load the credentials of a context's user; for a server without TLS only what may be sent in clear text.

    Errors  ConfigError that names `source`, the file or field, and what to do.
    """
    reader = _Reader(source, choice)
    login = basic(server.name, server.password) if server.name is not None else None
    if not server.has_tls:
        return LoadedCredentials(source=reader.source, headers=headers_of(login, choice.user, reader.tried))
    return await reader.load(login)


class _Reader:
    """Reads what one choice refers to: files, and the answer of its credential plugin."""

    def __init__(self, source: str, choice: ChosenContext) -> None:
        self.source = source
        self.tried = f"read {source}"
        self._cluster, self._user = choice.cluster, choice.user
        self._user_name = choice.user_name
        self._files = FilesRead()

    async def load(self, login: Secret | None) -> LoadedCredentials:
        """All that a server with TLS gets to see."""
        user = self._user
        if user.auth_provider is not None:
            raise ConfigError(
                f"{self.tried}: user {self._user_name} logs in by the auth-provider {user.auth_provider.name[:64]}, "
                "which is not built in; use a credential plugin (exec) in its place"
            )
        verify, authority = self._authority()
        client = self._pem(user.client_certificate_data, user.client_certificate)
        if client:
            client = Pem(f"{client}\n{self._pem(user.client_key_data, user.client_key)}")
        authorization = login or self._authorization()
        answer = PluginAnswer()
        if user.exec and not (authorization or client):
            answer = await self._ask(verify, authority)
            authorization = bearer(answer.token) if answer.token else None
        return LoadedCredentials(
            source=self.source,
            headers=headers_of(authorization, user, self.tried),
            certificates=Certificates(verify=verify, authority=authority, client=client or answer.certificate),
            files=self._files,
            expires=_earlier(answer.expires, not_after(answer.certificate)),
        )

    def _authority(self) -> tuple[Verify, Pem]:
        cluster = self._cluster
        has = bool(cluster.certificate_authority or cluster.certificate_authority_data)
        if has and cluster.insecure_skip_tls_verify:
            raise ConfigError(
                f"{self.tried}: the cluster has both a certificate-authority and insecure-skip-tls-verify; "
                "leave one of them out"
            )
        if has:
            return Verify.AUTHORITY, self._pem(cluster.certificate_authority_data, cluster.certificate_authority)
        return (Verify.NOBODY if cluster.insecure_skip_tls_verify else Verify.SYSTEM), Pem()

    def _authorization(self) -> Secret | None:
        user = self._user
        if user.token or user.token_file:
            if user.username:
                raise ConfigError(f"{self.tried}: user {self._user_name} has both a tokenFile and a username; use one")
            return bearer(self._token())
        return basic(user.username, user.password) if user.username else None

    def _token(self) -> Secret:
        """What the file holds; the token of the kubeconfig itself stands in for a file that cannot be read."""
        user = self._user
        if user.token_file:
            token = _token_in(user.token_file, self._files)
            if isinstance(token, Secret):
                check_token(token, f"{self.tried}: the tokenFile {user.token_file}")
                return token
            if not user.token:
                raise ConfigError(f"{self.tried}: the tokenFile {user.token_file} {token}; correct tokenFile")
        check_token(user.token, f"{self.tried}: the token of user {self._user_name}")
        return user.token

    def _pem(self, inline: Pem, path: str) -> Pem:
        if inline or not path:
            return inline
        try:
            return Pem(self._files.read(path).decode("latin-1"))
        except OSError as error:
            raise ConfigError(f"{self.tried}: {path} cannot be read ({error.strerror}); correct the file") from None

    async def _ask(self, verify: Verify, authority: Pem) -> PluginAnswer:
        plugin = self._user.exec
        assert plugin is not None
        cluster = self._told_to_plugins(verify, authority) if plugin.provide_cluster_info else None
        try:
            answer = await ask_plugin(plugin, cluster)
            if answer.token:
                check_token(answer.token, f"{plugin.command}: its token")
        except (PluginFailed, ConfigError) as error:
            raise ConfigError(
                f"{self.tried}: the credential plugin of the user failed: exec: {error}; "
                "run the plugin's command by hand"
            ) from None
        return answer

    def _told_to_plugins(self, verify: Verify, authority: Pem) -> dict[str, object]:
        cluster = self._cluster
        said = {
            "server": str(cluster.server).partition("?")[0],
            "tls-server-name": cluster.tls_server_name,
            "insecure-skip-tls-verify": verify is Verify.NOBODY,
            "certificate-authority-data": base64.b64encode(authority.encode("latin-1")).decode(),
            "proxy-url": str(cluster.proxy_url),
            "disable-compression": cluster.disable_compression,
        }
        return {**{key: value for key, value in said.items() if value}, "config": cluster.plugin_configuration}


def _token_in(path: str, files: FilesRead) -> Secret | str:
    """The token that a file holds, or what is wrong with the file."""
    try:
        return Secret(files.read(path).decode().strip())
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except ValueError:
        return "is no text"


def _earlier(*times: datetime | None) -> datetime | None:
    return min((time for time in times if time is not None), default=None)


FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NotInPod(Exception):
    """This is no pod with a service account; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """A service account: its server and files. A cluster without an authority of its own has no such file."""

    server: Server
    token: str
    authority: str | None

    @staticmethod
    def found() -> ServiceAccount:
        """Find the one of this pod; NotInPod where there is none."""
        host, port = _address()
        token = FOLDER / "token"
        if not (host and port):
            raise NotInPod("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
        if not token.is_file():
            raise NotInPod(f"its token file does not exist: {token}")
        host = f"[{host}]" if ":" in host else host
        authority = FOLDER / "ca.crt"
        return ServiceAccount(
            server=Server(f"https://{host}:{port}"),
            token=str(token),
            authority=str(authority) if authority.exists() else None,
        )


def _address() -> tuple[str, str]:
    return os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "")


def load_account(account: ServiceAccount) -> LoadedCredentials:
    """
    Load the credentials of a pod's service account.

    Errors  ConfigError that names the file.
    """
    tried = "read the service account"
    files = FilesRead()
    token = _token_in(account.token, files)
    if not isinstance(token, Secret):
        raise ConfigError(f"{tried}: {account.token} {token}; see the pod's volumes")
    check_token(token, f"{tried}: {account.token}")
    certificates = Certificates()
    if account.authority is not None:
        try:
            authority = Pem(files.read(account.authority).decode("latin-1"))
        except OSError as error:
            raise ConfigError(
                f"{tried}: {account.authority} cannot be read ({error.strerror}); see the pod's volumes"
            ) from None
        certificates = Certificates(verify=Verify.AUTHORITY, authority=authority)
    headers = headers_of(bearer(token), User(), tried)
    return LoadedCredentials(source="service account", headers=headers, certificates=certificates, files=files)
