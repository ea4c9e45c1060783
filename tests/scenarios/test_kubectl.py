"""kubectl against the embedded API server: what people do with it, and what they read."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from ctrlkit.clock import now
from ctrlkit.errors import NotFound
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.tracker import Tracker, version_at
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, EVENTS, PODS, SERVICES, STATEFULSETS
from tests.support.kubectl import KUBECTL, needs_kubectl

pytestmark = [pytest.mark.real_time, needs_kubectl]

DEADLINE_S = 20.0

MESH_DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "meshes.nets.example.com"},
    "spec": {
        "group": "nets.example.com",
        "scope": "Namespaced",
        "names": {"plural": "meshes", "singular": "mesh", "kind": "Mesh", "shortNames": ["me"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.nodes", "statusReplicasPath": ".status.nodes"},
                },
                "additionalPrinterColumns": [
                    {"name": "Nodes", "type": "integer", "jsonPath": ".spec.nodes"},
                    {
                        "name": "Available",
                        "type": "string",
                        "jsonPath": '.status.conditions[?(@.type=="Available")].status',
                    },
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"nodes": {"type": "integer"}}},
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}
MESH = {"apiVersion": "nets.example.com/v1", "kind": "Mesh", "metadata": {"name": "one"}, "spec": {"nodes": 3}}
POD_SPEC = {"containers": [{"name": "node", "image": "example/node:1"}]}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-0", "namespace": "default", "labels": {"app": "web"}},
    "spec": POD_SPEC,
}
STATEFUL_SET = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 2,
        "serviceName": "web",
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": POD_SPEC},
    },
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"clusterIP": "None", "selector": {"app": "web"}, "ports": [{"port": 18444, "protocol": "TCP"}]},
}


class Said(NamedTuple):
    """What a kubectl that ended left behind."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The words of each line it printed."""
        return [line.split() for line in self.out.splitlines()]


