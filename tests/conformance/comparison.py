"""Two servers' answers side by side: what differs of necessity is masked, the rest must be the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SUFFIX = re.compile(r"(?<=-)[bcdfghjklmnpqrstvwxz2456789]{5}$")
_MASKS = {
    "resourceVersion": "<version>",
    "uid": "<uid>",
    "clusterIP": "<address>",
    "continue": "<continue>",
    "selfLink": "<self>",
}
_LONGEST_VALUE = 160


def mask(value: Any, field: str = "") -> Any:
    """
    A part of an answer without what is different on every server; `field` is where it stands.

    >>> mask({"metadata": {"name": "gen-s2k6z", "resourceVersion": "7"}, "clusterIPs": ["None", "10.0.0.9"]})
    {'metadata': {'name': 'gen-<suffix>', 'resourceVersion': '<version>'}, 'clusterIPs': ['None', '<address>']}
    """
    if isinstance(value, str):
        return _mask_text(value, field)
    if isinstance(value, list):
        if field == "clusterIPs":
            return [one if one == "None" else "<address>" for one in value]
        if field == "columnDefinitions":
            return [{name: part for name, part in column.items() if name != "description"} for column in value]
        return [mask(one, field) for one in value]
    if isinstance(value, dict):
        return {_UID.sub("<uid>", name): mask(part, name) for name, part in value.items()}
    return value


def _mask_text(text: str, field: str) -> str:
    if field in _MASKS and text not in ("", "None"):
        return _MASKS[field]
    if _TIME.match(text):
        return "<time>"
    text = _UID.sub("<uid>", text)
    return _SUFFIX.sub("<suffix>", text) if field in ("name", "message") else text


def differences(want: Any, got: Any, ignored: Sequence[str], path: str = "") -> Iterator[str]:
    """
    Where two masked answers differ, a line each; `ignored` are dotted paths, `*` for any key or index.

    >>> list(differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, ["a.c"]))
    ['a.b: 3, want 1']
    """
    if any(_covers(pattern, path) for pattern in ignored):
        return
    match want, got:
        case dict(), dict():
            for name in sorted(want.keys() | got.keys()):
                inner = f"{path}.{name}".lstrip(".")
                yield from differences(want.get(name, _ABSENT), got.get(name, _ABSENT), ignored, inner)
        case list(), list():
            if len(want) != len(got):
                yield f"{path}: {len(got)} items, want {len(want)}"
            for index, (one, other) in enumerate(zip(want, got, strict=False)):
                yield from differences(one, other, ignored, f"{path}.{index}".lstrip("."))
        case _:
            if want != got:
                yield f"{path}: {_short(got)}, want {_short(want)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


_ABSENT = _Absent()


def _covers(pattern: str, path: str) -> bool:
    parts = re.escape(pattern).replace(r"\*", "[^.]+")
    return re.fullmatch(rf"{parts}(\..*)?", path) is not None
