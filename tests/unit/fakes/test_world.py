"""A world: what it holds, what runs in it, when it is settled, and what it says when it is not."""

from __future__ import annotations

import asyncio

import pytest

from ctrlkit import clock
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import CtrlkitError, ServiceUnavailable
from ctrlkit.manager import Build, Manager, Settings
from ctrlkit.model import MergePatch, Options
from ctrlkit.model.kinds import CONFIG_MAPS, PODS, SERVICES, STATEFULSETS
from fakes import World, Write
from fakes.calls import Calls
from fakes.cluster import ALL, Loop
from fakes.world import NeverHeld, NeverSettled
from tests.support.greetings import GREETINGS, greeter, greeting

CREATED = Write("create", CONFIG_MAPS, "demo/hello")
MAPS = Calls(resource=CONFIG_MAPS)


async def test_a_world_settles_when_nothing_is_left_to_do() -> None:
    """And then says exactly what was written."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greeter())
        await world.settle()
        assert world.clientset.writes == [CREATED]
        assert clock.monotonic() == 0.0
        world.tracker.delete(CONFIG_MAPS, "demo/hello")
        await world.settle()
        assert world.clientset.writes == [CREATED] * 2


async def test_the_tests_own_calls_are_not_those_of_the_controller() -> None:
    """Whatever a test does as a user would; what a part does with the same client is the part's."""
    async with World(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}, kinds=[GREETINGS]
    ) as world:
        world.manage(greeter())
        await world.client.create(GREETINGS, greeting())
        await world.settle()
        await world.client.list(CONFIG_MAPS, namespace="demo")
        async with world.client.watch(CONFIG_MAPS):
            pass
        assert world.clientset.writes == [CREATED]
        assert "list" not in [action.verb for action in world.clientset.actions if action.namespace == "demo"]
        assert [str(action.resource) for action in world.clientset.actions if action.verb == "watch"] == [
            "greetings.demo.example.com",
            "configmaps",
        ]
        await world.client.delete(CONFIG_MAPS, "demo/hello")
        await world.settle()
        assert world.clientset.writes == [CREATED] * 2


