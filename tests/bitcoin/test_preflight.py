"""What a server is asked before a controller starts, and what is said where an answer is missing."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from ctrlkit.bitcoin.manifests import objects
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.run import check_server
from ctrlkit.client import Client
from ctrlkit.errors import ApiError, ConfigError
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import Action, Lines, MergePatch, ObjectKey
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS, LEASES
from tests.bitcoin.servers import forbid, with_definition
from tests.bitcoin.test_stored_before import V1, definition_before, network_before

LEASE = ObjectKey("default", "bitcoin-controller")


@pytest.mark.parametrize("namespaces", [(), ("default", "kube-system")])
async def test_a_server_with_kind_and_permissions_is_fine(namespaces: tuple[str, ...]) -> None:
    """For all namespaces, or for those that are named."""
    await check_server(with_definition().client, namespaces)


async def test_a_missing_kind_leads_to_its_installation() -> None:
    """The command to run is in the message."""
    with pytest.raises(ConfigError, match=r"does not know this kind; install it: bitcoin-controller manifests crd \|"):
        await check_server(FakeClientset().client, ())


async def test_all_missing_permissions_are_named_at_once() -> None:
    """So that granting them does not take one try for each."""
    clientset = with_definition()
    for verb, plural in (("list", "pods"), ("watch", "pods"), ("list", "statefulsets")):
        forbid(clientset, verb, plural)

    with pytest.raises(ConfigError, match=r"RBAC refuses list statefulsets\.apps, list pods, watch pods; grant it"):
        await check_server(clientset.client, ())


@pytest.mark.parametrize("held", [False, True])
async def test_a_lease_that_may_be_used_is_fine_and_is_left_as_it_is(*, held: bool) -> None:
    """Whether it is there already or not: nothing is written."""
    clientset = with_definition()
    if held:
        metadata = {"name": LEASE.name, "namespace": LEASE.namespace}
        clientset.tracker.create(LEASES, {"metadata": metadata, "spec": {"holderIdentity": "somebody"}})
    before = clientset.tracker.list(LEASES)

    await check_server(clientset.client, (), lease=LEASE)

    assert clientset.tracker.list(LEASES) == before
    assert len(before) == held


async def test_a_lease_that_may_not_be_used_is_told_with_every_verb_that_is_missing() -> None:
    """Together with what else is missing, and with the manifest that has the roles."""
    clientset = with_definition()
    for verb, plural in (("list", "pods"), ("get", "leases"), ("create", "leases"), ("update", "leases")):
        forbid(clientset, verb, plural)

    kind = r"leases\.coordination\.k8s\.io in default"
    refused = rf"RBAC refuses list pods, get {kind}, create {kind}, update {kind}; .*manifests rbac \|"
    with pytest.raises(ConfigError, match=refused):
        await check_server(clientset.client, (), lease=LEASE)
    await check_server(with_definition().client, ())  # who runs alone needs none


async def test_a_lease_in_a_namespace_that_is_not_there_is_told() -> None:
    """With the setting that names it."""
    with pytest.raises(ConfigError, match="there is no namespace nowhere; create it, or name another with --lease-n"):
        await check_server(with_definition().client, (), lease=ObjectKey("nowhere", "bitcoin-controller"))


async def test_networks_that_only_our_own_webhook_can_read_are_not_waited_for() -> None:
    """They are stored as v1, and nobody converts them before the controller runs; permissions are told all the same."""
    clientset = FakeClientset(None, definition_before())
    clientset.tracker.create(V1, network_before())
    (definition,) = objects("crd")
    name, spec = definition["metadata"]["name"], definition["spec"]
    clientset.tracker.patch(CUSTOM_RESOURCE_DEFINITIONS, name, MergePatch({"spec": spec}))
    with pytest.raises(ApiError, match="conversion webhook"):
        await clientset.client.list(BITCOIN_NETWORKS)
    await check_server(clientset.client, ())
    forbid(clientset, "list", "bitcoinnetworks")
    with pytest.raises(ConfigError, match=r"RBAC refuses list bitcoinnetworks\.bitcoincontroller"):
        await check_server(clientset.client, ())


async def test_a_server_that_waits_for_our_webhook_is_given_three_seconds() -> None:
    """A real one says for half a minute that it has not read its networks yet."""
    transport = with_definition().client.transport

    class Waiting:
        async def do(self, action: Action) -> bytes:
            if action.resource.plural == BITCOIN_NETWORKS.plural:
                await asyncio.sleep(3600)
            return await transport.do(action)

        def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
            return transport.watch(action)

    await check_server(Client(Waiting()), ("default", "kube-system"))
    assert asyncio.get_running_loop().time() == 3


async def test_a_server_that_never_answers_is_given_up() -> None:
    """After ten seconds."""

    class Silent:
        async def do(self, action: Action) -> bytes:
            await asyncio.sleep(3600)
            raise AssertionError

        def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
            raise AssertionError

    with pytest.raises(ConfigError, match="no answer within 10 s"):
        await check_server(Client(Silent()), ())
    assert asyncio.get_running_loop().time() == 10
