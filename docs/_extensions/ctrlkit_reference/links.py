"""Code in texts becomes a link where it means a public name; types in signatures lead to public names."""

from __future__ import annotations

import contextlib
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from .names import definition_of, is_there
from .public import catalog

_CLOSED = (nodes.title, nodes.reference, nodes.term, addnodes.pending_xref, addnodes.desc_signature)


class CodeLinks(SphinxTransform):
    """Makes links of the code in a page that means public names: the first of each in a section."""

    default_priority = 600

    def apply(self, **_: Any) -> None:
        """Make them."""
        seen: set[tuple[int, str]] = set()
        for literal in list(self.document.findall(nodes.literal)):
            if any(isinstance(each, _CLOSED) for each in _above(literal)):
                continue
            within, section = _within(literal), _section(literal)
            target = catalog().meant(literal.astext(), within=within)
            if target is None or target == within or (id(section), target) in seen:
                continue
            seen.add((id(section), target))
            literal.replace_self(self._reference(literal, target))

    def _reference(self, literal: nodes.literal, target: str) -> addnodes.pending_xref:
        return addnodes.pending_xref(
            "",
            literal.deepcopy(),
            refdomain="py",
            reftype="obj",
            reftarget=target,
            refdoc=self.env.docname,
            refexplicit=True,
            refwarn=True,
        )


def _above(node: nodes.Element) -> list[nodes.Element]:
    found = []
    while node.parent is not None:
        node = node.parent
        found.append(node)
    return found


def _section(node: nodes.Element) -> nodes.Element:
    """The section, or the described thing, that code is in."""
    return next(each for each in _above(node) if isinstance(each, nodes.section | addnodes.desc | nodes.document))


def _within(node: nodes.Element) -> str:
    """The name of the innermost thing in whose description a node is; "" outside of all."""
    for each in _above(node):
        if isinstance(each, addnodes.desc) and isinstance(each[0], addnodes.desc_signature):
            name = each[0].get("fullname", "")
            module = each[0].get("module") or ""
            return f"{module}.{name}".strip(".")
    return ""


class TypeLinks(SphinxTransform):
    """Has types in signatures lead to public names, or to nothing where they are something else in Python."""

    default_priority = 601

    def apply(self, **_: Any) -> None:
        """Change the references; those to what there is not stay, and Sphinx warns of them."""
        for signature in list(self.document.findall(addnodes.desc_signature)):
            if any(isinstance(each, addnodes.desc) for each in _above(signature.parent)):
                signature["_toc_name"] = ""  # the table of contents has classes, not their members
            modules = _modules_of(f"{signature.get('module') or ''}.{signature.get('fullname', '')}".strip("."))
            for reference in list(signature.findall(addnodes.pending_xref)):
                target = str(reference["reftarget"])
                public = next((found for each in modules if (found := _public_type(target, each))), None)
                if public is not None:
                    reference.attributes.update(reftarget=public, reftype="obj", refspecific=False)
                elif any(is_there(target, module=each) for each in modules):
                    reference.replace_self(reference.children)


def _modules_of(name: str) -> list[str]:
    """The modules in which what has a public name, or its class with its bases, is defined."""
    while name:
        thing = catalog().by_name.get(name)
        if thing is not None:
            bases = thing.value.__mro__ if isinstance(thing.value, type) else ()
            return [thing.definition.module, *(each.__module__ for each in bases if each.__module__[:7] == "ctrlkit")]
        name = name.rpartition(".")[0]
    return [""]


def _public_type(target: str, module: str) -> str | None:
    """The public name of a type, by its full name or as a module writes it."""
    head, _, rest = target.partition(".")
    found = catalog().public_name(target)
    if found is None and module and is_there(head, module=module):
        with contextlib.suppress(ImportError):
            found = catalog().public_name(f"{definition_of(module, head).dotted}.{rest}".rstrip("."))
    return found


def setup(app: Sphinx) -> None:
    """Register both."""
    app.add_transform(CodeLinks)
    app.add_transform(TypeLinks)