async def test_what_a_part_does_with_the_worlds_client_is_recorded() -> None:
    """A controller that was made by hand is under test too."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = Manager(world.client)
        made = greeter()(manager)
        assert isinstance(made, Controller)
        manager.add(made)
        world.start(manager)
        await world.settle()
        assert world.clientset.writes == [CREATED]


async def test_what_a_test_does_is_met_by_faults_and_reactors() -> None:
    """Its client goes the same way."""
    async with World() as world:
        world.faults.fail(MAPS, ServiceUnavailable("the disk is full"))
        with pytest.raises(ServiceUnavailable):
            await world.client.list(CONFIG_MAPS)
        world.clientset.add_reactor("list", CONFIG_MAPS, lambda _: {"items": [], "metadata": {"resourceVersion": "9"}})
        assert await world.client.list(CONFIG_MAPS) == []


async def test_a_part_does_not_bear_the_name_of_the_test() -> None:
    async with World() as world:
        with pytest.raises(ValueError, match=r"^start test: the trace calls the test itself so"):
            world.manage(greeter(), name="test")


async def test_objects_and_kinds_may_come_later() -> None:
    async with World() as world:
        world.serve(GREETINGS)
        world.seed(greeting())
        world.manage(greeter())
        await world.settle()
        assert world.clientset.writes == [CREATED]


@pytest.mark.parametrize("duration", ["1h30m", 5400, "5400s"])
async def test_time_passes_with_all_that_falls_due(duration: str | float) -> None:
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(greeter(every_s=600))
        await world.settle()
        before = sum(manager.controllers[0].statistics().results.values())
        await world.advance(duration)
        assert clock.monotonic() == 5400
        assert sum(manager.controllers[0].statistics().results.values()) - before == 9


async def test_until_returns_in_the_moment_it_holds() -> None:
    """Time jumps from one thing that is due to the next; an object that is not there yet is no error."""
    async with World(kinds=[GREETINGS]) as world:
        world.manage(greeter())
        asyncio.get_running_loop().call_later(90, world.seed, greeting())
        found = await world.until(lambda: world.tracker.get(CONFIG_MAPS, "demo/hello"), within="2m")
        assert found["data"] == {"text": "hello, world"}
        assert clock.monotonic() == 90

        async def asked() -> bool:
            return len(await world.client.list(CONFIG_MAPS, namespace="demo")) == 1

        assert await world.until(asked) is True


async def test_until_gives_up_and_says_what_happened() -> None:
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greeter())

        def nobody_comes() -> bool:
            return False

        with pytest.raises(NeverHeld) as caught:
            await world.until(nobody_comes, within="10m")
        assert "nobody_comes: not so after 600 virtual seconds; nobody is busy" in str(caught.value)
        assert "create configmaps demo/hello => 7" in str(caught.value)


# ---- who is busy -----------------------------------------------------------------------------------------------------


async def test_a_key_that_fails_for_ever_is_named_with_its_retries_and_its_error() -> None:
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greeter())
        fault = world.faults.fail(Calls("create", CONFIG_MAPS), ServiceUnavailable("the disk is full"), times=None)
        with pytest.raises(NeverSettled) as caught:
            await world.settle(patience_s=60)
        head, *rest = str(caught.value).splitlines()
        assert head.startswith("settle the world: 1 still busy after 60 virtual seconds: ")
        assert "controller:greetings demo/hello owed a retry" in head
        assert f"after {fault.hits} failures, the last: create configmaps demo/hello: the disk is full" in head
        assert rest[0] == "fault at work: fail with ServiceUnavailable (create configmaps)"
        assert any(f"reconcile began, attempt {fault.hits}: because of a retry" in line for line in rest)
        fault.end()
        await world.settle()


async def test_a_cache_that_is_behind_is_busy_even_while_no_watch_is_open() -> None:
    """The informer waits out a back-off, and the server has moved on."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greeter())
        await world.settle()
        with world.faults.outage(MAPS):
            world.tracker.patch(CONFIG_MAPS, "demo/hello", MergePatch({"data": {"text": "vandalised"}}))
            await world.pass_time("1m")
            (lag,) = world.busy()
            assert lag.startswith("informer:configmaps at 7, server at 8 (waiting after: ")
        await world.settle()
        assert world.tracker.get(CONFIG_MAPS, "demo/hello")["data"] == {"text": "hello, world"}


async def test_a_cache_that_never_filled_says_why() -> None:
    async with World(kinds=[GREETINGS]) as world:
        world.manage(greeter())
        why = r"informer:greetings\.demo\.example\.com waiting after: .*unable to handle the request"
        with world.faults.outage(Calls(resource=GREETINGS)), pytest.raises(NeverSettled, match=why):
            await world.settle(patience_s=30)
        await world.settle()


async def test_what_a_cache_does_not_select_is_no_lag() -> None:
    """Writes to other namespaces, other labels, and other kinds leave it at its version."""

    def build(manager: Manager) -> Controller:
        mine = manager.informer(CONFIG_MAPS, label_selector="app=mine")
        return Controller(name="mine", reconcile=_nothing, watches=[Watch(mine, to_self)])

    async with World() as world:
        manager = world.manage(build, settings=Settings(namespaces=("demo", "other")))
        await world.settle()
        world.seed(_config_map("a", namespace="elsewhere"), _config_map("b"))
        await world.settle()
        assert set(manager.informers[0].versions.values()) != {str(world.tracker.version)}
        world.tracker.compact()
        await world.settle()
        with world.faults.stall_watches():
            world.seed(_config_map("c", app="mine"))
            await world.pass_time(1)
            assert f"informer:configmaps in demo at 4, server at {world.tracker.version}" in world.busy()
        await world.settle()