class Kubectl:
    """Runs kubectl with a kubeconfig, and with a home of its own so that nothing is remembered between tests."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self.kubeconfig: Path = kubeconfig
        self._arguments = ("--kubeconfig", str(kubeconfig), "--cache-dir", str(home / "cache"))
        self._environment = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin"}

    async def try_to(self, *arguments: str, stdin: str = "") -> Said:
        """Run to the end, whatever it says."""
        async with asyncio.timeout(DEADLINE_S), self.running(*arguments) as process:
            out, err = await process.communicate(stdin.encode())
            return Said(process.returncode or 0, out.decode(), err.decode())

    async def __call__(self, *arguments: str, stdin: str = "") -> Said:
        """Run to the end; it must succeed."""
        said = await self.try_to(*arguments, stdin=stdin)
        assert said.status == 0, f"kubectl {' '.join(arguments)}: {said.err}"
        return said

    async def create(self, *things: object) -> None:
        """`kubectl create -f -` of some objects."""
        await self("create", "-f", "-", stdin=yaml.safe_dump_all(things))

    @asynccontextmanager
    async def running(self, *arguments: str) -> AsyncIterator[Process]:
        """Run while the block lasts."""
        process = await asyncio.create_subprocess_exec(
            KUBECTL, *self._arguments, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=self._environment
        )
        try:
            yield process
        finally:
            await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def read_words(process: Process) -> list[str]:
    """The words of the next line a process prints."""
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        return (await process.stdout.readline()).decode().split()


@pytest.fixture
async def tracker() -> Tracker:
    """What the server holds."""
    return Tracker()


@pytest.fixture
async def kubectl(tracker: Tracker, tmp_path: Path) -> AsyncIterator[Kubectl]:
    """kubectl, and a server for it."""
    async with ApiServer(tracker, tracker.registry).serve() as server:
        server.write_kubeconfig(tmp_path / "kubeconfig")
        yield Kubectl(tmp_path / "kubeconfig", tmp_path)


async def test_a_custom_kind_from_its_definition_to_its_end(kubectl: Kubectl, tracker: Tracker) -> None:
    """Create, show, describe, scale, patch, delete: kubectl knows the kind as soon as its definition is there."""
    assert (await kubectl.try_to("get", "meshes")).status == 1
    await kubectl.create(MESH_DEFINITION)
    await kubectl("wait", "crd/meshes.nets.example.com", "--for=condition=Established", "--timeout=10s")
    await kubectl.create(MESH)
    resource = next(served.resource for served in tracker.registry.served() if served.resource.plural == "meshes")
    status = {"conditions": [{"type": "Available", "status": "True"}]}
    tracker.patch(resource, "default/one", MergePatch({"status": status}), subresource="status")

    assert (await kubectl("get", "me")).rows == [["NAME", "NODES", "AVAILABLE"], ["one", "3", "True"]]
    assert (await kubectl("get", "mesh", "one", "-o", "name")).out == "mesh.nets.example.com/one\n"
    assert json.loads((await kubectl("get", "mesh", "one", "-o", "json")).out)["spec"] == {"nodes": 3}
    described = (await kubectl("describe", "mesh", "one")).rows
    assert ["Kind:", "Mesh"] in described
    assert ["Nodes:", "3"] in described

    await kubectl("scale", "mesh", "one", "--replicas=5")
    assert tracker.get(resource, "default/one").at("spec.nodes") == 5
    await kubectl("patch", "mesh", "one", "--type=merge", "-p", '{"spec": {"nodes": 2}}')
    assert tracker.get(resource, "default/one").at("spec.nodes") == 2

    await kubectl("delete", "mesh", "one")
    with pytest.raises(NotFound):
        tracker.get(resource, "default/one")


async def test_built_in_kinds_are_shown_as_a_real_server_shows_them(kubectl: Kubectl) -> None:
    """Tables of the server, wide ones too, and the whole objects as YAML."""
    await kubectl.create(STATEFUL_SET, SERVICE, POD)

    pods = (await kubectl("get", "pods", "-o", "wide", "--show-labels")).rows
    assert pods[1][:4] == ["web-0", "0/1", "Pending", "0"]
    assert pods[1][-1] == "app=web"
    assert (await kubectl("get", "sts")).rows[1][:2] == ["web", "0/2"]
    service = (await kubectl("get", "svc", "web")).rows[1]
    assert service[-4:-1] == ["None", "<none>", "18444/TCP"]
    everything = (await kubectl("get", "all", "-o", "name")).out.split()
    assert everything == ["pod/web-0", "service/web", "statefulset.apps/web"]
    pod = yaml.safe_load((await kubectl("get", "pod", "web-0", "-o", "yaml")).out)
    assert (pod["kind"], pod["metadata"]["labels"]) == ("Pod", {"app": "web"})
    selected = await kubectl("get", "pods", "-A", "-l", "app=web", "--field-selector=metadata.name=web-0", "-o", "name")
    assert selected.out == "pod/web-0\n"


async def test_describe_finds_the_events_of_its_object(kubectl: Kubectl, tracker: Tracker) -> None:
    """By field selectors over the object's name, namespace and uid."""
    await kubectl.create(STATEFUL_SET, SERVICE, POD)
    uid = tracker.get(PODS, "default/web-0").metadata.uid
    about = {"apiVersion": "v1", "kind": "Pod", "name": "web-0", "namespace": "default", "uid": uid}
    seen = {"firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z", "count": 1}
    words = {"type": "Normal", "reason": "Started", "message": "started the node", "source": {"component": "kubelet"}}
    tracker.create(
        EVENTS, {"metadata": {"name": "e", "namespace": "default"}, "involvedObject": about, **seen, **words}
    )

    described = (await kubectl("describe", "pod", "web-0")).out
    assert "started the node" in described
    assert "kubelet" in described
    assert ["Replicas:", "2", "desired", "|", "0", "total"] in (await kubectl("describe", "sts", "web")).rows
    assert ["Selector:", "app=web"] in (await kubectl("describe", "svc", "web")).rows
    assert (await kubectl("get", "events")).rows[1][-3:] == ["started", "the", "node"]
    assert "started the node" in (await kubectl("events", "--for", "pod/web-0")).out


