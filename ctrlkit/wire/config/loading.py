"""
Load the Endpoint from a kubeconfig or a pod's service account, as kubectl does; docs/deviations.md has the differences.

The first of these that names a context is taken:

    the file that is asked for           alone, and it must exist
    the files that $KUBECONFIG lists     merged; those that do not exist are passed over
    $HOME/.kube/config
    the service account                  of the pod this runs in

To a server without TLS nothing of a user is sent but the Impersonate headers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from ctrlkit.errors import ConfigError
from ctrlkit.telemetry import logger
from ctrlkit.wire.config.addresses import Server, proxy_for, server_of
from ctrlkit.wire.config.credentials import LoadedCredentials, RenewedCredentials
from ctrlkit.wire.config.entries import Cluster, User
from ctrlkit.wire.config.files import (
    HOME_KUBECONFIG,
    ChosenContext,
    Kubeconfig,
    KubeconfigPaths,
    choose_context,
    has_context,
    read_kubeconfig,
)
from ctrlkit.wire.config.identity import FOLDER, NotInPod, ServiceAccount, load_account, load_choice
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.secrets import Sealed

log: Final = logger("wire")


async def load_endpoint(*, kubeconfig: str | None = None, context: str | None = None) -> Endpoint:
    """
    Load where the API server is, and the credentials for it.

        async with RestTransport(await load_endpoint(context="staging")) as transport: ...

    Shape   `kubeconfig` is the path of a file; without it those that $KUBECONFIG lists are read, else ~/.kube/config,
            else the service account of the pod this runs in. `context` is a context of the kubeconfig; without it the
            current one is taken.
    Errors  ConfigError naming the file, what is wrong with it and what to do.
    """
    with Sealed():  # what is read holds tokens, passwords and keys
        return await _load(KubeconfigPaths.find(kubeconfig), context)


def default_namespace(*, kubeconfig: str | None = None, context: str | None = None) -> str:
    """
    Return the namespace that kubectl takes where none is named: the context's, in a pod its own, else `default`.

    Shape   `kubeconfig` and `context` as for load_endpoint.
    Errors  ConfigError for a kubeconfig that cannot be read.
    """
    with Sealed():
        found = read_kubeconfig(KubeconfigPaths.find(kubeconfig))
    if has_context(found, context):
        chosen = found.contexts.get(context or found.current_context)
        return (chosen.namespace if chosen is not None else "") or "default"
    with suppress(OSError):
        return (FOLDER / "namespace").read_text().strip() or "default"
    return "default"


async def _load(sources: KubeconfigPaths, context: str | None) -> Endpoint:
    found = read_kubeconfig(sources)
    if has_context(found, context):
        return await _of_kubeconfig(sources, found, context)
    try:
        account = ServiceAccount.found()
    except NotInPod as reason:
        raise ConfigError(_nothing_found(sources, found, str(reason))) from None
    if sources.origin and not found.files:
        log.warning("kubeconfig_not_found", files=str(sources))
    return await _of_service_account(account)


def _nothing_found(sources: KubeconfigPaths, found: Kubeconfig, reason: str) -> str:
    if found.files:
        names = ", ".join(name for name in found.contexts)[:256]
        advice = (
            f"name one of its contexts with --context ({names}), or correct the file"
            if names
            else ("correct the file, or name another with --kubeconfig")
        )
        return f"read kubeconfig {found}: it has no current context; {advice}"
    if sources.origin:
        return sources.missing()
    return (
        f"find an API server: there is no {HOME_KUBECONFIG}, and this is no pod of a cluster ({reason}); "
        "pass --kubeconfig or set KUBECONFIG"
    )


def _endpoint(
    server: Server,
    loaded: LoadedCredentials,
    load_again: Callable[[], Awaitable[LoadedCredentials]],
    cluster: Cluster,
) -> Endpoint:
    credentials = RenewedCredentials(loaded, load_again)
    return Endpoint(
        server=server.url,
        tls=credentials.tls,
        tls_server_name=cluster.tls_server_name or server.certified_name,
        proxy=proxy_for(server.url, cluster.proxy_url),
        compresses=not cluster.disable_compression,
        credentials=credentials,
    )


# ---- kubeconfig -------------------------------------------------------------------------------------------------


async def _of_kubeconfig(sources: KubeconfigPaths, found: Kubeconfig, context: str | None) -> Endpoint:
    choice, server = _chosen(found, context)
    loaded = await load_choice(choice, server, f"kubeconfig {found}")
    if not choice.user_found:
        log.warning("user_not_found", context=choice.context, user=choice.user_name)
    if not server.has_tls and _has_credentials(choice.user):
        log.warning("credentials_withheld", server=server.url, user=choice.user_name)

    async def load_again() -> LoadedCredentials:
        """The same context, whichever is the current one by now; its credentials are for no other server."""
        again = read_kubeconfig(sources)
        now, at = _chosen(again, choice.context)
        if at.url != server.url:
            raise ConfigError(
                f"read kubeconfig {again}: context {choice.context} has another server by now; start again"
            )
        return await load_choice(now, at, f"kubeconfig {again}")

    return _endpoint(server, loaded, load_again, choice.cluster)


def _chosen(found: Kubeconfig, context: str | None) -> tuple[ChosenContext, Server]:
    tried = f"read kubeconfig {found}"
    choice = choose_context(found, context, tried)
    server = server_of(choice.cluster.server)
    if server is None:
        shown = str(choice.cluster.server).rpartition("@")[2][:256]
        raise ConfigError(
            f"{tried}: the context's cluster has a server that is no URL: {shown!r}; write it as https://HOST:PORT"
        )
    return choice, server


def _has_credentials(user: User) -> bool:
    return bool(
        user.token
        or user.token_file
        or user.username
        or user.exec
        or user.client_certificate
        or user.client_certificate_data
    )


# ---- in a pod ---------------------------------------------------------------------------------------------------


async def _of_service_account(account: ServiceAccount) -> Endpoint:
    async def load() -> LoadedCredentials:
        return load_account(account)

    return _endpoint(account.server, await load(), load, Cluster())
