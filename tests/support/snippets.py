"""The snippets of a document as the files they say they are, and pytest run over them as a reader would."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_BLOCK = re.compile(
    r"^```(?:python|yaml)\n# (?P<name>\w+\.(?P<kind>py|yaml))\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_PYTHON = re.compile(r"^```python\n", flags=re.MULTILINE)


def files_of(document: str) -> dict[str, str]:
    """
    The files of a document below the root, by name: each Python block names its file in its first line, YAML may.

    Errors  AssertionError for a Python block that names none, as nobody would run it.
    """
    text = (ROOT / document).read_text()
    blocks = list(_BLOCK.finditer(text))
    of_python = [block for block in blocks if block["kind"] == "py"]
    assert len(of_python) == len(_PYTHON.findall(text)), f"a Python block of {document} does not name its file"
    files = {block["name"]: block["text"] for block in blocks}
    assert len(files) == len(blocks), f"two blocks of {document} have one name"
    return files


def write_files(files: dict[str, str], folder: Path) -> None:
    """Put files into a folder."""
    for name, text in files.items():
        (folder / name).write_text(text)


def run_pytest(folder: Path, *arguments: str, timeout_s: float = 100) -> str:
    """What pytest says in a folder, where it must pass."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=timeout_s)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
