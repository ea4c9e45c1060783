"""The pages for people who come from another framework: their snippets run; tests/foreign has what others do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.snippets import files_of, run_pytest, write_files


@pytest.mark.long
def test_every_snippet_for_users_of_kopf_passes(tmp_path: Path) -> None:
    """Those of ours; before.py is run by tests/foreign, with kopf."""
    write_files(files_of("docs/coming-from-kopf.md"), tmp_path)
    assert "5 passed" in run_pytest(tmp_path)
