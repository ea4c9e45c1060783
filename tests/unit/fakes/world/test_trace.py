"""The timeline of a world: change, cause, reconcile, writes."""

from __future__ import annotations

import pytest

from ctrlkit.errors import ServiceUnavailable
from ctrlkit.fakes import World, Write
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.world.trace import Began, Called, Changed, Ended
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import CONFIG_MAPS, NAMESPACES
from tests.support.greetings import GREETINGS, greeter, greeting


@pytest.mark.behaviour("B30")
async def test_a_story_reads_as_it_happened() -> None:
    async with World(kinds=[GREETINGS]) as world:
        world.tracker.create(NAMESPACES, {"metadata": {"name": "demo"}})
        world.manage(greeter())
        await world.settle()
        await world.client.create(GREETINGS, greeting())
        await world.settle()
        world.tracker.patch(CONFIG_MAPS, "demo/hello", MergePatch({"data": {"text": "vandalised"}}))
        await world.settle()
        lines = [" ".join(line.split()) for line in str(world.trace).splitlines()]
    who = "0.000 greetings demo/hello"
    assert lines == [
        "0.000 test namespaces demo created at 5",
        "0.000 test create greetings.demo.example.com demo/hello => 6",
        f"{who} reconcile began: because of greetings.demo.example.com demo/hello added at 6",
        f"{who} create configmaps demo/hello => 7",
        f"{who} reconcile ended: done",
        f"{who} reconcile began: because of owned configmaps demo/hello added at 7",
        f"{who} reconcile ended: done",
        "0.000 test configmaps demo/hello updated at 8",
        f"{who} reconcile began: because of owned configmaps demo/hello updated content at 8",
        f"{who} patch configmaps demo/hello => 9",
        f"{who} reconcile ended: done",
        f"{who} reconcile began: because of owned configmaps demo/hello updated content at 9",
        f"{who} reconcile ended: done",
    ]


async def test_the_entries_are_values() -> None:
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.faults.fail(Calls("create", CONFIG_MAPS), ServiceUnavailable("down"))
        world.manage(greeter(every_s=30))
        await world.settle()
        entries = world.trace.entries
    seeded = [entry for entry in entries if isinstance(entry, Changed)]
    assert [(entry.resource, entry.key, entry.how, entry.by) for entry in seeded] == [
        ("namespaces", "demo", "created", "test"),
        ("greetings.demo.example.com", "demo/hello", "created", "test"),
    ]
    calls = [entry for entry in entries if isinstance(entry, Called)]
    assert [(entry.write, entry.versions, bool(entry.error)) for entry in calls] == [
        (Write("create", CONFIG_MAPS, "demo/hello"), (), True),
        (Write("create", CONFIG_MAPS, "demo/hello"), (7,), False),
    ]
    began = [entry for entry in entries if isinstance(entry, Began)]
    assert [entry.run.attempt for entry in began] == [1, 2, 1]
    ended = [entry for entry in entries if isinstance(entry, Ended)]
    assert [(entry.outcome, entry.next_s) for entry in ended] == [
        ("error", 0),
        ("requeue_after", 30),
        ("requeue_after", 30),
    ]
    assert ended[0].error.startswith("create configmaps demo/hello: down")


async def test_a_failure_takes_the_end_of_the_trace_with_it() -> None:
    """Bounded: the last entries, and how many there were before."""
    with pytest.raises(AssertionError) as caught:  # noqa: PT012 - what leaves the block is the subject
        async with World(greeting(), kinds=[GREETINGS]) as world:
            world.manage(greeter(every_s=60))
            await world.advance("1h")
            raise AssertionError("not what I want")
    (note,) = caught.value.__notes__
    lines = note.splitlines()
    assert lines[0] == "what happened last in the world (virtual seconds, who, what):"
    assert lines[1].endswith("earlier entries)")
    assert len(lines) == 2 + 30
    assert lines[-1].startswith("  3600.000  greetings demo/hello")


async def test_a_reply_that_was_lost_shows_the_change_and_the_error() -> None:
    async with World(greeting(), kinds=[GREETINGS]) as world:
        world.faults.lose_reply(Calls("create", CONFIG_MAPS))
        world.manage(greeter())
        await world.settle()
        assert "create configmaps demo/hello => 7, but Unreachable: the connection was lost" in str(world.trace)
