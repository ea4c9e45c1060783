"""
The command `ctrlkit`: runs the subcommands that packages contribute.

A package contributes one through an entry point of the group `ctrlkit.commands` that names a `Command`:

    [project.entry-points."ctrlkit.commands"]
    apiserver = "ctrlkit.fakes.command:COMMAND"

Only the command that is called is imported; for `--help` all are.

Exit status: what the command returns; 1 for an error, told in one line on stderr; 2 for bad arguments; 130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version

from ctrlkit.errors import ConfigError
from ctrlkit.exits import exit_status

COMMANDS_GROUP = "ctrlkit.commands"


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
    """Run the command line, of this process where `argv` is None, and return the exit status."""
    return exit_status("ctrlkit", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    given = sys.argv[1:] if argv is None else argv
    arguments = _parser(_load_commands(given[0] if given else "")).parse_args(given)
    command: Command = arguments.command
    return command.run(arguments)


def _load_commands(called: str) -> list[Command]:
    """The command of that name, or all where there is none."""
    points = {point.name: point for point in entry_points(group=COMMANDS_GROUP)}
    names = [called] if called in points else sorted(points)
    return [_load(name, points[name].load) for name in names]


def _load(name: str, load: Callable[[], object]) -> Command:
    try:
        command = load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"load the command {name!r}: {error}; reinstall the package that contributes it") from error
    if not isinstance(command, Command):
        raise ConfigError(f"load the command {name!r}: its entry point must name a ctrlkit.cli.Command")
    return command


def _parser(commands: Sequence[Command]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
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
