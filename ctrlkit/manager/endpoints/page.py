"""A picture of a manager as one plain HTML page: no scripts, nothing from elsewhere, everything escaped. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

REFRESH_S: Final = 5

_STYLE: Final = (
    "body{font:13px/1.4 system-ui,sans-serif;margin:1.5em;color:#222;background:#fff}"
    "h1{font-size:1.3em}h2{font-size:1.05em;margin:1.4em 0 .3em}"
    "table{border-collapse:collapse}th,td{border:1px solid #ccc;padding:.15em .5em;text-align:left;vertical-align:top}"
    "th{background:#f2f2f2;font-weight:600}td{font-family:ui-monospace,monospace;overflow-wrap:anywhere}"
    "p{margin:.3em 0;color:#666}"
)


def page(picture: Mapping[str, Any]) -> str:
    """
    The page of what debug.picture() gives: a section for each entry, a table in each.

    >>> print(page({"program": {"name": "<b>"}, "retries": {"rows": [{"key": "demo/a"}], "more": 2}}))
    <!DOCTYPE html>
    ...
    <h2>program</h2>
    <table><tr><th>name</th><td>&lt;b&gt;</td></tr></table>
    <h2>retries</h2>
    <table><tr><th>key</th></tr><tr><td>demo/a</td></tr></table>
    <p>and 2 more</p>
    </body></html>
    """
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{REFRESH_S}">',
            f"<title>ctrlkit</title><style>{_STYLE}</style></head><body>",
            f'<h1>ctrlkit</h1><p>refreshes itself every {REFRESH_S} s; <a href="/debug.json">as JSON</a></p>',
            *(line for title, content in picture.items() for line in _section(title, content)),
            "</body></html>",
        ]
    )


def _section(title: str, content: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2>{_text(title.replace('_', ' '))}</h2>"
    rows = content.get("rows")
    if rows is None:
        yield f"<table>{''.join(f'<tr>{_head(name)}{_cell(value)}</tr>' for name, value in content.items())}</table>"
        return
    if not rows:
        yield "<p>none</p>"
        return
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    lines = (f"<tr>{''.join(_cell(row.get(name)) for name in columns)}</tr>" for row in rows)
    yield f"<table><tr>{''.join(map(_head, columns))}</tr>{''.join(lines)}</table>"
    if content["more"]:
        yield f"<p>and {content['more']} more</p>"


def _head(name: str) -> str:
    return f"<th>{_text(name)}</th>"


def _cell(value: object) -> str:
    return f"<td>{_text(_plain(value))}</td>"


def _plain(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case Mapping():
            return ", ".join(f"{name}: {_plain(part)}" for name, part in value.items())
        case Sequence():
            return "; ".join(map(_plain, value))
    return str(value)


def _text(text: str) -> str:
    return escape(text, quote=True)
