"""A controller on real caches, queue and client, over the tracker: from an object to what it asks for, to the end."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

import pytest
import structlog
from structlog.testing import capture_logs

from ctrlkit.cache import Informer, Lister
from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.controller import (
    DONE,
    Controller,
    Outcome,
    Request,
    RequeueAfter,
    Watch,
    set_controller_reference,
    to_owner,
    to_self,
)
from ctrlkit.errors import ApiError, Forbidden, NotFound, TerminalError
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.clientset.clientset import Write
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import GraceExceeded, Manager, Settings, run
from ctrlkit.model import Action, MergePatch, Unstructured, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS, EVENTS
from tests.unit.controller.support import without_jitter

GREETINGS = custom_resource(group="demo.dev", version="v1", kind="Greeting", plural="greetings")
DEMO = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}


def greeting(name: str = "hi", text: str = "hello") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "demo"}
    return {"apiVersion": "demo.dev/v1", "kind": "Greeting", "metadata": metadata, "spec": {"text": text}}


@dataclass
class Greeter:
    """Gives every Greeting a ConfigMap that carries its text; `before` and `outcome` let a test meddle."""

    client: Client
    greetings: Lister[Unstructured]
    config_maps: Lister[Unstructured]
    recorder: EventRecorder
    before: Callable[[Request], Any] = lambda _request: None
    outcome: Outcome = DONE
    runs: list[tuple[str, int, float]] = field(default_factory=list)
    ids: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, request: Request) -> Outcome:
        self.runs.append((str(request.key), request.attempt, round(monotonic(), 6)))
        self.ids.append((str(request.key), request.id))
        waiting = self.before(request)
        if waiting is not None:
            await waiting
        wanted, have = self.greetings.find(request.key), self.config_maps.find(request.key)
        if wanted is None or wanted.metadata.deleting:
            return DONE
        text = wanted.at("spec.text")
        if text == "forbidden":
            raise TerminalError(f"greet {request.key}: this text may not be said; change spec.text")
        if have is None:
            body = {"metadata": {"name": request.name, "namespace": request.namespace}, "data": {"text": text}}
            set_controller_reference(body, wanted.metadata, GREETINGS)
            await self.client.create(CONFIG_MAPS, body)
            self.recorder.event(wanted.metadata, GREETINGS, EventType.NORMAL, "Created", f"said {text}")
        elif have.at("data.text") != text:
            await self.client.patch(CONFIG_MAPS, request.key, MergePatch({"data": {"text": text}}))
        return self.outcome


class Scene:
    """A world with greetings in it, and their controller."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.world = World(DEMO, *objects, kinds=(GREETINGS,))
        self.greeter: Greeter
        self.config_maps: Informer[Unstructured]

    def manage(self) -> Manager:
        return self.world.manage(self.build)

    def build(self, manager: Manager) -> Controller:
        greetings, config_maps = manager.informer(GREETINGS), manager.informer(CONFIG_MAPS)
        self.config_maps = config_maps
        self.greeter = Greeter(manager.client, greetings.lister, config_maps.lister, manager.recorder("greeter"))
        watches = [Watch(greetings, to_self), Watch(config_maps, to_owner(GREETINGS))]
        return Controller(name="greeter", reconcile=self.greeter, watches=watches)

    def text_of(self, key: str) -> str:
        return str(self.world.tracker.get(CONFIG_MAPS, key).at("data.text"))


async def test_an_object_leads_to_what_it_asks_for_and_then_to_silence() -> None:
    """Created, changed, tampered with, lost: one write each, and none at rest."""
    scene = Scene()
    async with scene.world as world:
        scene.manage()
        await world.settle()
        assert world.clientset.writes == []
        world.tracker.create(GREETINGS, greeting())
        await world.settle()
        assert scene.text_of("demo/hi") == "hello"
        writes = [write for write in world.clientset.writes if write.resource != EVENTS]
        assert writes == [Write("create", CONFIG_MAPS, "demo/hi")]
        assert [event["message"] for event in world.tracker.list(EVENTS)] == ["said hello"]
        world.clientset.clear_actions()

        world.tracker.patch(GREETINGS, "demo/hi", MergePatch({"spec": {"text": "good day"}}))
        await world.settle()
        assert scene.text_of("demo/hi") == "good day"
        world.tracker.patch(CONFIG_MAPS, "demo/hi", MergePatch({"data": {"text": "vandals"}}))
        await world.settle()
        assert scene.text_of("demo/hi") == "good day"
        assert world.clientset.writes == [Write("patch", CONFIG_MAPS, "demo/hi")] * 2

        world.clientset.clear_actions()
        await world.advance(3600)
        assert world.clientset.writes == []


@pytest.mark.behaviour("H2")
async def test_a_lost_child_is_made_again_for_its_owner() -> None:
    """H2: only the child's deletion is seen, and it leads to its owner."""
    scene = Scene(greeting(), greeting("other"))
    async with scene.world as world:
        scene.manage()
        await world.settle()
        scene.greeter.runs.clear()
        world.tracker.delete(CONFIG_MAPS, "demo/hi")
        await world.settle()
        assert scene.text_of("demo/hi") == "hello"
        assert {key for key, _, _ in scene.greeter.runs} == {"demo/hi"}


