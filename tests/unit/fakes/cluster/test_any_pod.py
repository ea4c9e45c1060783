"""
Whatever a pod asks for and its containers do, time passes, no count falls, and it ends when it is deleted; and all
that is seen of it is the same whether its kubelet looks at it for each probe, or only when one shows something new.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctrlkit.errors import ApiError
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, NEVER_S, CommandAnswer, Exits, Image, Pull
from ctrlkit.fakes.cluster.loops.pods import FINAL_PHASES
from ctrlkit.fakes.cluster.node.kubelet import Kubelet
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.model import StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import EVENTS, PODS
from tests.support.effort import tries

Object = dict[str, Any]
KEY = "default/web"
GRACE_S = 60.0
"""No pod here asks for more."""
ENDS_IN_S = 300.0
"""A pull, a hook, an end that is waited for, and what a sidecar takes after that."""

PULLS = st.sampled_from([Pull(), Pull(), Pull(error="denied"), Pull(failures=2), Pull(takes_s=40)])
EXITS = st.sampled_from(
    [
        None,
        None,
        Exits(0, after_s=12),
        Exits(1),
        Exits(9, after_s=3),
        Exits.oom(after_s=20),
        {1: Exits(1), 2: Exits(9)},
        {2: Exits(9, after_s=5)},
    ]
)
STOPS = st.sampled_from([None, Exits(after_s=NEVER_S), Exits(7, after_s=20)])
PROBES = st.sampled_from([True, False, [True, False], [False, True, ...], [True] * 4 + [False] * 4 + [...]])
EXECS = st.sampled_from([None, {"do": 0}, {"do": CommandAnswer(takes_s=15, exit_code=1)}])
IMAGES = st.builds(Image, pull=PULLS, exits=EXITS, stops=STOPS, probes=PROBES, execs=EXECS)

HANDLERS: st.SearchStrategy[Object] = st.sampled_from(
    [{"httpGet": {"path": "/a", "port": 80}}, {"tcpSocket": {"port": 80}}, {"exec": {"command": ["do"]}}]
)


@st.composite
def probes_of(draw: st.DrawFn) -> Object:
    own = {"periodSeconds": draw(st.sampled_from([1, 10])), "failureThreshold": draw(st.sampled_from([1, 3]))}
    return {**draw(HANDLERS), **own}


@st.composite
def containers(draw: st.DrawFn, name: str, *, role: str) -> Object:
    found: Object = {"name": name, "image": f"{draw(st.sampled_from(['one', 'two', 'nothing']))}:1"}
    if role == "sidecar":
        found["restartPolicy"] = "Always"
    elif draw(st.booleans()):
        codes = {"operator": draw(st.sampled_from(["In", "NotIn"])), "values": [9]}
        action = draw(st.sampled_from(["Restart", "RestartAllContainers"]))
        policy = draw(st.sampled_from(["Never", "OnFailure"]))
        found |= {"restartPolicy": policy, "restartPolicyRules": [{"action": action, "exitCodes": codes}]}
    if role != "init":
        for kind in draw(st.sets(st.sampled_from(["startup", "liveness", "readiness"]))):
            found[f"{kind}Probe"] = draw(probes_of())
        hooks = draw(st.sets(st.sampled_from(["postStart", "preStop"])))
        if hooks:
            found["lifecycle"] = {hook: draw(HANDLERS) for hook in sorted(hooks)}
    return found


@st.composite
def pods(draw: st.DrawFn) -> Object:
    roles = draw(st.lists(st.sampled_from(["init", "sidecar"]), max_size=2))
    count = draw(st.integers(1, 2))
    spec: Object = {
        "containers": [draw(containers(f"c{place}", role="regular")) for place in range(count)],
        "restartPolicy": draw(st.sampled_from(["Always", "OnFailure", "Never"])),
        "terminationGracePeriodSeconds": draw(st.sampled_from([0, 10, int(GRACE_S)])),
    }
    if roles:
        spec["initContainers"] = [draw(containers(f"i{place}", role=role)) for place, role in enumerate(roles)]
    if draw(st.booleans()):
        spec["activeDeadlineSeconds"] = draw(st.sampled_from([5, 60]))
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}


STEPS = st.lists(st.sampled_from(["image", "debug", "reboot", "look"]), max_size=3)


async def carry_out(world: World, step: str, place: int) -> None:
    """Change the pod, which may be gone or over; or have its node boot."""
    debugger = {"name": f"debug{place}", "image": "two:1", "targetContainerName": "c0"}
    with suppress(ApiError):
        match step:
            case "image":
                change = {"spec": {"containers": [{"name": "c0", "image": "two:2"}]}}
                await world.client.patch(PODS, KEY, StrategicMergePatch(change))
            case "debug":
                change = {"spec": {"ephemeralContainers": [debugger]}}
                await world.client.patch(PODS, KEY, StrategicMergePatch(change), subresource="ephemeralcontainers")
            case "reboot":
                world.lose_node("n1")
                await world.advance(5)
                world.recover_node("n1")


def check(before: Unstructured | None, pod: Unstructured) -> None:
    """Compare a pod with what it was a moment ago."""
    status, old = pod.at("status") or {}, (before.at("status") if before is not None else None) or {}
    if old.get("phase") in FINAL_PHASES:
        assert status["phase"] == old["phase"]
    counts = {one["name"]: one["restartCount"] for one in every_container(old)}
    for one in every_container(status):
        assert one["restartCount"] >= counts.get(one["name"], 0), one["name"]
        assert len(one["state"]) == 1
    for condition in status.get("conditions") or ():
        if condition["type"] == "Ready" and condition["status"] == "True":
            assert status["phase"] == "Running"


def every_container(status: Object) -> list[Object]:
    return [one for name, many in status.items() if name.endswith("ontainerStatuses") for one in many]


ANEW = [{"action": "RestartAllContainers", "exitCodes": {"operator": "NotIn", "values": [42]}}]
ENDS_AT_ONCE: Object = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "containers": [
            {"name": "c0", "image": "one:1", "restartPolicy": "Never", "restartPolicyRules": ANEW},
            {"name": "c1", "image": "two:1"},
        ]
    },
}


@settings(max_examples=tries(2, thorough=200))
@example(ENDS_AT_ONCE, Image(exits=Exits(1)), Image(pull=Pull(takes_s=3)), [])
@given(pods(), IMAGES, IMAGES, STEPS)
async def test_for_any_pod_time_passes_and_it_ends_when_it_is_deleted(
    pod: Object, one: Image, two: Image, steps: list[str]
) -> None:
    """Its phase stays once it is final, and no restart is forgotten, over reboots of its node too."""
    async with World(cluster=ALL, nodes=["n1"], images={"one": one, "two": two}) as world:
        await world.client.create(PODS, pod)
        seen = None
        for place, step in enumerate([*steps, "look", "look"]):
            for _ in range(6):
                await world.advance(7)
                now = world.tracker.get(PODS, KEY)
                check(seen, now)
                seen = now
            await carry_out(world, step, place)
        await world.client.delete(PODS, KEY)
        await world.advance(ENDS_IN_S)
        assert world.tracker.list(PODS) == []


def seen_of(world: World) -> Object:
    """All that users see of the pod and hear of it, but for what differs from one pod to the next of its name."""
    (pod,) = world.tracker.list(PODS) or (Unstructured(),)
    status = [{**one, "containerID": "", "lastState": drop_id(one)} for one in every_container(pod.get("status") or {})]
    told = [
        (
            one["reason"],
            one["message"].replace(pod.at("metadata.uid") or "-", ""),
            one.get("count"),
            one.get("firstTimestamp"),
            one.get("lastTimestamp"),
        )
        for one in world.tracker.list(EVENTS)
    ]
    return {"conditions": pod.at("status.conditions"), "phase": pod.at("status.phase"), "all": status, "told": told}


def drop_id(status: Object) -> Object:
    return {name: {**how, "containerID": ""} for name, how in (status.get("lastState") or {}).items()}


def off_beat(image: Image, by_s: float) -> Image:
    """An image whose containers end at other moments than those of probes: which comes first at one moment is open."""

    def later(how: Exits) -> Exits:
        return replace(how, after_s=how.after_s + by_s)

    exits = {run: later(how) for run, how in image.exits.items()} if isinstance(image.exits, dict) else image.exits
    return replace(
        image,
        exits=later(exits) if isinstance(exits, Exits) else exits,
        stops=later(image.stops) if isinstance(image.stops, Exits) else image.stops,
    )


def lives(pod: Object, one: Image, two: Image, steps: list[str]) -> list[Object]:
    """What is seen of a pod from second to second, in a world of its own."""
    images = {"one": off_beat(one, 0.1371), "two": off_beat(two, 0.2713)}

    async def live() -> list[Object]:
        seen: list[Object] = []
        async with World(cluster=ALL, nodes=["n1"], images=images) as world:
            await world.client.create(PODS, pod)
            for place, step in enumerate([*steps, "look"]):
                for _ in range(25):
                    await world.pass_time(1)
                    seen.append(seen_of(world))
                await carry_out(world, step, place)
        return seen

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(live())


@settings(max_examples=tries(3, thorough=200))
@given(pods(), IMAGES, IMAGES, STEPS)
def test_for_any_pod_all_is_seen_as_if_its_kubelet_looked_at_it_for_each_probe(
    pod: Object, one: Image, two: Image, steps: list[str]
) -> None:
    """In the same second, and in the same words."""
    found = lives(pod, one, two, steps)
    with mock.patch.object(Kubelet, "_is_at_rest", return_value=False):
        assert found == lives(pod, one, two, steps)
