"""
Stories of pods for which something goes wrong: what becomes of them, when, and what is told of it.

Each is played in a World with a whole cluster, on virtual time, so that the moments can be said to the second.
"""

from __future__ import annotations

from typing import Any

from ctrlkit.errors import NotFound
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, NEVER_S, CommandAnswer, Exits, Image, Node, Pull
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import DEPLOYMENTS, EVENTS, JOBS, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, SECRETS

Object = dict[str, Any]


def a_pod(name: str = "web", *containers: Object, **spec: Any) -> Object:
    """A pod; without containers said it has one of the image `web`."""
    whole = {"containers": [*containers] or [{"name": "app", "image": "web:1"}], **spec}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": whole}


def app(image: str = "web:1", name: str = "app", **fields: Any) -> Object:
    return {"name": name, "image": image, **fields}


def pod(world: World, name: str = "web") -> Unstructured:
    return world.tracker.get(PODS, f"default/{name}")


def state(world: World, name: str = "web", *, container: str = "app") -> tuple[str, str]:
    """A container's state and its reason; both "" where nothing is told of it yet."""
    status = pod(world, name).at("status") or {}
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if one["name"] == container:
            ((word, said),) = one["state"].items()
            return word, said.get("reason", "")
    return "", ""


def restarts(world: World, name: str = "web", *, container: str = "app") -> int:
    status = pod(world, name).at("status")
    every = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    count = next(one["restartCount"] for one in every if one["name"] == container)
    assert isinstance(count, int)
    return count


def is_ready(world: World, name: str = "web") -> bool:
    conditions = {one["type"]: one["status"] for one in pod(world, name).at("status.conditions") or ()}
    return conditions.get("Ready") == "True"


def phase(world: World, name: str = "web") -> str:
    return str(pod(world, name).at("status.phase"))


def told(world: World, name: str = "web") -> dict[str, int]:
    """The Events about a pod and how often they were told, by reason and message."""
    about = [one for one in world.tracker.list(EVENTS, "default") if one.at("involvedObject.name") == name]
    return {f"{one.at('reason')}: {one.at('message')}": one.at("count") or 1 for one in about}


async def until_gone(world: World, name: str = "web") -> None:
    def is_gone() -> bool:
        try:
            pod(world, name)
        except NotFound:
            return True
        return False

    await world.until(is_gone)


# ---- before a pod runs -----------------------------------------------------------------------------------------------


async def test_an_init_container_fails_twice_and_then_lets_the_pod_begin() -> None:
    """The first try again is at once, the second after ten seconds; meanwhile the other container waits."""
    async with World(cluster=ALL) as world:
        world.images["prepare"] = Image(exits={1: Exits(1), 2: Exits(1), 3: Exits(0)})
        await world.client.create(PODS, a_pod(initContainers=[app("prepare:1", "init")]))
        await world.settle()
        assert (phase(world), state(world)) == ("Pending", ("waiting", "PodInitializing"))
        await world.advance(9)
        assert not is_ready(world)
        await world.advance(3)
        assert is_ready(world)
        assert state(world, container="init") == ("terminated", "Completed")
        assert restarts(world, container="init") == 2


async def test_a_secret_comes_late() -> None:
    """The container is not made before, the pod says what is missing, and nothing has to be done once it is there."""
    variable = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}}
    async with World(cluster=ALL) as world:
        await world.client.create(PODS, a_pod("web", app(env=[variable])))
        await world.settle()
        assert (phase(world), state(world)) == ("Pending", ("waiting", "CreateContainerConfigError"))
        assert 'Failed: Error: secret "login" not found' in told(world)
        await world.advance(60)
        assert phase(world) == "Pending"
        await world.client.create(
            SECRETS, {"metadata": {"name": "login", "namespace": "default"}, "data": {"password": "eA=="}}
        )
        await world.advance(20)
        assert is_ready(world)
        assert restarts(world) == 0


