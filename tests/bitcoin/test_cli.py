"""The command line: what it understands, and how it says what went wrong: one line, the next step, the exit status."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import structlog
import yaml

from ctrlkit.bitcoin import cli
from ctrlkit.errors import ConfigError

_KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:PORT"}}]
users: [{name: u, user: {}}]
contexts: [{name: test, context: {cluster: c, user: u}}]
current-context: test
"""


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Commands configure logging for their process."""
    yield
    structlog.reset_defaults()


def assert_one_line(output: pytest.CaptureFixture[str], *parts: str) -> None:
    """Nothing on stdout, and one line on stderr that has these parts in it."""
    captured = output.readouterr()
    assert captured.out == ""
    assert (captured.err[:20], captured.err.count("\n")) == ("bitcoin-controller: ", 1)
    assert [part for part in parts if part not in captured.err] == []


# ---- help, arguments ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--help"], ["run", "upgrade", "demo", "manifests", "BitcoinNetwork", "without a cluster"]),
        (
            ["run", "--help"],
            ["--kubeconfig", "--namespaces", "--workers", "--leader-elect", "CTRLKIT_LEASE_NAME", "2 for"],
        ),
        (["demo", "--help"], ["--nodes", "--blocks", "--bitcoind", "--keep", "--output", "--port", "exit status: 0"]),
        (["upgrade", "--help"], ["NETWORK", "--dry-run", "--lose-chain", "--timeout", "list and delete controllerrev"]),
        (["manifests", "--help"], ["YAML"]),
    ],
)
def test_help_tells_a_stranger_what_there_is(
    argv: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands, options and examples."""
    assert cli.main(argv) == 0
    text = capsys.readouterr().out
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["run", "--workers", "0"], "--workers: must be from 1 to 100, got 0"),
        (["run", "--frob"], "unrecognized arguments: --frob"),
        (["run", "--namespace", "dev"], "unrecognized arguments: --namespace dev"),
        (["upgrade"], "required: NETWORK"),
        (["demo", "--nodes", "1"], "--nodes: must be from 2 to 99, got 1"),
        (["demo", "--nodes", "three"], "--nodes: 'three' is no number"),
        (["demo", "--nodes", "5", "--scale-to", "5"], "--scale-to: must be more than the 5 nodes of --nodes, got 5"),
        (["demo", "--blocks", "0"], "--blocks: must be from 1"),
        (["demo", "--output", "xml"], "invalid choice: 'xml'"),
        (["demo", "--port", "70000"], "--port: must be from 0 to 65535"),
        (["demo", "--with-kubelet"], "add --kubeconfig FILE"),
        (["demo", "--context", "x"], "add --kubeconfig FILE"),
        (["demo", "--kubeconfig", "x", "--port", "8001"], "leave one of them out"),
    ],
)
def test_bad_arguments_end_with_status_2_and_say_what_is_wrong(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is started."""
    assert cli.main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: bitcoin-controller")
    assert said in captured.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("argv", "variables", "said"),
    [
        (["--grace-s", "long"], {}, "--grace-s long: grace_s takes seconds"),
        ([], {"CTRLKIT_LOG_LEVEL": "loud"}, "CTRLKIT_LOG_LEVEL=loud: log_level takes one of debug"),
        (["--leader-elect"], {}, "without lease_name"),
    ],
)
def test_a_bad_setting_ends_with_status_2_and_says_where_it_stands(
    argv: list[str],
    variables: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each flag of `run` but --workers is also a variable; they are the framework's own."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["run", *argv]) == 2
    assert_one_line(capsys, said)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"bitcoin-controller {version('ctrlkit')}\n"


def test_manifests_prints_all_that_installs_the_controller(capsys: pytest.CaptureFixture[str]) -> None:
    """One YAML stream, the definition first."""
    assert cli.main(["manifests"]) == 0
    kinds = [item["kind"] for item in yaml.safe_load_all(capsys.readouterr().out)]
    assert kinds[0] == "CustomResourceDefinition"
    assert {"ClusterRole", "ClusterRoleBinding", "ServiceAccount", "Secret", "Deployment"} < set(kinds)


def test_manifests_can_be_printed_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    """kubectl needs the kind before an object of it; an unknown name is an error that lists the known ones."""
    assert cli.main(["manifests", "crd"]) == 0
    assert [item["kind"] for item in yaml.safe_load_all(capsys.readouterr().out)] == ["CustomResourceDefinition"]
    assert cli.main(["manifests", "crd", "nope"]) == 2
    assert "choose from crd, rbac, secret, deployment, network" in capsys.readouterr().err


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_kubeconfig_that_is_not_there_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do about it."""
    assert cli.main([command, "--kubeconfig", str(tmp_path / "none")]) == 1
    assert_one_line(capsys, str(tmp_path / "none"), "no such file", "correct --kubeconfig")


@pytest.mark.parametrize(("text", "said"), [("{nope", "it is not YAML"), ("kind: Config", "correct the file")])
def test_a_kubeconfig_that_is_none_is_named(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broken YAML, or YAML of something else."""
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(text)

    assert cli.main(["run", "--kubeconfig", str(kubeconfig)]) == 1
    assert_one_line(capsys, str(kubeconfig), said)


@pytest.mark.parametrize("command", ["run", "demo"])
@pytest.mark.parametrize("server", ["https://127.0.0.1:99999", "127.0.0.1:6443/x"])
def test_a_server_that_is_no_url_is_told(
    command: str, server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With how to write one."""
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(_KUBECONFIG.replace("http://127.0.0.1:PORT", server))

    assert cli.main([command, "--kubeconfig", str(kubeconfig)]) == 1
    assert_one_line(capsys, str(kubeconfig), server, "write it as https://HOST:PORT")


def test_an_unknown_context_is_told_with_those_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next step is to choose one of them."""
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(_KUBECONFIG)

    assert cli.main(["run", "--kubeconfig", str(kubeconfig), "--context", "prod"]) == 1
    assert_one_line(capsys, "prod", "use one of its contexts: test")


@pytest.mark.parametrize("command", ["run", "demo"])
def test_an_unreachable_server_is_an_error_at_once(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started, with the address that was tried."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(_KUBECONFIG.replace("PORT", str(port)))

    assert cli.main([command, "--kubeconfig", str(kubeconfig)]) == 1
    assert_one_line(capsys, f"127.0.0.1:{port} refused the connection", "check that the server runs")


@pytest.mark.parametrize(
    ("bitcoind", "said"),
    [
        ("/nowhere/bitcoind", "'/nowhere/bitcoind' is not there"),
        ("/usr", "'/usr' is a folder"),
        ("/etc/passwd", "'/etc/passwd' is not executable"),
        ("/bin/true", "/bin/true is no bitcoind"),
    ],
)
def test_a_wrong_bitcoind_path_is_a_bad_argument(bitcoind: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is named is not searched for elsewhere."""
    assert cli.main(["demo", "--bitcoind", bitcoind]) == 2
    assert_one_line(capsys, said, "simulated")


def test_a_wrong_path_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """$BITCOIND counts as an argument, in auto mode too."""
    monkeypatch.setenv("BITCOIND", "/nowhere/bitcoind")

    assert cli.main(["demo"]) == 2
    assert_one_line(capsys, "$BITCOIND", "/nowhere/bitcoind")


def test_real_nodes_without_a_bitcoind_lead_to_where_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`real` never turns into simulated."""
    monkeypatch.setattr("ctrlkit.bitcoin.demo.binary.find_bitcoind", lambda explicit: None)

    assert cli.main(["demo", "--bitcoind", "real"]) == 1
    assert_one_line(capsys, "no bitcoind", "make bitcoind", "--bitcoind PATH")


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With what to choose instead; nothing of the demo is left running."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["demo", "--bitcoind", "simulated", "--port", str(port)]) == 1
    assert_one_line(capsys, f"127.0.0.1:{port}", "the port is taken", "choose another")


def test_ctrl_c_ends_with_status_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In silence, wherever it comes."""

    def interrupt(_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_manifests", interrupt)

    assert cli.main(["manifests"]) == 130
    assert capsys.readouterr().err == ""


def test_foreseen_errors_in_groups_are_told_and_others_are_not_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each once, in one line; a mistake of ours keeps its traceback."""
    error: Exception = ExceptionGroup("g", [ConfigError("a"), ExceptionGroup("h", [ConfigError("a"), OSError("b")])])

    def fail(_arguments: object) -> int:
        raise error

    monkeypatch.setattr(cli, "_manifests", fail)
    assert cli.main(["manifests"]) == 1
    assert capsys.readouterr().err == "bitcoin-controller: a; and b\n"

    error = ExceptionGroup("g", [ConfigError("a"), ZeroDivisionError()])
    with pytest.raises(ExceptionGroup):
        cli.main(["manifests"])
