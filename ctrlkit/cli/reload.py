"""
`ctrlkit run --reload`: the program in a process of its own, which is stopped and started again when a source changes.

The old one stops in order first, as on SIGTERM: reconciles end, the lease is given back. One that ended by itself, for
a syntax error or anything else, has said why; then the next change is waited for. The system tells of changes
(watchfiles), so nothing is looked at again and again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ctrlkit.cli.parent import OPTION
from ctrlkit.extras import require
from ctrlkit.manager.endpoints.options import split_address
from ctrlkit.manager.settings import OFF
from ctrlkit.telemetry import configure_logging, logger

STOP_WITHIN_S: Final = 60.0
"""Twice a manager's own grace period, unless that was set: then the old program is killed."""

SKIPPED: Final = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist"})

_FRESH: Final = {"PYTHONDONTWRITEBYTECODE": "1"}
"""Python tells bytecode of another source by its size and second; two changes may be within one."""

NextChange = Callable[[], Awaitable[Sequence[str]]]
"""Waits for the next change of a source, and returns the files; what happens from the call on counts."""

_log = logger("run")


def run_again(words: Sequence[str], *, folder: Path) -> int:
    """
    Run `ctrlkit WORDS` until a signal, and again after each change of a Python source in a folder; returns 0.

    Errors  MissingExtra without watchfiles.
    """
    require("cli", "ctrlkit run --reload")
    configure_logging()
    command = [sys.executable, "-m", "ctrlkit", *words, OPTION]
    asyncio.run(Supervisor(command, lambda: _next_change(folder)).run())
    return 0


def kept_address(address: str) -> str:
    """Return an address whose port is 0 with one that is free now, for all programs to come; another one as it is."""
    if address == OFF or (parts := split_address(address, "endpoints"))[1]:
        return address
    host = parts[0]
    try:
        with socket.create_server(parts, family=socket.AF_INET6 if ":" in host else socket.AF_INET) as found:
            return f"{address.rpartition(':')[0]}:{found.getsockname()[1]}"
    except OSError:
        return address  # the program says what is wrong with it


class Supervisor:
    """
    Runs a command, and again after each change, until SIGTERM or SIGINT.

    The signal is passed on to the command as SIGTERM, and so is a second one, which ends it at once.
    """

    def __init__(self, command: Sequence[str], next_change: NextChange) -> None:
        self._command = command
        self._next_change = next_change
        self._stop = asyncio.Event()
        self._process: Process | None = None

    async def run(self) -> None:
        """Return when a signal has come and the command has ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        while not self._stop.is_set():
            await self._run_once()

    async def _run_once(self) -> None:
        """From a start to a change, or to the end."""
        changed = asyncio.ensure_future(self._next_change())
        await asyncio.sleep(0)  # from here on changes are seen, and then the sources are read
        stopping = asyncio.create_task(self._stop.wait())
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, start_new_session=True, env=os.environ | _FRESH
        )
        ended = asyncio.create_task(self._process.wait())
        try:
            await asyncio.wait({changed, stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not (changed.done() or stopping.done()):
                _log.warning("program_ended", status=ended.result(), waits_for="the next change of a source")
                await asyncio.wait({changed, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if changed.done() and not stopping.done():
                _log.info("sources_changed", files=changed.result())
                self._terminate()
            await self._end(ended)
        finally:
            for task in (changed, stopping):
                task.cancel()
            await asyncio.wait({changed, stopping})

    async def _end(self, ended: asyncio.Task[int]) -> None:
        await asyncio.wait({ended}, timeout=STOP_WITHIN_S)
        if not ended.done() and self._process is not None:
            _log.warning("program_killed", within_s=STOP_WITHIN_S)
            self._process.kill()
        await ended

    def _on_signal(self) -> None:
        self._stop.set()
        self._terminate()

    def _terminate(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()


async def _next_change(folder: Path) -> Sequence[str]:
    from watchfiles import PythonFilter, awatch  # noqa: PLC0415 - an extra brings it

    async for changes in awatch(*source_folders(folder), watch_filter=PythonFilter(), recursive=False):
        return [os.path.relpath(name, folder.parent) for name in sorted({name for _, name in changes})]  # noqa: ASYNC240
    return ()


def source_folders(top: Path) -> Iterator[Path]:
    """Yield a folder and those below it that may hold sources; virtual environments and hidden folders do not."""
    yield top
    for entry in sorted(os.scandir(top), key=lambda each: each.name):
        is_one = entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".") and entry.name not in SKIPPED
        if is_one and not Path(entry.path, "pyvenv.cfg").exists():
            yield from source_folders(Path(entry.path))
