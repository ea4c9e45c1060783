"""The command line: what it understands, and how it says what went wrong: one line, the next step, the exit status."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import structlog
import yaml

from controllers.bitcoin import cli
from controllers.bitcoin.manifests import objects
from controllers.bitcoin.run import check_server
from controllers.bitcoin.types import SERVICES
from ctrlkit.client import Client
from ctrlkit.errors import ConfigError, Forbidden
from ctrlkit.model import Action, Lines
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS
from fakes.apiserver import ApiServer
from fakes.clientset import FakeClientset

_REPOSITORY = Path(__file__).parents[2]
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
        (["--help"], ["run", "demo", "manifests", "BitcoinNetwork", "without a cluster"]),
        (["run", "--help"], ["--kubeconfig", "--context", "--namespace", "--workers", "SIGTERM", "exit status"]),
        (["demo", "--help"], ["--nodes", "--blocks", "--bitcoind", "--keep", "--output", "--port", "exit status: 0"]),
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
        (["demo", "--nodes", "1"], "--nodes: must be from 2 to 99, got 1"),
        (["demo", "--nodes", "three"], "--nodes: 'three' is no number"),
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


def test_manifests_prints_all_that_installs_the_controller(capsys: pytest.CaptureFixture[str]) -> None:
    """One YAML stream, the definition first."""
    assert cli.main(["manifests"]) == 0
    kinds = [item["kind"] for item in yaml.safe_load_all(capsys.readouterr().out)]
    assert kinds[0] == "CustomResourceDefinition"
    assert {"ClusterRole", "ClusterRoleBinding", "ServiceAccount", "Secret", "Deployment"} < set(kinds)


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
@pytest.mark.parametrize("server", ["https://127.0.0.1:99999", "127.0.0.1:6443"])
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
    [("/nowhere/bitcoind", "'/nowhere/bitcoind' is no executable file"), ("/bin/true", "/bin/true is no bitcoind")],
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
    monkeypatch.setattr("controllers.bitcoin.demo.binary.find_bitcoind", lambda explicit: None)

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


# ---- what a server answers ------------------------------------------------------------------------------------------


def with_definition() -> FakeClientset:
    """A server that knows the kind."""
    return FakeClientset(None, *objects("crd"))


def forbid(clientset: FakeClientset, verb: str, plural: str) -> None:
    """Have RBAC refuse a verb for a kind."""

    def refuse(action: Action) -> object:
        raise Forbidden(f'{plural} is forbidden: User "eve" cannot {verb} resource "{plural}"')

    if verb == "watch":
        clientset.add_watch_reactor(plural, refuse)  # type: ignore[arg-type]  # it never returns
    else:
        clientset.add_reactor(verb, plural, refuse)


@pytest.mark.parametrize("namespaces", [(), ("default", "kube-system")])
async def test_a_server_with_kind_and_permissions_is_fine(namespaces: tuple[str, ...]) -> None:
    """For all namespaces, or for those that are named."""
    await check_server(with_definition().client, namespaces)


async def test_a_missing_kind_leads_to_its_installation() -> None:
    """The command to run is in the message."""
    with pytest.raises(ConfigError, match=r"does not know this kind; install it: bitcoin-controller manifests crd \|"):
        await check_server(FakeClientset().client, ())


async def test_all_missing_permissions_are_named_at_once() -> None:
    """So that granting them does not take one try for each."""
    clientset = with_definition()
    for verb, plural in (("list", "pods"), ("watch", "pods"), ("list", "statefulsets")):
        forbid(clientset, verb, plural)

    with pytest.raises(ConfigError, match=r"RBAC refuses list statefulsets\.apps, list pods, watch pods; grant it"):
        await check_server(clientset.client, ())


async def test_a_server_that_never_answers_is_given_up() -> None:
    """After ten seconds."""

    class Silent:
        async def do(self, action: Action) -> bytes:
            await asyncio.sleep(3600)
            raise AssertionError

        def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
            raise AssertionError

    with pytest.raises(ConfigError, match="no answer within 10 s"):
        await check_server(Client(Silent()), ())
    assert asyncio.get_running_loop().time() == 10


@asynccontextmanager
async def a_controller(kubeconfig: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`bitcoin-controller run` as a process."""
    command = [sys.executable, "-m", "controllers.bitcoin", "run", "--kubeconfig", str(kubeconfig), *arguments]
    environment = os.environ | {"PYTHONPATH": str(_REPOSITORY)}
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=environment)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.real_time
async def test_run_refused_by_a_server_ends_with_one_line(tmp_path: Path) -> None:
    """The same over the wire: no kind, no permission, no known user."""
    unknown, refused = FakeClientset(), with_definition()
    forbid(refused, "list", "pods")
    servers = {
        "install it: bitcoin-controller manifests crd | kubectl apply -f -": ApiServer(
            unknown, unknown.tracker.registry
        ),
        "RBAC refuses list pods": ApiServer(refused, refused.tracker.registry),
        "check the credentials": ApiServer(unknown, unknown.tracker.registry, token="secret"),
    }
    for said, server in servers.items():
        kubeconfig = tmp_path / "config"
        async with server.serve():
            kubeconfig.write_text(server.kubeconfig().replace("secret", "guess"))
            async with a_controller(kubeconfig) as process:
                _, text = await process.communicate()
        assert (process.returncode, text.count(b"\n")) == (1, 1), text
        assert said in text.decode()


@pytest.mark.real_time
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_run_works_until_a_signal_and_ends_in_order(number: signal.Signals, tmp_path: Path) -> None:
    """A network gets its Service; then the signal, and the status is 0."""
    clientset = with_definition()
    kubeconfig = tmp_path / "config"
    async with ApiServer(clientset, clientset.tracker.registry).serve() as server:
        server.write_kubeconfig(kubeconfig)
        async with a_controller(kubeconfig, "--namespace", "default", "--log-format", "json") as process:
            async with asyncio.timeout(60), clientset.client.watch(SERVICES, namespace="default") as events:
                served = clientset.tracker.list(CUSTOM_RESOURCE_DEFINITIONS)[0]
                resource = clientset.tracker.registry.find(served.at("spec.group"), "v1", "bitcoinnetworks")
                assert resource is not None
                clientset.tracker.create(resource.resource, objects("network")[0])
                await anext(events)
            process.send_signal(number)
            _, log = await process.communicate()

    assert process.returncode == 0
    assert b'"event": "manager_stopped"' in log


def test_manifests_can_be_printed_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    """kubectl needs the kind before an object of it; an unknown name is an error that lists the known ones."""
    assert cli.main(["manifests", "crd"]) == 0
    assert [item["kind"] for item in yaml.safe_load_all(capsys.readouterr().out)] == ["CustomResourceDefinition"]
    assert cli.main(["manifests", "crd", "nope"]) == 2
    assert "choose from crd, rbac, secret, deployment, network" in capsys.readouterr().err
