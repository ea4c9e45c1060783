"""On a real server: a network of the definition before, the new definition, and our conversion by a URL."""

from __future__ import annotations

import asyncio

import pytest

from ctrlkit import connect
from ctrlkit.bitcoin.conversion import ANNOTATION, CONVERSIONS
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.network_v1 import BITCOIN_NETWORKS_V1
from ctrlkit.client import Client
from ctrlkit.crd import definition_of
from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.world.definitions import apply_definition, established
from ctrlkit.manager.webhooks.options import WebhookServing
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS
from tests.bitcoin.test_stored_before import KEY, STATUS, V1, V2, definition_before, network_before
from tests.support.webhooked import running

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]


async def defined(client: Client, definition: object) -> str:
    """Apply a definition, and wait until it is served."""
    assert isinstance(definition, dict)
    name = await apply_definition(client, definition)
    async with asyncio.timeout(30):
        while not await established(client, name):  # noqa: ASYNC110 - of another program
            await asyncio.sleep(0.1)
    await asyncio.sleep(1)  # an established kind is served a moment later
    return name


async def test_networks_of_before_are_read_edited_and_scaled_at_both_versions(own_control_plane: ControlPlane) -> None:
    """As in a World; after the webhook is there, since nothing else reads as v2 what is stored as v1."""
    async with connect(kubeconfig=own_control_plane.kubeconfig) as client:
        await defined(client, definition_before())
        before = network_before()
        await client.create(V1, before)
        await client.patch(V1, KEY, MergePatch({"status": STATUS}), subresource="status")
        name = await defined(client, definition_of(BITCOIN_NETWORKS, BITCOIN_NETWORKS_V1))
        serving = WebhookServing(address="127.0.0.1:0")
        async with running(client, serving, CONVERSIONS, watched=BITCOIN_NETWORKS) as program:
            await program.ready()
            newer = await client.get(V2, KEY)
            assert (newer["spec"], newer["status"]) == (before["spec"], STATUS)
            assert [one.metadata.name for one in await client.list(BITCOIN_NETWORKS)] == ["net"]
            await client.patch(V2, KEY, MergePatch({"spec": {"image": "a/b:29", "storage": {"size": "20Gi"}}}))
            await client.patch(V2, KEY, MergePatch({"status": {"height": 101}}), subresource="status")
            older = await client.get(V1, KEY)
            assert ANNOTATION in older["metadata"]["annotations"]
            older["spec"]["nodes"] = 5
            await client.update(V1, older)
            newer = await client.get(V2, KEY)
            assert (newer.at("spec.nodes"), newer.at("spec.image"), newer.at("status.height")) == (5, "a/b:29", 101)
            assert newer.at("spec.storage.size") == "20Gi"
            assert "annotations" not in newer["metadata"]
            for version, nodes in ((V1, 6), (V2, 7)):
                assert (await client.set_scale(version, KEY, nodes)).spec_replicas == nodes
                assert (await client.get(V2, KEY)).at("spec.image") == "a/b:29"
            definition = await client.get(CUSTOM_RESOURCE_DEFINITIONS, name)
            assert definition.at("status.storedVersions") == ["v1", "v2"]
