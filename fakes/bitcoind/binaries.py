"""
Find the real bitcoind, its bitcoin-cli, and the flags this build demands.

One look-up for everything that wants real nodes: the demo, the kubelet's process runtime, the tests.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import Final

_CONSENSUS_FLAGS: Final = {
    "-excessiveblocksize": "-excessiveblocksize=1000000000",
    "-maxstackmemoryusageconsensus": "-maxstackmemoryusageconsensus=100000000",
    "-minminingtxfee": "-minminingtxfee=0.0",
}


class BinaryNotFound(Exception):
    """A program that was named is not there, or is no program. The message is one line for people."""


def find_bitcoind(explicit: str | None) -> Path | None:
    """
    Where bitcoind is: `explicit`, else `$BITCOIND`, else on `PATH`, else beside this Python (`make bitcoind`).

    None if it is nowhere. What is named is not searched for elsewhere: BinaryNotFound if it is not there.
    """
    if explicit is not None:
        return _named(explicit, "the path given for bitcoind")
    if from_environment := os.environ.get("BITCOIND"):
        return _named(from_environment, "$BITCOIND")
    found = shutil.which("bitcoind") or shutil.which(str(Path(sys.prefix, "bin", "bitcoind")))
    return None if found is None else Path(found).absolute()


def cli_of(bitcoind: Path) -> Path:
    """The bitcoin-cli in the folder of `bitcoind`: BinaryNotFound."""
    return _named(str(bitcoind.with_name("bitcoin-cli")), f"bitcoin-cli beside {bitcoind}")


async def consensus_flags(bitcoind: Path) -> list[str]:
    """
    The consensus flags that `bitcoind` knows of those a Bitcoin SV node does not start without on regtest.

    None of them for a Bitcoin Core node, which refuses flags it does not know. Runs `bitcoind -help`.
    """
    process = await asyncio.create_subprocess_exec(
        bitcoind, "-help", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return [flag for name, flag in _CONSENSUS_FLAGS.items() if f"\n  {name}" in output.decode(errors="replace")]


def _named(path: str, what: str) -> Path:
    found = shutil.which(path)
    if found is None:
        raise BinaryNotFound(f"{what}: {path!r} {_objection(path)}")
    return Path(found).absolute()


def _objection(path: str) -> str:
    """
    Why a path is no program, and what to do.

    >>> _objection("/tmp"), _objection("/nowhere/bitcoind")
    ('is a folder; name the program in it', 'is not there; correct it')
    """
    if not os.path.dirname(path):
        return "is no program on the PATH; name a file with its folder, such as ./bitcoind"
    if os.path.isdir(path):
        return "is a folder; name the program in it"
    return "is not executable; chmod +x makes it so" if os.path.exists(path) else "is not there; correct it"
