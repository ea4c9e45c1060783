"""A program serves its webhooks over HTTPS, and a server calls them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ctrlkit import Manager, connect
from ctrlkit.client import Client
from ctrlkit.errors import ConfigError, Forbidden, NotSynced
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.apiserver.webhook_client import HttpsWebhooks
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.manager.webhooks.options import WebhookServing
from ctrlkit.model.kinds import MUTATING_WEBHOOK_CONFIGURATIONS, VALIDATING_WEBHOOK_CONFIGURATIONS
from ctrlkit.webhooks import ServiceAddress, Webhooks
from tests.support.webhooked import CACHES, CACHES_V2, cache_object, check, defaults, define, running

pytestmark = [pytest.mark.real_time]
LOCAL = WebhookServing(address="127.0.0.1:0")
PROGRAM = "web"
"""The configurations of a program on a developer's machine are called after it."""


@asynccontextmanager
async def a_server(tmp_path: Path) -> AsyncIterator[Client]:
    """A client of an embedded server that calls webhooks."""
    tracker = Tracker()
    tracker.webhooks = HttpsWebhooks({})
    async with ApiServer(tracker, tracker.registry).serve() as server:
        path = tmp_path / "kubeconfig"
        server.write_kubeconfig(path)
        async with connect(kubeconfig=str(path), field_manager=PROGRAM) as client:
            yield client


@pytest.mark.behaviour("M2")
async def test_a_server_calls_the_webhooks_of_a_program_on_the_developers_machine(tmp_path: Path) -> None:
    """Defaults are filled in, what is wrong is refused with the reason, and other versions are read through us."""
    async with a_server(tmp_path) as client, running(client, LOCAL) as replica:
        await define(client)
        await replica.ready()
        made = await client.create(CACHES, cache_object("a"))
        assert made.spec.image == "redis:7"
        with pytest.raises(Forbidden, match="0 is too small; write 1 or more"):
            await client.create(CACHES, cache_object("b", size=0))
        assert (await client.get(CACHES_V2, "default/a")).spec.replicas == 1


@pytest.mark.behaviour("M2")
async def test_caches_fill_through_the_conversion_that_the_same_program_serves(tmp_path: Path) -> None:
    """The definition leads to where an earlier run was: webhooks are up, and the server told, before the first list."""
    async with a_server(tmp_path) as client:
        await define(client)
        async with running(client, LOCAL) as replica:
            await replica.ready()
            await client.create(CACHES_V2, cache_object("a", version="v2", image="redis:7"))
        async with running(client, LOCAL) as replica:
            (informer,) = replica.manager.informers
            await informer.wait_synced()
            assert replica.manager.webhook_server is not None
            assert replica.manager.webhook_server.check() == ""
            assert informer.lister.get("default/a").spec.size == 1
            assert informer.statistics().reflectors[""].failures == 0


async def test_a_program_that_is_installed_in_the_cluster_is_not_served_from_here_too(tmp_path: Path) -> None:
    """A configuration with a Service cannot have a URL as well: the error says what to do."""
    async with a_server(tmp_path) as client:
        hooks = Webhooks([check])
        (found,) = hooks.configurations(ServiceAddress(namespace="demo", name="web"), name=f"{PROGRAM}-webhooks")
        await client.create(VALIDATING_WEBHOOK_CONFIGURATIONS, found)
        with pytest.raises(ConfigError, match="installed in that cluster, as a Service: take its configurations away"):
            async with running(client, LOCAL, [defaults, check]) as replica:
                await replica.task
        assert list(await client.list(VALIDATING_WEBHOOK_CONFIGURATIONS)) != []
        assert list(await client.list(MUTATING_WEBHOOK_CONFIGURATIONS)) == []  # it would lead to nobody


async def test_a_start_that_can_store_no_certificate_ends_with_the_reason_or_when_it_is_told_to(tmp_path: Path) -> None:
    """The namespace of the Service is missing: no cache is filled, and nothing is left running."""
    serving = WebhookServing(address="127.0.0.1:0", service="nowhere/web")
    async with a_server(tmp_path) as client:
        late = Manager(client, webhook_serving=serving, sync_timeout_s=0.3)
        late.add_webhook(check)
        with pytest.raises(NotSynced, match='create, update secrets nowhere/web: namespaces "nowhere" not found'):
            await late.run()
        patient = Manager(client, webhook_serving=serving)
        patient.add_webhook(check)
        stop = asyncio.Event()
        stop.set()
        await patient.run(stop)
        with pytest.raises(RuntimeError, match="has ended"):
            patient.add_webhook(defaults)
