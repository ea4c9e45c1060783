"""
The stories of workloads, told to the real kube-controller-manager and kube-scheduler; only the kubelet is ours.

On a real API server they show that our loops, which tests/scenarios/test_stories.py tells them to, do as the real ones.
On our API server they show that it serves the real ones: their protobuf, their streamed lists, their elections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ctrlkit.fakes import ApiServer, ControlPlane, LiveWorld, Security, Tracker
from ctrlkit.fakes.cluster import Cluster, InProcessRuntime, Loop
from ctrlkit.fakes.tracker.furniture import furnish
from ctrlkit.manager import connect
from tests.judge.controllers import controllers
from tests.stories import STORIES
from tests.stories.scene import IMAGES, Scene, Story

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]

STORIES_AT_ONCE = 6


@asynccontextmanager
async def kubelet(kubeconfig: str) -> AsyncIterator[None]:
    """Our kubelet and its node, and no other loop of ours."""
    async with (
        connect(kubeconfig=kubeconfig) as client,
        InProcessRuntime(images=IMAGES) as runtime,
        Cluster(client, runtime, loops=frozenset({Loop.KUBELET})),
    ):
        yield


@asynccontextmanager
async def our_server(folder: Path) -> AsyncIterator[str]:
    """Our API server as `ctrlkit apiserver --rbac` sets it up; its kubeconfig."""
    tracker = Tracker(rbac=True)
    furnish(tracker)
    async with ApiServer(tracker, tracker.registry, security=Security.TLS).serve() as server:
        path = folder / "kubeconfig"
        server.write_kubeconfig(path)
        yield str(path)


async def tell(kubeconfig: str) -> str:
    """Tell all stories, some at a time; what went wrong, a line for each story."""
    at_once = asyncio.Semaphore(STORIES_AT_ONCE)

    async def tell_one(story: Story) -> str:
        async with at_once:
            try:
                async with LiveWorld(kubeconfig=kubeconfig) as world:
                    await story(Scene(world))
            except Exception as error:  # noqa: BLE001 - the others are told nevertheless
                return f"{type(error).__name__}: {error}"
        return ""

    wrong = await asyncio.gather(*map(tell_one, STORIES))
    return "\n".join(f"{story.__name__}: {text}" for story, text in zip(STORIES, wrong, strict=True) if text)


async def test_stories_end_well_with_the_real_controllers_on_a_real_server(kubernetes: Path) -> None:
    """What World's loops are held to is true."""
    with ControlPlane(kubernetes) as plane, controllers(plane.kubeconfig):
        async with kubelet(plane.kubeconfig):
            wrong = await tell(plane.kubeconfig)
            assert not wrong, wrong


async def test_stories_end_well_with_the_real_controllers_on_our_server(kubernetes: Path, tmp_path: Path) -> None:
    """They come up, work, and complain of nothing that they would not complain of elsewhere."""
    async with our_server(tmp_path) as kubeconfig, kubelet(kubeconfig):
        with controllers(kubeconfig) as both:
            wrong = await tell(kubeconfig)
            assert not wrong, wrong
            assert both.ended() == []
            assert not both.complaints(), "\n".join(both.complaints())
