"""`bitcoin-controller run`: the controller against a cluster, until SIGTERM or SIGINT."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

from ctrlkit.bitcoin.controller import build
from ctrlkit.bitcoin.preflight import check_server
from ctrlkit.bitcoin.rpc import RpcClient
from ctrlkit.manager import Manager, Settings, connect, manager_from, stop_on_signals, unless_stopped

NAME: Final = "bitcoin-controller"
"""Who owns what it writes, however it was started."""


async def run(settings: Settings, *, workers: int) -> None:
    """
    Run the controller as settings say, if the server lets it.

    Errors  ConfigError for a configuration or a server that cannot be used, TransportError where none answers, and what
            Manager.run raises.
    """
    with stop_on_signals() as stop:
        async with AsyncExitStack() as stack:
            manager = await unless_stopped(stop, _ready(stack, settings, workers))
            if manager is not None:
                await manager.run(stop)


async def _ready(stack: AsyncExitStack, settings: Settings, workers: int) -> Manager:
    """The manager with its controller, of a server that has been looked at."""
    connection = connect(
        kubeconfig=settings.kubeconfig, context=settings.context, field_manager=settings.field_manager or NAME
    )
    client = await stack.enter_async_context(connection)
    bitcoind = await stack.enter_async_context(RpcClient())
    manager = manager_from(settings, client)
    manager.add(build(manager, bitcoind=bitcoind, workers=workers))
    lease = None if manager.elector is None else manager.elector.lease
    await check_server(client, settings.namespaces, lease=lease)
    return manager
