"""How autodoc shows our code: docstrings as docstrings.py has them, members in their order, types that are links."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from .docstrings import to_rest
from .public import also, catalog


def _configure(_: Sphinx, config: Config) -> None:
    config.autodoc_typehints = "signature"
    config.autodoc_typehints_format = "short"
    config.autodoc_preserve_defaults = True
    config.autodoc_member_order = "bysource"
    config.autodoc_default_options = {"undoc-members": True}
    config.python_maximum_signature_line_length = 100
    config.toc_object_entries_show_parents = "hide"
    config.add_function_parentheses = False


def _docstring(_: Sphinx, what: str, name: str, value: object, __: Any, lines: list[str]) -> None:
    del what
    within = catalog().public_name(name) or name
    thing = catalog().by_name.get(name)
    is_own = not isinstance(value, type) or value.__dict__.get("__doc__")
    if not is_own or (lines[:1] and lines[0].startswith("Alias for field number ")):
        lines.clear()
    if thing is not None:
        lines += also(thing)
    lines[:] = to_rest(lines, is_public=lambda word: catalog().meant(word, within=within) is not None)


def _signature(
    _: Sphinx, what: str, name: str, value: object, __: Any, arguments: str | None, answer: str | None
) -> tuple[str | None, str | None]:
    """Show parameters as they are called, without what is not for callers."""
    del what, name, value
    return (readable(arguments) if arguments else arguments, answer)


class _WithoutAnnotated(ast.NodeTransformer):
    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:  # that is how ast names it
        """`Annotated[X, ...]` becomes X."""
        self.generic_visit(node)
        is_annotated = ast.unparse(node.value).endswith("Annotated") and isinstance(node.slice, ast.Tuple)
        return node.slice.elts[0] if is_annotated and isinstance(node.slice, ast.Tuple) else node


def readable(parameters: str) -> str:
    """
    Leave out of a signature what `Annotated` says beside a type, private parameters, and defaults without a text.

    >>> readable("(a: ~typing.Annotated[int, Meta(ge=0)] = 1, *, b: list[str] = <factory>, _c: int = 1)")
    '(a: ~int=1, *, b: list[str]=...)'
    """
    program = f"def f{re.sub(r'= <[^<>]*(?:<[^<>]*>[^<>]*)*>', '= ...', parameters)}: ..."
    try:
        tree = ast.parse(program)
    except SyntaxError:
        return parameters
    given = _WithoutAnnotated().visit(tree).body[0].args
    public = [(each, of) for each, of in zip(given.kwonlyargs, given.kw_defaults, strict=True) if each.arg[0] != "_"]
    given.kwonlyargs, given.kw_defaults = [each for each, _ in public], [of for _, of in public]
    return f"({ast.unparse(given)})"


def _skip(_: Sphinx, what: str, name: str, value: object, is_skipped: bool, __: Any) -> bool | None:  # noqa: FBT001
    """Leave out what Python and libraries put into classes, and what is private."""
    del what
    if name.startswith("_"):
        return True
    function = inspect.unwrap(value) if callable(value) else value
    home = getattr(function, "__module__", None)
    if isinstance(home, str) and inspect.isroutine(function) and not home.startswith("ctrlkit"):
        return True
    return is_skipped or None


def setup(app: Sphinx) -> None:
    """Register it."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("config-inited", _configure, priority=900)
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)
