"""
The guides of docs/howto/index.md do what they say: the files of all pages are put into one folder, and tested.

A page's Python blocks are files with names that no other page has; those called test_*.py are its tests.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.snippets import ROOT, files_of, run_pytest, write_files

INDEX = (ROOT / "docs" / "howto" / "index.md").read_text()
PAGES = [f"docs/howto/{name}.md" for name in re.findall(r"^[a-z][a-z-]+$", INDEX, flags=re.MULTILINE)]


def files_of_all_pages() -> dict[str, str]:
    """The files of every page, by name."""
    found: dict[str, str] = {}
    for page in PAGES:
        files = files_of(page)
        assert not found.keys() & files.keys(), f"{page}: another page has a file of this name"
        found |= files
    return found


def test_every_controller_of_a_guide_is_tested_on_its_page() -> None:
    """What a page shows at work is imported by a test of the same page."""
    assert PAGES
    for page in PAGES:
        files = files_of(page)
        tests = "".join(text for name, text in files.items() if name.startswith("test_"))
        for name in files:
            module = name.removesuffix(".py")
            assert name.startswith("test_") or name.endswith(".yaml") or f"from {module} import" in tests, (page, name)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_every_guide_passes_its_tests(tmp_path: Path) -> None:
    """As a reader would run them, all at once."""
    files = files_of_all_pages()
    write_files(files, tmp_path)
    tests = sum(text.count("\nasync def test_") + text.count("\ndef test_") for text in files.values())
    passed = re.search(r"(\d+) passed", run_pytest(tmp_path, timeout_s=300))
    assert passed is not None
    assert int(passed[1]) >= tests > len(PAGES)  # more where one is run with several values


@pytest.mark.long
@pytest.mark.timeout(400)
def test_every_controller_of_a_guide_is_well_typed(tmp_path: Path) -> None:
    """Under mypy --strict, with nothing but what the page shows."""
    files = files_of_all_pages()
    write_files(files, tmp_path)
    programs = [name for name in files if name.endswith(".py") and not name.startswith("test_")]
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", *programs]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "MYPY_FORCE_COLOR": "0"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
