"""The wheel and the sdist, built once, and fresh environments that have the wheel installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

ROOT = Path(__file__).parents[2]


class Install(Protocol):
    """Makes an environment from a wheel, beside the wheel or in a folder."""

    def __call__(self, wheel: Path, folder: Path | None = None) -> Environment:
        """Make it."""
        ...


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with ctrlkit from a wheel; what ctrlkit needs is borrowed from where these tests run."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Where the wheel went."""
        return next(self.folder.glob("lib/python*/site-packages"))

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run one of its commands in a folder."""
        program, *arguments = command
        return run([str(self.folder / "bin" / program), *arguments], cwd=cwd)

    def pip(self, *arguments: str, cwd: Path) -> None:
        """Run pip for this environment, without a network."""
        done = run([sys.executable, "-m", "pip", "--python", str(self.python), "-qq", *arguments], cwd=cwd)
        assert done.returncode == 0, done.stdout + done.stderr


def run(command: Sequence[str], *, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would: nothing of this run's environment leads it back to this checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST_", "COVERAGE"))}
    environ = kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)


def build(target: str, source: Path, into: Path) -> Path:
    """Build a wheel or an sdist."""
    done = run([sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)], cwd=source)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(into.glob("*.whl" if target == "wheel" else "*.tar.gz"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of this checkout."""
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def install() -> Install:
    """Make an environment in a folder and install the given wheel into it; the folder is the wheel's, or the test's."""

    def make(wheel: Path, folder: Path | None = None) -> Environment:
        environment = Environment(folder or wheel.parent / "environment")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment.folder)], check=True)
        borrowed = sysconfig.get_path("purelib")
        (environment.site_packages / "borrowed.pth").write_text(f"{borrowed}\n", encoding="utf-8")
        environment.pip("install", "--no-compile", "--no-deps", "--no-index", str(wheel), cwd=wheel.parent)
        return environment

    return make


@pytest.fixture(scope="session")
def installed(wheel: Path, install: Install) -> Environment:
    """An environment for tests that leave it as it is."""
    return install(wheel)
