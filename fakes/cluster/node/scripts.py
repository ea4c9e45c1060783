"""
Programs in this process that end: with an exit code, after a time, or where a small script says so.

A script is what stands in a container's command: `true`, `false`, `exit N`, `sleep N`, `echo TEXT` and `date`, joined
by `;`, `&&`, `||` or new lines where a shell is to run it (`sh -c "sleep 30; exit 3"`), with variables of its
environment. A command of anything else is no script, and its container runs until it is stopped.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.inprocess_runtime import AlwaysReady, InProcessProgramFactory
from ctrlkit.fakes.cluster.node.runtime import ContainerSpec

_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_JOINTS = frozenset({";", "&&", "||"})
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a script, and what joins it to the one before; it is run, or not, by how that one ended."""

    joint: str
    words: tuple[str, ...]


class Exits(AlwaysReady):
    """
    A program that ends with an exit code, after a time.

        world.runtime.run_image("report", lambda address, spec: Exits(3, after_s=60))
    """

    def __init__(self, code: int = 0, *, after_s: float = 0.0) -> None:
        super().__init__()
        self._code = code
        self._after_s = after_s

    async def run(self) -> int:
        """Wait for its time, or for `exit()`."""
        work = asyncio.create_task(self.work(), name="work of a program")
        work.add_done_callback(lambda done: None if done.cancelled() else self.exit(done.result()))
        try:
            return await super().run()
        finally:
            work.cancel()

    async def work(self) -> int:
        """Do what the program is there for; return its exit code."""
        await asyncio.sleep(self._after_s)
        return self._code


class Script(Exits):
    """A program that does what a script says; what it prints is its log."""

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__()
        self._steps = steps

    async def work(self) -> int:
        """Run the steps."""
        code = 0
        for step in self._steps:
            if step.joint == ";" or (step.joint == "&&") == (code == 0):
                if step.words[0] == "exit":
                    return int(step.words[1]) % 256 if len(step.words) > 1 else code
                code = await self._run(step.words)
        return code

    async def _run(self, words: Sequence[str]) -> int:
        match words[0]:
            case "false":
                return 1
            case "sleep":
                await asyncio.sleep(sum(map(_seconds, words[1:])))
            case "echo":
                self.log.write(" ".join(words[1:]) + "\n")
            case "date":
                self.log.write(clock.now().strftime("%a %b %e %H:%M:%S UTC %Y"))
            case _:
                pass
        return 0


def program_of(spec: ContainerSpec) -> AlwaysReady:
    """Return the program of a container of any image: its script, or one that runs until it is stopped."""
    steps = read_script(spec)
    return AlwaysReady() if steps is None else Script(steps)


def read_script(spec: ContainerSpec) -> tuple[Step, ...] | None:
    """Return the steps of a container's command; None if it is no script."""
    words = (*spec.command, *spec.args)
    if not words:
        return None
    name = words[0].rpartition("/")[2]
    if name not in _SHELLS:
        steps: Iterable[Step] = [Step(";", (name, *words[1:]))]
    elif len(words) == 3 and re.fullmatch("-[eux]*c", words[1]):
        try:
            steps = list(_split(_VARIABLE.sub(lambda found: spec.environment.get(found[1] or found[2], ""), words[2])))
        except ValueError:  # a quotation that does not end
            return None
    else:
        return None
    return tuple(steps) if all(map(_is_known, steps)) else None


def _split(text: str) -> Iterable[Step]:
    lexer = shlex.shlex(text.replace("\n", ";"), posix=True, punctuation_chars=";&|<>()")
    lexer.whitespace_split = True
    joint, words = ";", list[str]()
    for token in lexer:
        if set(token) <= set(";&|<>()"):
            if words:
                yield Step(joint, tuple(words))
            joint, words = (";" if set(token) == {";"} else token), []
        else:
            words.append(token)
    if words:
        yield Step(joint, tuple(words))


def _is_known(step: Step) -> bool:
    name, *rest = step.words
    if step.joint not in _JOINTS:
        return False
    match name:
        case "true" | "false" | ":" | "echo":
            return True
        case "date":
            return not rest
        case "exit":
            return not rest or (len(rest) == 1 and rest[0].isdecimal())
        case "sleep":
            return bool(rest) and all(re.fullmatch(r"\d+(\.\d+)?[smhd]?", word) for word in rest)
    return False


def _seconds(word: str) -> float:
    number, unit = (word[:-1], word[-1]) if word[-1] in _UNITS_S else (word, "s")
    return float(number) * _UNITS_S[unit]


class AnyImage(Mapping[str, InProcessProgramFactory]):
    """Images for a runtime in which every image exists; its containers run their scripts, or until they are stopped."""

    def __getitem__(self, name: str) -> InProcessProgramFactory:
        return lambda address, spec: program_of(spec)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
