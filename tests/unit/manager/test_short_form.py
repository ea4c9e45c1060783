"""All that a controller may have, in the short form: schedules, predicates, sources, finalizers, children, status."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ctrlkit import clock
from ctrlkit.controller import (
    DONE,
    AlreadyOwned,
    Cron,
    Every,
    Feed,
    Outcome,
    RequeueAfter,
    Watch,
    generation_changed,
    label_selector,
    to_owner,
)
from ctrlkit.errors import NotFound
from ctrlkit.fakes import World, Write
from ctrlkit.kinds import apps, core
from ctrlkit.manager import Context, Manager, reconciler
from ctrlkit.model import Condition, MergePatch, ObjectKey, ObjectMeta
from ctrlkit.model.kinds import CONFIG_MAPS, SECRETS
from tests.support.greetings import GREETINGS as PLAIN_GREETINGS
from tests.support.greetings import greeting


class Spec(msgspec.Struct, frozen=True):
    text: str


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of its fields is left out when it has its default."""

    ready: int = 0
    hosts: dict[str, str] = {}
    conditions: tuple[Condition, ...] = ()


class Greeting(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    spec: Spec
    status: Status = Status()


GREETINGS = PLAIN_GREETINGS.of(Greeting)
HELLO = "demo/hello"


async def test_predicates_schedules_and_sources_say_when_to_look() -> None:
    """What a controller in the full form is told, with the same words."""
    causes: list[str] = []
    letters = Feed("letters")

    def secrets(manager: Manager) -> Watch[Any]:
        return Watch(manager.informer(SECRETS), to_owner(GREETINGS), batch_s=5)

    @reconciler(
        GREETINGS,
        owns=[CONFIG_MAPS],
        predicates={GREETINGS: generation_changed, CONFIG_MAPS: label_selector("app")},
        schedules=[Every(5000, jitter=0), Cron.parse("30 * * * *")],
        sources=[letters, secrets],
    )
    async def greet(_greeting: Greeting, context: Context) -> Outcome:
        causes.extend(context.request.causes)
        assert context.lister(SECRETS).list() == []
        return DONE

    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greet)
        await world.settle()
        causes.clear()
        await world.client.patch(GREETINGS, HELLO, MergePatch({"metadata": {"labels": {"a": "b"}}}))
        letters.push(HELLO, "a letter came")
        await world.settle()
        assert causes == ["letters: a letter came"]
        await world.advance("2h")
        assert sorted(causes[1:]) == ["cron 30 * * * *", "cron 30 * * * *", "every 5000 s"]


def test_predicates_of_what_is_not_watched_are_refused() -> None:
    """They would be forgotten silently."""
    with pytest.raises(ValueError, match="predicates are about secrets, which it does not watch; name the kind"):
        reconciler(GREETINGS, predicates={SECRETS: generation_changed})(_nothing)
    with pytest.raises(TypeError, match=r"predicates is .*; write predicates=\{KIND: generation_changed\}"):
        reconciler(GREETINGS, predicates=generation_changed)(_nothing)  # type: ignore[arg-type]


async def _nothing(_greeting: Greeting, _context: Context) -> Outcome:
    return DONE


async def test_finalizers_hold_a_deletion_until_their_cleanups_are_done() -> None:
    """In their order, whatever fails; the reconciler itself is not called for what is being deleted."""
    log: list[str] = []

    @reconciler(GREETINGS)
    async def greet(greeting: Greeting, _context: Context) -> Outcome:
        log.append(f"greet {sorted(greeting.metadata.finalizers or ())} {greeting.metadata.deleting}")
        return DONE

    @greet.finalizer("demo.example.com/page")
    async def take_down(greeting: Greeting, context: Context) -> Outcome:
        log.append(f"take down {greeting.spec.text} {context.meta.deleting}")
        return DONE if len(log) > 3 else RequeueAfter(30)

    @greet.finalizer("demo.example.com/name")
    async def give_back(_greeting: Greeting, context: Context) -> Outcome:
        log.append(f"give back {context.key.name}")
        return DONE

    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greet)
        await world.settle()
        assert "deleting" not in log[0]
        have = world.tracker.get(PLAIN_GREETINGS, HELLO).metadata.finalizers
        assert have == ("demo.example.com/page", "demo.example.com/name")
        log.clear()
        world.tracker.delete(PLAIN_GREETINGS, HELLO)
        await world.advance("5m")
        assert log == [*["take down hello, world True"] * 4, "give back hello"]
        with pytest.raises(NotFound):
            world.tracker.get(PLAIN_GREETINGS, HELLO)
    with pytest.raises(ValueError, match="'page' has no domain"):
        greet.finalizer("page")
    with pytest.raises(ValueError, match=r"there is a .*/page already"):
        greet.finalizer("demo.example.com/page")


def deployment(greeting: Greeting) -> apps.Deployment:
    """A child of a typed kind, without a name of its own."""
    labels = {"app": greeting.metadata.name}
    container = core.Container(name="web", image=greeting.spec.text)
    template = core.PodTemplateSpec(metadata=ObjectMeta(labels=labels), spec=core.PodSpec(containers=(container,)))
    spec = apps.DeploymentSpec(selector=core.LabelSelector(match_labels=labels), template=template)
    return apps.Deployment(metadata=ObjectMeta(), spec=spec)


