"""The README's controller and its test run as printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.snippets import ROOT, files_of, run_pytest, write_files
from tests.support.transcripts import played, transcripts


def test_the_readmes_controller_passes_the_readmes_test(tmp_path: Path) -> None:
    """Each block goes into the file its first line names; pytest is called as the text says."""
    files = files_of("README.md")
    assert list(files) == ["greeting.py", "test_greeting.py"]
    assert "`pytest`" in (ROOT / "README.md").read_text()
    write_files(files, tmp_path)
    assert "1 passed" in run_pytest(tmp_path)


def test_the_start_page_of_the_site_shows_the_readmes_controller_and_test() -> None:
    """The same two files: what runs for one runs for the other."""
    assert files_of("docs/index.md") == files_of("README.md")


def test_the_readmes_controller_is_about_twenty_lines() -> None:
    """Blank lines and imports aside."""
    text = files_of("README.md")["greeting.py"]
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("import ", "from "))]
    assert len(lines) <= 20


@pytest.mark.parametrize("document", ["README.md", "docs/full-form.md"])
def test_a_controller_that_is_shown_first_passes_mypy_strict(tmp_path: Path, document: str) -> None:
    """As a reader's own project would check it; with the settings of `make lint`, whose cache it finds then."""
    write_files({"greeting.py": files_of(document)["greeting.py"]}, tmp_path)
    settings = [f"--config-file={ROOT / 'pyproject.toml'}", f"--cache-dir={ROOT / '.mypy_cache'}"]
    command = [sys.executable, "-m", "mypy", "--strict", *settings, "greeting.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_walk_to_an_operator_is_as_printed(tmp_path: Path) -> None:
    """Both terminals, each command with what it shows, but for times: from an empty folder to objects and back."""
    first, second = transcripts((ROOT / "README.md").read_text(encoding="utf-8"))
    assert first[0].command == "ctrlkit init cache-operator"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {
        "PATH": path,
        "HOME": str(tmp_path),
        "CTRLKIT_ENDPOINTS_ADDRESS": "127.0.0.1:0",
        "CTRLKIT_LOG_FORMAT": "console",  # as on a terminal
    }
    with (
        played(first, tmp_path, environment, within_s=100),
        played(second, tmp_path / "cache-operator", environment, within_s=60),
    ):
        assert yaml.safe_load((tmp_path / "cache-operator" / ".kubeconfig").read_text())["kind"] == "Config"
