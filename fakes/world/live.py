"""
The part of World's interface that a real cluster can have: a client, managers, and waiting for a condition.

    async with LiveWorld(kubeconfig="kind.yaml") as world:
        world.manage(build)
        await world.client.create(NETWORKS, {"metadata": {"name": "net", "namespace": world.namespace}, ...})
        await world.until(ready)

Time is real here, and a cluster never reports that it is settled, so a test that runs on both waits with `until`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from contextvars import copy_context
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from ctrlkit import clock
from ctrlkit.client import Client
from ctrlkit.errors import CtrlkitError, NotFound
from ctrlkit.failures import UNFORESEEN
from ctrlkit.fakes.durations import parse_duration
from ctrlkit.fakes.world.definitions import apply_definition, established
from ctrlkit.fakes.world.running import default_field_manager
from ctrlkit.fakes.world.unforeseen import UnforeseenFailures
from ctrlkit.manager import Build, Dependency, Manager, Settings, connect, controllers_of, manager_from
from ctrlkit.manager.program import builds_in
from ctrlkit.manager.settings import OFF
from ctrlkit.model.kinds import NAMESPACES

T = TypeVar("T")

PATIENCE_S = 60.0
_POLL_S = 0.2


class LiveWorld:
    """
    A new namespace on the cluster of a kubeconfig's current context.

    Errors  CtrlkitError from `until` after its time; UnforeseenFailure, and the exception that ended a manager, there
            and at the end.
    Owner   The `async with` block: at its end managers stop, the last one first, and the namespace is deleted.
    """

    client: Client

    def __init__(self, *, kubeconfig: str | None = None) -> None:
        self.namespace: str = f"ctrlkit-test-{secrets.token_hex(4)}"
        """The name of the world's namespace."""
        self._kubeconfig = kubeconfig
        self._managers: list[asyncio.Task[None]] = []
        self._provided: dict[Dependency[Any], Any] = {}
        self._exits = AsyncExitStack()
        self._was_entered = False
        self._unforeseen = UnforeseenFailures()

    async def __aenter__(self) -> Self:
        if self._was_entered:
            raise RuntimeError("enter the live world: it was entered before; make a new one")
        self._was_entered = True
        self.client = await self._exits.enter_async_context(connect(kubeconfig=self._kubeconfig))
        await self.client.create(NAMESPACES, {"metadata": {"name": self.namespace}})
        self._exits.push_async_callback(self._delete_namespace)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()
        if error is None:
            self._raise_failures()

    async def define(self, *definitions: Mapping[str, Any]) -> None:
        """
        Apply CustomResourceDefinitions, and wait until their kinds are served.

        They are the cluster's, not the namespace's: they stay there.
        """
        for definition in definitions:
            name = await apply_definition(self.client, definition)
            await self.until(functools.partial(established, self.client, name))

    def manage(self, build: Build | Iterable[Build], *, settings: Settings | None = None) -> Manager:
        """
        Run a manager with the controllers that `build` makes, limited to this world's namespace.

        Its Lease is in that namespace, too; endpoints are not served.
        """
        builds = builds_in([build])
        settings = settings or Settings()
        name = settings.field_manager or default_field_manager(builds)
        ours = {
            "namespaces": (self.namespace,),
            "lease_namespace": self.namespace,
            "endpoints_address": OFF,
            "webhooks_address": OFF,
            "field_manager": name,
        }
        manager = manager_from(msgspec.structs.replace(settings, **ours), self.client)
        for wanted, instance in self._provided.items():
            manager.provide(wanted, instance)
        for controller in controllers_of(builds, manager):
            manager.add(controller)
        context = copy_context()
        context.run(UNFORESEEN.set, self._unforeseen.record)
        task = asyncio.create_task(manager.run(), name="live:manager", context=context)
        self._managers.append(task)
        self._exits.push_async_callback(_end, task)
        return manager

    def provide(self, wanted: Dependency[T], instance: T) -> None:
        """Put an instance in place of a dependency, as World.provide does."""
        self._provided[wanted] = instance

    async def until(
        self, predicate: Callable[[], object | Awaitable[object]], *, within: float | str = PATIENCE_S
    ) -> Any:
        """Wait until `predicate()` is true, and return its result; NotFound counts as false."""
        deadline = clock.monotonic() + parse_duration(within)
        while True:
            self._raise_failures()
            with suppress(NotFound):
                answer = predicate()
                if answer := await answer if inspect.isawaitable(answer) else answer:
                    return answer
            if clock.monotonic() >= deadline:
                what = getattr(predicate, "__qualname__", repr(predicate))
                raise CtrlkitError(f"wait until {what}: not so after {parse_duration(within):g} s")
            await asyncio.sleep(_POLL_S)

    def allow_failures(self, *kinds: type[Exception]) -> None:
        """Permit these exceptions, as World.allow_failures does."""
        self._unforeseen.allow(kinds or (Exception,))

    def _raise_failures(self) -> None:
        self._unforeseen.raise_first()
        for task in self._managers:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _delete_namespace(self) -> None:
        with suppress(NotFound):
            await self.client.delete(NAMESPACES, self.namespace)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
