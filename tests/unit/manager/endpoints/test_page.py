"""The page escapes whatever it is given, and tables are bounded."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.manager.endpoints.page import page
from ctrlkit.manager.endpoints.tables import ROWS_MAX, table

TEXTS = st.text(alphabet=st.sampled_from("<>&\"'/ab=; \n"), max_size=20)
VALUES = st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.lists(TEXTS), st.dictionaries(TEXTS, TEXTS))
ROWS = st.dictionaries(TEXTS, VALUES, max_size=3)


class _Tags(HTMLParser):
    """What a browser would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")
        self._in_cell = tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data


@given(
    st.dictionaries(TEXTS.filter(lambda name: name != "rows"), st.one_of(st.lists(ROWS, max_size=3).map(table), ROWS))
)
def test_for_any_content_there_are_no_tags_but_our_own(picture: dict[str, Any]) -> None:
    """Names and errors come from other people."""
    browser = _Tags()
    browser.feed(page(picture))
    ours = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "a", "table", "tr", "th", "td"}
    assert browser.tags <= ours


def test_a_cell_shows_what_it_was_given() -> None:
    browser = _Tags()
    browser.feed(page({"x": table([{"key": "</td><script>alert(1)</script>", "causes": ["a & b", "c"]}])}))
    assert browser.cells == ["key", "causes", "</td><script>alert(1)</script>", "a & b; c"]


def test_of_many_rows_the_first_are_shown_and_the_rest_counted() -> None:
    found = table({"key": number} for number in range(ROWS_MAX + 7))
    assert (len(found["rows"]), found["more"]) == (ROWS_MAX, 7)
    assert "<p>and 7 more</p>" in page({"keys": found})
