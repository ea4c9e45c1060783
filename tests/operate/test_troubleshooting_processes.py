"""Symptoms that take a process and sockets: each looks as the page on troubleshooting says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
import yaml

from tests.operate.symptoms import missing
from tests.support.kubectl import KUBECTL, needs_kubectl
from tests.support.served import served
from tests.support.snippets import files_of, write_files

pytestmark = [pytest.mark.long, pytest.mark.real_time, pytest.mark.timeout(300), needs_kubectl]

HELD = """
import time
from ctrlkit import DONE, reconciler
from ctrlkit.model.kinds import NAMESPACES

@reconciler(NAMESPACES)
async def held(namespace, context):
    if context.key.name == "default":
        time.sleep(7)
    return DONE
"""


CONSOLE = ("--log-format", "console")
"""As on a terminal, which is what the page quotes."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The guide's greeting, for the kind that the server has."""
    write_files({name: files_of("docs/full-form.md")[name] for name in ("greeting.py", "crd.yaml")}, tmp_path)
    (tmp_path / "held.py").write_text(HELD)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[Path]:
    """A server with rights and the kind; the kubeconfig of its administrator."""
    kubeconfig = folder / "kubeconfig"
    with served(kubeconfig, "--rbac", str(folder / "crd.yaml")):
        yield kubeconfig


def changed(kubeconfig: Path, name: str, *, token: str = "", trusts: str = "yes") -> Path:
    """Another kubeconfig: with this token, or one that trusts nobody."""
    config = yaml.safe_load(kubeconfig.read_text())
    if token:
        config["users"][0]["user"] = {"token": token}
    if trusts == "nobody":
        del config["clusters"][0]["cluster"]["certificate-authority-data"]
    path = kubeconfig.parent / name
    path.write_text(yaml.safe_dump(config))
    return path


def run(folder: Path, kubeconfig: Path, *arguments: str, target: str = "greeting.py") -> str:
    """What a program prints that cannot fill its caches, or serve, and ends by itself with status 1."""
    command = [sys.executable, "-m", "ctrlkit", "run", target, "--kubeconfig", str(kubeconfig), *CONSOLE, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stderr
    return done.stderr


@contextmanager
def started(folder: Path, kubeconfig: Path, target: str, address: str) -> Iterator[IO[str]]:
    """A program that runs, and the lines of its log."""
    command = [sys.executable, "-m", "ctrlkit", "run", target, "--kubeconfig", str(kubeconfig), *CONSOLE]
    command += ["--endpoints-address", address]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield process.stderr
        finally:
            process.terminate()


def read_until(lines: IO[str], text: str) -> str:
    """What a log says up to the line that has a text."""
    said = ""
    for line in lines:
        said += line
        if text in line:
            return said
    raise AssertionError(said)


def test_what_keeps_a_program_from_starting(folder: Path, server: Path) -> None:
    """No authority, a wrong token, an account without rights, a port that is taken."""
    few = ("--sync-timeout-s", "3", "--endpoints-address", "off")
    printed = run(folder, changed(server, "untrusted", trusts="nobody"), *few)
    assert missing("The server's certificate is not trusted", printed) == []
    assert missing("The credentials are refused", run(folder, changed(server, "wrong", token="wrong"), *few)) == []
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "KUBECONFIG": str(server)}
    subprocess.run([str(KUBECTL), "create", "serviceaccount", "greeter"], env=environment, check=True)
    command = [str(KUBECTL), "create", "token", "greeter"]
    token = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    assert missing("A right is missing", run(folder, changed(server, "poor", token=token), *few)) == []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert missing("The port is taken", run(folder, server, "--endpoints-address", address)) == []


def test_what_happens_while_a_program_runs(folder: Path, server: Path) -> None:
    """A reconcile that blocks, and a debug page that is asked for as somebody else would ask."""
    with started(folder, server, "held.py", "127.0.0.1:0") as log:
        printed = read_until(log, "loop_held")
        assert missing("Everything stands still for seconds", printed) == []
        address = printed.split("endpoints_serving", 1)[1].split("address=", 1)[1].split()[0]
        request = urllib.request.Request(f"http://{address}/debug", headers={"Host": "greeter.demo.svc:8080"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert missing("/debug answers 403", refused.value.read().decode()) == []
