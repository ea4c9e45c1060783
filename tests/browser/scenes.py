"""
Programs in the states that an operator may find them in, as pages: each scene is a real manager in a world.

In       The name of a scene.
Out      Its pages by path, as the server answers them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from typing import Final

import msgspec

from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.election import Elector, Sharding
from ctrlkit.errors import Forbidden, RetryLater, TerminalError
from ctrlkit.events import EventType
from ctrlkit.fakes import Calls, World
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.manager import Manager
from ctrlkit.manager.endpoints import CheckKind, Endpoints
from ctrlkit.manager.endpoints.debug import picture, program
from ctrlkit.manager.endpoints.debug_key import key_picture
from ctrlkit.manager.endpoints.health import Heartbeat
from ctrlkit.manager.endpoints.pages import Asked, key_page, missing_page, page
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import CONFIG_MAPS, PODS, SECRETS
from tests.support.greetings import GREETINGS, greeter, greeting

Pages = Mapping[str, str]

LONG: Final = "a-name-that-somebody-has-chosen-with-much-love-for-detail." * 4 + "and-it-ends-here"


class Spec(msgspec.Struct, frozen=True):
    """What a greeting should have."""

    text: str


class Greeting(msgspec.Struct, frozen=True):
    """One that is read with types."""

    spec: Spec


def shown(manager: Manager, *keys: tuple[str, str], asked: Asked = Asked()) -> Pages:  # noqa: B008 - frozen
    """The pages of a manager: the debug page, and those of keys, each of a controller."""
    heartbeat = Heartbeat()
    found = picture(
        manager, Endpoints(token_file="/secrets/token"), heartbeat, controller=asked.controller, key=asked.key
    )
    pages = {"/debug": page(found, asked, controllers=[each.name for each in manager.controllers])}
    for controller, key in keys:
        wanted = Asked(controller, key)
        of = key_picture(manager, controller, key, heartbeat)
        html = (
            missing_page(program(manager, heartbeat), wanted, [wanted.controller])
            if of is None
            else key_page(of, wanted)
        )
        pages[f"/debug/key?{controller}/{key.replace('/', '-')[:60]}"] = html
    return pages


async def well() -> Pages:
    """Two objects, nothing to do, and Events on their way."""
    async with World(greeting(), greeting("other"), kinds=[GREETINGS]) as world:
        manager = world.manage(greeter())
        recorder = manager.recorder("greeter")
        await world.settle()
        meta = world.tracker.get(CONFIG_MAPS, "demo/hello").metadata
        recorder.event(meta, CONFIG_MAPS, EventType.NORMAL, "Made", "made it")
        await world.settle()
        return shown(manager, ("greetings", "demo/hello"), ("greetings", "demo/never-seen"))


async def empty() -> Pages:
    """A program that has nothing."""
    async with World() as world:
        manager = Manager(world.client)
        world.start(manager)
        await world.settle()
        return shown(manager)


async def starting() -> Pages:
    """Caches that may not be read, before the program has become ready."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.faults.fail(Calls("list", SECRETS), Forbidden("secrets is forbidden: no such right"), times=None)
        manager = Manager(world.client)
        manager.informer(SECRETS)
        manager.add(greeter()(manager))  # type: ignore[arg-type]
        world.start(manager)
        await world.pass_time(5)
        pages = shown(manager)
        await world.crash(manager)
        return pages


