"""
The public names of ctrlkit: `python -m tests.packaging.public_names > docs/public-names.txt` writes the list anew.

What packages have in `__all__`, and what MODULES define: docs/stability.md says what that means.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PACKAGES: Final = (
    "ctrlkit",
    "ctrlkit.cache",
    "ctrlkit.client",
    "ctrlkit.controller",
    "ctrlkit.election",
    "ctrlkit.events",
    "ctrlkit.fakes",
    "ctrlkit.fakes.apiserver",
    "ctrlkit.fakes.cluster",
    "ctrlkit.fakes.tracker",
    "ctrlkit.manager",
    "ctrlkit.manager.endpoints",
    "ctrlkit.model",
    "ctrlkit.workqueue",
)
MODULES: Final = ("ctrlkit.cli", "ctrlkit.clock", "ctrlkit.errors", "ctrlkit.model.kinds", "ctrlkit.telemetry")
HEAD: Final = "# Written by `python -m tests.packaging.public_names`; docs/stability.md says what stands here.\n"


def public_names() -> Iterator[str]:
    """All of them, with dots, in order of their homes."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield from (f"{name}.{each}" for each in sorted(package.__all__))
    for name in MODULES:
        yield from (f"{name}.{each}" for each in sorted(_defined(name)))


def text() -> str:
    """The file docs/public-names.txt."""
    return HEAD + "".join(f"{name}\n" for name in public_names())


def _defined(module: str) -> Iterator[str]:
    """What a module defines itself, without a leading underscore."""
    file = importlib.import_module(module).__file__
    assert file is not None
    for node in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found = [name]
            case ast.Assign(targets=targets):
                found = [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                found = [name]
            case _:
                found = []
        yield from (name for name in found if not name.startswith("_") and len(name) > 1)


if __name__ == "__main__":
    sys.stdout.write(text())
