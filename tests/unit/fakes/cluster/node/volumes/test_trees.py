"""Trees of files: the same in memory and on disk, and nothing leads out of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.volumes.trees import FolderTree, MemoryTree, Tree, Written

TREES: dict[str, Callable[[Path], Tree]] = {"memory": lambda folder: MemoryTree(), "disk": FolderTree}


@pytest.fixture(params=TREES)
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    """A tree of each kind."""
    return TREES[request.param](tmp_path)


def test_what_is_written_is_read_until_it_is_removed(tree: Tree) -> None:
    """Folders are made with those above them, files only in folders that are there."""
    tree.make_folder("a/b")
    tree.write("a/b/c", Written(b"1"))
    tree.write("a/b/c", Written(b"22"))
    assert (tree.read("a/b/c"), tree.names("a"), tree.names("")) == (b"22", ["b"], ["a"])
    entry, folder = tree.find("a/b/c"), tree.find("a")
    assert entry is not None
    assert (entry.is_folder, entry.size, entry.mode) == (False, 2, 0o644)
    assert folder is not None
    assert folder.is_folder
    tree.remove("a")
    tree.remove("a")
    assert (tree.find("a/b/c"), tree.names("")) == (None, [])


def test_errors_are_those_of_files(tree: Tree) -> None:
    tree.make_folder("a")
    tree.write("f", Written(b""))
    cases: list[tuple[type[OSError], Callable[[], object]]] = [
        (FileNotFoundError, lambda: tree.read("none")),
        (FileNotFoundError, lambda: tree.write("none/f", Written(b""))),
        (IsADirectoryError, lambda: tree.read("a")),
        (IsADirectoryError, lambda: tree.write("a", Written(b""))),
        (NotADirectoryError, lambda: tree.names("f")),
        (NotADirectoryError, lambda: tree.read("f/g")),
        (FileNotFoundError, lambda: tree.names("none")),
        (FileExistsError, lambda: tree.make_folder("f")),
    ]
    for error, act in cases:
        with pytest.raises(error):
            act()


@pytest.mark.parametrize("path", ["..", "a/../../b", "../../etc/passwd"])
def test_no_path_leads_out_of_the_tree(tree: Tree, path: str) -> None:
    for act in (tree.find, tree.read, tree.make_folder, tree.names, tree.remove):
        with pytest.raises(PermissionError):
            act(path)
    with pytest.raises(PermissionError):
        tree.write(path, Written(b""))


def test_projected_files_replace_those_of_before_and_no_others(tree: Tree) -> None:
    """What a container wrote beside them stays."""
    tree.project("etc", {"port": Written(b"80"), "tls/key": Written(b"k", 0o600), "old": Written(b"")})
    tree.write("etc/own", Written(b"mine"))
    tree.project("etc", {"port": Written(b"81"), "tls/cert": Written(b"c")})
    assert tree.names("etc") == ["own", "port", "tls"]
    assert (tree.read("etc/port"), tree.names("etc/tls"), tree.read("etc/own")) == (b"81", ["cert"], b"mine")
    tree.project("etc", {})
    assert tree.names("etc") == ["own"]


def test_on_disk_all_projected_files_change_at_once(tmp_path: Path) -> None:
    """They are links through `..data`, which one step replaces; the folder of before goes."""
    tree = FolderTree(tmp_path)
    tree.project("etc", {"port": Written(b"80"), "host": Written(b"a")})
    before = os.readlink(tmp_path / "etc" / "..data")
    tree.project("etc", {"port": Written(b"80"), "host": Written(b"a")})
    assert os.readlink(tmp_path / "etc" / "..data") == before
    tree.project("etc", {"port": Written(b"81"), "host": Written(b"b")})
    after = os.readlink(tmp_path / "etc" / "..data")
    assert sorted(os.listdir(tmp_path / "etc")) == sorted(["..data", after, "host", "port"])
    assert os.readlink(tmp_path / "etc" / "port") == "..data/port"


def test_a_link_that_a_program_made_is_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    """Neither to read nor to write, and nothing outside is removed with it."""
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret").write_bytes(b"s")
    tree = FolderTree(inside)
    (inside / "file").symlink_to(outside / "secret")
    (inside / "folder").symlink_to(outside)
    for act in (tree.find, tree.read, tree.names):
        with pytest.raises(PermissionError):
            act("file")
        with pytest.raises(PermissionError):
            act("folder/secret")
    with pytest.raises(PermissionError):
        tree.write("file", Written(b"x"))
    tree.remove("file")
    tree.remove("folder")
    assert (outside / "secret").read_bytes() == b"s"


def test_a_data_link_that_a_program_made_removes_nothing_elsewhere(tmp_path: Path) -> None:
    """The folder of before is removed only if it is one that was made for projected files."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"")
    tree = FolderTree(tmp_path / "inside")
    tree.make_folder("etc")
    (tmp_path / "inside" / "etc" / "..data").symlink_to(outside)
    tree.project("etc", {"port": Written(b"80")})
    assert tree.read("etc/port") == b"80"
    assert (outside / "kept").exists()


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
STEPS = st.lists(st.tuples(st.sampled_from(["write", "folder", "remove"]), PATHS, st.binary(max_size=3)), max_size=12)


@given(STEPS)
def test_for_any_steps_memory_and_disk_agree(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, bytes]]
) -> None:
    """The same content, the same errors."""
    trees: list[Tree] = [MemoryTree(), FolderTree(tmp_path_factory.mktemp("tree"))]
    for name, path, content in steps:
        outcomes = [_outcome(tree, name, path, content) for tree in trees]
        assert outcomes[0] == outcomes[1], (name, path)
    first, second = map(_content, trees)
    assert first == second


def _outcome(tree: Tree, step: str, path: str, content: bytes) -> str:
    try:
        match step:
            case "write":
                tree.write(path, Written(content))
            case "folder":
                tree.make_folder(path)
            case _:
                tree.remove(path)
    except OSError as error:
        return type(error).__name__
    return "done"


def _content(tree: Tree, path: str = "") -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in tree.names(path):
        there = f"{path}/{name}"
        entry = tree.find(there)
        assert entry is not None
        found |= {f"{there}/": b"", **_content(tree, there)} if entry.is_folder else {there: tree.read(there)}
    return found
