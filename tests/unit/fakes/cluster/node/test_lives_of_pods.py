"""Lives of pods from their first container to their last status, as kubectl would show them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ctrlkit.errors import NotFound
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Exits, Image, Pull
from ctrlkit.fakes.cluster.node.runtime import ContainerId
from ctrlkit.fakes.tracker.kinds.core.pod_table import pod_status
from ctrlkit.model import MergePatch, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import EVENTS, PODS

KEY = "default/web"


@asynccontextmanager
async def cluster(**images: Image) -> AsyncIterator[World]:
    async with World(cluster=ALL, nodes=["n1"], images=images) as world:
        await world.settle()
        yield world


def a_pod(*containers: str, inits: tuple[str, ...] = (), sidecars: tuple[str, ...] = (), **spec: Any) -> dict[str, Any]:
    """A pod whose containers are called as their images; sidecars come after the init containers."""
    own = [{"name": name, "image": f"{name}:1"} for name in inits]
    own += [{"name": name, "image": f"{name}:1", "restartPolicy": "Always"} for name in sidecars]
    mains = [{"name": name, "image": f"{name}:1"} for name in containers or ("web",)]
    more = {"initContainers": own} if own else {}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": mains, **more, **spec}}


async def shown(world: World) -> str:
    """What `kubectl get pods` shows as the status."""
    pod = await world.client.get(PODS, KEY)
    return pod_status(pod)


async def started(world: World, pod: dict[str, Any]) -> Unstructured:
    await world.client.create(PODS, pod)
    await world.settle()
    return await world.client.get(PODS, KEY)


def told(world: World, reason: str) -> list[str]:
    """Messages of the Events of the pod, with the container they are about."""
    return [
        f"{event['involvedObject'].get('fieldPath', '')} {event['message']}".strip()
        for event in world.tracker.list(EVENTS)
        if event["reason"] == reason
    ]


def condition(pod: Unstructured, name: str) -> dict[str, Any]:
    found = next(item for item in pod.at("status.conditions") if item["type"] == name)
    assert isinstance(found, dict)
    return found


async def test_init_containers_run_in_order_and_kubectl_counts_them() -> None:
    """The pod is pending until the last one has succeeded."""
    async with cluster(one=Image(exits=Exits(after_s=5)), two=Image(exits=Exits(after_s=5))) as world:
        pod = await started(world, a_pod(inits=("one", "two")))
        assert (pod.at("status.phase"), pod_status(pod)) == ("Pending", "Init:0/2")
        initialized = condition(pod, "Initialized")
        assert (initialized["reason"], initialized["message"]) == (
            "ContainersNotInitialized",
            "containers with incomplete status: [one two]",
        )
        assert pod.at("status.containerStatuses")[0]["state"] == {"waiting": {"reason": "PodInitializing"}}
        await world.advance(5)
        assert await shown(world) == "Init:1/2"
        await world.advance(5)
        pod = await world.client.get(PODS, KEY)
        assert pod_status(pod) == "Running"
        assert condition(pod, "Initialized")["status"] == "True"
        assert [one["state"]["terminated"]["reason"] for one in pod.at("status.initContainerStatuses")] == [
            "Completed",
            "Completed",
        ]


async def test_an_init_container_that_fails_is_tried_again_with_growing_waits() -> None:
    """Then the pod goes on as if nothing had been."""
    fails = {1: Exits(1, after_s=1), 2: Exits(1, after_s=1), 3: Exits(after_s=1)}
    async with cluster(prepare=Image(exits=fails)) as world:
        await started(world, a_pod(inits=("prepare",)))
        await world.advance(2)
        assert await shown(world) == "Init:Error"
        await world.advance(11)
        pod = await world.client.get(PODS, KEY)
        assert pod_status(pod) == "Running"
        (prepare,) = pod.at("status.initContainerStatuses")
        assert (prepare["restartCount"], prepare["lastState"]["terminated"]["exitCode"]) == (2, 1)


async def test_where_nothing_is_restarted_a_failed_init_container_is_the_end_of_its_pod() -> None:
    """Its other containers never ran."""
    async with cluster(prepare=Image(exits=Exits(3, after_s=1, message="no schema"))) as world:
        await started(world, a_pod(inits=("prepare",), restartPolicy="Never"))
        await world.advance(1)
        pod = await world.client.get(PODS, KEY)
        assert (pod.at("status.phase"), pod_status(pod)) == ("Failed", "Init:Error")
        assert pod.at("status.initContainerStatuses")[0]["state"]["terminated"]["message"] == "no schema"
        assert pod.at("status.containerStatuses")[0]["state"] == {"waiting": {"reason": "PodInitializing"}}
        assert condition(pod, "Ready")["reason"] == "PodFailed"


async def test_sidecars_run_beside_the_others_and_end_after_them() -> None:
    """In reverse order, and then the pod has succeeded."""
    stops = Image(stops=Exits(after_s=2))
    async with cluster(first=stops, second=stops, job=Image(exits=Exits(after_s=10))) as world:
        pod = await started(world, a_pod("job", sidecars=("first", "second"), restartPolicy="Never"))
        assert pod_status(pod) == "Running"
        assert [one["ready"] for one in pod.at("status.initContainerStatuses")] == [True, True]
        await world.advance(11)
        assert (await world.client.get(PODS, KEY)).at("status.phase") == "Running"
        await world.advance(3)
        pod = await world.client.get(PODS, KEY)
        assert pod.at("status.phase") == "Succeeded"
        first, second = (one["state"]["terminated"]["finishedAt"] for one in pod.at("status.initContainerStatuses"))
        assert second < first
        assert condition(pod, "Initialized") | {"reason": "PodCompleted"} == condition(pod, "Initialized")


async def test_a_pod_that_is_active_for_too_long_fails() -> None:
    """Its containers get the time to end that they would get anyway."""
    async with cluster(web=Image(stops=Exits(3, after_s=4))) as world:
        await started(world, a_pod(activeDeadlineSeconds=60))
        await world.advance(60)
        pod = await world.client.get(PODS, KEY)
        assert (pod.at("status.phase"), condition(pod, "Ready")["reason"]) == ("Running", "PodFailed")
        await world.advance(4)
        pod = await world.client.get(PODS, KEY)
        assert (pod.at("status.phase"), pod.at("status.reason")) == ("Failed", "DeadlineExceeded")
        message = "Pod was active on the node longer than the specified deadline"
        assert pod.at("status.message") == message
        assert told(world, "DeadlineExceeded") == [message]
        assert pod.at("status.containerStatuses")[0]["state"]["terminated"]["exitCode"] == 3


async def test_a_deleted_pod_has_the_time_to_end_that_it_asks_for() -> None:
    """One that does not listen is killed; until then it is there, and ready."""
    async with cluster(web=Image(stops=Exits(after_s=1000))) as world:
        await started(world, a_pod(terminationGracePeriodSeconds=20))
        await world.client.delete(PODS, KEY)
        await world.advance(19)
        pod = await world.client.get(PODS, KEY)
        assert (pod_status(pod), condition(pod, "Ready")["status"]) == ("Terminating", "True")
        assert told(world, "Killing") == ["spec.containers{web} Stopping container web"]
        await world.advance(1)
        assert await world.client.list(PODS) == []


async def test_the_last_status_of_a_deleted_pod_says_how_it_ended() -> None:
    """A finalizer keeps it to be read."""
    async with cluster(web=Image(stops=Exits(after_s=1))) as world:
        pod = a_pod()
        pod["metadata"]["finalizers"] = ["example.com/keep"]
        await started(world, pod)
        await world.client.delete(PODS, KEY)
        await world.advance(2)
        last = await world.client.get(PODS, KEY)
        assert last.at("status.phase") == "Succeeded"
        assert last.at("status.containerStatuses")[0]["state"]["terminated"]["exitCode"] == 0
        assert condition(last, "PodReadyToStartContainers")["status"] == "False"
        assert condition(last, "Ready")["reason"] == "PodCompleted"


async def test_a_pod_can_be_deleted_while_its_init_container_runs() -> None:
    """What never ran is never started."""
    async with cluster(prepare=Image(exits=Exits(after_s=100))) as world:
        await started(world, a_pod(inits=("prepare",)))
        await world.client.delete(PODS, KEY)
        await world.settle()
        assert await world.client.list(PODS) == []
        assert told(world, "Killing") == ["spec.initContainers{prepare} Stopping container prepare"]
        assert not [text for text in told(world, "Started") if "spec.containers" in text]


async def test_the_end_of_a_deleted_pod_waits_for_no_back_off() -> None:
    """Its containers show how they ended, not what they waited for."""
    async with cluster(web=Image(exits=Exits(2, after_s=1))) as world:
        pod = a_pod()
        pod["metadata"]["finalizers"] = ["example.com/keep"]
        await started(world, pod)
        await world.advance(5)
        assert await shown(world) == "Error"
        await world.client.delete(PODS, KEY)
        await world.settle()
        last = await world.client.get(PODS, KEY)
        assert last.at("status.phase") == "Failed"
        assert last.at("status.containerStatuses")[0]["state"]["terminated"]["exitCode"] == 2


async def test_a_pod_whose_image_is_changed_runs_the_new_one() -> None:
    """Its container is stopped first, and started again at once."""
    async with cluster() as world:
        await started(world, a_pod())
        patch = StrategicMergePatch({"spec": {"containers": [{"name": "web", "image": "web:2"}]}})
        await world.client.patch(PODS, KEY, patch)
        await world.settle()
        (status,) = (await world.client.get(PODS, KEY)).at("status.containerStatuses")
        assert (status["image"], status["restartCount"], "running" in status["state"]) == ("web:2", 1, True)
        assert told(world, "Killing") == ["spec.containers{web} Container web definition changed, will be restarted"]


async def test_an_ephemeral_container_runs_beside_the_others() -> None:
    """As `kubectl debug` adds one; how it ends is nobody's business."""
    async with cluster(debug=Image(exits=Exits(5, after_s=3))) as world:
        await started(world, a_pod())
        debug = {"name": "debug", "image": "debug:1"}
        patch = StrategicMergePatch({"spec": {"ephemeralContainers": [debug]}})
        await world.client.patch(PODS, KEY, patch, subresource="ephemeralcontainers")
        await world.settle()
        pod = await world.client.get(PODS, KEY)
        assert "running" in pod.at("status.ephemeralContainerStatuses")[0]["state"]
        await world.advance(3)
        pod = await world.client.get(PODS, KEY)
        assert pod.at("status.ephemeralContainerStatuses")[0]["state"]["terminated"]["exitCode"] == 5
        assert condition(pod, "Ready")["status"] == "True"


