"""pytest writes and checks the roles of what managers did in all worlds, in one process or several."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ctrlkit.cli import main
from ctrlkit.fakes.pytest.rights import RightsGatherer, _of_row, _row_of
from ctrlkit.fakes.rights import HandedOn, gather
from ctrlkit.fakes.tracker.rights.attributes import Attributes
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

@pytest.mark.refusal
@pytest.mark.world(rbac=True)
async def test_refused(world):
    assert world.tracker.has_rbac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the full form's controller and two tests of it."""
    write_files({"greeting.py": files_of("docs/full-form.md")["greeting.py"], "test_it.py": TESTS}, tmp_path)
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


@pytest.mark.long
@pytest.mark.parametrize("processes", [(), ("-n", "2"), ("-p", "no:xdist")])
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
    """And fail the run, with a line."""
    (folder / "test_it.py").write_text("def test_one():\n    pass\n")
    status, said = run(folder, "--rbac-write", "rbac.yaml")
    assert (status, (folder / "rbac.yaml").exists()) == (1, False)
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
    assert "2 passed, 1 skipped" in printed.err  # a test of a refusal, while nothing is refused


PODS = Attributes("list", resource="pods", namespace="demo")


@pytest.fixture
def finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Ends a session in which managers asked for something, with options; returns the status and what is said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ctrlkit.fakes.rights._gathered", None)

    def ended(
        asked: dict[str, list[Attributes]], *said_to_pytest: str, failed: bool = False, **options: str
    ) -> tuple[int, str]:
        config: Any = SimpleNamespace(
            getoption=lambda name: options.get(name.removeprefix("--rbac-"), ""),
            invocation_params=SimpleNamespace(args=said_to_pytest),
        )
        session: Any = SimpleNamespace(exitstatus=pytest.ExitCode.TESTS_FAILED if failed else pytest.ExitCode.OK)
        said: list[str] = []
        gatherer = RightsGatherer(config)
        for name, ones in asked.items():
            gather(name, ones)
        gatherer.pytest_sessionfinish(session)
        gatherer.pytest_terminal_summary(SimpleNamespace(section=lambda _: None, write_line=said.append))
        return int(session.exitstatus), "\n".join(said)

    return ended


def test_what_a_file_has_stays(finish: Callable[..., tuple[int, str]]) -> None:
    """Annotations, secrets, further subjects, roles of the same name elsewhere."""
    finish({"m": [PODS]}, write="rbac.yaml")
    account, role, binding = yaml.safe_load_all(Path("rbac.yaml").read_text())
    account["imagePullSecrets"] = [{"name": "registry"}]
    account["metadata"]["annotations"] = {"iam": "role"}
    binding["subjects"].append({"kind": "User", "name": "ada", "apiGroup": "rbac.authorization.k8s.io"})
    other = {**role, "kind": "Role", "metadata": {"name": "controller", "namespace": "other"}}
    Path("rbac.yaml").write_text(yaml.safe_dump_all([account, other, {**role, "rules": []}, binding]))
    assert finish({"m": [PODS]}, write="rbac.yaml") == (0, "wrote rbac.yaml")
    assert list(yaml.safe_load_all(Path("rbac.yaml").read_text())) == [account, other, role, binding]


@pytest.mark.parametrize(
    ("option", "path", "text", "fact"),
    [
        ("check", "absent.yaml", None, "No such file or directory"),
        ("check", "rbac.yaml", "a: {{ .Values.a }}", "it is no YAML"),
        ("check", "rbac.yaml", "{kind: Role, rules: [{verbs: get}]}", "no list of strings"),
        ("check", ".", None, "Is a directory"),
        ("write", "absent/rbac.yaml", None, "No such file or directory"),
        ("write", "rbac.yaml", "a: {{ .Values.a }}", "it is no YAML"),
        ("write", ".", None, "Is a directory"),
    ],
)
def test_a_file_that_cannot_be_used_fails_the_run_with_one_line(
    finish: Callable[..., tuple[int, str]], option: str, path: str, text: str | None, fact: str
) -> None:
    """What was tried, the fact, and the next step; and leaves the file as it was."""
    if text is not None:
        Path(path).write_text(text)
    status, said = finish({"m": [PODS]}, **{option: path})
    assert (status, said.count("\n")) == (1, 0)
    assert said.startswith(f"--rbac-{option} {path}: ")
    assert fact in said
    assert said.count("; ") == 1
    assert text is None or Path(path).read_text() == text


