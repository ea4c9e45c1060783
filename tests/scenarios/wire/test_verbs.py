"""The same client calls, on the tracker itself and through HTTP on the same tracker, end alike."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ctrlkit import clock
from ctrlkit.client import Client, DryRun, Propagation, Scale
from ctrlkit.errors import AlreadyExists, Conflict, Invalid, NotFound, UnsupportedMediaType
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import (
    Applied,
    Deleted,
    JsonPatch,
    MergePatch,
    OnConflict,
    StrategicMergePatch,
    Transport,
    Unstructured,
    WatchEvent,
    custom_resource,
)
from ctrlkit.model.kinds import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, PODS, STATEFULSETS
from ctrlkit.wire.config import load_endpoint
from ctrlkit.wire.transport import RestTransport


@asynccontextmanager
async def _direct(_folder: Path) -> AsyncIterator[Transport]:
    yield Tracker()


@asynccontextmanager
async def _over_http(folder: Path) -> AsyncIterator[Transport]:
    tracker = Tracker()
    async with ApiServer(tracker, tracker.registry).serve() as server:
        kubeconfig = folder / "kubeconfig"
        server.write_kubeconfig(kubeconfig)
        async with RestTransport(await load_endpoint(kubeconfig=str(kubeconfig))) as transport:
            yield transport


@pytest.fixture(params=[_direct, _over_http], ids=["direct", "http"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Client]:
    """A client whose server has the namespace demo."""
    async with request.param(tmp_path) as transport:
        client = Client(transport)
        with contextlib.suppress(AlreadyExists):
            await client.create(NAMESPACES, {"metadata": {"name": "demo"}})
        yield client


def _config_map(name: str = "a", **data: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "demo", "labels": {"app": name}}, "data": data}


def _stateful_set() -> dict[str, object]:
    labels = {"app": "s"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 3, "serviceName": "s", "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": "s", "namespace": "demo"}, "spec": spec}


async def test_an_object_lives_and_dies(client: Client) -> None:
    """Create, get, update, conflict, patches, delete."""
    made = await client.create(CONFIG_MAPS, _config_map(k="v"))
    assert made.metadata.uid
    with pytest.raises(AlreadyExists):
        await client.create(CONFIG_MAPS, _config_map())
    updated = await client.update(CONFIG_MAPS, {**made, "data": {"k": "w"}})
    with pytest.raises(Conflict) as caught:
        await client.update(CONFIG_MAPS, {**made, "data": {"k": "x"}})
    assert str(caught.value).startswith("update configmaps demo/a: ")
    assert (await client.get(CONFIG_MAPS, "demo/a"))["data"] == {"k": "w"}
    assert updated.metadata.uid == made.metadata.uid

    await client.patch(CONFIG_MAPS, "demo/a", MergePatch({"data": {"m": "1"}}))
    await client.patch(CONFIG_MAPS, "demo/a", StrategicMergePatch({"data": {"s": "1"}}))
    await client.patch(CONFIG_MAPS, "demo/a", JsonPatch([{"op": "remove", "path": "/data/k"}]))
    patched = await client.apply(CONFIG_MAPS, "demo/a", {"data": {"a": "1"}}, on_conflict=OnConflict.FORCE)
    assert patched["data"] == {"m": "1", "s": "1", "a": "1"}

    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAPS, "demo/a", uid="another")
    await client.delete(CONFIG_MAPS, "demo/a", uid=made.metadata.uid, propagation=Propagation.BACKGROUND)
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "demo/a")
    with pytest.raises(NotFound):
        await client.delete(CONFIG_MAPS, "demo/a")


@pytest.mark.behaviour("D12")
async def test_a_version_in_a_patch_is_an_optimistic_lock(client: Client) -> None:
    """D12: it holds once; without one the last writer wins, and a patch of nothing is sent and changes nothing."""
    made = await client.create(CONFIG_MAPS, _config_map(k="v"))
    version = {"resourceVersion": made.metadata.resource_version}
    locked = MergePatch({"metadata": version, "data": {"k": "mine"}})
    changed = await client.patch(CONFIG_MAPS, "demo/a", locked)
    with pytest.raises(Conflict):
        await client.patch(CONFIG_MAPS, "demo/a", locked)
    assert (await client.patch(CONFIG_MAPS, "demo/a", MergePatch({"data": {"k": "theirs"}})))["data"] == {"k": "theirs"}
    same = await client.patch(CONFIG_MAPS, "demo/a", MergePatch({}))
    assert int(same.metadata.resource_version) > int(changed.metadata.resource_version)
    assert same["data"] == {"k": "theirs"}


async def test_an_apply_makes_what_is_missing(client: Client) -> None:
    """Completed by the client with kind and name."""
    made = await client.apply(CONFIG_MAPS, "demo/fresh", {"data": {"k": "v"}})
    assert (made["kind"], made.key, made["data"]) == ("ConfigMap", ("demo", "fresh"), {"k": "v"})


async def test_a_dry_run_leaves_nothing(client: Client) -> None:
    """The answer is as if it had."""
    made = await client.create(CONFIG_MAPS, _config_map("dry"), dry_run=DryRun.ALL)
    assert made.metadata.name == "dry"
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "demo/dry")


@pytest.mark.behaviour("R4")
async def test_lists_are_paged_and_selected(client: Client) -> None:
    """Whatever the size of the pages, the whole is the same; a collection is deleted by selector."""
    for number in range(7):
        await client.create(CONFIG_MAPS, _config_map(f"p{number}"))
    names = [f"p{number}" for number in range(7)]
    for page_size in (1, 3, 7, 500):
        found = await client.list(CONFIG_MAPS, namespace="demo", page_size=page_size)
        assert [item.key.name for item in found if item.key.name in names] == names
    selector = "app in (p1, p2)"
    assert len(await client.list(CONFIG_MAPS, namespace="demo", label_selector=selector)) == 2
    await client.delete_collection(CONFIG_MAPS, namespace="demo", label_selector=selector)
    assert await client.list(CONFIG_MAPS, namespace="demo", label_selector=selector) == []


async def test_status_and_scale(client: Client) -> None:
    """Each subresource changes its own part only."""
    made = await client.create(STATEFULSETS, _stateful_set())
    scale = await client.set_scale(STATEFULSETS, "demo/s", 5)
    assert scale == await client.get_scale(STATEFULSETS, "demo/s")
    assert scale == Scale(spec_replicas=5, status_replicas=0, selector="app=s", version=scale.version)
    grown = await client.get(STATEFULSETS, "demo/s")
    assert (grown["spec"]["replicas"], grown.metadata.generation) == (5, made.metadata.generation + 1)
    told = await client.update_status(STATEFULSETS, {**grown, "spec": {}, "status": {"replicas": 4}})
    assert (told["spec"]["replicas"], told["status"]["replicas"]) == (5, 4)


async def test_a_watch_goes_on_from_a_list(client: Client) -> None:
    """What happens after the list's version arrives, in order."""
    source = client.list_watch(CONFIG_MAPS, namespace="demo", label_selector="app")
    version = (await source.list(resource_version="")).version
    await client.create(CONFIG_MAPS, _config_map(k="1"))
    await client.patch(CONFIG_MAPS, "demo/a", MergePatch({"data": {"k": "2"}}))
    await client.delete(CONFIG_MAPS, "demo/a")
    seen: list[WatchEvent[Unstructured]] = []
    async with source.watch(resource_version=version, timeout_s=300) as batches:
        while len(seen) < 3:
            seen += await anext(batches)
    assert [type(event) for event in seen] == [Applied, Applied, Deleted]
    assert [event.record.value["data"]["k"] for event in seen if isinstance(event, Applied)] == ["1", "2"]


