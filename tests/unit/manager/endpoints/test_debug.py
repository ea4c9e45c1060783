"""What the debug page knows of a manager at work."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import msgspec
import pytest

from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.election import Elector, Sharding
from ctrlkit.errors import Forbidden, RetryLater, Unreachable
from ctrlkit.events import EventType
from ctrlkit.fakes import Calls, FakeClientset, World
from ctrlkit.manager import Manager
from ctrlkit.manager.endpoints import CheckKind, Endpoints
from ctrlkit.manager.endpoints.debug import picture
from ctrlkit.manager.endpoints.health import Heartbeat
from ctrlkit.manager.endpoints.tables import ROWS_MAX
from ctrlkit.manager.program import manager_from
from ctrlkit.manager.settings import Settings
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import CONFIG_MAPS, SECRETS
from ctrlkit.telemetry import LogLevel
from tests.support.greetings import GREETINGS, greeter, greeting
from tests.unit.manager.endpoints.support import asking


class Spec(msgspec.Struct, frozen=True):
    """What a greeting should have."""

    text: str


class Greeting(msgspec.Struct, frozen=True):
    """One that is read with types."""

    spec: Spec


def shown(manager: Manager) -> dict[str, Any]:
    """The picture, as JSON brings it."""
    found = picture(manager, Endpoints(token_file="/secrets/token"), Heartbeat())
    return dict(json.loads(json.dumps(found)))


def rows(found: dict[str, Any], section: str) -> list[dict[str, Any]]:
    return list(found[section]["rows"])


async def test_an_idle_manager() -> None:
    """Who runs, in which version, with what was set, and that nothing is wrong."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(greeter())
        await world.settle()
        found = shown(manager)
    assert found["program"]["ctrlkit"] == "0.1.0"
    assert "grace_s" not in found["settings"]
    assert found["program"]["up_s"] >= 0
    assert (found["headline"]["state"], found["headline"]["failing"]["keys"]) == ("well", 0)
    assert (found["headline"]["leadership"]["way"], found["headline"]["leadership"]["leads"]) == ("alone", True)
    assert all(check["ok"] for check in rows(found, "checks"))
    assert {check["check"] for check in rows(found, "checks")} == {
        "ping",
        "event-loop",
        "informer:greetings.demo.example.com",
        "informer:configmaps",
        "controller:greetings",
    }
    (controller,) = rows(found, "controllers")
    assert (controller["controller"], controller["synced"], controller["results"]) == ("greetings", True, {"done": 2})
    assert controller["runs_on"] == "all", "where nobody is elected"
    assert [(cache["cache"], cache["objects"], cache["error"]) for cache in rows(found, "caches")] == [
        ("greetings.demo.example.com", 1, ""),
        ("configmaps", 1, ""),
    ]
    for empty in ("alike", "failing", "running", "ready", "waiting", "quarantined", "leases", "shards"):
        assert found[empty] == {"rows": [], "more": 0}


@pytest.mark.behaviour("B30", "B32")
async def test_what_fails_what_runs_and_what_waits() -> None:
    """Keys that fail with the last error and since when, running keys with their length and causes, and what waits."""

    def build(manager: Manager) -> Controller:
        async def reconcile(request: Request) -> Outcome:
            if request.name == "slow":
                await asyncio.sleep(3600)
            if request.name == "good":
                return DONE
            raise Forbidden("no\nway " + "x" * 1000)

        greetings = manager.informer(GREETINGS)
        return Controller(name="mixed", reconcile=reconcile, watches=[Watch(greetings, to_self)], workers=2)

    async with World(*map(greeting, ("bad", "good", "slow", "worse")), kinds=[GREETINGS]) as world:
        manager = world.manage(build)
        await world.pass_time(90)
        found = shown(manager)
        (running,) = rows(found, "running")
        assert (running["controller"], running["key"], running["attempt"]) == ("mixed", "demo/slow", 1)
        assert running["for_s"] == pytest.approx(90)
        assert re.fullmatch(r"test_debug\.py:\d+ in reconcile", running["at"])
        assert {re.sub(r"\d+", "#", row["where"]) for row in rows(found, "failing")} == {"test_debug.py:# in reconcile"}
        (alike,) = rows(found, "alike")
        assert (alike["keys"], alike["result"], alike["error"][:10]) == (2, "error", "no way xxx")
        assert running["causes"][0].startswith("greetings.demo.example.com demo/slow added")
        failing = rows(found, "failing")
        assert {row["key"] for row in failing} == {"demo/bad", "demo/worse"}
        assert {row["result"] for row in failing} == {"error"}
        assert failing[0]["failures"] > 3
        assert failing[0]["since_s"] == pytest.approx(90, abs=1)
        assert failing[0]["error"].startswith("no way xxx")
        assert len(failing[0]["error"]) <= 512
        assert rows(found, "waiting") == [], "what fails is told once"
        assert all(row["next_s"] > 0 for row in failing)
        (controller,) = rows(found, "controllers")
        assert (controller["workers"], controller["running"], controller["stuck"]) == (2, 1, 1)
        headline = found["headline"]
        assert (headline["state"], headline["failing"]["keys"]) == ("failing", 2)
        assert headline["failing"]["since"] == failing[0]["since"]
        assert [row["key"] for row in headline["stuck"]["rows"]] == ["demo/slow"]
        assert headline["blocked"]["rows"] == []
        await world.crash(manager)


