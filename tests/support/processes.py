"""Processes of a test: started, and waited for by an event, not by asking again and again."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

HAS_PIDFD = hasattr(os, "pidfd_open")
"""Whether this machine can say so."""


@asynccontextmanager
async def process_of(*command: str, env: Mapping[str, str], cwd: Path | None = None) -> AsyncIterator[Process]:
    """A running process whose output can be read; at the latest it is killed at the end."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=env, cwd=cwd)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def process_ended(pid: int) -> None:
    """Return when no process of that id runs; at once if there is none."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def command_lines() -> dict[int, bytes]:
    """The command line of every process that can be seen now."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found[int(path.parent.name)] = path.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def working_in(folder: Path) -> list[int]:
    """The processes that work in a folder or below it, as those of containers do: forks share a command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            there = os.readlink(path)
        except OSError:  # it has ended, or may not be seen
            continue
        if Path(there).is_relative_to(folder):
            found.append(int(path.parent.name))
    return found
