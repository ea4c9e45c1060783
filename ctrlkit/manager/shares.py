"""What a replica does when a shard comes and goes; that its controllers start no other keys is the doing of Leading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ctrlkit.controller import Controller, Replicas
from ctrlkit.model import ObjectKey

if TYPE_CHECKING:
    from ctrlkit.election import Sharding


class Shares:
    """The ShardWork of a manager: joins the shards of this replica to those of its controllers that share keys."""

    def __init__(self, sharding: Sharding, controllers: Callable[[], Iterable[Controller]]) -> None:
        self._sharding = sharding
        self._controllers = controllers

    def begin(self, shard: int) -> None:
        """Take up the keys of a shard: what happened to them while they were others' is in no queue of ours."""
        for controller in self._sharing():
            controller.enqueue_known(self._of(shard))

    async def end(self, shard: int) -> None:
        """Return when nothing of a shard runs; that nothing new starts is the doing of `owns`."""
        async with asyncio.TaskGroup() as tasks:
            for controller in self._sharing():
                tasks.create_task(controller.quiesce(self._of(shard)), name=f"{controller.name}:quiesce {shard}")

    def cut_off(self, shard: int) -> None:
        """Its lease is lost: whatever runs of it stops now."""
        for controller in self._sharing():
            controller.cut_off(self._of(shard))

    def _sharing(self) -> list[Controller]:
        return [controller for controller in self._controllers() if controller.replicas is Replicas.LEADER]

    def _of(self, shard: int) -> Callable[[ObjectKey], bool]:
        return lambda key: self._sharding.shard_of(key) == shard
