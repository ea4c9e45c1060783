"""The definition of the bitcoin controller's kind on a real server: taken, and all that it refuses is refused alike."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from ctrlkit import connect
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.network_v1 import BITCOIN_NETWORKS_V1
from ctrlkit.client import Client
from ctrlkit.crd import definition_of
from ctrlkit.errors import ApiError, BadRequest, Invalid
from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.world.definitions import apply_definition, established
from ctrlkit.model import Action, AnyResource, MergePatch, Unstructured, Verb
from tests.bitcoin.specs import (
    AS_KUBECTL,
    CHANGES,
    GOOD_CHANGES,
    NAMES,
    NETWORKS,
    RIGHT,
    WRONG,
    Spec,
    causes_of,
    mistakes,
    network,
    read_by_a_person,
)

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]
DEFINITION = definition_of(BITCOIN_NETWORKS, BITCOIN_NETWORKS_V1)
KEY = "default/net"


@pytest_asyncio.fixture
async def servers(own_control_plane: ControlPlane) -> AsyncIterator[tuple[Client, Client]]:
    """A real server and ours, both with the kind."""
    async with connect(kubeconfig=own_control_plane.kubeconfig) as real:
        ours = FakeClientset(None).client
        for server in (real, ours):
            name = await apply_definition(server, DEFINITION)
            async with asyncio.timeout(30):
                while not await established(server, name):  # noqa: ASYNC110 - of another program
                    await asyncio.sleep(0.1)
        await asyncio.sleep(1)  # an established kind is served a moment later
        yield real, ours


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


async def test_likely_mistakes_are_answered_as_written_down(servers: tuple[Client, Client]) -> None:
    """Every one of tests/bitcoin/mistakes.txt, as kubectl applies it, at both versions of the kind."""
    for mistake in mistakes():
        resource = NETWORKS if mistake.version == "v2" else BITCOIN_NETWORKS_V1.of(Unstructured)
        for server in servers:
            action = Action(
                verb=Verb.CREATE, resource=resource, namespace="default", body=mistake.network(), options=AS_KUBECTL
            )
            with pytest.raises((Invalid, BadRequest)) as refused:
                await server.transport.do(action)
            assert read_by_a_person(refused.value) == mistake.answer, mistake


async def named(client: Client, metadata: dict[str, str]) -> Any:
    """What a server says of the name of a new network; what it generates is cut off."""
    try:
        made = await client.create(
            NETWORKS, {**network({"nodes": 1}), "metadata": {"namespace": "default", **metadata}}
        )
    except ApiError as error:
        made_of = metadata.get("generateName", "-")[:58]
        return re.sub(rf"({made_of})[a-z0-9]{{5}}", r"\1XXXXX", f"{error.message} {causes_of(error)}")
    await client.delete(NETWORKS, made.key)
    return len(made.metadata.name)


async def test_names_are_refused_as_by_a_real_server(servers: tuple[Client, Client]) -> None:
    """The limit of the definition counts for names that a server makes, too."""
    for metadata in NAMES:
        theirs, ours = [await named(server, metadata) for server in servers]
        assert ours == theirs, metadata


async def test_what_had_its_name_before_the_limit_can_still_be_changed(servers: tuple[Client, Client]) -> None:
    """Spec, labels, status and scale, as by a real server."""
    key = "default/" + "n" * 60
    loose = copy.deepcopy(DEFINITION)
    for version in loose["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"]["properties"]["metadata"] = {"type": "object"}
    for server in servers:
        await apply_definition(server, loose)
        await asyncio.sleep(1)
        await server.create(NETWORKS, network({"nodes": 1}, "n" * 60))
        await apply_definition(server, DEFINITION)
        await asyncio.sleep(1)
        await server.patch(NETWORKS, key, MergePatch({"spec": {"nodes": 2}, "metadata": {"labels": {"a": "b"}}}))
        await server.patch(NETWORKS, key, MergePatch({"status": {"readyNodes": 2}}), subresource="status")
        assert (await server.set_scale(NETWORKS, key, 3)).spec_replicas == 3


@pytest.mark.parametrize("version", [BITCOIN_NETWORKS_V1, BITCOIN_NETWORKS])
async def test_the_scale_has_a_selector_and_pods_for_a_horizontal_pod_autoscaler(
    servers: tuple[Client, Client], version: AnyResource
) -> None:
    """At both versions: the replicas are pods, and the selector is that of these pods."""
    status = {"replicas": 2, "readyNodes": 1, "selector": "a.example.com/network=net,a.example.com/group=main"}
    for server in servers:
        await server.create(NETWORKS, network({"nodes": 3}))
        await server.patch(NETWORKS, KEY, MergePatch({"status": status}), subresource="status")
        scale = await server.get_scale(version, KEY)
        assert (scale.spec_replicas, scale.status_replicas, scale.selector) == (3, 2, status["selector"])
        assert (await server.set_scale(version, KEY, 5)).spec_replicas == 5
        assert (await server.get(NETWORKS, KEY))["spec"]["nodes"] == 5
