"""
Child processes that cannot outlive this process.

Each one runs in a process group of its own. A guardian, a small second process, knows the groups and reads a pipe from
this process: when this process ends, even by SIGKILL, the guardian kills the groups and removes the folder. A child
starts as a shell, or as a fork of an interpreter (forks.py), that waits for a line, which is sent once the guardian
knows its group; only then its program runs.
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
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from ctrlkit.fakes.cluster.node import guardian
from ctrlkit.fakes.cluster.node.forks import Fork, ForkServer
from ctrlkit.fakes.cluster.node.terminals import reader_of

_WAIT_FOR_GO = 'read -r go && exec "$@" </dev/null'
_KEEP_STDIN = 'read -r go && exec "$@"'
_ON_TERMINAL = 'read -r go && terminal=$1 && shift && exec "$@" <>"$terminal" >&0 2>&0'
_GUARDIAN_LIMIT_S = 15.0


class ProcessGuard:
    """
    A folder for this process's children, and the guardian that kills the children and removes the folder.

    Call `close()` in the end; if that never happens, the end of this process has the same effect.
    """

    def __init__(self) -> None:
        self.folder: Path = Path(tempfile.gettempdir()) / f"ctrlkit-{secrets.token_hex(8)}"
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.folder.mkdir(mode=0o700)
        self._servers: dict[str, ForkServer] = {}

    def fork(self, argv: Sequence[str], *, environment: Mapping[str, str]) -> None:
        """Have the package that `argv` runs in forks of an interpreter from now on, which starts with this."""
        package, _ = _package_in(argv)
        if package and package not in self._servers:
            self._servers[package] = ForkServer(package, environment=environment, on_begin=self.add)

    async def start_fork(
        self, argv: Sequence[str], streams: Sequence[int], *, environment: Mapping[str, str], folder: Path
    ) -> Fork | None:
        """Start a program that waits for a line at its stdin as a fork; None if it is not one of those."""
        package, arguments = _package_in(argv)
        server = self._servers.get(package)
        if server is None:
            return None
        try:
            return await server.start(arguments, streams, environment=environment, folder=folder)
        except ChildProcessError:
            self._servers.pop(package, None)
            server.close()
            return None

    def add(self, group: int) -> None:
        """Register a process group with the guardian, to be killed at the end."""
        self._send(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Unregister a process group that has ended, because its number may be reused."""
        self._send(f"-{group}\n")

    def close(self) -> None:
        """Kill all remaining groups and remove the folder; returns when that is done."""
        self._pipe.close()
        self._guardian.wait(timeout=_GUARDIAN_LIMIT_S)
        for server in self._servers.values():
            server.close()

    def _send(self, line: str) -> None:
        self._pipe.write(line.encode())
        self._pipe.flush()

    @property
    def _pipe(self) -> IO[bytes]:
        pipe = self._guardian.stdin
        assert pipe is not None  # asked for above
        return pipe


def _package_in(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """
    Return the package whose `__main__` this Python runs, and the arguments; '' if it is another program.

    >>> _package_in([sys.executable, "-S", "-m", "web", "-v"]), _package_in(["/bin/test", "-m", "web"])
    (('web', ['-v']), ('', []))
    """
    program, *words = argv
    if program != sys.executable or "-m" not in words:
        return "", []
    at = words.index("-m")
    return words[at + 1], words[at + 2 :]


def start_guarded(
    guard: ProcessGuard, argv: Sequence[str], *, environment: Mapping[str, str], output: IO[bytes]
) -> subprocess.Popen[bytes]:
    """
    Start a program as a process group under a guard, from code without an event loop; `output` is for all it prints.

    Whoever has waited for its end calls `guard.remove` with its process id.
    """
    process = subprocess.Popen(
        ["/bin/sh", "-c", _WAIT_FOR_GO, "sh", *argv],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env=environment,
        start_new_session=True,
    )
    guard.add(process.pid)
    assert process.stdin is not None  # asked for above
    with process.stdin as gate:
        gate.write(b"go\n")
    return process


async def _start_waiting(
    guard: ProcessGuard,
    script: str,
    argv: Sequence[str],
    streams: tuple[IO[bytes] | int, IO[bytes] | int, IO[bytes] | int],
    *,
    environment: Mapping[str, str],
    folder: Path,
) -> Process:
    """Start a shell that waits for a line on its stdin, and is known to the guard before it can run anything."""
    stdin, stdout, stderr = streams
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", script, "sh", *argv),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    guard.add(process.pid)  # nothing between the start and this waits
    return process


def _let_go(process: Process) -> None:
    """Send the line to a shell whose stdin is a pipe."""
    assert process.stdin is not None  # asked for by who started it
    process.stdin.write(b"go\n")
    process.stdin.close()


class OwnedProcess:
    """A running program and its children, as one process group under a ProcessGuard."""

    def __init__(self, process: Process | Fork, guard: ProcessGuard) -> None:
        self._process = process
        self._guard = guard
        self._is_over = False

    @classmethod
    async def start_talking(
        cls,
        guard: ProcessGuard,
        argv: Sequence[str],
        streams: tuple[int, int, int],
        gate: int,
        *,
        environment: Mapping[str, str],
        folder: Path,
    ) -> OwnedProcess:
        """Start a program whose stdin, stdout and stderr are these descriptors; `gate` is where stdin is written to."""
        fork = await guard.start_fork(argv, streams, environment=environment, folder=folder)
        process = fork or await _start_waiting(
            guard, _KEEP_STDIN, argv, streams, environment=environment, folder=folder
        )
        with contextlib.suppress(BrokenPipeError):  # it has ended
            os.write(gate, b"go\n")
        return cls(process, guard)

    @classmethod
    async def start_on_terminal(
        cls, guard: ProcessGuard, argv: Sequence[str], terminal: str, *, environment: Mapping[str, str], folder: Path
    ) -> OwnedProcess:
        """Start a program whose streams are all a terminal, by its path, which controls its session."""
        streams = (PIPE, DEVNULL, DEVNULL)
        process = await _start_waiting(
            guard, _ON_TERMINAL, (terminal, *argv), streams, environment=environment, folder=folder
        )
        _let_go(process)
        return cls(process, guard)

    @property
    def pid(self) -> int:
        """Its process id, which is that of its group."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for its end and kill its children. The return code is negative if a signal ended it."""
        code = await self._process.wait()
        if not self._is_over:
            self.kill()
            self._is_over = True
            self._guard.remove(self._process.pid)
        return code

    def terminate(self) -> None:
        """Send SIGTERM, as to a container."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the program and its children."""
        if not self._is_over:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


async def run_command(
    guard: ProcessGuard, argv: Sequence[str], *, environment: Mapping[str, str], folder: Path
) -> tuple[int, bytes]:
    """Run a program that has nothing to read; returns its return code and output. It is killed with the call."""
    (stdin, gate), (ours, output) = os.pipe(), os.pipe()
    theirs = (stdin, output, output)
    try:
        process = await OwnedProcess.start_talking(guard, argv, theirs, gate, environment=environment, folder=folder)
    except BaseException:
        os.close(ours)
        raise
    finally:
        for descriptor in (gate, *set(theirs)):
            os.close(descriptor)
    try:
        written = await (await reader_of(ours)).read()
        return await process.wait(), written
    finally:
        process.kill()
        await process.wait()
