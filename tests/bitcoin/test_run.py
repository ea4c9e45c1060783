"""`bitcoin-controller run` as people and Deployments start it: a process of its own, against the embedded server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ctrlkit.bitcoin.manifests import objects
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import SERVICES
from tests.bitcoin.deployed import pods_of_the_deployment
from tests.bitcoin.servers import forbid, with_definition
from tests.support.processes import process_of

pytestmark = pytest.mark.real_time

_REPOSITORY = Path(__file__).parents[2]


@asynccontextmanager
async def a_controller(
    kubeconfig: Path, *arguments: str, variables: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`bitcoin-controller run` as a process."""
    own = ("--kubeconfig", str(kubeconfig), "--endpoints-address=127.0.0.1:0", "--webhooks-address=127.0.0.1:0")
    command = [sys.executable, "-m", "ctrlkit.bitcoin", "run", *arguments, *own]
    environment = os.environ | {"PYTHONPATH": str(_REPOSITORY)} | dict(variables or {})
    async with process_of(*command, env=environment) as process:
        yield process


async def test_run_refused_by_a_server_ends_with_one_line(tmp_path: Path) -> None:
    """The same over the wire: no kind, no permission, no known user."""
    unknown, refused = FakeClientset(), with_definition()
    forbid(refused, "list", "pods")
    servers = {
        "install it: bitcoin-controller manifests crd | kubectl apply -f -": ApiServer(
            unknown, unknown.tracker.registry
        ),
        "RBAC refuses list pods": ApiServer(refused, refused.tracker.registry),
        "check the credentials": ApiServer(unknown, unknown.tracker.registry),
    }
    for said, server in servers.items():
        kubeconfig = tmp_path / "config"
        async with server.serve():
            is_known = said != "check the credentials"
            text = server.kubeconfig()
            kubeconfig.write_text(text if is_known else re.sub("token: .*", "token: guess", text))
            async with a_controller(kubeconfig) as process:
                _, told = await process.communicate()
        assert (process.returncode, told.count(b"\n")) == (1, 1), told
        assert said in told.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_run_works_until_a_signal_and_ends_in_order(number: signal.Signals, tmp_path: Path) -> None:
    """A network gets its Service; then the signal, and the status is 0."""
    clientset = with_definition()
    kubeconfig = tmp_path / "config"
    async with ApiServer(clientset, clientset.tracker.registry).serve() as server:
        server.write_kubeconfig(kubeconfig)
        async with a_controller(kubeconfig, "--namespaces", "default", "--log-format", "json") as process:
            async with asyncio.timeout(60), clientset.client.watch(SERVICES, namespace="default") as events:
                network = objects("network")[0]
                clientset.tracker.create(BITCOIN_NETWORKS.of(Unstructured), {**network, "spec": {"nodes": 3}})
                await anext(events)
            process.send_signal(number)
            _, log = await process.communicate()

    assert process.returncode == 0
    assert b'"event": "manager_stopped"' in log


@dataclass
class Running:
    """A replica at work: its log so far, and where it answers."""

    process: asyncio.subprocess.Process
    log: list[dict[str, Any]] = field(default_factory=list)

    async def logged(self, event: str) -> dict[str, Any]:
        """The line of an event, as soon as it is there."""
        while True:
            for line in self.log:
                if line["event"] == event:
                    return line
            assert self.process.stderr is not None
            text = await self.process.stderr.readline()
            assert text, f"it ended without {event}; it said {self.log}"
            self.log.append(json.loads(text))

    async def ask(self, session: aiohttp.ClientSession, path: str) -> tuple[int, str]:
        """Status and text of one of its endpoints."""
        serving = await self.logged("endpoints_serving")
        async with session.get(f"http://{serving['address']}{path}") as answer:
            return answer.status, await answer.text()


async def test_replicas_as_deployed_are_both_ready_and_hand_over_when_one_is_stopped(tmp_path: Path) -> None:
    """
    What the Deployment starts, over the wire: JSON lines, probes and metrics, a lease that is given back in the end.

    The one that stands by is ready too, and takes over as soon as the first has ended.
    """
    clientset = with_definition()
    kubeconfig = tmp_path / "config"
    _, container = pods_of_the_deployment()
    service = "--webhooks-service=default/bitcoin-controller-webhooks"  # for this is no pod, which would know its own
    arguments = (*container["args"][1:], "--lease-namespace=default", "--retry-s=0.2", service)
    variables = {each["name"]: each["value"] for each in container["env"]}
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        server = await enter(ApiServer(clientset, clientset.tracker.registry).serve())
        server.write_kubeconfig(kubeconfig)
        session = await enter(aiohttp.ClientSession())
        await enter(asyncio.timeout(60))
        leader = Running(await enter(a_controller(kubeconfig, *arguments, variables=variables)))
        await leader.logged("leadership_acquired")
        standby = Running(await enter(a_controller(kubeconfig, *arguments, variables=variables)))
        await standby.logged("leader_seen")
        for replica, leads in ((leader, "1.0"), (standby, "0.0")):
            assert await replica.ask(session, "/readyz") == (200, "ok\n")
            assert await replica.ask(session, "/healthz") == (200, "ok\n")
            _, metrics = await replica.ask(session, "/metrics")
            assert f'leader_election_master_status{{name="bitcoin-controller"}} {leads}' in metrics

        leader.process.send_signal(signal.SIGTERM)
        await leader.logged("lease_released")
        await standby.logged("leadership_acquired")
        assert await leader.process.wait() == 0
