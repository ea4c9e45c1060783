"""What a reconcile has in its context is its own: the next one does not see it, and nothing keeps it."""

from __future__ import annotations

import ast
import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.contextvars import bind_contextvars, get_contextvars

from ctrlkit import DONE, Controller, Manager, MergePatch, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.cache import Change
from ctrlkit.client import noting_writes
from ctrlkit.events import EventType
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.world.world import World
from ctrlkit.model import Action, Record
from ctrlkit.model.kinds import CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS

pytestmark = pytest.mark.virtual_time


class Mark:
    """Something that a reconcile has in its context."""


MARK: ContextVar[Mark | None] = ContextVar("mark", default=None)


def an_object(kind: str, name: str) -> dict[str, Any]:
    """One of core/v1."""
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "demo"}}


def marked() -> bool:
    """Whether what runs now bears a reconcile's mark, or its key in its log lines."""
    return MARK.get() is not None or "key" in get_contextvars()


async def test_a_reconcile_does_not_see_what_another_has_set() -> None:
    """Neither of another key, nor of its own last run; what the program had set is seen, and can be set over."""
    seen: list[tuple[str, int, object]] = []
    program: ContextVar[int] = ContextVar("program", default=0)

    def build(manager: Manager) -> Controller:
        async def reconcile(request: Request) -> Outcome:
            seen.append((request.name, program.get(), MARK.get()))
            MARK.set(Mark())
            program.set(2)
            return RequeueAfter(60) if len(seen) < 3 else DONE

        return Controller(name="marking", reconcile=reconcile, watches=[Watch(manager.informer(CONFIG_MAPS), to_self)])

    program.set(1)
    async with World(an_object("ConfigMap", "a"), an_object("ConfigMap", "b")) as world:
        world.manage(build)
        await world.advance("2m")
    assert len(seen) == 4
    assert {name for name, _, _ in seen} == {"a", "b"}
    assert {(number, mark) for _, number, mark in seen} == {(1, None)}


class Starting:
    """A controller whose first reconcile is the first to use all sorts of things that go on for long."""

    def __init__(self) -> None:
        self.mark: Callable[[], Mark | None] = lambda: None
        self.marked: set[str] = set()
        self.seen: set[str] = set()
        self.stays = AsyncExitStack()

    def note(self, what: str) -> None:
        """Something of ours runs now."""
        self.seen.add(what)
        if marked():
            self.marked.add(what)

    async def spy(self, action: Action, call_next: Callable[[Action], Awaitable[bytes]]) -> bytes:
        """An interceptor."""
        if action.resource.plural != "configmaps":
            self.note(f"{action.verb} {action.resource}")
        return await call_next(action)

    def build(self, manager: Manager) -> Controller:
        """The controller."""
        config_maps = manager.informer(CONFIG_MAPS)

        async def reconcile(request: Request) -> Outcome:
            if not self.seen:
                mark = Mark()
                self.mark = weakref.ref(mark)
                MARK.set(mark)
                bind_contextvars(bound="by the reconcile")
                await self.start(manager, controller, request)
            return RequeueAfter(3600)

        controller = Controller(name="starting", reconcile=reconcile, watches=[Watch(config_maps, to_self)])
        return controller

    async def start(self, manager: Manager, controller: Controller, request: Request) -> None:
        """Begin with everything."""
        config_maps = manager.informer(CONFIG_MAPS)
        found = config_maps.lister.get(request.key)
        manager.recorder("late").event(found.metadata, CONFIG_MAPS, EventType.NORMAL, "Begun", "it began")
        config_maps.add_handler(self.on_change, name="late", resync_s=5)
        secrets = await self.stays.enter_async_context(manager.borrow_informer(SECRETS))
        secrets.add_handler(self.on_change, name="late secrets", resync_s=5)
        await self.stays.enter_async_context(controller.watching(Watch(secrets, self.to_nothing)))
        await secrets.wait_synced()
        manager.informer(PODS)
        accounts = manager.informer(SERVICE_ACCOUNTS)
        manager.add(Controller(name="second", reconcile=self.reconcile, watches=[Watch(accounts, to_self)]))
        async with asyncio.timeout(5):
            await manager.client.patch(CONFIG_MAPS, request.key, MergePatch({"data": {"begun": "yes"}}))

    def on_change(self, change: Change[Any]) -> None:
        """A handler."""
        self.note(f"handler: {change.cause} {change.key.name}")

    def to_nothing(self, record: Record[Any]) -> list[str]:
        """A mapper."""
        self.note(f"mapper: {record.key.name}")
        return []

    async def reconcile(self, request: Request) -> Outcome:
        """Of the controller that was added late; its key is its own."""
        self.seen.add(f"reconcile {request.name}")
        if MARK.get() is not None or "bound" in get_contextvars():
            self.marked.add(f"reconcile {request.name}")
        return DONE


