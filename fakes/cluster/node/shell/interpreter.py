"""Runs the commands of a shell: variables, redirections, pipes, loops. The commands themselves are in commands.py."""

from __future__ import annotations

import asyncio
import fnmatch
import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ctrlkit.fakes.cluster.node.shell.arithmetic import ArithmeticFailed, evaluate
from ctrlkit.fakes.cluster.node.shell.context import Context, Exit, Input, Io, Leave, Write
from ctrlkit.fakes.cluster.node.shell.syntax import (
    Arithmetic,
    Case,
    Commands,
    For,
    Group,
    If,
    Node,
    Part,
    Pipeline,
    Redirection,
    Simple,
    Substitution,
    Text,
    Variable,
    While,
    Word,
)

NOT_FOUND = 127
_ROUNDS = 1000
"""Rounds of loops at one instant before time passes: a script that never waits must not hold up everybody else."""
_PAUSE_S = 0.01


Command = Callable[["Shell", Io, Sequence[str]], Awaitable[int]]


@dataclass(slots=True, kw_only=True)
class Shell:
    """The state of a running script."""

    context: Context
    commands: Mapping[str, Command]
    variables: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    folder: str = "/"
    status: int = 0
    stops_at_errors: bool = False
    background: list[asyncio.Task[int]] = field(default_factory=list)
    _rounds: int = 0
    _instant: float = 0.0

    @classmethod
    def begin(cls, context: Context, commands: Mapping[str, Command], arguments: Sequence[str] = ()) -> Shell:
        """Return a shell that has run nothing yet."""
        return cls(
            context=context,
            commands=commands,
            variables=dict(context.environment),
            arguments=tuple(arguments),
            folder=context.working_dir or "/",
        )

    def fork(self) -> Shell:
        """Return a copy whose variables and folder are its own."""
        return Shell(
            context=self.context,
            commands=self.commands,
            variables=dict(self.variables),
            arguments=self.arguments,
            folder=self.folder,
            status=self.status,
            stops_at_errors=self.stops_at_errors,
        )

    def path(self, name: str) -> str:
        """Return the absolute path of a name."""
        return posixpath.normpath(posixpath.join(self.folder, name)).replace("//", "/")

    # ---- nodes -------------------------------------------------------------------------------------------------------

    async def run(self, node: Node, io: Io, *, checked: bool = False) -> int:
        """Run commands; `checked` ones may fail under `set -e`."""
        match node:
            case Simple():
                self.status = await self._simple(node, io)
            case Pipeline():
                self.status = await self._pipeline(node, io)
            case Commands():
                return await self._commands(node, io, checked=checked)
            case Group():
                return await self._group(node, io)
            case If():
                return await self._if(node, io)
            case Case():
                return await self._case(node, io)
            case While() | For():
                return await self._loop(node, io)
        if self.status and self.stops_at_errors and not checked:
            raise Exit(self.status)
        return self.status

    async def _commands(self, node: Commands, io: Io, *, checked: bool) -> int:
        for place, (joint, command, is_background) in enumerate(node.items):
            if joint != ";" and (joint == "&&") != (self.status == 0):
                continue
            if is_background:
                work = self.fork().finish(command, io._replace(stdin=Input()))
                self.background.append(asyncio.create_task(work, name="a command in the background"))
                self.status = 0
                continue
            follows = node.items[place + 1][0] if place + 1 < len(node.items) else ";"
            await self.run(command, io, checked=checked or follows != ";")
        return self.status

    async def finish(self, node: Node, io: Io) -> int:
        """Run commands to their end, whatever that is; end what they left in the background."""
        try:
            return await self.run(node, io)
        except Exit as end:
            return end.code
        except Leave:
            return 0
        finally:
            for task in self.background:
                task.cancel()

    async def _group(self, node: Group, io: Io) -> int:
        inner = self.fork() if node.subshell else self
        redirected = await self._redirected(node.redirections, io)
        if redirected is None:
            self.status = 1
        elif node.subshell:
            self.status = await inner.finish(node.body, redirected)
        else:
            self.status = await self.run(node.body, redirected)
        return self.status

    async def _if(self, node: If, io: Io) -> int:
        for condition, body in node.branches:
            if await self.run(condition, io, checked=True) == 0:
                return await self.run(body, io)
        self.status = 0
        return await self.run(node.otherwise, io) if node.otherwise is not None else 0

    async def _case(self, node: Case, io: Io) -> int:
        word = await self._one(node.word, io)
        self.status = 0
        for patterns, body in node.arms:
            for pattern in patterns:
                if fnmatch.fnmatchcase(word, await self._one(pattern, io)):
                    return await self.run(body, io)
        return 0

    async def _loop(self, node: While | For, io: Io) -> int:
        status = 0
        async for _ in self._turns(node, io):
            await self._breathe()
            try:
                status = await self.run(node.body, io)
            except Leave as leave:
                if leave.count > 1:
                    raise Leave(leave.count - 1, goes_on=leave.goes_on) from None
                if not leave.goes_on:
                    break
        self.status = status
        return status

    async def _turns(self, node: While | For, io: Io) -> AsyncIterator[None]:
        if isinstance(node, For):
            words = self.arguments if node.words is None else await self._words(node.words, io)
            for word in words:
                self.variables[node.name] = word
                yield
            return
        while (await self.run(node.condition, io, checked=True) == 0) != node.until:
            yield

    async def _breathe(self) -> None:
        """Let others run, and time pass now and then."""
        now = asyncio.get_running_loop().time()
        self._rounds = self._rounds + 1 if now == self._instant else 0
        self._instant = now
        await asyncio.sleep(_PAUSE_S if self._rounds >= _ROUNDS else 0.0)

    async def _pipeline(self, node: Pipeline, io: Io) -> int:
        tasks = list[asyncio.Task[int]]()
        stdin = io.stdin
        try:
            for command in node.commands[:-1]:
                pipe = asyncio.Queue[bytes | None]()
                inner = io._replace(stdin=stdin, stdout=pipe.put)
                tasks.append(asyncio.create_task(_into(self.fork(), command, inner, pipe), name="a pipe"))
                stdin = Input(_from(pipe))
            if tasks:
                status = await self.fork().finish(node.commands[-1], io._replace(stdin=stdin))
            else:
                status = await self.run(node.commands[-1], io, checked=True)
        finally:
            for task in tasks:
                task.cancel()
        return int(status == 0) if node.negated else status

    async def _simple(self, node: Simple, io: Io) -> int:
        words = await self._words(node.words, io)
        redirected = await self._redirected(node.redirections, io)
        if redirected is None:
            return 1
        values = {name: await self._one(word, io) for name, word in node.assignments}
        if not words:
            self.variables |= values
            return self.status if any(_substitutes(word) for _, word in node.assignments) else 0
        command = self.commands.get(words[0].rpartition("/")[2])
        if command is None:
            await redirected.complain(f"{self.context.name}: {words[0]}: not found")
            return NOT_FOUND
        before = {name: self.variables.get(name) for name in values}
        self.variables |= values
        try:
            return await command(self, redirected, words)
        except OSError as error:
            await redirected.complain(f"{words[0]}: {error.filename}: {error.strerror}")
            return 1
        finally:
            for name, old in before.items():
                if old is None:
                    self.variables.pop(name, None)
                else:
                    self.variables[name] = old

    async def _redirected(self, redirections: Sequence[Redirection], io: Io) -> Io | None:
        """Return the streams of a command; None, with a complaint, if a file cannot be used."""
        for one in redirections:
            target = await self._one(one.target, io)
            try:
                io = self._with(one, target, io)
            except OSError as error:
                await io.complain(f"{self.context.name}: can't open {target}: {error.strerror}")
                return None
        return io

    def _with(self, one: Redirection, target: str, io: Io) -> Io:
        if one.operator == "<":
            return io._replace(
                stdin=Input(text=b"" if target == "/dev/null" else self.context.files.read(self.path(target)))
            )
        if one.operator in (">&", "<&"):
            to = {"1": io.stdout, "2": io.stderr}.get(target, io.stdout)
        else:
            to = self._writer(target, io, append=one.operator == ">>")
        return io._replace(stderr=to) if one.stream == 2 else io._replace(stdout=to)

    def _writer(self, target: str, io: Io, *, append: bool) -> Write:
        if target.startswith("/dev/"):
            to = {"/dev/stdout": io.stdout, "/dev/stderr": io.stderr, "/dev/null": _nowhere}.get(target)
            if to is not None:
                return to
        files, path = self.context.files, self.path(target)
        files.write(path, b"", append=append)

        async def write(data: bytes) -> None:
            files.write(path, data, append=True)

        return write

    # ---- words -------------------------------------------------------------------------------------------------------

    async def _words(self, words: Sequence[Word], io: Io) -> list[str]:
        found = list[str]()
        for word in words:
            found += await self._fields(word, io)
        return found

    async def _one(self, word: Word, io: Io) -> str:
        """Return a word as one text, without splitting it."""
        return "".join([await self._value(part, io) for part in word])

    async def _fields(self, word: Word, io: Io) -> list[str]:
        """Return the texts that a word becomes: what comes of unquoted variables is split, patterns name files."""
        fields, is_pattern = list[str](), False
        current: str | None = None
        for part in word:
            if isinstance(part, Variable) and part.name == "@" and part.quoted:
                if self.arguments:
                    fields += [(current or "") + self.arguments[0], *self.arguments[1:]]
                    current = fields.pop()
                elif not current and len(word) <= 2:  # nothing but the quotation
                    return []
                continue
            value = await self._value(part, io)
            if part.quoted or isinstance(part, Text):
                is_pattern |= not part.quoted and any(letter in value for letter in "*?[")
                current = (current or "") + value
                continue
            pieces = value.split()
            if not pieces:
                continue
            if value[:1].isspace() and current is not None:
                fields.append(current)
                current = None
            fields += [(current or "") + pieces[0], *pieces[1:]]
            current = None if value[-1:].isspace() else fields.pop()
        if current is not None:
            fields.append(current)
        return self._matching(fields) if is_pattern else fields

    def _matching(self, fields: Sequence[str]) -> list[str]:
        return [one for text in fields for one in (sorted(self._paths("", text)) or [text])]

    def _paths(self, folder: str, pattern: str) -> list[str]:
        """Return the names below a folder that fit a pattern, part by part."""
        if pattern.startswith("/"):
            return self._paths(f"{folder}/", pattern.lstrip("/"))
        part, slash, rest = pattern.partition("/")
        if not any(letter in part for letter in "*?["):
            here = [part] if self.context.files.find(self.path(folder + part)) is not None else []
        else:
            place = self.path(folder or ".")
            entry = self.context.files.find(place)
            names = self.context.files.names(place) if place == "/" or (entry and entry.is_folder) else ()
            here = [name for name in names if fnmatch.fnmatchcase(name, part) and (name[0] != "." or part[0] == ".")]
        if not slash:
            return [folder + name for name in here]
        return [path for name in here for path in self._paths(f"{folder}{name}/", rest)]

    async def _value(self, part: Part, io: Io) -> str:
        match part:
            case Text():
                return part.text
            case Variable():
                return await self._variable(part, io)
            case Arithmetic():
                try:
                    return str(evaluate(await self._one(part.expression, io), self.variables))
                except ArithmeticFailed as failure:
                    await io.complain(f"{self.context.name}: arithmetic: {failure}")
                    raise Exit(2) from None
            case Substitution():
                output = bytearray()

                async def collect(data: bytes) -> None:
                    output.extend(data)

                self.status = await self.fork().finish(part.body, io._replace(stdout=collect))
                return output.decode(errors="replace").rstrip("\n")

    async def _variable(self, part: Variable, io: Io) -> str:
        value = self._look_up(part.name)
        operator = part.operator
        if operator == "#":
            return str(len(value or ""))
        is_missing = value is None or (operator.startswith(":") and not value)
        if operator.endswith("+"):
            return "" if is_missing else await self._one(part.default, io)
        if not is_missing or not operator:
            return value or ""
        default = await self._one(part.default, io)
        if operator.endswith("="):
            self.variables[part.name] = default
        elif operator.endswith("?"):
            await io.complain(f"{self.context.name}: {part.name}: {default or 'parameter not set'}")
            raise Exit(2)
        return default

    def _look_up(self, name: str) -> str | None:
        if name.isdecimal():
            words = (self.context.name, *self.arguments)
            return words[int(name)] if int(name) < len(words) else None
        own = {"?": str(self.status), "$": "1", "!": "1", "#": str(len(self.arguments)), "-": ""}
        if name in ("@", "*"):
            return " ".join(self.arguments)
        return own.get(name, self.variables.get(name))


def _substitutes(word: Word) -> bool:
    return any(isinstance(part, Substitution) for part in word)


async def _nowhere(data: bytes) -> None:
    """`/dev/null`."""


async def _into(shell: Shell, command: Node, io: Io, pipe: asyncio.Queue[bytes | None]) -> int:
    """Run a command whose output goes into a pipe; one that is cancelled before its turn has not begun."""
    try:
        return await shell.finish(command, io)
    finally:
        pipe.put_nowait(None)


async def _from(pipe: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
    while (data := await pipe.get()) is not None:
        yield data
