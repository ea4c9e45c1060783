"""
A script that runs the programs of one package in forks of its interpreter, so that each begins at once.

    python -P fork_server.py PACKAGE

The package's `__main__` has `prepare()`, which imports whatever its programs need, and `main(arguments)`, which runs
one and returns its exit status. Orders come over the socket that is stdin, each with the descriptors of a program's
stdin, stdout and stderr. A fork is a process group of its own, and waits for a line at its stdin before the program
begins. Reports go back over the socket: of each fork that began, in the order in which they were asked for, and of each
that ended.

When the socket is closed, this script ends; its forks do not, which the guardian sees to. It runs by its path, so it
imports nothing of its neighbours.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from selectors import EVENT_READ, DefaultSelector
from typing import Any, Final, NoReturn

_LENGTH: Final = struct.Struct("!I")
_STREAMS: Final = 3
REPORT: Final = struct.Struct("!cii")
"""What has happened to a fork, its process id, and its return code, which is negative if a signal ended it."""
BEGAN, ENDED = b"+", b"-"

Main = Callable[[Sequence[str]], int]


def send_order(
    control: socket.socket,
    arguments: Sequence[str],
    streams: Sequence[int],
    *,
    environment: Mapping[str, str],
    folder: str,
) -> None:
    """Ask for a program with these arguments, streams, environment and working directory."""
    order = {"arguments": list(arguments), "environment": dict(environment), "folder": folder}
    text = json.dumps(order).encode()
    socket.send_fds(control, [_LENGTH.pack(len(text)) + text], streams)


def main(package: str) -> None:
    """Serve the socket that is stdin until it is closed."""
    program = importlib.import_module(f"{package}.__main__")
    program.prepare()
    gc.collect()
    gc.freeze()  # a collection in a fork would copy the pages that all of them share
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as control:
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), sys.stdin.fileno())
        _serve(control, program.main)


def _serve(control: socket.socket, run: Main) -> None:
    woken, wake = socket.socketpair()
    wake.settimeout(0)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    selector = DefaultSelector()
    selector.register(control, EVENT_READ)
    selector.register(woken, EVENT_READ)
    while True:
        ready = {key.fileobj for key, _ in selector.select()}
        if woken in ready:
            woken.recv(4096)
            _report_ends(control)
        if control in ready and not _take_order(control, run):
            return


def _take_order(control: socket.socket, run: Main) -> bool:
    """Carry out the next order; returns whether there was one."""
    head, streams, _, _ = socket.recv_fds(control, _LENGTH.size, _STREAMS)
    if len(streams) < _STREAMS:
        return False
    head += _receive(control, _LENGTH.size - len(head))
    order = json.loads(_receive(control, *_LENGTH.unpack(head)))
    pid = os.fork()
    if not pid:
        _become(order, streams, run)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)  # the fork does that as well: whoever is told of it finds it in its group
    for stream in streams:
        os.close(stream)
    control.sendall(REPORT.pack(BEGAN, pid, 0))
    return True


def _receive(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := control.recv(size - len(data))):
        data += piece
    return data


def _report_ends(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        control.sendall(REPORT.pack(ENDED, pid, os.waitstatus_to_exitcode(status)))


def _is_let_go() -> bool:
    """Wait for the line at stdin; returns False if stdin ends before."""
    while letter := os.read(0, 1):
        if letter == b"\n":
            return True
    return False


def _become(order: dict[str, Any], streams: Sequence[int], run: Main) -> NoReturn:
    """Run a program in this fork, as in an interpreter of its own."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(_STREAMS, max(streams) + 1)  # what is here of the server, too
        if _is_let_go():
            code = run(order["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  as an interpreter's own end tells of it
        traceback.print_exc()
    finally:
        for written in (sys.stdout, sys.stderr):
            written.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
