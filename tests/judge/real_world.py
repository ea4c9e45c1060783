"""
A stand-in for the fixture `world` on a real control plane, as the conftest.py of a folder of snippets.

It has what snippets use of a World that a real server can have: kinds and objects to begin with, a client, managers,
what the server holds, and `settle`, which waits until the managers have had nothing to do for a while. A test that asks
for more, such as time that passes or faults, is skipped by name.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from ctrlkit import Client, Manager, MergePatch, Scope, Unstructured, connect, custom_resource
from ctrlkit.crd import definition_of
from ctrlkit.errors import AlreadyExists, NotFound
from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.world.definitions import apply_definition, established
from ctrlkit.fakes.world.running import default_field_manager
from ctrlkit.manager import Dependency, Settings, controllers_of, manager_from
from ctrlkit.manager.program import builds_in
from ctrlkit.manager.settings import OFF
from ctrlkit.model import AnyResource, kinds

IDLE_S = 0.7
"""So long nothing is to be done before a world counts as settled: an event takes some milliseconds."""
WITHIN_S = 30.0
CLEANED = (
    kinds.CONFIG_MAPS,
    kinds.SECRETS,
    kinds.SERVICES,
    kinds.DEPLOYMENTS,
    kinds.STATEFULSETS,
    kinds.JOBS,
    kinds.EVENTS,
    kinds.RESOURCE_QUOTAS,
    kinds.ROLE_BINDINGS,
    kinds.NODES,
)
BY_KIND = {
    **{kind.kind: kind for kind in CLEANED},
    "Namespace": kinds.NAMESPACES,
    "CustomResourceDefinition": kinds.CUSTOM_RESOURCE_DEFINITIONS,
}


class Tracker:
    """What the server holds, by plain calls; each blocks the test's loop for its length."""

    def __init__(self, world: RealWorld) -> None:
        self._now = world.now

    def get(self, kind: AnyResource, key: str) -> Any:
        """Read one object."""
        return self._now(lambda client: client.get(kind.of(Unstructured), key))

    def list(self, kind: AnyResource, namespace: str = "") -> list[Unstructured]:
        """List objects, without those of the server itself."""
        found = self._now(lambda client: client.list(kind.of(Unstructured), namespace=namespace))
        return [each for each in found if not each.metadata.name.startswith("kube-")]

    def delete(self, kind: AnyResource, key: str) -> None:
        """Delete an object."""
        self._now(lambda client: client.delete(kind, key))


