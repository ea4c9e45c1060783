"""
The syntax of a small shell, as data.

It is the part of POSIX sh that stands in manifests and is typed into containers: simple commands with quotes,
variables, `$(...)` and `$((...))`, redirections, `;` `&&` `||` `|` `&` `!`, `if`, `while`, `until`, `for`, `case`,
`{ }` and `( )`. Functions and here-documents are not part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ctrlkit.errors import CtrlkitError


class ShellSyntaxError(CtrlkitError):
    """A text is none of this shell."""


@dataclass(frozen=True, slots=True)
class Text:
    """Letters of a word; what is not quoted may be a pattern."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name`; `operator` and `default` are of `${name:-default}`, or `#` for the length."""

    name: str
    quoted: bool = False
    operator: str = ""
    default: Word = ()


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(...)`: the output of commands."""

    body: Commands
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`$((...))`: a number; the expression is a word, in which variables are replaced."""

    expression: Word
    quoted: bool = False


Part = Text | Variable | Substitution | Arithmetic
Word = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Redirection:
    """`2> file`: where a stream leads; `operator` is `>`, `>>`, `<`, `>&` or `<&`."""

    stream: int
    operator: str
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """A command and its words."""

    words: tuple[Word, ...]
    assignments: tuple[tuple[str, Word], ...] = ()
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each of which reads what the one before it writes."""

    commands: tuple[Node, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands in their order, each with what joins it to the one before (`;`, `&&`, `||`), and whether `&` follows."""

    items: tuple[tuple[str, Node, bool], ...]


@dataclass(frozen=True, slots=True)
class If:
    """`if`: conditions with what follows from them, and what is done otherwise."""

    branches: tuple[tuple[Commands, Commands], ...]
    otherwise: Commands | None


@dataclass(frozen=True, slots=True)
class While:
    """`while` and `until`."""

    condition: Commands
    body: Commands
    until: bool = False


@dataclass(frozen=True, slots=True)
class For:
    """`for name in words`; without words those of the script."""

    name: str
    words: tuple[Word, ...] | None
    body: Commands


@dataclass(frozen=True, slots=True)
class Case:
    """`case word in pattern) ...`."""

    word: Word
    arms: tuple[tuple[tuple[Word, ...], Commands], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A compound command with redirections; `( )` and `{ }`, of which the first changes no variables outside."""

    body: Node
    subshell: bool
    redirections: tuple[Redirection, ...]


Node = Simple | Pipeline | Commands | If | While | For | Case | Group


def names_in(node: Node) -> Iterator[str | None]:
    """Yield the names of all commands that can be run; None for one that is only known when it is."""
    match node:
        case Simple():
            if node.words:
                yield literal(node.words[0])
            for word in (*node.words, *(word for _, word in node.assignments)):
                yield from _names_in_word(word)
        case Pipeline():
            for command in node.commands:
                yield from names_in(command)
        case Commands():
            for _, command, _ in node.items:
                yield from names_in(command)
        case _:
            for inner in _inner(node):
                yield from names_in(inner)


def _inner(node: If | While | For | Case | Group) -> Iterator[Node]:
    match node:
        case If():
            for condition, body in node.branches:
                yield from (condition, body)
            if node.otherwise is not None:
                yield node.otherwise
        case While():
            yield from (node.condition, node.body)
        case Case():
            yield from (body for _, body in node.arms)
        case For() | Group():
            yield node.body


def _names_in_word(word: Word) -> Iterator[str | None]:
    for part in word:
        if isinstance(part, Substitution):
            yield from names_in(part.body)
        elif isinstance(part, Variable):
            yield from _names_in_word(part.default)


def literal(word: Word) -> str | None:
    """Return the text of a word that has nothing to replace, None for another."""
    if all(isinstance(part, Text) for part in word):
        return "".join(part.text for part in word if isinstance(part, Text))
    return None
