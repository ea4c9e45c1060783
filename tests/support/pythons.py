"""
Environments for the other Pythons of this machine: `python -m tests.support.pythons --into .venv/pythons`.

One for each minor version that ctrlkit supports and somebody has installed: on the PATH, or by pyenv. What is not there
is said in a line, and is no error.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
VERSIONS: Final = ("3.11", "3.12", "3.13", "3.14")
FOLDER: Final = Path(sys.prefix) / "pythons"


def find_python(version: str) -> Path | None:
    """An interpreter of a minor version that starts; shims of version managers may be there and lead nowhere."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    candidates = [shutil.which(f"python{version}"), *pyenv.glob(f"versions/{version}.*/bin/python")]
    return next((Path(found) for found in candidates if found and _version_of(Path(found)) == version), None)


def _version_of(python: Path) -> str:
    done = subprocess.run([str(python), "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"Python (\d+\.\d+)", done.stdout)
    return found[1] if done.returncode == 0 and found else ""


def others() -> list[str]:
    """The versions beside the one that runs this."""
    return [version for version in VERSIONS if version != f"{sys.version_info.major}.{sys.version_info.minor}"]


def main() -> None:
    """Make the environments, or bring them up to date."""
    parser = argparse.ArgumentParser(description="Make an environment for each other Python of this machine.")
    parser.add_argument("--into", type=Path, default=FOLDER, metavar="FOLDER")
    into: Path = parser.parse_args().into
    for version in others():
        python = find_python(version)
        if python is None:
            sys.stderr.write(f"there is no python{version} on this machine: it is not tested\n")
            continue
        subprocess.run([str(python), "-m", "venv", str(into / version)], check=True)
        pip = [str(into / version / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, "--editable", ".[test]"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
