"""pytest writes and checks the roles of what managers did in all worlds, in one process or several."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ctrlkit.cli import main
from tests.support.snippets import files_of, write_files

TESTS = """
import pytest
from ctrlkit.fakes import World
from greeting import GREETINGS, build

HELLO = {
    "apiVersion": "demo.example.com/v1",
    "kind": "Greeting",
    "metadata": {"name": "hello", "namespace": "demo"},
    "spec": {"text": "hello, world"},
}

async def test_made(world):
    world.serve(GREETINGS)
    world.seed(HELLO)
    world.manage(build)
    await world.settle()

async def test_nothing(world):
    world.serve(GREETINGS)
    world.manage(build, name="other")
    await world.settle()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the README's controller and two tests of it."""
    write_files({"greeting.py": files_of("README.md")["greeting.py"], "test_it.py": TESTS}, tmp_path)
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the tests of a folder; returns pytest's status and what it said."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def verbs_in(path: Path, resource: str) -> list[str]:
    """The verbs that the roles of a file have on a resource."""
    roles = [one for one in yaml.safe_load_all(path.read_text()) if one["kind"] == "ClusterRole"]
    return [verb for role in roles for rule in role["rules"] if resource in rule["resources"] for verb in rule["verbs"]]


@pytest.mark.parametrize("processes", [(), pytest.param(("-n", "2"), marks=pytest.mark.long)])
def test_roles_are_written_and_pass_their_check(folder: Path, processes: tuple[str, ...]) -> None:
    """What the file has besides stays."""
    target = folder / "rbac.yaml"
    target.write_text("# Ours.\napiVersion: v1\nkind: Namespace\nmetadata: {name: greeter}\n")
    status, said = run(folder, "--rbac-write", "rbac.yaml", "--rbac-name", "greeter", *processes)
    assert (status, "wrote rbac.yaml" in said) == (0, True)
    assert target.read_text().startswith("# Ours.\n")
    assert [one["kind"] for one in yaml.safe_load_all(target.read_text())][:3] == [
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
    ]
    assert verbs_in(target, "configmaps") == ["list", "watch", "create"]
    status, said = run(folder, "--rbac-check", "rbac.yaml", *processes)
    assert (status, "lacks" in said, "nobody used" in said) == (0, False, False)


@pytest.mark.long
def test_a_right_that_lacks_fails_the_run_with_the_line_to_add(folder: Path) -> None:
    """Those that nobody used are told, and fail nothing: perhaps only some of the tests ran."""
    run(folder, "--rbac-write", "rbac.yaml")
    target = folder / "rbac.yaml"
    target.write_text(target.read_text().replace("- create\n", "- delete\n", 1))
    status, said = run(folder, "--rbac-check", "rbac.yaml")
    assert status == 1
    assert "the ClusterRole lacks - {apiGroups: [" in said
    assert "nobody used, of the ClusterRole, - {apiGroups: [" in said


@pytest.mark.long
def test_one_manager_may_be_looked_at(folder: Path) -> None:
    """Of a program's tests that play others too."""
    run(folder, "--rbac-write", "rbac.yaml", "--rbac-manager", "other")
    assert verbs_in(folder / "rbac.yaml", "configmaps") == ["list", "watch"]


@pytest.mark.long
def test_tests_without_a_manager_write_nothing(folder: Path) -> None:
    """And say so."""
    (folder / "test_it.py").write_text("def test_one():\n    pass\n")
    status, said = run(folder, "--rbac-write", "rbac.yaml")
    assert (status, (folder / "rbac.yaml").exists()) == (0, False)
    assert "no manager of a world asked for anything" in said


def test_the_command_prints_what_the_tests_gave(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`ctrlkit rbac` runs pytest, whose own output goes to standard error."""
    monkeypatch.chdir(folder)
    assert main(["rbac", "test_it.py", "--name", "greeter", "--namespace", "greeter"]) == 0
    printed = capfd.readouterr()
    manifests = list(yaml.safe_load_all(printed.out))
    assert [one["metadata"]["name"] for one in manifests] == ["greeter"] * len(manifests)
    assert "2 passed" in printed.err
