"""The README's controller and its test run as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n# (?P<name>\w+\.py)\n(?P<text>.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def test_the_readmes_controller_passes_the_readmes_test(tmp_path: Path) -> None:
    """Each block goes into the file its first line names; pytest is called as the text says."""
    readme = (ROOT / "README.md").read_text()
    names = []
    for block in BLOCK.finditer(readme):
        (tmp_path / block["name"]).write_text(block["text"])
        names.append(block["name"])
    assert names == ["greeting.py", "conftest.py", "test_greeting.py"]
    assert "`pytest -o asyncio_mode=auto`" in readme
    command = [sys.executable, "-m", "pytest", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_readmes_controller_is_about_thirty_lines() -> None:
    """Blank lines and imports aside."""
    text = next(block["text"] for block in BLOCK.finditer((ROOT / "README.md").read_text()))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("import ", "from "))]
    assert len(lines) <= 32
