"""In the checkout, too, each file is imported under one name: `ctrlkit.fakes` and `ctrlkit.bitcoin`, through links."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ctrlkit
from tests.support.production import ROOT

LINKS = {"fakes": "../fakes", "bitcoin": "../controllers/bitcoin"}
IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
files = {}
for name, module in list(sys.modules.items()):
    if name != "__main__" and getattr(module, "__file__", None):
        files.setdefault(__import__("os").path.realpath(module.__file__), set()).add(name)
print([sorted(names) for names in files.values() if len(names) > 1 and any("ctrlkit" in name for name in names)])
print(sorted({"fakes", "controllers"} & set(sys.modules)))
"""


def test_two_links_are_all_it_takes() -> None:
    """They are relative, so that a clone works wherever it stands."""
    found = {path.name: os.readlink(path) for path in (ROOT / "ctrlkit").iterdir() if path.is_symlink()}
    assert found == LINKS


@pytest.mark.long
def test_no_module_is_imported_twice(tmp_path: Path) -> None:
    """With all of them imported, no file has two names, and none is called by its folder's."""
    names = [info.name for info in pkgutil.walk_packages(ctrlkit.__path__, "ctrlkit.") if "__main__" not in info.name]
    assert {"ctrlkit.fakes.world.world", "ctrlkit.bitcoin.reconciler"} <= set(names)
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *names], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_no_tool_is_told_of_the_folders() -> None:
    """mypy, pyright, pytest, import-linter and the build are pointed at `ctrlkit`; ruff refuses the folders' names."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    told = [
        *tool["mypy"]["packages"],
        *tool["pyright"]["include"],
        *tool["pytest"]["ini_options"]["testpaths"],
        *tool["importlinter"]["root_packages"],
        *tool["hatch"]["build"]["targets"]["wheel"]["packages"],
        *tool["hatch"]["build"]["targets"]["sdist"]["only-include"],
    ]
    assert not {"fakes", "controllers"} & set(told)
    assert set(tool["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]) == {"fakes", "controllers"}