async def test_objects_are_changed_with_every_kind_of_patch(kubectl: Kubectl, tracker: Tracker) -> None:
    """Label, annotate, scale, strategic and JSON patches, apply."""
    await kubectl.create(STATEFUL_SET, POD)

    await kubectl("label", "pod", "web-0", "color=red")
    await kubectl("annotate", "pod", "web-0", "note=n")
    await kubectl("scale", "sts", "web", "--replicas=4")
    assert tracker.get(STATEFULSETS, "default/web").at("spec.replicas") == 4
    await kubectl("patch", "sts", "web", "-p", '{"spec": {"replicas": 3}}')
    assert tracker.get(STATEFULSETS, "default/web").at("spec.replicas") == 3
    operation = '[{"op": "replace", "path": "/spec/replicas", "value": 1}]'
    await kubectl("patch", "sts", "web", "--type=json", "-p", operation)
    assert tracker.get(STATEFULSETS, "default/web").at("spec.replicas") == 1
    metadata = tracker.get(PODS, "default/web-0").metadata
    assert (metadata.labels, metadata.annotations) == ({"app": "web", "color": "red"}, {"note": "n"})

    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}}
    for value in ("v", "w"):
        text = yaml.safe_dump({**config_map, "data": {"k": value}})
        await kubectl("apply", "-f", "-", stdin=text)
        assert tracker.get(CONFIG_MAPS, "default/c").at("data.k") == value


async def test_kubectl_leaves_validation_to_the_server(kubectl: Kubectl, tracker: Tracker) -> None:
    """Without a flag a misspelt field is refused, by the server's own sentence, and nothing is made."""
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "dta": {"k": "v"}})
    said = await kubectl.try_to("apply", "-f", "-", stdin=text)
    assert said.status == 1
    assert 'strict decoding error: unknown field "dta"' in said.err
    assert tracker.list(CONFIG_MAPS, "default") == []


async def test_get_watch_prints_each_change_as_it_happens(kubectl: Kubectl, tracker: Tracker) -> None:
    """One line for what is there, one for each change; the stream's end is kubectl's end."""
    tracker.create(PODS, POD)
    async with kubectl.running("get", "pods", "-w", "--output-watch-events") as process:
        assert (await read_words(process))[:2] == ["EVENT", "NAME"]
        assert (await read_words(process))[:4] == ["ADDED", "web-0", "0/1", "Pending"]
        tracker.patch(PODS, "default/web-0", MergePatch({"status": {"phase": "Running"}}), subresource="status")
        assert (await read_words(process))[:4] == ["MODIFIED", "web-0", "0/1", "Running"]
        tracker.create(PODS, {**POD, "metadata": {"name": "web-1", "namespace": "default"}})
        assert (await read_words(process))[:4] == ["ADDED", "web-1", "0/1", "Pending"]
        tracker.delete(PODS, "default/web-1")
        async with asyncio.timeout(DEADLINE_S):
            while (words := await read_words(process))[:2] != ["DELETED", "web-1"]:
                assert words[:2] == ["MODIFIED", "web-1"]


async def test_delete_waits_until_the_object_is_gone(kubectl: Kubectl, tracker: Tracker) -> None:
    """A finalizer holds both the object and kubectl; --wait=false does not wait."""
    metadata = {"name": "held", "namespace": "default", "finalizers": ["example.com/hold"]}
    tracker.create(CONFIG_MAPS, {"metadata": metadata})

    await kubectl("delete", "cm", "held", "--wait=false")
    assert tracker.get(CONFIG_MAPS, "default/held").metadata.deleting
    async with kubectl.running("delete", "cm", "held") as process:
        assert (await read_words(process))[:3] == ["configmap", '"held"', "deleted"]
        assert process.returncode is None
        tracker.patch(CONFIG_MAPS, "default/held", MergePatch({"metadata": {"finalizers": None}}))
        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 0
    with pytest.raises(NotFound):
        tracker.get(CONFIG_MAPS, "default/held")


