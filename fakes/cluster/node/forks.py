"""
Programs of this machine as forks of an interpreter that is ready to run them; fork_server.py is that interpreter.

A program that takes a third of a second to be imported begins within milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ctrlkit.fakes.cluster.node import fork_server
from ctrlkit.fakes.cluster.node.fork_server import BEGAN, REPORT, send_order


class Fork:
    """A fork that runs a program, as asyncio's Process is one of a program of its own."""

    def __init__(self, pid: int) -> None:
        self.pid: int = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """Wait for its end; the return code is negative if a signal ended it."""
        await self._ended.wait()
        assert self.returncode is not None  # set before
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def end(self, code: int) -> None:
        """Note that it has ended."""
        self.returncode = code
        self._ended.set()


class ForkServer:
    """
    Starts the programs of a package as forks of one interpreter, which is started with this.

    Shape   `on_begin` is told the process id of each fork before its program can begin.
    Errors  ChildProcessError from `start` if the interpreter has ended; its forks are then killed.
    """

    def __init__(self, package: str, *, environment: Mapping[str, str], on_begin: Callable[[int], None]) -> None:
        self._package = package
        self._on_begin = on_begin
        self._control, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-P", fork_server.__file__, package],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        on_begin(self._server.pid)
        self._is_read = False
        self._received = b""
        self._ordered = deque[asyncio.Future[Fork]]()
        self._running: dict[int, Fork] = {}

    async def start(
        self, arguments: Sequence[str], streams: Sequence[int], *, environment: Mapping[str, str], folder: Path
    ) -> Fork:
        """Start a program that waits for a line at its stdin; `streams` are its stdin, stdout and stderr."""
        loop = asyncio.get_running_loop()
        if not self._is_read:
            self._is_read = True
            loop.add_reader(self._control, self._read)
        try:
            send_order(self._control, arguments, streams, environment=environment, folder=str(folder))
        except OSError:
            raise self._over() from None
        began: asyncio.Future[Fork] = loop.create_future()
        self._ordered.append(began)
        return await began

    def close(self) -> None:
        """End the interpreter; its forks are not its own."""
        if self._is_read:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        self._server.wait()

    def _read(self) -> None:
        data = self._control.recv(64 * 1024)
        if not data:
            self._give_up()
            return
        self._received += data
        while len(self._received) >= REPORT.size:
            kind, pid, code = REPORT.unpack_from(self._received)
            self._received = self._received[REPORT.size :]
            if kind == BEGAN:
                self._begin(pid)
            elif pid in self._running:
                self._running.pop(pid).end(code)

    def _begin(self, pid: int) -> None:
        began = self._ordered.popleft()
        if began.cancelled():
            return  # nobody sends its line, and the end of its stdin ends it
        self._on_begin(pid)
        self._running[pid] = fork = Fork(pid)
        began.set_result(fork)

    def _give_up(self) -> None:
        """The interpreter has ended: kill what it started, of which nothing more is told."""
        asyncio.get_running_loop().remove_reader(self._control)
        self._is_read = False
        for fork in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(fork.pid, signal.SIGKILL)
            fork.end(-signal.SIGKILL)
        self._running.clear()
        while self._ordered:
            began = self._ordered.popleft()
            if not began.cancelled():
                began.set_exception(self._over())

    def _over(self) -> ChildProcessError:
        return ChildProcessError(f"start a program of {self._package}: the interpreter that runs them has ended")
