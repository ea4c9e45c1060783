"""How `make docs` makes the site of the documentation: Sphinx, MyST for Markdown, furo for its looks."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "ctrlkit"
author = "ctrlkit developers"
project_copyright = author
version = release = version_of("ctrlkit")

extensions = ["myst_parser", "sphinx_copybutton", "repository", "accessible", "quick", "ctrlkit_reference"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
smartquotes = False  # quotes and dashes are often those of commands
exclude_patterns = ["_extensions"]

highlight_language = "text"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme = "furo"
html_title = "ctrlkit"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_search_scorer = str(HERE / "_static" / "search_order.js")
html_use_index = html_domain_indices = False  # the search finds names
html_copy_source = html_show_sourcelink = html_show_sphinx = False
html_theme_options = {
    "top_of_page_buttons": [],
    "light_css_variables": {
        "color-brand-primary": "#0f6e6e",
        "color-brand-content": "#0f6e6e",
        "color-brand-visited": "#0f6e6e",
        "color-foreground-secondary": "#4d5661",
        "color-foreground-muted": "#59626d",
        "color-code-background": "#f5f7f8",
        "color-sidebar-link-text": "#3c444d",
        "color-sidebar-link-text--top-level": "#3c444d",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5cc8c0",
        "color-brand-content": "#5cc8c0",
        "color-brand-visited": "#5cc8c0",
        "color-foreground-secondary": "#b0b6bd",
        "color-foreground-muted": "#a0a7af",
        "color-code-background": "#1f2224",
        "color-sidebar-link-text": "#c3c9cf",
        "color-sidebar-link-text--top-level": "#c3c9cf",
    },
}
# A server answers with 404.html for any address, so its links begin at the top: where the site is, if not at /.
html_additional_pages = {"404": "404.html"}
html_context = {
    "site_base": os.environ.get("SITE_BASE", "/"),
    "logo": (HERE / "_static" / "logo.svg").read_text(encoding="utf-8").replace("<svg ", '<svg width="56" ', 1),
}
templates_path = ["_templates"]
