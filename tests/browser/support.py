"""
Looks at pages in a real Chromium: at three widths, in light and in dark, with axe's rules of accessibility.

    with viewing(chromium, pages={"/debug": html}.get) as view:
        view.open("http://page.test/debug")         # or view.open(path_of_a_file)
        for look in view.looks():
            assert view.problems() == [], look
            view.photograph(tmp_path / f"{look}.png")
        assert view.elsewhere == []

The browser is that of the machine: `$CHROMIUM`, or `chromium` on the PATH. It reaches files and what `pages` answers,
and nothing else: what a page asks for besides is refused, and listed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, sync_playwright

CHROMIUM: Final = os.environ.get("CHROMIUM") or shutil.which("chromium")
MISSING: Final = "needs a Chromium: name it in $CHROMIUM, or have `chromium` on the PATH"
HOST: Final = "page.test"
"""The host whose pages `pages` answers."""

WIDTHS: Final = (360, 800, 1440)
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
HEIGHT: Final = 900

_STICKS_OUT = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  const out = [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > wide + 1);
  const own = out.filter((e) => ![...e.children].some((c) => out.includes(c)));
  const told = (e) => e.tagName.toLowerCase() + (e.className && "." + e.className) + ": " + e.textContent.trim();
  return own.map((e) => `to ${Math.round(e.getBoundingClientRect().right)} of ${wide}: ${told(e).slice(0, 90)}`);
}"""


@dataclass(frozen=True, slots=True)
class Look:
    """
    A window's width in CSS pixels, and the colours that its owner prefers.

    >>> str(Look(360, "dark"))
    '360-dark'
    """

    width: int
    scheme: Literal["light", "dark"]

    def __str__(self) -> str:
        return f"{self.width}-{self.scheme}"


LOOKS: Final = tuple(Look(width, scheme) for width, scheme in product(WIDTHS, SCHEMES))


@dataclass
class View:
    """A window of the browser, and the URLs that its pages asked for in vain."""

    page: Page
    elsewhere: list[str] = field(default_factory=list)

    def open(self, where: str | Path) -> None:
        """Open a URL, or a file."""
        self.page.goto(where.resolve().as_uri() if isinstance(where, Path) else where)

    def looks(self, looks: tuple[Look, ...] = LOOKS) -> Iterator[Look]:
        """Change the window to each look; the page stays open."""
        for look in looks:
            self.page.set_viewport_size({"width": look.width, "height": HEIGHT})
            self.page.emulate_media(color_scheme=look.scheme)
            yield look

    def problems(self) -> list[str]:
        """What axe finds wrong with the page as it looks now, and what sticks out of the window sideways."""
        found = cast("dict[str, Any]", Axe().run(self.page).response)
        return [
            *(
                f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:200]} [{node['failureSummary']}]"
                for rule in found["violations"]
                for node in rule["nodes"]
            ),
            *self.too_wide(),
        ]

    def too_wide(self) -> list[str]:
        """What sticks out of the window sideways."""
        return [f"sticks out: {each}" for each in self.page.evaluate(_STICKS_OUT)]

    def photograph(self, path: Path, *, whole: bool = True) -> None:
        """Write a PNG of the whole page, or of what the window shows."""
        self.page.screenshot(path=path, full_page=whole, animations="disabled")


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser for as long as this lasts; RuntimeError where there is none."""
    if CHROMIUM is None:
        raise RuntimeError(MISSING)
    options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def viewing(browser: Browser, *, pages: Callable[[str], str | None] = lambda _path: None) -> Iterator[View]:
    """
    A window with a profile of its own.

    `pages` has the HTML of a path with its query, of http://page.test alone; None is 404.
    """
    context = browser.new_context(reduced_motion="reduce")
    view = View(context.new_page())

    def answer(route: Route) -> None:
        url = urlsplit(route.request.url)
        if url.scheme in ("file", "data"):
            route.continue_()
        elif url.hostname == HOST:
            html = pages(f"{url.path}?{url.query}" if url.query else url.path)
            found = html is not None
            route.fulfill(status=200 if found else 404, content_type="text/html; charset=utf-8", body=html or "404")
        else:
            view.elsewhere.append(route.request.url)
            route.abort()

    context.route("**/*", answer)
    try:
        yield view
    finally:
        context.close()
