"""Programs that are talked to: by pipes and by terminals, in containers and as commands in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.process import ProcessGuard
from ctrlkit.fakes.cluster.node.streams import ContainerLog, LineWriter
from ctrlkit.fakes.cluster.node.talks import Output, Talk, attach, run_with
from ctrlkit.fakes.tracker.runtime import Streams, TerminalSize

DEADLINE_S = 20.0
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def guard() -> Iterator[ProcessGuard]:
    """A guard for the programs of one test."""
    guard = ProcessGuard()
    yield guard
    guard.close()


class Screen:
    """What somebody sees, and what he types; `ends` closes his stdin."""

    def __init__(self, *typed: bytes, ends: bool = True) -> None:
        self.out, self.err = b"", b""
        self._typed = typed
        self._ends = ends

    async def _stdin(self) -> AsyncIterator[bytes]:
        for piece in self._typed:
            yield piece
        if not self._ends:
            await asyncio.get_running_loop().create_future()

    async def stdout(self, data: bytes) -> None:
        self.out += data

    async def stderr(self, data: bytes) -> None:
        self.err += data

    def streams(self, *, sizes: AsyncIterator[TerminalSize] | None = None) -> Streams:
        return Streams(stdin=self._stdin(), stdout=self.stdout, stderr=self.stderr, tty=sizes is not None, sizes=sizes)


async def _a_size() -> AsyncIterator[TerminalSize]:
    yield TerminalSize(columns=101, rows=31)


async def start(guard: ProcessGuard, script: str, *, tty: bool = False) -> Talk:
    """A shell that runs a script."""
    argv = ("/bin/sh", "-c", script)
    return await Talk.begin(guard, argv, environment=ENVIRONMENT, folder=guard.folder, tty=tty)


@pytest.mark.real_time
async def test_a_command_reads_and_writes(guard: ProcessGuard) -> None:
    """Stdin to its end, both outputs apart, the exit code."""
    screen = Screen(b"password hun", b"ter2")
    async with asyncio.timeout(DEADLINE_S):
        talk = await start(guard, "echo begun >&2; cat; exit 3")
        code = await run_with(talk, screen.streams())
    assert (code, screen.out, screen.err) == (3, b"password hunter2", b"begun\n")


@pytest.mark.real_time
async def test_a_command_that_a_signal_ends_has_128_and_its_number(guard: ProcessGuard) -> None:
    """As a shell says it."""
    assert await run_with(await start(guard, "kill -9 $$"), Screen().streams()) == 137


@pytest.mark.real_time
async def test_a_command_at_a_terminal_is_told_its_size_and_echoes(guard: ProcessGuard) -> None:
    """Its streams are one terminal, which is its own: lines end with carriage returns."""
    screen = Screen(b"yes\r", ends=False)
    script = "until [ \"$(stty size)\" = '31 101' ]; do sleep 0.02; done; test -t 0 && read x; echo got $x >&2; exit 4"
    async with asyncio.timeout(DEADLINE_S):
        code = await run_with(await start(guard, script, tty=True), screen.streams(sizes=_a_size()))
    assert (code, screen.out, screen.err) == (4, b"yes\r\ngot yes\r\n", b"")


@pytest.mark.real_time
async def test_a_command_that_nobody_waits_for_any_more_is_killed(guard: ProcessGuard) -> None:
    """Its children too."""
    talk = await start(guard, "sleep 600 & sleep 600")
    running = asyncio.create_task(run_with(talk, Screen(ends=False).streams()))
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert await talk.wait() == -9


@pytest.mark.real_time
async def test_a_container_is_attached_to_and_its_log_has_all(guard: ProcessGuard) -> None:
    """Who attaches sees what comes from then on, types if it may, and sees the end; the log has every line."""
    output = Output(log=ContainerLog())
    talk = await start(guard, "read a; echo first $a >&2; read b; printf 'second %s' $b")
    draining = asyncio.create_task(output.drain(talk))
    screen = Screen(b"one\ntwo\n")
    async with asyncio.timeout(DEADLINE_S):
        await attach(output, talk, screen.streams(), stdin=True, stdin_once=True)
        assert await draining == 0
    assert (screen.out, screen.err) == (b"second two", b"first one\n")
    assert [(line.text, line.stream) for line in output.log.lines] == [
        (b"first one\n", "stderr"),
        (b"second two\n", "stdout"),
    ]


@pytest.mark.real_time
async def test_stdin_of_a_container_ends_with_the_first_attach_where_it_says_once(guard: ProcessGuard) -> None:
    """A program that reads to the end of its stdin then ends."""
    output = Output(log=ContainerLog())
    talk = await start(guard, "wc -c")
    draining = asyncio.create_task(output.drain(talk))
    screen = Screen(b"12345")
    async with asyncio.timeout(DEADLINE_S):
        await attach(output, talk, screen.streams(), stdin=True, stdin_once=True)
        assert await draining == 0
    assert screen.out.strip() == b"5"


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_for_any_pieces_a_log_has_the_lines_that_were_written(text: bytes, cuts: list[int]) -> None:
    """The last one gets a newline if it has none."""
    log = ContainerLog()
    writer = LineWriter(log, "stdout")
    places = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    for start, end in pairwise(places):
        writer.feed(text[start:end])
    writer.end()
    assert b"".join(line.text for line in log.lines) == text + (b"" if not text or text.endswith(b"\n") else b"\n")
    assert all(line.text.count(b"\n") == 1 for line in log.lines)


def test_a_log_that_grows_too_long_begins_anew_and_its_followers_miss_nothing_of_the_rest() -> None:
    """As a node's file is rotated at 10 MiB; places go on counting."""
    log = ContainerLog()
    writer = LineWriter(log, "stdout")
    for _ in range(11):
        writer.feed(b"x" * (1024 * 1024 - 1) + b"\n")
    writer.feed(b"last\n")
    kept = sum(len(line.text) for line in log.lines)
    assert kept < 10 * 1024 * 1024
    assert log.lines[-1].text == b"last\n"
    assert log.end > len(log.lines)
