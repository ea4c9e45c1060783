"""Plays a story in a World on virtual time, and shows what a watch saw in the form of recordings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ctrlkit import clock
from ctrlkit.client.actions import Propagation
from ctrlkit.errors import CtrlkitError
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Cluster, ImageRuntime, Node
from ctrlkit.fakes.cluster.node.fleet import Fleet
from ctrlkit.fakes.tracker.admission import PLUGINS
from ctrlkit.model import JsonPatch, MergePatch, Patch, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import BUILT_IN, EVENTS, PODS
from ctrlkit.model.watch import Deleted
from tests.kubelet.form import Masks, Row, keyed, with_numbered_ids
from tests.kubelet.images import images_of
from tests.kubelet.story import Story

KINDS = {resource.kind: resource for resource in BUILT_IN}
HOST = Node("node-a", cpu="8", memory="16Gi", ephemeral_storage="100Gi", pods=110)


@dataclass(slots=True)
class Seen:
    """What was seen: rows of each pod, and Events."""

    pods: dict[str, list[Row]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)


class Stage:
    """A World with one node, in which one story is played."""

    def __init__(self, story: Story, world: World, fleet: Fleet) -> None:
        self._story = story
        self._fleet = fleet
        self._client = world.client
        self._world = world
        self._start = 0.0
        self._began = 0.0
        self._changes: list[tuple[float, Any]] = []

    async def play(self) -> Seen:
        """Carry out the steps, and tell what was seen."""
        name = self._story.name
        await self._client.create(KINDS["Namespace"], {"metadata": {"name": name}})
        await self._world.settle()
        await self._world.pass_time(1 - clock.now().timestamp() % 1)
        self._start, self._began = clock.now().timestamp(), clock.monotonic()
        watching = [asyncio.create_task(self._watch(resource)) for resource in (PODS, EVENTS)]
        for step in self._story.steps:
            await self._pass_until(step["at"])
            await self._step(step)
        await self._pass_until(self._story.until)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        return self._seen()

    async def _pass_until(self, at: float) -> None:
        left = self._began + at - clock.monotonic()
        if left > 0:
            await self._world.pass_time(left)

    async def _watch(self, resource: Any) -> None:
        while True:
            async with self._client.watch(resource.of(Unstructured)) as events:
                async for event in events:
                    self._changes.append((clock.monotonic() - self._began, event))

    async def _step(self, step: Mapping[str, Any]) -> None:
        try:
            await self._carry_out(step)
        except CtrlkitError as error:
            if not step.get("refused"):
                raise AssertionError(f"the step at {step['at']} s was refused: {error}") from error

    async def _carry_out(self, step: Mapping[str, Any]) -> None:
        match step:
            case {"apply": body}:
                resource = KINDS[body["kind"]].of(Unstructured)
                namespace = self._story.name if resource.namespaced else None
                await self._client.create(resource, body, namespace=namespace)
            case {"delete": what}:
                propagation = Propagation.BACKGROUND if what["kind"] == "Job" else None
                await self._client.delete(
                    KINDS[what["kind"]], self._key(what), grace_period_s=what.get("grace"), propagation=propagation
                )
            case {"patch": what}:
                await self._client.patch(
                    KINDS[what["kind"]], self._key(what), _patch(what), subresource=what.get("subresource", "")
                )
            case {"evict": what}:
                await self._client.evict(f"{self._story.name}/{what['name']}")
            case {"node": what}:
                self._switch(what["name"], what["do"])
            case _:
                raise AssertionError(f"a step of no known kind: {step}")

    def _switch(self, node: str, what: str) -> None:
        """Lose a node, or boot it again; at first each one is there."""
        works = self._fleet.works(node)
        if what == "start" and not works:
            self._fleet.recover(node)
        elif what != "start" and works:
            self._fleet.lose(node)

    def _key(self, what: Mapping[str, Any]) -> str:
        return f"{self._story.name}/{what['name']}" if KINDS[what["kind"]].namespaced else what["name"]

    def _seen(self) -> Seen:
        seen, masks = Seen(), Masks(self._start)
        given = {step["apply"]["metadata"]["name"] for step in self._story.steps if "apply" in step}
        events: dict[str, dict[str, Any]] = {}
        for at, change in self._changes:
            one = change.record.value if hasattr(change, "record") else None
            if one is None:
                continue
            is_mine = one["metadata"].get("namespace") == self._story.name
            about = one.get("involvedObject")
            if about and (is_mine or (about["kind"] == "Node" and about["name"] in self._story.nodes)):
                _note_event(events, at, one)
            elif is_mine and not about:
                _note_pod(seen, masks, given, at, one, is_gone=isinstance(change, Deleted))
        seen.pods = {pod: with_numbered_ids(rows) for pod, rows in seen.pods.items()}
        seen.events = _merged(masks.of(list(events.values())))
        return seen


def _note_pod(seen: Seen, masks: Masks, given: set[str], at: float, pod: Any, *, is_gone: bool) -> None:
    metadata = pod["metadata"]
    name = metadata["name"]
    if name not in given:
        name = masks.names.setdefault(name, f"{metadata['generateName']}#{len(masks.names) + 1}")
    rows = seen.pods.setdefault(name, [])
    if is_gone:
        rows.append({"at": at, "gone": True})
        return
    row: Row = {}
    if metadata.get("deletionTimestamp"):
        grace = metadata.get("deletionGracePeriodSeconds")
        row["deletion"] = {"timestamp": metadata["deletionTimestamp"], "grace": grace}
    row |= {"generation": metadata.get("generation"), "node": pod["spec"].get("nodeName", "")}
    if metadata.get("finalizers"):
        row["finalizers"] = metadata["finalizers"]
    row = masks.of({**row, "status": keyed(_without_nulls(dict(pod["status"])))})
    if not rows or {key: value for key, value in rows[-1].items() if key != "at"} != row:
        rows.append({"at": at, **row})


def _note_event(events: dict[str, dict[str, Any]], at: float, one: Any) -> None:
    about, source = one["involvedObject"], one.get("source") or {}
    found: dict[str, Any] = {"type": one["type"], "reason": one["reason"], "message": one["message"]}
    found["object"] = f"{about['kind']}/{about['name']}"
    found["source"] = source.get("component") or one.get("reportingComponent", "")
    more = {
        "fieldPath": about.get("fieldPath"),
        "host": source.get("host"),
        "reportingController": one.get("reportingComponent"),
        "reportingInstance": one.get("reportingInstance"),
    }
    found |= {key: value for key, value in more.items() if value}
    name = one["metadata"]["name"]
    first = events.get(name, {}).get("at", at)
    events[name] = {"at": first, **found, "count": one.get("count") or 1}


def _merged(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count Events that are the same but for what is masked as one."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for event in events:
        key = event_key(event)
        if key in found:
            found[key]["count"] += event["count"]
        else:
            found[key] = dict(event)
    return sorted(found.values(), key=lambda event: event["at"])


def event_key(event: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes two Events the same in a story."""
    return tuple(event.get(key, "") for key in ("object", "type", "reason", "message", "fieldPath", "source"))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _patch(what: Mapping[str, Any]) -> Patch:
    match what["type"]:
        case "json":
            return JsonPatch(what["body"])
        case "merge":
            return MergePatch(what["body"])
        case _:
            return StrategicMergePatch(what["body"])


