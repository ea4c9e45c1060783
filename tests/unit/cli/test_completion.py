"""`ctrlkit completion`: scripts that the shells read, with the commands and their options in them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ctrlkit.cli import main
from ctrlkit.cli.completion import SHELLS, script


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_the_commands_and_their_options(shell: str) -> None:
    """Those of packages too."""
    text = script(shell)
    for word in ("apiserver", "crd", "dry-run", "reload"):
        assert word in text


def test_bash_completes_with_the_script() -> None:
    """Commands, options, and files for what is a file."""
    bash = shutil.which("bash")
    assert bash is not None
    ask = """
    %s
    complete_for() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_ctrlkit; echo "${COMPREPLY[@]}"; }
    complete_for ctrlkit ru; complete_for ctrlkit run --relo
    """
    done = subprocess.run([bash, "-c", ask % script("bash")], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == ["run", "--reload"]


def test_another_shell_is_told_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """With status 2."""
    assert main(["completion", "tcsh"]) == 2
    assert "invalid choice: 'tcsh' (choose from 'bash', 'zsh', 'fish')" in capsys.readouterr().err
