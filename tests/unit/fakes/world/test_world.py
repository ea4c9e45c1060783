"""A world: what it holds, what runs in it, when it is settled, and what it says when it is not."""

from __future__ import annotations

import asyncio
import re
import traceback
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import msgspec
import pytest

from ctrlkit import clock, reconciler
from ctrlkit.cache import InformerOptions
from ctrlkit.controller import DONE, Controller, Every, Outcome, Request, Schedule, Watch, to_mapped, to_self
from ctrlkit.errors import CtrlkitError, RetryLater, ServiceUnavailable, TerminalError
from ctrlkit.fakes import World, Write
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.cluster import ALL, Loop, Node
from ctrlkit.fakes.world.common import RushedReconcileWarning
from ctrlkit.fakes.world.trace import Changed
from ctrlkit.fakes.world.unforeseen import UnforeseenFailure
from ctrlkit.fakes.world.world import NeverHeld, NeverSettled
from ctrlkit.manager import Build, GraceExceeded, Manager, Settings
from ctrlkit.manager.program import BuildError
from ctrlkit.model import MergePatch, Options
from ctrlkit.model.kinds import CONFIG_MAPS, LEASES, NAMESPACES, PODS, SERVICES, STATEFULSETS
from tests.support.greetings import GREETINGS, greeter, greeting

CREATED = Write("create", CONFIG_MAPS, "demo/hello")
MAPS = Calls(resource=CONFIG_MAPS)


@pytest.mark.parametrize("cluster", ["all", ["kubelet"], Loop.KUBELET])
async def test_the_loops_of_a_cluster_are_given_as_such(cluster: Any) -> None:
    """Their names are those of a command."""
    with pytest.raises(ValueError, match=r"in a world: write ALL, or a list such as \[Loop.GARBAGE\]"):
        World(cluster=cluster)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kinds": GREETINGS}, f"kinds is the Resource {GREETINGS}; write a list of Resources, as kinds=[GREETINGS]"),
        ({"kinds": "greetings"}, "kinds is 'greetings'; write a list of Resources"),
        (
            {"images": ["web"], "cluster": ALL},
            "images is ['web']; write a mapping of names to declarations, as images=",
        ),
        ({"images": ["web"]}, "images is ['web']; write a mapping"),
        ({"cluster": None}, "cluster is None; write ALL, or a list such as [Loop.GARBAGE]"),
        ({"seed": "x"}, "seed is 'x'; write a whole number, as seed=7"),
        ({"furnished": "yes"}, "furnished is 'yes'; write True or False"),
        ({"rbac": "no"}, "rbac is 'no'; write True or False"),
        ({"acting_as": 3}, "acting_as is 3; write the name of a service account, as 'demo/greeter'"),
        ({"plugins": ["x"]}, "plugins is ['x']; write a set of names, as DEFAULT_PLUGINS - {'ServiceAccount'}"),
    ],
)
async def test_an_argument_that_a_world_cannot_be_made_with_is_refused(given: dict[str, Any], said: str) -> None:
    """Where the world is made, with what it is and what to write."""
    with pytest.raises(TypeError, match=re.escape(f"make a world: {said}")):
        World(**given)


async def test_only_a_dependency_can_be_provided() -> None:
    """Else what is provided would reach nobody."""
    wrong: Any = "no dependency"
    async with World() as world:
        with pytest.raises(TypeError, match="provide 'no dependency'"):
            world.provide(wrong, 1)


async def test_the_tracker_is_asked_for_kinds_and_keys_that_there_can_be() -> None:
    """A kind is a Resource, and a text has a namespace where the kind is in namespaces, and none elsewhere."""
    wrong: Any = "pods"
    async with World() as world:
        tracker = world.tracker
        for ask in (tracker.list, lambda kind: tracker.get(kind, "d/a"), lambda kind: tracker.delete(kind, "d/a")):
            with pytest.raises(TypeError, match=r"'pods': it is no Resource; write one, as PODS of ctrlkit\.model"):
                ask(wrong)
        with pytest.raises(TypeError, match="create 'pods': it is no Resource"):
            tracker.create(wrong, {})
        with pytest.raises(ValueError, match="get pods 'a': they are in namespaces; write 'demo/a'"):
            tracker.get(PODS, "a")
        with pytest.raises(ValueError, match="delete namespaces 'd/a': they are in no namespace; write 'a'"):
            tracker.delete(NAMESPACES, "d/a")
        with pytest.raises(ValueError, match="patch pods 'a': they are in namespaces; write 'demo/a'"):
            tracker.patch(PODS, "a", MergePatch({}))


