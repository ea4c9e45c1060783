"""Transcripts of terminals in a document: each command is typed again, and must show what is printed."""

from __future__ import annotations

import doctest
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARIES: Final = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)?s\b"), "SECONDS"),
    (re.compile(r"={3,}"), "==="),
    (re.compile(r"\b127\.0\.0\.1:\d+"), "ADDRESS"),
)
_OPTIONS: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_HOME: Final = "/home/you"
_END: Final = re.compile(rb"^END (\d+)\n", re.MULTILINE)
_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Step:
    """A command that is typed, and what the terminal shows of it."""

    command: str
    shown: str


def transcripts(text: str) -> list[list[Step]]:
    """The console blocks of a text, one for each terminal; a line of dots stands for any lines."""
    return [list(_steps(block)) for block in _BLOCK.findall(text)]


def _steps(block: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield Step(command, shown)


@contextmanager
def played(steps: list[Step], folder: Path, environment: Mapping[str, str], *, within_s: float) -> Iterator[None]:
    """
    Type the commands of a terminal in a folder, as the transcript's user, and hold what is shown to the transcript.

    The last command may go on running until the block ends, which interrupts it as Ctrl-C does.

    Errors  AssertionError with what was shown, where that is something else or does not come in time.
    """
    log = folder / f".terminal-{steps[0].command.split()[0]}"
    with log.open("wb") as output:
        shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            seen = 0
            for step in steps:
                assert shell.stdin is not None
                shell.stdin.write(f"{step.command}\necho 'END '$?\n".encode())
                shell.stdin.flush()
                seen += _Screen(log, seen, folder).wait_for(step, within_s, may_go_on=step is steps[-1])
            yield
        finally:
            os.killpg(shell.pid, signal.SIGINT)
            assert shell.stdin is not None
            shell.stdin.close()
            try:
                shell.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(shell.pid, signal.SIGKILL)
                shell.wait()


@dataclass(frozen=True, slots=True)
class _Screen:
    """What a terminal shows after so many bytes."""

    log: Path
    seen: int
    folder: Path

    def wait_for(self, step: Step, within_s: float, *, may_go_on: bool) -> int:
        """Wait for what a step shows; returns how many bytes that was."""
        deadline = time.monotonic() + within_s
        shown = ""
        while time.monotonic() < deadline:
            there = self.log.read_bytes()[self.seen :]
            found = _END.search(there)
            shown = there[: found.start() if found else None].decode()
            if found is not None:
                assert found[1] == b"0", f"{step.command} ended with status {found[1].decode()}:\n{shown}"
                assert self._fits(step.shown, shown), f"{step.command} showed\n{shown}\nand not\n{step.shown}"
                return found.end()
            if may_go_on and self._fits(f"{step.shown.rstrip()}...", shown):
                return len(there)
            time.sleep(_LOOK_S)
        raise AssertionError(f"{step.command} showed within {within_s} s\n{shown}\nand not\n{step.shown}")

    def _fits(self, wanted: str, shown: str) -> bool:
        wanted, shown = wanted.replace(_HOME, "~"), shown.replace(str(self.folder), "~")
        for pattern, word in _VARIES:
            wanted, shown = pattern.sub(word, wanted), pattern.sub(word, shown)
        return doctest.OutputChecker().check_output(wanted, shown, _OPTIONS)