async def test_behind_a_compaction_the_contents_decide() -> None:
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greeter())
        await world.settle()
        with world.faults.outage(MAPS):
            world.tracker.delete(CONFIG_MAPS, "demo/hello")
            world.tracker.compact()
            await world.pass_time("1m")
            assert any(report.startswith("informer:configmaps at 7, server at 8") for report in world.busy())
        await world.settle()
        assert world.tracker.get(CONFIG_MAPS, "demo/hello")


# ---- managers --------------------------------------------------------------------------------------------------------


async def test_a_manager_that_crashes_writes_nothing_any_more() -> None:
    """Neither what it was about to write, nor anything that it would do on its way out."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(greeter())
        world.faults.delay(Calls("create", CONFIG_MAPS), "10s")
        await world.pass_time(5)
        assert manager.controllers[0].running
        await world.crash(manager)
        assert clock.monotonic() == 5
        await world.advance("1m")
        assert world.tracker.list(CONFIG_MAPS, "demo") == []
        assert "reconcile ended: cut off" in str(world.trace)
        again = world.restart(manager)
        await world.settle()
        assert again is not manager
        assert world.tracker.get(CONFIG_MAPS, "demo/hello")
        with pytest.raises(RuntimeError, match="was not stopped or crashed"):
            world.restart(again)


async def test_a_manager_that_is_stopped_finishes_what_it_does() -> None:
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(greeter())
        world.faults.delay(Calls("create", CONFIG_MAPS), "10s")
        await world.pass_time(5)
        await world.stop(manager)
        assert clock.monotonic() == 10
        assert world.tracker.get(CONFIG_MAPS, "demo/hello")


async def test_managers_have_ways_of_their_own_to_the_server() -> None:
    """One is cut off, and the other one does the work; the trace tells who did what."""
    async with World(kinds=[GREETINGS]) as world:
        cut_off = world.manage(greeter(), name="first")
        world.manage(greeter(), name="second")
        await world.settle()
        with world.faults_of(cut_off).outage(Calls()):
            world.seed(greeting())
            await world.pass_time("1m")
            assert "second: greetings demo/hello" in str(world.trace)
            assert "first: greetings demo/hello" not in str(world.trace)
            assert world.clientset.writes == [CREATED]
        await world.settle()


async def test_wall_clocks_may_be_skewed_but_timers_are_right() -> None:
    """The server's clock, and with it creationTimestamp, is its own."""
    told: dict[str, float] = {}

    def build_for(name: str) -> Build:
        def build(manager: Manager) -> Controller:
            greetings = manager.informer(GREETINGS)

            async def reconcile(request: Request) -> Outcome:
                told[name] = clock.now().timestamp()
                await manager.client.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "demo"}})
                return DONE

            return Controller(name=name, reconcile=reconcile, watches=[Watch(greetings, to_self)])

        return build

    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.skew(world.manage(build_for("early"), name="early"), -30.0)
        world.skew(world.manage(build_for("late"), name="late"), 45.0)
        await world.settle()
        now = clock.now().timestamp()
        assert told == {"early": now - 30, "late": now + 45}
        stamps = {item.metadata.creation_timestamp for item in world.tracker.list(CONFIG_MAPS, "demo")}
        assert stamps == {clock.timestamp(clock.now())}


async def test_a_part_that_fails_ends_the_test() -> None:
    def build(manager: Manager) -> Controller:
        return Controller(name="x", reconcile=_nothing, watches=[Watch(manager.informer(GREETINGS), to_self)])

    with pytest.raises(CtrlkitError, match="fill the caches: 1 not synced"):  # noqa: PT012 - the block is the subject
        async with World() as world:
            world.manage(build)
            await world.pass_time("10m")


# ---- chance ----------------------------------------------------------------------------------------------------------