async def test_nodes_need_a_kubelet() -> None:
    """Else there would be none of them."""
    with pytest.raises(ValueError, match="play the nodes of a world: no kubelet runs in it; give it cluster=ALL"):
        World(cluster=[Loop.GARBAGE], nodes=3)


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
        assert "controller:greetings demo/hello waits for a retry" in head
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
        mine = manager.informer(CONFIG_MAPS, InformerOptions(label_selector="app=mine"))
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


class Breaking:
    """A part that fails after a while, or at its end."""

    def __init__(self, *, after_s: float = 0.0) -> None:
        self._after_s = after_s

    async def run(self) -> None:
        """Fails."""
        try:
            await asyncio.sleep(self._after_s)
        finally:
            raise ZeroDivisionError("the part broke")

    def busy(self) -> tuple[str, ...]:
        """Never."""
        return ()


async def test_what_a_part_failed_of_comes_out_of_whatever_lets_time_pass() -> None:
    """Of each of them, at once; not only at the end."""
    for pass_time in (World.settle, lambda world: world.pass_time("1m"), lambda world: world.until(lambda: False)):
        with pytest.raises(ZeroDivisionError) as at_the_end:  # noqa: PT012 - the block is the subject
            async with World() as world:
                world.start(Breaking())
                with pytest.raises(ZeroDivisionError, match="the part broke") as caught:
                    await pass_time(world)
        assert at_the_end.value is caught.value


@pytest.mark.parametrize("after_s", [0.0, 3600.0])
async def test_what_a_part_failed_of_when_nothing_was_waited_for_comes_at_the_end(after_s: float) -> None:
    """Before the end, or because of it."""
    with pytest.raises(ZeroDivisionError, match="the part broke"):  # noqa: PT012 - the block is the subject
        async with World() as world:
            world.start(Breaking(after_s=after_s))
            await asyncio.sleep(1)


async def test_an_error_of_the_test_itself_comes_first() -> None:
    """It is what the reader looks for."""
    with pytest.raises(KeyError, match="mine"):  # noqa: PT012 - the block is the subject
        async with World() as world:
            world.start(Breaking())
            await asyncio.sleep(1)
            raise KeyError("mine")


# ---- what nobody foresaw --------------------------------------------------------------------------------------------


def mistaken(error: Exception | None = None) -> Build:
    """A controller with a mistake."""

    def build(manager: Manager) -> Controller:
        async def reconcile(request: Request) -> Outcome:
            raise KeyError(request.name) if error is None else error

        return Controller(name="m", reconcile=reconcile, watches=[Watch(manager.informer(GREETINGS), to_self)])

    return build


