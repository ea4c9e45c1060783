"""The browser's helpers find what is wrong with a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.support import HOST, LOOKS, viewing

_GOOD = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>page</title>
<style>:root{color-scheme:light dark}body{background:#fff;color:#222}
@media(prefers-color-scheme:dark){body{background:#111;color:DARK}}</style>
</head><body><main><h1>A page</h1><p>Some text. MORE</p></main></body></html>"""
GOOD = _GOOD.replace("DARK", "#ddd").replace("MORE", "")


def test_a_good_page_has_no_problem_in_any_look(chromium: Browser, tmp_path: Path) -> None:
    with viewing(chromium, pages={"/": GOOD}.get) as view:
        view.open(f"http://{HOST}/")
        for look in view.looks():
            assert view.problems() == [], look
            view.photograph(tmp_path / f"{look}.png")
        assert view.elsewhere == []
    assert {path.stem for path in tmp_path.iterdir()} == {str(look) for look in LOOKS}


def test_too_little_contrast_in_the_dark_is_found_there(chromium: Browser) -> None:
    with viewing(chromium, pages={"/": _GOOD.replace("DARK", "#333")}.get) as view:
        view.open(f"http://{HOST}/")
        found = {str(look): view.problems() for look in view.looks(LOOKS[:2])}
    assert found["360-light"] == []
    assert any(problem.startswith("color-contrast") for problem in found["360-dark"])


def test_what_is_too_wide_and_what_is_elsewhere_is_found(chromium: Browser, tmp_path: Path) -> None:
    """In a file too."""
    wide = '<span style="display:inline-block;width:500px">wide</span><img alt="" src="http://elsewhere.test/a.png">'
    page = tmp_path / "page.html"
    page.write_text(GOOD.replace("Some text.", wide), encoding="utf-8")
    with viewing(chromium) as view:
        view.open(page)
        found = {str(look): view.problems() for look in view.looks((LOOKS[0], LOOKS[2]))}
        assert view.elsewhere == ["http://elsewhere.test/a.png"]
    assert [problem.split(":")[0] for problem in found["360-light"]] == ["sticks out"]
    assert found["800-light"] == []
