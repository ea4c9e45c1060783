"""The frame of each page: head, style, the way to its content, and a policy that lets a browser load nothing."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from importlib.resources import files
from typing import Final

from ctrlkit.manager.endpoints.pages.markup import Html, joined, tag

STYLE: Final = files("ctrlkit.manager.endpoints.pages").joinpath("style.css").read_text(encoding="utf-8")
_HASH: Final = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E"
    "%3Ccircle cx='4' cy='4' r='3.5' fill='%23{}'/%3E%3C/svg%3E"
)
_COLOURS: Final = {"bad": "c62828", "wait": "b26a00", "good": "2e7d32"}


def document(title: str, mood: str, *, header: Html, main: Html) -> str:
    """
    A whole page.

    Shape   `mood` is `bad`, `wait` or `good`: the colour of the mark in the browser's tab.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="icon", href=_ICON.format(_COLOURS[mood])),
        tag("style", Html(STYLE)),  # a constant, and the only text that is not escaped
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", class_="skip", href="#content"),
        tag("header", header),
        tag("main", main, id="content", tabindex="-1"),
    )
    return joined([Html("<!DOCTYPE html>"), tag("html", head, body, lang="en")], by=Html("\n")) + "\n"