async def test_an_image_cannot_be_pulled_and_then_it_can() -> None:
    """Failed pulls are told with the words of the registry, and tried again at growing distances."""
    async with World(cluster=ALL) as world:
        world.images["web:2"] = Image(pull=Pull(failures=2, error="no route to registry.example"))
        await world.client.create(PODS, a_pod("web", app("web:2")))
        await world.settle()
        await world.advance(2)
        word, reason = state(world)
        assert (word, reason in ("ErrImagePull", "ImagePullBackOff")) == ("waiting", True)
        assert any("no route to registry.example" in text for text in told(world))
        await world.advance(60)
        assert is_ready(world)
        assert restarts(world) == 0


async def test_a_claim_stays_unbound_until_there_is_a_volume() -> None:
    """The pod waits for a node, and its scheduler says why."""
    claim = {
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "",
        },
    }
    volume = {
        "metadata": {"name": "disk"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "hostPath": {"path": "/disk"},
        },
    }
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    async with World(cluster=ALL) as world:
        await world.client.create(PERSISTENT_VOLUME_CLAIMS, claim)
        await world.client.create(PODS, a_pod(volumes=volumes))
        await world.advance(600)
        assert (phase(world), pod(world).at("spec.nodeName")) == ("Pending", None)
        assert any(text.startswith("FailedScheduling: ") and "unbound" in text for text in told(world))
        await world.client.create(PERSISTENT_VOLUMES, volume)
        await world.advance(600)
        assert is_ready(world)


async def test_a_pod_that_was_bound_by_hand_is_refused_by_a_node_that_is_full() -> None:
    """It has failed for good, and has no containers; what is bound there once there is room runs."""
    big = {"requests": {"cpu": "3"}}
    async with World(cluster=ALL, nodes=[Node("n1", cpu="4")]) as world:
        await world.client.create(PODS, a_pod("first", app(resources=big), nodeName="n1"))
        await world.client.create(PODS, a_pod("second", app(resources=big), nodeName="n1"))
        await world.settle()
        text = "Node didn't have enough resource: cpu, requested: 3000, used: 3000, capacity: 4000"
        status = pod(world, "second").at("status")
        assert is_ready(world, "first")
        assert (status["phase"], status["reason"]) == ("Failed", "OutOfcpu")
        assert status["message"] == f"Pod was rejected: {text}"
        assert "containerStatuses" not in status
        assert told(world, "second") == {f"OutOfcpu: {text}": 1}
        await world.client.delete(PODS, "default/first")
        await until_gone(world, "first")
        await world.client.create(PODS, a_pod("third", app(resources=big), nodeName="n1"))
        await world.settle()
        assert is_ready(world, "third")
        await world.client.delete(PODS, "default/second")
        await until_gone(world, "second")


# ---- while a pod runs ------------------------------------------------------------------------------------------------


async def test_a_probe_flaps_and_the_pod_is_ready_and_unready_to_the_second() -> None:
    """A single failure is borne; the second in a row counts, and so does the first success after it."""
    probe = {"httpGet": {"port": 80, "path": "/ready"}, "periodSeconds": 10, "failureThreshold": 2}
    async with World(cluster=ALL) as world:
        world.images["web"] = Image(probes=[200, 503, 200, 503, 503, 200])
        await world.client.create(PODS, a_pod("web", app(readinessProbe=probe)))
        await world.settle()
        seen = [is_ready(world)]
        for _ in range(5):
            await world.advance(9)
            assert is_ready(world) is seen[-1], "nothing changes between two probes"
            await world.advance(1)
            seen.append(is_ready(world))
        assert seen == [True, True, True, True, False, True]
        assert restarts(world) == 0
        assert told(world)["Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503"] == 3


async def test_a_container_that_does_not_live_any_more_is_restarted() -> None:
    """After three failures in a row, ten seconds apart, and with the time to end that the probe gives it."""
    probe = {"exec": {"command": ["alive"]}, "initialDelaySeconds": 5, "terminationGracePeriodSeconds": 4}
    async with World(cluster=ALL) as world:
        world.images["web"] = Image(probes=[True, False], stops=Exits(after_s=NEVER_S))
        await world.client.create(PODS, a_pod("web", app(livenessProbe=probe)))
        await world.advance(34.9)
        assert not any(text.startswith("Killing") for text in told(world))
        await world.advance(0.1)
        assert told(world)["Killing: Container app failed liveness probe, will be restarted"] == 1
        assert (restarts(world), state(world)) == (0, ("running", ""))
        await world.advance(4)
        assert (restarts(world), state(world)) == (1, ("running", ""))
        (status,) = pod(world).at("status.containerStatuses")
        assert status["lastState"]["terminated"]["exitCode"] == 137


