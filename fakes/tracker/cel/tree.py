"""Expressions as trees, and what is wrong with an expression, said with its line as the server shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

_WIDE_DOT, _WIDE_MARK = "\N{FULLWIDTH FULL STOP}", "\N{FULLWIDTH CIRCUMFLEX ACCENT}"
ACCUMULATOR = "@result"
"""The variable in which a comprehension gathers its result; no expression can name it."""


@dataclass(eq=False, slots=True)
class Node:
    """One part of an expression; `offset` is where it is said, in characters from the start."""

    offset: int


@dataclass(eq=False, slots=True)
class Literal(Node):
    """A value that is written out."""

    value: Any


@dataclass(eq=False, slots=True)
class Ident(Node):
    """A name: of a variable or a type."""

    name: str


@dataclass(eq=False, slots=True)
class Select(Node):
    """A field of a value; with `test` whether it is there, with `optional` as an optional value."""

    operand: Node
    field: str
    test: bool = False
    optional: bool = False


@dataclass(eq=False, slots=True)
class Call(Node):
    """A call of a function or an operator; operators have names such as `_+_`."""

    function: str
    args: list[Node]
    target: Node | None = None


@dataclass(eq=False, slots=True)
class ListOf(Node):
    """A list that is written out; `optional` are the indexes of items that may have no value."""

    items: list[Node]
    optional: frozenset[int] = frozenset()


@dataclass(eq=False, slots=True)
class Entry:
    """One entry of a map that is written out."""

    offset: int
    key: Node
    value: Node
    optional: bool = False


@dataclass(eq=False, slots=True)
class MapOf(Node):
    """A map that is written out."""

    entries: list[Entry]


@dataclass(eq=False, slots=True)
class Field:
    """One field of a message that is written out."""

    offset: int
    name: str
    value: Node
    optional: bool = False


@dataclass(eq=False, slots=True)
class Struct(Node):
    """A message that is written out; only expressions that make patches have types of which one can be made."""

    name: str
    fields: list[Field]


@dataclass(eq=False, slots=True)
class Fold(Node):
    """
    A comprehension: what a macro such as `all` stands for.

    Shape   `accu` starts as `start`; for each element of `over` (`var`, or index or key in `var` and element in
            `var2`) that finds `going` true, it becomes `step`; `result` is the value. `macro` names the macro and
            `parts` are its own expressions (predicate, transformation), by which it is carried out.
    """

    macro: str
    over: Node
    var: str
    var2: str
    accu: str
    start: Node
    going: Node
    step: Node
    result: Node
    parts: tuple[Node | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with an expression, and where."""

    offset: int
    message: str


@dataclass
class CompileError(ValueError):
    """An expression is none, or its types do not fit."""

    source: str
    problems: Sequence[Problem] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(_shown(self.source, one) for one in sorted(self.problems, key=lambda one: one.offset))


def _shown(source: str, problem: Problem) -> str:
    line = source.count("\n", 0, problem.offset) + 1
    start = source.rfind("\n", 0, problem.offset) + 1
    column = problem.offset - start
    text = source.split("\n")[line - 1].replace("\t", " ")
    dots = "".join("." if ord(char) < 128 else _WIDE_DOT for char in text[:column])
    mark = _WIDE_MARK if text[column : column + 1] > "\x7f" else "^"
    return f"ERROR: <input>:{line}:{column + 1}: {problem.message}\n | {text}\n | {dots}{mark}"


def children(node: Node) -> Iterable[Node]:  # noqa: PLR0911  # one for each kind of node
    """Return the parts of a node, in the order in which they are said."""
    match node:
        case Select():
            return (node.operand,)
        case Call():
            return (node.target, *node.args) if node.target else node.args
        case ListOf():
            return node.items
        case MapOf():
            return [part for entry in node.entries for part in (entry.key, entry.value)]
        case Struct():
            return [one.value for one in node.fields]
        case Fold():
            return (node.over, node.start, node.going, node.step, node.result)
    return ()


def walk(node: Node) -> Iterable[Node]:
    """Yield a node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)
