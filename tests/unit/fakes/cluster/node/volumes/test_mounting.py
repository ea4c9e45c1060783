"""When volumes are mounted, tried again and renewed: at a kubelet's distances, exactly, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit import clock
from ctrlkit.cache import Change
from ctrlkit.cache.change import Cause
from ctrlkit.client import Client
from ctrlkit.fakes.cluster.node.declarations import Node
from ctrlkit.fakes.cluster.node.environment import SourceKind
from ctrlkit.fakes.cluster.node.fleet import Member
from ctrlkit.fakes.cluster.node.runtime import Runtime
from ctrlkit.fakes.cluster.node.volumes.attachments import Attachments
from ctrlkit.fakes.cluster.node.volumes.mounting import PodVolumes
from ctrlkit.fakes.cluster.node.volumes.records import SYNC_S
from ctrlkit.fakes.cluster.node.volumes.store import VolumeStore
from ctrlkit.fakes.cluster.node.volumes.trees import MemoryTree
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import MergePatch, ObjectKey, Record, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, PODS

TRIES = [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5, 127.5, 249.5, 371.5, 493.5]
MEMBER = Member(Node("n1"), "127.0.0.1")


class Scene:
    """A pod, its volumes and a server, without anything that runs."""

    def __init__(self, *names: str, **volumes: dict[str, Any]) -> None:
        self.tracker = Tracker()
        self.told: list[tuple[float, str]] = []
        self.woken: list[str] = []
        self.followed: dict[str, Callable[[Change[Unstructured]], None]] = {}
        store = VolumeStore(MemoryTree())
        self.store = store
        self.volumes = PodVolumes(
            Client(self.tracker),
            cast("Runtime", SimpleNamespace(volumes=store)),
            Attachments(lambda node: True, lambda key, uid: True),
            tell=lambda pod, kind, reason, text: self.told.append((clock.monotonic(), text)),
            tell_attaching=lambda pod, kind, reason, text: self.told.append((clock.monotonic(), text)),
            follow=lambda resource, handler: self.followed.update({resource.plural: handler}),
            wake=self.woken.append,
        )
        made = {**{name: {"configMap": {"name": name}} for name in names}, **volumes}
        mounts = [{"name": name, "mountPath": f"/{name}"} for name in made]
        self.pod = self.tracker.create(
            PODS,
            {
                "metadata": {"name": "web", "namespace": "default"},
                "spec": {
                    "containers": [{"name": "a", "image": "a", "volumeMounts": mounts}],
                    "volumes": [{"name": name, **source} for name, source in made.items()],
                },
            },
        )

    def put(self, name: str, **data: str) -> None:
        """Make a ConfigMap, or change it, and let the volumes know."""
        key = ObjectKey("default", name)
        if any(item.key == key for item in self.tracker.list(CONFIG_MAPS, "default")):
            found = self.tracker.patch(CONFIG_MAPS, key, MergePatch({"data": data}))
        else:
            found = self.tracker.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "default"}, "data": data})
        if "configmaps" in self.followed:
            record = Record(found.metadata, found, dict)
            self.followed["configmaps"](Change(None, cast("Any", record), Cause.WATCH))

    async def until(self, moment: float) -> bool:
        """Look whenever it is due, up to a moment; return whether all is there."""
        while True:
            state = await self.volumes.advance(self.pod, MEMBER)
            if state.due_at is None or state.due_at > moment:
                await asyncio.sleep(max(moment - clock.monotonic(), 0.0))
                return state.ready
            await asyncio.sleep(max(state.due_at - clock.monotonic(), 0.0))

    def read(self, volume: str, path: str) -> str | None:
        found = self.store.read(self.pod.metadata.uid, volume, path)
        return None if found is None else found.decode()


def play(act: Callable[[], Awaitable[None]]) -> None:
    """Run it on virtual time, from the moment 0."""

    async def run() -> None:
        await act()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())


def test_tries_come_at_twice_the_distance_each_up_to_two_minutes_and_two_seconds() -> None:
    async def act() -> None:
        scene, began = Scene("web"), clock.monotonic()
        assert not await scene.until(began + 600)
        assert [round(moment - began, 3) for moment, _ in scene.told] == TRIES

    play(act)


MOMENTS = st.integers(min_value=0, max_value=1600).map(lambda number: number / 4 + 0.1)
"""None of them is the moment of a try."""


@given(st.lists(MOMENTS, min_size=1, max_size=3))
def test_for_any_moments_at_which_objects_come_the_pod_has_all_at_the_next_try_of_the_last(
    moments: list[float],
) -> None:
    """Each volume is tried by itself: no other one holds it up, and nothing is missed."""

    async def act() -> None:
        names = [f"m{number}" for number in range(len(moments))]
        scene, began = Scene(*names), clock.monotonic()
        for moment, name in sorted(zip(moments, names, strict=True)):
            await scene.until(began + moment)
            scene.put(name, key="1")
        expected = max(next(one for one in TRIES if one > moment) for moment in moments)
        assert not await scene.until(began + expected - 0.01)
        assert await scene.until(began + expected)

    play(act)


def test_a_change_is_seen_at_the_end_of_the_minute_and_wakes_the_pod_once() -> None:
    """The minute begins when the volumes are mounted."""

    async def act() -> None:
        scene, began = Scene("web"), clock.monotonic()
        scene.put("web", port="80")
        assert await scene.until(began + 100)
        scene.put("web", port="81")
        scene.put("web", port="82")
        assert scene.woken == [scene.pod.metadata.uid]
        assert await scene.until(began + 2 * SYNC_S - 1)
        assert scene.read("web", "port") == "80"
        assert await scene.until(began + 2 * SYNC_S)
        assert scene.read("web", "port") == "82"

    play(act)


def test_a_container_that_starts_has_its_files_renewed() -> None:
    async def act() -> None:
        scene, began = Scene("web"), clock.monotonic()
        scene.put("web", port="80")
        assert await scene.until(began + 10)
        scene.put("web", port="81")
        await scene.volumes.renew(scene.pod, MEMBER)
        assert scene.read("web", "port") == "81"
        state = await scene.volumes.advance(scene.pod, MEMBER)
        assert (state.ready, state.due_at) == (True, None)

    play(act)


def test_nothing_is_looked_at_as_long_as_nothing_changes() -> None:
    """Neither by time, nor by changes of objects of other names, other namespaces and what was seen already."""

    async def act() -> None:
        scene = Scene("web", data={"emptyDir": {}})
        scene.put("web", port="80")
        assert await scene.until(clock.monotonic())
        scene.put("other", port="1")
        found = scene.tracker.get(CONFIG_MAPS, "default/web")
        again = cast("Any", Record(found.metadata, found, dict))
        scene.volumes.changed(SourceKind.CONFIG_MAP, Change(None, again, Cause.WATCH))
        state = await scene.volumes.advance(scene.pod, MEMBER)
        assert (state.ready, state.due_at, scene.woken) == (True, None, [])

    play(act)


def test_a_volume_that_an_ephemeral_container_mounts_is_mounted_when_it_comes() -> None:
    """It was none of the pod's concern before; one that is missing holds the others up no more."""

    async def act() -> None:
        scene = Scene("web")
        scene.put("web", port="80")
        scene.pod["spec"]["volumes"].append({"name": "late", "configMap": {"name": "late"}})
        assert await scene.until(clock.monotonic())
        debugger = {"name": "debug", "volumeMounts": [{"name": "late", "mountPath": "/late"}]}
        scene.pod["spec"]["ephemeralContainers"] = [debugger]
        assert not await scene.until(clock.monotonic())
        scene.put("late", key="1")
        assert await scene.until(clock.monotonic() + 0.5)
        assert scene.read("late", "key") == "1"

    play(act)
