"""A container's small script is carried out; a command of anything else runs until it is stopped."""

from __future__ import annotations

import asyncio

import pytest

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.inprocess_runtime import AlwaysReady
from ctrlkit.fakes.cluster.node.runtime import ContainerId, ContainerSpec
from ctrlkit.fakes.cluster.node.scripts import Exits, Script, program_of, read_script


def container(*command: str, args: tuple[str, ...] = (), **environment: str) -> ContainerSpec:
    """A container that runs a command."""
    return ContainerSpec(id=ContainerId("1", "c"), image="i", command=command, args=args, environment=environment)


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("command", "code", "took_s", "log"),
    [
        (("true",), 0, 0, ""),
        (("/bin/false",), 1, 0, ""),
        (("sleep", "1.5"), 0, 1.5, ""),
        (("sleep", "1m", "2h"), 0, 7260, ""),
        (("echo", "a", "b"), 0, 0, "a b\n"),
        (("date",), 0, 0, "Thu Jan  1 00:00:00 UTC 2026\n"),
        (("sh", "-c", "sleep 3; exit 4"), 4, 3, ""),
        (("/bin/bash", "-ec", "echo 'one; two' && false || exit $CODE; echo never"), 7, 0, "one; two\n"),
        (("sh", "-c", "true || echo no\nfalse && echo no\necho ${WORD}s"), 0, 0, "words\n"),
        (("sh", "-c", "false; exit"), 1, 0, ""),
        (("sh", "-c", "exit 257"), 1, 0, ""),
    ],
)
async def test_a_script_does_what_it_says(command: tuple[str, ...], code: int, took_s: float, log: str) -> None:
    program = program_of(container(*command, CODE="7", WORD="word"))
    assert isinstance(program, Script)
    began = clock.monotonic()
    assert await program.run() == code
    assert clock.monotonic() - began == took_s
    text = b"".join(line.text for line in program.log.lines).decode()
    assert text[:4] == log[:4] if command == ("date",) else text == log


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("perl", "-e", "1"),
        ("sh", "-c", "true | cat"),
        ("sh", "-c", "echo 'open"),
        ("sh", "-c", "sleep x"),
        ("sh", "-c", "true; python run.py"),
        ("sh", "script.sh"),
        ("sleep",),
        ("exit", "later"),
    ],
)
def test_what_is_no_script_runs_until_it_is_stopped(command: tuple[str, ...]) -> None:
    assert read_script(container(*command)) is None
    assert type(program_of(container(*command))) is AlwaysReady


def test_arguments_belong_to_the_command() -> None:
    steps = read_script(container("sh", args=("-c", "exit 3")))
    assert steps is not None
    assert [step.words for step in steps] == [("exit", "3")]


@pytest.mark.virtual_time
async def test_a_program_can_be_told_to_end_before_its_time() -> None:
    program = Exits(0, after_s=3600)
    running = asyncio.create_task(program.run())
    await asyncio.sleep(1)
    program.exit(5)
    assert await running == 5
    assert clock.monotonic() == 1
