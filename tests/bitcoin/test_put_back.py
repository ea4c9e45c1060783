"""What a hand changes in the objects of a network is put back, and what it takes away is made again."""

from __future__ import annotations

import pytest

from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import PODS, STATEFULSETS
from tests.bitcoin.scene import STATEFULSET_KEY, Scene
from tests.bitcoin.test_reconcile_rollout import network_of, watch


def images(scene: Scene) -> set[str]:
    """The images in the StatefulSet and in the pods."""
    templates = [scene.statefulset.at("spec.template.spec"), *(pod["spec"] for pod in scene.world.tracker.list(PODS))]
    return {container["image"] for template in templates for container in template["containers"]}


def set_image(scene: Scene, image: str) -> None:
    """Change the StatefulSet as `kubectl set image` does."""
    containers = [one | {"image": image} for one in scene.statefulset.at("spec.template.spec.containers")]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    scene.world.tracker.patch(STATEFULSETS, STATEFULSET_KEY, MergePatch(patch))


@pytest.mark.parametrize("image", ["docker.io/bitcoin/bitcoin:31.0", "docker.io/bitcoin/bitcoin:27.2", "nginx"])
async def test_an_image_that_a_hand_set_is_put_back_where_the_spec_names_none(image: str) -> None:
    """What the controller chose stands in the status; so no pod is made anew, and no version goes back unseen."""
    async with network_of(3) as scene:
        before = images(scene)
        set_image(scene, image)
        seen = await watch(scene, 90)
        assert (seen.new, seen.fewest) == ([], 3)
        assert images(scene) == before
        assert "RestoredStatefulSet" in {reason for reason, _ in scene.events()}
        assert scene.condition("UpToDate") == ("True", "UpToDate")


async def test_a_hand_does_not_bring_the_version_that_was_refused() -> None:
    """The chain cannot take it, whoever asks."""
    async with network_of(3) as scene:
        before = images(scene)
        scene.apply(3, version="27.2")
        await scene.world.advance(5)
        set_image(scene, "docker.io/bitcoin/bitcoin:27.2")
        seen = await watch(scene, 90)
        assert (seen.new, images(scene)) == ([], before)
        assert scene.condition("UpToDate") == ("False", "ChangeRefused")


async def test_an_image_that_was_named_stays_when_it_is_named_no_more() -> None:
    """It is what the nodes ran before."""
    async with network_of(2, version="29.1") as scene:
        scene.apply(2, version=None)
        seen = await watch(scene, 60)
        assert (seen.new, images(scene)) == ([], {"docker.io/bitcoin/bitcoin:29.1"})
        assert scene.condition("UpToDate") == ("True", "NewerDefault")