async def test_a_server_ends_a_watch_after_its_timeout(client: Client) -> None:
    """Cleanly: the iteration just ends, then and not before."""
    await client.create(CONFIG_MAPS, _config_map())
    began = clock.monotonic()
    async with client.watch(CONFIG_MAPS, namespace="demo", label_selector="app", timeout_s=60) as events:
        seen = [event async for event in events]
    assert clock.monotonic() - began == pytest.approx(60)
    assert [event.record.key.name for event in seen if isinstance(event, Applied)] == ["a"]


WIDGETS = custom_resource(group="demo.dev", kind="Widget", plural="widgets")
DEFINITION = {
    "metadata": {"name": "widgets.demo.dev"},
    "spec": {
        "group": "demo.dev",
        "names": {"kind": "Widget", "plural": "widgets"},
        "scope": "Namespaced",
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}


async def test_refusals_have_their_class(client: Client) -> None:
    """The same one on both ways, and each says what was attempted."""
    with pytest.raises(NotFound, match=r"^list widgets\.demo\.dev \*: "):
        await client.list(WIDGETS)
    with pytest.raises(Invalid, match=r"^create configmaps demo/Not A Name: "):
        await client.create(CONFIG_MAPS, {"metadata": {"name": "Not A Name", "namespace": "demo"}})
    await client.create(CUSTOM_RESOURCE_DEFINITIONS, DEFINITION)
    await client.create(WIDGETS, {"metadata": {"name": "w", "namespace": "demo"}})
    with pytest.raises(UnsupportedMediaType, match=r"^patch widgets\.demo\.dev demo/w: "):
        await client.patch(WIDGETS, "demo/w", StrategicMergePatch({}))


async def test_a_pod_is_bound_by_a_binding_and_by_nothing_else(client: Client) -> None:
    """As a scheduler does it; a second Binding is a conflict, and writing the node's name is refused."""
    pod = {"metadata": {"name": "p", "namespace": "demo"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    await client.create(PODS, pod)
    bindings = custom_resource(group="", kind="Binding", plural="bindings")
    binding = {"metadata": {"name": "p", "namespace": "demo"}, "target": {"kind": "Node", "name": "n1"}}
    with pytest.raises(Invalid):
        await client.patch(PODS, "demo/p", MergePatch({"spec": {"nodeName": "n1"}}))
    await client.create(bindings, binding)
    assert (await client.get(PODS, "demo/p")).at("spec.nodeName") == "n1"
    with pytest.raises(Conflict):
        await client.create(bindings, binding)


async def test_a_patch_that_does_not_say_how_it_is_meant_is_refused(client: Client) -> None:
    """A bare dict could be any of three patches."""
    with pytest.raises(TypeError, match=r"a dict does not say how it is meant; wrap it, as in MergePatch"):
        await client.patch(CONFIG_MAPS, "demo/a", {"data": {}})  # type: ignore[arg-type]
