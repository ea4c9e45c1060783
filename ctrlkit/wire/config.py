"""
Where the server is and who we are: a kubeconfig or a pod's service account -> Endpoint.

The kubernetes package reads both; it is imported when a configuration is loaded and not before. What it cannot do is
added here: errors that say which file and what next, and credentials that are renewed (it runs an exec plugin and
reads token and certificate files once).
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ctrlkit import clock
from ctrlkit.errors import ConfigError
from ctrlkit.telemetry import logger
from ctrlkit.wire.endpoint import Endpoint

__all__ = ["Endpoint", "load_endpoint"]

log = logger("wire")

DEFAULT_KUBECONFIG = "~/.kube/config"
RENEW_AHEAD = timedelta(minutes=1)
RENEW_AGAIN_S = 10.0
"""Credentials are renewed no more often than this, so that a wrong token does not run a plugin for each call."""


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
class _Loaded:
    configuration: Any  # kubernetes.aio.client.Configuration
    namespace: str
    expires: datetime | None


async def _from_kubeconfig(paths: str, context: str | None) -> Endpoint:
    loaded = await _load_kubeconfig(paths, context)
    configuration = loaded.configuration
    server = str(configuration.host).rstrip("/")
    if not _is_http(server):
        shown = server.rpartition("@")[2][:256]
        raise ConfigError(
            f"read kubeconfig {paths}: the context's cluster has a server that is no URL: {shown!r}; "
            "write it as https://HOST:PORT"
        )
    tls = _tls_of(configuration, f"kubeconfig {paths}") if server.startswith("https:") else None
    return Endpoint(
        server=server,
        namespace=loaded.namespace,
        tls=tls,
        tls_server_name=configuration.tls_server_name or None,
        proxy=_usable(configuration.proxy or _proxy_for(server), server),
        credentials=_KubeconfigCredentials(paths, context, loaded, tls),
    )


async def _load_kubeconfig(paths: str, context: str | None) -> _Loaded:
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
    active = loader.current_context["context"]
    return _Loaded(configuration, active.get("namespace") or "default", getattr(loader, "exec_plugin_expiry", None))


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


class _KubeconfigCredentials:
    """The user's token, read anew when it runs out or is refused; the client certificate with it."""

    def __init__(self, paths: str, context: str | None, loaded: _Loaded, tls: ssl.SSLContext | None) -> None:
        self._paths = paths
        self._context = context
        self.tls = tls
        self._loaded = loaded
        self._certificate = _client_certificate_in(loaded.configuration)
        self._lock = asyncio.Lock()
        self._due = False
        self._renewed_at = clock.monotonic()

    async def headers(self) -> Mapping[str, str]:
        """The Authorization header, if the user has a token or a password."""
        async with self._lock:
            if self._due or self._runs_out():
                await self._renew()
        return await _headers_of(self._loaded.configuration)

    def refused(self, sent_at: float) -> bool:
        """Have everything read anew before the next call, unless that was done just now, or since the call began."""
        if self._renewed_at > sent_at:
            return True
        self._due = self._due or clock.monotonic() - self._renewed_at >= RENEW_AGAIN_S
        return self._due

    def _runs_out(self) -> bool:
        expires = self._loaded.expires
        return (
            expires is not None
            and expires - RENEW_AHEAD <= clock.now()
            and clock.monotonic() - self._renewed_at >= RENEW_AGAIN_S
        )

    async def _renew(self) -> None:
        self._due = False
        self._renewed_at = clock.monotonic()
        try:
            loaded = await _load_kubeconfig(self._paths, self._context)
            certificate = _client_certificate_in(loaded.configuration)
            if self.tls is not None and certificate != self._certificate:
                # another context, so that no connection made with the old certificate is used again
                self.tls = _tls_of(loaded.configuration, f"kubeconfig {self._paths}")
        except ConfigError as error:
            log.warning("credentials_not_renewed", error=str(error))  # the old ones go on until the server refuses
        else:
            self._loaded, self._certificate = loaded, certificate


# ---- in a pod ---------------------------------------------------------------------------------------------------


async def _from_service_account() -> Endpoint:
    from kubernetes.aio import client, config  # noqa: PLC0415
    from kubernetes.aio.config import incluster_config  # noqa: PLC0415

    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise ConfigError(
            f"find an API server: there is no {DEFAULT_KUBECONFIG}, and this is no pod of a cluster ({_plain(error)}); "
            "pass --kubeconfig or set KUBECONFIG"
        ) from None
    server = str(configuration.host)
    namespace_file = Path(incluster_config.SERVICE_TOKEN_FILENAME).with_name("namespace")
    return Endpoint(
        server=server,
        namespace=namespace_file.read_text().strip() if namespace_file.exists() else "default",
        tls=_tls_of(configuration, "service account"),
        proxy=_usable(_proxy_for(server), server),
        credentials=_ServiceAccountCredentials(configuration),
    )


class _ServiceAccountCredentials:
    """The pod's token; the library's hook reads the file anew every minute."""

    tls = None

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration

    async def headers(self) -> Mapping[str, str]:
        """The Authorization header."""
        return await _headers_of(self._configuration)

    def refused(self, sent_at: float) -> bool:
        """The kubelet renews the file long before the token runs out, so a refused one is wrong."""
        return False


# ---- what both need ---------------------------------------------------------------------------------------------


async def _headers_of(configuration: Any) -> Mapping[str, str]:
    token = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")  # runs the refresh hook
    return {"Authorization": str(token).strip()} if token else {}


def _tls_of(configuration: Any, source: str) -> ssl.SSLContext:
    try:
        tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"read the certificate authority of the {source}: {_reason(error)}; correct certificate-authority"
        ) from None
    _load_client_certificate(tls, configuration, source)
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls


def _client_certificate_in(configuration: Any) -> bytes | None:
    """The certificate as it is now; None where there is none, or none that can be read."""
    try:
        return Path(configuration.cert_file).read_bytes() if configuration.cert_file else None
    except OSError:
        return None


def _load_client_certificate(tls: ssl.SSLContext, configuration: Any, source: str) -> None:
    if not configuration.cert_file:
        return
    try:
        tls.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"read the client certificate of the {source}: {_reason(error)}; "
            "correct the user's client-certificate and client-key"
        ) from None


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or "it is no certificate in PEM form"


def _proxy_for(server: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY say; never one to reach this machine itself."""
    parts = urlsplit(server)
    host = parts.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127.") or proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)


def _usable(proxy: str | None, server: str) -> str | None:
    """A proxy's URL, with the scheme that is meant where there is none; its password is in no error."""
    if proxy is None:
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_http(url):
        shown = proxy.rpartition("@")[2][:256]
        raise ConfigError(
            f"reach {server.rpartition('@')[2]}: the proxy {shown!r} cannot be used; write it as http://HOST:PORT in "
            "proxy-url or HTTPS_PROXY, or leave it out"
        )
    return url


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