@pytest.mark.parametrize(
    ("cascade", "finalizers"),
    [("background", None), ("orphan", ("orphan",)), ("foreground", ("foregroundDeletion",))],
)
async def test_delete_passes_on_what_becomes_of_dependents(
    cascade: str, finalizers: tuple[str, ...] | None, kubectl: Kubectl, tracker: Tracker
) -> None:
    """--cascade is the propagation policy; without a collector its finalizer stays."""
    tracker.create(SERVICES, SERVICE)

    await kubectl("delete", "svc", "web", f"--cascade={cascade}", "--wait=false")

    if finalizers is None:
        with pytest.raises(NotFound):
            tracker.get(SERVICES, "default/web")
    else:
        assert tracker.get(SERVICES, "default/web").metadata.finalizers == finalizers


async def test_kubectl_learns_what_the_server_is_and_serves(kubectl: Kubectl) -> None:
    """Version, cluster-info, api-resources and api-versions."""
    version = json.loads((await kubectl("version", "-o", "json")).out)
    assert version["serverVersion"]["major"] == "1"
    assert "is running at" in (await kubectl("cluster-info")).out
    resources = (await kubectl("api-resources", "--no-headers")).rows
    assert ["statefulsets", "sts", "apps/v1", "true", "StatefulSet"] in resources
    assert ["namespaces", "ns", "v1", "false", "Namespace"] in resources
    assert "coordination.k8s.io/v1" in (await kubectl("api-versions")).out.split()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("get", "pod", "nope"), 'Error from server (NotFound): pods "nope" not found'),
        (("get", "widgets"), "the server doesn't have a resource type"),
        (("delete", "sts", "nope"), 'Error from server (NotFound): statefulsets.apps "nope" not found'),
    ],
)
async def test_refusals_read_as_a_real_servers(arguments: tuple[str, ...], complaint: str, kubectl: Kubectl) -> None:
    """What people know from clusters is what they see here."""
    said = await kubectl.try_to(*arguments)
    assert said.status == 1
    assert complaint in said.err


async def test_the_command_serves_a_cluster_until_it_is_told_to_end(tmp_path: Path) -> None:
    """`ready URL` first, pods that get ready, and an end with status 0 though a watch is open."""
    kubeconfig, began_at = tmp_path / "kubeconfig", version_at(now())
    code = (
        "import sys, argparse; from ctrlkit.fakes.command import COMMAND; "
        "parser = argparse.ArgumentParser(); COMMAND.configure(parser); sys.exit(COMMAND.run(parser.parse_args()))"
    )
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "--kubeconfig", str(kubeconfig), stdout=PIPE, cwd=Path(__file__).parents[2]
    )
    try:
        ready = await read_words(server)
        assert (ready[0], ready[1][:18]) == ("ready", "https://127.0.0.1:")
        await read_words(server)
        kubectl = Kubectl(kubeconfig, tmp_path)
        version = (await kubectl("get", "ns/default", "-o", "jsonpath={.metadata.resourceVersion}")).out
        assert int(version) > began_at, "no server before this one can have given it out"
        await kubectl.create(STATEFUL_SET, SERVICE)
        await kubectl("wait", "sts/web", "--for=jsonpath={.status.readyReplicas}=2", "--timeout=15s")
        async with kubectl.running("get", "pods", "-w") as watch:
            assert (await read_words(watch))[0] == "NAME"
            server.send_signal(signal.SIGTERM)
            async with asyncio.timeout(DEADLINE_S):
                assert await server.wait() == 0
                await watch.wait()
    finally:
        await _end(server)


async def test_a_definition_and_its_objects_go_together(kubectl: Kubectl, tracker: Tracker) -> None:
    """Deleting the definition takes the kind out of discovery."""
    await kubectl.create(MESH_DEFINITION)
    await kubectl("delete", "crd", "meshes.nets.example.com", "--wait=false")
    held = [item.key.name for item in tracker.list(CUSTOM_RESOURCE_DEFINITIONS)]
    assert held == []
    assert "meshes" not in (await kubectl("api-resources", "-o", "name")).out