@pytest.mark.parametrize(
    "waits",
    [
        World.settle,
        lambda world: world.advance("5m"),
        lambda world: world.pass_time("5m"),
        lambda world: world.until(bool),
    ],
)
async def test_the_first_exception_that_nobody_foresaw_ends_the_wait(waits: Callable[[World], Awaitable[None]]) -> None:
    """With its cause, which begins at the line of the reconciler; no retry comes first."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(mistaken())
        with pytest.raises(UnforeseenFailure) as caught:
            await waits(world)
        assert clock.monotonic() == 0.0
        assert manager.controllers[0].statistics().unforeseen == 1
        await world.stop(manager)
    failure = caught.value
    assert str(failure) == (
        "reconcile of m demo/hello raised what nobody foresaw: KeyError('hello'); mend it, or say "
        "world.allow_failures(KeyError) where that is what the test is about"
    )
    assert isinstance(failure.__cause__, KeyError)
    assert [frame.name for frame in traceback.extract_tb(failure.__cause__.__traceback__)] == ["reconcile"]


async def test_its_line_is_shown_once_however_many_keys_fail(capsys: pytest.CaptureFixture[str]) -> None:
    """In the error, with their number; their log lines say no more than what it was."""
    async with World(greeting("a"), greeting("b"), greeting("c"), kinds=[GREETINGS]) as world:
        manager = world.manage(mistaken())
        with pytest.raises(UnforeseenFailure, match=r"KeyError\('a'\) \(2 more failed\)") as caught:
            await world.settle()
        await world.stop(manager)
    text = "".join(traceback.format_exception(caught.value))
    log = capsys.readouterr().err
    assert text.count("raise KeyError(request.name)") == 1
    assert (log.count("KeyError('b')"), log.count("Traceback"), log.count("raise KeyError")) == (1, 0, 0)


async def test_when_nothing_was_waited_for_it_comes_at_the_end() -> None:
    """With the trace, as what leaves the block by itself has it."""
    with pytest.raises(UnforeseenFailure) as caught:  # noqa: PT012 - the block is the subject
        async with World(greeting(), kinds=[GREETINGS]) as world:
            world.manage(mistaken())
            await asyncio.sleep(0.001)
    assert isinstance(caught.value.__cause__, KeyError)
    (note,) = caught.value.__notes__
    assert "m demo/hello                  reconcile began" in note


async def test_what_a_test_is_about_may_come(capsys: pytest.CaptureFixture[str]) -> None:
    """These kinds and no other; counted, tried again, and told with their traceback once."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(mistaken())
        world.allow_failures(LookupError)
        await world.pass_time("1m")
        count = manager.controllers[0].statistics().unforeseen
        assert count > 10
        assert capsys.readouterr().err.count("raise KeyError(request.name)") == 1
        await world.stop(manager)
        second = world.manage(mistaken(ZeroDivisionError("not this one")))
        with pytest.raises(UnforeseenFailure, match="not this one"):
            await world.settle()
        await world.stop(second)
        world.allow_failures()
        world.manage(mistaken(ZeroDivisionError("any")))
        with pytest.raises(NeverSettled, match="any"):
            await world.settle()


@pytest.mark.parametrize(
    "error", [ServiceUnavailable("no"), TimeoutError("5 s"), RetryLater("no"), TerminalError("no")]
)
async def test_what_is_foreseen_ends_no_wait(error: Exception) -> None:
    """It is part of what happens."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(mistaken(error))
        await world.pass_time("1m")


def broken(what: str) -> Build:
    """A controller some part of which has a mistake, but not its reconciler."""

    def raises(*_: object) -> NoReturn:
        raise KeyError(what)

    def build(manager: Manager) -> Controller:
        greetings = manager.informer(GREETINGS)
        watch = Watch(
            greetings,
            to_mapped(raises) if what == "mapper" else to_self,
            predicate=raises if what == "predicate" else None,
            forgets_failures=raises if what == "forgets_failures" else None,
        )
        schedule = [Schedule("schedule", raises, Every(10))] if what == "schedule" else []
        if what == "handler":
            greetings.add_handler(raises, name="handler")
        if what == "index":
            greetings.add_index("index", raises)
        return Controller(name="m", reconcile=_nothing, watches=[watch, *schedule])

    return build


@pytest.mark.parametrize("what", ["mapper", "predicate", "forgets_failures", "schedule", "handler", "index"])
async def test_so_does_what_anything_else_of_a_users_raises(what: str) -> None:
    """Where it is called by the framework, which goes on in a program."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(broken(what))
        with pytest.raises(UnforeseenFailure) as caught:
            await world.advance("1m")
        assert repr(caught.value.__cause__) == f"KeyError('{what}')"
        await world.stop(manager)


