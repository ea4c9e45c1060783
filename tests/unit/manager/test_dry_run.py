"""Dry runs: nothing is written, each write is told, and the program goes on as if it had been."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit.client import Client
from ctrlkit.controller import DONE
from ctrlkit.errors import AlreadyExists, Conflict, Invalid, NotFound
from ctrlkit.events import EventType
from ctrlkit.fakes import World
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.kinds import apps, core
from ctrlkit.manager import Context, Manager, reconciler
from ctrlkit.manager.dry_run import DryRunMode, dry_run
from ctrlkit.model import JsonPatch, MergePatch, ObjectMeta, StrategicMergePatch
from ctrlkit.model.kinds import CONFIG_MAPS, PODS, SECRETS
from tests.support.greetings import GREETINGS, greeting

A = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "demo"}, "data": {"k": "v"}}
B = {**A, "metadata": {"name": "b", "namespace": "demo"}}


async def test_a_program_reads_and_says_what_it_would_write() -> None:
    """It reconciles, makes children and Events, waits for nothing, and the server is as it was."""

    @reconciler(GREETINGS, owns=[apps.DEPLOYMENTS])
    async def greet(_greeting: Any, context: Context) -> Any:
        template = core.PodTemplateSpec(metadata=ObjectMeta(labels={"a": "b"}), spec=core.PodSpec(containers=()))
        spec = apps.DeploymentSpec(replicas=3, selector=core.LabelSelector(match_labels={"a": "b"}), template=template)
        made = await context.apply(apps.DEPLOYMENTS, apps.Deployment(metadata=ObjectMeta(), spec=spec))
        assert (made.metadata.name, made.spec.replicas) == ("hello", 3)
        await context.set_status({"ready": 3})
        context.event(EventType.NORMAL, "Made", "a deployment")
        return DONE

    @greet.finalizer("demo.example.com/x")
    async def clean(_greeting: Any, _context: Context) -> Any:
        raise AssertionError("nothing is deleted")

    async with World(greeting(), kinds=[GREETINGS]) as world:
        client = Client(dry_run(DryRunMode.CLIENT)(world.clientset), field_manager="greet")
        manager = Manager(client, grace_s=0)
        manager.add(greet(manager))
        with capture_logs() as logs:
            world.start(manager)
            await world.pass_time("30s")
        told = [
            (each["verb"], each["kind"], each["key"], each["changes"])
            for each in logs
            if each["event"] == "write_not_sent"
        ]
        assert told == [
            ("patch", "Greeting", "demo/hello", ["metadata.finalizers added"]),
            ("patch", "Deployment", "demo/hello", told[1][3]),
            ("patch", "Greeting/status", "demo/hello", ["status added"]),
            ("create", "Event", told[3][2], ["Normal Made: a deployment"]),
        ]
        assert "spec added" in told[1][3]
        assert [each for each in logs if each["event"] == "writes_not_seen"] == []
        assert world.clientset.writes == []


async def test_an_answer_is_what_the_object_would_be() -> None:
    """For each verb and each kind of patch; what a server would refuse in any case is refused."""
    clientset = FakeClientset(None, A)
    client = Client(dry_run(DryRunMode.CLIENT)(clientset))
    have = await client.get(CONFIG_MAPS, "demo/a")

    def data(thing: Any) -> Any:
        return thing["data"]

    patches: list[tuple[Any, Any]] = [
        (MergePatch({"data": {"k": None, "n": "1"}}), {"n": "1"}),
        (StrategicMergePatch({"data": {"n": "1"}}), {"k": "v", "n": "1"}),
        (JsonPatch([{"op": "add", "path": "/data/a~1b", "value": "1"}]), {"k": "v", "a/b": "1"}),
        (JsonPatch([{"op": "remove", "path": "/data/k"}]), {}),
    ]
    for patch, after in patches:
        assert data(await client.patch(CONFIG_MAPS, "demo/a", patch)) == after
    assert data(await client.apply(CONFIG_MAPS, "demo/b", {"data": {"x": "y"}})) == {"x": "y"}
    assert data(await client.update(CONFIG_MAPS, {**have, "data": {"z": "1"}})) == {"z": "1"}
    made = await client.create(CONFIG_MAPS, {**B, "metadata": {"generateName": "b-", "namespace": "demo"}})
    assert made.key.name.startswith("b-")
    await client.delete(CONFIG_MAPS, "demo/a")
    for error, refused in (
        (AlreadyExists, client.create(CONFIG_MAPS, A)),
        (NotFound, client.patch(CONFIG_MAPS, "demo/none", MergePatch({}))),
        (NotFound, client.delete(CONFIG_MAPS, "demo/none")),
        (Conflict, client.patch(CONFIG_MAPS, "demo/a", MergePatch({"metadata": {"resourceVersion": "1"}}))),
    ):
        with pytest.raises(error):
            await refused
    assert clientset.writes == []
    assert data(await client.get(CONFIG_MAPS, "demo/a")) == {"k": "v"}


async def test_the_server_may_be_asked_what_it_makes_of_it() -> None:
    """Its defaults and its refusals are in the answer; it carries out nothing."""
    clientset = FakeClientset(None, A)
    client = Client(dry_run(DryRunMode.SERVER)(clientset))
    with capture_logs() as logs:
        made = await client.create(
            SECRETS, {"metadata": {"name": "s", "namespace": "demo"}, "stringData": {"p": "hunter2"}}
        )
        with pytest.raises(Invalid):
            await client.patch(CONFIG_MAPS, "demo/a", MergePatch({"data": {"not/allowed": "1"}}))
        await client.delete(CONFIG_MAPS, "demo/a")
    assert made["type"] == "Opaque"
    assert (await client.get(CONFIG_MAPS, "demo/a"))["data"] == {"k": "v"}
    lines = [{k: v for k, v in each.items() if k in ("verb", "kind", "key")} for each in logs]
    assert lines[0] == {"verb": "create", "kind": "Secret", "key": "demo/s"}
    assert "refused" in logs[1]
    assert "hunter2" not in str(logs)


async def test_what_a_server_added_to_items_of_lists_is_no_change() -> None:
    """A write that changes nothing is told at debug alone; one that changes a field of an item is told."""
    item = {"name": "c", "image": "a:1", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}]}
    pod = {"metadata": {"name": "p", "namespace": "demo"}, "spec": {"containers": [item]}}
    stored = {**item, "imagePullPolicy": "Always", "ports": [{"containerPort": 80, "protocol": "TCP"}]}
    clientset = FakeClientset(None, {**pod, "apiVersion": "v1", "kind": "Pod", "spec": {"containers": [stored]}})
    client = Client(dry_run(DryRunMode.CLIENT)(clientset), field_manager="greet")
    with capture_logs() as logs:
        await client.apply(PODS, "demo/p", pod)
        await client.patch(PODS, "demo/p", MergePatch(pod))
        await client.apply(PODS, "demo/p", {**pod, "spec": {"containers": [{**item, "image": "a:2"}]}})
    told = [(each["log_level"], each["changes"]) for each in logs]
    assert told == [("debug", []), ("debug", []), ("info", ["spec.containers"])]
