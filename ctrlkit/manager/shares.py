"""What a replica does when a shard comes and goes; that its controllers start no other keys is the doing of Leading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Final

from ctrlkit.controller import Controller, Replicas
from ctrlkit.model import ObjectKey

if TYPE_CHECKING:
    from ctrlkit.election import Sharding

GATHER_S: Final = 0.1
"""Shards that come within this time are taken up together: to find their keys, all that is cached is looked at."""


class Shares:
    """
    The ShardWork of a manager: joins the shards of this replica to those of its controllers that share keys.

    Owner   One timer, while shards are to be taken up.
    """

    def __init__(self, sharding: Sharding, controllers: Callable[[], Iterable[Controller]]) -> None:
        self._sharding = sharding
        self._controllers = controllers
        self._begun: set[int] = set()

    def begin(self, shard: int) -> None:
        """Take up the keys of a shard: what happened to them while they were others' is in no queue of ours."""
        if not self._begun:
            asyncio.get_running_loop().call_later(GATHER_S, self._take_up)
        self._begun.add(shard)

    async def end(self, shard: int) -> None:
        """Return when nothing of a shard runs; that nothing new starts is the doing of `owns`."""
        async with asyncio.TaskGroup() as tasks:
            for controller in self._sharing():
                tasks.create_task(controller.quiesce(self._of({shard})), name=f"{controller.name}:quiesce {shard}")

    def cut_off(self, shard: int) -> None:
        """Its lease is lost: whatever runs of it stops now."""
        for controller in self._sharing():
            controller.cut_off(self._of({shard}))

    def busy(self) -> tuple[str, ...]:
        """What is not done yet."""
        return ("manager takes up the keys of new shards",) if self._begun else ()

    def _take_up(self) -> None:
        begun, self._begun = self._begun, set()
        for controller in self._sharing():
            controller.enqueue_known(self._of(begun))

    def _sharing(self) -> list[Controller]:
        return [controller for controller in self._controllers() if controller.replicas is Replicas.LEADER]

    def _of(self, shards: Collection[int]) -> Callable[[ObjectKey], bool]:
        return lambda key: self._sharding.shard_of(key) in shards
