"""Where the environments of foreign clients are made."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.foreign import environments


def test_a_folder_named_from_here_is_the_same_for_programs_that_work_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Go builds in the folder of its sources: what `make foreign` names relative to its own must not end up there."""
    made: list[Path] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environments, "environments", lambda: iter([("go", made.append)]))
    monkeypatch.setattr(sys, "argv", ["environments", "--into", ".venv/foreign"])
    environments.main()
    assert made == [tmp_path / ".venv" / "foreign" / "go"]
