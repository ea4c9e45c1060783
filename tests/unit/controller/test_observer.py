"""What an observer is told of reconciles."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Result, Watch, to_self
from ctrlkit.controller.observer import OBSERVER, Run
from ctrlkit.controller.reconcile import Verdict
from ctrlkit.errors import Conflict, Forbidden, TerminalError
from ctrlkit.fakes import Calls, World
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import CONFIG_MAPS, SECRETS
from tests.support.greetings import GREETINGS, greeter, greeting


class Notebook:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Run, Verdict | None]] = []
        self.begun: list[Run] = []

    def reconcile_began(self, run: Run) -> None:
        self.begun.append(run)

    def reconcile_ended(self, run: Run, verdict: Verdict | None) -> None:
        self.told.append((run, verdict))


async def test_each_reconcile_is_told_with_its_causes_and_its_end() -> None:
    """The observer is the one that stood in the context when the controller started."""
    notebook = Notebook()
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.trace.reconcile_began = notebook.reconcile_began  # type: ignore[method-assign]
        world.trace.reconcile_ended = notebook.reconcile_ended  # type: ignore[method-assign]
        manager = world.manage(greeter())
        world.faults.fail(Calls("create", CONFIG_MAPS), Conflict("no"))
        await world.settle()
        manager.controllers[0].wake(ObjectKey("demo", "hello"))
        await world.settle()
    assert [run for run, _ in notebook.told] == notebook.begun
    assert [(run.attempt, run.causes) for run in notebook.begun] == [
        (1, ("greetings.demo.example.com demo/hello added at 6, seen by the first list",)),
        (2, ("retry",)),
        (1, ("owned configmaps demo/hello added at 7",)),
        (1, ("woken",)),
    ]
    assert [verdict.result for _, verdict in notebook.told if verdict] == [Result.CONFLICT] + [Result.DONE] * 3


async def test_nobody_observes_outside_a_world() -> None:
    assert OBSERVER.get() is None


async def test_a_controller_names_the_retries_it_owes() -> None:
    async with World(greeting(), kinds=[GREETINGS]) as world:
        (controller,) = world.manage(greeter()).controllers
        fault = world.faults.fail(Calls("create", CONFIG_MAPS), Conflict("no"), times=None)
        await world.pass_time(60)
        (retry,) = controller.retries()
        assert (str(retry.key), retry.failures) == ("demo/hello", fault.hits)
        fault.end()
        await world.settle()
        assert controller.retries() == ()


class Spans:
    """What was traced."""

    def __init__(self) -> None:
        self.provider = TracerProvider()
        self._exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def all(self) -> Sequence[ReadableSpan]:
        """In the order in which they ended."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all if span.name == name]


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    """A program that traces: it has set a provider."""
    made = Spans()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: made.provider)
    return made


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return {name.removeprefix("ctrlkit."): value for name, value in (span.attributes or {}).items()}


@pytest.mark.behaviour("B30")
async def test_each_reconcile_is_a_trace_with_its_calls_below_it(spans: Spans) -> None:
    """With key, attempt, causes and outcome; lists, watches and everything outside of reconciles have no spans."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greeter())
        await world.settle()
    first, second = spans.named("reconcile greetings")
    (call,) = spans.named("create configmaps")
    assert {span.name for span in spans.all} == {"reconcile greetings", "create configmaps"}
    assert call.parent is not None
    assert first.context is not None
    assert (call.parent.span_id, call.context and call.context.trace_id) == (
        first.context.span_id,
        first.context.trace_id,
    )
    assert (call.kind, attributes(call)["key"]) == (SpanKind.CLIENT, "demo/hello")
    assert first.parent is second.parent is None
    found = attributes(first)
    assert found.pop("id")
    assert found.pop("causes")[0].startswith("greetings.demo.example.com demo/hello added")
    assert found == {
        "controller": "greetings",
        "key": "demo/hello",
        "attempt": 1,
        "k8s.namespace.name": "demo",
        "outcome": "done",
    }
    assert first.status.status_code is StatusCode.UNSET


async def test_a_failure_is_recorded_and_a_conflict_is_none(spans: Spans) -> None:
    """The call that failed says so too; of a conflict the reconcile makes nothing of (B11)."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greeter())
        world.faults.fail(Calls("create", CONFIG_MAPS), Forbidden("no"))
        world.faults.fail(Calls("create", CONFIG_MAPS), Conflict("changed"))
        await world.settle()
    failed, conflicted, created = spans.named("reconcile greetings")[:3]
    assert attributes(failed)["outcome"] == "error"
    assert failed.status.status_code is StatusCode.ERROR
    assert "create configmaps demo/hello: no" in (failed.status.description or "")
    assert [event.name for event in failed.events] == ["exception"]
    assert (attributes(conflicted)["outcome"], attributes(conflicted)["attempt"]) == ("conflict", 2)
    assert (conflicted.status.status_code, conflicted.events) == (StatusCode.UNSET, ())
    assert attributes(created)["outcome"] == "done"
    assert [call.status.status_code for call in spans.named("create configmaps")] == [
        StatusCode.ERROR,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]


