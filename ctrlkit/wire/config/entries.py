"""
The entries of a kubeconfig as types, with the fields that kubectl reads.

Unknown fields are passed over, null is the same as absent, and a value of another type is an error for the whole file,
wherever it stands. What holds a secret has no repr that shows it.
"""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from ctrlkit.wire.secrets import Pem, Secret

T = TypeVar("T")

EXEC_EXTENSION = "client.authentication.k8s.io/exec"
"""The extension of a cluster that is handed to its credential plugins."""


class Extension(Struct, frozen=True):
    """A named value of somebody else's, as it stands."""

    name: str = ""
    extension: Any = None


class Cluster(Struct, frozen=True, rename="kebab"):
    """Where a server is, and how to know it. `server` and `proxy_url` may hold a password."""

    server: Secret = Secret()
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: Pem = Pem()
    proxy_url: Secret = Secret()
    disable_compression: bool = False
    extensions: tuple[Extension | None, ...] = ()

    @property
    def plugin_configuration(self) -> object:
        """What the cluster says to credential plugins."""
        return next((each.extension for each in self.extensions if each and each.name == EXEC_EXTENSION), None)


class InteractiveMode(StrEnum):
    """Whether a credential plugin gets the terminal."""

    NEVER = "Never"
    IF_AVAILABLE = "IfAvailable"
    ALWAYS = "Always"


class Variable(Struct, frozen=True):
    """One of a plugin's environment."""

    name: str = ""
    value: Secret = Secret()


class Exec(Struct, frozen=True, rename="camel"):
    """A credential plugin: the command that prints an ExecCredential."""

    api_version: str = ""
    command: str = ""
    args: tuple[Secret | None, ...] = ()
    env: tuple[Variable | None, ...] = ()
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class AuthProvider(Struct, frozen=True):
    """A way to log in that kubectl once had built in."""

    name: str = ""


class User(Struct, frozen=True, rename="kebab"):
    """Who we are, and on whose behalf we ask."""

    token: Secret = Secret()
    token_file: str = field(name="tokenFile", default="")
    username: str = ""
    password: Secret = Secret()
    client_certificate: str = ""
    client_certificate_data: Pem = Pem()
    client_key: str = ""
    client_key_data: Pem = Pem()
    exec: Exec | None = None
    auth_provider: AuthProvider | None = None
    impersonate: str = field(name="as", default="")
    impersonate_uid: str = field(name="as-uid", default="")
    impersonate_groups: tuple[str | None, ...] = field(name="as-groups", default=())
    impersonate_extra: dict[str, tuple[str | None, ...] | None] = field(name="as-user-extra", default_factory=dict)


class Context(Struct, frozen=True):
    """A cluster and a user, by name."""

    cluster: str = ""
    user: str = ""
    namespace: str = ""


class NamedCluster(Struct, frozen=True):
    """An entry of `clusters`."""

    name: str = ""
    cluster: Cluster = Cluster()


class NamedUser(Struct, frozen=True):
    """An entry of `users`."""

    name: str = ""
    user: User = User()


class NamedContext(Struct, frozen=True):
    """An entry of `contexts`."""

    name: str = ""
    context: Context = Context()


class Config(Struct, frozen=True, rename="kebab"):
    """One file."""

    kind: str = ""
    api_version: str = field(name="apiVersion", default="")
    current_context: str = ""
    clusters: tuple[NamedCluster | None, ...] = ()
    users: tuple[NamedUser | None, ...] = ()
    contexts: tuple[NamedContext | None, ...] = ()


def to_entries(document: object, kind: type[T]) -> T:
    """
    Plain values as one of the types of this module.

    Errors  msgspec.ValidationError, which names the field and not its value.
    """
    return msgspec.convert(_without_nulls(document) or {}, kind, dec_hook=_text_of)


def _without_nulls(value: object) -> object:
    """Null is the same as absent, but in extensions, which are passed on as they stand, and in maps of any keys."""
    match value:
        case dict():
            return {
                key: each if key in ("extension", "as-user-extra") else _without_nulls(each)
                for key, each in value.items()
                if each is not None
            }
        case list():
            return [_without_nulls(each) for each in value]
    return value


def _text_of(kind: type[Secret], value: object) -> object:
    if not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
    if not issubclass(kind, Pem):
        return kind(value)
    try:
        decoded = base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("Invalid base64") from None
    return kind(decoded.decode("latin-1"))


def named(entries: tuple[T | None, ...], empty: T) -> list[T]:
    """Entries of a list, where null is one without a name."""
    return [empty if entry is None else entry for entry in entries]


def texts(values: tuple[str | None, ...]) -> list[str]:
    """Texts of a list, where null is the empty one."""
    return [value or "" for value in values]
