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


async def test_while_an_image_is_pulled_no_other_container_is_started_or_stopped() -> None:
    """One that crashed, and one that does not live, wait as long as the pull takes."""
    images = {"ends": Image(exits={1: Exits(1, after_s=2)}), "slow": Image(pull=Pull(takes_s=60))}
    async with World(cluster=ALL, images={**images, "hangs": HANGS}) as world:
        ends, hangs, slow = ({"name": name, "image": f"{name}:1"} for name in ("ends", "hangs", "slow"))
        await world.client.create(PODS, a_pod(ends, {**hangs, "livenessProbe": LIVENESS}, slow))
        await world.advance(59)
        assert statuses(world) == {"ends": ("terminated", 0), "hangs": ("running", 0), "slow": ("waiting", 0)}
        assert told(world, "Killing") == []
        await world.advance(2)
        assert told(world, "Killing") == ["Container hangs failed liveness probe, will be restarted"]
        assert statuses(world)["slow"] == ("running", 0)
        await world.advance(15)
        assert statuses(world) == {"ends": ("running", 1), "hangs": ("running", 1), "slow": ("running", 0)}


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


async def test_containers_that_always_start_anew_do_so_once_in_a_second() -> None:
    """A kubelet notices no sooner that one has ended; without a pause no time would pass here."""
    rule = {"action": "RestartAllContainers", "exitCodes": {"operator": "NotIn", "values": [42]}}
    app = {"name": "app", "image": "app:1", "restartPolicy": "Never", "restartPolicyRules": [rule]}
    later = {"name": "later", "image": "later:1"}
    images = {"app": Image(exits=Exits(1)), "later": Image(pull=Pull(takes_s=3))}
    async with World(cluster=ALL, images=images) as world:
        await world.client.create(PODS, a_pod(app, later))
        await world.advance("20.5s")
        assert statuses(world)["app"][1] == 19, "from the third second on, when both are there"
        assert told(world, "BackOff") == []


async def test_a_restart_that_a_reboot_of_the_node_brings_is_counted_while_the_hook_runs() -> None:
    """The count never falls; until the hook has passed the container waits, as it did when its node was back."""
    hook = {"lifecycle": {"postStart": {"sleep": {"seconds": 5}}}}
    async with World(cluster=ALL, nodes=["n1"], images={"app": Image(), "ended": Image(exits=Exits(3))}) as world:
        ended = {"name": "ended", "image": "ended:1", "restartPolicy": "OnFailure", **hook}
        await world.client.create(PODS, a_pod({"name": "app", "image": "app:1", **hook}, ended))
        await world.advance(7)
        before = statuses(world)
        world.lose_node("n1")
        await world.advance(2)
        world.recover_node("n1")
        seen = []
        for _ in range(12):
            await world.advance(1)
            seen.append(statuses(world))
        for name, (_, count) in before.items():
            counts = [count, *(one[name][1] for one in seen)]
            assert counts == sorted(counts), f"{name}: {counts}"
        assert seen[0]["app"] == ("waiting", 1)
        assert seen[-1]["app"] == ("running", 1)