@pytest.mark.behaviour("K7", "K11")
async def test_refused_writes_are_retried_on_time_and_the_world_heals() -> None:
    """K7: 5, 10, 20 ms."""
    scene, failures = Scene(greeting()), [Forbidden("not yet"), ApiError("down", code=503), Forbidden("not yet")]

    def refuse(_action: Action) -> None:
        if failures:
            raise failures.pop()

    async with scene.world as world:
        without_jitter()
        world.clientset.add_reactor("create", CONFIG_MAPS, refuse)
        scene.manage()
        await world.settle()
        assert scene.text_of("demo/hi") == "hello"
    runs = [run for run in scene.greeter.runs if run[1] > 1 or run[2] == 0]
    assert runs == [("demo/hi", 1, 0.0), ("demo/hi", 2, 0.005), ("demo/hi", 3, 0.015), ("demo/hi", 4, 0.035)]


@pytest.mark.behaviour("K8")
async def test_a_terminal_error_waits_for_the_object_to_change() -> None:
    """K8: settled meanwhile, though it failed."""
    scene = Scene(greeting(text="forbidden"))
    async with scene.world as world:
        scene.manage()
        await world.advance(3600)
        assert len(scene.greeter.runs) == 1
        world.tracker.patch(GREETINGS, "demo/hi", MergePatch({"spec": {"text": "sorry"}}))
        await world.settle()
        assert scene.text_of("demo/hi") == "sorry"


@pytest.mark.behaviour("K9")
async def test_requeue_after_is_settled_and_comes_on_time() -> None:
    """K9: a test passes it with advance()."""
    scene = Scene(greeting())
    async with scene.world as world:
        scene.manage()
        scene.greeter.outcome = RequeueAfter(30)
        await world.settle()
        scene.greeter.runs.clear()
        start = monotonic()
        await world.advance(start + 29 - monotonic())
        assert scene.greeter.runs == []
        await world.advance(2)
        assert len(scene.greeter.runs) == 1


@pytest.mark.behaviour("B2", "M3", "B15")
async def test_a_stop_lets_a_running_reconcile_finish_its_writes_and_its_event() -> None:
    """B2: the write, the Event, and then the end."""
    scene = Scene(greeting())
    async with scene.world as world:
        manager = Manager(world.client)
        manager.add(scene.build(manager))
        scene.greeter.before = lambda _request: asyncio.sleep(10)
        stop = asyncio.Event()
        work = asyncio.create_task(manager.run(stop))
        await asyncio.sleep(5)
        stop.set()
        await asyncio.sleep(1)
        assert not work.done()
        await work
        assert monotonic() == 10
        assert scene.text_of("demo/hi") == "hello"
        assert [event["reason"] for event in world.tracker.list(EVENTS)] == ["Created"]


@pytest.mark.behaviour("M4")
async def test_a_reconcile_that_outlasts_the_grace_period_is_cut_off() -> None:
    """M4: at 5 + 30 s, before its write."""
    scene = Scene(greeting())
    async with scene.world as world:
        manager = Manager(world.client)
        manager.add(scene.build(manager))
        scene.greeter.before = lambda _request: asyncio.sleep(1000)
        stop = asyncio.Event()
        work = asyncio.create_task(manager.run(stop))
        await asyncio.sleep(5)
        stop.set()
        with pytest.raises(GraceExceeded, match="greeter demo/hi"):
            await work
        assert monotonic() == 35
        with pytest.raises(NotFound):
            world.tracker.get(CONFIG_MAPS, "demo/hi")


@pytest.mark.behaviour("B30", "K16")
async def test_the_line_of_a_reconcile_tells_its_story() -> None:
    """What led to it, what it could read, what it wrote; the next one is because of that."""
    scene = Scene(greeting())
    with capture_logs() as lines:
        async with scene.world as world:
            scene.manage()
            await world.settle()
            world.tracker.patch(GREETINGS, "demo/hi", MergePatch({"spec": {"text": "good day"}}))
            await world.settle()
            version = int(world.tracker.get(GREETINGS, "demo/hi").metadata.resource_version)
    told = [line for line in lines if line["event"] == "reconciled"]
    assert [(line["causes"], line.get("writes", [])) for line in told] == [
        ([f"greetings.demo.dev demo/hi added at {told[0]['seen']}, seen by the first list"], ["create:configmaps/hi"]),
        ([f"owned configmaps demo/hi added at {int(told[0]['seen']) + 1}"], []),
        ([f"greetings.demo.dev demo/hi updated spec at {version}"], ["patch:configmaps/hi"]),
        ([f"owned configmaps demo/hi updated content at {version + 1}"], []),
    ]
    assert [line["seen"] for line in told[2:]] == [str(version)] * 2
    assert [request_id for _, request_id in scene.greeter.ids] == [line["id"] for line in told]