@pytest.mark.parametrize(
    ("said", "failed", "fact"),
    [
        ((), True, "tests failed, or did not run to the end"),
        (("tests", "-k", "mesh"), False, "only a part of the tests was asked for (-k)"),
        (("-kmesh",), False, "(-kmesh)"),
        (("-m", "not slow"), False, "(-m)"),
        (("--lf",), False, "(--lf)"),
        (("--deselect=tests/test_a.py",), False, "(--deselect=tests/test_a.py)"),
        (("tests/test_a.py::test_one", "-q"), False, "(tests/test_a.py::test_one)"),
    ],
)
def test_a_run_that_shows_a_part_writes_nothing(
    finish: Callable[..., tuple[int, str]], said: tuple[str, ...], fact: str, *, failed: bool
) -> None:
    """Rights of what did not run would be lost; the file is as it was, and the run fails with a line."""
    for text in (None, "# Ours.\nkind: Role\nmetadata: {name: controller}\n"):
        if text is not None:
            Path("rbac.yaml").write_text(text)
        status, told = finish({"m": [PODS]}, *said, failed=failed, write="rbac.yaml")
        assert (status, told.count("\n")) == (1, 0)
        assert told.startswith("--rbac-write rbac.yaml: ")
        assert fact in told
        assert (Path("rbac.yaml").read_text() if text is not None else None) == text
        assert Path("rbac.yaml").exists() is (text is not None)


