"""How commands of the shell are named, and how their options are read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from ctrlkit.fakes.cluster.node.shell.context import Io
from ctrlkit.fakes.cluster.node.shell.interpreter import Command, Shell

COMMANDS: Final[dict[str, Command]] = {}
"""All commands, by name."""

Options = Mapping[str, str]
WithOptions = Callable[[Shell, Io, Options, Sequence[str]], Awaitable[int]]


def command(*names: str) -> Callable[[Command], Command]:
    """Make a function the command of these names; it gets all words."""

    def add(run: Command) -> Command:
        COMMANDS.update(dict.fromkeys(names, run))
        return run

    return add


def with_options(*names: str, known: str = "", valued: str = "") -> Callable[[WithOptions], WithOptions]:
    """Make a function a command that gets its options by letter, and the words that are none."""

    def add(run: WithOptions) -> WithOptions:
        async def call(shell: Shell, io: Io, words: Sequence[str]) -> int:
            try:
                options, rest = split_options(words[1:], known, valued)
            except ValueError as error:
                await io.complain(f"{words[0]}: unrecognized option: {error}")
                return 1
            return await run(shell, io, options, rest)

        COMMANDS.update(dict.fromkeys(names, call))
        return run

    return add


def split_options(words: Sequence[str], known: str, valued: str) -> tuple[dict[str, str], list[str]]:
    """
    Split words in options and the rest. Errors: ValueError for an option that is not known.

    >>> split_options(["-fn", "3", "a"], "f", "n"), split_options(["-5", "a"], "", "n")
    (({'f': '', 'n': '3'}, ['a']), ({'n': '5'}, ['a']))
    """
    found, rest = dict[str, str](), list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if "n" in valued and word[1:].isdecimal():
            found["n"] = word[1:]
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in valued:
                found[letter] = letters or (rest.pop(0) if rest else "")
                break
            if letter not in known:
                raise ValueError(letter)
            found[letter] = ""
    return found, rest
