"""
Tests run against mutants, in processes of their own; the tree on disk stays as it is.

The parent imports what is not ours and forks for each mutant. The child has its import system give out the mutated
module, and runs pytest. What fails, hangs or ends in another way than by success has noticed.

pytest's own rewriting of asserts is off: it reads modules of this distribution from their files, mutated or not.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

from tests.mutation.mutants import Mutant
from tests.mutation.rooms import ROOT

MEMORY_MAX: Final = 4 << 30
"""Bytes a child may map: a mutant that never stops collecting ends there."""
OK, NO_TESTS, BAD_USAGE = 0, 5, 4
"""Exit statuses of pytest."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the tests took one mutant: `noticed` or not, by what (the first line that says so), and in how long."""

    mutant: Mutant
    noticed: bool
    by: str
    took_s: float


class RunFailed(Exception):
    """Tests could not be run at all; the message has what they said."""


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads one module from code that is not its file's."""

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        return self._code


class _Finder:
    """Finds one module, before anybody else does."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self._name, self._path, self._code = name, str(path), code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _Loader(fullname, self._path, self._code)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


def preload() -> None:
    """Import what no test should have to import again: nothing of ours."""
    for name in (
        "pytest",
        "hypothesis",
        "aiohttp.web",
        "msgspec",
        "structlog",
        "prometheus_client",
        "yaml",
        "pytest_asyncio",
    ):
        importlib.import_module(name)
    ours = sorted(name for name in sys.modules if name.partition(".")[0] == "ctrlkit")
    if ours:
        raise RunFailed(f"these would not be mutated, for they are imported already: {', '.join(ours)}")


def seconds_unchanged(tests: Sequence[str]) -> float:
    """How long these tests take on the code as it is, the module in front; RunFailed where they do not pass."""
    began = time.monotonic()
    child = _Child(tests, partial(_import, tests[0]))
    status = child.wait(deadline=began + 1800)
    if status != OK:
        raise RunFailed(f"the tests do not pass on the code as it is: {child.said()}")
    return time.monotonic() - began


def outcomes(mutants: Sequence[tuple[Mutant, Sequence[str]]], *, limit_s: float, jobs: int) -> Iterator[Outcome]:
    """Try each mutant with its tests, `jobs` at a time, in order of their ends."""
    waiting, running = list(reversed(mutants)), dict[int, tuple[Mutant, _Child]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant, tests = waiting.pop()
            child = _Child(tests, partial(_install, mutant))
            running[child.pid] = (mutant, child)
        for pid, (mutant, child) in tuple(running.items()):
            status = child.poll(limit_s=limit_s)
            if status is None:
                continue
            del running[pid]
            if status in (NO_TESTS, BAD_USAGE):
                raise RunFailed(f"{mutant.id}: pytest ended with status {status}: {child.said()}")
            yield Outcome(mutant, status != OK, "" if status == OK else child.noticed_by(status), child.took_s)
        time.sleep(0.02)


def _install(mutant: Mutant) -> None:
    """From now on in this process, this module is the mutant."""
    path = ROOT / mutant.module
    code = compile(mutant.tree(path.read_text()), str(path), "exec", dont_inherit=True)
    sys.meta_path.insert(0, _Finder(_name(mutant.module), path, code))
    _import(mutant.module)


def _import(module: str) -> None:
    """
    Import a module before pytest does.

    pytest would load a module whose file it is given a second time, after others have imported it, and an object of the
    one would be none of the other.
    """
    importlib.import_module(_name(module))


def _name(module: str) -> str:
    return module.removesuffix(".py").replace("/", ".")


class _Child:
    """A process that runs pytest after a preparation."""

    def __init__(self, tests: Sequence[str], prepare: Callable[[], None]) -> None:
        self.began = time.monotonic()
        self.took_s = 0.0
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - it is read when the child has ended
        self._hung = False
        self.pid = os.fork()
        if not self.pid:
            self._run(tests, prepare)

    def _run(self, tests: Sequence[str], prepare: Callable[[], None]) -> None:
        status = 70
        try:
            os.setsid()
            for stream in (1, 2):
                os.dup2(self._output.fileno(), stream)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
            prepare()
            import pytest

            quiet = ["-p", "no:cacheprovider", "--assert=plain", "--hypothesis-seed=0"]
            status = int(pytest.main(["-x", "-q", "--no-header", "--tb=line", "--timeout=100", *quiet, *tests]))
        finally:
            sys.stdout.flush()
            os._exit(status)

    def poll(self, *, limit_s: float) -> int | None:
        """Its status, if it has ended; after the limit it is ended."""
        if time.monotonic() - self.began > limit_s:
            self._hung = True
            os.killpg(self.pid, signal.SIGKILL)
        pid, status = os.waitpid(self.pid, 0 if self._hung else os.WNOHANG)
        if not pid:
            return None
        self.took_s = time.monotonic() - self.began
        return os.waitstatus_to_exitcode(status)

    def wait(self, *, deadline: float) -> int:
        """Its status, once it has ended."""
        while (status := self.poll(limit_s=deadline - self.began)) is None:
            time.sleep(0.05)
        return status

    def said(self) -> str:
        """The end of what it wrote."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")[-2000:]

    def noticed_by(self, status: int) -> str:
        """The test that failed, or what else came of it."""
        if self._hung:
            return "it hung"
        lines = self.said().splitlines()
        return next((line for line in lines if line.startswith(("FAILED", "ERROR"))), f"it ended with status {status}")
