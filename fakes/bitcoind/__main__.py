"""`python -m ctrlkit.fakes.bitcoind` runs a simulated bitcoind; with `cli` as first argument, bitcoin-cli."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def prepare() -> None:
    """Import what either of them needs, before a fork of this interpreter runs it."""
    from ctrlkit.fakes.bitcoind import cli, daemon  # noqa: F401, PLC0415


def main(arguments: Sequence[str]) -> int:
    """Run bitcoind or bitcoin-cli; returns the exit status."""
    match arguments:
        case ["cli", *rest]:
            from ctrlkit.fakes.bitcoind import cli  # noqa: PLC0415 - a probe does without the node's imports

            return cli.main(rest)
        case _:
            from ctrlkit.fakes.bitcoind import daemon  # noqa: PLC0415

            return daemon.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