@pytest.mark.behaviour("B30", "B32")
async def test_keys_that_wait_for_something_else_are_told_of_before_those_that_just_run_later() -> None:
    """Since when, for what, and why that is not there; once they have waited for a minute, in the headline too."""

    def build(manager: Manager) -> Controller:
        async def reconcile(request: Request) -> Outcome:
            if request.name == "bad":
                raise Forbidden("no")
            if request.name.startswith("ok"):
                return RequeueAfter(5)
            raise RetryLater("the DNS does not answer", after_s=40) from ConnectionRefusedError(111, "refused")

        return Controller(name="sites", reconcile=reconcile, watches=[Watch(manager.informer(GREETINGS), to_self)])

    names = ("bad", "late", *(f"ok{number}" for number in range(ROWS_MAX + 23)), "later")
    async with World(*map(greeting, names), kinds=[GREETINGS]) as world:
        manager = world.manage(build)
        await world.pass_time(30)
        assert shown(manager)["headline"]["waiting"]["keys"] == 0
        await world.pass_time(60)
        found = shown(manager)
        why = "the DNS does not answer [ConnectionRefusedError: [Errno 111] refused]"
        waiting = rows(found, "waiting")
        assert [(row["key"], row["reason"], row["message"]) for row in waiting[:2]] == [
            ("demo/late", "retry_later", why), ("demo/later", "retry_later", why),
        ]  # fmt: skip
        assert waiting[0]["since_s"] == pytest.approx(90, abs=1)
        assert {row["reason"] for row in waiting[2:]} == {"requeue_after"}
        assert (len(waiting), found["waiting"]["more"]) == (ROWS_MAX, 25)
        said = found["headline"]
        assert (said["state"], said["failing"]["keys"]) == ("failing", 1)
        assert said["waiting"] == {
            "keys": 2, "since": waiting[0]["since"], "since_s": waiting[0]["since_s"],
            "controllers": [{"controller": "sites", "keys": 2}],
            "reasons": [{"reason": why, "keys": 2}], "more_reasons": 0,
        }  # fmt: skip


async def test_that_the_server_is_gone_is_said_before_what_fails_for_that() -> None:
    """Keys fail while it does not answer, and they are not the cause."""

    def build(manager: Manager) -> Controller:
        async def reconcile(request: Request) -> Outcome:
            await manager.client.get(CONFIG_MAPS, request.key)
            return RequeueAfter(1)

        return Controller(name="reads", reconcile=reconcile, watches=[Watch(manager.informer(GREETINGS), to_self)])

    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.seed({"apiVersion": "v1", "kind": "ConfigMap", "metadata": greeting()["metadata"]})
        manager = world.manage(build)
        await world.pass_time(5)
        assert shown(manager)["headline"]["state"] == "well"
        fault = world.faults.fail(Calls(), Unreachable("connection refused"), times=None)
        world.faults.end_watches(Calls("watch"))
        await world.pass_time(30)
        said = shown(manager)["headline"]
        assert (said["state"], said["failing"]["keys"]) == ("unreachable", 1)
        assert said["unreachable"]["for_s"] == pytest.approx(30, abs=2)
        fault.end()
        await world.crash(manager)


