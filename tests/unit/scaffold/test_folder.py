"""A project comes into its folder whole, or not at all, and nothing that is there is written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrlkit.errors import ConfigError
from ctrlkit.scaffold.folder import make_folder

TEXTS = {"a.txt": "a\n", "deep/er/b.txt": "b\n"}


def content(folder: Path) -> dict[str, str]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def add(folder: Path) -> None:
    """What is made of the files."""
    (folder / "made").mkdir()
    (folder / "made" / "c.txt").write_text((folder / "a.txt").read_text() * 2)


ALL = {**TEXTS, "made/c.txt": "a\na\n"}


@pytest.mark.parametrize("where", ["new", "not/yet/there"])
def test_a_new_folder(tmp_path: Path, where: str) -> None:
    """Has all files, and nothing is left beside it."""
    assert make_folder(tmp_path / where, TEXTS, add) == sorted(ALL)
    assert content(tmp_path / where) == ALL
    assert [path.name for path in (tmp_path / where).parent.iterdir()] == [Path(where).name]


def test_a_folder_that_is_there_keeps_what_it_has(tmp_path: Path) -> None:
    """Files of other names are in nobody's way."""
    (tmp_path / "project" / "deep").mkdir(parents=True)
    (tmp_path / "project" / "deep" / "own.txt").write_text("mine")
    make_folder(tmp_path / "project", TEXTS, add)
    assert content(tmp_path / "project") == {**ALL, "deep/own.txt": "mine"}


@pytest.mark.parametrize("own", ["a.txt", "deep", "made", "made/c.txt", "deep/er/b.txt"])
def test_what_is_in_the_way_is_named_and_kept(tmp_path: Path, own: str) -> None:
    """A file in the place of a file or of a folder, of what is written or of what is made of it; nothing else comes."""
    target = tmp_path / "project"
    (target / own).parent.mkdir(parents=True)
    (target / own).write_text("mine")
    with pytest.raises(ConfigError, match=f"in the way: {own}; give another place with --dir"):
        make_folder(target, TEXTS, add)
    assert content(target) == {own: "mine"}
    assert list(tmp_path.iterdir()) == [target]


def test_links_are_in_the_way_too(tmp_path: Path) -> None:
    """One that leads nowhere as well: what is written through it would be somewhere else."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"in the way: a\.txt"):
        make_folder(tmp_path / "project", TEXTS, add)
    assert not (tmp_path / "nowhere").exists()


def test_many_are_counted(tmp_path: Path) -> None:
    """The line stays short."""
    texts = {f"{number}.txt": "" for number in range(9)}
    make_folder(tmp_path / "project", texts, lambda _: None)
    with pytest.raises(ConfigError, match=r"0\.txt, 1\.txt, 2\.txt, 3\.txt, 4\.txt and 4 more"):
        make_folder(tmp_path / "project", texts, lambda _: None)


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    """Is told, and kept."""
    (tmp_path / "project").write_text("mine")
    with pytest.raises(ConfigError, match="there is a file of that name"):
        make_folder(tmp_path / "project", TEXTS, add)
    assert (tmp_path / "project").read_text() == "mine"


@pytest.mark.parametrize("is_there", [True, False])
def test_a_failure_leaves_nothing(tmp_path: Path, is_there: bool) -> None:
    """Where the last step fails, the first ones have not happened."""

    def fail(folder: Path) -> None:
        raise ConfigError(f"no manifests: {len(content(folder))} files")

    if is_there:
        (tmp_path / "project").mkdir()
    with pytest.raises(ConfigError, match="2 files"):
        make_folder(tmp_path / "project", TEXTS, fail)
    assert content(tmp_path) == {}


def test_a_file_that_comes_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the move somebody may make one; then the move is taken back."""
    target = tmp_path / "project"
    target.mkdir()
    monkeypatch.setattr("ctrlkit.scaffold.folder._check", lambda *_: None)
    (target / "deep" / "er").mkdir(parents=True)
    (target / "deep" / "er" / "b.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        make_folder(target, TEXTS, add)
    assert content(target) == {"deep/er/b.txt": "mine"}
