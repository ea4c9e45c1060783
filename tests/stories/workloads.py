"""Stories of what keeps pods running: Deployments, ReplicaSets, StatefulSets, DaemonSets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.client import Propagation
from ctrlkit.model.kinds import (
    CONTROLLER_REVISIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    REPLICASETS,
    REPLICATION_CONTROLLERS,
    STATEFULSETS,
)
from tests.stories.scene import Scene, conditions, counts, pod, template

SELECTOR = {"matchLabels": {"app": "web"}}
AVAILABLE = {"Available": ("True", "MinimumReplicasAvailable"), "Progressing": ("True", "NewReplicaSetAvailable")}


def deployment(replicas: int, image: str = "web:1", **more: Any) -> dict[str, Any]:
    """The spec of a Deployment."""
    return {"replicas": replicas, "selector": SELECTOR, "template": template(image), **more}


def image(name: str) -> dict[str, Any]:
    """The change of a workload to another image."""
    return {"spec": {"template": template(name)}}


def all_there(count: int, generation: int) -> dict[str, int]:
    """The counts of a Deployment that is where it belongs."""
    fields = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    return {"observedGeneration": generation, "terminatingReplicas": 0} | dict.fromkeys(fields, count)


async def told(scene: Scene, name: str = "web") -> tuple[dict[str, Any], dict[str, tuple[str, str]]]:
    """The counts and conditions of a Deployment."""
    found = await scene.get(DEPLOYMENTS, name)
    return counts(found), conditions(found)


async def sizes(scene: Scene) -> dict[str, tuple[int, int, str]]:
    """What each ReplicaSet wants and has, and its revision, by image."""
    return {
        one.at("spec.template.spec.containers")[0]["image"]: (
            one.at("spec.replicas"),
            one.at("status.replicas"),
            (one.metadata.annotations or {})["deployment.kubernetes.io/revision"],
        )
        for one in await scene.all_of(REPLICASETS)
    }


async def a_deployment_rolls_out_and_back(scene: Scene) -> None:
    """Three pods of one image, then of another, then of the first again."""
    await scene.make(DEPLOYMENTS, "web", deployment(3))
    await scene.becomes(lambda: told(scene), (all_there(3, 1), AVAILABLE))
    assert await sizes(scene) == {"web:1": (3, 3, "1")}
    first, *_ = await scene.all_of(REPLICASETS)
    await scene.change(DEPLOYMENTS, "web", image("web:2"))
    await scene.becomes(lambda: told(scene), (all_there(3, 2), AVAILABLE))
    await scene.becomes(lambda: sizes(scene), {"web:1": (0, 0, "1"), "web:2": (3, 3, "2")})
    second = next(one for one in await scene.all_of(REPLICASETS) if one.key != first.key)
    old, new = first.key.name, second.key.name
    steps = [(old, "up", 0, 3), (new, "up", 0, 1), (old, "down", 3, 2), (new, "up", 1, 2), (old, "down", 2, 1)]
    await scaled(scene, *steps, (new, "up", 2, 3), (old, "down", 1, 0))
    await scene.change(DEPLOYMENTS, "web", image("web:1"))
    await scene.becomes(lambda: told(scene), (all_there(3, 3), AVAILABLE))
    await scene.becomes(lambda: sizes(scene), {"web:1": (3, 3, "3"), "web:2": (0, 0, "2")})
    revisions = (await scene.get(REPLICASETS, first.key.name)).metadata.annotations or {}
    assert revisions["deployment.kubernetes.io/revision-history"] == "1"
    await scene.delete(DEPLOYMENTS, "web")
    await scene.becomes(scene.phases, {})
    await scene.becomes(lambda: scene.all_of(REPLICASETS), [])


async def scaled(scene: Scene, *steps: tuple[str, str, int, int]) -> None:
    """Wait for the Events of a Deployment that scaled ReplicaSets up or down."""
    texts = [f"Scaled {way} replica set {name} from {before} to {after}" for name, way, before, after in steps]
    await scene.becomes(lambda: scene.events("Deployment", "web"), [("ScalingReplicaSet", text) for text in texts])


async def _set_of_events(scene: Scene, kind: str, name: str) -> set[tuple[str, str]]:
    return set(await scene.events(kind, name))


async def a_deployment_is_paused_and_scaled(scene: Scene) -> None:
    """A paused Deployment is scaled and not rolled out; what was asked for meanwhile comes afterwards."""
    await scene.make(DEPLOYMENTS, "web", deployment(1))
    await scene.becomes(lambda: told(scene), (all_there(1, 1), AVAILABLE))
    await scene.change(DEPLOYMENTS, "web", {"spec": {"paused": True}})
    paused = AVAILABLE | {"Progressing": ("Unknown", "DeploymentPaused")}
    await scene.becomes(lambda: told(scene), (all_there(1, 2), paused))
    await scene.change(DEPLOYMENTS, "web", {"spec": {"replicas": 2}})
    await scene.becomes(lambda: told(scene), (all_there(2, 3), paused))
    await scene.change(DEPLOYMENTS, "web", image("web:2"))
    rest = {key: value for key, value in all_there(2, 4).items() if key != "updatedReplicas"}
    await scene.becomes(lambda: told(scene), (rest, paused))
    assert await sizes(scene) == {"web:1": (2, 2, "1")}
    await scene.change(DEPLOYMENTS, "web", {"spec": {"paused": False}})
    await scene.becomes(lambda: told(scene), (all_there(2, 5), AVAILABLE))
    await scene.becomes(lambda: sizes(scene), {"web:1": (0, 0, "1"), "web:2": (2, 2, "2")})


async def a_rollout_stands_still(scene: Scene) -> None:
    """An image that cannot be pulled: the old pods stay, the rollout has failed after its deadline."""
    await scene.make(DEPLOYMENTS, "web", deployment(2, progressDeadlineSeconds=3))
    await scene.becomes(lambda: told(scene), (all_there(2, 1), AVAILABLE))
    await scene.change(DEPLOYMENTS, "web", image("missing:1"))
    stuck = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "unavailableReplicas": 1}
    stuck |= {"readyReplicas": 2, "availableReplicas": 2, "terminatingReplicas": 0}
    failed = AVAILABLE | {"Progressing": ("False", "ProgressDeadlineExceeded")}
    await scene.becomes(lambda: told(scene), (stuck, failed))
    messages = {one["type"]: one["message"] for one in (await scene.get(DEPLOYMENTS, "web"))["status"]["conditions"]}
    new = next(one for one in await scene.all_of(REPLICASETS) if one.at("spec.replicas") == 1)
    assert messages == {
        "Available": "Deployment has minimum availability.",
        "Progressing": f'ReplicaSet "{new.key.name}" has timed out progressing.',
    }
    await scene.change(DEPLOYMENTS, "web", image("web:1"))
    await scene.becomes(lambda: told(scene), (all_there(2, 3), AVAILABLE))


async def a_deployment_recreates(scene: Scene) -> None:
    """All old pods end before the first new one begins."""
    await scene.make(DEPLOYMENTS, "web", deployment(2, strategy={"type": "Recreate"}))
    await scene.becomes(lambda: told(scene), (all_there(2, 1), AVAILABLE))
    await scene.change(DEPLOYMENTS, "web", image("web:2"))
    await scene.becomes(lambda: told(scene), (all_there(2, 2), AVAILABLE))
    await scene.becomes(lambda: sizes(scene), {"web:1": (0, 0, "1"), "web:2": (2, 2, "2")})
    found = sorted(await scene.all_of(REPLICASETS), key=lambda one: int(one.at("spec.replicas")))
    old, new = (one.key.name for one in found)
    await scaled(scene, (old, "up", 0, 2), (old, "down", 2, 0), (new, "up", 0, 2))


async def a_replica_set_adopts_and_releases(scene: Scene) -> None:
    """Pods that are selected and nobody's are adopted; a pod that is not selected any more is let go and replaced."""
    await scene.make(PODS, "bare", pod("web:1"), metadata={"labels": {"app": "web"}})
    await scene.make(REPLICASETS, "web", {"replicas": 2, "selector": SELECTOR, "template": template("web:1")})
    fields = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    two = dict.fromkeys(fields, 2) | {"observedGeneration": 1, "terminatingReplicas": 0}
    await scene.becomes(lambda: _counts(scene, REPLICASETS), two)
    assert await owners(scene) == {"bare": "web", "web-*": "web"}
    await scene.becomes(lambda: scene.events("ReplicaSet", "web"), [("SuccessfulCreate", "Created pod: web-*")])
    await scene.change(PODS, "bare", {"metadata": {"labels": {"app": "other"}}})
    await scene.becomes(lambda: owners(scene), {"bare": "", "web-*": "web", "web-* 2": "web"})
    await scene.becomes(lambda: _counts(scene, REPLICASETS), two)
    await scene.delete(REPLICASETS, "web", propagation=Propagation.ORPHAN)
    await scene.becomes(lambda: owners(scene), {"bare": "", "web-*": "", "web-* 2": ""})
    await scene.is_gone(REPLICASETS, "web")
    await scene.make(
        REPLICATION_CONTROLLERS, "late", {"replicas": 1, "selector": {"app": "web"}, "template": template("web:1")}
    )
    await scene.becomes(lambda: owners(scene), {"bare": "", "web-*": "late"})


