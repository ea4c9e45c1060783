"""However the process of a ControlPlane ends, etcd and kube-apiserver end too; programs that stand for them show it."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

import pytest

from ctrlkit.fakes.controlplane import ControlPlane, NoControlPlane

OWNER = "import sys; from ctrlkit.fakes import ControlPlane; ControlPlane(sys.argv[1]).__enter__()"

pytestmark = pytest.mark.real_time


def programs(folder: Path, rest: str) -> None:
    """Write programs that say that they have begun, to a pipe that stays open until they end, and go on with `rest`."""
    for name in ("etcd", "kube-apiserver"):
        program = folder / name
        program.write_text(f"#!/bin/sh\nexec 3>>{folder}/begun\necho {name} $* >&3\n{rest}\n")
        program.chmod(0o700)


async def test_a_killed_test_run_leaves_no_program_behind(tmp_path: Path) -> None:
    """While it waits for the server it is killed: the pipe that both programs hold is closed, and their files go."""
    programs(tmp_path, "exec sleep 600")
    os.mkfifo(tmp_path / "begun")
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", OWNER, tmp_path, stdout=DEVNULL, stderr=DEVNULL)

    def heard() -> list[str]:
        with (tmp_path / "begun").open() as begun:
            lines = [begun.readline(), begun.readline()]
            owner.kill()
            return [*lines, begun.read()]

    first, second, rest = await asyncio.to_thread(heard)
    await owner.wait()
    assert ({first.split()[0], second.split()[0]}, rest) == ({"etcd", "kube-apiserver"}, "")


def test_programs_that_end_at_once_are_told_of_and_nothing_is_left(tmp_path: Path) -> None:
    """What they wrote last is in the error, and the folder with keys is gone."""
    programs(tmp_path, "echo cannot run here; exit 1")
    (tmp_path / "begun").write_text("")
    with pytest.raises(NoControlPlane, match="cannot run here"):
        ControlPlane(tmp_path).__enter__()
    said = (tmp_path / "begun").read_text()
    (data,) = (word.partition("=")[2] for word in said.split() if word.startswith("--data-dir="))
    assert not Path(data).parent.exists()