def test_the_environment_may_ask_for_a_part_too(
    finish: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-q -k 'not mesh'")
    status, said = finish({"m": [PODS]}, write="rbac.yaml")
    assert (status, "(-k)" in said, Path("rbac.yaml").exists()) == (1, True, False)


def test_a_part_is_checked(finish: Callable[..., tuple[int, str]]) -> None:
    """What it lacks is lacking, whatever else there is."""
    assert finish({"m": [PODS]}, "tests", "-v", write="rbac.yaml")[0] == 0
    assert finish({"m": [PODS]}, "-k", "mesh", check="rbac.yaml")[0] == 0
    assert finish({"m": [PODS, replace(PODS, verb="watch")]}, "-k", "mesh", check="rbac.yaml")[0] == 1


def test_what_is_taken_away_is_told(finish: Callable[..., tuple[int, str]]) -> None:
    """As perhaps a folder of tests was left out."""
    finish({"m": [PODS, replace(PODS, resource="secrets")]}, write="rbac.yaml")
    status, said = finish({"m": [PODS]}, write="rbac.yaml")
    rule = '- {apiGroups: [""], resources: [secrets], verbs: [list]}'
    assert (status, said) == (
        0,
        f"wrote rbac.yaml\nrbac.yaml: taken from the ClusterRole, as nobody used it: {rule}",
    )


@pytest.mark.parametrize("asked", [PODS, HandedOn("get", "apps", "deployments", "scale", "demo", by="roles", role="a")])
def test_what_another_process_gathered_is_the_same_here(asked: Attributes) -> None:
    assert _of_row(_row_of(asked)) == asked


def test_a_list_is_opened(finish: Callable[..., tuple[int, str]]) -> None:
    """As kubectl does it."""
    finish({"m": [PODS]}, write="rbac.yaml")
    items = list(yaml.safe_load_all(Path("rbac.yaml").read_text()))
    Path("rbac.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}))
    assert finish({"m": [PODS]}, check="rbac.yaml") == (0, "")


@pytest.mark.parametrize("options", [{"check": "rbac.yaml", "manager": "grete"}, {"write": "a", "manager": "grete"}])
def test_a_manager_that_was_not_there_fails_the_run(
    finish: Callable[..., tuple[int, str]], options: dict[str, str]
) -> None:
    """The line names those that were."""
    status, said = finish({"other": [PODS], "greeter": [PODS]}, **options)
    assert (status, said) == (
        1,
        "--rbac-manager grete: no manager of that name asked for anything: there were greeter, other",
    )


@pytest.mark.parametrize("option", ["check", "write"])
def test_a_check_of_nothing_fails_the_run(finish: Callable[..., tuple[int, str]], option: str) -> None:
    """A green run would say that the roles suffice, or were written."""
    status, said = finish({}, **{option: "rbac.yaml"})
    assert (status, "there was no manager" in said) == (1, True)


@pytest.mark.parametrize(("status", "why"), [(1, "the run failed"), (0, "no manager asked for anything")])
def test_the_command_prints_no_roles_of_tests_that_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int, why: str
) -> None:
    """A file that it is redirected to would look like the whole."""

    def tests(command: list[str], **_: Any) -> Any:
        (target,) = [one.removeprefix("--rbac-write=") for one in command if one.startswith("--rbac-write=")]
        if status:
            Path(target).write_text("half: true\n")
        return SimpleNamespace(returncode=status)

    monkeypatch.setattr("ctrlkit.fakes.rbac_command.subprocess", SimpleNamespace(run=tests))
    monkeypatch.setattr("sys.stderr.fileno", lambda: 2, raising=False)
    assert main(["rbac", "tests"]) == 1
    printed = capsys.readouterr()
    assert (printed.out, why in printed.err) == ("", True)


BROKEN = """
import pytest
from ctrlkit.errors import Forbidden

@pytest.mark.world(rbac=True)
async def test_broken(world):
    raise KeyError("a bug")

@pytest.mark.world(rbac=True)
async def test_refusal_without_the_mark(world):
    with pytest.raises(Forbidden):
        pass

@pytest.mark.refusal
def test_refusal():
    raise AssertionError
"""


def test_a_test_that_fails_is_no_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it fails for, in a world with roles too: nothing is written. One with the mark is left out."""
    monkeypatch.setattr("ctrlkit.fakes.rights._gathered", None)
    (tmp_path / "test_broken.py").write_text(BROKEN)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    target = tmp_path / "rbac.yaml"
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"-c{tmp_path}/pytest.ini", str(tmp_path)]
    assert pytest.main([*arguments, f"--rbac-write={target}"]) == pytest.ExitCode.TESTS_FAILED
    said = capsys.readouterr().out
    assert "2 failed, 1 skipped" in said
    assert f"--rbac-write {target}: tests failed" in said
    assert "@pytest.mark.refusal" in said
    assert not target.exists()


@pytest.mark.parametrize(("mark", "gathered"), [("refusal", {}), ("world", {"m": {PODS}})])
def test_what_is_asked_for_in_a_test_of_refusals_is_no_right(
    monkeypatch: pytest.MonkeyPatch, mark: str, gathered: dict[str, set[Attributes]]
) -> None:
    """Else a check would say that roles lack what they are to refuse."""
    monkeypatch.setattr("ctrlkit.fakes.rights._gathered", None)
    config: Any = SimpleNamespace(invocation_params=SimpleNamespace(args=()))
    item: Any = SimpleNamespace(get_closest_marker=lambda name: name == mark)
    gatherer = RightsGatherer(config)
    running = gatherer.pytest_runtest_protocol(item)
    next(running)
    gather("m", [PODS])
    assert next(running, None) is None
    assert gatherer._gathered == gathered


RIGHTS = """
import pytest
from test_it import GREETINGS, HELLO, build

ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "greeter", "namespace": "demo"}}

@pytest.mark.world(ACCOUNT, HELLO, kinds=[GREETINGS], rbac=True, acting_as="system:serviceaccount:demo:greeter")
async def test_rights(world):
    world.manage(build)
    await world.settle()
"""


@pytest.mark.long
def test_rights_that_lack_are_used_while_they_are_written(folder: Path) -> None:
    """Or the first one that lacks would hide all that come after it."""
    (folder / "test_rights.py").write_text(RIGHTS)
    assert run(folder, "test_rights.py")[0] == 1
    assert run(folder, "test_rights.py", "--rbac-write", "rbac.yaml", "--rbac-namespace", "demo")[0] == 0
    assert verbs_in(folder / "rbac.yaml", "configmaps") == ["list", "watch", "create"]
