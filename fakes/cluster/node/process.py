"""
Processes that cannot outlive this one.

Each runs in a process group of its own. A guardian, a second small process, knows the groups and holds the far end of a
pipe: when this process ends, however it ends, it kills the groups and removes the folder. No process runs its program
before the guardian knows it: it first waits, as a shell, for a line that is sent after the guardian was told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from ctrlkit.fakes.cluster.node import guardian

_WAIT_FOR_GO = 'read -r go && exec "$@" </dev/null'
_GUARDIAN_LIMIT_S = 15.0


class Guard:
    """
    A folder for this process's children and the guardian that removes both; `close()` ends it in good order.

    Owner   Whoever made it calls `close()`; if that never happens, the end of this process does the same.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.gettempdir()) / f"ctrlkit-{secrets.token_hex(8)}"
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.folder.mkdir(mode=0o700)

    def began(self, group: int) -> None:
        """Have the guardian kill this process group at the end."""
        self._tell(f"+{group}\n")

    def over(self, group: int) -> None:
        """This process group has ended: its number may come to belong to somebody else."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Have all groups that are left killed and the folder removed; returns when that is done."""
        self._pipe.close()
        self._guardian.wait(timeout=_GUARDIAN_LIMIT_S)

    def _tell(self, line: str) -> None:
        self._pipe.write(line.encode())
        self._pipe.flush()

    @property
    def _pipe(self) -> IO[bytes]:
        pipe = self._guardian.stdin
        assert pipe is not None  # asked for above
        return pipe


class OwnedProcess:
    """A running program and whatever it starts, as one group under a Guard; made by `start` or `start_reading`."""

    def __init__(self, process: Process, guard: Guard) -> None:
        self._process = process
        self._guard = guard
        self._is_over = False

    @classmethod
    async def start(
        cls, guard: Guard, argv: Sequence[str], *, environment: Mapping[str, str], folder: Path, output: IO[bytes] | int
    ) -> OwnedProcess:
        """Run a program in a folder with exactly this environment; `output` takes its stdout and stderr, or is PIPE."""
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            _WAIT_FOR_GO,
            "sh",
            *argv,
            stdin=PIPE,
            stdout=output,
            stderr=STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        guard.began(process.pid)  # nothing from here on waits: the process is known before it can run anything
        assert process.stdin is not None  # asked for above
        process.stdin.write(b"go\n")
        process.stdin.close()
        return cls(process, guard)

    async def read_output(self) -> bytes:
        """All it writes until it ends; only where `output` was PIPE."""
        assert self._process.stdout is not None
        return await self._process.stdout.read()

    async def wait(self) -> int:
        """Wait for its end; what it started is killed then. The return code is negative where a signal ended it."""
        code = await self._process.wait()
        if not self._is_over:
            self.kill()
            self._is_over = True
            self._guard.over(self._process.pid)
        return code

    def terminate(self) -> None:
        """Ask the program to end, as a container is asked."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the program and all it started."""
        if not self._is_over:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


async def run_command(
    guard: Guard, argv: Sequence[str], *, environment: Mapping[str, str], folder: Path, timeout_s: float
) -> tuple[int, bytes]:
    """Run a program: its return code and output. Errors: TimeoutError; then, as when cancelled, it is killed."""
    process = await OwnedProcess.start(guard, argv, environment=environment, folder=folder, output=PIPE)
    try:
        async with asyncio.timeout(timeout_s):
            output = await process.read_output()
            return await process.wait(), output
    finally:
        process.kill()
        await process.wait()
