"""Finds a real bitcoind, its bitcoin-cli, and the flags that it requires and knows."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

_CONSENSUS_FLAGS: Final = {
    "-excessiveblocksize": "-excessiveblocksize=1000000000",
    "-maxstackmemoryusageconsensus": "-maxstackmemoryusageconsensus=100000000",
    "-minminingtxfee": "-minminingtxfee=0.0",
}
_QUIET_FLAGS: Final = ("-disablewallet", "-listenonion=0", "-natpmp=0", "-upnp=0")
"""No wallet, and nobody is called who is no node: neither Tor nor a router."""


class BinaryNotFound(Exception):
    """A named program does not exist or is not executable; the message is one line."""


def find_bitcoind(explicit: str | None) -> Path | None:
    """
    Find bitcoind: `explicit`, else `$BITCOIND`, else on `PATH`, else beside this Python (`make bitcoind`).

    Returns None if there is none. BinaryNotFound if `explicit` or `$BITCOIND` does not lead to a program.
    """
    if explicit is not None:
        return _named(explicit, "the path given for bitcoind")
    if from_environment := os.environ.get("BITCOIND"):
        return _named(from_environment, "$BITCOIND")
    found = shutil.which("bitcoind") or shutil.which(str(Path(sys.prefix, "bin", "bitcoind")))
    return None if found is None else Path(found).absolute()


def cli_of(bitcoind: Path) -> Path:
    """Return the bitcoin-cli in the folder of `bitcoind`. Errors: BinaryNotFound."""
    return _named(str(bitcoind.with_name("bitcoin-cli")), f"bitcoin-cli beside {bitcoind}")


async def consensus_flags(bitcoind: Path) -> list[str]:
    """
    Return the consensus flags that a Bitcoin SV node requires on regtest; none for a Bitcoin Core node.

    A node refuses unknown flags, so this runs `bitcoind -help` and selects those that it lists.
    """
    known = await _known_flags(bitcoind)
    return [flag for name, flag in _CONSENSUS_FLAGS.items() if name in known]


async def flags_of_a_pod(bitcoind: Path) -> list[str]:
    """Return the flags with which a node keeps to itself, and those that it requires, as far as it knows them."""
    known = await _known_flags(bitcoind)
    quiet = [flag for flag in _QUIET_FLAGS if flag.partition("=")[0] in known]
    return [*quiet, *(flag for name, flag in _CONSENSUS_FLAGS.items() if name in known)]


async def _known_flags(bitcoind: Path) -> frozenset[str]:
    process = await asyncio.create_subprocess_exec(
        bitcoind, "-help", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return frozenset(re.findall(r"^  (-[a-z0-9]+)", output.decode(errors="replace"), re.MULTILINE))


def _named(path: str, what: str) -> Path:
    found = shutil.which(path)
    if found is None:
        raise BinaryNotFound(f"{what}: {path!r} {_objection(path)}")
    return Path(found).absolute()


def _objection(path: str) -> str:
    """
    Say why a path is not a program, and what to do.

    >>> _objection("/tmp"), _objection("/nowhere/bitcoind")
    ('is a folder; name the program in it', 'is not there; correct it')
    """
    if not os.path.dirname(path):
        return "is no program on the PATH; name a file with its folder, such as ./bitcoind"
    if os.path.isdir(path):
        return "is a folder; name the program in it"
    return "is not executable; chmod +x makes it so" if os.path.exists(path) else "is not there; correct it"
