"""`python -m controllers.bitcoin` is `bitcoin-controller`."""

from __future__ import annotations

import sys

from controllers.bitcoin.cli import main

sys.exit(main())
