"""Volumes of pods in a World: what is missing holds a pod up, what changes is seen, what is kept outlives pods."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL
from ctrlkit.fakes.cluster.node.images.declarations import Image, Pull
from ctrlkit.fakes.cluster.node.programs import AlwaysReady
from ctrlkit.fakes.cluster.node.runtime import ContainerSpec
from ctrlkit.model import MergePatch, Options, Unstructured
from ctrlkit.model.kinds import (
    CONFIG_MAPS,
    EVENTS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    STATEFULSETS,
)

NODE = "ctrlkit-node"


class Programs:
    """What the containers of a World were started with, the latest first run of each last."""

    def __init__(self, world: World) -> None:
        self.specs: dict[str, ContainerSpec] = {}
        world.runtime.run_image("web", self._make)

    def _make(self, address: str, spec: ContainerSpec) -> AlwaysReady:
        self.specs[spec.id.name] = spec
        return AlwaysReady()

    def read(self, path: str, container: str = "c0") -> str:
        """Read a file as a container sees it."""
        return self.specs[container].files.read(path).decode()


def pod(name: str, *volumes: dict[str, Any], containers: int = 1, **spec: Any) -> dict[str, Any]:
    """A pod whose containers mount each volume at `/` and its name."""
    mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes]
    made = [{"name": f"c{number}", "image": "web", "volumeMounts": mounts} for number in range(containers)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": made, "volumes": list(volumes), **spec},
    }


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "default"}, "data": data}


def secret(name: str, **data: str) -> dict[str, Any]:
    plain = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}, "data": plain}


SETTINGS = {"name": "etc", "configMap": {"name": "web"}}


def phase(world: World, name: str = "web") -> str:
    """The phase of a pod, and why its first container waits."""
    found = world.tracker.get(PODS, f"default/{name}")
    statuses = found.at("status.containerStatuses") or [{}]
    waiting = statuses[0].get("state", {}).get("waiting") or {}
    return " ".join(filter(None, (found.at("status.phase"), waiting.get("reason", ""))))


def told(world: World, reason: str) -> list[tuple[str, int]]:
    """The texts of Events of a reason, and how often each was told."""
    found = [event for event in world.tracker.list(EVENTS) if event["reason"] == reason]
    return [(event["message"], event.get("count") or 1) for event in found]


async def test_a_mounted_config_map_is_renewed_when_the_minute_of_its_pod_is_over() -> None:
    """Not at once, and not below a subPath; a container that starts sees what there is then."""
    async with World(cluster=ALL) as world:
        programs = Programs(world)
        world.seed(config_map(port="80"))
        mounting = pod("web", SETTINGS)
        alone = {"name": "etc", "mountPath": "/port", "subPath": "port"}
        mounting["spec"]["containers"][0]["volumeMounts"].append(alone)
        world.seed(mounting)
        await world.settle()
        assert (programs.read("/etc/port"), phase(world)) == ("80", "Running")
        await world.advance("30s")
        world.tracker.patch(CONFIG_MAPS, "default/web", MergePatch({"data": {"port": "81", "host": "a"}}))
        await world.settle()
        assert programs.read("/etc/port") == "80"
        await world.advance("29s")
        assert programs.read("/etc/port") == "80"
        await world.advance("1s")
        assert (programs.read("/etc/port"), programs.read("/etc/host"), programs.read("/port")) == ("81", "a", "80")
        uid = world.tracker.get(PODS, "default/web").metadata.uid
        world.runtime.end(uid, 1)
        await world.settle()
        assert programs.read("/port") == "81"


async def test_a_secret_that_comes_late_lets_its_pod_start_at_the_next_try() -> None:
    """The tries are a half, one, two, four seconds apart; settle() does not wait for them."""
    async with World(cluster=ALL) as world:
        programs = Programs(world)
        world.seed(pod("web", {"name": "key", "secret": {"secretName": "login"}}))
        await world.settle()
        assert phase(world) == "Pending ContainerCreating"
        assert world.tracker.get(PODS, "default/web").at("status.podIP") is None
        text = 'MountVolume.SetUp failed for volume "key" : secret "login" not found'
        assert told(world, "FailedMount") == [(text, 1)]
        await world.advance("4s")
        assert told(world, "FailedMount") == [(text, 4)]
        world.seed(secret("login", user="bob"))
        await world.settle()
        await world.advance("3.4s")
        assert phase(world) == "Pending ContainerCreating"
        await world.advance("0.1s")
        assert (phase(world), programs.read("/key/user")) == ("Running", "bob")
        assert told(world, "FailedMount") == [(text, 4)]


async def test_a_missing_key_holds_a_pod_up_and_an_optional_one_does_not() -> None:
    async with World(cluster=ALL) as world:
        Programs(world)
        world.seed(config_map(port="80"))
        items = [{"key": "host", "path": "host"}]
        world.seed(pod("web", {"name": "etc", "configMap": {"name": "web", "items": items}}))
        world.seed(pod("other", {"name": "etc", "configMap": {"name": "web", "items": items, "optional": True}}))
        await world.settle()
        assert (phase(world), phase(world, "other")) == ("Pending ContainerCreating", "Running")
        text = 'MountVolume.SetUp failed for volume "etc" : configmap references non-existent config key: host'
        assert told(world, "FailedMount") == [(text, 1)]


async def test_a_volume_that_nobody_mounts_holds_nothing_up() -> None:
    """A kubelet looks at what its containers use."""
    async with World(cluster=ALL) as world:
        spare = pod("web", SETTINGS)
        spare["spec"]["containers"][0]["volumeMounts"] = []
        world.seed(spare)
        await world.settle()
        assert phase(world) == "Running"


async def test_containers_of_a_pod_share_an_empty_folder() -> None:
    async with World(cluster=ALL) as world:
        programs = Programs(world)
        world.seed(pod("web", {"name": "scratch", "emptyDir": {}}, containers=2))
        await world.settle()
        programs.specs["c0"].files.write("/scratch/x", b"1")
        assert programs.read("/scratch/x", "c1") == "1"


async def test_a_pod_that_puts_too_much_into_a_volume_is_evicted() -> None:
    """When a kubelet looks the next time; a volume in memory takes no more than it is to hold."""
    cache = {"name": "cache", "emptyDir": {"sizeLimit": "1Ki"}}
    memory = {"name": "shm", "emptyDir": {"sizeLimit": "1Ki", "medium": "Memory"}}
    async with World(cluster=ALL) as world:
        programs = Programs(world)
        world.seed(pod("web", cache, memory))
        await world.settle()
        files = programs.specs["c0"].files
        files.write("/shm/x", b"x" * 1024)
        with pytest.raises(OSError, match="No space left on device"):
            files.write("/shm/x", b"y", append=True)
        files.write("/cache/x", b"x" * 1024)
        await world.advance("1m")
        assert phase(world) == "Running"
        files.write("/cache/y", b"y")
        await world.advance("9s")
        assert phase(world) == "Running"
        await world.advance("2s")
        text = 'Usage of EmptyDir volume "cache" exceeds the limit "1Ki". '
        status = world.tracker.get(PODS, "default/web").at("status")
        assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", text)
        assert told(world, "Evicted") == [(text, 1)]


async def test_what_is_in_an_empty_dir_is_there_when_its_node_has_booted() -> None:
    """Not what was in memory, nor a container's own files."""
    memory = {"name": "shm", "emptyDir": {"medium": "Memory"}}
    async with World(cluster=ALL) as world:
        programs = Programs(world)
        world.seed(pod("web", {"name": "cache", "emptyDir": {}}, memory))
        await world.settle()
        for path in ("/cache/x", "/shm/x", "/tmp/x"):
            programs.specs["c0"].files.write(path, b"1")
        world.lose_node(NODE)
        await world.advance("10s")
        world.recover_node(NODE)
        await world.advance("20s")
        assert phase(world) == "Running"
        files = programs.specs["c0"].files
        assert [files.find(path) is not None for path in ("/cache/x", "/shm/x", "/tmp/x")] == [True, False, False]
        uid = world.tracker.get(PODS, "default/web").metadata.uid
        world.tracker.delete(PODS, "default/web")
        await world.settle()
        assert world.runtime.volumes.read(uid, "cache", "x") is None


