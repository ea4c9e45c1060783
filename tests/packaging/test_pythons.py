"""Other Pythons of this machine run a selection of the tests; `make pythons` makes their environments."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.pythons import FOLDER, ROOT, others

SELECTION = (
    "--deselect=tests/test_readme.py::test_the_readmes_controller_passes_mypy_strict",  # mypy runs on one Python
    "README.md",
    "tests/examples",
    "tests/test_readme.py",
    "tests/unit/cache",
    "tests/unit/controller",
    "tests/unit/fakes/tracker",
    "tests/unit/model",
    "tests/unit/wire",
    "tests/unit/workqueue",
)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", others())
def test_a_selection_of_the_tests_passes(version: str) -> None:
    """Units of each floor, the fakes, the examples and the README's controller."""
    python = FOLDER / version / "bin" / "python"
    if not python.exists():
        pytest.skip(f"there is no Python {version} on this machine, or `make pythons` has not been run")
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", *SELECTION]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
