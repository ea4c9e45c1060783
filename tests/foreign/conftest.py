"""A server for each test, and a way to run a program against it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

import pytest

from tests.foreign.environments import FOLDER
from tests.support.served import served

TIMEOUT_S: Final = 240


@dataclass(frozen=True, slots=True)
class Begun:
    """A program that runs: what it prints, line by line, and its end when it is to read no more."""

    process: subprocess.Popen[str]

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def end(self) -> list[str]:
        """Close its standard input, and return what else it prints; it must end with 0."""
        rest, _ = self.process.communicate(timeout=TIMEOUT_S)
        assert self.process.returncode == 0
        return rest.splitlines()


def skip_without(program: Path) -> None:
    """Skip the test where the program belongs to .venv/foreign and has not been made there."""
    if FOLDER in program.parents and not program.exists():
        pytest.skip(f"`make foreign` has not made the environment {program.relative_to(FOLDER).parts[0]}")


@dataclass(frozen=True, slots=True)
class Stranger:
    """Runs programs against a server, in a folder of their own and with nothing of this machine's settings."""

    kubeconfig: Path
    folder: Path
    namespace: str

    def run(self, program: Path, *arguments: str | Path, **environ: str) -> list[str]:
        """
        Return the lines that a program printed; it must end with 0.

        A program that is in .venv/foreign and has not been made there skips the test.
        """
        skip_without(program)
        done = subprocess.run(
            [program, *arguments],
            cwd=self.folder,
            env=self._environ() | environ,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
        return done.stdout.replace(self.namespace, "NAMESPACE").splitlines()

    @contextmanager
    def begin(self, program: Path, *arguments: str | Path, **environ: str) -> Iterator[Begun]:
        """A program that runs beside the test; it is ended with the block, if it has not ended by then."""
        skip_without(program)
        command, pipe = [program, *arguments], subprocess.PIPE
        with (
            (self.folder / f"{program.name}.log").open("w") as log,
            subprocess.Popen(
                command, cwd=self.folder, env=self._environ() | environ, stdin=pipe, stdout=pipe, stderr=log, text=True
            ) as process,
        ):
            try:
                yield Begun(process)
            finally:
                process.kill()

    def python(self, environment: str, name: str, *arguments: str, **environ: str) -> list[str]:
        """Return the lines that a program of python/ printed, run in an environment; `""` is the tests' own."""
        interpreter = FOLDER / environment / "bin" / "python" if environment else Path(sys.executable)
        return self.run(interpreter, Path(__file__).parent / "python" / name, *arguments, **environ)

    def _environ(self) -> dict[str, str]:
        settings = {"HOME": str(self.folder), "KUBECONFIG": str(self.kubeconfig), "NAMESPACE": self.namespace}
        return settings | {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(params=["apiserver", pytest.param("control_plane", marks=pytest.mark.judge)])
def stranger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stranger]:
    """Programs meet `ctrlkit apiserver`, a process of its own; and, under `make judge`, a kube-apiserver alone."""
    namespace = f"foreign-{token_hex(3)}"
    if request.param == "control_plane":
        plane = request.getfixturevalue("control_plane")
        yield Stranger(Path(plane.kubeconfig), tmp_path, namespace)
        return
    kubeconfig = tmp_path / "kubeconfig"
    with served(kubeconfig, "--loops", "none"):  # programs play the controllers themselves
        yield Stranger(kubeconfig, tmp_path, namespace)
