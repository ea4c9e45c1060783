"""What runs or is entered once says so when it is tried again, and names itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ctrlkit.bitcoin.rpc import RpcClient
from ctrlkit.cache import Informer, InformerFactory
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Watch, to_self
from ctrlkit.election import Elector, Sharding
from ctrlkit.events import EventRecorder
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.cluster import Cluster, ImageRuntime
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import CONFIG_MAPS
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from ctrlkit.workqueue import WorkQueue
from tests.unit.controller.support import Script, pods

LEASE = ObjectKey("default", "net")


def a_client() -> Client:
    return FakeClientset().client


def a_sharding() -> Sharding:
    return Sharding(a_client(), name="net", namespace="default", shards=2, identity="one")


def an_informer() -> Informer[Any]:
    return Informer[Any](CONFIG_MAPS, {"": a_client().list_watch(CONFIG_MAPS)})


def a_transport() -> RestTransport:
    return RestTransport(Endpoint(server="http://127.0.0.1:1"))


def a_controller(name: str = "test", queue: WorkQueue[ObjectKey] | None = None) -> Controller:
    return Controller(name=name, reconcile=Script(DONE), watches=[Watch(pods("d/1"), to_self)], queue=queue)


class NoWork:
    """Shards that nobody works on."""

    def begin(self, shard: int) -> None:
        pass

    async def end(self, shard: int) -> None:
        pass

    def cut_off(self, shard: int) -> None:
        pass


def runs_of(make: Callable[[], Any], *arguments: object) -> Callable[[], Callable[[], Awaitable[object]]]:
    """What a new one's run() does, each time it is called."""

    def made() -> Callable[[], Awaitable[object]]:
        subject = make()
        return lambda: subject.run(*arguments)

    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (runs_of(lambda: InformerFactory(a_client())), "enter the informer factory: it was entered before"),
        (runs_of(an_informer), "run informer configmaps: it was run before"),
        (runs_of(a_controller), "run controller test: it was run before"),
        (runs_of(lambda: Manager(a_client())), "run the manager: it runs"),
        (runs_of(lambda: EventRecorder(a_client(), "net")), "run recorder net: it was run before"),
        (runs_of(a_sharding, NoWork()), "run sharding net: it was run before"),
    ],
)
async def test_a_second_run_is_refused(made: Callable[[], Callable[[], Awaitable[object]]], message: str) -> None:
    """Beside the first, and after it."""
    run = made()
    first = asyncio.ensure_future(run())
    await asyncio.sleep(1)
    with pytest.raises(RuntimeError, match=f"^{message}"):
        await run()
    first.cancel()
    await asyncio.wait([first])
    with pytest.raises(RuntimeError, match=message.replace("it runs", "it has ended")):
        await run()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (World, "enter the world: it was entered before"),
        (lambda: Cluster(a_client(), ImageRuntime(images={})), "enter the cluster: it was entered before"),
        (lambda: ImageRuntime(images={}), "enter the runtime: it was entered before"),
        (lambda: InformerFactory(a_client()), "enter the informer factory: it was entered before"),
        (a_transport, "enter the transport to 127.0.0.1:1: it is entered already"),
        (RpcClient, "enter the RpcClient: it is entered already"),
    ],
)
async def test_a_second_entering_is_refused_and_the_first_goes_on(make: Callable[[], Any], message: str) -> None:
    """And after its end, unless it then works as new."""
    subject = make()
    async with subject:
        with pytest.raises(RuntimeError, match=f"^{message}"):
            await subject.__aenter__()
    if not isinstance(subject, RestTransport | RpcClient):
        with pytest.raises(RuntimeError, match=rf"^{message.partition(':')[0]}"):
            await subject.__aenter__()
        return
    async with subject:
        pass


async def test_an_elector_is_of_one_task_at_a_time() -> None:
    """Two that hold one lease would both act by it; one after the other they may."""
    tracker = Tracker()
    leader, elector = (Elector(Client(tracker), LEASE, identity=name) for name in ("leader", "other"))
    await leader.acquire()
    acquiring, holding = asyncio.ensure_future(elector.acquire()), asyncio.ensure_future(leader.hold())
    await asyncio.sleep(1)
    with pytest.raises(RuntimeError, match=r"^acquire lease default/net: another task does so with this Elector"):
        await elector.acquire()
    with pytest.raises(RuntimeError, match=r"^hold lease default/net: another task does so"):
        await leader.hold()
    for task in (acquiring, holding):
        task.cancel()
    await asyncio.wait([acquiring, holding])
    async with asyncio.TaskGroup() as tasks:
        again = tasks.create_task(leader.hold())
        await asyncio.sleep(10)
        assert leader.is_leading()
        again.cancel()


async def test_two_managers_with_one_elector_do_not_both_lead() -> None:
    """The second one ends and says why."""
    client = a_client()
    elector = Elector(client, LEASE, identity="one")
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(Manager(client, elector=elector).run())
        await asyncio.sleep(1)
        with pytest.raises(RuntimeError, match=r"^hold lease default/net: another task does so"):
            await Manager(client, elector=elector).run()
        first.cancel()


def test_a_controller_is_added_once() -> None:
    manager, controller = Manager(a_client()), a_controller()
    manager.add(controller)
    with pytest.raises(ValueError, match=r"^add controller test: it was added before"):
        manager.add(controller)


def test_a_queue_has_one_controller() -> None:
    """Keys of both would go to whichever worker comes first."""
    queue = WorkQueue[ObjectKey]()
    a_controller("first", queue)
    with pytest.raises(ValueError, match=r"^Controller second: its queue is that of Controller first already"):
        a_controller("second", queue)


async def test_a_part_is_started_inside_of_the_worlds_block_and_once() -> None:
    world, part = World(), Manager(a_client())
    with pytest.raises(RuntimeError, match=r"^start early: the world was not entered; do it inside"):
        world.start(part, name="early")
    async with world:
        world.start(part)
        with pytest.raises(RuntimeError, match=r"^start again: it runs in this world already"):
            world.start(part, name="again")
    with pytest.raises(RuntimeError, match=r"^start manager: the world has ended"):
        world.manage(lambda _manager: ())


async def test_a_server_serves_one_address_at_a_time_and_can_serve_again() -> None:
    server = ApiServer(Tracker(), Tracker().registry)
    for _ in range(2):
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(server.serve())
            with pytest.raises(Exception, match=r"this API server already serves"):
                await stack.enter_async_context(server.serve())