async def test_an_ephemeral_container_waits_until_its_target_was_started() -> None:
    """Its status and an Event say for which."""
    async with cluster(prepare=Image(exits=Exits(after_s=30))) as world:
        await started(world, a_pod(inits=("prepare",)))
        debug = {"name": "debug", "image": "tools:1", "targetContainerName": "web"}
        patch = StrategicMergePatch({"spec": {"ephemeralContainers": [debug]}})
        await world.client.patch(PODS, KEY, patch, subresource="ephemeralcontainers")
        await world.settle()
        (status,) = (await world.client.get(PODS, KEY)).at("status.ephemeralContainerStatuses")
        message = "unable to find target container web"
        assert status["state"] == {"waiting": {"reason": "CreateContainerConfigError", "message": message}}
        assert told(world, "Failed") == [f"spec.ephemeralContainers{{debug}} Error: {message}"]
        await world.advance(45)
        (status,) = (await world.client.get(PODS, KEY)).at("status.ephemeralContainerStatuses")
        assert "running" in status["state"]


async def test_ephemeral_containers_are_not_started_again_by_a_node_that_boots() -> None:
    """One that had ended stays as it was, and of one that ran it is said that it is lost."""
    async with cluster(web=Image(), ends=Image(exits=Exits(3))) as world:
        await started(world, a_pod())
        debuggers = [{"name": name, "image": f"{name}:1"} for name in ("ends", "stays")]
        patch = StrategicMergePatch({"spec": {"ephemeralContainers": debuggers}})
        await world.client.patch(PODS, KEY, patch, subresource="ephemeralcontainers")
        await world.settle()
        world.lose_node("n1")
        await world.advance(2)
        world.recover_node("n1")
        await world.advance(70)
        pod = await world.client.get(PODS, KEY)
        ends = {one["name"]: one["state"]["terminated"] for one in pod.at("status.ephemeralContainerStatuses")}
        assert {name: (end["reason"], end["exitCode"]) for name, end in ends.items()} == {
            "ends": ("Error", 3),
            "stays": ("ContainerStatusUnknown", 137),
        }
        assert "running" in pod.at("status.containerStatuses")[0]["state"]
        assert pod.at("status.phase") == "Running"


