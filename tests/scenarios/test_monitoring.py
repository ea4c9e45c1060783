"""
Hours of replicas in virtual time, judged by Prometheus' own evaluation of our rules and panels.

A program that is well fires no alert, whatever happens around it; one that is not fires those that say so alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_mapped, to_self
from ctrlkit.deploy.monitoring import ROWS
from ctrlkit.deploy.monitoring.expressions import matchers_of, of_series
from ctrlkit.election import Elector, LeadershipLost, Sharding
from ctrlkit.errors import Conflict, Forbidden, RetryLater, TerminalError, Unreachable
from ctrlkit.fakes import Calls, World
from ctrlkit.manager import Manager
from ctrlkit.manager.endpoints.health import Heartbeat
from ctrlkit.model import MergePatch, ObjectKey, Record
from ctrlkit.model.kinds import CONFIG_MAPS, SECRETS
from tests.support.greetings import GREETINGS, greeting
from tests.support.promql import plain
from tests.support.promtool import needs_promtool, tried
from tests.support.series import EVERY_S, Scraper, checked
from tests.unit.manager.endpoints.test_metrics import (
    Greeting,
    Scene,
    scene,
    trouble_with_caches,
    trouble_with_events,
    trouble_with_the_lease,
    trouble_with_webhooks,
    trouble_with_work,
    trouble_with_writes,
)

LABELS = {"job": "greeter-metrics", "namespace": "demo"}
LEASE = ObjectKey("demo", "greeter")
FIRING = 'count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[24h]))'

pytestmark = [needs_promtool, pytest.mark.long]


class Program:
    """Replicas in a world, each with a name by which it is scraped."""

    def __init__(self, world: World, *, shards: int = 0) -> None:
        self.world = world
        self.shards = shards
        self.scraper = Scraper(LABELS)
        self.heartbeat = Heartbeat()
        self.running: dict[str, Manager] = {}
        self.failing = False
        self._texts = count()

    def start(self, name: str) -> Manager:
        """One replica more, or one that starts again."""
        client = Client(self.world.clientset, field_manager="greeter")
        identity = f"{name}-{next(self._texts)}"
        if self.shards:
            group = Sharding(client, name=LEASE.name, namespace=LEASE.namespace, shards=self.shards, identity=identity)
            manager = Manager(client, sharding=group)
        else:
            manager = Manager(client, elector=Elector(client, LEASE, identity=identity))
        manager.add(self.controller(manager))
        self.world.start(manager)
        self.running[name] = manager
        self.scraper.add(name, manager, self.heartbeat)
        return manager

    async def stop(self, name: str) -> None:
        """End it in order."""
        self.scraper.remove(name)
        await self.world.stop(self.running.pop(name))

    def leader(self) -> str:
        """Who leads."""
        (name,) = (name for name, manager in self.running.items() if manager.elector and manager.elector.is_leading())
        return name

    def controller(self, manager: Manager) -> Controller:
        """Reconciles as the name of the key says."""

        async def reconcile(request: Request) -> Outcome:
            match request.name:
                case "polled":
                    return RequeueAfter(60)
                case "early" if request.attempt < 5:
                    raise RetryLater("what it needs is not there yet", after_s=30)
                case "contested" if request.attempt < 3:
                    raise Conflict("it changed")
                case "flaky" if self.failing:
                    raise OSError("the service does not answer")
                case "bug":
                    raise KeyError("spec")
                case "final":
                    raise TerminalError("asks for what cannot be")
                case "hangs":
                    await asyncio.sleep(24 * 3600)
            await asyncio.sleep(2)
            return DONE

        greetings = manager.informer(GREETINGS.of(Greeting))
        return Controller(
            name="greetings",
            reconcile=reconcile,
            watches=[Watch(greetings, to_self), Watch(manager.informer(CONFIG_MAPS), to_mapped(mapped))],
            workers=2,
        )

    def change(self, name: str) -> None:
        """Write something else into a greeting."""
        self.world.tracker.patch(GREETINGS, f"demo/{name}", MergePatch({"spec": {"text": f"text {next(self._texts)}"}}))

    async def traffic(self, minutes: int) -> None:
        """Greetings that change each 20 seconds."""
        for number in range(3 * minutes):
            self.change(f"g{number % 10}")
            await self.world.pass_time(20)


def mapped(record: Record[Any]) -> list[ObjectKey]:
    """No keys; for one name a bug."""
    if record.key.name == "unmapped":
        raise LookupError(record.key)
    return []


@asynccontextmanager
async def program(*names: str, shards: int = 0) -> AsyncIterator[Program]:
    """Two replicas that have started, whose metrics are read, with some greetings."""
    objects = [greeting(name) for name in (*(f"g{number}" for number in range(10)), *names)]
    async with World(*objects, kinds=[GREETINGS]) as world:
        world.allow_failures()
        made = Program(world, shards=shards)
        with made.heartbeat.beating():
            made.start("a")
            made.start("b")
            scraping = asyncio.create_task(made.scraper.scraping())
            try:
                await world.pass_time(60)
                yield made
            finally:
                scraping.cancel()
                for manager in made.running.values():
                    await world.crash(manager)


def judged(folder: Path, *tests: dict[str, Any]) -> None:
    """Have promtool run tests beside the rules."""
    assert "SUCCESS" in tried(folder, matchers_of(**LABELS), *tests, every="30s")


async def test_no_alert_fires_while_a_program_is_well(tmp_path: Path) -> None:
    """Traffic, a quiet night, an outage of the server, a lost lease, a rollout, failures that pass."""
    async with program("polled", "early", "contested", "flaky") as on:
        await on.traffic(20)
        on.failing = True
        on.change("flaky")
        await on.world.pass_time("10m")
        on.failing = False
        await on.world.pass_time("2h")
        leader = on.leader()
        with on.world.faults.outage(Calls(), error=Unreachable("the server restarts")):
            with pytest.raises(LeadershipLost):
                await on.world.pass_time("2m")
            on.scraper.remove(leader)
            with pytest.raises(LeadershipLost):
                await on.world.stop(on.running.pop(leader))
            await on.world.pass_time("2m")
        await on.world.pass_time(20)
        on.start(leader)
        await on.traffic(20)
        for old, new in (("a", "c"), ("b", "d")):
            on.start(new)
            await on.world.pass_time(45)
            await on.stop(old)
            await on.world.pass_time(30)
        await on.traffic(30)
        assert on.leader() in {"c", "d"}
        judged(tmp_path, checked("well", on.scraper, (FIRING, on.scraper.now, [])))


async def test_no_alert_fires_while_shards_move(tmp_path: Path) -> None:
    """A replica more, one that crashes, a rollout of all."""
    async with program("polled", shards=4) as on:
        await on.traffic(10)
        on.start("c")
        await on.traffic(5)
        on.scraper.remove("a")
        await on.world.crash(on.running.pop("a"))
        await on.traffic(5)
        for old, new in (("b", "d"), ("c", "e")):
            on.start(new)
            await on.world.pass_time(45)
            await on.stop(old)
            await on.world.pass_time(30)
        await on.traffic(20)
        held = (
            "sum by (job) (max by (job, name) (leader_election_master_status))"  # four shards, and each replica's own
        )
        want = [{"labels": '{job="greeter-metrics"}', "value": 4 + len(on.running)}]
        judged(tmp_path, checked("shards", on.scraper, (FIRING, on.scraper.now, []), (held, on.scraper.now, want)))


async def test_alerts_say_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    """Keys that fail, are given up and hang; an object that cannot be read; a mapper that raises; a lost right."""
    async with program("bug", "final", "hangs") as on:
        for manager in on.running.values():
            manager.informer(SECRETS)
        on.world.seed({**greeting("unfit"), "spec": {"text": 7}})
        await on.traffic(10)
        faults = [on.world.faults.fail(Calls(verb, SECRETS), Forbidden("no"), times=None) for verb in ("list", "watch")]
        on.world.faults.end_watches(Calls("watch", SECRETS))
        metadata = {"name": "unmapped", "namespace": "demo"}
        on.world.seed({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        await on.traffic(60)
        for fault in faults:
            fault.end()
        names = ("CacheFailing", "ChangesLost", "KeysFailing", "KeysGivenUp", "KeysStuck", "ObjectsQuarantined")
        want = [{"labels": f'{{alertname="Ctrlkit{name}"}}', "value": 1} for name in names]
        judged(tmp_path, checked("ill", on.scraper, (f"group by (alertname) ({FIRING})", on.scraper.now, want)))


async def test_an_alert_says_that_nobody_leads_and_then_that_nobody_is_there(tmp_path: Path) -> None:
    """A stranger holds the Lease; later no replica runs at all."""
    async with program() as on:
        leader = on.leader()
        stranger = Elector(Client(on.world.clientset), LEASE, identity="stranger")
        waiting = asyncio.create_task(stranger.acquire())
        other = next(name for name in on.running if name != leader)
        await on.stop(other)
        await on.stop(leader)
        await waiting
        holding = asyncio.create_task(stranger.hold())
        on.start("c")
        on.start("d")
        await on.world.pass_time("10m")
        silent = on.scraper.now
        for name in tuple(on.running):
            await on.stop(name)
        await on.world.pass_time("20m")
        holding.cancel()
        firing = 'ALERTS{alertstate="firing"}'
        want = {"job": "greeter-metrics", "namespace": "demo", "severity": "critical", "alertstate": "firing"}
        nobody = matchers_of(**want, alertname="CtrlkitNobodyLeads", name="greeter")
        absent = matchers_of(**want, alertname="CtrlkitProgramAbsent")
        judged(
            tmp_path,
            checked(
                "nobody",
                on.scraper,
                (firing, silent, [{"labels": f"ALERTS{{{nobody}}}", "value": 1}]),
                (firing, on.scraper.now, [{"labels": f"ALERTS{{{absent}}}", "value": 1}]),
            ),
        )


async def test_every_panel_shows_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a program that serves its metrics over HTTPS, and to which everything happens that is counted."""
    scraper = Scraper(LABELS)
    certificates = {"end_seconds", "steps_total", "failures_total"}  # of a server that only stands for one
    async with scene(tmp_path) as on, aiohttp.ClientSession() as session:
        await on.world.pass_time(2)
        scraping = asyncio.create_task(reading(on, scraper, session))
        await on.world.pass_time(120)
        await trouble_with_caches(on, monkeypatch)
        await trouble_with_writes(on)
        await trouble_with_events(on)
        await trouble_with_the_lease(on)
        await trouble_with_work(on)
        await trouble_with_webhooks(on)
        await on.world.pass_time(120)
        scraping.cancel()
    shown = [
        of_series(plain(query.expression), 'job="greeter-metrics"')
        for row in ROWS
        for panel in row.panels
        for query in panel.queries
    ]
    asked = [
        (f"max_over_time(count({expression})[1h:30s]) > bool 0", scraper.now, ONE)
        for expression in shown
        if "ALERTS" not in expression and not any(f"webhook_certificate_{each}" in expression for each in certificates)
    ]
    judged(tmp_path, checked("panels", scraper, *asked))


ONE = [{"labels": "{}", "value": 1}]


async def reading(on: Scene, scraper: Scraper, session: aiohttp.ClientSession) -> None:
    """Read the metrics as Prometheus does, again and again."""
    while True:
        async with session.get(f"https://{on.manager.address}/metrics", ssl=False) as answer:
            scraper.take("a", await answer.text())
        scraper.end_scrape()
        await asyncio.sleep(EVERY_S)
