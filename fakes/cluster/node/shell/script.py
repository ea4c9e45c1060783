"""Which command lines are scripts of the shell, and how they are run."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ctrlkit.fakes.cluster.node.shell import builtins, file_commands
from ctrlkit.fakes.cluster.node.shell.context import Context, Exit, Input, Io, Leave
from ctrlkit.fakes.cluster.node.shell.interpreter import Shell
from ctrlkit.fakes.cluster.node.shell.keyboard import Keyboard
from ctrlkit.fakes.cluster.node.shell.parser import parse
from ctrlkit.fakes.cluster.node.shell.registry import COMMANDS
from ctrlkit.fakes.cluster.node.shell.syntax import Commands, ShellSyntaxError, Simple, Text, names_in

SHELLS: Final = frozenset({"sh", "bash", "ash", "dash"})
_HAVE_COMMANDS = (builtins, file_commands)
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Script:
    """A command line of the shell: what it says, or None for a shell that reads what to do from stdin."""

    name: str
    body: Commands | None
    arguments: tuple[str, ...] = ()
    stops_at_errors: bool = False

    async def run(self, context: Context) -> int:
        """Run to the end; return the exit code. Cancelling ends it at once."""
        shell = Shell.begin(context, COMMANDS, self.arguments)
        shell.stops_at_errors = self.stops_at_errors
        if self.body is None:
            return await _converse(shell, context)
        io = Io(Input(context.stdin), context.stdout, context.stderr)
        return await shell.finish(self.body, io)


@functools.lru_cache(maxsize=512)
def find_command(command: tuple[str, ...]) -> Script | None:
    """
    Return the script of a command that is to be run in a container; None for a program that is not there.

    >>> find_command(("/bin/sh", "-c", "curl web")) is None, find_command(("curl", "web")) is None
    (False, True)
    """
    if not command:
        return None
    name = command[0].rpartition("/")[2]
    if name in SHELLS:
        return _of_shell(name, command[1:])
    if name not in COMMANDS:
        return None
    words = tuple((Text(word, quoted=True),) for word in (name, *command[1:]))
    return Script("sh", Commands(((";", Simple(words), False),)))


def read_script(command: Sequence[str]) -> Script | None:
    """
    Return the script of a container's command, if the shell knows all that it says.

    >>> read_script(["sh", "-c", "sleep 30; exit 3"]) is None, read_script(["sh", "-c", "curl web"]) is None
    (False, True)
    """
    return _known(tuple(command))


@functools.lru_cache(maxsize=512)
def _known(command: tuple[str, ...]) -> Script | None:
    script = find_command(command)
    if script is None or script.body is None:
        return script
    names = [name and name.rpartition("/")[2] for name in names_in(script.body)]
    return script if all(name in COMMANDS for name in names) else None


def _of_shell(name: str, words: Sequence[str]) -> Script | None:
    """Read the command line of a shell: `-c TEXT NAME ARGUMENT...`, or nothing but flags."""
    rest = list(words)
    stops, has_text = False, False
    while rest and re.fullmatch(r"-[cileux]+|--login|-o|pipefail", rest[0]):
        flags = rest.pop(0)
        stops |= "e" in flags and flags.startswith("-") and not flags.startswith("--")
        has_text |= "c" in flags and not flags.startswith("--")
    if not has_text:
        return None if rest else Script(name, None, stops_at_errors=stops)
    if not rest:
        return None
    try:
        return Script(name, parse(rest[0]), tuple(rest[2:]), stops)
    except (ShellSyntaxError, RecursionError):
        return None


async def _converse(shell: Shell, context: Context) -> int:
    """Run what is typed, or sent, line by line."""
    keyboard = Keyboard(context, prompt=f"{context.name}-5.2# " if context.name == "bash" else "/ # ")
    io = Io(Input(context.stdin) if not context.tty else Input(), keyboard.write, keyboard.complain)
    reading = asyncio.create_task(keyboard.read(), name="what is typed")
    text = ""
    try:
        while (line := await keyboard.line(io.stdin, goes_on=bool(text))) is not None:
            text += line
            try:
                body = parse(text)
            except ShellSyntaxError as error:
                if "end of file" in str(error) and line:
                    continue
                await io.complain(f"{context.name}: {error}")
                text, shell.status = "", 2
                continue
            text = ""
            await _run_line(shell, body, io, keyboard if context.tty else None)
    except Exit as end:
        return end.code
    finally:
        reading.cancel()
    return shell.status


async def _run_line(shell: Shell, body: Commands, io: Io, keyboard: Keyboard | None) -> None:
    """Run one line, which Ctrl-C ends at a terminal. Errors: Exit."""
    work = asyncio.create_task(shell.run(body, io), name="a line of a shell")
    watching = {asyncio.create_task(keyboard.interrupted(), name="Ctrl-C")} if keyboard is not None else set()
    try:
        await asyncio.wait({work, *watching}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        else:
            shell.status = _INTERRUPTED
    except Leave:
        pass
    finally:
        for task in (work, *watching):
            task.cancel()
        await asyncio.wait({work, *watching})
