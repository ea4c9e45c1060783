"""What a program is called: the owner of what it applies."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from ctrlkit.names import NO_NAME, program_name

pytestmark = pytest.mark.real_time

SAYS = "from ctrlkit.names import program_name\nprint(program_name())\n"


async def said(folder: Path, *arguments: str) -> str:
    """What a program says that it is called."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=folder,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    out, _ = await process.communicate()
    return out.decode().strip()


async def test_a_program_is_called_alike_however_it_is_started(tmp_path: Path) -> None:
    """By its file, from anywhere; as a module; as a package, of which `__main__` says nothing."""
    (tmp_path / "greeting.py").write_text(SAYS)
    (tmp_path / "greeter").mkdir()
    (tmp_path / "greeter" / "__main__.py").write_text(SAYS)
    (tmp_path / "greeter" / "inner.py").write_text(SAYS)
    ways = {
        ("greeting.py",): "greeting",
        (str(tmp_path / "greeting.py"), "--flag"): "greeting",
        ("-m", "greeting"): "greeting",
        ("-m", "greeter"): "greeter",
        ("greeter",): "greeter",
        ("-m", "greeter.inner"): "greeter.inner",
        ("-c", SAYS): NO_NAME,
    }
    names = await asyncio.gather(*(said(tmp_path, *way) for way in ways))
    assert dict(zip(ways, names, strict=True)) == ways


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("/usr/local/bin/bitcoin-controller", "bitcoin-controller"),
        ("C:greet.exe", "C:greet"),
        ("", NO_NAME),
        ("-", NO_NAME),
        ("a\nb", NO_NAME),
        ("a" * 129, NO_NAME),
    ],
)
def test_a_command_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch, argument: str, name: str) -> None:
    """What no server takes as a name is none."""
    monkeypatch.setattr(sys, "argv", [argument])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    assert program_name() == name
