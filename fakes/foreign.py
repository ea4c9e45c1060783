"""
Work outside of a virtual loop that the loop may be waiting for: threads, executors, pipes and sockets.

Virtual time stands while there is any. What can be seen from the loop:

Threads   One that was started while the loop is there works, unless it waits itself: for a queue, a lock or an event,
          for clients as a server does, or in a loop of its own. The threads of an executor work while they have jobs,
          whenever they were started; so do processes of a ProcessPoolExecutor, and a `threading.Timer` until it fires.
Sockets   A connection to a peer that is not on this loop is waited for while more was sent than answered, as far as the
          system tells (Linux, TCP), and while it is made. Others than TCP, and pipes whose writer is another process,
          are waited for until they are silent for too long.

Not seen: a thread that waits for what the loop does at a later virtual time counts as waiting only in the calls above;
a client of a server on this loop may come at any time; a server that speaks when it likes.
"""

from __future__ import annotations

import os
import queue
import socket
import socketserver
import stat
import struct
import sys
import threading
from asyncio import base_events
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import Future, process
from concurrent.futures import thread as pool
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Final, NamedTuple

_SPARED: Final = ("asyncio_", "pytest_timeout ")
"""How names of threads begin that are counted elsewhere, or guard a test: asyncio's executor, pytest-timeout."""

_WORKERS: Final = frozenset({getattr(pool, "_worker").__code__})  # noqa: B009 - it is no public name
_PROCESSES: Final = getattr(process, "_ExecutorManagerThread")  # noqa: B009
_RESULTS: Final = _PROCESSES.wait_result_broken_or_wakeup.__code__
_SERVING: Final = frozenset(
    (base_events.BaseEventLoop.run_forever.__code__, socketserver.BaseServer.serve_forever.__code__)
)
_ANSWERING: Final = socketserver.ThreadingMixIn.process_request_thread.__code__
_SOCKETS: Final = ("socket", "ssl")
_WAITING_CODES: Final = frozenset(
    one.__code__
    for one in (
        *(queue.Queue.get, queue.Queue.put, queue.Queue.join, threading.Condition.wait, threading.Event.wait),
        *(threading.Thread.join, threading.Barrier.wait, threading.Semaphore.acquire, Future.result),
    )
)
_BLOCKING_CODES: Final = frozenset((threading.Condition.wait.__code__, threading.Thread.join.__code__))
"""Those in which a thread stands still; in the others it also takes what it waited for."""
_ANY: Final = ("0.0.0.0", "::")
_LOOPBACK: Final = ("127.", "::1", "::ffff:127.")
_MORE_S: Final = 0.1
"""For how many real seconds more of an answer is waited for."""
_DATA_SEGMENTS: Final = 152
"""Where Linux's tcp_info has how many segments with data came in, and went out."""


class Work(NamedTuple):
    """Something outside that works: what it is, in words, and what tells it from others."""

    what: str
    token: Hashable


class ForeignWork:
    """Watches what may call in at a loop. `fds` of `outstanding` are those that the loop waits for, but for its own."""

    def __init__(self) -> None:
        self._there_before = set(threading.enumerate())
        self._ends: dict[tuple[int, int], _End | None] = {}
        self._talks: dict[tuple[int, int], _Talk] = {}

    def outstanding(self, fds: Iterable[int]) -> list[Work]:
        """Name all that works outside now."""
        return [*self._threads(), *self._connections(fds)]

    def came(self, fds: Iterable[int]) -> None:
        """Note that connections have something to read: an answer to all that was sent before."""
        for fd in fds if self._talks else ():
            talk, segments = self._talks.get(_place(fd)), _segments(fd)
            if talk is not None and segments is not None:
                talk.came, talk.went = segments
                talk.answered_at = monotonic()

    # ---- threads ----------------------------------------------------------------------------------------------------

    def _threads(self) -> Iterator[Work]:
        others = [one for one in threading.enumerate() if one is not threading.current_thread()]
        if not others:
            return
        frames = sys._current_frames()
        for thread in others:
            frame = frames.get(thread.ident or 0)
            if frame is None or thread.name.startswith(_SPARED):
                continue
            if self._works(thread, frame):
                yield Work(f"the thread {thread.name!r} at {_position(frame)}", thread)

    def _works(self, thread: threading.Thread, frame: FrameType) -> bool:
        jobs = getattr(thread, "pending_work_items", None)
        codes = {one.f_code: one for one in _outwards(frame)}
        if isinstance(thread, _PROCESSES):  # it has taken a result from the list before it hands it over
            return bool(jobs) or _RESULTS not in codes
        if not _SERVING.isdisjoint(codes) or (_ANSWERING in codes and frame.f_globals.get("__name__") in _SOCKETS):
            return False
        worker = next((codes[code] for code in _WORKERS if code in codes), None)
        if worker is not None:
            return frame is not worker or bool(worker.f_locals["work_queue"].qsize())
        if thread in self._there_before:
            return False
        if isinstance(thread, threading.Timer):
            return not thread.daemon and not thread.finished.is_set()
        return not _waits(frame)

    # ---- connections ------------------------------------------------------------------------------------------------

    def _connections(self, fds: Iterable[int]) -> Iterator[Work]:
        ends = {fd: end for fd in fds if (end := self._end(fd)) is not None}
        ours = {end.local for end in ends.values()}
        servers = {end.local for end in ends.values() if end.listens}
        for fd, end in ends.items():
            is_ours = end.listens or end.local in servers or end.peer in ours
            if not is_ours and self._is_waited_for(fd):
                yield Work(end.what, ("fd", *_place(fd)))

    def _end(self, fd: int) -> _End | None:
        place = _place(fd)
        if place in self._ends:
            return self._ends[place]
        end = _End.of(fd)
        if end is None or end.listens or end.peer:  # else it is about to change
            self._ends[place] = end
        return end

    def _is_waited_for(self, fd: int) -> bool:
        segments = _segments(fd)
        if segments is None:
            return True
        talk = self._talks.setdefault(_place(fd), _Talk())
        talk.look(segments)
        return talk.is_waited_for()


