"""What was written, told to whoever asks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ctrlkit.client import Client, DryRun, noting_writes
from ctrlkit.errors import Conflict, CtrlkitError, Unreachable
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import MergePatch, Write
from ctrlkit.model.kinds import CONFIG_MAPS, PODS, STATEFULSETS
from tests.unit.client.support import ScriptedTransport


def told(writes: list[Write]) -> list[str]:
    return [str(write) for write in writes]


@pytest.mark.behaviour("B1")
async def test_each_write_tells_the_version_it_made() -> None:
    """Of objects, their status and scale; those of generated names too."""
    clientset = FakeClientset()
    client = clientset.client
    with noting_writes() as writes:
        await client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default", "labels": {"x": "1"}}})
        made = await client.create(CONFIG_MAPS, {"metadata": {"generateName": "g-", "namespace": "default"}})
        await client.patch(CONFIG_MAPS, "default/a", MergePatch({"data": {"k": "v"}}))
        await client.get(CONFIG_MAPS, "default/a")
    patched = clientset.tracker.get(CONFIG_MAPS, "default/a").metadata
    assert [write.key for write in writes] == [("default", "a"), made.key, ("default", "a")]
    assert (writes[2].version, writes[2].uid, writes[2].labels) == (patched.resource_version, patched.uid, {"x": "1"})
    assert writes[2].server is clientset


@pytest.mark.behaviour("B1")
async def test_deletions_are_told_with_what_the_server_says_of_them() -> None:
    """A Status names the uid; an object that stays for its finalizers has a new version."""
    status = {"kind": "Status", "status": "Success", "details": {"uid": "7"}}
    staying = {"kind": "Pod", "metadata": {"name": "b", "namespace": "d", "resourceVersion": "9", "uid": "8"}}
    gone = {"kind": "PodList", "metadata": {"resourceVersion": "12"}, "items": [staying]}
    client = Client(ScriptedTransport(status, staying, gone))
    with noting_writes() as writes:
        await client.delete(PODS, "d/a")
        await client.delete(PODS, "d/b")
        await client.delete_collection(PODS, namespace="d")
    assert told(writes) == ["pods d/a deleted", "pods d/b deleted at 9", "pods d/b deleted at 9"]
    assert [write.uid for write in writes] == ["7", "8", "8"]


async def test_a_scale_tells_the_version_of_its_object() -> None:
    """It is the parent that was written."""
    scale = {"kind": "Scale", "metadata": {"name": "web", "namespace": "d", "resourceVersion": "9"}}
    with noting_writes() as writes:
        await Client(ScriptedTransport(scale)).set_scale(STATEFULSETS, "d/web", 3)
    assert told(writes) == ["statefulsets.apps d/web written at 9"]


async def test_dry_runs_and_failures_are_no_writes() -> None:
    """Nothing was changed, or nobody knows."""
    body = {"metadata": {"name": "a", "namespace": "default"}}
    with noting_writes() as writes:
        await FakeClientset().client.create(CONFIG_MAPS, body, dry_run=DryRun.ALL)
        for error in (Conflict("no"), Unreachable("cut")):
            with pytest.raises(type(error)):
                await Client(ScriptedTransport(error)).create(CONFIG_MAPS, body)
    assert writes == []


async def test_blocks_within_blocks_and_tasks_are_all_told() -> None:
    """A block within a reconcile hides nothing from the reconcile's own."""
    client = FakeClientset().client

    async def create(name: str) -> Any:
        return await client.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "default"}})

    with noting_writes() as outer:
        await asyncio.create_task(create("a"))
        with noting_writes() as inner:
            await create("b")
    await create("c")
    assert [write.key.name for write in outer] == ["a", "b"]
    assert [write.key.name for write in inner] == ["b"]


@pytest.mark.behaviour("B1", "B14")
async def test_what_a_deletion_tells_of_objects_that_cannot_be_read_counts() -> None:
    """One that is nested too deeply hides neither itself nor the others; a Status may name no uid."""
    deep = b"[" * 2_000 + b"]" * 2_000
    item = b'{"metadata":{"name":"%b","namespace":"d","resourceVersion":"9"},"spec":%b}'
    whole = b'{"kind":"PodList","metadata":{},"items":[%b,%b,{"metadata":5}]}' % (
        item % (b"a", deep),
        item % (b"b", b"{}"),
    )
    client = Client(ScriptedTransport(whole, {"kind": "Status", "status": "Success", "details": 5}))
    with noting_writes() as writes:
        await client.delete_collection(PODS, namespace="d")
        await client.delete(PODS, "d/c")
    assert told(writes) == ["pods d/a deleted at 9", "pods d/b deleted at 9", "pods d/c deleted"]


@pytest.mark.behaviour("B1")
async def test_what_is_no_answer_to_a_write_is_no_write() -> None:
    """Nobody knows whether it was carried out, and whoever waited for its version would wait in vain."""
    pages = (
        b"<html>",
        b"",
        b'{"metadata":{"resourceVersion":"9"}}',
        {"kind": "Status", "status": "Failure", "code": 503},
    )
    with noting_writes() as writes:
        for page in pages:
            client = Client(ScriptedTransport(page))
            for call in (
                client.patch(PODS, "d/a", MergePatch({})),
                client.delete(PODS, "d/a"),
                client.delete_collection(PODS, namespace="d"),
                client.set_scale(STATEFULSETS, "d/a", 3),
            ):
                with pytest.raises(CtrlkitError):
                    await call
    assert writes == []