async def test_labels_in_a_file_follow_the_pod_at_once() -> None:
    """A change of the pod itself is something that happens to it."""
    facts = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    async with World(cluster=ALL) as world:
        programs = Programs(world)
        world.seed(pod("web", {"name": "info", "downwardAPI": {"items": facts}}))
        await world.settle()
        assert programs.read("/info/labels") == 'app="web"'
        world.tracker.patch(PODS, "default/web", MergePatch({"metadata": {"labels": {"tier": "a"}}}))
        await world.settle()
        assert programs.read("/info/labels") == 'app="web"\ntier="a"'


async def test_a_config_map_that_goes_leaves_its_files_and_is_asked_for_again() -> None:
    """The pod runs on with what it has; what comes back is seen at the next try."""
    async with World(cluster=ALL) as world:
        programs = Programs(world)
        world.seed(config_map(port="80"), pod("web", SETTINGS))
        await world.settle()
        world.tracker.delete(CONFIG_MAPS, "default/web")
        await world.advance("60s")
        assert told(world, "FailedMount") == [
            ('MountVolume.SetUp failed for volume "etc" : configmap "web" not found', 1)
        ]
        assert (phase(world), programs.read("/etc/port")) == ("Running", "80")
        world.seed(config_map(port="81"))
        await world.advance("0.5s")
        assert programs.read("/etc/port") == "81"


