"""A kind is moved from v1 to v2 as its guide says, step by step, on a server of ours and on a real one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.kubectl import KUBECTL, needs_kubectl
from tests.support.served import served
from tests.support.snippets import ROOT, files_of, write_files

pytestmark = [needs_kubectl, pytest.mark.real_time, pytest.mark.timeout(300)]

GUIDE = (ROOT / "docs" / "howto" / "change-a-kind.md").read_text(encoding="utf-8")
FIRST = "import ctrlkit.crd, backups; print(ctrlkit.crd.to_yaml(ctrlkit.crd.definition_of(backups.BACKUPS_V1)))"
"""Prints the definition as it was before there was another version."""
OF_THE_KIND = "kubectl get crd backups.example.com -o json"
SEE = "kubectl get crd backups.example.com -o yaml > deployed.yaml"
STORED_V1 = "V1, V2 = Definition(storage=True), Definition(storage=False)"
REFUSED = "status.storedVersions"
STORED_V2 = "V1, V2 = Definition(storage=False), Definition(storage=True)"


def without_v1(program: str) -> str:
    """The program of the guide as it is in the end: no class, kind or conversion has to do with v1."""
    parts = [part for part in program.split("\n\n") if "class SpecV1" not in part and "class BackupV1" not in part]
    parts = [part for part in parts if "@conversion" not in part]
    lines = "\n\n".join(parts).replace(STORED_V1, "V2 = Definition(storage=True)").splitlines()
    return "\n".join(line for line in lines if not line.startswith("BACKUPS_V1"))


class Walk:
    """A user with kubectl and ctrlkit in a folder of their own."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.folder = folder
        programs = f"{Path(sys.executable).parent}:{Path(str(KUBECTL)).parent}:{os.environ['PATH']}"
        self.environment = {"PATH": programs, "HOME": str(folder), "KUBECONFIG": str(kubeconfig)}

    def type(self, command: str, *, status: int = 0) -> str:
        """What a line of the shell prints, of which the last command ends with this status."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def edit(self, before: str, after: str) -> None:
        """Change the program."""
        path = self.folder / "backups.py"
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))

    @contextmanager
    def running(self) -> Iterator[None]:
        """The program, until it has told the server of its conversions."""
        command = [sys.executable, "-m", "ctrlkit", "run", "backups", "--endpoints-address", "off"]
        with subprocess.Popen(
            [*command, "--webhooks-address", "127.0.0.1:0"],
            cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                assert process.stderr is not None
                said: list[str] = []
                for line in process.stderr:
                    said.append(line)
                    if "controller_started" in line:
                        break
                else:
                    pytest.fail("".join(said))
                yield
            finally:
                process.send_signal(signal.SIGTERM)

    def spec(self, version: str) -> dict[str, object]:
        """The object as a version shows it."""
        found = self.type(f"kubectl get backups.{version}.example.com nightly -n demo -o json")
        return dict(json.loads(found)["spec"])

    def stored(self) -> list[str]:
        """In which versions objects may be stored."""
        found = self.type(OF_THE_KIND)
        return list(json.loads(found)["status"]["storedVersions"])


@pytest.fixture(
    params=[
        pytest.param("apiserver", marks=pytest.mark.long),
        pytest.param("control_plane", marks=pytest.mark.judge),
    ]
)
def walk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Walk]:
    """A user of a server of their own."""
    write_files({"backups.py": files_of("docs/howto/change-a-kind.md")["backups.py"]}, tmp_path)
    if request.param == "control_plane":
        yield Walk(tmp_path, Path(request.getfixturevalue("control_plane").kubeconfig))
        return
    kubeconfig = tmp_path / "kubeconfig"
    with served(kubeconfig):
        yield Walk(tmp_path, kubeconfig)


def test_a_kind_moves_to_another_version_and_loses_nothing(walk: Walk) -> None:
    """The five steps of the guide, with its commands and what it quotes."""
    rewrite, forget = re.findall(r"^    (kubectl (?:get backups|patch crd) .*)$", GUIDE, re.MULTILINE)
    (reminder,) = re.findall(r"^    (backups\.example\.com objects .*)$", GUIDE, re.MULTILINE)
    walk.type(f"{sys.executable} -c '{FIRST}' | kubectl apply -f -")
    walk.type("kubectl create namespace demo && kubectl wait --for condition=Established crd/backups.example.com")
    nightly = {"apiVersion": "example.com/v1", "kind": "Backup", "metadata": {"name": "nightly", "namespace": "demo"}}
    walk.type(f"echo '{json.dumps(nightly | {'spec': {'every': '24h'}})}' | kubectl create -f -")

    (walk.folder / "last.py").write_text(without_v1((walk.folder / "backups.py").read_text()))

    walk.type(SEE)
    walk.type("ctrlkit crd backups --against deployed.yaml")
    walk.type("ctrlkit crd backups | kubectl apply -f -")
    with walk.running():
        assert (walk.spec("v1"), walk.spec("v2")) == ({"every": "24h"}, {"intervalSeconds": 86400})
        assert walk.stored() == ["v1"]

    walk.edit(STORED_V1, STORED_V2)
    walk.type(SEE)
    assert reminder in walk.type("ctrlkit crd backups --against deployed.yaml", status=1)
    walk.type("ctrlkit crd backups | kubectl apply -f -")
    with walk.running():
        assert (walk.spec("v1"), walk.spec("v2")) == ({"every": "24h"}, {"intervalSeconds": 86400})
        assert walk.stored() == ["v1", "v2"]
        assert REFUSED in walk.type("ctrlkit crd last | kubectl apply -f - 2>&1", status=1)
        walk.type(rewrite)
        assert walk.spec("v1") == {"every": "86400s"}
        walk.type(forget)
        assert walk.stored() == ["v2"]

    walk.edit("Definition(storage=False), ", "Definition(storage=False, served=False), ")
    walk.type("ctrlkit crd backups | kubectl apply -f -")
    with walk.running():
        assert walk.spec("v2") == {"intervalSeconds": 86400}
        walk.type("kubectl get backups.v1.example.com -A 2> /dev/null", status=1)

    walk.type("ctrlkit crd last | kubectl apply -f -")
    assert walk.spec("v2") == {"intervalSeconds": 86400}
    assert [each["name"] for each in json.loads(walk.type(OF_THE_KIND))["spec"]["versions"]] == ["v2"]
