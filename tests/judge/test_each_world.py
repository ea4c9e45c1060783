"""The testing guide's story in a World, on our API server and on a real one: what passes here passes there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrlkit.fakes import NoControlPlane
from ctrlkit.fakes.controlplane import programs
from tests.support.snippets import files_of, run_pytest, write_files

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]

_RUN_WITHIN_S = 560
"""A real control plane takes minutes to start on a busy machine."""


def test_the_story_passes_in_each_world(tmp_path: Path) -> None:
    """Three runs of one test."""
    try:
        programs()
    except NoControlPlane as missing:
        pytest.skip(str(missing))
    story = files_of("docs/testing-servers.md")["test_each.py"]
    write_files({"greeting.py": files_of("docs/full-form.md")["greeting.py"], "test_each.py": story}, tmp_path)
    assert "3 passed" in run_pytest(tmp_path, "--control-plane", timeout_s=_RUN_WITHIN_S)
