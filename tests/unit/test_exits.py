"""How a program ends."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

from ctrlkit.errors import ConfigError, NotSynced
from ctrlkit.exits import exit_status
from tests.support.snippets import ROOT


def raising(error: BaseException) -> int:
    raise error


def test_what_was_foreseen_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks are folded; errors of the operating system count."""
    assert exit_status("tool", lambda: raising(ConfigError("read x:\n  no such file"))) == 1
    assert exit_status("tool", lambda: raising(PermissionError(13, "Permission denied", "f"))) == 1
    assert capsys.readouterr().err == "tool: read x: no such file\ntool: [Errno 13] Permission denied: 'f'\n"


def test_groups_are_told_together_and_only_if_all_was_foreseen(capsys: pytest.CaptureFixture[str]) -> None:
    """A group with one stranger in it keeps its traceback."""
    known = ExceptionGroup("g", [ConfigError("a"), ExceptionGroup("h", [NotSynced("b"), ConfigError("a")])])
    assert exit_status("tool", lambda: raising(known)) == 1
    assert capsys.readouterr().err == "tool: a; and b\n"
    with pytest.raises(ExceptionGroup):
        exit_status("tool", lambda: raising(ExceptionGroup("g", [ConfigError("a"), ValueError("bug")])))
    with pytest.raises(ValueError, match="bug"):
        exit_status("tool", lambda: raising(ValueError("bug")))


def test_an_error_may_bring_its_own_status_and_a_program_its_own_errors() -> None:
    """Bad arguments found late are 2 as well."""

    class BadArgument(Exception):
        exit_status = 2

    assert exit_status("tool", lambda: raising(BadArgument("--x")), foreseen=(BadArgument,)) == 2
    assert exit_status("tool", lambda: raising(SystemExit(3))) == 3
    assert exit_status("tool", lambda: raising(KeyboardInterrupt())) == 130


@pytest.mark.parametrize(
    ("shell", "status"), [("{} | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}", 141), ("{} >&-", 0)]
)
def test_a_reader_that_went_away_and_a_closed_stream_need_no_words(shell: str, status: int) -> None:
    """No traceback, no complaint of the interpreter's last flush."""
    program = (
        "import sys; from ctrlkit.exits import exit_status; "
        "sys.exit(exit_status('tool', lambda: sum(sys.stdout.write('x' * 99) for _ in range(9999)) * 0))"
    )
    command = shell.format(f'{sys.executable} -c "{program}"')
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (status, "")


@pytest.mark.parametrize(
    ("name", "argument", "at"),
    [
        ("ctrlkit", "--help", "argparse"),
        ("ctrlkit", "--help", "ctrlkit.cli"),
        ("ctrlkit", "--help", "ctrlkit.fakes.command"),
        ("bitcoin-controller", "manifests", "argparse"),
        ("bitcoin-controller", "manifests", "ctrlkit.bitcoin.cli"),
        ("bitcoin-controller", "manifests", "ctrlkit.bitcoin.rules"),
    ],
)
def test_ctrl_c_while_a_program_imports_its_modules_is_its_end_without_a_traceback(
    name: str, argument: str, at: str
) -> None:
    """At whichever module: the first of the program's own, one of Python, or one of a command."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts[name].partition(":")
    program = f"""
import sys
from {module} import {function}

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == {at!r}:
            raise KeyboardInterrupt

assert {at!r} not in sys.modules
sys.meta_path.insert(0, Interrupted())
sys.argv = [{name!r}, {argument!r}]
sys.exit({function}())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
