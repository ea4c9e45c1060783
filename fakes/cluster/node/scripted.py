"""
Plays what an image declares without a process: when it is ready, what it writes, how it ends, what it answers.

An undeclared image is played too: a stand-in that runs and is ready, and says what it is where it is asked to do more.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from inspect import isawaitable
from typing import Any, cast

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.images.declarations import (
    CommandAnswer,
    ExecAnswer,
    Exits,
    Image,
    Line,
    ProbeAnswer,
    ProbeAnswers,
)
from ctrlkit.fakes.cluster.node.images.usage import Usage, command_keys, probe_keys
from ctrlkit.fakes.cluster.node.probe_texts import grpc_answer, http_answer, refused
from ctrlkit.fakes.cluster.node.programs import AlwaysReady
from ctrlkit.fakes.cluster.node.runtime import (
    CommandResult,
    ContainerRefused,
    ContainerSpec,
    Exec,
    Grpc,
    HttpGet,
    ProbeAction,
    ProbeResult,
    TcpSocket,
)
from ctrlkit.fakes.cluster.node.shell import Context, find_command, read_script
from ctrlkit.fakes.cluster.node.talks import Output, show
from ctrlkit.fakes.cluster.node.web_pages import serve_pages
from ctrlkit.fakes.tracker.refusals import internal_error
from ctrlkit.fakes.tracker.runtime import Streams

NOTHING_RUNS = 126
"""The exit status of a command in a container in which there is nothing to run."""

_STAND_IN = Image()
_Work = Coroutine[Any, Any, None]
Write = Callable[[bytes], Awaitable[None]]


def stand_in_note(image: str) -> str:
    """
    Say that an image is not declared.

    >>> stand_in_note("web:2")
    'Image "web:2" is not declared: a stand-in for it runs and is ready, and does nothing'
    """
    return f'Image "{image}" is not declared: a stand-in for it runs and is ready, and does nothing'


class ScriptedProgram(AlwaysReady):
    """
    The program of one run of a container; `start` counts the runs from 1. Without an image it is a stand-in.

    `exit()`, `ready` and `log` are for tests, as with every program of this kind.
    """

    def __init__(
        self, image: Image | None, spec: ContainerSpec, address: str, *, start: int = 1, usage: Usage | None = None
    ) -> None:
        super().__init__()
        self.ended: Exits | None = None
        self._is_declared = image is not None
        self._image = image = image or _STAND_IN
        self._spec = spec
        self._address = address
        self._exits = image.exits_at(start)
        self._script = read_script((*spec.command, *spec.args) or image.command) if image.exits is None else None
        self._output = Output(log=self.log)
        self._typed = asyncio.Queue[bytes | None]() if spec.stdin and self._script is not None else None
        self._has_shell = image.shell or self._script is not None
        self._ready_at = clock.monotonic() + image.ready_after_s
        path = image.access_log
        self._access_log = path if any(path.startswith(f"{mount}/") for mount, _ in spec.files.mounts()) else ""
        if self._access_log:
            spec.files.write(self._access_log, b"", append=True)
        self._asked: dict[object, int] = {}
        self._usage = usage
        if usage is not None:
            for action in spec.probes:
                usage.note_probe(action)
            for command in spec.hooks:
                usage.note_command(command)

    async def run(self) -> int:
        """Do what the image declares until it ends by itself, by `exit()` or because it is asked to."""
        lines: Sequence[str | Line] = self._image.logs
        if not self._is_declared and self._script is None:
            lines = [f"ctrlkit: {stand_in_note(self._spec.image)}"]
        background = [
            asyncio.create_task(work, name=f"work of {self._spec.id.name}")
            for work in (*self._writing(lines), *self._work())
        ]
        try:
            return await super().run()
        except asyncio.CancelledError:
            stops = self._image.stops
            if stops is None:
                raise
            await _pass(stops.after_s)
            self.ended = stops
            return stops.return_code
        finally:
            for task in background:
                task.cancel()
            self._output.close()

    def _writing(self, lines: Sequence[str | Line]) -> list[_Work]:
        """Write the first lines; what is left is to be written later."""
        later: list[_Work] = []
        for line in lines:
            timed = Line(line) if isinstance(line, str) else line
            if timed.after_s or timed.every_s:
                later.append(self._write_later(timed))
            else:
                self.log.write(timed.text)
        return later

    async def _write_later(self, line: Line) -> None:
        await asyncio.sleep(line.after_s)
        self.log.write(line.text)
        while line.every_s > 0:
            await asyncio.sleep(line.every_s)
            self.log.write(line.text)

    def _work(self) -> list[_Work]:
        """What it does until it ends by itself, if it does."""
        if self._exits is not None:
            return [self._end_later(self._exits)]
        return [self._run_script()] if self._script is not None else []

    async def _end_later(self, exits: Exits) -> None:
        await _pass(exits.after_s)
        self.ended = exits
        self.exit(exits.return_code)

    async def _run_script(self) -> None:
        assert self._script is not None  # otherwise this is not run
        stdin = self._stdin(self._typed) if self._typed is not None else None
        stdout, stderr = self._output.writer("stdout"), self._output.writer("stderr")
        code = await self._script.run(self._context(stdout, stderr, stdin, tty=self._spec.tty))
        self._output.close()
        self.exit(code)

    async def _stdin(self, typed: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
        while (data := await typed.get()) is not None:
            yield data

    async def attach(self, streams: Streams) -> None:
        """Connect streams to what its script writes from now on, and what it reads, until it ends."""
        typing = asyncio.create_task(self._type(streams.stdin), name=f"stdin of {self._spec.id.name}")
        try:
            await show(self._output, streams)
        finally:
            typing.cancel()

    async def _type(self, stdin: AsyncIterator[bytes] | None) -> None:
        if self._typed is None or stdin is None:
            return
        try:
            async for data in stdin:
                self._typed.put_nowait(data)
        finally:
            if self._spec.stdin_once:
                self._typed.put_nowait(None)

    def has_pages_at(self, port: int) -> bool:
        """Whether it serves pages at a port now."""
        image = self._image
        is_ready = self.ready and clock.monotonic() >= self._ready_at
        return bool(image.pages) and is_ready and port in (image.ports or (port,))

    async def serve(self, streams: Streams) -> None:
        """Answer the requests of one connection."""
        await serve_pages(self._image.pages, streams, self._note_request)

    def _note_request(self, line: str) -> None:
        if self._access_log:
            self._spec.files.write(self._access_log, f"{line}\n".encode(), append=True)
        else:
            self.log.write(line)

    @property
    def has_script(self) -> bool:
        """Whether it runs a script, to which streams can be attached."""
        return self._script is not None

    def _context(
        self, stdout: Write, stderr: Write, stdin: AsyncIterator[bytes] | None = None, *, tty: bool = False
    ) -> Context:
        """What a script in the container runs in."""
        return Context(
            environment=self._spec.environment,
            stdout=stdout,
            stderr=stderr,
            files=self._spec.files,
            stdin=stdin,
            hostname=self._spec.environment.get("HOSTNAME", "localhost"),
            working_dir=self._spec.working_dir or "/",
            tty=tty,
        )

    # ---- probes ------------------------------------------------------------------------------------------------------

    async def probe(self, action: ProbeAction) -> ProbeResult:
        """Answer a probe as the image declares."""
        result = self.answer(action)
        if result is not None:
            return result
        _, answers = self._answers(action)
        if callable(answers):
            answer: ProbeAnswer | ProbeResult = await _value(answers(action))
            return answer if isinstance(answer, ProbeResult) else _result(action, answer, self._address)
        assert isinstance(action, Exec)  # commands alone are answered otherwise
        done = await self.run_command(action.command)
        return ProbeResult(ok=done.exit_code == 0, output=done.output)

    def answer(self, action: ProbeAction) -> ProbeResult | None:
        """Answer a probe as the image declares; None where a function or a command has to say."""
        port = getattr(action, "port", None)
        is_closed = port is not None and self._image.ports and port not in self._image.ports
        if is_closed or clock.monotonic() < self._ready_at:
            return _closed(action, self._address)
        if not self.ready:
            return ProbeResult(ok=False, output="not ready")
        key, answers = self._answers(action)
        if answers is None or callable(answers):
            return None
        count = self._asked.get(key, 0)
        self._asked[key] = count + 1
        return _result(action, _answer_at(answers, count), self._address)

    def _answers(self, action: ProbeAction) -> tuple[object, ProbeAnswers | None]:
        """Return the answers to a probe and what they are counted by; None if a command is to say."""
        declared = self._image.probes
        if not isinstance(declared, Mapping):
            is_silent = declared is True and isinstance(action, Exec)
            return action, None if is_silent else declared
        for key in probe_keys(action):
            if key in declared:
                return key, declared[key]
        return action, None if isinstance(action, Exec) else True

    # ---- commands ----------------------------------------------------------------------------------------------------

    async def run_command(self, command: Sequence[str]) -> CommandResult:
        """Run a command for a hook or a probe; where nothing is declared, it passes. Errors: ContainerRefused."""
        if self._image.execs is None and not self._has_shell:
            return CommandResult(0)
        output = bytearray()

        async def collect(data: bytes) -> None:
            output.extend(data)

        code = await self._run(tuple(command), Streams(stdin=None, stdout=collect, stderr=collect))
        if code is None:
            raise ContainerRefused("RunContainerError", _no_program(command))
        return CommandResult(code, output.decode(errors="replace"))

    async def exec(self, command: tuple[str, ...], streams: Streams) -> int:
        """Run a command for a client, as the image declares."""
        if self._image.execs is None and not self._has_shell:
            await streams.stderr(f"ctrlkit: {self._no_commands()}; {command[0]} was not run\n".encode())
            return NOTHING_RUNS
        code = await self._run(command, streams)
        if code is None:
            raise internal_error(f"error executing command in container: {_no_program(command)}")
        return code

    async def _run(self, command: tuple[str, ...], streams: Streams) -> int | None:
        """Run a command: as it is declared, or in the shell. None if it is in neither."""
        answer = await self._answer(command)
        if answer is not None:
            for text, write in ((answer.output, streams.stdout), (answer.error, streams.stderr)):
                if text:
                    await write(text.encode())
            return answer.exit_code
        script = find_command(command) if self._has_shell else None
        if script is None:
            return None
        return await script.run(self._context(streams.stdout, streams.stderr, streams.stdin, tty=streams.tty))

    def _no_commands(self) -> str:
        if self._is_declared:
            return f'the image "{self._spec.image}" is declared without commands'
        return stand_in_note(self._spec.image)

    async def _answer(self, command: tuple[str, ...]) -> CommandAnswer | None:
        execs = self._image.execs
        if self._usage is not None:
            self._usage.note_command(command)
        if execs is None:
            return None
        given: ExecAnswer | None = await _value(execs(command) if callable(execs) else _declared_for(execs, command))
        if given is None:
            return None
        answer = _whole(given)
        if answer.takes_s:
            await _pass(answer.takes_s)
        return answer


def _whole(answer: ExecAnswer) -> CommandAnswer:
    """Return all that a command does; a text is a line at least."""
    match answer:
        case str(text):
            return CommandAnswer(output=text if text.endswith("\n") or not text else f"{text}\n")
        case int(code):
            return CommandAnswer(exit_code=code)
    return answer


async def _pass(duration_s: float) -> None:
    """Let time pass, without an end where it never comes."""
    if math.isinf(duration_s):
        await asyncio.get_running_loop().create_future()
    await asyncio.sleep(duration_s)


async def _value(given: Any) -> Any:
    """What a function of a test returned, or what its coroutine returns."""
    return await given if isawaitable(given) else given


def _answer_at(answers: ProbeAnswer | Sequence[ProbeAnswer | object], count: int) -> ProbeAnswer:
    """
    Return the answer to a probe that was asked so often before.

    >>> [_answer_at([True, False], count) for count in range(4)]
    [True, False, False, False]
    >>> [_answer_at([True, False, ...], count) for count in range(4)]
    [True, False, True, False]
    """
    if isinstance(answers, bool | int | str):
        return answers
    turns = [answer for answer in answers if answer is not ...]
    if not turns:
        return True
    place = count % len(turns) if len(turns) < len(answers) else min(count, len(turns) - 1)
    return cast("ProbeAnswer", turns[place])


def _result(action: ProbeAction, answer: ProbeAnswer, address: str) -> ProbeResult:
    """Return what an answer means for a probe."""
    if isinstance(answer, str):
        return ProbeResult(ok=False, output=answer)
    is_good = answer if isinstance(answer, bool) else None
    match action:
        case HttpGet():
            return http_answer(answer if is_good is None else 200 if is_good else 500)
        case Grpc():
            return grpc_answer("SERVING" if (answer == 0 if is_good is None else is_good) else "NOT_SERVING")
    is_passed = answer == 0 if is_good is None else is_good
    if isinstance(action, TcpSocket) and not is_passed:
        return refused(action, address)
    return ProbeResult(ok=is_passed)


def _closed(action: ProbeAction, address: str) -> ProbeResult:
    """Return what a probe finds where nothing listens yet."""
    return ProbeResult(ok=False, output="not ready") if isinstance(action, Exec) else refused(action, address)


def _declared_for(execs: Mapping[str, ExecAnswer], command: tuple[str, ...]) -> ExecAnswer | None:
    """
    Return the answer to a command: that of the whole, or of the most words at its beginning.

    >>> _declared_for({"cli info": "1", "cli": 3}, ("/usr/bin/cli", "info")), _declared_for({"cli": 3}, ("cli", "x"))
    ('1', 3)
    """
    return next((execs[key] for key in command_keys(command) if key in execs), None)


def _no_program(command: Sequence[str]) -> str:
    return f'exec: "{"".join(command[:1])}": executable file not found in $PATH'
