"""
Files of the repository that stand outside of docs/: pages of the site, or what its pages link to.

A page names such a file as one names it on disk, `../CONTRIBUTING.md` or `../examples/ex7_cache.py`, so that links work
for those who read the repository too. On the site a document is its page, and any other file is shown as a page of its
own.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.highlighting import PygmentsBridge
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

ROOT = Path(__file__).parent.parent.parent
# The pages that are made of documents outside of docs/.
PAGES = {"changelog": "CHANGELOG.md", "contributing": "CONTRIBUTING.md", "security": "SECURITY.md"}
# A page that is one section of such a document, by the section's heading.
SECTIONS = {"quickstart": ("README.md", "Fifteen minutes to an operator")}
# What stands on the site in place of a document or folder outside.
PLACES = {
    "README.md": "index.md",
    "README.md#fifteen-minutes-to-an-operator": "quickstart.md",
    "examples": "examples.md",
    **{file: f"{page}.md" for page, file in PAGES.items()},
}
_LINK = re.compile(r"(?<=\]\()(?P<target>[\w./-]+)(?P<anchor>#[\w-]+)?(?=\))")
# How many characters of code a line of a table always has room for.
_WHOLE = 22
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".go": "go", ".toml": "toml", ".sh": "bash", "Makefile": "make"}


def section(text: str, heading: str) -> str:
    """One section of a document as a page: its headings move up by one level."""
    _, _, rest = text.partition(f"\n## {heading}\n")
    body = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return f"# {heading}\n" + re.sub(r"^##(?=#+ )", "#", body, flags=re.MULTILINE)


def read_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Take the text of a page from where it is, and lead its links to pages of the site."""
    folder = posixpath.join("docs", posixpath.dirname(docname))
    file, heading = SECTIONS.get(docname, (PAGES.get(docname), None))
    if file is not None:
        text = (ROOT / file).read_text(encoding="utf-8")
        source[0] = text if heading is None else section(text, heading)
        app.env.note_dependency(str(ROOT / file))
        folder = "."

    def place(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link["target"]))
        anchor = link["anchor"] or ""
        if path + anchor in PLACES:
            return "/" + PLACES[path + anchor]
        if path in PLACES:
            return "/" + PLACES[path] + anchor
        if folder == "." and (ROOT / path).exists():
            return posixpath.relpath(path, "docs") + anchor
        return link[0]

    source[0] = _LINK.sub(place, source[0])


class FilesAsPages(SphinxTransform):
    """A link to a file of the repository leads to its page, instead of a copy to download."""

    default_priority = 880

    def apply(self, **_: Any) -> None:
        """Replace the links of one document, and keep which files they name."""
        wanted: set[str] = self.env.metadata[self.env.docname].setdefault("files", set())  # type: ignore[assignment]
        for node in list(self.document.findall(addnodes.download_reference)):
            path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(self.env.docname), node["reftarget"]))
            if node["reftarget"].startswith("/"):
                path = posixpath.normpath("docs" + node["reftarget"])
            wanted.add(path)
            uri = self.app.builder.get_relative_uri(self.env.docname, f"source/{path}")
            node.replace_self(nodes.reference("", "", *node.children, refuri=uri, internal=True))


class BreaksInNames(SphinxPostTransform):
    """A long name of code in a table may go on in the next line, after a dot or an underscore; a short one may not."""

    default_priority = 900
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Put a place for a break behind each."""
        for entry in self.document.findall(nodes.entry):
            for literal in list(entry.findall(nodes.literal)):
                text = literal.astext()
                if len(text) <= _WHOLE:
                    literal["classes"].append("whole")
                elif literal.children and isinstance(literal[0], nodes.Text):
                    parts = [nodes.Text(part) for part in re.split(r"(?<=\w[._/])(?=\w)", text)]
                    broken = [each for part in parts for each in (part, nodes.raw("", "<wbr>", format="html"))]
                    literal.children = []
                    literal.extend(broken[:-1])


def pages_of_files(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The pages of files that any page links to."""
    highlight = PygmentsBridge("html", app.config.pygments_style or "default")
    for path in sorted(set[str]().union(*(each.get("files", ()) for each in app.env.metadata.values()))):
        file = ROOT / path
        language = _LANGUAGES.get(file.suffix or file.name, "text")
        lines = highlight.highlight_block(file.read_text(encoding="utf-8"), language, linenos=False)
        body = f"<h1>{escape(path)}</h1>\n<p>A file of the repository, as it was when this site was made.</p>\n{lines}"
        yield f"source/{path}", {"title": path, "body": body}, "page.html"


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.connect("source-read", read_page)
    app.add_transform(FilesAsPages)
    app.add_post_transform(BreaksInNames)
    app.connect("html-collect-pages", pages_of_files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
