"""What an observer is told of reconciles."""

from __future__ import annotations

from ctrlkit.controller import Result
from ctrlkit.controller.observer import OBSERVER, Run
from ctrlkit.controller.verdict import Verdict
from ctrlkit.errors import Conflict
from ctrlkit.fakes import Calls, World
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import CONFIG_MAPS
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
