"""
From settings to controllers at work, and back out on a signal.

    if __name__ == "__main__":
        run(build)

Whoever has more to set up than that puts the parts together: `connect`, `manager_from`, `run_until_signalled`.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import structlog
from msgspec import structs

from ctrlkit.client import Client
from ctrlkit.controller import Controller
from ctrlkit.election import Elector, default_identity, pod_namespace
from ctrlkit.errors import ConfigError
from ctrlkit.exits import exit_status
from ctrlkit.library_logs import libraries_heard
from ctrlkit.manager.manager import Manager
from ctrlkit.manager.settings import Settings, tell_unknown_variables
from ctrlkit.manager.signals import stop_on_signals, unless_stopped
from ctrlkit.model import ObjectKey, Transport
from ctrlkit.telemetry import configure_logging

if TYPE_CHECKING:
    from ctrlkit.election import Sharding

Build = Callable[[Manager], Controller | Iterable[Controller]]
"""
Makes the controllers of a program, with the manager's informers, recorders and client; a function decorated with
@reconciler is one.
"""


Way = Callable[[Transport], Transport]
"""Puts something between a program's client and what carries its calls, such as a dry run."""

Preparation = Callable[[Client, Manager], Coroutine[Any, Any, None]]
"""Is done before a manager runs."""


class BuildError(ConfigError, TypeError):
    """What should make the controllers of a program does not make any."""


def run(*builds: Build | Iterable[Build], settings: Settings | None = None) -> NoReturn:
    """
    Run controllers against a cluster until SIGTERM or SIGINT, and end the process; for programs that do nothing else.

        def build(manager: Manager) -> Controller:
            networks = manager.informer(NETWORKS)
            return Controller(name="networks", reconcile=..., watches=[Watch(networks, to_self)])

        if __name__ == "__main__":
            run(build)

    Shape   Without `settings` they are loaded from arguments, environment and file; `--help` tells which there are.
            Where logging is not configured yet, it is, as they say. Several builds may also come in a list.
    Errors  What was foreseen, such as a kubeconfig that cannot be used or a lost lease, is one line on standard error
            and status 1; settings that cannot be used are status 2.
    """

    def main() -> int:
        flat = builds_in(builds)
        if not flat:
            raise BuildError(
                "run: there is nothing to run; give it a build function or a function decorated with @reconciler"
            )
        return run_program(*flat, settings=Settings.load() if settings is None else settings)

    sys.exit(exit_status(Path(sys.argv[0]).name or "ctrlkit", main))


def run_program(*builds: Build, settings: Settings, way: Way | None = None, before: Preparation | None = None) -> int:
    """
    Run controllers until a signal; returns the exit status 0, and raises what `Manager.run` and `connect` raise.

    The program's calls go by `way`, if there is one; `before` is done before the manager runs.
    """
    if not structlog.is_configured():
        configure_logging(settings.log_format, settings.log_level)
        libraries_heard()
    tell_unknown_variables()
    asyncio.run(_serve(builds, settings, way, before))
    return 0


async def _serve(builds: Iterable[Build], settings: Settings, way: Way | None, before: Preparation | None) -> None:
    """A signal that comes while this connects is an order to stop like any other."""
    with stop_on_signals() as stop:
        async with AsyncExitStack() as stack:
            connection = connect(
                kubeconfig=settings.kubeconfig, context=settings.context, field_manager=settings.field_manager
            )
            client = await unless_stopped(stop, stack.enter_async_context(connection))
            if client is None:
                return
            used = client if way is None else Client(way(client.transport), field_manager=client.field_manager)
            manager = manager_from(settings, used)
            for controller in controllers_of(builds, manager):
                manager.add(controller)
            if before is not None:
                await unless_stopped(stop, before(client, manager))
            await manager.run(stop)