async def test_a_test_that_has_caught_it_may_go_on() -> None:
    """It is told once; the next one is told too."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(mistaken())
        for _ in range(2):
            with pytest.raises(UnforeseenFailure):
                await world.settle()
        await world.stop(manager)
        await world.settle()
        before = clock.monotonic()
        await world.pass_time("1m")
        assert clock.monotonic() == before + 60


# ---- what a world says of who and when -------------------------------------------------------------------------------


async def test_candidates_are_called_by_their_part_and_the_number_of_its_start() -> None:
    """Two of one name too; a name of the settings comes first."""
    one_leads = Settings(leader_elect=True, lease_name="greeter")

    def holder(world: World) -> object:
        return world.tracker.get(LEASES, "default/greeter").at("spec.holderIdentity")

    async with World(greeting(), kinds=[GREETINGS]) as world:
        first = world.manage(greeter(), settings=one_leads, name="first")
        await world.settle()
        assert holder(world) == "first-1"
        await world.crash(first)
        again = world.restart(first)
        await world.settle()
        assert holder(world) == "first-2"
        await world.crash(again)
        other = world.manage(greeter(), settings=one_leads, name="second")
        await world.settle()
        assert holder(world) == "second-1"
        await world.crash(other)
        world.manage(greeter(), settings=msgspec.structs.replace(one_leads, identity="me"))
        await world.settle()
        assert holder(world) == "me"


async def test_what_a_test_changes_stands_at_the_moment_in_which_it_did_so() -> None:
    """In its own name; whatever lets time pass next has noted it before."""
    async with World(kinds=[GREETINGS]) as world:
        world.seed(greeting("a"))
        await world.pass_time("30s")
        world.seed(greeting("b"))
        await world.advance("1m")
        changes = [entry for entry in world.trace.entries if isinstance(entry, Changed)]
    told = {(change.key.partition("/")[2], change.at_s, change.by) for change in changes if "/" in change.key}
    assert {("a", 0.0, "test"), ("b", 30.0, "test")} <= told


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


# ---- what a test may get wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [object(), None, [1], "build"], ids=["object", "none", "list", "text"])
async def test_what_makes_no_controllers_is_named(build: Any) -> None:
    """Before anything runs."""
    async with World() as world:
        with pytest.raises(BuildError, match=r"^make controllers of .*: give a function build\(manager\)"):
            world.manage(build)


async def test_what_is_no_part_is_named() -> None:
    async with World() as world:
        with pytest.raises(TypeError, match=r"^start object: .* has no run\(\) and busy\(\); give a Manager"):
            world.start(object())  # type: ignore[arg-type]
        other, manager = object(), world.manage(lambda _manager: [])
        await world.stop(manager)
        for part, fact in ((other, "it does not run in this world"), (manager, "it was stopped or crashed before")):
            with pytest.raises(
                RuntimeError, match=rf"^end \w+: {fact}; give a part that manage\(\) or start\(\) began"
            ):
                await world.crash(part)  # type: ignore[arg-type]
            with pytest.raises(RuntimeError, match=f"^set the clock of .*: {fact}"):
                world.skew(part, 1.0)  # type: ignore[arg-type]
            with pytest.raises(RuntimeError, match=f"^ask for the faults of .*: {fact}"):
                world.faults_of(part)  # type: ignore[arg-type]


async def test_what_a_world_cannot_take_is_named() -> None:
    """With what to write instead."""
    async with World() as world:
        with pytest.raises(TypeError, match="allow failures of 'KeyError': it is no class of exceptions"):
            world.allow_failures("KeyError")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="serve 'widgets': it is no Resource; make one with custom_resource"):
            world.serve("widgets")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"wait until False: it is no function; write `lambda: \.\.\.`"):
            await world.until(False)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"read duration \[1\]: write a number of seconds"):
            await world.advance([1])  # type: ignore[arg-type]


async def test_a_test_that_expects_a_world_to_stay_busy_is_not_told_again_at_its_end() -> None:
    """What is busy for good is cut off there; without that expectation the end tells it."""

    @reconciler(CONFIG_MAPS)
    async def hangs(_config_map: Any, _context: Any) -> Outcome:
        await asyncio.Event().wait()
        return DONE

    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "demo"}}
    async with World(config_map) as world:
        world.manage(hangs)
        with pytest.raises(NeverSettled, match="demo/a running"):
            await world.settle()
    world = await World(config_map).__aenter__()
    world.manage(hangs)
    await world.pass_time("1s")
    with pytest.raises(GraceExceeded):
        await world.__aexit__(None, None, None)


async def test_a_key_that_is_reconciled_all_the_time_is_told_of() -> None:
    """Once, by the wait during which it is; an hour of it would take minutes."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greeter(every_s=0.001))
        with pytest.warns(RushedReconcileWarning, match="greetings demo/hello was reconciled 200 times within"):
            await world.pass_time("1s")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await world.pass_time("1s")
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greeter(every_s=0.01))
        await world.pass_time("2s")