async def test_spans_of_the_author_stand_below_the_reconcile(spans: Spans) -> None:
    """It is current while the reconcile runs, and not after it."""
    seen: list[trace.Span] = []

    def build(manager: Manager) -> Controller:
        async def reconcile(request: Request) -> Outcome:
            seen.append(trace.get_current_span())
            with spans.provider.get_tracer("mine").start_as_current_span("think"):
                pass
            if request.name == "later":
                return RequeueAfter(30)
            raise TerminalError("spec.nodes is negative")

        greetings = manager.informer(GREETINGS)
        return Controller(name="thinkers", reconcile=reconcile, watches=[Watch(greetings, to_self)])

    async with World(greeting("later"), greeting("never"), kinds=[GREETINGS]) as world:
        world.manage(build)
        await world.settle()
        assert not trace.get_current_span().is_recording()
    later, never = spans.named("reconcile thinkers")
    thoughts = spans.named("think")
    assert [thought.parent and thought.parent.span_id for thought in thoughts] == [
        span.context and span.context.span_id for span in (later, never)
    ]
    assert (attributes(later)["outcome"], attributes(later)["next_s"]) == ("requeue_after", 30)
    assert (attributes(never)["outcome"], never.status.description) == ("terminal_error", "spec.nodes is negative")
    assert not any(span.is_recording() for span in seen)


async def test_a_reconcile_that_is_cut_off_has_an_end(spans: Spans) -> None:
    def build(manager: Manager) -> Controller:
        async def reconcile(_request: Request) -> Outcome:
            await manager.client.get(SECRETS, "demo/a")
            return DONE

        greetings = manager.informer(GREETINGS)
        return Controller(name="slow", reconcile=reconcile, watches=[Watch(greetings, to_self)])

    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(build)
        world.faults.delay(Calls("get", SECRETS), "1h")
        await world.pass_time(1)
        assert manager.controllers[0].running == (ObjectKey("demo", "hello"),)
        await world.crash(manager)
    (span,) = spans.named("reconcile slow")
    assert (attributes(span)["outcome"], span.status.status_code) == ("cancelled", StatusCode.UNSET)
    assert len(spans.named("get secrets")) == 1


async def test_the_world_sees_each_reconcile_all_the_same(spans: Spans) -> None:
    """Several observers are told, each of all."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greeter())
        await world.settle()
        assert str(world.trace).count("reconcile ended: done") == len(spans.named("reconcile greetings")) == 2


async def test_without_a_provider_nothing_is_traced() -> None:
    """The API alone, which any library may have imported, switches nothing on."""
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    seen: list[trace.Span] = []

    def build(manager: Manager) -> Controller:
        async def reconcile(_request: Request) -> Outcome:
            seen.append(trace.get_current_span())
            return DONE

        return Controller(name="plain", reconcile=reconcile, watches=[Watch(manager.informer(GREETINGS), to_self)])

    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(build)
        await world.settle()
    assert seen == [trace.INVALID_SPAN]


PROGRAM = """
import asyncio, sys
import ctrlkit
for name in ctrlkit.__all__:
    getattr(ctrlkit, name)
from ctrlkit.fakes import World
from ctrlkit.fakes.loop import VirtualTimeLoop
from tests.support.greetings import GREETINGS, greeter, greeting

async def main():
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.manage(greeter())
        await world.settle()
        assert world.clientset.writes

with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
    runner.run(main())
print(sorted(name for name in sys.modules if name.partition(".")[0] == "opentelemetry"))
"""


@pytest.mark.real_time
def test_nothing_of_opentelemetry_is_imported_by_who_does_not_trace() -> None:
    """Neither by all public names nor by a run; so it need not be installed."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
