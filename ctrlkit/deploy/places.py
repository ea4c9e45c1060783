"""
Objects with places: what a chart's values fill in, and what stands there without a chart. Pure.

    replicas = Place(".Values.replicas", 2)
    plain({"replicas": replicas})           # {"replicas": 2}
    template({"replicas": replicas})        # replicas: {{ .Values.replicas }}

One tree of mappings, lists and places gives both forms of an object, so that they differ only where a value does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ctrlkit.crd.manifest import WIDTH, dump

Tree: TypeAlias = Any
"""What YAML can say, with places in it."""


class _Absent:
    """Nothing: an entry of a mapping, or an item of a list, that is not there."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Place:
    """A scalar: what an expression gives, read as YAML (so texts are quoted by it); `plain` without a chart."""

    expression: str
    plain: Any


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping, a list, or some items of one, that an expression gives as text, such as `toYaml .Values.resources`."""

    expression: str
    plain: Any = ABSENT


def joined(form: str, *parts: Place) -> Place:
    """
    Return the place of a text with others in it, where its form has `%s`.

    >>> joined("%s.%s.svc", Place('include "name" $', "web"), Place("$.Release.Namespace", "demo"))
    Place(expression='printf "%s.%s.svc" (include "name" $) $.Release.Namespace', plain='web.demo.svc')
    """
    given = [f"({one.expression})" if " " in one.expression else one.expression for one in parts]
    return Place(f'printf "{form}" {" ".join(given)}', form % tuple(one.plain for one in parts))


@dataclass(frozen=True, slots=True)
class When:
    """
    A part that a template has under a condition, or once for each of several: `opening` is `if X`, `with X`, `range X`.

    It stands in the place of an object, of a mapping's value, or of an item of a list; there its parts may be lists of
    items.
    Shape   `body` is what a template has after the opening, `otherwise` what it has after `else`. `plain` is what there
            is without a chart.
    """

    opening: str
    body: Tree
    plain: Tree = ABSENT
    otherwise: Tree = ABSENT


def from_values(path: str, *, otherwise: Tree = ABSENT) -> When:
    """
    Return what a value of the chart says, a mapping or a list; without a chart, and where it says nothing, the other.

    >>> print(template({"affinity": from_values("affinity")}), end="")
    {{- with $.Values.affinity }}
    affinity:
      {{- toYaml . | nindent 2 }}
    {{- end }}
    """
    return When(f"with $.Values.{path}", Block("toYaml ."), plain=otherwise, otherwise=otherwise)


def plain(tree: Tree) -> Any:
    """
    Return what a tree says without a chart.

    >>> plain({"a": Place(".Values.a", 1), "b": When("if .Values.b", 2), "c": [When("if .Values.c", 3, plain=[3])]})
    {'a': 1, 'c': [3]}
    """
    match tree:
        case Place() | Block() | When():
            return plain(tree.plain)
        case Mapping():
            found = {key: plain(value) for key, value in tree.items()}
            return {key: value for key, value in found.items() if value is not ABSENT}
        case list() | tuple():
            return [item for one in tree for item in _items_of(one)]
    return tree


def _items_of(item: Tree) -> list[Any]:
    found = plain(item)
    if not isinstance(item, When):
        return [found]
    return [] if found is ABSENT else found if isinstance(found, list) else [found]


def template(tree: Tree) -> str:
    """
    Return the text of a Go template that gives a tree as YAML.

    >>> print(template({"a": Place(".Values.a", 1), "b": When("with .Values.b", {"c": Block("toYaml .", {})})}), end="")
    a: {{ .Values.a }}
    {{- with .Values.b }}
    b:
      c:
        {{- toYaml . | nindent 4 }}
    {{- end }}
    """
    return "".join(f"{line}\n" for line in _lines(tree))


def escaped(text: str) -> str:
    """
    Return the text of a template that gives a text as it is, whatever braces are in it.

    >>> escaped("a {{ b }}")
    'a {{ "{{" }} b }}'
    """
    return text.replace("{{", '{{ "{{" }}')


def has_places(tree: Tree) -> bool:
    """Whether a template of a tree is more than its text."""
    match tree:
        case Place() | Block() | When():
            return True
        case Mapping():
            return any(map(has_places, tree.values()))
        case list() | tuple():
            return any(map(has_places, tree))
    return False


def _lines(tree: Tree, indent: int = 0) -> Iterator[str]:
    """The lines of an object, a mapping or a list."""
    match tree:
        case When():
            yield from _conditional(tree, indent, lambda part: _lines(part, indent))
        case Block():
            yield f"{' ' * indent}{{{{- {tree.expression} | nindent {indent} }}}}"
        case Mapping() if tree and has_places(tree):
            for key, value in tree.items():
                yield from _entry(key, value, indent)
        case list() | tuple() if has_places(tree):
            for item in tree:
                yield from _item(item, indent)
        case _:
            text = escaped(dump(tree, width=WIDTH - indent))
            yield from (f"{' ' * indent}{line}" if line else "" for line in text.removesuffix("\n").split("\n"))


def _entry(key: str, value: Tree, indent: int) -> Iterator[str]:
    pad = " " * indent
    match value:
        case When():
            yield from _conditional(value, indent, lambda part: _entry(key, part, indent))
        case Place():
            yield f"{pad}{key}: {{{{ {value.expression} }}}}"
        case Mapping() if value and has_places(value):
            yield f"{pad}{key}:"
            yield from _lines(value, indent + 2)
        case Block():
            yield f"{pad}{key}:"
            yield from _lines(value, indent + 2)
        case list() | tuple() if has_places(value):
            yield f"{pad}{key}:"
            yield from _lines(value, indent)
        case _:
            yield from _lines({key: value}, indent)


def _item(item: Tree, indent: int) -> Iterator[str]:
    pad = " " * indent
    match item:
        case When():
            yield from _conditional(item, indent, lambda part: _lines(part if _is_several(part) else [part], indent))
        case Place():
            yield f"{pad}- {{{{ {item.expression} }}}}"
        case Mapping() if has_places(item):
            lines = list(_lines(item, indent + 2))
            first = next((at for at, line in enumerate(lines) if not line.lstrip().startswith("{{-")), 0)
            if first:
                raise ValueError(f"write an item of a list as a template: its first key has to be there: {lines[0]}")
            yield f"{pad}- {lines[0].lstrip()}"
            yield from lines[1:]
        case _:
            yield from _lines([item], indent)


def _is_several(part: Tree) -> bool:
    """Whether this is items of a list, and not one."""
    return isinstance(part, list | tuple | Block)


def _conditional(part: When, indent: int, lines: Any) -> Iterator[str]:
    pad = " " * indent
    yield f"{pad}{{{{- {part.opening} }}}}"
    yield from lines(part.body)
    if part.otherwise is not ABSENT:
        yield f"{pad}{{{{- else }}}}"
        yield from lines(part.otherwise)
    yield f"{pad}{{{{- end }}}}"
