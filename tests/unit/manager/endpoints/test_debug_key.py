"""What the page of one key knows."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.errors import Forbidden, RetryLater, TerminalError
from ctrlkit.fakes import World
from ctrlkit.manager import Manager
from ctrlkit.manager.endpoints.debug_key import key_picture
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import CONFIG_MAPS
from tests.support.greetings import GREETINGS, greeter, greeting


def by_name(manager: Manager) -> Controller:
    """Reconciles greetings that say in their names how it ends."""

    async def reconcile(request: Request) -> Outcome:
        match request.name:
            case "slow":
                await asyncio.sleep(3600)
            case "broken":
                raise TerminalError("spec.text is a number")
            case "refused":
                raise Forbidden("no way")
            case "early":
                raise RetryLater("the database starts", after_s=300)
            case "later":
                return RequeueAfter(600)
        return DONE

    greetings = manager.informer(GREETINGS)
    return Controller(name="mixed", reconcile=reconcile, watches=[Watch(greetings, to_self)], workers=2)


def shown(manager: Manager, key: ObjectKey | str, controller: str = "mixed") -> dict[str, Any]:
    """The picture, as JSON brings it."""
    found = key_picture(manager, controller, key)
    assert found is not None
    return dict(json.loads(json.dumps(found)))


@pytest.mark.behaviour("B30")
async def test_of_each_key_its_state_what_comes_next_and_its_last_runs() -> None:
    """What it does now, whether it fails and when it is tried again, and how it went so far."""
    names = ("good", "slow", "broken", "refused", "early", "later")
    async with World(*map(greeting, names), kinds=[GREETINGS]) as world:
        manager = world.manage(by_name)
        await world.pass_time(90)
        found = {name: shown(manager, f"demo/{name}") for name in names}
        assert {name: each["key"]["state"] for name, each in found.items()} == {
            "good": "idle",
            "slow": "stuck",
            "broken": "failing",
            "refused": "failing",
            "early": "waiting",
            "later": "waiting",
        }
        assert found["slow"]["now"]["running_s"] == pytest.approx(90)
        assert re.fullmatch(r"test_debug_key\.py:\d+ in reconcile", found["slow"]["now"]["at"])
        assert found["slow"]["now"]["causes"][0].startswith("greetings.demo.example.com demo/slow added")
        assert (found["early"]["now"]["reason"], found["early"]["now"]["due_s"]) == ("retry_later", pytest.approx(210))
        assert found["early"]["now"]["message"] == "the database starts"
        assert found["early"]["now"]["since_s"] == pytest.approx(90, abs=1)
        assert (found["later"]["now"]["reason"], found["later"]["now"]["due_s"]) == (
            "requeue_after",
            pytest.approx(510),
        )
        assert (found["broken"]["failing"]["result"], found["broken"]["failing"]["next_s"]) == ("terminal_error", None)
        assert found["refused"]["failing"]["next_s"] == found["refused"]["now"]["due_s"]
        assert found["good"]["failing"] == {}
        (run,) = found["broken"]["history"]["rows"]
        assert (run["result"], run["error"], run["next"], run["next_s"]) == (
            "terminal_error",
            "spec.text is a number",
            "",
            None,
        )
        failures = found["refused"]["failing"]["failures"]
        assert [run["attempt"] for run in found["refused"]["history"]["rows"]] == [
            *range(failures, failures - 7, -1),
            1,
        ], "the first one of the row is kept"
        (run,) = found["later"]["history"]["rows"]
        assert (run["result"], run["next"], run["next_s"]) == ("requeue_after", "requeue_after", 600)
        (held,) = found["good"]["objects"]["rows"]
        assert held["version"] == world.tracker.get(GREETINGS, "demo/good").metadata.resource_version
        await world.crash(manager)


async def test_a_run_names_its_writes_and_the_version_it_saw() -> None:
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(greeter())
        await world.settle()
        runs = shown(manager, "demo/hello", "greetings")["history"]["rows"]
        assert world.tracker.get(CONFIG_MAPS, "demo/hello") is not None
        assert any("configmaps/hello" in write for run in runs for write in run["writes"])
        assert all(run["seen"] and run["causes"] and run["id"] for run in runs)
        assert [run["began"] for run in runs] == sorted((run["began"] for run in runs), reverse=True)


async def test_of_a_deletion_it_is_said_which_finalizers_it_waits_for() -> None:
    held = greeting()
    held["metadata"]["finalizers"] = ["demo.example.com/dns"]
    async with World(held, kinds=[GREETINGS]) as world:
        manager = world.manage(by_name)
        await world.settle()
        (row,) = shown(manager, "demo/hello")["objects"]["rows"]
        assert (row["deleting"], row["finalizers"]) == (False, [])
        world.tracker.delete(GREETINGS, "demo/hello")
        await world.settle()
        (row,) = shown(manager, "demo/hello")["objects"]["rows"]
        assert (row["deleting"], row["finalizers"]) == (True, ["demo.example.com/dns"])


@pytest.mark.parametrize(
    ("controller", "key"), [("greetings", "demo/other"), ("other", "demo/hello"), ("greetings", "no/such/key")]
)
async def test_nothing_is_known_of_other_keys(controller: str, key: str) -> None:
    """A key that neither ran nor waits nor is cached, a controller that there is not, a text that is no key."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(greeter())
        await world.settle()
        assert key_picture(manager, controller, key) is None


async def test_an_object_in_quarantine_says_why() -> None:
    """It never runs: the reader of the page has to learn that from somewhere."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.seed({**greeting("broken"), "spec": {"text": 7}})
        manager = world.manage(typed)
        await world.settle()
        (held,) = shown(manager, "demo/broken")["objects"]["rows"]
        assert "text" in held["error"]


def typed(manager: Manager) -> Controller:
    """Reads greetings with types."""
    from tests.unit.manager.endpoints.test_debug import Greeting

    async def reconcile(_request: Request) -> Outcome:
        return DONE

    greetings = manager.informer(GREETINGS.of(Greeting))
    return Controller(name="mixed", reconcile=reconcile, watches=[Watch(greetings, to_self)])
