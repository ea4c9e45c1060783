"""
The command `ctrlkit`: runs the subcommands that packages contribute.

A package contributes one through an entry point of the group `ctrlkit.commands` that names a `Command`:

    [project.entry-points."ctrlkit.commands"]
    apiserver = "ctrlkit.fakes.command:COMMAND"

Only the command that is called is imported; for the list of commands all are: `ctrlkit` alone, `ctrlkit --help`.

Exit status: what the command returns; 1 for an error, told in one line on stderr; 2 for bad arguments; 130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from types import TracebackType
from typing import NoReturn

from ctrlkit.errors import ConfigError
from ctrlkit.exits import exit_status

COMMANDS_GROUP = "ctrlkit.commands"
"""The group of the entry points by which packages contribute commands."""


@dataclass(frozen=True, slots=True)
class Command:
    """
    A subcommand: `configure` adds its arguments to a parser, `run` runs it and returns the exit status.

    `help` is one line for the list of commands, without a full stop.
    """

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line, of this process where `argv` is None, and return the exit status.

    The traceback of an error that the program's own code raises begins with that code, and the status is 1.
    """
    try:
        return exit_status("ctrlkit", lambda: _run(argv))
    except Exception as error:
        own = _from_own_code(error)
        if own is None:
            raise
        traceback.print_exception(type(error), error, own)
        return 1


def _from_own_code(error: Exception) -> TracebackType | None:
    """A traceback without what led to the program's own code; None where that is not among it."""
    here = error.__traceback__
    while here is not None:
        top = str(here.tb_frame.f_globals.get("__name__")).partition(".")[0]
        is_own = top not in sys.stdlib_module_names and top != "ctrlkit"
        if is_own and "site-packages" not in here.tb_frame.f_code.co_filename:
            return here
        here = here.tb_next
    return None


def _run(argv: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if argv is None else argv)
    called = next(iter(given), "")
    if called and not called.startswith("-") and called not in (names := _points()):
        _parser(()).refuse(f"there is no command {called!r}{meant(called, names)} ('ctrlkit --help' lists them)")
    parser = _parser(_load_commands(called))
    if not given:
        parser.print_help()
        return 0
    arguments = parser.parse_args(given)
    arguments.given = tuple(given)
    command: Command = arguments.command
    return command.run(arguments)


def all_commands() -> argparse.ArgumentParser:
    """Return the parser of the whole command line, for which every command is imported."""
    return _parser(_load_commands(""))


def meant(name: str, known: Collection[str], *, before: str = "", after: str = "") -> str:
    """
    Return what could have been meant, as the end of a message; "" for nothing like it.

    What all of them have in common is shown `before` and `after` the name, and makes none of them more alike.

    >>> meant("sede", ["seed"], before="--"), meant("nonsense", ["seed"], before="--")
    ('; did you mean --seed?', '')
    """
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {before}{near[0]}{after}?" if near else ""


def _points() -> dict[str, Callable[[], object]]:
    return {point.name: point.load for point in entry_points(group=COMMANDS_GROUP)}


def _load_commands(called: str) -> list[Command]:
    """The command of that name, or all where there is none."""
    points = _points()
    names = [called] if called in points else sorted(points)
    return [_load(name, points[name]) for name in names]


def _load(name: str, load: Callable[[], object]) -> Command:
    try:
        command = load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"load the command {name!r}: {error}; reinstall the package that contributes it") from error
    if not isinstance(command, Command):
        raise ConfigError(f"load the command {name!r}: its entry point must name a ctrlkit.cli.Command")
    return command


class _Parser(argparse.ArgumentParser):
    """A parser that says of an option it does not know which one may be meant."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """As argparse does; what is left over has no place anywhere, so the parser that left it says so."""
        found, left = super().parse_known_args(args, namespace)
        if left:
            known = [name.removeprefix("--") for name in self._option_string_actions if name.startswith("--")]
            option = left[0].partition("=")[0]
            near = meant(option.lstrip("-"), known, before="--") if option.startswith("-") else ""
            self.error(f"unrecognized arguments: {' '.join(left)}{near}")
        return found, left

    def error(self, message: str) -> NoReturn:
        """End the program: one line of usage, without the options, and what is wrong."""
        usage = self._get_formatter()
        usage.add_usage(self.usage, [each for each in self._actions if not each.option_strings], [])
        helps = f"[options]   ('{self.prog} --help' lists them)"
        self.exit(2, f"{usage.format_help().rstrip()} {helps}\n{self.prog}: error: {message}\n")

    def refuse(self, message: str) -> NoReturn:
        """End the program: one line of usage, and what is wrong."""
        self.exit(2, f"usage: {self.prog} COMMAND ...\n{self.prog}: {message}\n")


def _parser(commands: Sequence[Command]) -> _Parser:
    parser = _Parser(
        prog="ctrlkit",
        description="Tools for people who write Kubernetes controllers with ctrlkit.",
        epilog="'ctrlkit COMMAND --help' tells what a command does and takes.",
    )
    parser.add_argument("--version", action=VersionAction)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands:
        description = f"{command.help[:1].upper()}{command.help[1:]}."
        subparser = subparsers.add_parser(command.name, help=command.help, description=description)
        command.configure(subparser)
        subparser.set_defaults(command=command)
    return parser


class VersionAction(argparse.Action):
    """An option that prints the program's name and version, and ends it; nobody else pays for looking it up."""

    def __init__(self, option_strings: Sequence[str], dest: str = argparse.SUPPRESS) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and exit."""
        sys.stdout.write(f"{parser.prog} {installed_version()}\n")
        parser.exit()


def installed_version() -> str:
    """Return the installed version of ctrlkit."""
    try:
        return version("ctrlkit")
    except PackageNotFoundError:
        return "(not installed)"
