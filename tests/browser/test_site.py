"""The site of the documentation in a browser: every page readable by all, at two widths, in light and in dark."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.support import LOOKS, Look, View, viewing
from tests.support.snippets import ROOT

pytestmark = pytest.mark.long
WIDE_AND_NARROW = (Look(1440, "light"), Look(360, "dark"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` makes it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--builder", "html", "--quiet", "docs", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    return folder


@pytest.fixture
def view(chromium: Browser) -> Iterator[View]:
    """A window of its own."""
    with viewing(chromium) as view:
        yield view


@pytest.mark.timeout(3600)
def test_every_page_is_accessible_and_loads_nothing_from_elsewhere(site: Path, view: View) -> None:
    """By axe's rules, the start page in every look; what is wrong is told by page and look."""
    wrong: dict[str, list[str]] = {}
    for path in sorted(site.rglob("*.html")):
        view.open(path)
        for look in view.looks(LOOKS if path == site / "index.html" else WIDE_AND_NARROW):
            if problems := view.problems():
                wrong[f"{path.relative_to(site)} {look}"] = problems
    assert wrong == {}
    assert view.elsewhere == []


def test_a_word_is_found_by_the_search_without_a_network(site: Path, view: View) -> None:
    """From a file, as one who has only built the site has it."""
    view.page.goto(f"{(site / 'search.html').as_uri()}?q=finalizer")
    view.page.get_by_role("link", name="The short form").first.wait_for()
    assert view.elsewhere == []


@pytest.mark.parametrize(
    ("query", "page"),
    [("finalizer", "howto/finalizers"), ("retries", "howto/retries"), ("WorkQueue", "reference/queues")],
)
def test_a_search_for_words_shows_guides_first_and_one_for_a_name_the_reference(
    site: Path, view: View, query: str, page: str
) -> None:
    """Before all but the words of the glossary."""
    view.page.goto(f"{(site / 'search.html').as_uri()}?q={query}")
    found = view.page.locator("#search-results li > a:not([href*=glossary])").first
    found.wait_for()
    assert f"/{page}.html" in str(found.evaluate("link => link.href"))


def test_the_page_for_what_is_not_there_leads_back(site: Path) -> None:
    """From whichever address: its links begin at the top of the site, and it needs no other file."""
    text = (site / "404.html").read_text(encoding="utf-8")
    assert 'href="/index.html"' in text
    assert "<link" not in text
    assert "src=" not in text
