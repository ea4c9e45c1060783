"""The snippets of a document as the files they say they are, and pytest run over them as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
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


def listed(index: str) -> list[str]:
    """The pages that an index of guides, docs/howto/INDEX.md, has in its lists: a name a line."""
    names = re.findall(r"^[a-z][a-z-]+$", (ROOT / "docs" / "howto" / f"{index}.md").read_text(), flags=re.MULTILINE)
    return [f"docs/howto/{name}.md" for name in names]


def files_of_all(documents: Iterable[str]) -> dict[str, str]:
    """The files of several documents, for one folder; AssertionError where two have a file of one name."""
    found: dict[str, str] = {}
    for document in documents:
        files = files_of(document)
        assert not found.keys() & files.keys(), f"{document}: another page has a file of this name"
        found |= files
    return found


def defined_in(files: Mapping[str, str]) -> int:
    """How many tests the files define; pytest counts more where one is run with several values."""
    return sum(text.count("\nasync def test_") + text.count("\ndef test_") for text in files.values())


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


def passed_in(said: str) -> int:
    """How many tests have passed, as pytest says."""
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None, said
    return int(passed[1])


def check_types(files: Mapping[str, str], folder: Path) -> None:
    """The programs among files that are in a folder pass mypy --strict, with nothing but them."""
    programs = [name for name in files if name.endswith(".py") and not name.startswith("test_")]
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", *programs]
    environment = {**os.environ, "MYPY_FORCE_COLOR": "0"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
