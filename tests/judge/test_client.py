"""The client and the caches on a real API server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit.cache import Informer
from ctrlkit.client import Client
from ctrlkit.controller import Applier
from ctrlkit.fakes import ControlPlane
from ctrlkit.manager import connect
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import CONFIG_MAPS

pytestmark = [
    pytest.mark.judge,
    pytest.mark.real_time,
    pytest.mark.timeout(400),
]
FOLLOWED_WITHIN_S = 60
OF_THE_SERVER = {"kube-root-ca.crt"}


async def until(informer: Informer[Any], names: set[str]) -> None:
    """Wait until the cache shows these ConfigMaps of the namespace default, besides the server's own."""
    changed = asyncio.Event()
    registration = informer.add_handler(lambda _change: changed.set())
    async with asyncio.timeout(FOLLOWED_WITHIN_S):
        while {key.name for key in informer.lister.keys(namespace="default")} - OF_THE_SERVER != names:
            changed.clear()
            await changed.wait()
    registration.remove()


async def test_a_cache_follows_a_server_whose_etcd_began_anew(own_control_plane: ControlPlane) -> None:
    """Every verb works; and within a minute of its answering the cache equals the server, and one line says why."""
    plane = own_control_plane
    async with connect(kubeconfig=plane.kubeconfig) as client:
        informer = Informer(CONFIG_MAPS, {"": client.list_watch(CONFIG_MAPS)})
        running = asyncio.create_task(informer.run())
        await informer.wait_synced()
        for name in ("a", "b"):
            await client.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "default"}})
        await client.patch(CONFIG_MAPS, "default/a", MergePatch({"data": {"k": "v"}}))
        await client.apply(CONFIG_MAPS, "default/c", {"data": {"k": "v"}})
        await client.delete(CONFIG_MAPS, "default/b")
        await until(informer, {"a", "c"})
        with capture_logs() as lines:
            await asyncio.to_thread(plane.restart_empty)
            await client.create(CONFIG_MAPS, {"metadata": {"name": "new", "namespace": "default"}})
            await until(informer, {"new"})
            running.cancel()
            await asyncio.wait([running])
        assert [line["event"] for line in lines].count("history_rewritten") == 1


async def test_fields_applied_under_the_former_name_are_taken_over(own_control_plane: ControlPlane) -> None:
    """What every program once applied as "ctrlkit" is changed and dropped under its own name, and has one owner."""
    metadata = {"name": "net", "namespace": "default"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    async with connect(kubeconfig=own_control_plane.kubeconfig) as client:
        for owner, data in (("ctrlkit", {"a": "1", "b": "1"}), ("other", {"c": "1"})):
            await Client(client.transport, field_manager=owner).apply(CONFIG_MAPS, "default/net", {"data": data})
        await Applier(client, owner="greeting").apply(CONFIG_MAPS, {**body, "data": {"a": "2"}})
        found = await client.get(CONFIG_MAPS, "default/net")
        owners = sorted((entry["manager"], entry["operation"]) for entry in found["metadata"]["managedFields"])
        assert (found["data"], owners) == ({"a": "2", "c": "1"}, [("greeting", "Apply"), ("other", "Apply")])