async def test_a_config_map_that_never_changes_is_read_once() -> None:
    """Another one of its name is another one, which a pod that runs does not see."""
    async with World(cluster=ALL) as world:
        programs = Programs(world)
        world.seed({**config_map(port="80"), "immutable": True}, pod("web", SETTINGS))
        await world.settle()
        world.tracker.delete(CONFIG_MAPS, "default/web")
        world.seed(config_map(port="81"))
        await world.advance("5m")
        assert programs.read("/etc/port") == "80"
        assert told(world, "FailedMount") == []


def stateful(claim: dict[str, Any] | None = None) -> dict[str, Any]:
    """A StatefulSet whose pod has a claim of its own."""
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **(claim or {})}
    template = pod("web", {"name": "data", "persistentVolumeClaim": {"claimName": "data"}})
    template["spec"].pop("volumes")
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "net", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "serviceName": "net",
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": template["spec"]},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": asked}],
        },
    }


async def test_what_is_on_a_claim_outlives_its_pod_and_goes_with_its_volume() -> None:
    """The next pod of a StatefulSet finds it; the claim is deleted, then the volume, and with that its folder."""
    async with World(cluster=ALL) as world:
        programs = Programs(world)
        world.seed(stateful())
        await world.settle()
        programs.specs["c0"].files.write("/data/chain", b"1")
        first = world.tracker.get(PODS, "default/net-0").metadata.uid
        world.tracker.delete(PODS, "default/net-0")
        await world.settle()
        assert world.tracker.get(PODS, "default/net-0").metadata.uid != first
        assert programs.read("/data/chain") == "1"
        (volume,) = world.tracker.list(PERSISTENT_VOLUMES)
        kept = programs.specs["c0"].files
        world.tracker.delete(STATEFULSETS, "default/net")
        world.tracker.delete(PERSISTENT_VOLUME_CLAIMS, "default/data-net-0")
        await world.settle()
        assert volume.key not in {one.key for one in world.tracker.list(PERSISTENT_VOLUMES)}
        assert kept.find("/data/chain") is None


