"""Certificates of webhooks, made and replaced by the replicas of a program against a server, in virtual time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import verification
from structlog.testing import capture_logs

from ctrlkit import clock
from ctrlkit.client import Client
from ctrlkit.errors import ApiError, NotSynced
from ctrlkit.fakes import Calls, World
from ctrlkit.manager.webhooks.bundles import Target
from ctrlkit.manager.webhooks.keeper import CertificateKeeper
from ctrlkit.manager.webhooks.options import service_names
from ctrlkit.manager.webhooks.rotation import Leaf, Lives
from ctrlkit.model import MergePatch, ObjectKey, OnConflict
from ctrlkit.model.kinds import SECRETS, VALIDATING_WEBHOOK_CONFIGURATIONS

SECRET = ObjectKey("demo", "web-webhooks")
TARGET = Target(VALIDATING_WEBHOOK_CONFIGURATIONS, "web-webhooks")


def a_configuration() -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "web-webhooks"},
        "webhooks": [
            {
                "name": name,
                "clientConfig": {"service": {"namespace": "demo", "name": "web-webhooks", "path": "/x"}},
                "rules": [
                    {"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["caches"]}
                ],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
            for name in ("a.example.com", "b.example.com")
        ],
    }


def a_keeper(client: Client, **more: Any) -> CertificateKeeper:
    more = {"on_leaf": lambda _leaf: None} | more
    return CertificateKeeper(
        client, owner="web", names=service_names("demo", "web-webhooks"), targets=[TARGET], secret=SECRET, **more
    )


@asynccontextmanager
async def running(*keepers: CertificateKeeper) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(keeper.run()) for keeper in keepers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)


async def bundles(client: Client) -> list[bytes]:
    found = await client.get(VALIDATING_WEBHOOK_CONFIGURATIONS, "web-webhooks")
    return [base64.b64decode(hook["clientConfig"].get("caBundle") or "") for hook in found["webhooks"]]


def verify(bundle: bytes, leaf: Leaf | None) -> None:
    """Verify a certificate as a client would that knows these authorities, at this moment."""
    assert leaf is not None
    authorities = x509.load_pem_x509_certificates(bundle)
    policy = verification.PolicyBuilder().store(verification.Store(authorities)).time(clock.now())
    verifier = policy.build_server_verifier(x509.DNSName("web-webhooks.demo.svc"))
    verifier.verify(x509.load_pem_x509_certificate(leaf.pem.encode()), [])


DAY_S = 21.6
QUICK = Lives(authority_s=365 * DAY_S, certificate_s=90 * DAY_S, settle_s=3, skew_s=6)
"""A life in which days are so short."""


def a_world(**more: Any) -> World:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
    return World(a_configuration(), namespace, **more)


async def verified(client: Client, *keepers: CertificateKeeper) -> None:
    """Every caBundle verifies what every replica serves, and all are ready."""
    for bundle in await bundles(client):
        for each in keepers:
            verify(bundle, each.leaf)
    assert [each.check() for each in keepers] == [""] * len(keepers)


@pytest.mark.long
@pytest.mark.behaviour("W11")
async def test_two_replicas_replace_certificates_and_authorities_through_400_days_without_a_failed_call() -> None:
    """Of four certificates a year each is served by both, and the authority is replaced once, and forgotten once."""
    async with a_world() as world:
        one, other = a_keeper(world.client, lives=QUICK), a_keeper(world.client, lives=QUICK)
        async with running(one, other):
            await one.wait_ready(timeout_s=30)
            await other.wait_ready(timeout_s=30)
            served: dict[str, None] = {}
            for _ in range(400):
                await asyncio.sleep(DAY_S)
                await verified(world.client, one, other)
                served |= {each.leaf.id: None for each in (one, other) if each.leaf is not None}
        authorities = x509.load_pem_x509_certificates((await bundles(world.client))[0])
    assert (len(served), len(authorities)) == (8, 1)
    steps = one.statistics().steps.keys() | other.statistics().steps.keys()
    assert steps == {"Begin", "Issue", "AddAuthority", "Drop", "Patch", "Disown"}


async def test_a_deleted_secret_comes_back_as_it_was_while_a_replica_lives() -> None:
    """Nothing changes for who calls: the same certificate is served, under the same authority."""
    async with a_world() as world:
        keeper = a_keeper(world.client)
        async with running(keeper):
            await keeper.wait_ready(timeout_s=30)
            before = await world.client.get(SECRETS, SECRET)
            await world.client.delete(SECRETS, SECRET)
            await asyncio.sleep(1)
            assert (await world.client.get(SECRETS, SECRET))["data"] == before["data"]
            await verified(world.client, keeper)


async def test_a_replica_that_finds_no_secret_makes_another_authority_and_leaves_the_old_one_in_place() -> None:
    """What other replicas may still serve is verified."""
    async with a_world() as world:
        keeper = a_keeper(world.client, lives=QUICK)
        async with running(keeper):
            await keeper.wait_ready(timeout_s=30)
            old = keeper.leaf
        await world.client.delete(SECRETS, SECRET)
        keeper = a_keeper(world.client, lives=QUICK)
        async with running(keeper):
            await keeper.wait_ready(timeout_s=30)
            await verified(world.client, keeper)
            for bundle in await bundles(world.client):
                verify(bundle, old)


async def test_a_configuration_that_is_replaced_without_its_ca_bundle_gets_it_again_at_once() -> None:
    """As `kubectl replace` and some tools do: repaired within a second, and seldom if somebody insists."""
    async with a_world() as world:
        keeper = a_keeper(world.client)
        async with running(keeper):
            await keeper.wait_ready(timeout_s=30)
            for _ in range(3):
                found = await world.client.get(VALIDATING_WEBHOOK_CONFIGURATIONS, "web-webhooks")
                body = a_configuration()
                body["metadata"]["resourceVersion"] = found.metadata.resource_version
                await world.client.update(VALIDATING_WEBHOOK_CONFIGURATIONS, body)
                await asyncio.sleep(0.5)
                await verified(world.client, keeper)


@pytest.mark.long
async def test_two_that_change_one_ca_bundle_take_turns_ever_more_slowly() -> None:
    """Another injector that insists on its own does not make the two of them busy for good."""
    async with a_world() as world:
        keeper = a_keeper(world.client)
        async with running(keeper):
            await keeper.wait_ready(timeout_s=30)
            for _ in range(120):
                if all(await bundles(world.client)):
                    empty = {"webhooks": a_configuration()["webhooks"]}
                    await world.client.patch(VALIDATING_WEBHOOK_CONFIGURATIONS, "web-webhooks", MergePatch(empty))
                await asyncio.sleep(1)
            assert keeper.statistics().steps["Patch"] < 15
            assert "again and again" in keeper.note()
            await asyncio.sleep(1800)
            assert keeper.note() == ""


async def test_without_a_right_the_certificate_is_served_and_one_line_says_what_to_allow() -> None:
    """Who may not patch configurations serves what it has, and says so once."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "web"},
        "rules": [
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch", "create", "update"]},
            {"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["list", "watch"]},
        ],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "web"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "web"},
        "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "demo"}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "demo"}}
    said = "it may not patch validatingwebhookconfigurations web-webhooks; allow it"
    with capture_logs() as lines:
        async with a_world(rbac=True) as world:
            world.seed(role, binding, account)
            keeper = a_keeper(world.client)
            world.start(keeper, name="keeper", acting_as="system:serviceaccount:demo:web")
            await keeper.wait_ready(timeout_s=30)
            await asyncio.sleep(10)
            assert said in keeper.note()
            async with running(a_keeper(world.client)):  # it may
                await asyncio.sleep(120)
            assert keeper.note() == ""
    assert keeper.leaf is not None
    hindered = [line for line in lines if line["event"] == "certificates_hindered"]
    assert [line["problem"] for line in hindered if line["log_level"] != "debug"] == [said]