async def standby() -> Pages:
    """Two replicas; this one waits."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        lease = ObjectKey("demo", "greeter")
        managers = [
            Manager(world.client, elector=Elector(world.client, lease, identity=f"greeter-7d9f8b6c5d-{end}"))
            for end in ("x2x9k", "b4vtq")
        ]
        for manager in managers:
            manager.add(greeter()(manager))  # type: ignore[arg-type]
            world.start(manager)
            await world.pass_time(30)
        pages = shown(managers[1])
        for manager in managers:
            await world.stop(manager)
        return pages


async def sharded() -> Pages:
    """Three replicas share 16 shards."""
    async with World(*(greeting(f"g{number}") for number in range(40)), kinds=[GREETINGS]) as world:
        managers = [
            Manager(
                world.client,
                sharding=Sharding(
                    world.client, name="greeters", namespace="demo", shards=16, identity=f"greeter-{end}"
                ),
            )
            for end in range(3)
        ]
        for manager in managers:
            manager.add(greeter(every_s=30)(manager))  # type: ignore[arg-type]
            world.start(manager)
        await world.pass_time(120)
        pages = shown(managers[1], ("greetings", "demo/g1"), ("greetings", "demo/g2"))
        for manager in managers:
            await world.stop(manager)
        return pages


def _troubled(manager: Manager) -> Controller:
    async def reconcile(request: Request) -> Outcome:
        return await _FATES[request.name.partition("-")[0]](request)

    return Controller(
        name="greetings", reconcile=reconcile, watches=[Watch(manager.informer(GREETINGS), to_self)], workers=8
    )


async def _fails(request: Request) -> Outcome:
    raise Forbidden(
        f"configmaps {str(request.key)!r} is forbidden: exceeded quota: small, limited: count/configmaps=100"
    )


async def _gives_up(_request: Request) -> Outcome:
    raise TerminalError('spec.text: "<b>Zürich & more</b>" is longer than a greeting may be')


async def _is_a_bug(request: Request) -> Outcome:
    raise KeyError(f"https://example.com/{'a-very-long-part-without-a-break' * 9}/{request.name}")


async def _hangs(_request: Request) -> Outcome:
    await asyncio.sleep(800)
    return DONE


async def _waits(_request: Request) -> Outcome:
    raise RetryLater("the Secret demo/database is not there yet")


async def _rests(_request: Request) -> Outcome:
    return RequeueAfter(3600)


_FATES: Final[Mapping[str, Callable[[Request], Awaitable[Outcome]]]] = {
    "fails": _fails, "gives": _gives_up, "bug": _is_a_bug, "hangs": _hangs, "waits": _waits, "rests": _rests,
    "a": _fails,
}  # fmt: skip


@asynccontextmanager
async def in_trouble() -> AsyncIterator[Manager]:
    """All at once: hundreds of keys that fail, some forever; stuck runs, caches behind, objects that cannot be read."""
    names = [*(f"fails-{number}" for number in range(230)), *(f"waits-{number}" for number in range(7))]
    names += [*(f"rests-{number}" for number in range(130)), "gives-up", "bug-1", "hangs-1", "hangs-2", LONG]
    async with World(*map(greeting, names), kinds=[GREETINGS]) as world:
        for number in range(3):
            world.seed({**greeting(f"broken-{number}"), "spec": {"text": number}})
        manager = Manager(
            world.client, elector=Elector(world.client, ObjectKey("demo", "greeter"), identity="greeter-0")
        )
        manager.add(_troubled(manager))
        manager.add(greeter(name="copies-of-greetings")(manager))  # type: ignore[arg-type]
        manager.informer(GREETINGS.of(Greeting))
        manager.informer(PODS)
        manager.add_check("disk", lambda: "no space left on /var/lib/greeter", kind=CheckKind.READYZ)
        world.allow_failures(Exception)
        world.start(manager)
        await world.pass_time(700)
        with world.faults.outage(Calls(resource=PODS)):
            await world.pass_time(60)
            yield manager
        await world.crash(manager)


async def trouble() -> Pages:
    """All that there is, keys of each sort, and what a filter leaves of it, or does not."""
    async with in_trouble() as manager:
        keys = [("greetings", f"demo/{name}") for name in ("gives-up", "hangs-1", "waits-1", LONG)]
        filtered = shown(manager, asked=Asked("greetings", "demo/fails-22", 5))["/debug"]
        in_vain = shown(manager, asked=Asked("", "demo/<script>alert(1)</script>"))["/debug"]
        return {**shown(manager, *keys), "/debug?filtered": filtered, "/debug?in-vain": in_vain}


SCENES: Final[Mapping[str, Callable[[], Awaitable[Pages]]]] = {
    scene.__name__: scene for scene in (well, empty, starting, standby, sharded, trouble)
}


@cache
def pages_of(name: str) -> Pages:
    """The pages of a scene, which is played once."""
    return play(SCENES[name])


def play(scene: Callable[[], Awaitable[Pages]]) -> Pages:
    """Play a scene on a loop of its own, in a thread: the thread of a test may have the browser's loop."""

    async def played() -> Pages:
        return await scene()

    def run() -> Pages:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(played())

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()
