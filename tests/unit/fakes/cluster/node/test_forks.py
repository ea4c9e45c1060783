"""Programs that are forks of one interpreter are processes like others: known by their ends, and never left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.fakes.cluster.node.process import ProcessGuard, run_command
from ctrlkit.fakes.cluster.node.talks import Talk
from tests.support.processes import HAS_PIDFD, process_ended

pytestmark = [pytest.mark.real_time, pytest.mark.skipif(not HAS_PIDFD, reason="needs pidfd_open (Linux)")]

ARGV = (sys.executable, "-m", "tests.support.forkable")
HOME = {"PYTHONPATH": str(Path(__file__).parents[5])}


@pytest.fixture
def guard() -> Iterator[ProcessGuard]:
    """A guard that forks the programs of the package."""
    guard = ProcessGuard()
    guard.fork(ARGV, environment=HOME)
    yield guard
    guard.close()


async def run(guard: ProcessGuard, *arguments: str) -> tuple[int, bytes]:
    return await run_command(guard, [*ARGV, *arguments], environment={**HOME, "A": "b"}, folder=guard.folder)


async def waiting(guard: ProcessGuard) -> Talk:
    """A program that has begun, and waits."""
    talk = await Talk.begin(guard, [*ARGV, "wait"], environment=HOME, folder=guard.folder, tty=False)
    assert await talk.outputs["stdout"].readline() == b"it waits\n"
    return talk


def parent_of(talk: Talk) -> int:
    """The process that has forked a program."""
    return int(Path(f"/proc/{talk.process.pid}/stat").read_text().rpartition(")")[2].split()[1])


def what_it_finds(output: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output)
    return found


async def test_a_fork_finds_what_a_program_of_its_own_would(guard: ProcessGuard) -> None:
    """Its arguments, environment, folder, a group of its own, nothing to read, and of descriptors its three alone."""
    code, output = await run(guard, "tell", "-x=1")
    found = what_it_finds(output)
    assert found.pop("forked")
    plain = ProcessGuard()
    try:
        _, output = await run_command(
            plain, [*ARGV, "tell", "-x=1"], environment={**HOME, "A": "b"}, folder=guard.folder
        )
    finally:
        plain.close()
    expected = what_it_finds(output)
    assert not expected.pop("forked")
    variables = expected["environment"]
    expected["environment"] = {name: variables[name] for name in ("A", "PYTHONPATH")}  # a shell adds some
    assert (code, found) == (0, expected)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["exit", "7"], 7, b""), (["raise"], 1, b"ZeroDivisionError"), (["tell"], 0, b"arguments")],
    ids=["exits", "fails", "returns"],
)
async def test_the_end_of_a_fork_is_known(guard: ProcessGuard, arguments: list[str], code: int, said: bytes) -> None:
    """By its exit status; what it raised is in its output."""
    ended, output = await run(guard, *arguments)
    assert ended == code
    assert said in output


async def test_a_fork_that_a_signal_ends_is_told_with_the_signal(guard: ProcessGuard) -> None:
    """As asyncio tells it of a process."""
    talk = await waiting(guard)
    talk.process.terminate()
    assert await talk.wait() == -signal.SIGTERM
    talk.close()


async def test_many_begin_at_once_and_each_has_its_own_streams(guard: ProcessGuard) -> None:
    """Before the interpreter is ready, too."""
    ends = await asyncio.gather(*(run(guard, "tell", str(number)) for number in range(20)))
    assert [what_it_finds(output)["arguments"] for _, output in ends] == [["tell", str(i)] for i in range(20)]


async def test_a_fork_whose_start_was_given_up_never_begins(guard: ProcessGuard, tmp_path: Path) -> None:
    """Its end is told to nobody, and the next one begins."""
    await run(guard, "tell")  # the interpreter is ready
    late = asyncio.create_task(run(guard, "wait"))
    await asyncio.sleep(0)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    assert (await run(guard, "exit", "3"))[0] == 3


async def test_when_the_interpreter_ends_its_forks_are_killed_and_programs_start_without_it(
    guard: ProcessGuard,
) -> None:
    """Nothing more could be known of them."""
    talk = await waiting(guard)
    os.kill(parent_of(talk), signal.SIGKILL)
    assert await talk.wait() == -signal.SIGKILL
    await process_ended(talk.process.pid)
    talk.close()
    code, output = await run(guard, "tell")
    assert (code, what_it_finds(output)["forked"]) == (0, False)


OWNER = """
import asyncio, os, sys
from tests.unit.fakes.cluster.node.test_forks import ARGV, HOME, parent_of, waiting
from ctrlkit.fakes.cluster.node.process import ProcessGuard

async def main():
    guard = ProcessGuard()
    guard.fork(ARGV, environment=HOME)
    talks = [await waiting(guard) for _ in range(2)]
    print(parent_of(talks[0]), *(talk.process.pid for talk in talks), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_nothing_is_left_when_the_owner_is_killed() -> None:
    """Neither the interpreter nor its forks."""
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", OWNER, stdout=PIPE, cwd=HOME["PYTHONPATH"])
    assert owner.stdout is not None
    pids = [int(pid) for pid in (await owner.stdout.readline()).split()]
    assert len(pids) == 3
    owner.send_signal(signal.SIGKILL)
    await owner.wait()
    for pid in pids:
        await process_ended(pid)
