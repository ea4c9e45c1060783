"""Each namespace gets a ServiceAccount and the server's certificate, as controllers of a cluster make them."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from ctrlkit.errors import NotFound
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import Cluster, InProcessRuntime, Loop
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import CONFIG_MAPS, NAMESPACES, SECRETS, SERVICE_ACCOUNTS

DEMO = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}


async def test_both_are_made_and_made_again() -> None:
    """In namespaces that are there and that come; what is deleted or changed comes back."""
    async with World() as world, InProcessRuntime(images={}) as runtime:
        world.start(Cluster(world.client, runtime, loops=frozenset({Loop.ACCOUNTS}), root_ca="PEM"))
        await world.settle()
        world.seed(DEMO)
        await world.settle()
        for namespace in ("default", "demo"):
            assert world.tracker.get(SERVICE_ACCOUNTS, f"{namespace}/default")
            assert world.tracker.get(CONFIG_MAPS, f"{namespace}/kube-root-ca.crt")["data"] == {"ca.crt": "PEM"}

        world.tracker.delete(SERVICE_ACCOUNTS, "demo/default")
        world.tracker.patch(CONFIG_MAPS, "demo/kube-root-ca.crt", MergePatch({"data": {"ca.crt": "other"}}))
        undescribed = MergePatch({"metadata": {"annotations": None}})
        world.tracker.patch(CONFIG_MAPS, "default/kube-root-ca.crt", undescribed)
        await world.settle()
        for namespace in ("default", "demo"):
            described = world.tracker.get(CONFIG_MAPS, f"{namespace}/kube-root-ca.crt").metadata.annotations or {}
            assert described["kubernetes.io/description"].startswith("Contains a CA bundle")
        assert world.tracker.get(SERVICE_ACCOUNTS, "demo/default")
        assert world.tracker.get(CONFIG_MAPS, "demo/kube-root-ca.crt")["data"] == {"ca.crt": "PEM"}


async def test_a_server_without_tls_has_no_certificate_to_publish() -> None:
    async with World(cluster=[Loop.ACCOUNTS]) as world:
        await world.settle()
        assert world.tracker.get(SERVICE_ACCOUNTS, "default/default")
        assert world.tracker.list(CONFIG_MAPS) == []


async def test_a_namespace_that_ends_is_left_empty() -> None:
    """The account goes with its namespace, and does not come back."""
    async with World(DEMO, cluster=[Loop.ACCOUNTS, Loop.NAMESPACES]) as world:
        await world.settle()
        await world.client.delete(NAMESPACES, "demo")
        await world.settle()
        with pytest.raises(NotFound):
            world.tracker.get(NAMESPACES, "demo")
        assert world.tracker.list(SERVICE_ACCOUNTS, "demo") == []


def token_secret(name: str, account: str, **annotations: str) -> dict[str, Any]:
    named = {"kubernetes.io/service-account.name": account, **annotations}
    metadata = {"name": name, "namespace": "default", "annotations": named}
    return {"metadata": metadata, "type": "kubernetes.io/service-account-token"}


async def test_a_secret_of_an_account_gets_its_token_and_goes_with_it() -> None:
    """The server knows whom the token stands for; what is taken out of the Secret comes back."""
    async with World() as world, InProcessRuntime(images={}) as runtime:
        world.start(Cluster(world.client, runtime, loops=frozenset({Loop.ACCOUNTS}), root_ca="PEM"))
        await world.settle()
        account = await world.client.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bot", "namespace": "default"}})
        await world.client.create(SECRETS, token_secret("bot-token", "bot"))
        await world.settle()
        secret = world.tracker.get(SECRETS, "default/bot-token")
        held = {name: b64decode(value).decode() for name, value in secret["data"].items()}
        assert (held["ca.crt"], held["namespace"]) == ("PEM", "default")
        assert (secret.metadata.annotations or {})["kubernetes.io/service-account.uid"] == account.metadata.uid
        user = world.tracker.authenticate(held["token"])
        assert user is not None
        assert user["username"] == "system:serviceaccount:default:bot"

        world.tracker.patch(SECRETS, "default/bot-token", MergePatch({"data": {"ca.crt": None}}))
        await world.settle()
        assert "ca.crt" in world.tracker.get(SECRETS, "default/bot-token")["data"]
        await world.client.delete(SERVICE_ACCOUNTS, "default/bot")
        await world.settle()
        assert world.tracker.list(SECRETS) == []


async def test_a_secret_of_an_account_that_there_is_not_goes() -> None:
    """Nor does one stay that means an earlier account of that name; Secrets of other types are nobody's."""
    async with World(cluster=[Loop.ACCOUNTS]) as world:
        await world.settle()
        await world.client.create(SECRETS, token_secret("unknown", "nobody"))
        earlier = token_secret("earlier", "default", **{"kubernetes.io/service-account.uid": "another"})
        await world.client.create(SECRETS, earlier)
        await world.client.create(SECRETS, {"metadata": {"name": "other", "namespace": "default"}})
        await world.settle()
        assert [one.key.name for one in world.tracker.list(SECRETS)] == ["other"]
