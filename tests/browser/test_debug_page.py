"""The debug page and the pages of keys, as an operator's browser shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.scenes import SCENES, pages_of
from tests.browser.support import HOST, LOOKS, View, viewing


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest) -> str:
    """The name of each scene."""
    return str(request.param)


def views_of(scene: str, browser: Browser) -> Iterator[tuple[str, View]]:
    """Each page of a scene in a window."""
    for number, html in enumerate(pages_of(scene).values()):
        with viewing(browser, pages={"/debug": html}.get) as view:
            view.open(f"http://{HOST}/debug")
            yield f"{scene}-{number}", view


def test_a_page_can_be_used_by_everybody_at_any_width_in_light_and_dark(
    chromium: Browser, scene: str, tmp_path: Path
) -> None:
    """Axe finds nothing, nothing sticks out of the window, and nothing is loaded from elsewhere."""
    found: dict[str, list[str]] = {}
    for name, view in views_of(scene, chromium):
        for look in view.looks():
            found[f"{name}-{look}"] = view.problems()
            view.photograph(tmp_path / f"{name}-{look}.png", whole=False)
        assert view.elsewhere == []
        assert not view.page.evaluate("document.scripts.length")
    assert {where: problems for where, problems in found.items() if problems} == {}


def test_what_was_folded_fits_too(chromium: Browser) -> None:
    with viewing(chromium, pages={"/debug": pages_of("trouble")["/debug"]}.get) as view:
        view.open(f"http://{HOST}/debug")
        view.page.locator("#failing ~ details summary").click()
        assert view.page.locator("#failing ~ details tbody tr").count() == 80
        for look in view.looks():
            assert view.too_wide() == [], look


def test_headings_are_in_order_and_tables_have_captions(chromium: Browser) -> None:
    for _, view in views_of("trouble", chromium):
        levels = view.page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((each) => +each.tagName[1])")
        assert (levels[0], set(levels[1:])) == (1, {2})
        assert view.page.evaluate("[...document.querySelectorAll('table')].every((each) => each.caption.textContent)")


def test_who_has_no_mouse_gets_to_the_content_first_and_sees_where_they_are(chromium: Browser) -> None:
    with viewing(chromium, pages={"/debug": pages_of("well")["/debug"]}.get) as view:
        view.open(f"http://{HOST}/debug")
        view.page.keyboard.press("Tab")
        skip = view.page.locator(":focus")
        assert skip.inner_text() == "Skip to the content"
        assert skip.bounding_box()["x"] == 0  # type: ignore[index]  # it is on the page while it has the focus
        view.page.keyboard.press("Enter")
        view.page.keyboard.press("Tab")
        assert view.page.locator(":focus").get_attribute("name") == "key", "what comes first is the filter"
        assert view.page.locator(":focus").evaluate("(each) => getComputedStyle(each).outlineStyle") == "solid"


def test_the_form_asks_for_keys_by_a_link_that_can_be_passed_on(chromium: Browser) -> None:
    asked: list[str] = []

    def answer(path: str) -> str:
        asked.append(path)
        return pages_of("trouble")["/debug"]

    with viewing(chromium, pages=answer) as view:
        view.open(f"http://{HOST}/debug")
        view.page.get_by_label("Key has").fill("demo/a b")
        view.page.get_by_role("combobox").select_option("greetings")
        view.page.get_by_role("button", name="Show").click()
        view.page.get_by_role("link", name="demo/fails-1", exact=True).first.click()
    assert asked == ["/debug", "/debug?key=demo%2Fa+b&controller=greetings",
                     "/debug/key?controller=greetings&key=demo%2Ffails-1"]  # fmt: skip


def test_on_paper_there_is_nothing_to_press(chromium: Browser) -> None:
    with viewing(chromium, pages={"/debug": pages_of("trouble")["/debug"]}.get) as view:
        view.open(f"http://{HOST}/debug")
        view.page.emulate_media(media="print")
        for gone in ("form", "nav", ".skip"):
            assert not view.page.locator(gone).is_visible()
        assert view.page.locator("#failing").is_visible()


def test_numbers_stand_below_one_another(chromium: Browser) -> None:
    """The right edges of the cells of a column of numbers are one line, wherever the table is a table."""
    with viewing(chromium, pages={"/debug": pages_of("trouble")["/debug"]}.get) as view:
        view.open(f"http://{HOST}/debug")
        for _ in view.looks(LOOKS[-1:]):
            edges = view.page.evaluate(
                "[...document.querySelectorAll('section[aria-labelledby=failing] tbody tr td:last-child div')]"
                ".map((each) => { const r = document.createRange(); r.selectNodeContents(each);"
                " return Math.round(r.getBoundingClientRect().right); })"
            )
            assert len(edges) > 20
            assert len(set(edges[:20])) == 1