async def test_a_controller_whose_workers_are_all_stuck_does_nothing_more_and_says_so() -> None:
    """One call that hangs, and one worker: an operator has to know why the other keys stand still."""

    def build(manager: Manager) -> Controller:
        async def reconcile(_request: Request) -> Outcome:
            await asyncio.sleep(3600)
            return DONE

        return Controller(name="slow", reconcile=reconcile, watches=[Watch(manager.informer(GREETINGS), to_self)])

    async with World(*map(greeting, ("a", "b", "c")), kinds=[GREETINGS]) as world:
        manager = world.manage(build)
        await world.pass_time(30)
        assert shown(manager)["headline"]["blocked"]["rows"] == []
        await world.pass_time(60)
        assert shown(manager)["headline"]["blocked"]["rows"] == [{"controller": "slow", "workers": 1, "ready": 2}]
        assert [(row["key"], round(row["waited_s"])) for row in rows(shown(manager), "ready")] == [
            ("demo/b", 90),
            ("demo/c", 90),
        ]
        (stuck,) = shown(manager)["headline"]["stuck"]["rows"]
        assert re.fullmatch(r"test_debug\.py:\d+ in reconcile", stuck["at"])
        await world.crash(manager)


async def test_a_table_is_bounded() -> None:
    """Of many keys that fail the next hundred are shown, and the rest counted."""

    def build(manager: Manager) -> Controller:
        async def reconcile(_request: Request) -> Outcome:
            raise Forbidden("no")

        return Controller(name="all", reconcile=reconcile, watches=[Watch(manager.informer(GREETINGS), to_self)])

    async with World(*(greeting(f"g{number}") for number in range(ROWS_MAX + 23)), kinds=[GREETINGS]) as world:
        manager = world.manage(build)
        await world.pass_time(1)
        found = shown(manager)
    assert (len(found["failing"]["rows"]), found["failing"]["more"]) == (ROWS_MAX, 23)
    assert found["waiting"] == {"rows": [], "more": 0}
    assert found["headline"]["failing"]["keys"] == ROWS_MAX + 23


async def test_who_looks_for_a_key_finds_it_among_many() -> None:
    """Also where it would not be among the first hundred, and where it is well."""

    def build(manager: Manager) -> list[Controller]:
        async def reconcile(request: Request) -> Outcome:
            if request.name.startswith("g"):
                raise Forbidden("no")
            return DONE

        watch = Watch(manager.informer(GREETINGS), to_self)
        return [Controller(name=name, reconcile=reconcile, watches=[watch]) for name in ("all", "also")]

    names = (*(f"g{number}" for number in range(ROWS_MAX + 23)), "well")
    async with World(*map(greeting, names), kinds=[GREETINGS]) as world:
        manager = world.manage(build)
        await world.pass_time(1)

        def looked_for(**what: str) -> dict[str, Any]:
            found = picture(manager, Endpoints(), Heartbeat(), **what)
            assert found["headline"]["failing"]["keys"] == 2 * (ROWS_MAX + 23)
            return dict(json.loads(json.dumps(found)))

        found = looked_for(controller="also", key="demo/g11")
        wanted = {("also", f"demo/g11{digit}") for digit in ("", *map(str, range(10)))}
        for section in ("failing", "keys"):
            assert {(row["controller"], row["key"]) for row in rows(found, section)} == wanted
            assert found[section]["more"] == 0
        assert [row["controller"] for row in rows(found, "controllers")] == ["also"]
        found = looked_for(key="well")
        assert {(row["controller"], row["result"]) for row in rows(found, "keys")} == {
            ("all", "done"),
            ("also", "done"),
        }
        assert rows(found, "failing") == rows(found, "waiting") == []
        found = looked_for(controller="also")
        assert (len(rows(found, "failing")), found["failing"]["more"]) == (ROWS_MAX, 23)


