"""The tests of the how-to guides pass on a real kube-apiserver, as far as they need no time to pass and no faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrlkit.fakes import NoControlPlane
from ctrlkit.fakes.controlplane import programs
from tests.support.snippets import ROOT, files_of_all, listed, passed_in, run_pytest, write_files

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]

ON_A_REAL_SERVER = 28
"""So many tests at least ask for nothing that a real server cannot have."""


def test_the_guides_pass_on_a_real_server(tmp_path: Path) -> None:
    """Their own tests, unchanged: only the fixture `world` is another one."""
    try:
        programs()
    except NoControlPlane as missing:
        pytest.skip(str(missing))
    write_files(files_of_all(listed("index")), tmp_path)
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "judge" / "real_world.py").read_text())
    without = ("test_service.py", "test_sites_5_real.py")  # they bring their own server
    said = run_pytest(tmp_path, "-o", "asyncio_mode=auto", *(f"--ignore={name}" for name in without), timeout_s=560)
    assert passed_in(said) >= ON_A_REAL_SERVER