async def test_a_child_is_applied_once_and_its_state_is_at_hand() -> None:
    """Named as its owner, controlled by it, mended when it is changed or deleted, without what is said no more."""
    seen: list[int] = []

    @reconciler(GREETINGS, owns=[apps.DEPLOYMENTS, CONFIG_MAPS])
    async def greet(greeting: Greeting, context: Context) -> Outcome:
        child = await context.apply(apps.DEPLOYMENTS, deployment(greeting))
        seen.append(child.status.replicas)
        note = {"metadata": {"name": f"{context.key.name}-note"}, "data": {greeting.spec.text: "1"}}
        assert (await context.apply(CONFIG_MAPS, note))["data"] == {greeting.spec.text: "1"}
        return DONE

    async with World(greeting(text="web"), kinds=[GREETINGS]) as world:
        world.manage(greet)
        await world.settle()
        made = world.tracker.get(apps.DEPLOYMENTS, HELLO)
        owner = world.tracker.get(PLAIN_GREETINGS, HELLO).metadata
        assert made.metadata.is_controlled_by(owner)
        assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "web"
        assert world.tracker.get(CONFIG_MAPS, "demo/hello-note").metadata.is_controlled_by(owner)
        assert len(world.clientset.writes) == 2

        world.clientset.clear_actions()
        await world.client.patch(apps.DEPLOYMENTS, HELLO, MergePatch({"status": {"replicas": 3}}), subresource="status")
        await world.settle()
        assert (seen[-1], world.clientset.writes) == (3, [])

        await world.client.patch(GREETINGS, HELLO, MergePatch({"spec": {"text": "app"}}))
        await world.settle()
        assert world.tracker.get(CONFIG_MAPS, "demo/hello-note")["data"] == {"app": "1"}
        world.tracker.delete(CONFIG_MAPS, "demo/hello-note")
        await world.settle()
        assert world.tracker.get(CONFIG_MAPS, "demo/hello-note")["data"] == {"app": "1"}


async def test_a_child_of_another_is_left_alone() -> None:
    """Two that fight about an object are told, and the object stays as it is."""
    other = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "other", "uid": "7", "controller": True}
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "hello", "namespace": "demo", "ownerReferences": [other]},
    }

    @reconciler(GREETINGS, owns=[CONFIG_MAPS])
    async def greet(_greeting: Greeting, context: Context) -> Outcome:
        with pytest.raises(AlreadyOwned, match="ReplicaSet other manages it already"):
            await context.apply(CONFIG_MAPS, {"data": {"a": "b"}})
        with pytest.raises(LookupError, match="no cache has it in this form"):
            await context.apply(SECRETS, {})
        return DONE

    async with World(greeting(), theirs, kinds=[GREETINGS]) as world:
        world.manage(greet)
        await world.settle()
        assert world.clientset.writes == []


async def test_a_status_is_written_once_and_says_all_of_its_type() -> None:
    """What is left out is removed, conditions of others stay, times move with the status of a condition alone."""
    wanted: list[object] = []

    @reconciler(GREETINGS)
    async def greet(_greeting: Greeting, context: Context) -> Outcome:
        for each in (wanted.pop(0) for _ in tuple(wanted)):
            await context.set_status(each)
        return DONE

    def ready(status: str, reason: str) -> Condition:
        return Condition(type="Ready", status=status, reason=reason)

    theirs = {
        "type": "Theirs",
        "status": "True",
        "reason": "Why",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    async with World({**greeting(), "status": {"ready": 4, "conditions": [theirs]}}, kinds=[GREETINGS]) as world:

        async def status_after(*each: object) -> dict[str, Any]:
            wanted[:] = each
            manager.controllers[0].wake(ObjectKey("demo", "hello"))
            await world.settle()
            found: dict[str, Any] = world.tracker.get(PLAIN_GREETINGS, HELLO)["status"]
            return found

        manager = world.manage(greet)
        await world.settle()
        began = clock.timestamp(clock.now())
        first = Status(ready=2, hosts={"a": "1"}, conditions=(ready("False", "Starts"),))
        status = await status_after(first)
        assert [each["type"] for each in status["conditions"]] == ["Theirs", "Ready"]
        assert status["conditions"][1]["observedGeneration"] == 1
        assert world.clientset.writes == [Write("patch", GREETINGS, HELLO, subresource="status")]

        world.clientset.clear_actions()
        await world.advance("1h")
        assert await status_after(first) == await status_after(first, first) == status
        assert world.clientset.writes == []

        status = await status_after(Status(hosts={"b": "2"}, conditions=(ready("False", "StillStarts"),)))
        assert (status.get("ready"), status["hosts"]) == (None, {"b": "2"})
        assert status["conditions"][1]["lastTransitionTime"] == began
        status = await status_after(Status(ready=7), {"ready": 8})  # within one reconcile the last one counts
        assert (status["ready"], len(status["conditions"])) == (8, 2)
        status = await status_after({"ready": 9}, {"ready": 8})  # although the cache says 8 already
        assert status["ready"] == 8
