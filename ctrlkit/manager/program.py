"""From a kubeconfig to controllers at work, and back out on a signal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import structlog

from ctrlkit.client import Client
from ctrlkit.controller import Controller
from ctrlkit.exits import exit_status
from ctrlkit.manager.manager import Manager
from ctrlkit.manager.signals import stop_on_signals
from ctrlkit.telemetry import configure_logging

Build = Callable[[Manager], Controller | Iterable[Controller]]
"""Makes the controllers of a program, with the manager's informers, recorders and client."""


def run(
    build: Build,
    *,
    kubeconfig: str | None = None,
    context: str | None = None,
    namespaces: Sequence[str] = (),
    grace_s: float = 30.0,
    sync_timeout_s: float = 120.0,
) -> NoReturn:
    """
    Run controllers against a cluster until SIGTERM or SIGINT, and end the process; for programs that do nothing else.

        def build(manager: Manager) -> Controller:
            networks = manager.informer(NETWORKS)
            return Controller(name="networks", reconcile=..., watches=[Watch(networks, to_self)])

        if __name__ == "__main__":
            run(build)

    Shape   Without `kubeconfig` the usual places are searched, a pod's service account at last. Where logging is not
            configured yet, it is, with its defaults.
    Units   `grace_s` and `sync_timeout_s` as for Manager.
    Errors  What was foreseen, such as a kubeconfig that cannot be used, is one line on standard error and status 1.
    """

    async def main() -> int:
        if not structlog.is_configured():
            configure_logging()
        async with connect(kubeconfig=kubeconfig, context=context) as client:
            manager = Manager(client, namespaces=namespaces, grace_s=grace_s, sync_timeout_s=sync_timeout_s)
            for controller in controllers_of(build, manager):
                manager.add(controller)
            await run_until_signalled(manager)
        return 0

    sys.exit(exit_status(Path(sys.argv[0]).name or "ctrlkit", lambda: asyncio.run(main())))


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


def controllers_of(build: Build, manager: Manager) -> Iterable[Controller]:
    """What a build function made for a manager; TypeError where it forgot to return it."""
    built: object = build(manager)
    if isinstance(built, Controller):
        return (built,)
    if not isinstance(built, Iterable):
        name = getattr(build, "__qualname__", "the build function")
        raise TypeError(f"{name} returned {type(built).__name__}; return the Controller it makes, or several in a list")
    return built
