"""The image of a container comes to its node as a kubelet brings it there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Image, Node, Pull
from ctrlkit.fakes.cluster.node.images.catalog import UnusedImageWarning
from ctrlkit.fakes.cluster.node.pulls import PullBackoff
from ctrlkit.model import StrategicMergePatch
from ctrlkit.model.kinds import EVENTS, PODS, SECRETS


def a_pod(*images: str, name: str = "web", node: str = "", **container: Any) -> dict[str, Any]:
    """A pod with a container for each image: c0, c1, ..."""
    containers = [{"name": f"c{i}", "image": image, **container} for i, image in enumerate(images)]
    spec = {"containers": containers, **({"nodeName": node} if node else {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def waiting(world: World, name: str = "web") -> list[dict[str, str] | None]:
    """Why the containers of a pod wait."""
    statuses = world.tracker.get(PODS, f"default/{name}").at("status.containerStatuses")
    return [one["state"].get("waiting") for one in statuses]


def told(world: World, name: str = "web") -> list[tuple[str, str, int]]:
    """The reason, text and number of the Events of a pod's containers, in the order of their first time."""
    events = [one for one in world.tracker.list(EVENTS) if one.at("involvedObject.name") == name]
    events.sort(key=lambda one: int(one.metadata.name.rpartition(".")[2], 16))
    return [(e["reason"], e["message"], e.at("count")) for e in events if e.at("involvedObject.fieldPath")]


async def run(world: World, *pods: dict[str, Any]) -> None:
    """Create pods one after another."""
    for pod in pods:
        await world.client.create(PODS, pod)
        await world.settle()


async def test_a_failed_pull_is_tried_again_later_and_later() -> None:
    """The reasons alternate, and the text of the last failure stays."""
    async with World(cluster=ALL, images={"web:2": Image(pull=Pull(error="denied"))}) as world:
        await run(world, a_pod("web:2"))
        assert waiting(world) == [{"reason": "ErrImagePull", "message": "denied"}]
        await world.advance("12s")
        back_off = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "web:2": ErrImagePull: denied'}
        assert waiting(world) == [back_off]
        await world.advance("60s")
        assert [(reason, text) for reason, text, _ in told(world)] == [
            ("Pulling", 'Pulling image "web:2"'),
            ("Failed", 'Failed to pull image "web:2": denied'),
            ("Failed", "Error: ErrImagePull"),
            ("BackOff", 'Back-off pulling image "web:2"'),
            ("Failed", "Error: ImagePullBackOff"),
        ]
        assert told(world)[0][2] == 4, "at the looks that come after 10, 20 and 40 seconds"


async def test_a_pull_that_fails_twice_and_takes_its_time() -> None:
    """Then the container runs, with the ID of the image."""
    async with World(cluster=ALL) as world:
        world.images["web"] = Image(pull=Pull(failures=2, takes_s=3, size_bytes=5_000_000))
        await run(world, a_pod("web:2"))
        await world.advance("2s")
        assert waiting(world) == [{"reason": "ContainerCreating"}]
        await world.advance("60s")
        assert waiting(world) == [None]
        (status,) = world.tracker.get(PODS, "default/web").at("status.containerStatuses")
        assert status["imageID"].startswith("docker.io/library/web@sha256:")
        pulled = 'Successfully pulled image "web:2" in 3s (3s including waiting). Image size: 5000000 bytes.'
        assert ("Pulled", pulled, 1) in told(world)


async def test_another_image_is_pulled_at_once() -> None:
    """The back-off is that of an image; a pod that is mended does not wait for its end."""
    async with World(cluster=ALL, images={"web:2": Image(pull=Pull(error="denied"))}) as world:
        await run(world, a_pod("web:2"))
        await world.advance("35s")
        containers = [{"name": "c0", "image": "web:3"}]
        await world.client.patch(PODS, "default/web", StrategicMergePatch({"spec": {"containers": containers}}))
        await world.settle()
        assert waiting(world) == [None]


