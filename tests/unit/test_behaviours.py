"""Every row of docs/behaviours.md that is built is shown by a test, or docs/deviations.md says how we differ."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SECTIONS = tuple(f"1.{number}" for number in range(1, 16))
"""The sections of docs/behaviours.md of which each row must be shown; a section that is built is added here."""
BETTER = range(1, 33)
"""The rows of section 3, of what to do better, that must be shown."""

_ROW = re.compile(r"^\| ([A-Z]\d+)\b", re.MULTILINE)
_MARK = re.compile(r"@pytest\.mark\.behaviour\(([^)]*)\)")
_FIRST_CELL = re.compile(r"^\| ([^|]*) \|", re.MULTILINE)
_RANGE = re.compile(r"\b([A-Z])(\d+) to \1(\d+)\b")
_ID = re.compile(r"\b[A-Z]\d+\b")


def demanded() -> list[str]:
    """The rows of the sections, and those of section 3."""
    document = (ROOT / "docs" / "behaviours.md").read_text()
    sections = dict(re.findall(r"^## (\d+\.\d+) (.*?)(?=^#)", document, flags=re.MULTILINE | re.DOTALL))
    rows = [row for section in SECTIONS for row in _ROW.findall(sections[section])]
    better = [f"B{number}" for number in BETTER]
    assert set(better) <= set(_ROW.findall(document))
    return rows + better


def shown() -> set[str]:
    """The rows that tests are marked with."""
    return {row for path in ROOT.glob("tests/**/*.py") for row in marked_in(path.read_text())}


def marked_in(source: str) -> Iterator[str]:
    """The rows in the marks of a test file."""
    for arguments in _MARK.findall(source):
        yield from re.findall(r'"(\w+)"', arguments)


def deviations() -> set[str]:
    """The rows that the tables of docs/deviations.md are about."""
    document = (ROOT / "docs" / "deviations.md").read_text()
    return {row for cell in _FIRST_CELL.findall(document) for row in named_in(cell)}


def named_in(cell: str) -> Iterator[str]:
    """The rows that a cell names, those within its ranges too."""
    yield from _ID.findall(cell)
    for letter, first, last in _RANGE.findall(cell):
        yield from (f"{letter}{number}" for number in range(int(first), int(last) + 1))


def test_every_row_that_is_built_is_shown_or_a_deviation() -> None:
    """A row without either is named here: mark the test that shows it, or write the line that says why not."""
    rows, answered = demanded(), shown() | deviations()
    assert {"R1", "R27", "D14", "B26"} <= set(rows)
    assert [row for row in rows if row not in answered] == []


def test_every_mark_names_a_row() -> None:
    """A slip in a mark would show nothing."""
    rows = set(_ROW.findall((ROOT / "docs" / "behaviours.md").read_text()))
    assert shown() - rows == set()


@pytest.mark.parametrize(
    ("cell", "rows"), [("R9, B18", {"R9", "B18"}), ("T7 to T9, B5", {"T7", "T8", "T9", "B5"}), ("row", set())]
)
def test_ranges_are_read(cell: str, rows: set[str]) -> None:
    """As they stand in the tables."""
    assert set(named_in(cell)) == rows
