"""Wait for the end of processes that are not our children, by an event and not by asking again and again (Linux)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

HAS_PIDFD = hasattr(os, "pidfd_open")
"""Whether this machine can say so."""


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
