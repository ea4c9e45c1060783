"""A controller as one decorated function."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from ctrlkit.controller import DONE, Mapper, Outcome, Request, RequeueAfter
from ctrlkit.controller.helpers.owners import controller_reference
from ctrlkit.errors import TerminalError
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.clientset.clientset import FakeClientset, Write
from ctrlkit.fakes.world.world import World
from ctrlkit.kinds import apps
from ctrlkit.manager import Context, reconciler
from ctrlkit.model import MergePatch, ObjectKey, ObjectMeta, Record, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, EVENTS, SECRETS
from ctrlkit.telemetry import logger
from ctrlkit.workqueue import WorkQueue
from tests.support.greetings import GREETINGS as PLAIN_GREETINGS
from tests.support.greetings import greeting


class Spec(msgspec.Struct, frozen=True):
    text: str


class Greeting(msgspec.Struct, frozen=True):
    """Without its metadata: the context has that."""

    spec: Spec


GREETINGS = PLAIN_GREETINGS.of(Greeting)


@reconciler(GREETINGS, owns=[CONFIG_MAPS])
async def greet(greeting: Greeting, context: Context) -> Outcome:
    """Give every Greeting a ConfigMap that carries its text."""
    have, want = context.lister(CONFIG_MAPS).find(context.key), {"text": greeting.spec.text}
    if have is None:
        owner = controller_reference(context.meta, GREETINGS)
        metadata = {"name": context.key.name, "namespace": context.key.namespace, "ownerReferences": [owner]}
        await context.client.create(CONFIG_MAPS, {"metadata": metadata, "data": want})
        context.event(EventType.NORMAL, "Created", "made a ConfigMap")
        context.log.info("greeted", text=greeting.spec.text)
    elif have.get("data") != want:
        await context.client.patch(CONFIG_MAPS, context.key, MergePatch({"data": want}))
    return DONE


async def test_a_decorated_function_is_a_build_that_a_world_can_run() -> None:
    """Created, and made again for its owner when the child is lost; an Event says so."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(greet)
        await world.settle()
        assert world.tracker.get(CONFIG_MAPS, "demo/hello")["data"] == {"text": "hello, world"}
        (event,) = world.tracker.list(EVENTS)
        assert (event["involvedObject"]["name"], event["reason"], event["source"]["component"]) == (
            "hello",
            "Created",
            "greet",
        )
        world.clientset.clear_actions()
        world.tracker.delete(CONFIG_MAPS, "demo/hello")
        await world.settle()
        writes = [write for write in world.clientset.writes if write.resource != EVENTS]
        assert writes == [Write("create", CONFIG_MAPS, "demo/hello")]
        assert [made.name for made in manager.controllers] == ["greet"]


async def test_the_plain_function_can_be_called_by_a_test() -> None:
    """Without manager, caches and queue; the decorated object has its name and its docstring."""
    clientset = FakeClientset()
    clientset.tracker.create(CONFIG_MAPS, {"metadata": {"name": "other", "namespace": "default"}})

    class Empty:
        def find(self, _key: ObjectKey) -> None:
            return None

    context = Context(
        request=Request(ObjectKey("default", "hi"), attempt=1),
        meta=ObjectMeta(name="hi", namespace="default", uid="1"),
        resource=GREETINGS,
        client=clientset.client,
        listers={CONFIG_MAPS: Empty()},  # type: ignore[dict-item]
        recorder=EventRecorder(clientset.client, "greet"),
        log=logger("test"),
    )
    assert await greet.function(Greeting(Spec("hello")), context) == DONE
    assert clientset.writes == [Write("create", CONFIG_MAPS, "default/hi")]
    assert (greet.__name__, greet.__doc__) == ("greet", "Give every Greeting a ConfigMap that carries its text.")
    assert repr(greet) == "<reconciler greet of greetings.demo.example.com>"


@pytest.mark.behaviour("K18")
async def test_the_function_is_called_for_what_is_there_and_not_for_what_is_gone() -> None:
    """K18: the object is looked up for it; one that is being deleted is there, and its finalizer can be seen to."""
    calls: list[tuple[str, bool]] = []

    @reconciler(GREETINGS)
    async def see_off(_greeting: Greeting, context: Context) -> Outcome:
        calls.append((str(context.key), context.meta.deleting))
        if context.meta.deleting and context.meta.finalizers:
            patch = MergePatch({"metadata": {"finalizers": None}})
            await context.client.patch(GREETINGS, context.key, patch)
        return DONE

    held = greeting("held")
    held["metadata"]["finalizers"] = ["demo.example.com/wait"]
    async with World(greeting("free"), held, kinds=[GREETINGS]) as world:
        (made,) = world.manage(see_off).controllers
        await world.settle()
        assert sorted(calls) == [("demo/free", False), ("demo/held", False)]
        calls.clear()
        world.tracker.delete(GREETINGS, "demo/free")
        await world.settle()
        made.wake(ObjectKey("demo", "never-was"))
        await world.settle()
        assert calls == []
        assert {result.value: count for result, count in made.statistics().results.items() if count} == {"done": 4}
        world.tracker.delete(GREETINGS, "demo/held")
        await world.settle()
        assert ("demo/held", True) in calls
        assert world.tracker.list(GREETINGS.of(Unstructured)) == []


