"""
A real Prometheus reads a real program: every expression of panels and alerts is answered over its HTTP interface.

How long alerts wait is tried in virtual time (test_monitoring.py); here one of them is seen to begin to.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import yaml

from ctrlkit.client import Client
from ctrlkit.controller import Controller
from ctrlkit.deploy.monitoring import ALERTS, ROWS, rule_file
from ctrlkit.deploy.monitoring.expressions import matchers_of, of_series
from ctrlkit.election import Elector
from ctrlkit.fakes import Tracker
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.manager import Manager
from ctrlkit.manager.endpoints import Endpoints
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import NAMESPACES
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.support.greetings import GREETINGS, greeter, greeting
from tests.support.loopback import own_address
from tests.support.processes import process_of
from tests.support.promql import plain

PROMETHEUS: Final = shutil.which("prometheus")
JOB: Final = "greeter-metrics"

pytestmark = [
    pytest.mark.long,
    pytest.mark.real_time,
    pytest.mark.skipif(PROMETHEUS is None, reason="there is no prometheus on PATH: its releases have one"),
]

NOT_HERE: Final = ("webhook", "event_recorder", "certwatcher", "informer_failing", "informer_handler_failures")
"""What this program has no samples of: no webhooks, no Events, no TLS, and no trouble with caches."""


class Asked:
    """A Prometheus, by its HTTP interface."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self._address = address
        self._session = session

    async def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer."""
        async with self._session.get(f"http://{self._address}/api/v1/{path}", params=parameters) as answer:
            body = await answer.json()
        assert body["status"] == "success", body
        return body["data"]

    async def query(self, expression: str) -> list[Any]:
        """The samples of an expression now."""
        found: list[Any] = (await self.get("query", query=expression))["result"]
        return found

    async def alerts(self) -> dict[str, str]:
        """The state of each alert."""
        (group,) = (await self.get("rules"))["groups"]
        assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}, group
        return {rule["name"]: rule["state"] for rule in group["rules"]}

    async def until(self, holds: Callable[[Any], bool], expression: str) -> list[Any]:
        """Ask again and again until an answer is as it should be."""
        async with asyncio.timeout(60):
            while True:
                found = await self.query(expression)
                if holds(found):
                    return found
                await asyncio.sleep(0.2)


@asynccontextmanager
async def prometheus(folder: Path, *targets: str) -> AsyncIterator[Asked]:
    """One that reads these addresses each second, with our rules."""
    assert PROMETHEUS is not None
    (folder / "rules.yaml").write_text(
        yaml.safe_dump(rule_file("greeter", series=matchers_of(job=JOB, namespace="demo")))
    )
    scrape = {"job_name": JOB, "static_configs": [{"targets": list(targets), "labels": {"namespace": "demo"}}]}
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    said = {"global": every, "rule_files": ["rules.yaml"], "scrape_configs": [scrape]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(said))
    address = f"{own_address(9)}:9090"
    command = (
        PROMETHEUS,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    )
    async with process_of(*command, env={}, cwd=folder) as process, aiohttp.ClientSession() as session:
        assert process.stderr is not None
        while b"Server is ready" not in (line := await process.stderr.readline()):
            assert line, "Prometheus ended"
        draining = asyncio.create_task(drain(process.stderr))
        try:
            yield Asked(address, session)
        finally:
            draining.cancel()


async def drain(stream: asyncio.StreamReader) -> None:
    """Read what nobody wants, so that the writer does not wait."""
    while await stream.readline():
        pass


@asynccontextmanager
async def replica(url: str, identity: str, address: str) -> AsyncIterator[None]:
    """A program that runs against a server over HTTP, and serves its metrics; it may end by itself."""
    async with RestTransport(Endpoint(server=url)) as transport:
        client = Client(transport, field_manager="greeter")
        elector = Elector(client, ObjectKey("demo", "greeter"), identity=identity)
        manager = Manager(client, elector=elector, endpoints=Endpoints(address=address))
        controller = greeter(every_s=1.0)(manager)
        assert isinstance(controller, Controller)
        manager.add(controller)
        running = asyncio.create_task(manager.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_real_prometheus_answers_every_panel_and_tells_of_an_outage(tmp_path: Path) -> None:
    """Two replicas, of which one leads: no alert; then the server is gone, and the caches that fail are seen."""
    tracker = Tracker()
    tracker.registry.register_custom(GREETINGS)
    tracker.create(NAMESPACES, {"metadata": {"name": "demo"}})
    for name in ("a", "b"):
        tracker.create(GREETINGS, greeting(name))
    replicas = [f"{own_address(number)}:8080" for number in (1, 2)]
    async with AsyncExitStack() as ends:
        gone = await ends.enter_async_context(AsyncExitStack())
        server = await gone.enter_async_context(
            ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve()
        )
        for identity, address in zip("ab", replicas, strict=True):
            await ends.enter_async_context(replica(server.url, identity, address))
        asked = await ends.enter_async_context(prometheus(tmp_path, *replicas))
        await asked.until(lambda found: len(found) == 2, "ctrlkit_info")
        await asked.until(bool, "sum(rate(controller_runtime_reconcile_total[1m])) > 0")
        await asked.until(
            bool, "sum(rate(process_cpu_seconds_total[1m])) > 0 and sum(rate(python_gc_collections_total[1m]))"
        )
        silent = [
            query.expression
            for row in ROWS
            for panel in row.panels
            for query in panel.queries
            if not await asked.query(of_panel(query.expression))
        ]
        assert [expression for expression in silent if not any(name in expression for name in NOT_HERE)] == []
        assert await asked.alerts() == {alert.name: "inactive" for alert in ALERTS}

        await gone.aclose()
        await asked.until(bool, "informer_failing == 1")
        await asked.until(bool, 'ALERTS{alertname="CtrlkitCacheFailing", alertstate="pending"}')


def of_panel(expression: str) -> str:
    """An expression as Grafana asks it, with all of everything chosen."""
    return plain(of_series(expression, f'namespace=~".*", job=~"{JOB}", instance=~".+"'))
