"""What pip installs from an index, with all that it depends on: takes a network, so it runs in `make test-all`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import run
from tests.support.production import ROOT

CORE_MB_MAX = 35
MANAGED = ("pip", "setuptools", "pkg_resources", "_distutils_hack")


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("extra", "status"), [("", 1), ("[fakes]", 0)])
def test_a_real_environment(extra: str, status: int, wheel: Path, tmp_path: Path) -> None:
    """`ctrlkit` alone is small and says what the embedded server lacks; with the extra it serves."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    pip = [str(tmp_path / "env/bin/pip"), "install", "-qq", "-c", str(ROOT / "constraints.txt")]
    done = run([*pip, f"ctrlkit{extra} @ {wheel.as_uri()}"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    if not extra:
        (packages,) = (tmp_path / "env").glob("lib/python*/site-packages")
        bytes_used = sum(
            path.stat().st_blocks * 512
            for top in packages.iterdir()
            if not top.name.startswith(MANAGED)
            for path in (top.rglob("*") if top.is_dir() else (top,))
        )
        assert bytes_used / 1e6 <= CORE_MB_MAX
    serve = [str(tmp_path / "env/bin/ctrlkit"), "apiserver"]
    with subprocess.Popen(serve, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        began = server.stdout.readline()
        server.terminate()
        _, said = server.communicate()
    assert (server.returncode, began.startswith("ready ")) == (status, status == 0)
    assert ("pip install 'ctrlkit[fakes]'" in said) is (status == 1)