async def test_a_node_pulls_one_image_after_another_and_each_once() -> None:
    """Another node has its own."""
    async with World(cluster=ALL, nodes=[Node("n1"), Node("n2")], images={"*": Image(pull=Pull(takes_s=2))}) as world:
        for name, image in (("a", "web:1"), ("b", "db:1")):
            await world.client.create(PODS, a_pod(image, name=name, node="n1"))
        await world.advance("10s")
        pulled = 'Successfully pulled image "db:1" in 2s (4s including waiting). Image size: '
        assert any(text.startswith(pulled) for _, text, _ in told(world, "b"))
        await run(world, a_pod("docker.io/library/web:1", name="c", node="n1"), a_pod("web:1", name="d", node="n2"))
        present = 'Container image "docker.io/library/web:1" already present on machine and can be accessed by the pod'
        assert told(world, "c")[0] == ("Pulled", present, 1)
        assert told(world, "d")[0] == ("Pulling", 'Pulling image "web:1"', 1)


@pytest.mark.parametrize(
    ("image", "policy", "first"),
    [
        ("web:1", "IfNotPresent", 'Container image "web:1" already present on machine and can be accessed by the pod'),
        ("web:1", "Never", 'Container image "web:1" already present on machine and can be accessed by the pod'),
        ("web:1", "Always", 'Pulling image "web:1"'),
        ("web", None, 'Pulling image "web"'),
        ("web:latest", None, 'Pulling image "web:latest"'),
    ],
)
async def test_the_policy_says_whether_an_image_that_is_there_is_pulled(
    image: str, policy: str | None, first: str
) -> None:
    """By default only the tag latest is."""
    async with World(cluster=ALL, images={"web": Image(pull=Pull(preloaded=True))}) as world:
        await run(world, a_pod(image, **({"imagePullPolicy": policy} if policy else {})))
        assert told(world)[0][1] == first
        assert waiting(world) == [None]


async def test_an_image_that_is_never_pulled_has_to_be_there() -> None:
    """Each try says so."""
    async with World(cluster=ALL) as world:
        await run(world, a_pod("web:1", imagePullPolicy="Never"))
        text = 'Container image "web:1" is not present with pull policy of Never'
        assert waiting(world) == [{"reason": "ErrImageNeverPull", "message": text}]
        await world.advance("22s")
        assert told(world) == [("ErrImageNeverPull", text, 4), ("Failed", "Error: ErrImageNeverPull", 4)]


async def test_secrets_for_images_that_are_not_there_are_told_and_the_image_is_pulled_without() -> None:
    """All of them in one Event about the pod, each time a container is to start."""
    async with World(cluster=ALL, images={"web": Image()}) as world:
        pod = a_pod("web:2", "web:3")
        pod["spec"]["imagePullSecrets"] = [{"name": "here"}, {"name": "gone"}, {"name": "lost"}]
        here = {"metadata": {"name": "here", "namespace": "default"}, "data": {}}
        await world.client.create(SECRETS, here)
        await run(world, pod)
        (event,) = [one for one in world.tracker.list(EVENTS) if one["reason"] == "FailedToRetrieveImagePullSecret"]
        text = "Unable to retrieve some image pull secrets (gone, lost); attempting to pull the image may not succeed."
        assert (event["type"], event["message"], event["count"]) == ("Warning", text, 1)
        assert event.at("involvedObject.fieldPath") is None
        assert waiting(world) == [None, None]


async def test_a_name_that_is_none_is_not_pulled() -> None:
    """Whatever is declared."""
    async with World(cluster=ALL, images={"*": Image()}) as world:
        await run(world, a_pod("Web:1"))
        text = (
            'Failed to apply default image tag "Web:1": couldn\'t parse image name "Web:1": invalid reference format: '
            "repository name (library/Web) must be lowercase"
        )
        assert waiting(world) == [{"reason": "InvalidImageName", "message": text}]
        assert told(world) == [("InspectFailed", text, 1), ("Failed", "Error: InvalidImageName", 1)]


async def test_an_image_that_nothing_declares_is_named_as_a_stand_in() -> None:
    """In an Event of its pod, once."""
    async with World(cluster=ALL, images={"db": Image()}) as world:
        await run(world, a_pod("nginx:1.27", "db:1"))
        note = 'Image "nginx:1.27" is not declared: a stand-in for it runs and is ready, and does nothing'
        assert [one for one in told(world) if one[0] == "StandIn"] == [("StandIn", note, 1)]


