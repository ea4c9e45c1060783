"""The directive `public`: documents names; and the check that each public name is documented once."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from typing import Final

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from .docstrings import to_rest
from .names import Catalog, Public, Sort, attributes_of, fields_of, hidden_bases

logger = logging.getLogger(__name__)

VALUE_CHARACTERS_MAX: Final = 60
"""Longer values of constants are not shown."""

LISTED: Final = ("ctrlkit.Settings",)
"""Classes whose fields a list of their own documents."""

KINDS: Final = "ctrlkit.model.kinds"
"""The module whose names the directive `public-kinds` documents, all at once."""


@cache
def catalog() -> Catalog:
    """All public names, read once in each process."""
    return Catalog.read()


class PublicDirective(SphinxDirective):
    """Documents the names in its content, a name a line, in this order."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Document them."""
        lines: list[str] = []
        for name in (line.strip() for line in self.content if line.strip()):
            thing = catalog().by_name.get(name)
            if thing is None or thing.name != name:
                known = f"; {thing.name} is its name" if thing else ""
                logger.warning("%s is no public name%s", name, known, location=self.get_location())
                continue
            note_documented(self.env, name)
            lines += [*rest_of(thing), ""]
        return parsed_rest(self, lines)


def parsed_rest(directive: SphinxDirective, lines: list[str]) -> list[nodes.Node]:
    """Parse reStructuredText within a page of either markup."""
    source, _ = directive.get_source_info()
    container = nodes.Element()
    if not str(directive.env.doc2path(directive.env.docname)).endswith(".rst"):
        lines = ["````````{eval-rst}", *lines, "````````"]
    directive.state.nested_parse(StringList(lines, source=source), directive.content_offset, container)
    return list(container.children)


def note_documented(env: BuildEnvironment, name: str) -> None:
    """Remember that the page which is read documents a name."""
    documented(env).setdefault(env.docname, []).append(name)


def documented(env: BuildEnvironment) -> dict[str, list[str]]:
    """Which names each page documents."""
    if not hasattr(env, "ctrlkit_documented"):
        env.ctrlkit_documented = {}  # type: ignore[attr-defined]
    found: dict[str, list[str]] = env.ctrlkit_documented  # type: ignore[attr-defined]
    return found


def rest_of(thing: Public) -> list[str]:
    """Return the reStructuredText that documents a thing."""
    match thing.sort:
        case Sort.EXCEPTION | Sort.CLASS:
            return list(_class(thing))
        case Sort.FUNCTION:
            return [f".. autofunction:: {thing.name}"]
        case Sort.MODULE:
            doc = inspect.getdoc(thing.value) or ""
            lines = to_rest(doc.splitlines(), is_public=is_public)
            return [f".. py:module:: {thing.name}", "", *lines, ".. py:currentmodule:: None", ""]
        case _:
            return list(_data(thing))


def _class(thing: Public) -> Iterator[str]:
    """A class with its members; of errors, which differ in few things from their bases, their own."""
    assert isinstance(thing.value, type)
    if thing.sort is Sort.EXCEPTION:
        own = [name for name in vars(thing.value) if not name.startswith("_")]
        yield f".. autoexception:: {thing.name}"
        yield f"   :members: {', '.join(own)}" if own else "   :no-undoc-members:"
        yield "   :show-inheritance:"
    else:
        hidden = ", ".join(dict.fromkeys(each.__name__ for each in hidden_bases(thing.value)))
        yield f".. autoclass:: {thing.name}"
        yield "   :members:"
        yield f"   :inherited-members: {hidden}"
    attributes = attributes_of(thing.value)
    left_out = [*attributes, *(fields_of(thing.value) if thing.name in LISTED else [])]
    if left_out:
        yield f"   :exclude-members: {', '.join(left_out)}"
    for name, attribute in attributes.items():
        yield ""
        yield f"   .. py:attribute:: {name}"
        yield from [f"      :type: {attribute.type}"] if attribute.type else []
        yield ""
        yield from (f"      {line}".rstrip() for line in to_rest(attribute.doc.splitlines(), is_public=is_public))


def _data(thing: Public) -> Iterator[str]:
    """A constant, or a name for a type, with the text that stands below it."""
    statement = thing.definition.statement
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    annotation = statement.annotation if isinstance(statement, ast.AnnAssign) else None
    written = ast.unparse(value) if value else ""
    module, _, name = thing.name.rpartition(".")
    doc = thing.definition.doc or _own_doc(thing.value)
    if is_alias(thing.value):
        yield f".. py:type:: {name}"
        yield f"   :module: {module}"
        yield f"   :canonical: {written}"
    else:
        yield f".. py:data:: {name}"
        yield f"   :module: {module}"
        said = ast.unparse(annotation) if annotation else "Final"
        yield f"   :type: {type(thing.value).__name__ if said == 'Final' else said}"
        if len(written) <= VALUE_CHARACTERS_MAX and not written.startswith("lambda"):
            yield f"   :value: {written}"
    yield ""
    if not doc:
        logger.warning("%s has no text below it that says what it is", thing.name)
    for line in to_rest([*doc.splitlines(), *also(thing)], is_public=is_public):
        yield f"   {line}".rstrip()


def _own_doc(value: object) -> str:
    """The docstring of a value that stands for a function, such as a predicate."""
    own = getattr(value, "__dict__", {}).get("__doc__")
    return own if isinstance(own, str) else ""


def is_alias(value: object) -> bool:
    """Whether a value is a type written in full, such as a union, and no class."""
    return type(value).__module__ in ("types", "typing", "collections.abc") and not isinstance(value, type(ast))


def is_public(word: str) -> bool:
    """Whether a word is a public name, or a member of one."""
    return catalog().meant(word) is not None


def also(thing: Public) -> list[str]:
    """Lines that name a thing's aliases."""
    return ["", f"Also as {', '.join(f'`{alias}`' for alias in thing.aliases)}."] if thing.aliases else []


def _read(_: Sphinx) -> None:
    """Read the names before processes begin, which then have them."""
    catalog()


def _forget(_: Sphinx, env: BuildEnvironment, docname: str) -> None:
    documented(env).pop(docname, None)


def _merge(_: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    documented(env).update({name: of for name, of in documented(other).items() if name in docnames})


def _check(_: Sphinx, env: BuildEnvironment) -> None:
    pages: dict[str, list[str]] = {}
    for page, names in documented(env).items():
        for name in names:
            pages.setdefault(name, []).append(page)
    for thing in catalog().things:
        found = pages.get(thing.name, [])
        if len(found) != 1:
            where = f"documented {len(found)} times, in {', '.join(found)}" if found else "on no page of docs/reference"
            logger.warning("the public name %s is %s", thing.name, where)


def setup(app: Sphinx) -> None:
    """Register the directive and the check."""
    app.add_directive("public", PublicDirective)
    app.connect("builder-inited", _read)
    app.connect("env-purge-doc", _forget)
    app.connect("env-merge-info", _merge)
    app.connect("env-check-consistency", _check)
