"""
The reference of public names, made of the code when the site is built.

Directives for pages; the first documents names, a name a line:

    ```{public}
    ctrlkit.Manager
    ctrlkit.run
    ```

    public-kinds     the built-in kinds, as a table
    error-tree       all public errors, as a tree
    command-line     a command, its argument, with what it takes, from its parser
    settings-list    settings with their flags and variables
    metrics-list     the metric families that a module, its argument, defines
    fixtures-list    fixtures of pytest; markers-list has the markers

Code in backquotes becomes a link, in docstrings and in pages, where it means a public name: once in each section.

P-a  Every public name is documented once; one that is missing, or comes twice, is a warning.
P-b  A type in a signature that is neither public nor anything in Python is a warning.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from . import autodoc, links, lists, public


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register all of it."""
    for part in (autodoc, links, lists, public):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