async def test_what_a_reconcile_was_the_first_to_use_is_no_part_of_it() -> None:
    """Informers, handlers, resyncs, sources, recorders, controllers: none bears its context, none keeps it alive."""
    starting = Starting()
    objects = [an_object("ConfigMap", "a"), an_object("ServiceAccount", "account"), an_object("Secret", "secret")]
    async with World(*objects) as world, starting.stays:
        world.clientset.intercept(starting.spy)
        world.manage(starting.build)
        await world.advance("1m")
        gc.collect()
        assert starting.mark() is None
        assert starting.marked == set()
        assert {
            "create events",
            "reconcile account",
            "mapper: secret",
            "handler: resync a",
            "handler: resync secret",
        } <= starting.seen


async def test_writes_of_a_task_that_outlives_its_block_are_not_collected_for_ever() -> None:
    """The list of a block holds what was written while it lasted, by tasks that it has started too."""
    client = FakeClientset().client

    async def write(count: int) -> None:
        for number in range(count):
            await client.create(CONFIG_MAPS, {"metadata": {"generateName": f"a{number}-", "namespace": "default"}})
            await asyncio.sleep(1)

    with noting_writes() as writes:
        task = asyncio.create_task(write(5))
        await asyncio.sleep(1.5)
    await task
    assert len(writes) == 2


SPAWNING: Final = {"create_task", "ensure_future", "call_soon", "call_later", "call_at", "add_done_callback"}
IN_CONTEXT: Final = {
    "cache/handlers.py": "called in the informer's context, see Informer.add_handler",
    "cache/informer.py": "of its own task, and run() is started in the factory's context",
    "cache/reflector/reflector.py": "of its own task",
    "cli/reload.py": "of a program that starts others, and has no manager",
    "client/exec.py": "of the caller's own task, whose block it is",
    "controller/controller.py": "of its own task, which the manager starts",
    "controller/worker.py": "of its own task, whose context no reconcile can change",
    "controller/runs.py": "called before a reconcile has set anything",
    "election/shard.py": "of its own task, which the manager starts",
    "election/sharding.py": "of its own task, which the manager starts",
    "manager/endpoints/health.py": "of the manager's own task",
    "manager/manager.py": "run() begins it: it is the context that all others are copies of",
    "manager/tasks.py": "the timer of a manager that ends",
    "manager/signals.py": "of the program's own task, before there is a manager",
    "manager/leadership.py": "of the sharding's own tasks",
    "manager/webhooks/keeper.py": "of its own task, which the manager starts",
    "manager/webhooks/listener.py": "of the manager's own task, before a controller works",
    "manager/webhooks/server.py": "of its own task, which the manager starts",
}
"""Files that start tasks or timers in the context of their caller, and why that is right."""


def test_every_task_and_timer_says_whose_context_it_has() -> None:
    """Each call passes `context`, or stands in a file of which it is known who calls."""
    root = Path(__file__).parents[2] / "ctrlkit"
    without: set[str] = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if _spawns(node):
                without.add(str(path.relative_to(root)))
    assert without == IN_CONTEXT.keys()


def _spawns(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SPAWNING):
        return False
    return all(keyword.arg != "context" for keyword in node.keywords)
