"""`python -m ctrlkit` is the command `ctrlkit`."""

from __future__ import annotations

import sys

from ctrlkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
