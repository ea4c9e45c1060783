"""Print what becomes of each manifest, for docs/manifests.md: `python -m tests.manifests > docs/manifests.md`."""

from __future__ import annotations

import sys

from tests.manifests.table import document

if __name__ == "__main__":
    sys.stdout.write(document())
