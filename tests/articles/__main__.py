"""Print the page about articles: `python -m tests.articles > docs/articles.md`."""

import sys

from tests.articles.page import document

sys.stdout.write(document())
