"""
Docstrings that `help()` shows, messages and log lines name no rows of docs/behaviours.md.

Rows (R5, B13, "rows T1 to T5") are for people who work on ctrlkit: they stand in tests, in comments, in docstrings of
private names, and in the heads of private modules. A module is private if it has no `__all__`, as users import names
from those that have one, mostly packages; their heads are public docstrings.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ctrlkit

PACKAGE = Path(ctrlkit.__file__).parent
MODULES = sorted({path for folder in ("", "fakes", "bitcoin") for path in (PACKAGE / folder).rglob("*.py")})
ROW = re.compile(r"\brows? [A-Z]\d+|\b[B-IKLMPQRSTWX]\d{1,2}\b(?![\w-]|[.:]\d)")
MAY_BE_ROW = re.compile(r"\b[A-Z]\d{1,2}\b")
"""Without one in its source a module names no row."""

NO_ROWS = re.compile(r"`[^`]*`|>>> .*|\.\.\. .*|\"[^\"]*\"")
"""What code and quotations say: a name in them is a word of its own."""


def public_docstrings(tree: ast.Module, name: str) -> Iterator[tuple[str, str]]:
    """The docstrings of a module that `help()` shows, by the dotted name of what they describe."""
    if any(isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__" for node in tree.body):
        yield name, ast.get_docstring(tree) or ""
    yield from _docstrings_in(tree, name)


def _docstrings_in(parent: ast.Module | ast.ClassDef, name: str) -> Iterator[tuple[str, str]]:
    for position, node in enumerate(parent.body):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if not node.name.startswith("_"):
                yield f"{name}.{node.name}", ast.get_docstring(node) or ""
                if isinstance(node, ast.ClassDef):
                    yield from _docstrings_in(node, f"{name}.{node.name}")
            case ast.Expr(value=ast.Constant(value=str(text))) if position and (
                of := _target(parent.body[position - 1])
            ):
                yield f"{name}.{of}", text  # the docstring of a constant or an attribute


def _target(node: ast.stmt) -> str:
    """The public name that a statement assigns; empty where it does not."""
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    found = target.id if isinstance(target, ast.Name) else ""
    return "" if found.startswith("_") else found


def literals(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The texts of a module that are no docstrings, by line: messages, log lines, help of metrics and commands."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield f"line {node.lineno}", node.value


def rows_in(text: str) -> list[str]:
    """The rows that a text names, outside of code and quotations."""
    return ROW.findall(NO_ROWS.sub("", text))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_public_docstring_and_no_message_names_a_row(path: Path) -> None:
    """Whoever reads `help()` or an error does not have docs/behaviours.md at hand."""
    source = path.read_text(encoding="utf-8")
    if MAY_BE_ROW.search(source) is None:
        return
    tree = ast.parse(source)
    said = [*public_docstrings(tree, path.stem), *literals(tree)]
    assert {where: rows for where, text in said if (rows := rows_in(text))} == {}
