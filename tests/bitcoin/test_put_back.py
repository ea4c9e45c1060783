"""What a hand changes in the objects of a network is put back, and what it takes away is made again."""

from __future__ import annotations

from base64 import b64decode
from collections import Counter
from typing import Any

import pytest

from ctrlkit.bitcoin.credentials import PASSWORD_KEY, USER_KEY
from ctrlkit.bitcoin.providing import REREAD_S, REREAD_SOON_S
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import PODS, SECRETS, STATEFULSETS
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


def secrets(scene: Scene) -> dict[str, Any]:
    """What each Secret holds."""
    return {secret.key.name: secret.get("data") for secret in scene.world.tracker.list(SECRETS, "demo")}


async def test_a_config_that_is_deleted_is_made_again_within_a_minute_as_it_was() -> None:
    """So no pod has to be made anew for it."""
    async with network_of(3) as scene:
        before = secrets(scene)
        await scene.world.advance(37)
        scene.world.tracker.delete(SECRETS, "demo/net-config")
        await scene.world.advance(REREAD_S)
        assert secrets(scene) == before
        assert scene.events()[-1] == ("CreatedSecret", "created secret net-config")
        seen = await watch(scene, 60)
        assert (seen.new, seen.fewest) == ([], 3)


async def test_a_config_that_is_edited_beyond_reading_is_put_back_as_it_was() -> None:
    """Within a minute, and without a rollout."""
    async with network_of(2) as scene:
        before = secrets(scene)
        scene.world.tracker.patch(SECRETS, "demo/net-config", MergePatch({"data": {"auth": None, "main.conf": ""}}))
        await scene.world.advance(REREAD_S)
        assert secrets(scene) == before
        assert (await watch(scene, 30)).new == []


async def test_a_pod_that_waits_for_a_deleted_config_gets_it_in_seconds() -> None:
    """It is known by the pod, which was not started; afterwards the Secrets are read every minute again."""
    async with network_of(3) as scene:
        await scene.world.advance(2)
        scene.world.tracker.delete(SECRETS, "demo/net-config")
        scene.delete_pod(1)
        await scene.world.advance(REREAD_SOON_S + 3)
        assert "net-config" in secrets(scene)
        await scene.world.until(lambda: scene.condition("Available")[0] == "True", within=200)
        await scene.world.advance(5)
        scene.world.clientset.clear_actions()
        await scene.world.advance(10 * REREAD_S)
        reads = Counter(str(a) for a in scene.world.clientset.actions if a.resource.identity == SECRETS.identity)
        assert reads == {"get secrets demo/net-config": 10, "get secrets demo/net-credentials": 10}


async def test_credentials_that_are_deleted_are_made_anew_within_a_minute_and_the_nodes_take_them() -> None:
    """Others than before: in two rollouts, one pod at a time, and an Event tells of the Secret."""
    async with network_of(3) as scene:
        before = secrets(scene)["net-credentials"]
        await scene.world.advance(37)
        scene.world.tracker.delete(SECRETS, "demo/net-credentials")
        await scene.world.until(lambda: "net-credentials" in secrets(scene), within=REREAD_S)
        after = secrets(scene)["net-credentials"]
        assert after != before
        await scene.world.pass_time(2)
        assert ("CreatedSecret", "created secret net-credentials") in scene.events()
        assert scene.condition("CredentialsAvailable") == ("True", "Rotating")
        seen = await watch(scene, 400, to_the_end=True)
        assert max(Counter(seen.new).values()) == 2
        assert seen.fewest == 2
        user, password = (b64decode(after[key]).decode() for key in (USER_KEY, PASSWORD_KEY))
        assert await scene.accept(Credentials(user=user, password=password)) == [True] * 3
        old_user, old_password = (b64decode(before[key]).decode() for key in (USER_KEY, PASSWORD_KEY))
        assert await scene.accept(Credentials(user=old_user, password=old_password)) == [False] * 3


async def test_what_a_hand_adds_stays_and_comes_to_the_nodes_one_at_a_time() -> None:
    """As `kubectl set env` does: the controller sets no such field, and takes none away."""
    async with network_of(3) as scene:
        (container,) = scene.statefulset.at("spec.template.spec.containers")
        added = [*container.get("env", []), {"name": "FOO", "value": "bar"}]
        patch = {"spec": {"template": {"spec": {"containers": [container | {"env": added}]}}}}
        scene.world.tracker.patch(STATEFULSETS, STATEFULSET_KEY, MergePatch(patch))
        seen = await watch(scene, 60)
        assert (sorted(seen.new), seen.fewest) == (["net-sts-0", "net-sts-1", "net-sts-2"], 2)
        assert scene.statefulset.at("spec.template.spec.containers")[0]["env"] == added