async def test_an_object_that_changes_while_a_replica_gives_it_up_is_no_problem() -> None:
    """Another replica was quicker: a server refuses the test of the version with 422, and nobody is to be told."""
    changed = ApiError.of_status({"code": 422, "reason": "Invalid", "message": "the server rejected our request"})
    with capture_logs() as lines:
        async with a_world() as world:
            keeper = a_keeper(world.client)
            world.start(keeper, name="keeper")
            await keeper.wait_ready(timeout_s=30)
            await asyncio.sleep(1)
            texts = [base64.b64encode(bundle).decode() for bundle in await bundles(world.client)]
            names = ("a.example.com", "b.example.com")
            owned = [{"name": n, "clientConfig": {"caBundle": text}} for n, text in zip(names, texts, strict=True)]
            other = Client(world.client.transport, field_manager="web-certificates")
            await other.apply(TARGET.resource, TARGET.key, {"webhooks": owned}, on_conflict=OnConflict.FORCE)
            world.faults.fail(Calls("patch", VALIDATING_WEBHOOK_CONFIGURATIONS), changed, times=1)
            await asyncio.sleep(60)
            assert keeper.statistics().failures == {"Conflict": 1}
            found = await world.client.get(VALIDATING_WEBHOOK_CONFIGURATIONS, "web-webhooks")
            assert "web-certificates" not in {entry["manager"] for entry in found["metadata"]["managedFields"]}
    assert [line for line in lines if line["event"] == "certificates_hindered"] == []


async def test_a_start_without_the_right_to_the_secret_ends_with_an_error_that_names_it() -> None:
    """As caches do that may not be read; until then /readyz has the reason."""
    async with a_world(rbac=True) as world:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "demo"}}
        world.seed(account)
        keeper = a_keeper(world.client)
        world.start(keeper, name="keeper", acting_as="system:serviceaccount:demo:web")
        with pytest.raises(NotSynced, match="it may not list, watch secrets web-webhooks in namespace demo; allow it"):
            await keeper.wait_ready(timeout_s=30)


async def test_a_configuration_can_be_applied_again_with_one_webhook_less_and_keeps_its_ca_bundles() -> None:
    """Nobody owns a caBundle, so that server-side apply neither takes it away nor leaves a part of a webhook behind."""
    async with a_world() as world:
        chart = Client(world.client.transport, field_manager="chart")
        whole = {"webhooks": a_configuration()["webhooks"]}
        await chart.apply(TARGET.resource, TARGET.key, whole, on_conflict=OnConflict.FORCE)
        keeper = a_keeper(world.client)
        async with running(keeper):
            await keeper.wait_ready(timeout_s=30)
            await asyncio.sleep(1)
            before = await bundles(world.client)
            await chart.apply(TARGET.resource, TARGET.key, whole)
            assert await bundles(world.client) == before
            await world.client.patch(TARGET.resource, TARGET.key, MergePatch({"metadata": {"managedFields": [{}]}}))
            await chart.apply(TARGET.resource, TARGET.key, whole, on_conflict=OnConflict.FORCE)
            await chart.apply(TARGET.resource, TARGET.key, {"webhooks": whole["webhooks"][:1]})
            await asyncio.sleep(1)
            assert keeper.statistics().steps["Disown"] == 1
            assert keeper.check() == ""
