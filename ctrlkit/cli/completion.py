"""`ctrlkit completion SHELL`: a script that completes commands, options and files, for bash, zsh and fish."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from ctrlkit.cli import Command, all_commands
from ctrlkit.extras import require

SHELLS: Final = ("bash", "zsh", "fish")

_EPILOG: Final = """\
examples:
  eval "$(ctrlkit completion bash)"                                             # in ~/.bashrc
  ctrlkit completion zsh > "${fpath[1]}/_ctrlkit"
  ctrlkit completion fish > ~/.config/fish/completions/ctrlkit.fish

The script knows the commands that were installed when it was made, and starts no Python.
"""


def script(shell: str) -> str:
    """Return the script for a shell; MissingExtra without shtab."""
    require("cli", "ctrlkit completion")
    import shtab  # noqa: PLC0415 - an extra brings it

    parser = all_commands()
    _complete_files(parser, shtab.FILE)
    text: str = shtab.complete(parser, shell=shell)
    return text


def _complete_files(parser: argparse.ArgumentParser, files: Any) -> None:
    """Have arguments that name files complete them, those of subcommands too."""
    for action in parser._actions:  # argparse tells of its arguments in no other way
        if isinstance(action.choices, dict):
            for each in action.choices.values():
                _complete_files(each, files)
        elif str(action.metavar) in ("FILE", "MANIFEST", "TARGET", "OLD", "DIR"):
            action.complete = files  # type: ignore[attr-defined]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads the script")


def _run(arguments: argparse.Namespace) -> int:
    sys.stdout.write(script(arguments.shell))
    return 0


COMMAND: Final = Command(
    name="completion", help="print a script that completes this command line in a shell", configure=_configure, run=_run
)