class RealWorld:
    """See the head of this module."""

    def __init__(self, plane: ControlPlane, client: Client) -> None:
        self._plane = plane
        self.client = client
        self.tracker = Tracker(self)
        self._kinds: dict[str, AnyResource] = {}
        self._provided: dict[Dependency[Any], Any] = {}
        self._running: list[tuple[Manager, asyncio.Task[None], asyncio.Event]] = []

    def __getattr__(self, name: str) -> Any:
        pytest.skip(f"a real server has no {name}")

    def now(self, ask: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
        """Ask the server on another thread, and wait for the answer."""
        answers: list[Any] = []

        async def go() -> None:
            async with connect(kubeconfig=self._plane.kubeconfig) as client:
                try:
                    answers.append(await ask(client))
                except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
                    answers.append(error)

        thread = threading.Thread(target=lambda: asyncio.run(go()))
        thread.start()
        thread.join()
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    def serve(self, *wanted: AnyResource) -> None:
        """Define kinds as their types say."""
        for kind in wanted:
            self._kinds[kind.kind] = kind
            self._define(definition_of(kind))

    def _define(self, definition: Any) -> None:
        name = self.now(lambda client: apply_definition(client, definition))
        while not self.now(lambda client: established(client, name)):
            pass

    def seed(self, *objects: Any) -> None:
        """Create objects, or definitions, with the namespaces that they need."""
        for each in objects:
            if each["kind"] == "CustomResourceDefinition":
                self._kinds[each["spec"]["names"]["kind"]] = _resource_of(each["spec"])
                self._define(each)
            else:
                self.now(functools.partial(self._put, body=each))

    async def _put(self, client: Client, body: dict[str, Any]) -> None:
        kind = BY_KIND.get(body["kind"]) or self._kinds[body["kind"]]
        whole, metadata = kind.of(Unstructured), body["metadata"]
        if namespace := metadata.get("namespace"):
            with suppress(AlreadyExists):
                await client.create(kinds.NAMESPACES, {"metadata": {"name": namespace}})
        key = f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
        try:
            await client.create(whole, body)
        except AlreadyExists:
            await client.patch(whole, key, MergePatch({"metadata": metadata}))
        if status := body.get("status"):
            await client.patch(whole, key, MergePatch({"status": status}), subresource="status")

    def provide(self, wanted: Dependency[Any], instance: Any) -> None:
        """As World.provide."""
        self._provided[wanted] = instance

    def manage(self, build: Any, **more: Any) -> Manager:
        """As World.manage, of one replica."""
        if more:
            pytest.skip("a real server runs one replica here")
        builds = builds_in(build if isinstance(build, Iterable) else [build])
        client = Client(self.client.transport, field_manager=default_field_manager(builds))
        manager = manager_from(Settings(endpoints_address=OFF, webhooks_address=OFF), client)
        for wanted, instance in self._provided.items():
            manager.provide(wanted, instance)
        for controller in controllers_of(builds, manager):
            manager.add(controller)
        stop = asyncio.Event()
        self._running.append((manager, asyncio.create_task(manager.run(stop)), stop))
        return manager

    async def settle(self) -> None:
        """Return when nothing has been to be done for a while."""
        loop = asyncio.get_running_loop()
        deadline, idle_since = loop.time() + WITHIN_S, loop.time()
        while loop.time() - idle_since < IDLE_S:
            busy = [said for manager, _, _ in self._running for said in (*manager.busy(), *_starting(manager))]
            failed = [task.exception() for _, task, _ in self._running if task.done()]
            assert not failed, failed
            assert loop.time() < deadline, busy
            if busy:
                idle_since = loop.time()
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        """Stop the managers, and delete what there is of the kinds of the test."""
        for _, task, stop in self._running:
            stop.set()
            with suppress(Exception):
                await task
        for kind in (*self._kinds.values(), *CLEANED):
            whole = kind.of(Unstructured)
            for each in await self.client.list(whole):
                if each.metadata.name.startswith("kube") or each.metadata.namespace in ("kube-system", "kube-public"):
                    continue
                with suppress(NotFound):
                    if each.metadata.finalizers:
                        await self.client.patch(whole, each.key, MergePatch({"metadata": {"finalizers": None}}))
                    await self.client.delete(whole, each.key, grace_period_s=0)


def _starting(manager: Manager) -> tuple[str, ...]:
    return () if manager.elected.is_set() else ("the manager is not at work yet",)


def _resource_of(spec: dict[str, Any]) -> AnyResource:
    """The kind that a CustomResourceDefinition with this spec defines."""
    scope = Scope.CLUSTER if spec["scope"] == "Cluster" else Scope.NAMESPACED
    version, names = spec["versions"][0]["name"], spec["names"]
    return custom_resource(
        group=spec["group"], version=version, kind=names["kind"], plural=names["plural"], scope=scope
    )


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """One control plane for all tests."""
    with ControlPlane() as started:
        yield started


@pytest_asyncio.fixture
async def world(request: pytest.FixtureRequest, plane: ControlPlane) -> AsyncIterator[RealWorld]:
    """In the place of the plugin's fixture of this name."""
    marker = request.node.get_closest_marker("world")
    arguments = {} if marker is None else marker.kwargs
    if arguments.keys() - {"kinds"}:
        pytest.skip(f"a real server has no {', '.join(arguments)}")
    async with connect(kubeconfig=plane.kubeconfig) as client:
        world = RealWorld(plane, client)
        try:
            world.serve(*arguments.get("kinds", ()))
            world.seed(*(() if marker is None else marker.args))
            yield world
        finally:
            await world.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A real server runs on the real clock."""
    for item in items:
        item.add_marker(pytest.mark.real_time)
