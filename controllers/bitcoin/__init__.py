"""A controller that runs bitcoin regtest networks on Kubernetes: the reference use of ctrlkit."""

from __future__ import annotations


def main() -> int:
    """Run the command `bitcoin-controller`; Ctrl-C ends it with one status, also while its modules are imported."""
    from importlib import import_module  # noqa: PLC0415 - as few as can be before Ctrl-C is heard

    from ctrlkit.exits import exit_status  # noqa: PLC0415

    return exit_status("bitcoin-controller", lambda: int(import_module("ctrlkit.bitcoin.cli").main()))