async def test_a_readiness_gate_keeps_a_pod_from_being_ready() -> None:
    """Until somebody opens it; the kubelet takes nothing away from what others say."""
    async with cluster() as world:
        gate = {"conditionType": "example.com/open"}
        pod = await started(world, a_pod(readinessGates=[gate]))
        ready = condition(pod, "Ready")
        assert (ready["reason"], ready["message"]) == (
            "ReadinessGatesNotReady",
            'corresponding condition of pod readiness gate "example.com/open" does not exist.',
        )
        opened = {"type": "example.com/open", "status": "True"}
        patch = StrategicMergePatch({"status": {"conditions": [opened]}})
        await world.client.patch(PODS, KEY, patch, subresource="status")
        await world.settle()
        pod = await world.client.get(PODS, KEY)
        assert condition(pod, "Ready")["status"] == "True"
        assert condition(pod, "example.com/open")["status"] == "True"


async def test_restarts_are_kept_over_a_reboot_of_the_node() -> None:
    """Containers that run once do not run again."""
    async with cluster(prepare=Image(exits=Exits(after_s=1))) as world:
        await started(world, a_pod(inits=("prepare",)))
        once = a_pod(restartPolicy="Never")
        once["metadata"]["name"] = "once"
        await world.client.create(PODS, once)
        await world.advance(2)
        world.lose_node("n1")
        await world.settle()
        world.recover_node("n1")
        await world.advance(2)
        web, never = await world.client.get(PODS, KEY), await world.client.get(PODS, "default/once")
        (status,) = web.at("status.containerStatuses")
        assert (status["restartCount"], "running" in status["state"]) == (1, True)
        assert status["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
        assert web.at("status.initContainerStatuses")[0]["restartCount"] == 1
        assert never.at("status.phase") == "Failed"


async def test_a_pod_on_the_hosts_network_has_the_hosts_address() -> None:
    """Its own is none of the cluster's."""
    async with cluster() as world:
        pod = await started(world, a_pod(hostNetwork=True))
        assert pod.at("status.podIP") == pod.at("status.hostIP")
        assert pod.at("status.podIPs") == pod.at("status.hostIPs")


async def test_a_status_tells_which_generation_it_is_about() -> None:
    """In the whole, and in each condition of the kubelet's."""
    async with cluster() as world:
        pod = await started(world, a_pod())
        assert pod.at("status.observedGeneration") == 1
        patch = MergePatch({"spec": {"activeDeadlineSeconds": 1000}})
        await world.client.patch(PODS, KEY, patch)
        await world.settle()
        pod = await world.client.get(PODS, KEY)
        assert pod.at("status.observedGeneration") == pod.at("metadata.generation") == 2
        assert condition(pod, "Ready")["observedGeneration"] == 2


async def test_a_forced_delete_leaves_no_container_behind() -> None:
    """The pod is gone at once; its kubelet sees that, and stops what runs."""
    async with cluster() as world:
        pod = await started(world, a_pod())
        await world.client.delete(PODS, KEY, grace_period_s=0)
        await world.settle()
        with pytest.raises(NotFound):
            await world.client.get(PODS, KEY)
        assert told(world, "Killing") == ["spec.containers{web} Stopping container web"]
        assert world.runtime.state(ContainerId(pod.metadata.uid, "web")) is None


async def test_a_program_that_cannot_be_started_is_a_crash() -> None:
    """The container was made, so it has an end, and is tried again with growing waits."""
    async with cluster(web=Image(refuses="no such file")) as world:
        await started(world, a_pod())
        await world.advance(2)
        pod = await world.client.get(PODS, KEY)
        (status,) = pod.at("status.containerStatuses")
        assert status["state"]["waiting"]["reason"] == "RunContainerError"
        assert (status["lastState"]["terminated"]["exitCode"], status["restartCount"]) == (128, 1)
        assert status["lastState"]["terminated"]["reason"] == "StartError"
        assert pod.at("status.phase") == "Running"


async def test_where_nothing_is_restarted_a_program_that_cannot_be_started_is_the_end() -> None:
    """Its status says why."""
    async with cluster(web=Image(refuses="no such file")) as world:
        pod = await started(world, a_pod(restartPolicy="Never"))
        assert pod.at("status.phase") == "Failed"
        assert pod.at("status.containerStatuses")[0]["state"]["terminated"]["reason"] == "StartError"


async def test_a_container_gets_more_without_a_restart_unless_it_asks_for_one() -> None:
    """As `kubectl patch --subresource resize` has it."""
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    async with cluster() as world:
        pod = a_pod()
        amounts = {"requests": {"cpu": "1", "memory": "1Gi"}}
        pod["spec"]["containers"][0] |= {"resources": amounts, "resizePolicy": policy}
        await started(world, pod)
        for resource, size, restarts in (("cpu", "2", 0), ("memory", "2Gi", 1)):
            patch = {"spec": {"containers": [{"name": "web", "resources": {"requests": {resource: size}}}]}}
            await world.client.patch(PODS, KEY, StrategicMergePatch(patch), subresource="resize")
            await world.settle()
            (status,) = (await world.client.get(PODS, KEY)).at("status.containerStatuses")
            assert (status["restartCount"], status["allocatedResources"][resource]) == (restarts, size)
        assert len(told(world, "ResizeStarted")) == len(told(world, "ResizeCompleted")) == 2
        assert told(world, "Killing") == ["spec.containers{web} Container web resize requires restart"]


async def test_a_pod_that_is_deleted_while_its_image_is_pulled_ends_after_that() -> None:
    """As a kubelet does not give up what it has begun."""
    async with cluster(web=Image(pull=Pull(takes_s=60))) as world:
        await started(world, a_pod())
        await world.client.delete(PODS, KEY)
        await world.advance(59)
        assert await shown(world) == "Terminating"
        await world.advance(1)
        assert await world.client.list(PODS) == []
        assert told(world, "Started") == ["spec.containers{web} Container started"]


async def test_a_pod_of_which_somebody_says_that_it_has_failed_is_ended() -> None:
    """As one that is evicted by hand: its phase and reason stay, and nothing of it runs on."""
    async with cluster(web=Image(stops=Exits(after_s=2))) as world:
        await started(world, a_pod())
        failed = {"status": {"phase": "Failed", "reason": "Evicted", "message": "by hand"}}
        await world.client.patch(PODS, KEY, MergePatch(failed), subresource="status")
        await world.advance(3)
        pod = await world.client.get(PODS, KEY)
        assert (pod.at("status.phase"), pod.at("status.reason")) == ("Failed", "Evicted")
        assert "terminated" in pod.at("status.containerStatuses")[0]["state"]
        assert condition(pod, "Ready")["reason"] == "PodFailed"


async def test_a_rule_of_a_container_can_have_all_of_its_pod_start_anew() -> None:
    """From the first init container on, in the same pod, which goes on running."""
    rule = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [88]}}
    ends = {1: Exits(88, after_s=5), 2: Exits(0, after_s=500)}
    async with cluster(prepare=Image(exits=Exits(after_s=1)), trainer=Image(exits=ends)) as world:
        pod = a_pod("trainer", "web", inits=("prepare",), restartPolicy="Never")
        pod["spec"]["containers"][0] |= {"restartPolicy": "Never", "restartPolicyRules": [rule]}
        before = await started(world, pod)
        await world.advance(10)
        after = await world.client.get(PODS, KEY)
        statuses = [*after.at("status.initContainerStatuses"), *after.at("status.containerStatuses")]
        assert [(one["name"], one["restartCount"]) for one in statuses] == [("prepare", 1), ("trainer", 1), ("web", 1)]
        assert {one["lastState"]["terminated"]["reason"] for one in statuses} == {"RestartingAllContainers"}
        assert (after.at("status.phase"), after.at("status.podIP")) == ("Running", before.at("status.podIP"))
        assert condition(after, "AllContainersRestarting")["status"] == "False"
        assert told(world, "Killing") == ["spec.containers{web} killing"]


