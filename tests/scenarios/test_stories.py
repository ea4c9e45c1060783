"""The stories of workloads in a World with the loops of our cluster; tests/judge tells them to the real controllers."""

from __future__ import annotations

import pytest

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Cluster, InProcessRuntime
from tests.stories import STORIES
from tests.stories.scene import IMAGES, Scene, Story

NOT_YET = {
    "a_stateful_set_with_volumes",
    "a_stateful_set_is_updated",
    "a_daemon_set_runs_on_each_node",
    "a_claim_is_bound",
}
"""Stories of what no loop of ours does yet, or does in another way."""


@pytest.mark.parametrize(
    "story", [one for one in STORIES if one.__name__ not in NOT_YET], ids=lambda story: story.__name__
)
async def test_a_story_ends_as_on_a_real_cluster(story: Story) -> None:
    async with InProcessRuntime(images=IMAGES) as runtime, World() as world:
        world.start(Cluster(world.client, runtime, loops=ALL, tracker=world.tracker, root_ca="PEM"))
        await story(Scene(world, world.settle))
