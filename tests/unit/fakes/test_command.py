"""`ctrlkit apiserver`: its arguments, and what it says where it cannot start."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import ssl
import stat
import sys
from pathlib import Path

import aiohttp
import pytest
import yaml

from ctrlkit.errors import ConfigError
from ctrlkit.fakes import command
from ctrlkit.fakes.apiserver import ApiServer, PortTaken, serving
from ctrlkit.fakes.apiserver.access import Security
from ctrlkit.fakes.apiserver.kubeconfig import is_answered, kubeconfig_text
from ctrlkit.fakes.releases import NAMES, NEWEST
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.manager import connect
from ctrlkit.model.kinds import INGRESSES
from tests.support.processes import process_of


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging is set for a process, and this one is the tests'."""
    monkeypatch.setattr(serving, "configure_logging", lambda **_: None)


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


OLD = kubeconfig_text("https://127.0.0.1:1", token="old")


@pytest.mark.parametrize(
    "content",
    [
        "current-context: production",
        "apiVersion: [",
        "\0",
        "# only notes",
        "[" * 1_500,
        OLD.replace("127.0.0.1", "kube.example"),
        OLD.replace("contexts:", "contexts:\n- {name: another}"),
    ],
    ids=range(7),
)
def test_a_kubeconfig_of_other_servers_is_not_written_over(tmp_path: Path, content: str) -> None:
    """It would be lost, and at the end the file would be removed as well."""
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(
        ConfigError, match="what is there leads to other servers, or is no kubeconfig; name another file"
    ):
        command.COMMAND.run(parsed("--kubeconfig", str(path)))
    assert path.read_text() == content


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    """Such as /dev/stdout, or a link that leads to nothing."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for path in (tmp_path, link, Path("/dev/null")):
        with pytest.raises(ConfigError, match="name another file"):
            command.COMMAND.run(parsed("--kubeconfig", str(path)))
    assert link.is_symlink()


def modes(path: Path) -> tuple[int, int]:
    """Who may do what with a file and with its folder."""
    return stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)


def has_token(path: Path) -> bool:
    """Whether a kubeconfig has one."""
    return "token" in path.read_text()


def files_in(folder: Path) -> list[str]:
    """All of them, by name."""
    return sorted(path.name for path in folder.rglob("*"))


INSECURE = "--insecure: every user and program of this machine may do everything on this server\n"


@pytest.mark.real_time
@pytest.mark.parametrize("named", [True, False])
async def test_the_kubeconfig_is_private_and_goes_with_the_server(tmp_path: Path, *, named: bool) -> None:
    """
    Where none is named it is in a folder of its own; one of an earlier server is replaced.

    What --insecure means is said on stderr, where people see it who read stdout by program.
    """
    path = tmp_path / "kc"
    path.write_text(kubeconfig_text("https://127.0.0.1:1", token="old"))
    arguments, scheme, warning = (
        (("--kubeconfig", str(path)), "https", "") if named else (("--insecure",), "http", INSECURE)
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    async with process_of(sys.executable, "-m", "ctrlkit", "apiserver", *arguments, env=environment) as server:
        assert server.stdout is not None
        assert (await server.stdout.readline()).startswith(f"ready {scheme}://127.0.0.1:".encode())
        written = Path((await server.stdout.readline()).split()[3].decode())
        assert has_token(written) is named
        assert (written == path, modes(written)[0]) == (named, 0o600)
        assert named or modes(written)[1] == 0o700
        server.terminate()
        _, told = await server.communicate()
    assert (server.returncode, told.decode()) == (0, warning)
    assert files_in(tmp_path) == ([] if named else ["kc"])


def test_only_releases_that_are_imitated_can_be_served(capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed().server == NEWEST
    assert [parsed(f"--server={name}").server for name in NAMES] == list(NAMES)
    with pytest.raises(SystemExit):
        parsed("--server=1.20")
    assert "choose from" in capsys.readouterr().err


@pytest.mark.real_time
async def test_a_server_of_an_older_release_says_so_and_tells_once_what_it_leaves_undone(tmp_path: Path) -> None:
    """No Ingress leads anywhere here; the log has one line of that, however many there are."""
    path = tmp_path / "kc"
    command_line = (sys.executable, "-m", "ctrlkit", "apiserver", "--server", "1.34", "--kubeconfig", str(path))
    async with process_of(*command_line, env=os.environ) as server:
        assert server.stdout is not None
        assert (await server.stdout.readline()).startswith(b"ready ")
        await server.stdout.readline()
        async with connect(kubeconfig=str(path)) as client:
            for name in ("a", "b"):
                await client.create(INGRESSES, _ingress(name))
        url = yaml.safe_load(path.read_text())["clusters"][0]["cluster"]["server"]
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        token = yaml.safe_load(path.read_text())["users"][0]["user"]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{url}/version", ssl=context) as answer,
        ):
            assert (await answer.json())["minor"] == "34"
        server.terminate()
        _, told = await server.communicate()
    assert told.count(b"loop_missing") == 1
    assert b"ingresses.networking.k8s.io" in told


def _ingress(name: str) -> dict[str, object]:
    backend = {"service": {"name": name, "port": {"number": 80}}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"defaultBackend": backend}}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--loops", "garbage,nonsense"), "there is no nonsense; write all, none, or some of accounts, aggregation, "),
        (("--loops", ","), "none is named; write all, none, or some of "),
        (("--loops", "none,kubelet"), "none is said together with others; write all, none, or some of "),
        (("--nodes", "3", "--loops", "none"), "no kubelet runs that plays them; name kubelet in --loops too"),
        (("--nodes", "255"), "play 255 nodes: write a number from 0 to 254"),
    ],
)
def test_loops_and_nodes_that_there_cannot_be_are_errors_that_say_what_there_is(
    arguments: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        command.COMMAND.run(parsed(*arguments))


@pytest.mark.real_time
@pytest.mark.parametrize("security", [Security.TLS, Security.INSECURE])
async def test_the_kubeconfig_of_a_server_that_runs_is_left_alone(tmp_path: Path, security: Security) -> None:
    """A second server would take the first one's clients away; once that has ended the file may be replaced."""
    path = tmp_path / "kc"
    tracker = Tracker()
    async with ApiServer(tracker, tracker.registry, security=security).serve() as server:
        server.write_kubeconfig(path)
        with pytest.raises(ConfigError, match="leads to runs still; use that one, end it, or name another file"):
            await asyncio.to_thread(command.COMMAND.run, parsed("--kubeconfig", str(path)))
        text = path.read_text()
        assert text == server.kubeconfig()
    assert not is_answered(text)