async def test_a_hook_that_outlives_its_container_leaves_the_next_run_alone() -> None:
    """The container ends by itself while its preStop hook still sleeps."""
    probe = {"exec": {"command": ["alive"]}, "periodSeconds": 10, "failureThreshold": 1}
    hook = {"preStop": {"sleep": {"seconds": 40}}}
    async with World(cluster=ALL) as world:
        world.images["web"] = Image(probes=False, exits=Exits(1, after_s=15))
        container = app(livenessProbe=probe, lifecycle=hook)
        await world.client.create(PODS, a_pod("web", container, terminationGracePeriodSeconds=60))
        await world.advance(10)
        assert told(world)["Killing: Container app failed liveness probe, will be restarted"] == 1
        world.images["web"] = Image()
        await world.advance(110)
        assert (restarts(world), state(world)) == (1, ("running", ""))
        (status,) = pod(world).at("status.containerStatuses")
        assert status["lastState"]["terminated"]["exitCode"] == 1


async def test_a_slow_start_is_waited_for_and_nothing_else_is_asked_meanwhile() -> None:
    """The container would be killed by its liveness probe, if that did not wait for the startup probe."""
    asked = {"httpGet": {"port": 80}}
    probes: Object = {
        "startupProbe": {**asked, "periodSeconds": 5, "failureThreshold": 10},
        "livenessProbe": {**asked, "periodSeconds": 1, "failureThreshold": 1},
        "readinessProbe": {**asked, "periodSeconds": 10},
    }
    async with World(cluster=ALL) as world:
        world.images["web"] = Image(ready_after_s=22)
        await world.client.create(PODS, a_pod("web", app(**probes)))
        await world.advance(24)
        assert not is_ready(world)
        await world.advance(1)
        assert is_ready(world)
        assert restarts(world) == 0


async def test_a_container_is_killed_for_its_memory() -> None:
    """It begins again at once the first time, and says how it ended."""
    async with World(cluster=ALL) as world:
        world.images["web"] = Image(exits={1: Exits.oom(after_s=30)})
        await world.client.create(PODS, a_pod())
        await world.advance(31)
        assert (restarts(world), state(world)) == (1, ("running", ""))
        (status,) = pod(world).at("status.containerStatuses")
        ended = status["lastState"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


async def test_a_node_is_lost_with_pods_of_a_deployment_and_others_take_their_place() -> None:
    """After the time in which a node may come back; the pods that were lost go when their node is heard of again."""
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [app()]}}
    deployment = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }

    def running(world: World) -> dict[str, str]:
        return {
            one.key.name: one.at("spec.nodeName")
            for one in world.tracker.list(PODS)
            if is_ready(world, one.key.name) and not one.metadata.deleting
        }

    async with World(cluster=ALL, nodes=2) as world:
        await world.client.create(DEPLOYMENTS, deployment)
        await world.settle()
        before = running(world)
        assert sorted(before.values()) == ["n1", "n2"]
        world.lose_node("n2")
        await world.advance("2m")
        assert sorted(running(world).values()) == ["n1"], "what is on the node is not ready, and may come back"
        await world.advance("5m")
        assert sorted(running(world).values()) == ["n1", "n1"]
        world.recover_node("n2")
        await world.advance("2m")
        assert len(world.tracker.list(PODS)) == 2
        assert "n2" not in running(world).values()


# ---- the end of a pod ------------------------------------------------------------------------------------------------


