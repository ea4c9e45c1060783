"""`python -m ctrlkit.bitcoin` is `bitcoin-controller`."""

from __future__ import annotations

import sys

from ctrlkit.bitcoin import main

if __name__ == "__main__":
    sys.exit(main())