async def test_errors_and_outcomes_are_those_of_any_reconciler() -> None:
    """A requeue is one, an error is retried, a terminal one is not."""
    runs: list[str] = []

    @reconciler(GREETINGS, name="greetings", workers=2, timeout_s=5)
    async def answer(greeting: Greeting, context: Context) -> Outcome:
        runs.append(f"{context.key.name} {context.request.attempt}")
        match greeting.spec.text:
            case "later":
                return RequeueAfter(60)
            case "never":
                raise TerminalError("never")
            case _:
                if context.request.attempt == 1:
                    raise OSError("disk")
        return DONE

    async with World(*(greeting(text, text) for text in ("later", "never", "wrong")), kinds=[GREETINGS]) as world:
        (made,) = world.manage(answer).controllers
        await world.settle()
        assert sorted(runs) == ["later 1", "never 1", "wrong 1", "wrong 2"]
        assert (made.name, made.workers) == ("greetings", 2)
        await world.advance(61)
        assert runs[-1] == "later 1"


async def test_other_kinds_lead_to_ours_through_a_function() -> None:
    """Every Secret concerns the Greeting of its name, and can be read."""
    seen: list[str] = []

    def to_greeting(secret: Record[Any]) -> list[ObjectKey]:
        return [secret.key]

    mapper: Mapper[Any] = to_greeting

    @reconciler(GREETINGS, watches={SECRETS: mapper})
    async def unlock(_greeting: Greeting, context: Context) -> Outcome:
        secret = context.lister(SECRETS).find(context.key)
        seen.append("" if secret is None else str(secret.at("data.key")))
        return DONE

    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(unlock)
        await world.settle()
        body = {"metadata": {"name": "hello", "namespace": "demo"}, "data": {"key": "b3Blbg=="}}
        world.tracker.create(SECRETS, body)
        await world.settle()
        assert seen == ["", "b3Blbg=="]


async def test_what_nobody_named_cannot_be_looked_up() -> None:
    """The error says what to add; it is an unforeseen one, with its traceback in the log."""

    @reconciler(GREETINGS, owns=[CONFIG_MAPS])
    async def peek(_greeting: Greeting, context: Context) -> Outcome:
        context.lister(SECRETS)
        return DONE

    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.allow_failures(LookupError)
        world.manage(peek)
        with capture_logs() as lines:
            await world.pass_time(1)
        errors = [line["error"] for line in lines if line["event"] == "reconciled"]
        assert "look up secrets for greetings.demo.example.com demo/hello: no cache has it in this form; " in errors[0]
        assert "watches={...}" in errors[0]


async def test_one_form_makes_a_controller_for_each_manager() -> None:
    """Two worlds, or two replicas, do not meet."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        first, second = world.manage(greet, name="first"), world.manage(greet, name="second")
        await world.settle()
        assert first.controllers[0] is not second.controllers[0]


def test_a_function_that_cannot_be_called_is_refused_where_it_is_decorated() -> None:
    """Not async, or not for two arguments: said at once, and by name."""
    with pytest.raises(TypeError, match=r"@reconciler: .*plain is no async function; write `async def .*plain\(object"):

        @reconciler(GREETINGS)  # type: ignore[arg-type]
        def plain(_greeting: Greeting, _context: Context) -> Outcome:
            return DONE

    with pytest.raises(TypeError, match=r"@reconciler: .*alone.* cannot be called with an object and a context"):

        @reconciler(GREETINGS)  # type: ignore[arg-type]
        async def alone(_greeting: Greeting) -> Outcome:
            return DONE


def test_a_decorator_without_a_kind_is_told_how_to_write_it() -> None:
    """Also without parentheses."""
    with pytest.raises(TypeError, match=r"write @reconciler\(KIND\) above .*function"):

        @reconciler  # type: ignore[arg-type]
        async def function(_greeting: Greeting, _context: Context) -> Outcome:
            return DONE


def test_watches_without_their_functions_are_told_how_to_write_them() -> None:
    """A list, as `owns` has it, says nothing of which keys an object leads to."""
    with pytest.raises(TypeError, match=r"@reconciler\(Greeting\): watches is \[.*write watches=\{KIND: function\}"):

        @reconciler(GREETINGS, watches=[SECRETS])  # type: ignore[arg-type]
        async def function(_greeting: Greeting, _context: Context) -> Outcome:
            return DONE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"owns": [apps.Deployment]}, "owns has Deployment; write DEPLOYMENTS, the kind"),
        ({"owns": apps.DEPLOYMENTS}, "owns is .*; write a list, owns="),
        ({"watches": {"pods": print}}, "watches has 'pods'; write a kind, such as DEPLOYMENTS"),
        ({"watches": {CONFIG_MAPS: "hello"}}, "watches has 'hello'; write a function that returns the keys"),
        ({"predicates": {apps.Deployment: bool}}, "predicates has Deployment; write DEPLOYMENTS"),
        ({"schedules": ["30 3 * * *"]}, r'schedules has .*; write Cron\("30 3 \* \* \*"\)'),
        ({"schedules": [600]}, r"schedules has 600; write Every\(600\)"),
        ({"sources": ["letters"]}, "sources has 'letters'; write a source, such as a Feed"),
        ({"uses": [len]}, "uses has <built-in function len>; write a function under @dependency"),
        ({"queue": WorkQueue()}, "queue is <.*WorkQueue.*>; write a function that makes one, queue=lambda: WorkQueue"),
    ],
)
def test_an_argument_of_another_sort_is_refused_with_what_to_write(arguments: dict[str, Any], said: str) -> None:
    """Where it stands, and not when the controller is made."""

    async def greet(_greeting: Any, _context: Context) -> Outcome:
        return DONE

    with pytest.raises(TypeError, match=rf"@reconciler\(Greeting\): {said}"):
        reconciler(GREETINGS, **arguments)(greet)