@dataclass(slots=True)
class _Talk:
    """What has been said over a connection."""

    came: int = 0
    went: int = 0
    answered_at: float | None = 0.0
    """When an answer, or a part of it, was last seen; None while something is not answered."""

    def look(self, segments: tuple[int, int]) -> None:
        """Compare with how many segments have come in and gone out."""
        came, went = segments
        if went > self.went:
            self.answered_at = None
        elif came > self.came:
            self.answered_at = monotonic()
        self.came, self.went = segments

    def is_waited_for(self) -> bool:
        """Whether something was asked, and the answer, which may come in pieces, is not there."""
        return self.answered_at is None or monotonic() < self.answered_at + _MORE_S


class _End(NamedTuple):
    """One end of a connection: its address and that of its peer, "" if it has none yet."""

    what: str
    local: str
    peer: str
    listens: bool = False

    @classmethod
    def of(cls, fd: int) -> _End | None:
        """Look at a file descriptor; None for one of which nothing can be said."""
        try:
            mode = os.fstat(fd).st_mode
            if stat.S_ISFIFO(mode):
                is_ours = _is_our_pipe(os.fstat(fd).st_ino)
                return None if is_ours else cls(f"a pipe (file descriptor {fd})", f"pipe {fd}", "another process")
            if not stat.S_ISSOCK(mode):
                return None
            with socket.socket(fileno=os.dup(fd)) as end:
                return cls._of_socket(end)
        except OSError:
            return None

    @classmethod
    def _of_socket(cls, end: socket.socket) -> _End | None:
        if end.type != socket.SOCK_STREAM:
            return None
        local = _address(end.getsockname())
        if end.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return cls("a server", local, "", listens=True)
        try:
            peer = _address(end.getpeername())
        except OSError:  # it is being made
            return cls("a connection that is being made", local, "")
        if not peer:
            return None  # a pair of sockets without names: its other end may be anywhere
        return cls(f"the connection to {peer}", local, peer)


def _address(name: object) -> str:
    """The port of an address, which suffices on one machine, or a path; with the host for others."""
    if isinstance(name, tuple):
        host, port = str(name[0]), name[1]
        return f"port {port}" if host in _ANY or host.startswith(_LOOPBACK) else f"{host}:{port}"
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _is_our_pipe(inode: int) -> bool:
    """Whether this process may write into a pipe itself, or nobody can say."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return True
    ends = 0
    for one in folder.iterdir():
        try:
            ends += os.stat(one).st_ino == inode
        except OSError:
            continue
    return ends > 1


def _place(fd: int) -> tuple[int, int]:
    """What tells a connection from a later one with its number."""
    try:
        return fd, os.fstat(fd).st_ino
    except OSError:
        return fd, 0


def _segments(fd: int) -> tuple[int, int] | None:
    """How many segments with data have come in and gone out; None where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        with socket.socket(fileno=os.dup(fd)) as end:
            if end.family not in (socket.AF_INET, socket.AF_INET6):
                return None
            told = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _DATA_SEGMENTS + 8)
    except OSError:
        return None
    if len(told) < _DATA_SEGMENTS + 8:
        return None
    came, went = struct.unpack_from("II", told, _DATA_SEGMENTS)
    return came, went


# ---- frames ---------------------------------------------------------------------------------------------------------


def _outwards(frame: FrameType) -> Iterator[FrameType]:
    found: FrameType | None = frame
    while found is not None:
        yield found
        found = found.f_back


def _waits(frame: FrameType) -> bool:
    """Whether a thread waits for another one; one that has been woken, and has yet to go on, does so no longer."""
    waits = False
    for one in _outwards(frame):
        if one.f_code in _WAITING_CODES:
            if _is_woken(one):
                return False
            waits = waits or one.f_code in _BLOCKING_CODES
        elif one.f_globals.get("__name__") not in ("threading", "queue", "concurrent.futures._base"):
            break
    return waits


def _is_woken(frame: FrameType) -> bool:
    """Whether what a waiting call waits for is there."""
    what = frame.f_locals.get("self")
    match what:
        case queue.Queue() if frame.f_code is queue.Queue.get.__code__:
            return what.qsize() > 0
        case threading.Condition():
            waiter = frame.f_locals.get("waiter")
            return waiter is not None and not waiter.locked()
        case threading.Event():
            return what.is_set()
        case Future():
            return what.done()
    return False


def _position(frame: FrameType) -> str:
    """The innermost place outside of the standard library, or else the innermost one."""
    found = next((one for one in _outwards(frame) if not _is_standard(one.f_code.co_filename)), frame)
    return f"{found.f_code.co_qualname} ({Path(found.f_code.co_filename).name}:{found.f_lineno})"


def _is_standard(file: str) -> bool:
    return file.startswith((os.path.dirname(threading.__file__), "<")) and "site-packages" not in file
