"""
`bitcoin-controller run`: the controller against a cluster, until SIGTERM or SIGINT.

Before anything starts the server is asked for what the controller will read, so that a wrong server, a missing kind and
a missing permission are said at once and in one line, and not found in a log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from controllers.bitcoin.controller import build
from controllers.bitcoin.rpc import RpcClient
from controllers.bitcoin.types import BITCOIN_NETWORKS, PODS, SERVICES, STATEFULSETS
from ctrlkit.client import Client
from ctrlkit.errors import ConfigError, Forbidden, NotFound
from ctrlkit.manager import Manager, connect, run_until_signalled
from ctrlkit.model import AnyResource

ANSWER_LIMIT_S: Final = 10.0
INSTALL: Final = "bitcoin-controller manifests crd | kubectl apply -f -"
_NOBODY: Final = "metadata.name=no-such-object"
"""Selects nothing, so that asking for a permission costs no list of the cluster's pods."""


async def run(*, kubeconfig: str | None, context: str | None, namespaces: Sequence[str], workers: int) -> None:
    """
    Run the controller; without namespaces, for all of them.

    Errors  ConfigError for a configuration or a server that cannot be used, TransportError where none answers, and what
            Manager.run raises.
    """
    async with connect(kubeconfig=kubeconfig, context=context) as client:
        await check_server(client, namespaces)
        async with RpcClient() as bitcoind:
            manager = Manager(client, namespaces=namespaces)
            manager.add(build(manager, bitcoind=bitcoind, workers=workers))
            await run_until_signalled(manager)


async def check_server(client: Client, namespaces: Sequence[str]) -> None:
    """
    See that the server answers, knows the kind, and lets the controller read what it watches.

    Errors  ConfigError, naming what is missing; TransportError, ApiError.
    """
    wanted = (SERVICES, STATEFULSETS, PODS, BITCOIN_NETWORKS)
    scopes = tuple(namespaces) or ("",)
    missing: list[str] = []
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            for resource in wanted:
                for namespace in scopes:
                    missing += await _missing(client, resource, namespace)
    except TimeoutError:
        raise ConfigError(
            f"reach the API server: no answer within {ANSWER_LIMIT_S:g} s; check the server in the kubeconfig"
        ) from None
    if missing:
        raise ConfigError(
            f"read what the controller watches: RBAC refuses {', '.join(missing)}; grant it to this user, or install "
            f"the roles: {INSTALL}"
        )


async def _missing(client: Client, resource: AnyResource, namespace: str) -> list[str]:
    """The verbs that are refused for a kind, in words."""
    where = f"{resource} in {namespace}" if namespace else str(resource)
    missing = []
    try:
        await client.list(resource, namespace=namespace, field_selector=_NOBODY)
    except Forbidden:
        missing.append(f"list {where}")
    except NotFound:
        known_to_all = resource is not BITCOIN_NETWORKS
        fact = "what answers is no Kubernetes API server; check the server in the kubeconfig"
        raise ConfigError(
            f"list {where}: {fact if known_to_all else f'the server does not know this kind; install it: {INSTALL}'}"
        ) from None
    try:
        async with client.watch(resource, namespace=namespace, field_selector=_NOBODY, timeout_s=1):
            pass
    except Forbidden:
        missing.append(f"watch {where}")
    return missing