@pytest.mark.behaviour("B11")
async def test_a_write_that_came_too_late_is_made_again_from_a_fresh_read() -> None:
    """B11: no error to anybody, and soon."""
    scene = Scene(greeting())
    meddled = False

    async def meddle() -> None:
        nonlocal meddled
        if not meddled and scene.config_maps.lister.find("demo/hi") is not None:
            meddled = True
            stale = scene.config_maps.lister.get("demo/hi")
            scene.world.tracker.patch(CONFIG_MAPS, "demo/hi", MergePatch({"data": {"by": "another"}}))
            await scene.greeter.client.update(CONFIG_MAPS, {**stale, "data": {"by": "us"}})

    with capture_logs() as lines:
        async with scene.world as world:
            scene.manage()
            scene.greeter.before = lambda _request: meddle()
            await world.settle()
            assert monotonic() < 0.1
    told = [(line["outcome"], line["log_level"], line["attempt"]) for line in lines if line["event"] == "reconciled"]
    assert told == [("done", "info", 1), ("conflict", "info", 1), ("done", "info", 2)]


# ---- signals, in a process of their own ----

PROGRAM = """
import asyncio, sys, time
from ctrlkit.controller import DONE, Controller, Watch, to_self
from ctrlkit.manager import Manager, run_until_signalled, stop_on_signals
from ctrlkit.model.kinds import CONFIG_MAPS
from ctrlkit.fakes.clientset.clientset import FakeClientset

def say(text):
    print(text, flush=True)

async def main():
    metadata = {"name": "a", "namespace": "demo"}
    clientset = FakeClientset(None, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    manager = Manager(clientset.client)
    config_maps = manager.informer(CONFIG_MAPS)
    async def reconcile(request):
        say("running")
        MEANWHILE
        say("finished")
        return DONE
    manager.add(Controller(name="slow", reconcile=reconcile, watches=[Watch(config_maps, to_self)]))
    SERVE
    say("stopped")

asyncio.run(main())
"""


def program(meanwhile: str, serve: str = "await run_until_signalled(manager)") -> subprocess.Popen[str]:
    source = textwrap.dedent(PROGRAM).replace("MEANWHILE", meanwhile).replace("SERVE", serve)
    return subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def read_until(stream: IO[str] | None, text: str) -> None:
    """Lines up to the one that contains a text; log lines stand between them."""
    assert stream is not None
    for line in stream:
        if text in line:
            return
    pytest.fail(f"the process ended without saying {text!r}", pytrace=False)


@pytest.mark.behaviour("M13")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order_with_status_0(number: signal.Signals) -> None:
    """M13: the running reconcile sees the stop, and ends as it likes."""
    serve = "\n    ".join(["with stop_on_signals() as manager.stop:", "    await manager.run(manager.stop)"])
    with program("await manager.stop.wait(); await asyncio.sleep(0.01)", serve) as process:
        read_until(process.stdout, "running")
        process.send_signal(number)
        read_until(process.stdout, "finished")
        read_until(process.stdout, "stopped")
        assert process.wait(timeout=30) == 0


@pytest.mark.behaviour("M13")
@pytest.mark.parametrize("meanwhile", ["await asyncio.sleep(1e6)", "time.sleep(1e6)"], ids=["waits", "holds the loop"])
def test_a_second_signal_ends_it_at_once_with_status_1(meanwhile: str) -> None:
    """M13: even where a reconcile holds the loop."""
    with program(meanwhile) as process:
        read_until(process.stdout, "running")
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)  # two equal ones could be merged before the first is taken up
        assert process.wait(timeout=30) == 1


@pytest.mark.behaviour("K13", "M13")
def test_a_reconciler_that_exits_ends_the_process_in_order_with_its_status() -> None:
    """K13: one line, no traceback, nothing torn down half way; another one that runs may finish."""
    source = textwrap.dedent(PROGRAM).replace("MEANWHILE", "sys.exit(3)").replace("SERVE", "await manager.run()")
    source = source.replace("asyncio.run(main())", "sys.exit(exit_status('demo', lambda: asyncio.run(main()) or 0))")
    source = source.replace("import asyncio, sys", "from ctrlkit.exits import exit_status\nimport asyncio, sys")
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 3
    assert ended.stderr.splitlines() == ["demo: the reconciler asked the process to end [SystemExit(3)]"]
    assert "manager_stopped" in ended.stdout


def test_a_missing_kubeconfig_ends_a_program_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, status 1."""
    try:
        with pytest.raises(SystemExit, match=r"^1$"):
            run(lambda _manager: [], settings=Settings(kubeconfig="/nowhere/config"))
    finally:
        structlog.reset_defaults()
    said = capsys.readouterr().err
    assert "/nowhere/config: there is no such file" in said
    assert said.count("\n") == 1


async def test_a_build_function_that_forgets_to_return_is_told_so() -> None:
    """The error names it."""

    def build(_manager: Manager) -> None:
        pass

    async with World() as world:
        with pytest.raises(TypeError, match=r"build returned NoneType; return the Controller it makes"):
            world.manage(build)  # type: ignore[arg-type]
