"""The pictures of the documentation are those that `make pictures` takes, and pages show them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.pictures import BYTES_MAX, FOLDER, PICTURES

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def test_each_picture_is_there_and_small() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.png" for name in PICTURES}
    for path in FOLDER.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size <= BYTES_MAX


@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_is_on_a_page_with_words_for_who_cannot_see_it(name: str) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert re.search(rf"!\[[^\]]{{20,}}\]\([^)]*pictures/{name}\.png\)|pictures/{name}\.png\n:alt: .{{20,}}", text)