@pytest.mark.behaviour("B4", "B14")
async def test_a_cache_that_is_behind_says_why() -> None:
    """In readyz too: until it has filled with the cause, afterwards in a note."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        broken = {**greeting("broken"), "spec": {"text": 7}}
        world.seed(broken)
        fault = world.faults.fail(Calls("list", SECRETS), Forbidden("no secrets"), times=None)
        manager = Manager(world.client)
        manager.informer(SECRETS)
        typed = manager.informer(GREETINGS.of(Greeting))
        world.start(manager)
        await world.pass_time(5)
        found = shown(manager)
        failing = {check["check"]: check["note"] for check in rows(found, "checks") if not check["ok"]}
        assert list(failing) == ["informer:secrets"]
        assert "no secrets" in failing["informer:secrets"]
        assert "forbidden" in failing["informer:secrets"]
        assert rows(found, "caches")[0]["cache"] == "secrets"
        assert "no secrets" in rows(found, "caches")[0]["error"]
        (quarantined,) = rows(found, "quarantined")
        assert (quarantined["cache"], quarantined["key"]) == (str(typed.resource), "demo/broken")
        world.faults.clear()
        assert fault.hits
        await world.pass_time(60)
        with world.faults.outage(Calls(resource=SECRETS)):
            await world.pass_time(5)
            found = shown(manager)
            assert all(check["ok"] for check in rows(found, "checks"))
            (note,) = [check["note"] for check in rows(found, "checks") if check["check"] == "informer:secrets"]
            assert note.startswith("behind: ")
            assert [row["failing"] for row in rows(found, "scopes") if row["cache"] == "secrets"] == [["overloaded"]]
        await world.stop(manager)


@pytest.mark.behaviour("L13")
async def test_who_leads_and_whose_shard_is_whose() -> None:
    """Also which check a lease that hangs fails."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        elector = Elector(world.client, ObjectKey("demo", "greeter"), identity="me")
        leader = Manager(world.client, elector=elector)
        sharding = Sharding(world.client, name="greeters", namespace="demo", shards=3, identity="us")
        sharer = Manager(world.client, sharding=sharding)
        world.start(leader)
        world.start(sharer)
        await world.pass_time(60)
        (lease,) = rows(shown(leader), "leases")
        assert (lease["lease"], lease["identity"], lease["holder"], lease["leading"]) == ("greeter", "me", "me", True)
        found = shown(sharer)
        assert found["replicas"]["members"] == ["us"]
        assert [(row["shard"], row["this_replica"], row["holder"]) for row in rows(found, "shards")] == [
            (number, "held", "us") for number in range(3)
        ]
        names = [(check["kind"], check["check"]) for check in rows(shown(leader), "checks")]
        assert ("healthz", "leader-election") in names
        assert ("healthz", "sharding") in [(check["kind"], check["check"]) for check in rows(found, "checks")]
        assert {row["component"] for row in rows(shown(leader), "recorders")} == {"leader-election"}
        await world.stop(leader)
        await world.stop(sharer)


async def test_what_was_set_is_shown() -> None:
    """Wherever it was set, and nothing else: what is as usual is in the way of who looks for what is not."""
    settings = Settings(namespaces=("demo",), log_level=LogLevel.WARNING, kubeconfig="/home/me/config")
    found = shown(manager_from(settings, FakeClientset().client))["settings"]
    plain = shown(Manager(FakeClientset().client, grace_s=5))["settings"]
    assert plain == {"grace_s": 5, "token_file": "/secrets/token"}
    assert found == {"namespaces": ["demo"], "log_level": "warning", "kubeconfig": "/home/me/config"}


async def test_events_on_their_way() -> None:
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(greeter())
        recorder = manager.recorder("greeter")
        await world.settle()
        meta = world.tracker.get(CONFIG_MAPS, "demo/hello").metadata
        recorder.event(meta, CONFIG_MAPS, EventType.NORMAL, "Made", "made it")
        await world.settle()
        (row,) = rows(shown(manager), "recorders")
        assert (row["component"], row["recorded"], row["told"], row["pending"]) == ("greeter", 1, 1, 0)


async def test_the_manager_answers_from_its_start_to_its_end() -> None:
    """The address is known once it runs; a check that was added is asked."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = Manager(world.client, endpoints=Endpoints(address="127.0.0.1:0"))
        manager.add(greeter()(manager))  # type: ignore[arg-type]
        manager.add_check("disk", lambda: "no disk", kind=CheckKind.READYZ)
        world.start(manager)
        await world.settle()
        async with asking(address=manager.address) as ask:
            assert (await ask.get("/healthz")).status == 200
            assert "[-]disk failed: no disk" in (await ask.get("/readyz")).text
            page = (await ask.get("/debug")).text
            assert '<h2 id="running">Running</h2>' in page
            assert "readyz" in page
        await world.stop(manager)
