"""What a kubelet has begun for a pod comes to its end before anything else is done for it."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.errors import NotFound
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Exits, Image, Pull
from ctrlkit.model import StrategicMergePatch
from ctrlkit.model.kinds import EVENTS, PODS

pytestmark = pytest.mark.virtual_time

KEY = "default/web"


def a_pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": [*containers], **spec}}


def statuses(world: World) -> dict[str, tuple[str, int]]:
    """The state of each container and how often it was started again."""
    status = world.tracker.get(PODS, KEY)["status"]
    every = [one for name, many in status.items() if name.endswith("ontainerStatuses") for one in many]
    return {one["name"]: (next(iter(one["state"])), one["restartCount"]) for one in every}


def told(world: World, reason: str) -> list[str]:
    return [event["message"] for event in world.tracker.list(EVENTS) if event["reason"] == reason]


HANGS = Image(probes=[True, False], stops=Exits(after_s=15))
"""Its liveness fails at its second probe, after ten seconds, and it takes a quarter of a minute to end."""
LIVENESS = {"tcpSocket": {"port": 80}, "periodSeconds": 5, "failureThreshold": 1}


async def test_while_a_container_is_stopped_no_other_one_is_started() -> None:
    """What ended meanwhile is started again with it."""
    other = Image(exits={1: Exits(1, after_s=12)})
    async with World(cluster=ALL, images={"hangs": HANGS, "other": other}) as world:
        hangs = {"name": "hangs", "image": "hangs:1", "livenessProbe": LIVENESS}
        await world.client.create(PODS, a_pod(hangs, {"name": "other", "image": "other:1"}))
        await world.advance(24)
        assert statuses(world) == {"hangs": ("running", 0), "other": ("terminated", 0)}
        await world.advance(2)
        assert statuses(world) == {"hangs": ("running", 1), "other": ("running", 1)}


async def test_a_pod_that_is_deleted_while_a_container_of_it_is_stopped_ends_after_that() -> None:
    """The container is started once more before the kubelet turns to the deletion."""
    async with World(cluster=ALL, images={"hangs": HANGS}) as world:
        await world.client.create(PODS, a_pod({"name": "hangs", "image": "hangs:1", "livenessProbe": LIVENESS}))
        await world.advance(12)
        await world.client.delete(PODS, KEY, grace_period_s=3)
        await world.advance(14)
        assert statuses(world) == {"hangs": ("running", 1)}
        assert "Stopping container hangs" in told(world, "Killing")
        await world.advance(3)
        with pytest.raises(NotFound):
            world.tracker.get(PODS, KEY)


async def test_a_pod_that_is_over_its_deadline_ends_when_its_image_is_there() -> None:
    """As the pull goes on whatever happens."""
    async with World(cluster=ALL, images={"slow": Image(pull=Pull(takes_s=100))}) as world:
        await world.client.create(PODS, a_pod({"name": "app", "image": "slow:1"}, activeDeadlineSeconds=10))
        await world.advance(99)
        assert world.tracker.get(PODS, KEY).at("status.phase") == "Pending"
        await world.advance(2)
        status = world.tracker.get(PODS, KEY)["status"]
        assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
        assert told(world, "Killing") == ["Stopping container app"]


async def test_a_new_image_does_not_wait_for_the_back_off_of_the_old_one() -> None:
    """That is counted for each image; the first crash of the new one waits ten seconds, as there was a crash before."""
    images = {"app:1": Image(exits=Exits(1)), "app:2": Image(exits={5: Exits(1, after_s=5)})}
    async with World(cluster=ALL, images=images) as world:
        await world.client.create(PODS, a_pod({"name": "app", "image": "app:1"}))
        await world.advance(40)
        assert statuses(world) == {"app": ("terminated", 3)}, "it waits from the thirtieth second on"
        patch = StrategicMergePatch({"spec": {"containers": [{"name": "app", "image": "app:2"}]}})
        await world.client.patch(PODS, KEY, patch)
        await world.advance(1)
        assert statuses(world) == {"app": ("running", 4)}
        await world.advance(13)
        assert statuses(world)["app"][1] == 4
        await world.advance(2)
        assert statuses(world) == {"app": ("running", 5)}


async def test_ephemeral_containers_run_on_when_all_others_start_anew() -> None:
    """They are no part of what starts from the beginning."""
    rule = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [9]}}
    app = {"name": "app", "image": "app:1", "restartPolicy": "Always", "restartPolicyRules": [rule]}
    async with World(cluster=ALL, images={"app": Image(exits={1: Exits(9, after_s=20)})}) as world:
        await world.client.create(PODS, a_pod(app))
        await world.settle()
        debug = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "tools:1"}]}}
        await world.client.patch(PODS, KEY, StrategicMergePatch(debug), subresource="ephemeralcontainers")
        await world.advance(30)
        assert statuses(world) == {"app": ("running", 1), "debug": ("running", 0)}