async def test_a_pod_that_was_bound_by_hand_waits_for_its_claim_in_the_kubelets_words() -> None:
    """It is looked at every ten seconds."""
    data = {"name": "data", "persistentVolumeClaim": {"claimName": "disk"}}
    async with World(cluster=ALL) as world:
        Programs(world)
        world.seed(pod("web", data, SETTINGS, nodeName=NODE), config_map(port="80"))
        await world.settle()
        text = (
            "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process "
            "volumes=[data]: error processing PVC default/disk: failed to fetch PVC from API server: "
            'persistentvolumeclaims "disk" not found'
        )
        assert told(world, "FailedMount") == [(text, 1)]
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "pv-1"},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "slow",
                "hostPath": {"path": "/mnt/disk"},
            },
        }
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "disk", "namespace": "default"},
            "spec": {**spec, "storageClassName": "slow"},
        }
        world.seed(volume, claim)
        await world.advance("9s")
        assert phase(world) == "Pending ContainerCreating"
        await world.advance("1s")
        assert phase(world) == "Running"


async def test_a_token_is_one_for_its_pod_and_renewed_when_most_of_its_time_is_over() -> None:
    """Four fifths of the hour that it holds; a pod whose account is missing waits for it."""
    wish = {"serviceAccountToken": {"audience": "vault", "expirationSeconds": 3600, "path": "token"}}
    async with World(cluster=ALL) as world:
        programs = Programs(world)
        world.seed(pod("web", {"name": "id", "projected": {"sources": [wish]}}, serviceAccountName="bot"))
        await world.settle()
        text = 'MountVolume.SetUp failed for volume "id" : failed to fetch token: serviceaccounts "bot" not found'
        assert told(world, "FailedMount") == [(text, 1)]
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot", "namespace": "default"}}
        world.seed(account)
        await world.advance("0.5s")
        assert SERVICE_ACCOUNTS.kind == "ServiceAccount"
        first = programs.read("/id/token")
        assert base64.urlsafe_b64decode(first.split(".")[1] + "==").find(b'"vault"') > 0
        await world.advance(2879)
        assert programs.read("/id/token") == first
        await world.advance(1)
        assert programs.read("/id/token") != first


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            {"hostPath": {"path": "/srv/none", "type": "Directory"}},
            'MountVolume.SetUp failed for volume "v" : hostPath type check failed: /srv/none is not a directory',
        ),
        (
            {"csi": {"driver": "secrets.example.com"}},
            'MountVolume.SetUp failed for volume "v" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: '
            "driver name secrets.example.com not found in the list of registered CSI drivers",
        ),
        (
            {"rbd": {"monitors": ["m"], "image": "i"}},
            "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process "
            'volumes=[v]: failed to get Plugin from volumeSpec for volume "v" err=no volume plugin matched',
        ),
    ],
)
async def test_a_volume_that_cannot_be_had_is_told_and_tried_again(source: dict[str, Any], text: str) -> None:
    async with World(cluster=ALL) as world:
        world.seed(pod("web", {"name": "v", **source}))
        await world.settle()
        assert (phase(world), told(world, "FailedMount")) == ("Pending ContainerCreating", [(text, 1)])
        await world.advance("10s")
        assert told(world, "FailedMount")[0][1] > 1


async def test_a_disk_of_a_driver_that_nobody_runs_is_waited_for() -> None:
    """The control plane says so after two minutes, again and again; the kubelet says nothing."""
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "pv-1"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "slow",
            "csi": {"driver": "disk.example.com", "volumeHandle": "h1"},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "disk", "namespace": "default"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "slow",
        },
    }
    async with World(cluster=ALL) as world:
        world.seed(volume, claim, pod("web", {"name": "data", "persistentVolumeClaim": {"claimName": "disk"}}))
        await world.advance("119s")
        assert (phase(world), told(world, "FailedAttachVolume")) == ("Pending ContainerCreating", [])
        await world.advance("1s")
        text = (
            'AttachVolume.Attach failed for volume "pv-1" : timed out waiting for external-attacher of '
            "disk.example.com CSI driver to attach volume h1"
        )
        assert (told(world, "FailedAttachVolume"), told(world, "FailedMount")) == ([(text, 1)], [])


