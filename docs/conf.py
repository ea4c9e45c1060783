"""How `make docs` makes the site of the documentation: Sphinx, MyST for Markdown, furo for its looks."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "ctrlkit"
author = "ctrlkit developers"
project_copyright = author
version = release = version_of("ctrlkit")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "repository"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "ctrlkit"
exclude_patterns = ["_extensions"]