async def _counts(scene: Scene, resource: Any, name: str = "web") -> dict[str, Any]:
    return counts(await scene.get(resource, name))


async def owners(scene: Scene) -> dict[str, str]:
    """The controller of each pod, by name; names that are the same but for their random ends are counted."""
    found: dict[str, str] = {}
    for one in sorted(await scene.all_of(PODS), key=lambda pod: str(pod.key)):
        if one.metadata.deletion_timestamp:
            continue
        name = one.key.name if not one["metadata"].get("generateName") else one["metadata"]["generateName"] + "*"
        found[name if name not in found else f"{name} 2"] = getattr(one.metadata.controller, "name", "")
    return found


async def a_stateful_set_with_volumes(scene: Scene) -> None:
    """Its pods come in order, each with a claim that is bound to a volume that was there; scaled down, claims stay."""
    for number in range(2):
        await scene.make(PERSISTENT_VOLUMES, f"{scene.namespace}-{number}", volume(scene))
    await scene.becomes(lambda: volumes(scene), ["Available", "Available"])
    claim = {"metadata": {"name": "data"}, "spec": claim_of(scene)}
    mounts = [{"name": "c", "image": "web:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]
    spec = {"replicas": 2, "serviceName": "web", "selector": SELECTOR, "volumeClaimTemplates": [claim]}
    await scene.make(STATEFULSETS, "web", spec | {"template": template("web:1", containers=mounts)})
    await scene.becomes(scene.phases, {"web-0": "Running", "web-1": "Running"})
    full = {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "currentReplicas": 2, "updatedReplicas": 2}
    full |= {"observedGeneration": 1, "collisionCount": 0}
    await scene.becomes(lambda: _set_counts(scene), full)
    assert await bound(scene) == {"data-web-0": "Bound", "data-web-1": "Bound"}
    revisions = [one["revision"] for one in await scene.all_of(CONTROLLER_REVISIONS)]
    assert revisions == [1]
    texts = [
        (
            "SuccessfulCreate",
            f"Create Claim data-web-{number} Pod web-{number} in StatefulSet web success",
        )
        for number in range(2)
    ]
    texts += [("SuccessfulCreate", f"Create Pod web-{number} in StatefulSet web successful") for number in range(2)]
    await scene.becomes(lambda: _set_of_events(scene, "StatefulSet", "web"), set(texts))
    await scene.change(STATEFULSETS, "web", {"spec": {"replicas": 1}})
    await scene.becomes(scene.phases, {"web-0": "Running"})
    await scene.is_gone(PODS, "web-1")
    assert await bound(scene) == {"data-web-0": "Bound", "data-web-1": "Bound"}
    await scene.delete(STATEFULSETS, "web")
    await scene.becomes(scene.phases, {})
    await scene.delete(PERSISTENT_VOLUME_CLAIMS, "data-web-1")
    await scene.is_gone(PERSISTENT_VOLUME_CLAIMS, "data-web-1")
    await scene.becomes(lambda: volumes(scene), ["Bound", "Released"])


async def _set_counts(scene: Scene) -> Mapping[str, Any]:
    found = dict(counts(await scene.get(STATEFULSETS, "web")))
    assert found.pop("currentRevision", None) == found.pop("updateRevision", None)
    return found


def volume(scene: Scene) -> dict[str, Any]:
    """The spec of a volume of a class that nobody provisions."""
    source = {"hostPath": {"path": "/tmp/of-a-story"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": scene.namespace, "capacity": {"storage": "1Gi"}}
    return spec | source


def claim_of(scene: Scene) -> dict[str, Any]:
    """The spec of a claim to such a volume."""
    requests = {"requests": {"storage": "1Gi"}}
    return {"accessModes": ["ReadWriteOnce"], "storageClassName": scene.namespace, "resources": requests}


async def bound(scene: Scene) -> dict[str, str]:
    """The phases of the claims."""
    return {one.key.name: one.at("status.phase") for one in await scene.all_of(PERSISTENT_VOLUME_CLAIMS)}


async def volumes(scene: Scene) -> list[str]:
    """The phases of the volumes of the story."""
    everywhere = await scene.client.list(PERSISTENT_VOLUMES)
    return sorted(one["status"]["phase"] for one in everywhere if one.at("spec.storageClassName") == scene.namespace)


async def a_stateful_set_is_updated(scene: Scene) -> None:
    """A new image reaches the highest ordinals first, and those under the partition not at all."""
    update = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    spec = {"replicas": 2, "serviceName": "web", "selector": SELECTOR, "template": template("web:1")}
    await scene.make(STATEFULSETS, "web", spec | {"updateStrategy": update})
    await scene.becomes(lambda: images(scene), {"web-0": "web:1", "web-1": "web:1"})
    await scene.change(STATEFULSETS, "web", image("web:2"))
    await scene.becomes(lambda: images(scene), {"web-0": "web:1", "web-1": "web:2"})
    await scene.change(STATEFULSETS, "web", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
    await scene.becomes(lambda: images(scene), {"web-0": "web:2", "web-1": "web:2"})
    await scene.becomes(lambda: _current(scene), (2, 2, True))
    assert sorted(one["revision"] for one in await scene.all_of(CONTROLLER_REVISIONS)) == [1, 2]


async def _current(scene: Scene) -> tuple[int, int, bool]:
    status = (await scene.get(STATEFULSETS, "web"))["status"]
    same = status["currentRevision"] == status["updateRevision"]
    return status.get("currentReplicas", 0), status.get("updatedReplicas", 0), same


async def images(scene: Scene) -> dict[str, str]:
    """The images of the pods that are ready."""
    return {
        one.key.name: one.at("spec.containers")[0]["image"]
        for one in await scene.all_of(PODS)
        if ("Ready", ("True", "")) in conditions(one).items() and not one.metadata.deletion_timestamp
    }


async def a_daemon_set_runs_on_each_node(scene: Scene) -> None:
    """A pod on every node, replaced by one of the new image, gone with the set."""

    async def there_are_nodes() -> bool:
        return bool(await scene.client.list(NODES))

    await scene.becomes(there_are_nodes, True)
    nodes = len(await scene.client.list(NODES))
    await scene.make(DAEMONSETS, "web", {"selector": SELECTOR, "template": template("web:1")})
    fields = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "numberAvailable")
    full = dict.fromkeys((*fields, "updatedNumberScheduled"), nodes) | {"numberMisscheduled": 0}
    await scene.becomes(lambda: _counts(scene, DAEMONSETS), full | {"observedGeneration": 1})
    await scene.change(DAEMONSETS, "web", image("web:2"))
    await scene.becomes(lambda: _counts(scene, DAEMONSETS), full | {"observedGeneration": 2})
    found = {one.at("spec.containers")[0]["image"] for one in await scene.all_of(PODS)}
    assert found == {"web:2"}
    assert sorted(one["revision"] for one in await scene.all_of(CONTROLLER_REVISIONS)) == [1, 2]
    await scene.delete(DAEMONSETS, "web")
    await scene.becomes(scene.phases, {})
