"""`python -m ctrlkit.bitcoin` is `bitcoin-controller`."""

from __future__ import annotations

import sys

from ctrlkit.bitcoin.cli import main

sys.exit(main())
