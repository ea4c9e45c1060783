"""
Programs of this machine that images run, and what pods may pass to them.

Everything from a pod that reaches a process must be declared: an undeclared command, probe or argument keeps the
container from starting, and the message names what is declared. So whoever may create pods on a server may run these
programs, and nothing else, as the user of the runtime.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ctrlkit.fakes.cluster.node.images.values import by_name, check_fields, flag, several, text
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused

_SHOWN_MAX = 64


@dataclass(frozen=True, slots=True)
class Place:
    """The address of a container's pod, the container's folder, its settings, and the tag of its image."""

    address: str
    folder: Path
    settings: Mapping[str, str]
    tag: str = ""

    def put_into(self, text: str) -> str:
        """
        Replace `{address}`, `{folder}` and `{tag}`.

        >>> Place("127.16.0.1", Path("/tmp/pod"), {}).put_into("-bind={address} -datadir={folder}/data")
        '-bind=127.16.0.1 -datadir=/tmp/pod/data'
        """
        return text.replace("{address}", self.address).replace("{folder}", str(self.folder)).replace("{tag}", self.tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """
    A program of an image, and everything that a pod may pass to it.

    >>> echo = Program(argv=("/bin/echo",), own=("-n",), flags={"-e": ""}, commands={"hello": "[a-z]+"})
    >>> echo.command_line(["-e", "hello", "world"], Place("127.16.0.1", Path("/tmp"), {}))
    ('/bin/echo', '-n', '-e', 'hello', 'world')

    Shape   `argv` starts the program on this machine; `own` are arguments that always come first, with `{address}`,
            `{folder}` and `{tag}` replaced, and `where_absent` those that come next where a pod does not pass a flag,
            by the flag. `flags` maps the flags that a pod may add to a regular expression for the whole value, '' for a
            flag without one; `ignored` are more of them, which mean nothing on this machine. `paths` maps paths in the
            image to paths on this machine. `commands` maps words that may follow the flags to an expression for each
            word after them. With `forks`, `argv` is a `python -m PACKAGE` that forks of one interpreter run: those of a
            package that fork_server.py can run.
    Errors  ContainerRefused from `command_line`; its message shows no values.
    """

    argv: tuple[str, ...]
    own: tuple[str, ...] = ()
    where_absent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    forks: bool = False

    def __post_init__(self) -> None:
        """Check what it says."""
        texts, texts_by_name = several(text), by_name(text)
        check_fields(self, {"argv": texts, "own": texts, "where_absent": by_name(texts), "forks": flag})
        check_fields(self, dict.fromkeys(("flags", "ignored", "paths", "commands"), texts_by_name))

    def command_line(self, arguments: Sequence[str], place: Place) -> tuple[str, ...]:
        """Return the command line to run for the arguments of a pod."""
        count = next((i for i, text in enumerate(arguments) if not text.startswith("-")), len(arguments))
        flags = [self._read_flag(flag, place) for flag in arguments[:count]]
        words = arguments[count:]
        self._check_words(words)
        given = {flag.partition("=")[0] for flag in arguments[:count]}
        more = [text for name, texts in self.where_absent.items() if name not in given for text in texts]
        return (*self.argv, *map(place.put_into, (*self.own, *more)), *filter(None, flags), *words)

    def _read_flag(self, flag: str, place: Place) -> str:
        """Return what a flag is here; nothing for one that is ignored."""
        name, separator, value = flag.partition("=")
        allowed = {**self.flags, **self.ignored}
        if name not in allowed:
            raise refused(f"{shown(name)} is no flag that a pod may pass here; those are: {listed(allowed)}")
        if not re.fullmatch(allowed[name], value):
            raise refused(f"{name} may not have this value here; one has to match {allowed[name]!r}")
        if name in self.ignored:
            return ""
        return name + separator + place.put_into(self.paths[value]) if value in self.paths else flag

    def _check_words(self, words: Sequence[str]) -> None:
        if not words:
            return
        command, *more = words
        if command not in self.commands:
            raise refused(
                f"{shown(command)} is no command that a pod may give here; those are: {listed(self.commands)}"
            )
        if not all(re.fullmatch(self.commands[command], word) for word in more):
            raise refused(
                f"{command} may not have these words behind it here; each has to match {self.commands[command]!r}"
            )


def refused(fact: str) -> ContainerRefused:
    """A container that cannot run what its pod asks for."""
    return ContainerRefused("RunContainerError", fact)


def shown(text: str) -> str:
    """Quote a text of a pod, cut off where it is long."""
    return repr(text[:_SHOWN_MAX])


def listed(names: Mapping[str, object]) -> str:
    """Name what there is."""
    return ", ".join(names) or "none"
