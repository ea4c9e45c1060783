"""`ctrlkit apiserver`: its arguments, and what it says where it cannot start."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path

import pytest

from ctrlkit.errors import ConfigError
from fakes.apiserver import PortTaken, command


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging is set for a process, and this one is the tests'."""
    monkeypatch.setattr(command, "configure_logging", lambda **_: None)


def parsed(*arguments: str) -> argparse.Namespace:
    """The command's arguments, read."""
    parser = argparse.ArgumentParser()
    command.COMMAND.configure(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_is_a_number_in_range(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is a bad argument."""
    with pytest.raises(SystemExit) as end:
        parsed(f"--port={port}")
    assert end.value.code == 2
    assert "--port" in capsys.readouterr().err


def test_a_taken_port_is_an_error_that_says_so() -> None:
    """Nothing is served, nothing printed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}: the port is taken"):
            command.COMMAND.run(parsed("--port", str(port)))


def test_a_kubeconfig_that_cannot_be_written_is_an_error_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server ends again, and says nothing of being ready."""
    path = tmp_path / "missing" / "kubeconfig"
    with pytest.raises(ConfigError, match=f"write the kubeconfig {path}: No such file"):
        command.COMMAND.run(parsed("--kubeconfig", str(path)))
    assert capsys.readouterr().out == ""