def _own_nodes(story: Story) -> list[Node]:
    """The nodes of a story besides the one that all have."""
    flags: dict[str, dict[str, Any]] = {name: {} for name in story.nodes}
    for step in story.steps:
        if "node" in step:
            flags[step["node"]["name"]] |= step["node"].get("flags", {})
    return [
        replace(
            HOST, name=name, cpu=str(of.get("cores", 8)), memory=of.get("memory", "16Gi"), pods=of.get("max-pods", 110)
        )
        for name, of in flags.items()
    ]


def _that_start_later(story: Story) -> set[str]:
    """The nodes that are not there at the beginning."""
    first: dict[str, float] = {}
    for step in story.steps:
        if "node" in step:
            first.setdefault(step["node"]["name"], step["at"])
    return {node for node, at in first.items() if at > 0}


async def play(story: Story) -> Seen:
    """Play a story."""
    async with ImageRuntime(images=images_of(story.images)) as runtime, World(plugins=PLUGINS) as world:
        cluster = Cluster(
            world.client, runtime, loops=ALL, tracker=world.tracker, root_ca="PEM", nodes=[HOST, *_own_nodes(story)]
        )
        for node in _that_start_later(story):
            cluster.fleet.lose(node)
        world.start(cluster)
        return await Stage(story, world, cluster.fleet).play()
