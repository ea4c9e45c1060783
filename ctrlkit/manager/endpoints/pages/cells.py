"""
How a value is shown, by the name of its field: the same name means the same in every section.

A time and the seconds since or until it are one cell; so are a result or a reason and what was said with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from ctrlkit.manager.endpoints.pages.markup import Html, joined, tag
from ctrlkit.manager.endpoints.pages.words import clock_time, duration, label, number, plain

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell stands: `root` leads from its page to the folder of /debug; `now` is the time of the page."""

    root: str
    now: str

    def link(self, path: str, **query: str) -> str:
        """A URL beside /debug; parts of the query that are empty are left out."""
        asked = urlencode({name: value for name, value in query.items() if value})
        return f"{self.root}{path}{'?' if asked else ''}{asked}"


Cell = Callable[[Row, Place], Html]
_PART: Final = re.compile(r"[^/.:_\-]*[/.:_\-]+|[^/.:_\-]+")
_PART_MAX: Final = 24
"""Characters that are kept together, where a name has more they may be broken anywhere."""
_NOTHING: Final = tag("span", Html("&ndash;"), class_="none")


def code(text: str) -> Html:
    """
    A name, or another word of a machine: it may be broken where its parts meet, and elsewhere only if it must be.

    >>> code("demo/net")
    '<span class="name">demo/<wbr>net</span>'
    """
    parts = _PART.findall(text)
    long = any(len(part) > _PART_MAX for part in parts)
    return tag("span", joined(parts, by=tag("wbr")), class_="name long" if long else "name")


def columns(rows: Sequence[Row], first: Sequence[str] = ()) -> list[str]:
    """
    The fields that have a column of their own: some first, then the others as they come.

    >>> columns([{"since": "", "since_s": 1, "key": "a"}], first=["key"])
    ['key', 'since']
    """
    fields = dict.fromkeys(name for row in rows for name in row)
    beside = {part for name in fields for part in _BESIDE.get(name, ())}
    return [name for name in dict.fromkeys((*first, *fields)) if name in fields and name not in beside]


def title(field: str, labels: Mapping[str, str]) -> str:
    """The words at the head of a column."""
    return labels.get(field) or _LABELS.get(field) or label(field)


def is_number(field: str, rows: Sequence[Row]) -> bool:
    """Whether a column is one of numbers or of lengths of time, so that it is aligned to the right."""
    if field in _CELLS:
        return field == "next_s"
    if field in _VERBATIM:
        return False
    return all(_is_number(row.get(field)) for row in rows) and any(row.get(field) is not None for row in rows)


def is_time(field: str) -> bool:
    """Whether a column is one of times, each of which stays in one line."""
    return field in _BESIDE and field not in ("result", "error", "reason")


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def cell(row: Row, field: str, place: Place) -> Html:
    """What is in the cell of this field."""
    special = _CELLS.get(field)
    return _value(field, row.get(field)) if special is None else special(row, place)


def _value(field: str, value: Any) -> Html:
    match value:
        case None | "":
            return _NOTHING
        case bool():
            bad = value is False and field in _SHOULD_HOLD
            return _badge("no", "bad") if bad else Html(plain(value))
        case int() | float():
            return _number(field, value)
        case str():
            return code(value)
    if isinstance(value, Mapping):
        parts = [_pair(of, part) for of, part in value.items() if part != 0 or isinstance(part, bool)]
    else:
        parts = [tag("li", code(plain(part))) for part in value]
    return tag("ul", *parts) if parts else _NOTHING


def _pair(of: str, value: object) -> Html:
    return tag("li", code(of), " ", tag("b", plain(value)), class_="pair")


def _number(field: str, value: float) -> Html:
    if field in _VERBATIM:
        return Html(str(value))
    ago = field.endswith(("_s_ago", "_age_s"))
    text = f"{duration(value)}{' ago' if ago else ''}" if ago or field.endswith("_s") else number(value)
    bad = value and field in _SHOULD_BE_ZERO
    return tag("b", text, class_="bad") if bad else tag("span", text, class_=None if value else "none")


def _badge(text: str, kind: str) -> Html:
    return tag("span", text, class_=f"badge {kind}")


def _key(row: Row, place: Place) -> Html:
    key = code(row["key"])
    if "controller" not in row:
        return key
    return tag("a", key, href=place.link("debug/key", controller=row["controller"], key=row["key"]))