async def test_a_disk_follows_the_pod_of_a_lost_node_six_minutes_after_that_pod_is_gone() -> None:
    """A claim of a cloud's driver; until then the new pod says which disk it waits for."""
    fast = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "fast"},
        "provisioner": "ebs.csi.aws.com",
    }
    async with World(cluster=ALL, nodes=2) as world:
        programs = Programs(world)
        world.seed(fast, stateful({"storageClassName": "fast"}))
        await world.settle()
        programs.specs["c0"].files.write("/data/chain", b"1")
        found = world.tracker.get(PODS, "default/net-0")
        node, uid = found.at("spec.nodeName"), found.metadata.uid
        assert [text for text, _ in told(world, "SuccessfulAttachVolume")] == [
            f'AttachVolume.Attach succeeded for volume "pvc-{claim_uid(world)}" '
        ]
        world.lose_node(node)
        await world.advance("1m")
        await world.client.delete(PODS, "default/net-0", grace_period_s=0)
        await world.advance("5m")
        assert phase(world, "net-0") == "Pending ContainerCreating"
        text = "Volume is already exclusively attached to one node and can't be attached to another"
        assert told(world, "FailedAttachVolume") == [
            (f'Multi-Attach error for volume "pvc-{claim_uid(world)}" {text}', 1)
        ]
        await world.advance("2m")
        found = world.tracker.get(PODS, "default/net-0")
        assert (found.at("status.phase"), found.metadata.uid == uid) == ("Running", False)
        assert programs.read("/data/chain") == "1"


def claim_uid(world: World) -> str:
    """The uid of the claim of a StatefulSet's pod."""
    return world.tracker.get(PERSISTENT_VOLUME_CLAIMS, "default/data-net-0").metadata.uid


async def test_a_volume_that_is_an_image_is_pulled_before_the_container_that_mounts_it() -> None:
    """What is told of it is told of the pod; a pull that fails holds the container up, as one of its own image."""
    async with World(cluster=ALL) as world:
        programs = Programs(world)
        world.images["model:1"] = Image(pull=Pull(error="no such model", failures=1))
        world.seed(pod("web", {"name": "model", "image": {"reference": "model:1", "pullPolicy": "IfNotPresent"}}))
        await world.settle()
        assert phase(world) == "Pending ErrImagePull"
        assert ('Failed to pull image "model:1": no such model', 1) in told(world, "Failed")
        await world.advance("30s")
        assert phase(world) == "Running"
        assert programs.specs["c0"].files.names("/model") == []
        with pytest.raises(OSError, match="Read-only"):
            programs.specs["c0"].files.write("/model/x", b"")


async def test_variables_tell_of_the_pod_its_services_and_its_host_name() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 5432}]},
    }
    async with World(cluster=ALL) as world:
        programs = Programs(world)
        world.seed(service)
        made = pod("web")
        made["spec"]["containers"][0]["env"] = [
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "DB", "value": "postgres://$(DB_SERVICE_HOST):$(DB_SERVICE_PORT)"},
        ]
        world.seed(made)
        await world.settle()
        found = programs.specs["c0"].environment
        wanted = {"NODE": NODE, "CPUS": "64", "DB": "postgres://10.96.0.9:5432", "HOSTNAME": "web"}
        assert {name: found[name] for name in wanted} == wanted
        assert SECRETS.kind == "Secret"
        assert isinstance(world.tracker.get(PODS, "default/web"), Unstructured)


def scripted(name: str, script: str, **fields: Any) -> dict[str, Any]:
    """A container of a small script."""
    return {"name": name, "image": "busybox", "command": ["sh", "-c", script], **fields}


async def test_scripts_read_and_write_volumes_and_print_what_is_in_them() -> None:
    """An init container makes a file, from which the next one has a variable; the last words are those of the file."""
    out = {"volumeMounts": [{"name": "out", "mountPath": "/out"}]}
    reference = {"volumeName": "out", "path": "made", "key": "COLOUR"}
    variable = {"name": "COLOUR", "valueFrom": {"fileKeyRef": reference}}
    key = {"volumeMounts": [{"name": "key", "mountPath": "/key"}], "env": [variable]}
    script = "echo $COLOUR; cat /key/password; echo done > /dev/termination-log; exit 3"
    body = pod("web", {"name": "out", "emptyDir": {}}, {"name": "key", "secret": {"secretName": "login"}})
    body["spec"]["initContainers"] = [scripted("first", "echo \"COLOUR='blue'\" > /out/made", **out)]
    body["spec"]["containers"] = [scripted("app", script, **key)]
    body["spec"]["restartPolicy"] = "Never"
    async with World(cluster=ALL) as world:
        world.seed(secret("login", password="hunter2"), body)
        await world.advance("10s")
        (status,) = world.tracker.get(PODS, "default/web").at("status.containerStatuses")
        ended = status["state"]["terminated"]
        assert (ended["exitCode"], ended["message"].strip()) == (3, "done")
        assert (await world.client.logs("default/web")).split() == ["blue", "hunter2"]
        assert "hunter2" not in str(world.tracker.list(EVENTS))


