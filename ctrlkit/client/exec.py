"""Commands in containers and their terminals, over a connection with channels; and the ports of pods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from ctrlkit.client.calls import Calls
from ctrlkit.errors import ApiError, StreamBroken
from ctrlkit.model import Action
from ctrlkit.model.streams import V4, V5, Channel, Connection
from ctrlkit.wire.documents import read_loosely

_PROTOCOLS = (V5, V4)
_PIECE_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """What a command wrote, and its exit code."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""


class Output(NamedTuple):
    """Some bytes that a command wrote, to `Channel.STDOUT` or `Channel.STDERR`."""

    channel: Channel
    data: bytes


class Exec:
    """
    What `Client.exec` and `Client.attach` return: wait for it to run the command to its end, or enter it to talk to it.

    Each of the two starts the command anew. Only what is entered has an open stdin, unless there are bytes for it.
    """

    def __init__(self, calls: Calls, action: Action, *, stdin: bytes | None) -> None:
        self._calls = calls
        self._action = action
        self._stdin = stdin
        self._exits = AsyncExitStack()

    def __await__(self) -> Generator[Any, None, ExecResult]:
        return self._run().__await__()

    async def __aenter__(self) -> Session:
        session = await self._open(has_stdin=True)
        if self._stdin:
            await session.write(self._stdin)
        return session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()

    async def _open(self, *, has_stdin: bool) -> Session:
        action = self._action
        if has_stdin:
            parameters = (*action.options.parameters, ("stdin", "true"))
            action = replace(action, options=replace(action.options, parameters=parameters))
        connection = await self._exits.enter_async_context(self._calls.connect(action, _PROTOCOLS))
        return Session(connection, action)

    async def _run(self) -> ExecResult:
        async with self._exits:
            session = await self._open(has_stdin=self._stdin is not None)
            feeding = asyncio.create_task(_feed(session, self._stdin), name="exec stdin")
            try:
                return await session.result()
            finally:
                feeding.cancel()
                await asyncio.wait([feeding])


async def _feed(session: Session, data: bytes | None) -> None:
    """Send all of stdin and its end; a command that ends before it has read all is no failure."""
    if data is None:
        return
    try:
        await session.write(data)
        await session.close_stdin()
    except StreamBroken:
        return


class Session:
    """
    A running command: iterate over it for its output until it ends, which sets `exit_code`.

        async with client.exec("demo/web-0", ["sh"], tty=True) as session:
            await session.resize(columns=120, rows=40)
            await session.write(b"echo hello; exit 3\\n")
            async for output in session:
                print(output.data)
        print(session.exit_code)

    Errors  StreamBroken where the connection ends before the command; ApiError where the node cannot run it.
    """

    def __init__(self, connection: Connection, action: Action) -> None:
        self._connection = connection
        self._action = action
        self.exit_code: int | None = None
        """The command's exit code; None while it runs."""

    @property
    def protocol(self) -> str:
        """The protocol that the server chose: in `v4.channel.k8s.io` a command never sees the end of its stdin."""
        return self._connection.protocol

    async def write(self, data: bytes) -> None:
        """Send bytes to the command's stdin."""
        for start in range(0, len(data), _PIECE_BYTES):
            await self._connection.send(Channel.STDIN, data[start : start + _PIECE_BYTES])

    async def close_stdin(self) -> None:
        """End the command's stdin."""
        await self._connection.close_channel(Channel.STDIN)

    async def resize(self, *, columns: int, rows: int) -> None:
        """Tell the terminal its size."""
        await self._connection.send(Channel.RESIZE, msgspec.json.encode({"Width": columns, "Height": rows}))

    async def result(self) -> ExecResult:
        """Wait for the end; returns what was not iterated over yet."""
        written: dict[Channel, list[bytes]] = {Channel.STDOUT: [], Channel.STDERR: []}
        async for channel, data in self:
            written[channel].append(data)
        stdout, stderr = (b"".join(pieces) for pieces in written.values())
        return ExecResult(exit_code=self.exit_code or 0, stdout=stdout, stderr=stderr)

    async def __aiter__(self) -> AsyncIterator[Output]:
        while self.exit_code is None:
            message = await self._connection.receive()
            if message is None:
                raise StreamBroken(f"{self._action}: the connection ended before the command; its end is not known")
            if message.channel == Channel.ERROR:
                self._end(message.data)
            elif message.data and message.channel in (Channel.STDOUT, Channel.STDERR):
                yield Output(Channel(message.channel), message.data)

    def _end(self, data: bytes) -> None:
        """Read the Status at the end of a command."""
        status = read_loosely(data) or {"message": data.decode(errors="replace")}
        if status.get("status") == "Success":
            self.exit_code = 0
            return
        error = ApiError.of_status(status, attempted=str(self._action))
        for cause in error.details.get("causes") or ():
            code = str(cause.get("message", ""))
            if error.reason == "NonZeroExitCode" and cause.get("reason") == "ExitCode" and code.isdigit():
                self.exit_code = int(code)
                return
        raise error


class PortForward:
    """
    A connection to a port of a pod; `Client.port_forward` makes it, entering opens it.

    Errors  StreamBroken where nothing listens at the port, and where the connection is lost.
    """

    def __init__(self, calls: Calls, action: Action) -> None:
        self._calls = calls
        self._action = action
        self._exits = AsyncExitStack()
        self._connection: Connection | None = None
        self._begun: set[int] = set()

    async def __aenter__(self) -> Self:
        self._connection = await self._exits.enter_async_context(self._calls.connect(self._action, (V4,)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()

    async def send(self, data: bytes) -> None:
        """Send bytes to the port."""
        await self._open.send(0, data)

    async def receive(self) -> bytes:
        """Wait for bytes from the port; empty once its program has closed the connection."""
        while True:
            message = await self._open.receive()
            if message is None:
                return b""
            is_first = message.channel not in self._begun
            self._begun.add(message.channel)
            if is_first and len(message.data) == 2:  # the port's number
                continue
            if message.channel == 1:
                text = " ".join(message.data.decode(errors="replace").split())[:256]
                raise StreamBroken(f"{self._action}: {text}; see whether the pod's program listens there")
            if message.data:
                return message.data

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise RuntimeError(f"{self._action}: it is not open; use it inside `async with`")
        return self._connection


def exec_parameters(command: Sequence[str], *, container: str, tty: bool) -> tuple[tuple[str, str], ...]:
    """
    The query of an exec or attach: a terminal has no stderr of its own.

    >>> exec_parameters(["ls", "-l"], container="web", tty=False)
    (('container', 'web'), ('command', 'ls'), ('command', '-l'), ('stdout', 'true'), ('stderr', 'true'))
    """
    if isinstance(command, str):
        raise TypeError(f"exec {command[:64]!r}: a command is a list of words, such as ['sh', '-c', 'ls | wc']")
    where = (("container", container),) if container else ()
    ends = (("stdout", "true"), ("tty", "true") if tty else ("stderr", "true"))
    return (*where, *(("command", word) for word in command), *ends)
