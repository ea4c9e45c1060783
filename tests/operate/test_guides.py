"""The guides of operations do what they say: their snippets are run as a reader would run them, all at once."""

from __future__ import annotations

from pathlib import Path

from tests.support.snippets import ROOT, files_of, run_pytest, write_files

PAGES = [
    "docs/howto/debug.md",
    "docs/howto/memory.md",
    "docs/howto/several-replicas.md",
    "docs/howto/speed.md",
]


def test_every_snippet_about_operations_passes(tmp_path: Path) -> None:
    """The files of all guides in one folder: no two have one name."""
    files: dict[str, str] = {}
    for page in PAGES:
        found = files_of(page)
        assert not found.keys() & files.keys(), f"{page} has a file that another guide has"
        files |= found
    write_files(files, tmp_path)
    said = run_pytest(tmp_path)
    count = sum(text.count("\nasync def test_") + text.count("\ndef test_") for text in files.values())
    assert f"{count} passed" in said
    assert (ROOT / "docs" / "howto").is_dir()
