"""`python -m ctrlkit` is the command `ctrlkit`."""

from __future__ import annotations

import sys
from importlib import import_module

from ctrlkit.exits import exit_status


def main() -> int:
    """Run the command `ctrlkit`; Ctrl-C ends it with one status, also while its modules are imported."""
    return exit_status("ctrlkit", lambda: int(import_module("ctrlkit.cli").main()))


if __name__ == "__main__":
    sys.exit(main())
