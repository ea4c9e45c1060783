"""The guides of operations do what they say: their snippets are run as a reader would run them, all at once."""

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

PAGES = listed("operations")


def test_every_guide_has_a_test() -> None:
    """A page shows nothing that is not tried."""
    assert [page for page in PAGES if not any(name.startswith("test_") for name in files_of(page))] == []


@pytest.mark.long
def test_every_guide_passes_its_tests(tmp_path: Path) -> None:
    """As a reader would run them, all at once."""
    files = files_of_all(PAGES)
    write_files(files, tmp_path)
    assert passed_in(run_pytest(tmp_path, timeout_s=300)) >= defined_in(files)


@pytest.mark.long
def test_every_program_of_a_guide_is_well_typed(tmp_path: Path) -> None:
    """Under mypy --strict, with nothing but what the pages show."""
    files = files_of_all(PAGES)
    write_files(files, tmp_path)
    check_types(files, tmp_path)
