"""
From docstrings as this project writes them to what Sphinx reads.

A docstring is prose: paragraphs, lists with `-`, code in backquotes, examples that are indented or begin with `>>>`,
and heads such as `Errors` at its end, whose texts stand to their right:

    Units   `delay_s`: seconds, finite and > 0.
    Errors  ValueError for anything else.

In       The lines of one docstring, without its indentation.
Out      The lines of it as reStructuredText.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

TITLES: Final = {
    "Shape": "Details",
    "Units": "Units",
    "Errors": "Raises",
    "Owner": "Lifetime",
    "Cost": "Cost",
    "Source": "Compare",
}
"""How heads are shown; others are shown as they are."""

_COLUMN: Final = 8
_HEAD = re.compile(r"([A-Z][A-Za-z]*(?:-[a-z])?) +(?=\S)")
_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_ITEM = re.compile(r"(?:-|\d+\.) +\S")
_NUMBER = re.compile(r"\(?(?:\w|#|[ivxlcdmIVXLCDM]+)[.)](?:\s|$)")
_NAMES = re.compile(r"(?<![\w.`])[A-Z]\w*(?:\.\w+)*")
_HUMPS = re.compile(r"(?:[A-Z]+[a-z0-9]+){2,}[A-Z]*(?:\.\w+)*")

Linked = Callable[[str], bool]
"""Says whether a word is a public name."""


def to_rest(lines: Sequence[str], *, is_public: Linked = lambda _: False) -> list[str]:
    """
    Return the lines of a docstring as reStructuredText.

    >>> text = ["Wait `delay_s`*2.", "", "Units   Seconds,", "        more than 0.", "Errors  ValueError."]
    >>> for line in to_rest(text):
    ...     print(line)
    Wait ``delay_s``\\ \\*2.
    <BLANKLINE>
    :Units: Seconds,
        more than 0.
    :Raises: ``ValueError``.
    <BLANKLINE>
    """
    out: list[str] = []
    before = ""
    for kind, block in _blocks(list(lines)):
        if out and not kind == before == "head":
            out.append("")
        out += _written(kind, block, is_public)
        before = kind
    return [*out, ""]


def _written(kind: str, block: list[str], is_public: Linked) -> list[str]:
    match kind:
        case "doctest":
            return [".. code-block:: pycon", "", *(f"    {line}".rstrip() for line in block)]
        case "example":
            return [f".. code-block:: {language_of(block)}", "", *(f"    {line}".rstrip() for line in block)]
        case "head":
            name = _HEAD.match(block[0])
            assert name is not None
            told = "\n".join([block[0][name.end() :], *(line.strip() for line in block[1:])])
            body = _inline(told, is_public, errors=name[1] == "Errors").split("\n")
            return [f":{TITLES.get(name[1], name[1])}: {body[0]}", *(f"    {line}" for line in body[1:])]
        case "item":
            marker, text = re.match(r"(\S+ +)", block[0]), "\n".join(line.strip() for line in block)
            assert marker is not None
            width = len(marker[1])
            body = _inline(text[width:], is_public).split("\n")
            return [f"{marker[1]}{body[0]}", *(f"{' ' * width}{line}" for line in body[1:])]
        case _:
            lines = _inline("\n".join(block), is_public).split("\n")
            return [f"\\{lines[0]}" if _NUMBER.match(lines[0]) else lines[0], *lines[1:]]


def _blocks(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        kind = _kind(lines, at)
        end = _END[kind](lines, at)
        block = lines[at:end]
        while not block[-1].strip():
            block.pop()
        yield kind, _dedented(block) if kind == "example" else block
        at = end


def _kind(lines: list[str], at: int) -> str:
    line = lines[at]
    if line.startswith(">>>"):
        return "doctest"
    if line.startswith("    "):
        return "example"
    if _ITEM.match(line):
        return "item"
    return "head" if _is_head(lines, at) else "text"


def _is_head(lines: list[str], at: int) -> bool:
    match = _HEAD.match(lines[at])
    if match is None or (match.end() != _COLUMN and not match[0].endswith("  ")):
        return False
    goes_on = at + 1 < len(lines) and lines[at + 1].startswith(" " * _COLUMN)
    return match[0].endswith("  ") or goes_on


def _until_blank(lines: list[str], at: int) -> int:
    return next((end for end in range(at + 1, len(lines)) if not lines[end].strip()), len(lines))


def _while_indented(lines: list[str], at: int) -> int:
    """Where the indented lines end; empty ones between two of them belong to them."""
    return next((end for end in range(at + 1, len(lines)) if lines[end][:1].strip()), len(lines))


def _while_deeper(lines: list[str], at: int) -> int:
    return next((end for end in range(at + 1, len(lines)) if not lines[end].startswith("  ")), len(lines))


def _while_text(lines: list[str], at: int) -> int:
    return next(
        (end for end in range(at + 1, len(lines)) if not lines[end].strip() or _kind(lines, end) != "text"), len(lines)
    )


_END: Final[dict[str, Callable[[list[str], int], int]]] = {
    "doctest": _until_blank,
    "example": _while_indented,
    "head": _while_deeper,
    "item": _while_deeper,
    "text": _while_text,
}


def _dedented(block: list[str]) -> list[str]:
    margin = min(len(line) - len(line.lstrip()) for line in block if line.strip())
    return [line[margin:] for line in block]


def language_of(block: Sequence[str]) -> str:
    """
    Say in which language an example is written: python where it is a program, else text.

    >>> language_of(["pod = await client.get(PODS, key)"]), language_of(["async with connect() as client:", "    ..."])
    ('python', 'python')
    >>> language_of(["old      new      is reported as"]), language_of(["reconcile_total"])
    ('text', 'text')
    """
    source = "\n".join(block)
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return "text"
    is_word = len(statements) == 1 and isinstance(statements[0], ast.Expr) and isinstance(statements[0].value, ast.Name)
    return "text" if is_word else "python"


def _inline(text: str, is_public: Linked, *, errors: bool = False) -> str:
    """One paragraph: code in double backquotes, everything else as it is."""
    out, at = "", 0
    for match in _CODE.finditer(text):
        out += _prose(text[at : match.start()], is_public, errors=errors)
        out += _code(match[2], text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1])
        at = match.end()
    return out + _prose(text[at:], is_public, errors=errors)


def _prose(text: str, is_public: Linked, *, errors: bool) -> str:
    out, at = "", 0
    for match in _NAMES.finditer(text):
        word = match[0].rstrip(".")
        if _is_name(word, is_public, errors=errors):
            end = match.start() + len(word)
            out += _escaped(text[at : match.start()])
            out += _code(word, text[match.start() - 1 : match.start()], text[end : end + 1])
            at = end
    return out + _escaped(text[at:])


def _is_name(word: str, is_public: Linked, *, errors: bool) -> bool:
    found = getattr(builtins, word, None)
    if isinstance(found, type) and issubclass(found, BaseException):
        return True
    return (errors or _HUMPS.fullmatch(word) is not None) and is_public(word)


def _code(code: str, before: str, after: str) -> str:
    code = code.replace("\n", " ").strip()
    is_bare = not before or before.isspace() or (before in "'\"([{<-/:" and code[:1].isalnum())
    left = "" if is_bare else "\\ "
    right = "\\ " if after and not (after.isspace() or after in "'\")]}>-/:.,;!?") else ""
    return f"{left}``{code}``{right}"


def _escaped(text: str) -> str:
    return re.sub(r"[\\*|`]|(?<=[^\W_])_+(?![^\W_])", lambda match: "".join("\\" + each for each in match[0]), text)
