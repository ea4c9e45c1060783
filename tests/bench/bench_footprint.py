"""
What does `pip install ctrlkit` cost on disk, and a controller that is started and has nothing to do?

Budget   35 MB beside pip; 30 ms of processor for `import ctrlkit`; 400 ms until the caches of an example are filled;
         55 MB of memory when idle.
Sketch   aiohttp and what it needs are 13 MB on disk, PyYAML 4, we 7, with bytecode. aiohttp takes half of the start and
         30 MB of the memory, of which the interpreter has 9.
Method   The files of ctrlkit and of all it requires without extras, in whole blocks, bytecode included. `ctrlkit run`
         of an example against our API server in another process, the packages of extras shut out; best of 3.
Run      make bench ARGS=footprint
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement

from tests.bench.case import Figure
from tests.support.production import ALONE, ROOT, Cost, cost_of_run

BLOCK_BYTES = 4096
IMPORTING = "import time\nbefore = time.process_time()\nimport {}\nprint((time.process_time() - before) * 1000)"


def cases() -> list[Figure]:
    """Disk, import, start and memory."""
    return [
        Figure(name="footprint: ctrlkit and what it needs, on disk", take=_disk_mb, unit="MB", budget=35),
        Figure(name="footprint: import ctrlkit", take=lambda: _import_ms("ctrlkit"), unit="ms", budget=30),
        Figure(name="footprint: import aiohttp", take=lambda: _import_ms("aiohttp"), unit="ms", budget=None),
        Figure(
            name="footprint: start to filled caches of an example",
            take=lambda: min(cost.start_ms for cost in _runs()),
            unit="ms",
            budget=400,
        ),
        Figure(
            name="footprint: memory of an idle controller",
            take=lambda: min(cost.idle_mb for cost in _runs()),
            unit="MB",
            budget=55,
        ),
    ]


@cache
def _runs() -> list[Cost]:
    return [cost_of_run("ex1_greeting:greet", idle_s=3.0, installed=Path(_installed().name)) for _ in range(3)]


@cache
def _installed() -> TemporaryDirectory[str]:
    """A folder with ctrlkit as pip installs it, bytecode included."""
    folder = TemporaryDirectory()
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-build-isolation", "--target", folder.name]
    subprocess.run([*pip, str(ROOT)], check=True)
    return folder


def _import_ms(module: str) -> float:
    command = [sys.executable, "-c", ALONE + IMPORTING.format(module)]
    return min(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(5))


def _disk_mb() -> float:
    files = {path for path in Path(_installed().name).rglob("*") if path.is_file()}
    files |= {Path(str(file.locate())) for name in _required("ctrlkit") for file in distribution(name).files or ()}
    return sum(-(-path.stat().st_size // BLOCK_BYTES) for path in files if path.exists()) * BLOCK_BYTES / 1e6


def _required(name: str) -> Iterator[str]:
    """The packages that a package needs, and what these need, without extras."""
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name
            yield from _required(requirement.name)
