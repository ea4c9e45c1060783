"""From a kubeconfig to controllers at work, and back out on a signal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import structlog

from ctrlkit.client import Client
from ctrlkit.controller import Controller
from ctrlkit.manager.manager import Manager
from ctrlkit.manager.signals import stop_on_signals
from ctrlkit.telemetry import configure_logging

Build = Callable[[Manager], Controller | Iterable[Controller]]
"""Makes the controllers of a program, with the manager's informers, recorders and client."""


def run(
    build: Build, *, kubeconfig: str | None = None, context: str | None = None, namespaces: Sequence[str] = ()
) -> None:
    """
    Run controllers against a cluster until SIGTERM or SIGINT; for programs that do nothing else.

        def build(manager: Manager) -> Controller:
            networks = manager.informer(NETWORKS)
            return Controller(name="networks", reconcile=..., watches=[Watch(networks, to_self)])

        if __name__ == "__main__":
            run(build)

    Shape   Without `kubeconfig` the usual places are searched, a pod's service account at last. Where logging is not
            configured yet, it is, with its defaults.
    Errors  ConfigError for a configuration that cannot be used, and what Manager.run raises.
    """
    if not structlog.is_configured():
        configure_logging()
    asyncio.run(_run(build, kubeconfig, context, namespaces))


async def run_until_signalled(manager: Manager) -> None:
    """Run a manager until SIGTERM or SIGINT; a second signal ends the process at once, with status 1 (row M13)."""
    with stop_on_signals() as stop:
        await manager.run(stop)


@asynccontextmanager
async def connect(*, kubeconfig: str | None = None, context: str | None = None) -> AsyncIterator[Client]:
    """
    A client of the server that a kubeconfig's context names, for as long as the context lasts.

        async with connect() as client:
            pods = await client.list(PODS, namespace="demo")

    Errors  ConfigError for a configuration that cannot be used.
    """
    from ctrlkit.wire.config import load_endpoint  # noqa: PLC0415 - who runs on a fake does not pay for HTTP
    from ctrlkit.wire.transport import RestTransport  # noqa: PLC0415

    endpoint = await load_endpoint(kubeconfig=kubeconfig, context=context)
    async with RestTransport(endpoint) as transport:
        yield Client(transport)


async def _run(build: Build, kubeconfig: str | None, context: str | None, namespaces: Sequence[str]) -> None:
    async with connect(kubeconfig=kubeconfig, context=context) as client:
        manager = Manager(client, namespaces=namespaces)
        built = build(manager)
        for controller in (built,) if isinstance(built, Controller) else built:
            manager.add(controller)
        await run_until_signalled(manager)