def _error(row: Row, _place: Place) -> Html:
    return joined(_said(row)) if row["error"] else _NOTHING


def _said(row: Row) -> list[Html]:
    """An error, and the line of own code that it came from."""
    where = [Html(" at "), code(row["where"])] if row.get("where") else []
    return [tag("span", row["error"], class_="error"), *where]


def _result(row: Row, _place: Place) -> Html:
    badge = _badge(row["result"].replace("_", " "), _KINDS.get(row["result"], "wait"))
    return joined([badge, *([" ", *_said(row)] if row.get("error") else [])])


def _reason(row: Row, _place: Place) -> Html:
    """Why a key is tried again is told where it fails."""
    why = tag("span", _REASONS.get(row["reason"], str(row["reason"])))
    told = row.get("message", "") if row["reason"] != "retry" else ""
    return joined([why, *([": ", tag("span", told, class_="error")] if told else [])])


def _time(moment: str | None, aside: str, place: Place) -> Html:
    if not moment:
        return _NOTHING
    shown = tag("time", clock_time(moment, place.now), datetime=moment)
    return joined([shown, *([" ", tag("span", aside, class_="aside")] if aside else [])])


def _since(row: Row, place: Place) -> Html:
    return _time(row["since"], duration(row["since_s"]) if row.get("since_s") is not None else "", place)


def _began(row: Row, place: Place) -> Html:
    ago = row.get("began_s")
    return _time(row["began"], f"{duration(ago)} ago" if ago is not None else "", place)


def _due(row: Row, place: Place) -> Html:
    return _time(row["due"], f"in {duration(row['due_s'])}" if row.get("due_s") is not None else "", place)


def _next_s(row: Row, _place: Place) -> Html:
    if row["next_s"] is not None:
        return Html(f"in {duration(row['next_s'])}")
    return Html("on a change" if row.get("result") == "terminal_error" else "now")


def _next(row: Row, _place: Place) -> Html:
    if row["next_s"] is None:
        return Html("on a change")
    return Html(f"{'again' if row['next'] == 'requeue_after' else 'retry'} after {duration(row['next_s'])}")


_CELLS: Final[Mapping[str, Cell]] = {
    "key": _key,
    "error": _error,
    "last_error": lambda row, place: _error({"error": row["last_error"]}, place),
    "result": _result,
    "reason": _reason,
    "since": _since,
    "began": _began,
    "due": _due,
    "now": lambda row, place: _time(row["now"], row["now"][:10], place),
    "next_s": _next_s,
    "next": _next,
}

_BESIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "result": ("error", "where"),
    "error": ("where",),
    "reason": ("message",),
    "since": ("since_s",),
    "began": ("began_s",),
    "due": ("due_s",),
    "next": ("next_s",),
}
"""Fields that are shown in the cell of another one."""

_KINDS: Final = {"done": "good", "error": "bad", "terminal_error": "bad", "timeout": "bad"}

_REASONS: Final = {
    "retry": "Failed; is tried again",
    "conflict": "Conflict; is tried again",
    "retry_later": "Something else is not ready",
    "requeue_after": "Its reconciler asked for it",
    "batch": "More changes may come until then",
    "own_writes": "Its own writes are not in the cache yet",
}

_SHOULD_HOLD: Final = frozenset({"synced", "ok"})
_SHOULD_BE_ZERO: Final = frozenset({"failing", "stuck", "quarantined", "unforeseen", "dropped", "index_failures"})
_VERBATIM: Final = frozenset({"pid", "generation", "shard"})

_LABELS: Final[Mapping[str, str]] = {
    "next_s": "Next try",
    "next": "Then",
    "due": "Runs at",
    "at": "Waits at",
    "for_s": "Running for",
    "up_s": "Running for",
    "waited_s": "Waited",
    "took_s": "Took",
    "causes": "Why",
    "seen": "Version seen",
    "began": "Began (UTC)",
    "since": "Since (UTC)",
    "now": "Now (UTC)",
    "id": "Run",
    "ok": "OK",
    "pid": "Process",
    "ctrlkit": "ctrlkit",
    "behind_s": "Behind for",
    "looked_s_ago": "Looked",
    "renewed_s_ago": "Renewed",
    "last_event_age_s": "Last event",
    "loop_lag_worst_s": "Longest delay of the event loop",
}
