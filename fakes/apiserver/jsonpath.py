"""The subset of JSONPath in printer columns: fields, indexes, `[*]`, and filters that compare with a constant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ctrlkit.fakes.tracker.refusals import json_text
from ctrlkit.fakes.tracker.schema.go_text import double_text

_STEP = re.compile(
    r"""
      \.(?P<field>(?:\\.|[^.\[\\])+)                                       # .name, with \. for a dot in it
    | \[\s*(?P<quote>['"])(?P<key>.*?)(?P=quote)\s*\]                      # ['name']
    | \[\s*(?P<index>-?\d+|\*)\s*\]                                        # [0], [-1], [*]
    | \[\?\(\s*@(?P<path>[^=!]+?)\s*(?P<op>==|!=)\s*(?P<constant>[^)]*?)\s*\)\]   # [?(@.type=="Ready")]
    """,
    re.VERBOSE,
)


def find(value: Any, path: str) -> Iterator[Any]:
    """
    Yield the values at a path, in order; nothing if a part of it is missing.

    >>> status = {"conditions": [{"type": "Available", "status": "True"}, {"type": "Ready", "status": "False"}]}
    >>> list(find({"status": status}, '.status.conditions[?(@.type=="Ready")].status'))
    ['False']
    >>> list(find({"metadata": {"labels": {"a.b/c": "x"}}}, r".metadata.labels.a\\.b/c"))
    ['x']

    Errors  ValueError, naming the part that cannot be read.
    """
    steps = []
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise ValueError(
                f"read JSONPath {path!r}: cannot read {path[position:]!r}; "
                'write .field, [index], [*] or [?(@.field=="value")]'
            )
        steps.append(step)
        position = step.end()
    return _walk(value, steps)


def _walk(value: Any, steps: list[re.Match[str]]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    for inner in _take(value, steps[0]):
        yield from _walk(inner, steps[1:])


def _take(value: Any, step: re.Match[str]) -> Iterator[Any]:
    if step["index"]:
        yield from _elements(value, step["index"])
    elif step["op"]:
        yield from _filtered(value, step)
    else:
        name = step["key"] if step["key"] is not None else re.sub(r"\\(.)", r"\1", step["field"])
        if isinstance(value, dict) and name in value:
            yield value[name]


def _elements(value: Any, index: str) -> Iterator[Any]:
    if index == "*":
        yield from value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    elif isinstance(value, list) and -len(value) <= int(index) < len(value):
        yield value[int(index)]


def _filtered(value: Any, step: re.Match[str]) -> Iterator[Any]:
    constant = step["constant"].strip("'\"")
    for item in value if isinstance(value, list) else ():
        found = [as_text(value) for value in find(item, step["path"])]
        if (constant in found) if step["op"] == "==" else (found and constant not in found):
            yield item


def as_text(value: Any) -> str:
    """
    Format a value for a column of type string: text as it is, objects and lists as JSON, numbers as Go prints them.

    >>> as_text("a"), as_text(True), as_text(1e6), as_text({"b": [1], "a": None})
    ('a', 'true', '1e+06', '{"a":null,"b":[1]}')
    """
    if isinstance(value, float):
        return double_text(value)
    return value if isinstance(value, str) else json_text(value)