async def test_a_pod_that_is_deleted_while_its_image_is_pulled_ends_after_that() -> None:
    """A kubelet does not break off a pull; its container is started, and stopped."""
    async with World(cluster=ALL, images={"web": Image(pull=Pull(takes_s=10))}) as world:
        await run(world, a_pod("web:1"))
        await world.client.delete(PODS, "default/web")
        await world.advance("9s")
        assert len(world.tracker.list(PODS)) == 1
        await world.advance("2s")
        assert world.tracker.list(PODS) == []
        assert [reason for reason, _, _ in told(world)] == ["Pulling", "Pulled", "Created", "Started", "Killing"]


def test_a_back_off_begins_anew_after_a_long_time() -> None:
    """Twice the longest one."""
    backoff = PullBackoff()
    for moment in (0.0, 10.0, 30.0, 631.0):
        backoff.fail("uid", "web", now=moment, error="no")
    assert backoff.delay_s("uid", "web") == 10.0
    assert backoff.error("uid", "web", now=640.0) == "no"
    backoff.forget("uid")
    assert backoff.error("uid", "web", now=640.0) is None


async def run_with(*names: str, fails: bool = False) -> None:
    """A world with a pod of web:2, in which these images are declared, and `gone` for a while."""
    async with World(cluster=ALL, images={"db": Image()}) as world:
        for name in (*names, "gone"):
            world.images[name] = Image()
        del world.images["gone"]
        await run(world, a_pod("web:2"))
        assert not fails


async def test_a_declared_image_that_no_container_had_is_told_when_the_world_ends() -> None:
    """As a mistyped name is; not one that is less exact than what counts, nor those of the beginning, nor `*`."""
    with pytest.warns(UnusedImageWarning, match="no container had wbe, other:3; mend the name") as told:
        await run_with("wbe", "web", "web:2", "other:3", "*")
    assert len(told) == 1


PROBED = {"httpGet": {"path": "/ready", "port": 8080}}
HOOK = {"preStop": {"exec": {"command": ["drain", "now"]}}}


async def ask(image: Image, *, late: bool = False) -> None:
    """A world with a pod that is asked for `/ready`, and `/live` after a minute, and runs `drain now` at its end."""
    async with World(cluster=ALL, images={} if late else {"web": image}) as world:
        if late:
            world.images["web"] = image
        pod = a_pod("web:2")
        live = {"httpGet": {"path": "/live", "port": 8080}, "initialDelaySeconds": 60}
        pod["spec"]["containers"][0] |= {"readinessProbe": PROBED, "livenessProbe": live, "lifecycle": HOOK}
        await run(world, pod)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (Image(probes={"/raedy": 503}), "no probe asked web for '/raedy', but for '/live', '/ready'; mend the keys of"),
        (Image(probes={"/ready": True, 808: False}), "no probe asked web for 808, but for '/ready', '/live'; mend"),
        (Image(execs={"darin": 1}), "no command asked web for 'darin', but for 'drain now'; mend the keys of execs"),
    ],
)
async def test_a_key_that_no_container_was_asked_for_is_told_when_the_world_ends(image: Image, said: str) -> None:
    """As a mistyped one is, with what was asked; also of an image of the beginning."""
    with pytest.warns(UnusedImageWarning, match=re.escape(f"end the images: {said}")):
        await ask(image)


async def test_keys_that_containers_are_or_will_be_asked_for_are_not_told() -> None:
    """A path and its port, a probe that is not due yet, the command of a hook."""
    await ask(Image(probes={"/ready": True, 8080: True, "/live": False}, execs={"drain now": 0, "drain": 1}), late=True)


async def test_a_key_of_an_image_of_the_beginning_may_be_unused() -> None:
    """While all that is asked has an answer; one that the test declares itself may not."""
    image = Image(probes={"/ready": True, "/live": True, "/start": True})
    await ask(image)
    with pytest.warns(UnusedImageWarning, match="no probe asked web for '/start', but for "):
        await ask(image, late=True)


async def test_a_world_that_fails_says_nothing_of_images() -> None:
    """What the test did not come to is no mistake."""
    with pytest.raises(AssertionError):
        await run_with("wbe", fails=True)
