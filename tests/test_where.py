"""docs/where.md and the tables of docs/architecture.md say where things are, as the tree has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| ([^|]+) \| `([^`|]+)` \| `([^`|]+)` \|", re.MULTILINE)
FOLDER = re.compile(r"^\| `([a-z_/]+)` \| ", re.MULTILINE)
TABLES = {"ctrlkit": "ctrlkit/", "fakes": "fakes/", "controllers": "controllers/"}


@pytest.mark.parametrize(("what", "where", "name"), ROW.findall((ROOT / "docs" / "where.md").read_text()))
def test_what_the_page_names_is_there(what: str, where: str, name: str) -> None:
    """The file exists, and the name is in it as a whole word."""
    assert re.search(rf"\b{re.escape(name)}\b", (ROOT / where).read_text()), f"{what}: {where} has no {name}"


def test_the_page_has_a_line_for_each_kind_of_thing() -> None:
    """A rule of a kind, a metric, a log line, an error and a setting, at least."""
    whats = " ".join(what for what, _, _ in ROW.findall((ROOT / "docs" / "where.md").read_text()))
    for word in ("a rule for", "a metric", "a log line", "an error", "a setting"):
        assert word in whats


def folders_with_code(root: Path) -> Iterator[str]:
    """The folders below a root that have modules of their own, but for packages that only gather others."""
    for folder in sorted(path for path in root.rglob("*") if path.is_dir() and "__pycache__" not in path.parts):
        if not folder.is_symlink() and any(path.stem != "__init__" for path in folder.glob("*.py")):
            yield str(folder.relative_to(root))


@pytest.mark.parametrize("root", TABLES)
def test_each_folder_of_code_has_its_row_in_the_architecture(root: str) -> None:
    """And no row is about a folder that is gone."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.partition(f"| folder of `{TABLES[root]}`")[2].partition("\n\n")[0]
    rows = FOLDER.findall(table)
    assert len(rows) == len(set(rows))
    assert {row for row in rows if not (ROOT / root / row).is_dir()} == set()
    assert set(folders_with_code(ROOT / root)) - set(rows) == set()
