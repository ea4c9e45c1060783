"""What a runtime is told of a container: its host name, and mounts that stay in their volumes."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL
from ctrlkit.fakes.cluster.node.programs import AlwaysReady
from ctrlkit.fakes.cluster.node.runtime import ContainerSpec, Mount
from ctrlkit.fakes.cluster.node.specs import hostname
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import PODS


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({}, "web-0"),
        ({"hostname": "first"}, "first"),
        ({"hostname": "first", "hostnameOverride": "a.example.com"}, "a.example.com"),
        ({"hostNetwork": True, "nodeName": "n1"}, "n1"),
        ({"hostname": "x" * 62 + "-yz"}, "x" * 62),
    ],
)
def test_a_pod_has_a_host_name(spec: dict[str, Any], name: str) -> None:
    """Its own, the one that it asks for, or its node's; no longer than 63 letters."""
    assert hostname(Unstructured({"metadata": {"name": "web-0"}, "spec": spec})) == name


async def started(world: World, container: dict[str, Any], **spec: Any) -> list[ContainerSpec]:
    """Start a pod of one container; return what it was started with."""
    seen: list[ContainerSpec] = []

    def make(address: str, spec: ContainerSpec) -> AlwaysReady:
        seen.append(spec)
        return AlwaysReady()

    world.images["web"] = make
    made = {"name": "web", "image": "web", **container}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}}
    world.seed({**body, "spec": {"containers": [made], "volumes": [{"name": "data", "emptyDir": {}}], **spec}})
    await world.settle()
    return seen


async def test_a_container_s_spec_says_all_that_a_runtime_needs() -> None:
    """Mounts with their subPaths, whose variables are filled in; directory, terminal and termination message."""
    mounts = [
        {"name": "data", "mountPath": "/data", "readOnly": True},
        {"name": "data", "mountPath": "/log", "subPathExpr": "logs/$(POD)"},
    ]
    container = {
        "volumeMounts": mounts,
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "workingDir": "/srv",
        "command": ["serve", "$(POD)"],
        "tty": True,
        "stdin": True,
        "terminationMessagePath": "/last",
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    async with World(cluster=ALL) as world:
        (spec,) = await started(world, container)
        assert spec.mounts == (
            Mount(path="/data", volume="data", read_only=True),
            Mount(path="/log", volume="data", sub_path="logs/web"),
        )
        assert (spec.command, spec.working_dir, spec.tty, spec.stdin) == (("serve", "web"), "/srv", True, True)
        assert (spec.termination_message_path, spec.termination_message_policy) == ("/last", "FallbackToLogsOnError")


@pytest.mark.parametrize(
    ("expression", "value", "text"),
    [
        ("$(WHERE)", "/etc", "error SubPath `/etc` must not be an absolute path"),
        ("$(WHERE)", "../etc", "unable to provision SubPath `../etc`: must not contain '..'"),
        ("$(NONE)", "", "missing value for NONE"),
    ],
)
async def test_a_sub_path_that_leads_out_of_its_volume_keeps_the_container_from_starting(
    expression: str, value: str, text: str
) -> None:
    """Only variables can make one; others are refused by the server."""
    mounts = [{"name": "data", "mountPath": "/data", "subPathExpr": expression}]
    async with World(cluster=ALL) as world:
        assert await started(world, {"volumeMounts": mounts, "env": [{"name": "WHERE", "value": value}]}) == []
        (status,) = world.tracker.get(PODS, "default/web").at("status.containerStatuses")
        assert status["state"]["waiting"] == {"reason": "CreateContainerConfigError", "message": text}


NOT_ROOT = {"runAsNonRoot": True}


@pytest.mark.parametrize(
    ("own", "shared", "starts"),
    [
        ({"runAsUser": 0}, NOT_ROOT, False),
        ({**NOT_ROOT, "runAsUser": 0}, {"runAsUser": 1000}, False),
        (NOT_ROOT, {"runAsUser": 0}, False),
        ({"runAsUser": 1000}, {**NOT_ROOT, "runAsUser": 0}, True),
        ({"runAsNonRoot": False, "runAsUser": 0}, NOT_ROOT, True),
        ({}, NOT_ROOT, True),
    ],
)
async def test_a_container_that_must_not_be_root_is_not_started_as_root(
    own: dict[str, Any], shared: dict[str, Any], *, starts: bool
) -> None:
    """What the container says goes before what its pod says; the user of an image is not known, and passes."""
    async with World(cluster=ALL) as world:
        seen = await started(world, {"securityContext": own}, securityContext=shared)
        (status,) = world.tracker.get(PODS, "default/web").at("status.containerStatuses")
        assert bool(seen) is starts
        if not starts:
            uid = world.tracker.get(PODS, "default/web").metadata.uid
            assert status["state"]["waiting"] == {
                "reason": "CreateContainerConfigError",
                "message": f'container\'s runAsUser breaks non-root policy (pod: "web_default({uid})", container: web)',
            }
