"""The frame of the command line: commands come from entry points, errors end in one line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest

from ctrlkit import cli
from ctrlkit.errors import ConfigError, NotFound

Run = Callable[[argparse.Namespace], int]


@pytest.fixture
def contribute(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Make `ctrlkit greet NAME [--loud N]` the only command."""

    def install(run: Run) -> None:
        def configure(parser: argparse.ArgumentParser) -> None:
            parser.add_argument("name")
            parser.add_argument("--loud", type=int, default=1)

        command = cli.Command("greet", "greet somebody", configure, run)

        def load() -> cli.Command:
            return command

        monkeypatch.setattr(cli, "_points", lambda: {"greet": load})

    return install


def _refuse(_arguments: argparse.Namespace) -> int:
    raise AssertionError("the command must not run")


def test_a_command_gets_its_arguments_and_its_result_is_the_exit_status(contribute: Callable[[Run], None]) -> None:
    """What the command returns is what the process ends with."""
    seen: list[tuple[str, int]] = []

    def run(arguments: argparse.Namespace) -> int:
        seen.append((arguments.name, arguments.loud))
        return 7

    contribute(run)

    assert cli.main(["greet", "Ada", "--loud", "3"]) == 7
    assert seen == [("Ada", 3)]


@pytest.mark.parametrize(
    "argv", [["nonsense"], ["greet"], ["greet", "Ada", "--unknown"], ["greet", "Ada", "--loud", "x"]]
)
def test_bad_arguments_end_with_status_2_and_a_usage_line(
    argv: list[str], contribute: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing runs, and stderr says how the command is used."""
    contribute(_refuse)

    assert cli.main(argv) == 2
    assert capsys.readouterr().err.startswith("usage: ctrlkit")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConfigError("read a file: it is not there;\n  name another"), "read a file: it is not there; name another"),
        (NotFound("pods is unknown", attempted="list pods"), "list pods: pods is unknown; see whether the server"),
    ],
)
def test_an_error_is_one_line_on_stderr_and_status_1(
    error: Exception, line: str, contribute: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, nothing on stdout, whatever line breaks the message holds."""

    def run(_arguments: argparse.Namespace) -> int:
        raise error

    contribute(run)

    assert cli.main(["greet", "Ada"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"ctrlkit: {line}")
    assert output.err.count("\n") == 1


def test_ctrl_c_ends_with_status_130_in_silence(
    contribute: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """An interrupted command leaves no traceback."""

    def run(_arguments: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    contribute(run)

    assert cli.main(["greet", "Ada"]) == 130
    assert capsys.readouterr().err == ""


def test_help_lists_the_commands_and_tells_of_each(
    contribute: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A stranger finds the commands, and what one does."""
    contribute(_refuse)

    assert cli.main(["--help"]) == 0
    assert "greet somebody" in capsys.readouterr().out
    assert cli.main(["greet", "--help"]) == 0
    assert "Greet somebody." in capsys.readouterr().out


def test_alone_it_shows_its_help(contribute: Callable[[Run], None], capsys: pytest.CaptureFixture[str]) -> None:
    """A stranger types the name first."""
    contribute(_refuse)

    assert cli.main([]) == 0
    assert "greet somebody" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["great"], "there is no command 'great'; did you mean greet? ('ctrlkit --help' lists them)"),
        (["serve"], "there is no command 'serve' ('ctrlkit --help' lists them)"),
        (["greet", "Ada", "--luod", "3"], "unrecognized arguments: --luod 3; did you mean --loud?"),
        (["greet", "Ada", "--luod=3"], "unrecognized arguments: --luod=3; did you mean --loud?"),
        (["greet", "Ada", "--aloof"], "unrecognized arguments: --aloof\n"),
        (["greet", "Ada", "Bob"], "unrecognized arguments: Bob\n"),
    ],
)
def test_a_typo_gets_a_suggestion(
    argv: list[str], said: str, contribute: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a command and of an option."""
    contribute(_refuse)

    assert cli.main(argv) == 2
    assert said in capsys.readouterr().err


def test_version_is_printed(contribute: Callable[[Run], None], capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` says which ctrlkit this is."""
    contribute(_refuse)

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ctrlkit ")


def test_a_command_that_cannot_be_loaded_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken entry point is an error that names it, not a traceback."""
    broken = EntryPoint(name="broken", value="ctrlkit.no_such_module:COMMAND", group=cli.COMMANDS_GROUP)
    wrong = EntryPoint(name="wrong", value="ctrlkit.cli:COMMANDS_GROUP", group=cli.COMMANDS_GROUP)
    for point in (broken, wrong):
        monkeypatch.setattr(cli, "entry_points", lambda *, group, point=point: [point] if group else [])

        assert cli.main([point.name]) == 1
        assert f"load the command {point.name!r}" in capsys.readouterr().err