async def test_words_that_a_secret_has_too_are_left_in_what_a_container_writes() -> None:
    """In its log, in commands, in its last words and in Events of its probes: a kubelet hides nothing."""
    reference = {"secretKeyRef": {"name": "login", "key": "user"}}
    script = "echo connecting as $USER to web-frontend; sleep 5; exit 1"
    fields: dict[str, Any] = {
        "env": [{"name": "USER", "valueFrom": reference}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "readinessProbe": {"exec": {"command": ["sh", "-c", "echo no web-frontend; exit 1"]}, "periodSeconds": 1},
    }
    body = pod("web")
    body["spec"]["containers"] = [scripted("app", script, **fields)]
    body["spec"]["restartPolicy"] = "Never"
    async with World(cluster=ALL) as world:
        world.seed(secret("login", user="web"), body)
        await world.advance("3s")
        assert await world.client.logs("default/web") == "connecting as web to web-frontend\n"
        assert (await world.client.exec("default/web", ["echo", "web-frontend"])).stdout == b"web-frontend\n"
        assert "no web-frontend" in str(world.tracker.list(EVENTS))
        await world.advance("10s")
        (status,) = world.tracker.get(PODS, "default/web").at("status.containerStatuses")
        assert status["state"]["terminated"]["message"] == "connecting as web to web-frontend\n"


async def test_a_command_in_a_container_sees_its_volumes() -> None:
    """As `kubectl exec web -- cat /etc/port` does; nothing is written through a mount that is read only."""
    body = pod("web", SETTINGS)
    body["spec"]["containers"][0] |= {"image": "busybox", "command": ["sleep", "3600"]}
    async with World(cluster=ALL) as world:
        world.seed(config_map(port="80"), body)
        await world.settle()
        read = await world.client.exec("default/web", ["cat", "/etc/port"])
        assert (read.exit_code, read.stdout) == (0, b"80")
        written = await world.client.exec("default/web", ["sh", "-c", "echo 81 > /etc/port"])
        assert written.exit_code != 0
        assert b"Read-only file system" in written.stderr


async def test_a_disk_is_let_go_by_a_lost_node_when_it_boots_without_its_pods() -> None:
    """Not minutes later: the pod that waits for it on another node has it at once, with what was written."""
    disks = {"kind": "StorageClass", "metadata": {"name": "disks"}, "provisioner": "hostpath.csi.k8s.io"}
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "disks",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "default"}, "spec": spec}
    data = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    async with World(cluster=ALL, nodes=2) as world:
        programs = Programs(world)
        world.seed({"apiVersion": "storage.k8s.io/v1", **disks}, {"apiVersion": "v1", **claim}, pod("web", data))
        await world.settle()
        programs.specs["c0"].files.write("/data/x", b"1")
        node = world.tracker.get(PODS, "default/web").at("spec.nodeName")
        world.lose_node(node)
        world.tracker.delete(NODES, node)
        world.tracker.delete(PODS, "default/web", Options(grace_period_s=0))
        world.seed(pod("web", data))
        await world.advance("3s")
        assert phase(world) == "Pending ContainerCreating"
        world.recover_node(node)
        await world.settle()
        assert phase(world) == "Running"
        assert world.tracker.get(PODS, "default/web").at("spec.nodeName") != node
        assert programs.specs["c0"].files.read("/data/x") == b"1"
