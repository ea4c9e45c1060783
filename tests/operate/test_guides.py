"""The guides of operations do what they say: their snippets are run as a reader would run them, all at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.snippets import ROOT, files_of, run_pytest, write_files

INDEX = (ROOT / "docs" / "howto" / "operations.md").read_text(encoding="utf-8")
PAGES = [f"docs/howto/{name}.md" for name in re.findall(r"^[a-z][a-z-]+$", INDEX, flags=re.MULTILINE)]


def files_of_all_pages() -> dict[str, str]:
    """The files of every page, by name."""
    found: dict[str, str] = {}
    for page in PAGES:
        files = files_of(page)
        assert not found.keys() & files.keys(), f"{page}: another page has a file of this name"
        found |= files
    return found


def test_every_guide_has_a_test() -> None:
    """A page shows nothing that is not tried."""
    assert [page for page in PAGES if not any(name.startswith("test_") for name in files_of(page))] == []


@pytest.mark.long
def test_every_guide_passes_its_tests(tmp_path: Path) -> None:
    """As a reader would run them, all at once."""
    files = files_of_all_pages()
    write_files(files, tmp_path)
    tests = sum(text.count("\nasync def test_") + text.count("\ndef test_") for text in files.values())
    passed = re.search(r"(\d+) passed", run_pytest(tmp_path, timeout_s=300))
    assert passed is not None
    assert int(passed[1]) >= tests


@pytest.mark.long
def test_every_program_of_a_guide_is_well_typed(tmp_path: Path) -> None:
    """Under mypy --strict, with nothing but what the pages show."""
    files = files_of_all_pages()
    write_files(files, tmp_path)
    programs = [name for name in files if name.endswith(".py") and not name.startswith("test_")]
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", *programs]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