@pytest.mark.parametrize("phase", ["Pending", "Running"])
async def test_a_pod_that_was_read_from_a_real_cluster_gets_the_addresses_of_this_one(phase: str) -> None:
    """Those of the other cluster are replaced, of its node too; a strategic merge would keep them beside the new."""
    theirs = {"phase": phase, "hostIP": "10.0.0.9", "hostIPs": [{"ip": "10.0.0.9"}]}
    if phase == "Running":
        theirs |= {"podIP": "10.9.0.7", "podIPs": [{"ip": "10.9.0.7"}, {"ip": "fd00::7"}]}
    pod = a_pod(nodeName="n1") | {"apiVersion": "v1", "kind": "Pod", "status": theirs}
    pod["metadata"] |= {"uid": "6f0b2a3e-4a53-4f0e-9a5a-0c4d5a1d2b11"}
    async with World(pod, cluster=ALL, nodes=["n1"]) as world:
        await world.settle()
        status = (await world.client.get(PODS, KEY))["status"]
        assert (status["phase"], status["hostIPs"]) == ("Running", [{"ip": status["hostIP"]}])
        assert status["podIPs"] == [{"ip": status["podIP"]}]
        assert "10.0.0.9" not in str(status)


async def test_who_is_attached_to_a_program_is_not_told_how_it_ended() -> None:
    """As with a kubelet: attaching succeeds when the output ends; the exit code is in the pod's status."""
    async with cluster(web=Image(shell=True)) as world:
        pod = a_pod(restartPolicy="Never")
        pod["spec"]["containers"][0]["command"] = ["sh", "-c", "sleep 5; echo over; exit 3"]
        await started(world, pod)
        result = await world.client.attach(KEY)
        assert (result.stdout, result.exit_code) == (b"over\n", 0)
        await world.settle()
        (container,) = (await world.client.get(PODS, KEY)).at("status.containerStatuses")
        assert container["state"]["terminated"]["exitCode"] == 3


@pytest.mark.parametrize("kind", ["readinessProbe", "livenessProbe"])
@pytest.mark.parametrize("asks", [{"exec": {"command": ["check"]}}, {"tcpSocket": {"port": 80}}])
async def test_a_container_that_ends_at_the_moment_of_its_probe_is_not_asked(kind: str, asks: dict[str, Any]) -> None:
    """At 20 s it ends, and no failure counts for the run that follows."""
    probe = {**asks, "initialDelaySeconds": 5, "periodSeconds": 5, "failureThreshold": 50}
    async with cluster(web=Image(exits={1: Exits(1, after_s=20)}, probes=False)) as world:
        pod = a_pod()
        pod["spec"]["containers"][0][kind] = probe
        await world.client.create(PODS, pod)
        await world.pass_time(24)
        told = [one for one in world.tracker.list(EVENTS) if one["reason"] == "Unhealthy"]
        assert [one["count"] for one in told] == [3]
        assert told[0]["lastTimestamp"] == "2026-01-01T00:00:15Z"