async def test_a_prestop_takes_too_long_and_the_container_is_killed() -> None:
    """When the time is over, two seconds are left to the program, whatever the hook does."""
    hook = {"preStop": {"exec": {"command": ["drain"]}}}
    async with World(cluster=ALL) as world:
        world.images["web"] = Image(execs={"drain": CommandAnswer(takes_s=60)}, stops=Exits(after_s=NEVER_S))
        await world.client.create(PODS, a_pod("web", app(lifecycle=hook), terminationGracePeriodSeconds=10))
        await world.settle()
        await world.client.delete(PODS, "default/web")
        await world.advance(11.9)
        assert phase(world) == "Running"
        await until_gone(world)
        events = told(world)
        assert events["Killing: Stopping container app"] == 1
        assert events["FailedPreStopHook: PreStopHook failed"] == 1


async def test_a_pod_that_drains_is_asked_on_whether_it_is_ready_and_not_whether_it_lives() -> None:
    """So it can take itself out of a Service before it ends, and is not killed for that."""
    probes: Object = {
        "readinessProbe": {"exec": {"command": ["ready"]}, "periodSeconds": 5, "failureThreshold": 1},
        "livenessProbe": {"exec": {"command": ["alive"]}, "periodSeconds": 5, "failureThreshold": 1},
    }
    hook = {"preStop": {"sleep": {"seconds": 20}}}
    async with World(cluster=ALL) as world:
        world.images["web"] = Image(probes={"ready": [True, True, False], "alive": [True, False]})
        await world.client.create(PODS, a_pod("web", app(**probes, lifecycle=hook)))
        await world.advance(6)
        await world.client.delete(PODS, "default/web")
        await world.settle()
        assert (phase(world), is_ready(world)) == ("Running", True)
        await world.advance(4)
        assert (phase(world), is_ready(world)) == ("Running", False)
        await world.advance(15.9)
        assert phase(world) == "Running"
        await until_gone(world)
        assert not any("Liveness" in text for text in told(world))


async def test_a_poststart_that_fails_keeps_the_container_from_running() -> None:
    """It is killed and begun again at growing distances, and its status says what the hook said."""
    hook = {"postStart": {"exec": {"command": ["register"]}}}
    async with World(cluster=ALL) as world:
        world.images["web"] = Image(execs={"register": CommandAnswer(output="no license\n", exit_code=7)})
        await world.client.create(PODS, a_pod("web", app(lifecycle=hook)))
        await world.advance(1)
        assert not is_ready(world)
        (status,) = pod(world).at("status.containerStatuses")
        waiting = status["state"]["waiting"]
        assert (waiting["reason"], "no license" in waiting["message"]) == ("PostStartHookError", True)
        assert told(world)["FailedPostStartHook: PostStartHook failed"] == 2
        assert not any("no license" in text for text in told(world)), "Events are for more eyes"


async def test_a_pod_exceeds_its_deadline() -> None:
    """Its containers are stopped, and it has failed."""
    async with World(cluster=ALL) as world:
        await world.client.create(PODS, a_pod(activeDeadlineSeconds=60))
        await world.advance(59)
        assert phase(world) == "Running"
        await world.advance(5)
        assert (phase(world), pod(world).at("status.reason")) == ("Failed", "DeadlineExceeded")
        assert state(world)[0] == "terminated"


async def test_a_sidecar_does_not_keep_a_job_from_its_end() -> None:
    """It is stopped once the work is done, and that it was stopped is no failure."""
    job = {
        "metadata": {"name": "report", "namespace": "default"},
        "spec": {
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "initContainers": [app("proxy:1", "proxy", restartPolicy="Always")],
                    "containers": [app("work:1")],
                }
            }
        },
    }
    async with World(cluster=ALL) as world:
        world.images["work"] = Image(exits=Exits(0, after_s=30))
        world.images["proxy"] = Image(stops=Exits(143, after_s=1))
        await world.client.create(JOBS, job)
        await world.advance(29)
        (one,) = world.tracker.list(PODS, "default")
        assert state(world, one.key.name, container="proxy") == ("running", "")
        await world.advance(10)
        assert phase(world, one.key.name) == "Succeeded"
        conditions = {
            one["type"]: one["status"] for one in world.tracker.get(JOBS, "default/report").at("status.conditions")
        }
        assert conditions["Complete"] == "True"
