"""The stories of workloads in a World with the loops of our cluster; tests/judge tells them to the real controllers."""

from __future__ import annotations

import pytest

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Cluster, InProcessRuntime
from tests.stories import STORIES
from tests.stories.scene import IMAGES, Scene, Story


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_a_story_ends_as_on_a_real_cluster(story: Story) -> None:
    async with InProcessRuntime(images=IMAGES) as runtime, World() as world:
        world.start(Cluster(world.client, runtime, loops=ALL, tracker=world.tracker, root_ca="PEM"))
        await story(Scene(world, world.settle))
