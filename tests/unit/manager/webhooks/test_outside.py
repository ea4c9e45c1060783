"""What a server is told of webhooks outside of its cluster, and what is left of it afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.crd import definition_of
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.manager.webhooks.outside import installed
from ctrlkit.model import MergePatch, OnConflict
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS
from ctrlkit.webhooks import ServiceAddress, Webhooks
from tests.support.webhooked import CACHES, CACHES_V2, downgrade, upgrade

HERE = "https://127.0.0.1:9443"
SERVICE = ServiceAddress(namespace="operators", name="caches")


@pytest.fixture
def webhooks() -> Webhooks:
    """Conversions of one kind."""
    return Webhooks([upgrade, downgrade])


def conversion_on(clientset: FakeClientset) -> Any:
    """What the server knows of the conversion."""
    return clientset.tracker.get(CUSTOM_RESOURCE_DEFINITIONS, "caches.example.com").at("spec.conversion")


@pytest.mark.behaviour("M2")
async def test_a_conversion_that_led_to_a_service_leads_there_again_afterwards(webhooks: Webhooks) -> None:
    """The program in the cluster goes on, and its manifest can be applied again: it would name a URL and a Service."""
    definition = definition_of(CACHES, CACHES_V2, conversion=webhooks.conversion(SERVICE))
    clientset = FakeClientset(None, definition)
    before = conversion_on(clientset)
    async with installed(webhooks, clientset.client, url=HERE, name="here", ca_bundle=b""):
        config = conversion_on(clientset)["webhook"]["clientConfig"]
        assert (config["url"], "service" in config) == (f"{HERE}/convert", False)
    assert conversion_on(clientset) == before
    await clientset.client.apply(
        CUSTOM_RESOURCE_DEFINITIONS, "caches.example.com", definition, on_conflict=OnConflict.FORCE
    )


@pytest.mark.behaviour("M2")
async def test_a_conversion_that_somebody_else_has_changed_stays_as_it_is(webhooks: Webhooks) -> None:
    """Such as a second program, on another machine."""
    clientset = FakeClientset(None, definition_of(CACHES, CACHES_V2, conversion=webhooks.conversion(SERVICE)))
    other = MergePatch({"spec": {"conversion": {"webhook": {"clientConfig": {"url": "https://10.0.0.9/convert"}}}}})
    async with installed(webhooks, clientset.client, url=HERE, name="here", ca_bundle=b""):
        clientset.tracker.patch(CUSTOM_RESOURCE_DEFINITIONS, "caches.example.com", other)
    assert conversion_on(clientset)["webhook"]["clientConfig"]["url"] == "https://10.0.0.9/convert"


@pytest.mark.behaviour("M2")
async def test_a_definition_that_had_no_conversion_keeps_ours(webhooks: Webhooks) -> None:
    """Without one, a server would drop what the other version does not have."""
    clientset = FakeClientset(None, definition_of(CACHES, CACHES_V2))
    async with installed(webhooks, clientset.client, url=HERE, name="here", ca_bundle=b""):
        pass
    assert conversion_on(clientset)["webhook"]["clientConfig"]["url"] == f"{HERE}/convert"
