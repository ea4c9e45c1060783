"""What the theme's pages lack for those who listen to them or use no mouse, put right in the HTML that was written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

REPAIRS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), repair)
    for pattern, repair in (
        # A heading of the navigation says how deep it is.
        (r'<p class="caption" role="heading">', '<p class="caption" role="heading" aria-level="2">'),
        # Two landmarks of one kind have names.
        (r'<aside class="sidebar-drawer">', '<aside class="sidebar-drawer" aria-label="Pages">'),
        (r'<aside class="toc-drawer', '<aside aria-label="On this page" class="toc-drawer'),
        # What scrolls sideways can be scrolled with the keyboard.
        (r"<pre>", '<pre tabindex="0">'),
        (r'<div class="table-wrapper ', '<div tabindex="0" class="table-wrapper '),
        # A header without a word is none.
        (r'<th class="[^"]*">(?:<p></p>)?</th>', "<td></td>"),
    )
)


_SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
# A signature in several lines is no list of definitions.
_LINES = {"<dl>": '<span class="sig-lines">', "</dl>": "</span>", "<dd>": '<span class="sig-line">', "</dd>": "</span>"}


def _plain_lines(signature: re.Match[str]) -> str:
    return re.sub("|".join(_LINES), lambda tag: _LINES[tag[0]], signature[0])


def repaired(html: str) -> str:
    """
    A page with all repairs; once more changes nothing.

    >>> repaired('<aside class="sidebar-drawer"><pre>')
    '<aside class="sidebar-drawer" aria-label="Pages"><pre tabindex="0">'
    >>> repaired('<dt class="sig py">f(<dl><dd>x</dd></dl>)</dt>')
    '<dt class="sig py">f(<span class="sig-lines"><span class="sig-line">x</span></span>)</dt>'
    """
    for pattern, repair in REPAIRS:
        html = pattern.sub(repair, html)
    return _SIGNATURE.sub(_plain_lines, html)


def repair_pages(app: Sphinx, exception: Exception | None) -> None:
    """Repair every page of a site that was made."""
    if exception is None and app.builder.format == "html":
        for path in Path(app.outdir).rglob("*.html"):
            html = path.read_text(encoding="utf-8")
            if (better := repaired(html)) != html:
                path.write_text(better, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.connect("build-finished", repair_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
