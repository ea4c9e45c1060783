"""A scene for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.bitcoin.scene import MemoryNodes, Scene, scene_with


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """The controller at work, with nodes in memory; no network is there yet."""
    nodes = MemoryNodes()
    async with scene_with(nodes, nodes) as scene:
        yield scene
