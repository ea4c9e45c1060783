"""What a container sees of files: by its own paths, with its own errors, and within the limits of its volumes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.volumes.files import (
    FOLDERS,
    MESSAGE_MAX,
    Bound,
    ContainerFiles,
    Limit,
    absolute,
    own_files,
    size_of,
)
from ctrlkit.fakes.cluster.node.volumes.trees import MemoryTree, Tree, Written


def tree_with(**folders: dict[str, bytes]) -> Tree:
    """A tree of folders with files."""
    tree = MemoryTree()
    for folder, files in folders.items():
        tree.make_folder(folder)
        for name, content in files.items():
            tree.write(f"{folder}/{name}", Written(content))
    return tree


def test_a_container_has_folders_of_its_own_as_soon_as_somebody_looks() -> None:
    """Nothing is made for those that nobody looks into."""
    tree = MemoryTree()
    files = ContainerFiles(tree, "own")
    assert tree.names("") == []
    assert set(files.names("/")) == {folder.partition("/")[0] for folder in FOLDERS}
    files.write("/tmp/x", b"1")
    files.write("/tmp/x", b"2", append=True)
    assert files.read("tmp/../tmp/x") == b"12"
    files.remove("/tmp/x")
    assert files.find("/tmp/x") is None


def test_mounts_are_told_with_the_file_of_the_last_words() -> None:
    """That file is there whatever is mounted above it."""
    tree = tree_with(data={})
    files = ContainerFiles(tree, "own", [Bound("/dev", "data", is_read_only=True)], message_path="/dev/last")
    assert files.mounts() == [("/dev", True), ("/dev/last", False)]
    assert files.last_words() == ""
    files.write("/dev/last", b"x" * (MESSAGE_MAX + 1))
    assert files.last_words() == "x" * MESSAGE_MAX


def test_a_strict_limit_refuses_what_goes_beyond_it_and_any_other_one_says_so() -> None:
    """What is replaced counts no more."""
    exceeded: list[str] = []
    tree = tree_with(memory={}, disk={})
    limits = {
        name: Limit(name, 4, is_strict=name == "memory", exceeded=lambda: exceeded.append("disk"))
        for name in ("memory", "disk")
    }
    files = ContainerFiles(tree, "own", [Bound(f"/{name}", name, limit=limit) for name, limit in limits.items()])
    for _ in range(2):
        files.write("/memory/x", b"1234")
        files.write("/disk/x", b"1234")
    assert exceeded == []
    with pytest.raises(OSError, match="No space left on device"):
        files.write("/memory/y", b"5")
    files.write("/disk/y", b"5")
    assert (exceeded, size_of(tree, "memory"), size_of(tree, "disk")) == (["disk"], 4, 5)


@given(st.text(alphabet="a./", max_size=12))
def test_for_any_path_a_container_stays_in_its_root(path: str) -> None:
    """As the root of a file system is its own parent."""
    whole = absolute(path)
    assert whole.startswith("/")
    assert not whole.startswith("//")
    assert ".." not in whole.split("/")
    assert own_files().find(path) is None or whole == "/"
