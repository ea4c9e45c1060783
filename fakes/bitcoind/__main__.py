"""`python -m ctrlkit.fakes.bitcoind` is bitcoind, with `cli` behind it bitcoin-cli. Imports what it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run one of the two; the exit status."""
    match arguments:
        case ["cli", *rest]:
            from ctrlkit.fakes.bitcoind import cli  # noqa: PLC0415 - a probe does without the node's imports

            return cli.main(rest)
        case _:
            from ctrlkit.fakes.bitcoind import daemon  # noqa: PLC0415

            return daemon.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
