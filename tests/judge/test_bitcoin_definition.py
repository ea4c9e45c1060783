"""The definition of the bitcoin controller's kind on a real server: taken, and all that it refuses is refused alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from ctrlkit import connect
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.network_v1 import BITCOIN_NETWORKS_V1
from ctrlkit.client import Client
from ctrlkit.crd import definition_of
from ctrlkit.errors import ApiError
from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.world.definitions import apply_definition, established
from ctrlkit.model import MergePatch
from tests.bitcoin.specs import CHANGES, GOOD_CHANGES, NETWORKS, RIGHT, WRONG, Spec, causes_of, network

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]
DEFINITION = definition_of(BITCOIN_NETWORKS, BITCOIN_NETWORKS_V1)
KEY = "default/net"


@pytest_asyncio.fixture
async def servers(own_control_plane: ControlPlane) -> AsyncIterator[tuple[Client, Client]]:
    """A real server and ours, both with the kind."""
    async with connect(kubeconfig=own_control_plane.kubeconfig) as real:
        name = await apply_definition(real, DEFINITION)
        async with asyncio.timeout(30):
            while not await established(real, name):  # noqa: ASYNC110 - of another program
                await asyncio.sleep(0.1)
        await asyncio.sleep(1)  # an established kind is served a moment later
        yield real, FakeClientset(None, DEFINITION).client


async def answer(client: Client, spec: Spec, patch: Spec | None) -> Any:
    """What a server stores of a network that is made, and perhaps changed; or what is wrong with it."""
    try:
        await client.create(NETWORKS, network(spec))
    except ApiError as error:
        return error.message, sorted(causes_of(error))
    try:
        if patch is not None:
            await client.patch(NETWORKS, KEY, MergePatch({"spec": patch}))
        return (await client.get(NETWORKS, KEY))["spec"]
    except ApiError as error:
        return error.message, sorted(causes_of(error))
    finally:
        await client.delete(NETWORKS, KEY)


async def test_right_and_wrong_specs_are_answered_as_by_a_real_server(servers: tuple[Client, Client]) -> None:
    """Every spec of tests/bitcoin/specs.py, word for word."""
    made: list[tuple[Spec, Spec | None]] = [(spec, None) for spec in (*RIGHT.values(), *(one[0] for one in WRONG))]
    changed = [(before, patch) for before, patch, _, _ in CHANGES] + GOOD_CHANGES
    for spec, patch in (*made, *changed):
        theirs, ours = [await answer(server, spec, patch) for server in servers]
        assert ours == theirs, (spec, patch)
