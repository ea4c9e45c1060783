"""
Where the server is and who we are: a kubeconfig or a pod's service account -> Endpoint.

As kubectl finds it; where that is not so, docs/deviations.md says why. Looked at in turn, and the first one that says
something is taken:

    the file that is asked for           alone, and it must exist
    the files that $KUBECONFIG lists     merged; those that do not exist are passed over
    $HOME/.kube/config
    the service account                  of the pod this runs in

A file that names no current context says nothing. Nothing of a user is sent to a server without TLS, but as whom he
wishes to act.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ctrlkit.errors import ConfigError
from ctrlkit.telemetry import logger
from ctrlkit.wire.credentials import Loaded, RenewedCredentials
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.kubeconfig.choice import Choice, choose, chooses
from ctrlkit.wire.kubeconfig.files import HOME_KUBECONFIG, Kubeconfig, Sources, read_kubeconfig
from ctrlkit.wire.kubeconfig.shape import Cluster, User
from ctrlkit.wire.loading import load_account, load_choice
from ctrlkit.wire.proxies import proxy_for
from ctrlkit.wire.sealing import Sealed
from ctrlkit.wire.server import Server, server_of
from ctrlkit.wire.service_account import NotInPod, ServiceAccount, namespace

__all__ = ["Endpoint", "load_endpoint"]

log = logger("wire")


async def load_endpoint(*, kubeconfig: str | None = None, context: str | None = None) -> Endpoint:
    """
    The Endpoint of a kubeconfig's context, the current one where none is named.

    Looks in the file given, else in those that $KUBECONFIG names, else in ~/.kube/config; if there is none, at the
    service account of the pod this runs in.
    Errors  ConfigError naming the file, what is wrong with it and what to do.
    """
    with Sealed():  # what is read holds tokens, passwords and keys
        return await _load(Sources.named(kubeconfig), context)


async def _load(sources: Sources, context: str | None) -> Endpoint:
    found = read_kubeconfig(sources)
    if chooses(found, context):
        return await _of_kubeconfig(sources, found, context)
    try:
        account = ServiceAccount.found()
    except NotInPod as reason:
        raise ConfigError(_nothing_found(sources, found, str(reason))) from None
    if sources.origin and not found.files:
        log.warning("kubeconfig_not_found", files=str(sources))
    return await _of_service_account(account)


def _nothing_found(sources: Sources, found: Kubeconfig, reason: str) -> str:
    if found.files:
        names = ", ".join(name for name in found.contexts)[:256]
        advice = (
            f"name one of its contexts with --context ({names}), or correct the file"
            if names
            else ("correct the file, or name another with --kubeconfig")
        )
        return f"read kubeconfig {found}: it has no current context; {advice}"
    if sources.origin:
        return f"read kubeconfig {sources}: there is no such file; correct {sources.origin}, or leave it out"
    return (
        f"find an API server: there is no {HOME_KUBECONFIG}, and this is no pod of a cluster ({reason}); "
        "pass --kubeconfig or set KUBECONFIG"
    )


def _endpoint(
    server: Server, loaded: Loaded, load_again: Callable[[], Awaitable[Loaded]], in_namespace: str, cluster: Cluster
) -> Endpoint:
    credentials = RenewedCredentials(loaded, load_again)
    return Endpoint(
        server=server.url,
        namespace=in_namespace,
        tls=credentials.tls,
        tls_server_name=cluster.tls_server_name or server.certified_name,
        proxy=proxy_for(server.url, cluster.proxy_url),
        compresses=not cluster.disable_compression,
        credentials=credentials,
    )


# ---- kubeconfig -------------------------------------------------------------------------------------------------


async def _of_kubeconfig(sources: Sources, found: Kubeconfig, context: str | None) -> Endpoint:
    choice, server = _chosen(found, context)
    loaded = await load_choice(choice, server, f"kubeconfig {found}")
    if not choice.user_found:
        log.warning("user_not_found", context=choice.context, user=choice.user_name)
    if not server.has_tls and _has_credentials(choice.user):
        log.warning("credentials_withheld", server=server.url, user=choice.user_name)

    async def load_again() -> Loaded:
        """The same context, whichever is the current one by now; its credentials are for no other server."""
        again = read_kubeconfig(sources)
        now, at = _chosen(again, choice.context)
        if at.url != server.url:
            raise ConfigError(
                f"read kubeconfig {again}: context {choice.context} has another server by now; start again"
            )
        return await load_choice(now, at, f"kubeconfig {again}")

    in_namespace = choice.namespace or ServiceAccount.namespace_of_pod() or "default"
    return _endpoint(server, loaded, load_again, in_namespace, choice.cluster)


def _chosen(found: Kubeconfig, context: str | None) -> tuple[Choice, Server]:
    tried = f"read kubeconfig {found}"
    choice = choose(found, context, tried)
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
    async def load() -> Loaded:
        return load_account(account)

    return _endpoint(account.server, await load(), load, namespace(), Cluster())
