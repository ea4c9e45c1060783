"""Events of the cluster's loops are made when somebody looks, and nobody can tell that they were not there before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.clock import random_source
from ctrlkit.errors import ApiError
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.world.running import ClusterTransport
from ctrlkit.model import Action, MergePatch, Verb
from ctrlkit.model.kinds import DEPLOYMENTS, EVENTS, EVENTS_V1, NAMESPACES, PODS, RESOURCE_QUOTAS

Step = Callable[[World], Awaitable[object]]


def deployment(name: str, *, namespace: str = "default", cpu: str = "1m") -> dict[str, Any]:
    """A Deployment of two pods that ask for a processor or a part of one."""
    labels = {"app": name}
    container = {"name": "web", "image": "web:1", "resources": {"requests": {"cpu": cpu}}}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


async def _events(world: World) -> list[str]:
    return [json.dumps(event) for event in await world.client.list(EVENTS)]


async def _newer_events(world: World) -> list[str]:
    return [json.dumps(event) for event in await world.client.list(EVENTS_V1, namespace="default")]


async def _first_of_a_watch(world: World) -> list[str]:
    async with world.client.watch(EVENTS, namespace="default") as events:
        return [str(await anext(events)) for _ in await world.client.list(EVENTS, namespace="default")]


async def _change_an_event(world: World) -> None:
    for event in (await world.client.list(EVENTS))[:1]:
        await world.client.patch(EVENTS, event.key, MergePatch({"metadata": {"labels": {"seen": "yes"}}}))


async def _history(world: World) -> list[tuple[str, int, str]]:
    return [(kind, change.version, str(change.key)) for kind, change in world.tracker.history()]


async def _trace(world: World) -> str:
    return str(world.trace)


async def _compact(world: World) -> None:
    world.tracker.compact()


async def _forget_events(world: World) -> None:
    await world.client.delete_collection(EVENTS, namespace="default")


async def _newest(world: World) -> int | None:
    return world.tracker.newest(Action(verb=Verb.WATCH, resource=EVENTS, namespace="default"), 0)


_QUOTA = {"metadata": {"name": "few", "namespace": "default"}, "spec": {"hard": {"count/events": "40", "pods": "4"}}}
_SPACE = {"metadata": {"name": "demo"}}

CHANGES: dict[str, Step] = {
    "a deployment": lambda world: world.client.create(DEPLOYMENTS, deployment("web")),
    "one that does not fit a node": lambda world: world.client.create(DEPLOYMENTS, deployment("huge", cpu="100")),
    "one in a namespace": lambda world: world.client.create(DEPLOYMENTS, deployment("web", namespace="demo")),
    "more pods": lambda world: world.client.set_scale(DEPLOYMENTS, "default/web", 3),
    "fewer pods": lambda world: world.client.set_scale(DEPLOYMENTS, "default/web", 1),
    "no deployment": lambda world: world.client.delete(DEPLOYMENTS, "default/web"),
    "pods go": lambda world: world.client.delete_collection(PODS, namespace="default"),
    "a namespace": lambda world: world.client.create(NAMESPACES, _SPACE),
    "no namespace": lambda world: world.client.delete(NAMESPACES, "demo"),
    "a quota": lambda world: world.client.create(RESOURCE_QUOTAS, _QUOTA),
    "no quota": lambda world: world.client.delete(RESOURCE_QUOTAS, "default/few"),
    "time": lambda world: world.advance("6m"),
    "no history": _compact,
    "an event changes": _change_an_event,
    "no events": _forget_events,
}
LOOKS: dict[str, Step] = {
    "events": _events,
    "newer events": _newer_events,
    "a watch": _first_of_a_watch,
    "history": _history,
    "trace": _trace,
    "newest": _newest,
}


async def _told(steps: Sequence[str]) -> list[object]:
    """What each step shows, and all there is at the end."""
    told: list[object] = []
    async with World(cluster=ALL, seed=7) as world:
        for name in steps:
            try:
                shown = await (CHANGES | LOOKS)[name](world)
            except ApiError as refusal:
                shown = str(refusal)
            told += [name, world.tracker.version, str(shown) if name in LOOKS else ""]
            await world.settle()
        told += [await look(world) for look in LOOKS.values()]
        assert world._cluster is not None
        told += [recorder.statistics() for recorder in world._cluster._manager.recorders]
        told += [await _history(world), world.tracker.version, random_source().random()]
    return told


def _run(steps: Sequence[str]) -> list[object]:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_told(steps))


def _tells_the_same(steps: Sequence[str]) -> bool:
    """Whether a world tells the same as one where each Event is made at once."""
    later = _run(["a deployment", *steps])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClusterTransport, "promise", lambda *_, **_options: False)
        return later == _run(["a deployment", *steps])


SEQUENCES: dict[str, list[str]] = {
    "nobody looks before the end": ["more pods", "one that does not fit a node", "time"],
    "the namespace goes": ["a namespace", "one in a namespace", "no namespace", "events"],
    "a quota comes and goes": ["a quota", "more pods", "no quota", "pods go", "an event changes"],
    "history is dropped": ["more pods", "no history", "fewer pods", "a watch", "no events", "pods go"],
}


@pytest.mark.parametrize("steps", SEQUENCES.values(), ids=SEQUENCES)
def test_whoever_looks_sees_the_same_as_if_each_event_were_made_at_once(steps: list[str]) -> None:
    """Objects, versions, names, times, the trace, what is counted, and what chance brings next."""
    assert _tells_the_same(steps)


@pytest.mark.long
@given(st.lists(st.sampled_from([*CHANGES, *LOOKS]), max_size=9))
def test_any_steps_tell_the_same_as_if_each_event_were_made_at_once(steps: list[str]) -> None:
    """So it is for any sequence of changes and looks."""
    assert _tells_the_same(steps)


async def test_a_deployment_makes_no_event_that_nobody_looks_at() -> None:
    """Of nineteen Events not one is made before the list, and then all."""
    async with World(cluster=ALL) as world:
        await world.client.create(DEPLOYMENTS, deployment("web"))
        await world.settle()
        core = world.tracker._core
        made = core.store.promised[EVENTS.identity]
        assert len(made.made) > 10
        found = await world.client.list(EVENTS)
        assert {event.key for event in found} >= made.made.keys()
        assert not core.store.promised
