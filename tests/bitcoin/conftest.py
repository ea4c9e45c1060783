"""A scene for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ctrlkit.fakes.world.world import World
from tests.bitcoin.memory import MemoryNodes
from tests.bitcoin.scene import Scene, scene_in, world_of


@pytest.fixture
def nodes() -> MemoryNodes:
    """The nodes of the pods of `scene_world`."""
    return MemoryNodes()


@pytest.fixture
async def scene_world(nodes: MemoryNodes) -> AsyncIterator[World]:
    """A world with the kind, in which StatefulSets get pods and claims."""
    async with world_of(nodes) as world:
        yield world


@pytest.fixture
async def scene(scene_world: World, nodes: MemoryNodes) -> Scene:
    """The controller at work, with nodes in memory; no network is there yet."""
    return await scene_in(scene_world, nodes)