def manager_from(settings: Settings, client: Client) -> Manager:
    """
    Make the manager that settings describe, without controllers.

    Errors  ConfigError where a Lease is asked for, and nobody says in which namespace.
    """
    if settings.field_manager not in ("", client.field_manager):
        client = Client(client.transport, field_manager=settings.field_manager)
    manager = Manager(
        client,
        namespaces=settings.namespaces,
        forbidden_namespaces=settings.forbidden_namespaces,
        grace_s=settings.grace_s,
        sync_timeout_s=settings.sync_timeout_s,
        elector=_elector(settings, client) if settings.leader_elect else None,
        sharding=_sharding(settings, client) if settings.shards else None,
        endpoints=settings.endpoints,
        webhook_serving=settings.webhook_serving,
        check_definitions=settings.check_definitions,
    )
    manager.settings = structs.asdict(settings)
    return manager


async def run_until_signalled(manager: Manager) -> None:
    """Run a manager until SIGTERM or SIGINT; a second signal ends the process at once, with status 1."""
    with stop_on_signals() as stop:
        await manager.run(stop)


@asynccontextmanager
async def connect(
    *, kubeconfig: str | None = None, context: str | None = None, field_manager: str = ""
) -> AsyncIterator[Client]:
    """
    Connect to the server that a context of a kubeconfig names; the Client can be used in the block.

        async with connect() as client:
            pods = await client.list(PODS, namespace="demo")

    `field_manager` is the name in which it writes, and which the server's audit log shows; the program's own unless
    given.
    Errors  ConfigError for a configuration that cannot be used.
    """
    from ctrlkit.wire.config import load_endpoint  # noqa: PLC0415 - who runs on a fake does not pay for HTTP
    from ctrlkit.wire.transport import RestTransport  # noqa: PLC0415

    endpoint = await load_endpoint(kubeconfig=kubeconfig or None, context=context or None)
    async with RestTransport(endpoint, program=field_manager) as transport:
        yield Client(transport, field_manager=field_manager)


def controllers_of(builds: Build | Iterable[Build], manager: Manager) -> Iterable[Controller]:
    """Call build functions with a manager; BuildError, a TypeError, where one does not return controllers."""
    return [made for build in builds_in([builds]) for made in _made(build, manager)]


def builds_in(builds: Iterable[Build | Iterable[Build]]) -> tuple[Build, ...]:
    """Build functions, with those in lists among them; BuildError, a TypeError, for what is none."""
    return tuple(build for each in builds for build in ((each,) if callable(each) else _listed(each)))


def _listed(builds: Any) -> Iterable[Build]:
    found: tuple[Any, ...] = (builds,) if isinstance(builds, str) or not isinstance(builds, Iterable) else (*builds,)
    for each in found:
        if not callable(each):
            raise BuildError(f"make controllers of {each!r}: give a function build(manager), a @reconciler, or a list")
    return found


def _made(build: Build, manager: Manager) -> Iterable[Controller]:
    name = getattr(build, "__qualname__", "the build function")
    built: object = build(manager)
    if inspect.iscoroutine(built):
        built.close()
        raise BuildError(f"{name} is async; write it with `def`: it makes controllers, and they wait")
    made = tuple(built) if isinstance(built, Iterable) else (built,)
    controllers = tuple(each for each in made if isinstance(each, Controller))
    if len(controllers) == len(made):
        return controllers
    raise BuildError(f"{name} returned {type(built).__name__}; return the Controller it makes, or several in a list")


def _elector(settings: Settings, client: Client) -> Elector:
    lease = ObjectKey(_lease_namespace(settings), settings.lease_name)
    return Elector(client, lease, identity=settings.identity or default_identity(), times=settings.lease_times)


def _sharding(settings: Settings, client: Client) -> Sharding:
    from ctrlkit.election import Sharding  # noqa: PLC0415 - who runs alone does not pay for it

    return Sharding(
        client,
        name=settings.lease_name,
        namespace=_lease_namespace(settings),
        shards=settings.shards,
        identity=settings.identity or default_identity(),
        times=settings.lease_times,
    )


def _lease_namespace(settings: Settings) -> str:
    try:
        return settings.lease_namespace or pod_namespace()
    except ConfigError as error:
        raise ConfigError(
            f"find the namespace of lease {settings.lease_name}: this is no pod that could tell; name it with "
            f"lease_namespace (--lease-namespace, CTRLKIT_LEASE_NAMESPACE) [{error}]"
        ) from None