async def test_the_same_seed_goes_the_same_way() -> None:
    traces = []
    for seed in (1, 1, 2):
        async with World(greeting(), kinds=[GREETINGS], seed=seed) as world:
            began = clock.monotonic()
            world.manage(greeter())
            world.faults.fail(Calls("create"), ServiceUnavailable("x"), times=5)
            await world.settle()
            traces.append((world.tracker.get(CONFIG_MAPS, "demo/hello").metadata.uid, clock.monotonic() - began))
    assert traces[0][0] == traces[1][0] != traces[2][0]
    assert traces[0][1] == pytest.approx(traces[1][1])
    assert traces[0][1] != pytest.approx(traces[2][1])


# ---- a cluster -------------------------------------------------------------------------------------------------------


STATEFULSET = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "web", "namespace": "demo"},
    "spec": {
        "replicas": 2,
        "serviceName": "web",
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]},
        },
    },
}


async def test_with_a_cluster_pods_run_and_orphans_go_and_none_of_it_counts_as_ours() -> None:
    async with World(greeting(), STATEFULSET, kinds=[GREETINGS], cluster=ALL) as world:
        world.manage(greeter())
        await world.advance("30s")
        pods = world.tracker.list(PODS, "demo")
        assert [pod.at("status.phase") for pod in pods] == ["Running"] * 2
        assert world.clientset.writes == [CREATED]
        world.tracker.delete(GREETINGS, "demo/hello")
        world.tracker.delete(STATEFULSETS, "demo/web", Options(propagation_policy="Background"))
        await world.advance("2m")
        for resource in (CONFIG_MAPS, PODS, SERVICES):
            assert world.tracker.list(resource, "demo") == []
        assert "cluster: garbage" in str(world.trace)


async def test_each_loop_is_chosen_by_itself() -> None:
    async with World(greeting(), STATEFULSET, kinds=[GREETINGS], cluster=[Loop.GARBAGE]) as world:
        world.manage(greeter())
        await world.settle()
        assert world.tracker.list(PODS, "demo") == []
        world.tracker.delete(GREETINGS, "demo/hello")
        await world.settle()
        assert world.tracker.list(CONFIG_MAPS, "demo") == []
    async with World() as world:
        with pytest.raises(RuntimeError, match="give it cluster=ALL"):
            _ = world.runtime


@pytest.mark.real_time
async def test_on_a_real_loop_it_says_what_to_do() -> None:
    with pytest.raises(CtrlkitError, match="mark the test virtual_time or use the world fixture"):
        async with World():
            pass


async def _nothing(request: Request) -> Outcome:
    return DONE


def _config_map(name: str, *, namespace: str = "demo", app: str = "theirs") -> dict[str, object]:
    metadata = {"name": name, "namespace": namespace, "labels": {"app": app}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


async def test_a_reconcile_that_leads_to_itself_ends_the_wait() -> None:
    """Virtual time would never pass; the error names the key, how often it ran, when, and what it writes."""

    def build(manager: Manager) -> Controller:
        maps = manager.informer(CONFIG_MAPS)

        async def count(request: Request) -> Outcome:
            have = maps.lister.find(request.key)
            number = int(have.get("data", {}).get("count", "0")) if have else 0
            await manager.client.patch(CONFIG_MAPS, request.key, MergePatch({"data": {"count": str(number + 1)}}))
            return DONE

        return Controller(name="counter", reconcile=count, watches=[Watch(maps, to_self)])

    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hello", "namespace": "demo"}}
    async with World(config_map) as world:
        world.manage(build)
        with pytest.raises(NeverSettled) as caught:
            await world.settle()
    assert "no time passes: counter demo/hello was reconciled 1000 times at 0 virtual seconds" in str(caught.value)
    assert "wrote patch configmaps demo/hello (1000 times)" in str(caught.value)


def test_a_kind_that_is_not_known_is_seeded_or_served() -> None:
    """The error names both ways."""
    with pytest.raises(ValueError, match=r"seed its CustomResourceDefinition first, or serve it: world\.serve\(KIND\)"):
        World(greeting())
