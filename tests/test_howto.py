"""
The guides of docs/howto/index.md do what they say: the files of all pages are put into one folder, and tested.

A page's Python blocks are files with names that no other page has; those called test_*.py are its tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.snippets import (
    check_types,
    defined_in,
    files_of,
    files_of_all,
    listed,
    passed_in,
    run_pytest,
    write_files,
)

PAGES = listed("index")


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
    files = files_of_all(PAGES)
    write_files(files, tmp_path)
    assert passed_in(run_pytest(tmp_path, timeout_s=300)) >= defined_in(files) > len(PAGES)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_every_controller_of_a_guide_is_well_typed(tmp_path: Path) -> None:
    """Under mypy --strict, with nothing but what the page shows."""
    files = files_of_all(PAGES)
    write_files(files, tmp_path)
    check_types(files, tmp_path)
