"""
`bitcoin-controller run`: checks the server, then runs the controller until SIGTERM or SIGINT.

The check reports a wrong server, a missing CustomResourceDefinition and missing permissions at once and in one line. It
changes nothing: its lists select nothing, and its writes are dry runs. Networks that are stored as v1 are read through
this program's own webhook, which is not there yet: where the server waits for it, the check goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Final

from ctrlkit.bitcoin.caches import KINDS
from ctrlkit.bitcoin.controller import build
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.rpc import RpcClient
from ctrlkit.client import Client, DryRun
from ctrlkit.election import pod_namespace
from ctrlkit.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    ConfigError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TooManyRequests,
)
from ctrlkit.manager import Manager, Settings, connect, manager_from, stop_on_signals, unless_stopped
from ctrlkit.model import AnyResource, ObjectKey
from ctrlkit.model.kinds import LEASES

NAME: Final = "bitcoin-controller"
"""The default field manager, however the program was started."""


async def run(settings: Settings, *, workers: int) -> None:
    """
    Run the controller with these settings.

    Errors  ConfigError for a configuration or a server that cannot be used, TransportError if no server answers, and
            those of Manager.run.
    """
    with stop_on_signals() as stop:
        async with AsyncExitStack() as stack:
            manager = await unless_stopped(stop, _ready(stack, settings, workers))
            if manager is not None:
                await manager.run(stop)


async def _ready(stack: AsyncExitStack, settings: Settings, workers: int) -> Manager:
    """Check the server, and return the manager with its controller."""
    connection = connect(
        kubeconfig=settings.kubeconfig, context=settings.context, field_manager=settings.field_manager or NAME
    )
    client = await stack.enter_async_context(connection)
    bitcoind = await stack.enter_async_context(RpcClient())
    manager = manager_from(settings, client)
    manager.add(build(manager, bitcoind=bitcoind, workers=workers, namespace=_own_namespace()))
    lease = None if manager.elector is None else manager.elector.lease
    await check_server(client, settings.namespaces, lease=lease)
    return manager


def _own_namespace() -> str:
    """Return the namespace of this pod; empty where this is none."""
    try:
        return pod_namespace()
    except ConfigError:
        return ""


ANSWER_LIMIT_S: Final = 10.0
CONVERSION_LIMIT_S: Final = 3.0
"""So long an answer about networks is waited for: a server whose networks are stored as v1 first waits for us."""

INSTALL_KIND: Final = "bitcoin-controller manifests crd | kubectl apply -f -"
INSTALL_ROLES: Final = "bitcoin-controller manifests rbac | kubectl apply -f -"
_NOBODY: Final = "metadata.name=no-such-object"
"""A field selector that matches nothing, so that a check does not list all pods of the cluster."""


async def check_server(client: Client, namespaces: Sequence[str], *, lease: ObjectKey | None = None) -> None:
    """
    Check that the server answers, serves BitcoinNetworks, and grants the permissions that the controller needs.

    Errors  ConfigError, naming what is missing; TransportError, ApiError.
    """
    missing: list[str] = []
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            places = tuple(namespaces) or ("",)
            for resource in KINDS:
                if resource is not BITCOIN_NETWORKS:
                    await _ask_to_read(client, resource, places, missing)
            await _unless_unconverted(_ask_to_read(client, BITCOIN_NETWORKS, places, missing))
            if lease is not None:
                missing += await _refused_uses(client, lease)
    except TimeoutError:
        raise ConfigError(
            f"reach the API server: no answer within {ANSWER_LIMIT_S:g} s; check the server in the kubeconfig"
        ) from None
    if missing:
        raise ConfigError(
            f"ask the API server for what the controller needs: RBAC refuses {', '.join(missing)}; grant it to this "
            f"user, or install the roles: {INSTALL_ROLES}"
        )


async def _unless_unconverted(asking: Awaitable[None]) -> None:
    """
    Ask about networks, and go on where the server waits for our webhook.

    It tells of a kind that it does not know, and of a permission that is missing, before it reads anything.
    """
    try:
        async with asyncio.timeout(CONVERSION_LIMIT_S):
            await asking
    except (TimeoutError, TooManyRequests):
        return
    except ApiError as error:
        if error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise


async def _ask_to_read(client: Client, resource: AnyResource, namespaces: Sequence[str], missing: list[str]) -> None:
    """Add the verbs that the server refuses for a kind to those that are missing."""
    for namespace in namespaces:
        where = f"{resource} in {namespace}" if namespace else str(resource)
        try:
            await client.list(resource, namespace=namespace, field_selector=_NOBODY)
        except Forbidden:
            missing.append(f"list {where}")
        except NotFound:
            fact = "what answers is no Kubernetes API server; check the server in the kubeconfig"
            if resource is BITCOIN_NETWORKS:
                fact = f"the server does not know this kind; install it: {INSTALL_KIND}"
            raise ConfigError(f"list {where}: {fact}") from None
        try:
            async with client.watch(resource, namespace=namespace, field_selector=_NOBODY, timeout_s=1):
                pass
        except Forbidden:
            missing.append(f"watch {where}")


async def _refused_uses(client: Client, lease: ObjectKey) -> list[str]:
    """List the verbs that the server refuses for a Lease; any error but 403 means that it grants the verb."""
    body = {"metadata": {"name": lease.name, "namespace": lease.namespace}}
    older = {"metadata": {**body["metadata"], "resourceVersion": "1"}}
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "get": lambda: client.get(LEASES, lease),
        "create": lambda: client.create(LEASES, body, dry_run=DryRun.ALL),
        "update": lambda: client.update(LEASES, older, dry_run=DryRun.ALL),
    }
    missing = []
    for verb, call in calls.items():
        try:
            await call()
        except Forbidden:
            missing.append(f"{verb} {LEASES} in {lease.namespace}")
        except NotFound:
            if verb == "create":
                raise ConfigError(
                    f"create lease {lease}: there is no namespace {lease.namespace}; create it, or name another with "
                    "--lease-namespace"
                ) from None
        except (AlreadyExists, BadRequest, Conflict, Invalid):
            pass
    return missing
