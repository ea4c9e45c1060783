"""
Where the server is and who we are: a kubeconfig or a pod's service account -> Endpoint.

The kubernetes package reads both; it is imported when a configuration is loaded and not before. What it cannot do is
added here and in credentials.py: errors that say which file and what next, and credentials that are renewed (it runs an
exec plugin and reads token and certificate files once).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctrlkit.errors import ConfigError
from ctrlkit.wire.credentials import Loaded, RenewedCredentials
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.proxies import is_http, proxy_for

__all__ = ["Endpoint", "load_endpoint"]

DEFAULT_KUBECONFIG = "~/.kube/config"


async def load_endpoint(*, kubeconfig: str | None = None, context: str | None = None) -> Endpoint:
    """
    The Endpoint of a kubeconfig's context, the current one where none is named.

    Looks in the file given, else in those that $KUBECONFIG names, else in ~/.kube/config; if there is none, at the
    service account of the pod this runs in.
    Errors  ConfigError naming the file, what is wrong with it and what to do.
    """
    named = kubeconfig or os.environ.get("KUBECONFIG", "")
    paths = named or DEFAULT_KUBECONFIG
    if _any_exists(paths.split(os.pathsep)):
        return await _from_kubeconfig(paths, context)
    if named:
        origin = "--kubeconfig" if kubeconfig else "KUBECONFIG"
        raise ConfigError(f"read kubeconfig {named}: there is no such file; correct {origin}, or leave it out")
    return await _from_service_account()


def _any_exists(paths: list[str]) -> bool:
    return any(Path(path).expanduser().exists() for path in paths if path)


# ---- kubeconfig -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Context:
    """One context of a kubeconfig, as it is now."""

    name: str
    namespace: str
    loaded: Loaded

    @property
    def server(self) -> str:
        return str(self.loaded.configuration.host).rstrip("/")


async def _from_kubeconfig(paths: str, context: str | None) -> Endpoint:
    found = await _load_context(paths, context)
    server, configuration = found.server, found.loaded.configuration
    if not is_http(server):
        shown = server.rpartition("@")[2][:256]
        raise ConfigError(
            f"read kubeconfig {paths}: the context's cluster has a server that is no URL: {shown!r}; "
            "write it as https://HOST:PORT"
        )

    async def load_again() -> Loaded:
        """The same context, whichever is the current one by now; its credentials are for no other server."""
        again = await _load_context(paths, found.name)
        if again.server != server:
            raise ConfigError(f"read kubeconfig {paths}: context {found.name} has another server by now; start again")
        return again.loaded

    credentials = RenewedCredentials(found.loaded, load_again)
    return Endpoint(
        server=server,
        namespace=found.namespace,
        tls=credentials.tls,
        tls_server_name=configuration.tls_server_name or None,
        proxy=proxy_for(server, configuration.proxy),
        credentials=credentials,
    )


async def _load_context(paths: str, context: str | None) -> _Context:
    from kubernetes.aio import client, config  # noqa: PLC0415 - half a second that only this call pays for
    from yaml import YAMLError  # noqa: PLC0415

    configuration = client.Configuration()
    tried = f"read kubeconfig {paths}"
    try:
        with _reports_of("kubernetes.aio.config.kube_config") as reports:
            loader: Any = await config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=paths, context=context, client_configuration=configuration, persist_config=False
            )
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{tried}: it is not YAML{where}; correct the file") from None
    except config.ConfigException as error:
        raise ConfigError(f"{tried}: {_plain(error)}; {_hint(paths, context)}") from None
    except OSError as error:
        raise ConfigError(f"{tried}: {error.filename or ''} {error.strerror or error}; correct the file") from None
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise ConfigError(f"{tried}: it is no valid kubeconfig ({type(error).__name__}); correct the file") from None
    if reports:
        raise ConfigError(
            f"{tried}: the credential plugin of the user failed: {reports[0][:256]}; run the plugin's command by hand"
        )
    if not getattr(loader, "host", ""):
        raise ConfigError(f"{tried}: the context's cluster names no server; correct the file")
    active = loader.current_context
    loaded = Loaded(
        configuration=configuration,
        source=f"kubeconfig {paths}",
        token_file=_token_file(loader),
        expires=getattr(loader, "exec_plugin_expiry", None),
    )
    return _Context(active["name"], active["context"].get("namespace") or "default", loaded)


def _token_file(loader: Any) -> str | None:
    """Where the user's token was read from; the library prefers every other source of one."""
    user = getattr(loader, "_user", None)  # it keeps the token and forgets the file
    if user is None or "tokenFile" not in user or any(other in user for other in ("token", "exec", "auth-provider")):
        return None
    return os.path.join(os.path.dirname(user.path or ""), user["tokenFile"])


@contextmanager
def _reports_of(name: str) -> Iterator[list[str]]:
    """The errors that the library logs instead of raising them."""
    reports: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            reports.append(" ".join(record.getMessage().split()))

    source, collector = logging.getLogger(name), Collector(logging.ERROR)
    propagate, source.propagate = source.propagate, False
    source.addHandler(collector)
    try:
        yield reports
    finally:
        source.removeHandler(collector)
        source.propagate = propagate


def _plain(error: Exception) -> str:
    """The library's text up to where it quotes the file, which may hold secrets."""
    return " ".join(str(error).partition("{")[0].split()).removeprefix("Invalid kube-config file. ")[:256]


def _hint(paths: str, context: str | None) -> str:
    from kubernetes.aio import config  # noqa: PLC0415

    try:
        contexts, _ = config.list_kube_config_contexts(paths)  # type: ignore[no-untyped-call]
        names = [str(item["name"]) for item in contexts]
    except (config.ConfigException, TypeError, AttributeError, KeyError):
        names = []
    if context and names and context not in names:
        return f"use one of its contexts: {', '.join(names)[:256]}"
    return "correct the file, or name another with --kubeconfig"


# ---- in a pod ---------------------------------------------------------------------------------------------------


async def _from_service_account() -> Endpoint:
    from kubernetes.aio.config import incluster_config  # noqa: PLC0415

    try:
        loaded = await _load_service_account()
    except ConfigError as error:
        raise ConfigError(
            f"find an API server: there is no {DEFAULT_KUBECONFIG}, and this is no pod of a cluster ({error}); "
            "pass --kubeconfig or set KUBECONFIG"
        ) from None
    server = str(loaded.configuration.host)
    namespace_file = Path(incluster_config.SERVICE_TOKEN_FILENAME).with_name("namespace")
    credentials = RenewedCredentials(loaded, _load_service_account)
    return Endpoint(
        server=server,
        namespace=namespace_file.read_text().strip() if namespace_file.exists() else "default",
        tls=credentials.tls,
        proxy=proxy_for(server),
        credentials=credentials,
    )


async def _load_service_account() -> Loaded:
    from kubernetes.aio import client, config  # noqa: PLC0415
    from kubernetes.aio.config import incluster_config  # noqa: PLC0415

    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise ConfigError(_plain(error)) from None
    return Loaded(
        configuration=configuration, source="service account", token_file=incluster_config.SERVICE_TOKEN_FILENAME
    )