# ---- what a world promises ------------------------------------------------------------------------------------------


class Breaks:
    """A part that ends by an exception after so many seconds."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s

    async def run(self) -> None:
        """Break."""
        await asyncio.sleep(self._after_s)
        raise LookupError("broken")

    def busy(self) -> tuple[str, ...]:
        """Never."""
        return ()


async def test_a_part_that_broke_is_told_at_the_end_although_nothing_settled_after_it() -> None:
    world = await World().__aenter__()
    world.start(Breaks(1.0))
    await asyncio.sleep(2.0)
    with pytest.raises(LookupError, match="broken"):
        await world.__aexit__(None, None, None)


async def test_a_part_that_breaks_while_time_passes_is_told_by_that() -> None:
    async with World() as world:
        world.start(Breaks(1.0))
        with pytest.raises(LookupError, match="broken"):
            await world.pass_time("2s")
        world._parts.clear()  # else the end tells it again


async def test_candidates_are_told_apart_by_name_and_number() -> None:
    """One that starts again is another one."""
    async with World(kinds=[GREETINGS]) as world:
        leads = Settings(leader_elect=True, lease_name="greeter")
        manager = world.manage(greeter(), settings=leads, name="first")
        await world.settle()
        assert world.tracker.get(LEASES, "default/greeter").at("spec.holderIdentity") == "first-1"
        await world.crash(manager)
        world.restart(manager)
        await world.settle()
        assert world.tracker.get(LEASES, "default/greeter").at("spec.holderIdentity") == "first-2"


async def test_a_change_of_the_tests_own_stands_in_the_trace_at_its_time() -> None:
    """Though nobody calls for a while after it."""
    async with World() as world:
        await world.pass_time("5s")
        world.tracker.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
        await world.pass_time("5s")
        (changed,) = [entry for entry in world.trace.entries if isinstance(entry, Changed) and "a" in entry.key[-1:]]
        assert (changed.at_s, changed.by) == (5.0, "test")


@pytest.mark.parametrize(
    ("nodes", "complaint"),
    [
        ([7], "play the node 7: write its name, or a Node"),
        (7.5, "play the nodes 7.5: write how many, or a list of names and Nodes"),
        (["A_B"], "declare node A_B: its name 'A_B' is not valid: a lowercase RFC 1123 subdomain"),
        (["a", "a"], "a more than once; declare each once"),
    ],
)
async def test_nodes_that_cannot_be_are_refused_at_once(nodes: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        World(cluster=ALL, nodes=nodes)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"name": 7}, "declare a node: its name is 7; write a text such as 'n1'"),
        ({"name": "n", "labels": {"a b": "c"}}, "the label 'a b' is not valid"),
        ({"name": "n", "labels": {"a": "b c"}}, "the label a = 'b c' is not valid"),
        ({"name": "n", "labels": {"a": 1}}, "the label a = 1 is not valid: it is no text"),
        ({"name": "n", "labels": ["a"]}, r"its labels are \['a'\]; write a dict"),
        ({"name": "n", "taints": ["a b:NoSchedule"]}, "the taint 'a b:NoSchedule' is not valid"),
        ({"name": "n", "extended": {"gp u": "1"}}, "the resource 'gp u' is not valid"),
    ],
)
def test_a_node_says_what_is_wrong_with_it(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Node(**arguments)
