"""`python -m fakes.bitcoind` for bitcoind, `python -m fakes.bitcoind cli` for bitcoin-cli. Imports what it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run one of the two; the exit status."""
    match arguments:
        case ["cli", *rest]:
            from fakes.bitcoind import cli  # noqa: PLC0415 - a probe does without the node's imports

            return cli.main(rest)
        case _:
            from fakes.bitcoind import daemon  # noqa: PLC0415

            return daemon.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
