"""`ctrlkit init`: a project that works as it stands, and one line for what cannot be."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ctrlkit.cli import main
from ctrlkit.fakes import World
from ctrlkit.scaffold import command

Calls = list[tuple[str, ...]]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What would be run in the folder that is made, in place of which nothing is; the test has a folder of its own."""
    found: Calls = []
    monkeypatch.setattr(command, "_call", lambda _, *arguments: found.append(arguments))
    monkeypatch.chdir(tmp_path)
    return found


def files_in(folder: Path) -> set[str]:
    """The files at the top of a folder."""
    return {path.name for path in folder.iterdir()}


def test_a_project_is_made_and_told(calls: Calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a folder of its name; its code is formatted and its manifests are made before anybody sees it."""
    assert main(["init", "cache-operator", "--group", "shop.example.com", "--license", "MIT"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "for the kind Cache (caches.shop.example.com)" in printed.out
    assert "  cd cache-operator\n  make test" in printed.out
    assert {"cache_operator", "deploy", "tests", "LICENSE", "Makefile"} <= files_in(tmp_path / "cache-operator")
    assert [call[:2] for call in calls] == [("ruff", "check"), ("ruff", "format"), ("ctrlkit", "manifests")]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["Cache"], 2, "write cache"),
        (["cache", "--kind", "redis cache"], 2, "write RedisCache"),
        (["cache", "--group", "nodot"], 2, "with a dot in it"),
        (["cache", "--license", "GPL"], 2, "choose from"),
        (["taken"], 1, "in the way: Makefile, README.md; give another place with --dir"),
        (["file"], 1, "there is a file of that name"),
    ],
)
@pytest.mark.usefixtures("calls")
def test_what_cannot_be_made(
    arguments: list[str], status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused with what to do, and nothing is made or changed."""
    (tmp_path / "taken").mkdir()
    for name in ("taken/README.md", "taken/Makefile", "file"):
        (tmp_path / name).write_text("mine")
    assert main(["init", *arguments]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1 or status == 2
    assert files_in(tmp_path) == {"taken", "file"}
    assert files_in(tmp_path / "taken") == {"README.md", "Makefile"}


def test_a_place_can_be_given(calls: Calls, tmp_path: Path) -> None:
    """Such as the folder one is in, with a README of another name and git's own folder in it."""
    (tmp_path / ".git").mkdir()
    assert main(["init", "cache-operator", "--dir", "."]) == 0
    assert {".git", "cache_operator", "pyproject.toml"} <= files_in(tmp_path)


def test_a_step_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says in a line what the step said last."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "_QUIETLY", ("--no-such-option",))
    assert main(["init", "cache-operator"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("ctrlkit: make a project: ruff check --no-such-option")
    assert said.count("\n") == 1
    assert files_in(tmp_path) == set()


def loaded(folder: Path, package: str, module: str) -> ModuleType:
    """A module of a project's tests, with the project's package for as long as the test is."""
    sys.path.insert(0, str(folder))
    sys.path.insert(1, str(folder / "tests"))
    try:
        importlib.import_module(package)
        return importlib.import_module(module)
    finally:
        del sys.path[:2]


async def test_what_was_made_does_what_its_tests_say(calls: Calls, tmp_path: Path) -> None:
    """One of its tests, in a world as it says; all of them run in `make test-all`."""
    assert main(["init", "oyster-operator"]) == 0
    folder = tmp_path / "oyster-operator"
    test: Any = loaded(folder, "oyster_operator", "test_controller")
    mark = test.pytestmark
    objects = [folder / "tests" / one if isinstance(one, str) else one for one in mark.args]
    async with World(*objects, **mark.kwargs) as world:
        await test.test_an_oyster_gets_a_deployment_and_says_when_it_is_ready(world)
