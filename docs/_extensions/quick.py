"""What Sphinx and the theme would do anew for each page is done once; no page looks different."""

from __future__ import annotations

from functools import cache
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.search.en import SearchEnglish


class Stems(SearchEnglish):
    """Finds the stem of a word once, on however many pages it is."""

    def __init__(self, options: dict[str, str]) -> None:
        super().__init__(options)
        self.stem = cache(super().stem)  # type: ignore[method-assign]


@cache
def titles_of(env: BuildEnvironment) -> dict[str, nodes.bullet_list]:
    """The table of contents of each page with nothing but its title and the lists of pages below it."""
    found = {page: contents.deepcopy() for page, contents in env.tocs.items()}
    for contents in found.values():
        for entry in contents.children:
            if isinstance(entry, nodes.list_item) and len(entry) > 1:
                if below := list(entry.findall(addnodes.toctree)):
                    entry[1][:] = below
                else:
                    entry.pop(1)
    return found


def tree_of_titles(app: Sphinx, _: str, __: str, context: dict[str, Any], ___: object) -> None:
    """Have the tree of pages made of titles; Sphinx copies all headings of all pages for each page, and drops them."""
    if "toctree" not in context:
        return
    whole_tree = context["toctree"]

    def toctree(**wanted: Any) -> str:
        if not wanted.get("titles_only"):
            return str(whole_tree(**wanted))
        whole, app.env.tocs = app.env.tocs, titles_of(app.env)
        try:
            return str(whole_tree(**wanted))
        finally:
            app.env.tocs = whole

    context["toctree"] = toctree


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.add_search_language(Stems)
    app.connect("html-page-context", tree_of_titles, priority=400)  # before the theme takes the tree
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
