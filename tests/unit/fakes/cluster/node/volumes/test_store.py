"""Volumes reach containers at their paths: shared within a pod, kept where they outlive it, read only if they are."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from ctrlkit.fakes.cluster.node.pod_fields import SourceError
from ctrlkit.fakes.cluster.node.runtime import ContainerId, ContainerRefused, ContainerSpec, Mount, Volume, VolumeFile
from ctrlkit.fakes.cluster.node.volumes.files import ContainerFiles, own_files
from ctrlkit.fakes.cluster.node.volumes.store import VolumeStore
from ctrlkit.fakes.cluster.node.volumes.trees import FolderTree, MemoryTree, Tree

TREES: dict[str, Callable[[Path], Tree]] = {"memory": lambda folder: MemoryTree(), "disk": FolderTree}


@pytest.fixture(params=TREES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> VolumeStore:
    """A store of each kind."""
    return VolumeStore(TREES[request.param](tmp_path))


def start(store: VolumeStore, *mounts: Mount, name: str = "a", pod: str = "u1") -> ContainerFiles:
    """What a container sees when it starts."""
    return store.open(ContainerSpec(id=ContainerId(pod, name), image="a", environment={}, mounts=mounts))


def settings(**files: str) -> Volume:
    """A volume of files that are made for it."""
    return Volume(name="etc", files={name: VolumeFile(content=text.encode()) for name, text in files.items()})


def test_what_one_container_writes_another_one_of_the_pod_reads(store: VolumeStore) -> None:
    """Each sees the volume where it mounts it."""
    store.write("u1", Volume(name="scratch"))
    one, other = start(store, Mount(path="/out", volume="scratch")), start(store, Mount(path="/in", volume="scratch"))
    one.write("/out/x", b"1")
    one.write("/out/x", b"2", append=True)
    assert other.read("/in/x") == b"12"
    assert store.read("u1", "scratch", "x") == b"12"


def test_files_of_a_container_s_own_are_gone_when_it_starts_again(store: VolumeStore) -> None:
    files = start(store)
    files.write("/tmp/x", b"1")
    assert files.read("/tmp/x") == b"1"
    assert start(store).find("/tmp/x") is None


def test_a_volume_that_is_kept_outlives_its_pod_and_goes_when_it_is_removed(store: VolumeStore) -> None:
    """The next pod finds it under the same name, whatever is in that name."""
    kept = Volume(name="data", kept_as="csi/disk.example.com/../vol 1")
    for pod in ("u1", "u2"):
        store.write(pod, kept)
        store.write(pod, Volume(name="own"))
        files = start(store, Mount(path="/data", volume="data"), Mount(path="/own", volume="own"), pod=pod)
        assert files.names("/data") == (["chain"] if pod == "u2" else [])
        files.write("/data/chain", b"1")
        files.write("/own/x", b"1")
        store.forget(pod)
    store.remove(kept)
    store.write("u3", kept)
    assert start(store, Mount(path="/data", volume="data"), pod="u3").names("/data") == []


def test_renewed_files_are_seen_where_they_are_mounted_and_not_below_a_sub_path(store: VolumeStore) -> None:
    """A file that is mounted by itself is the one of the container's start, as on a cluster."""
    store.write("u1", settings(port="80", old="1"))
    mounts = Mount(path="/etc/web", volume="etc"), Mount(path="/port", volume="etc", sub_path="port")
    files = start(store, *mounts)
    store.write("u1", settings(port="81"))
    assert (files.read("/etc/web/port"), files.read("/port"), files.names("/etc/web")) == (b"81", b"80", ["port"])
    assert start(store, *mounts).read("/port") == b"81"


def test_a_sub_path_of_a_folder_is_made_and_shared(store: VolumeStore) -> None:
    store.write("u1", Volume(name="scratch"))
    files = start(store, Mount(path="/log", volume="scratch", sub_path="logs/web"))
    files.write("/log/x", b"1")
    assert start(store, Mount(path="/all", volume="scratch"), name="b").read("/all/logs/web/x") == b"1"


def test_nothing_is_written_through_a_read_only_mount(store: VolumeStore) -> None:
    store.write("u1", settings(port="80"))
    files = start(store, Mount(path="/etc/web", volume="etc", read_only=True))
    writes: list[Callable[[], None]] = [
        lambda: files.write("/etc/web/port", b"81"),
        lambda: files.make_folder("/etc/web/more"),
        lambda: files.remove("/etc/web/port"),
    ]
    for act in writes:
        with pytest.raises(OSError, match="Read-only file system") as refused:
            act()
        assert refused.value.errno == errno.EROFS
    assert files.read("/etc/web/port") == b"80"


def test_the_longest_mount_wins_and_folders_show_what_is_mounted_in_them(store: VolumeStore) -> None:
    store.write("u1", Volume(name="one"))
    store.write("u1", Volume(name="two"))
    files = start(store, Mount(path="/data", volume="one"), Mount(path="/data/deep/er", volume="two"))
    files.write("/data/x", b"1")
    files.write("/data/deep/er/y", b"2")
    assert (files.names("/data"), files.names("/data/deep")) == (["deep", "x"], ["er"])
    assert {"data", "dev", "tmp"} <= set(files.names("/"))
    assert files.read("//data/deep/../deep/er/y") == b"2"
    with pytest.raises(OSError, match="busy"):
        files.remove("/data/deep")


def test_errors_name_the_paths_of_the_container() -> None:
    with pytest.raises(FileNotFoundError) as missing:
        own_files().read("/etc/none")
    assert missing.value.filename == "/etc/none"


def test_the_termination_message_is_a_file_of_each_run(store: VolumeStore) -> None:
    """It is there from the start, and empty again at the next."""
    files = start(store)
    files.write("/dev/termination-log", b"out of bread")
    assert files.read("/dev/termination-log") == b"out of bread"
    assert start(store).read("/dev/termination-log") == b""


def test_a_volume_that_was_not_written_cannot_be_mounted(store: VolumeStore) -> None:
    with pytest.raises(ContainerRefused, match='cannot find volume "none" to mount into container "a"') as refused:
        start(store, Mount(path="/x", volume="none"))
    assert refused.value.reason == "CreateContainerConfigError"


@pytest.mark.parametrize(
    ("path", "kind", "fact"),
    [
        ("/var/log", "", ""),
        ("/data/web", "", ""),
        ("/data/web", "DirectoryOrCreate", ""),
        ("/etc/hosts", "File", ""),
        ("/etc/new", "FileOrCreate", ""),
        ("/run/containerd/containerd.sock", "Socket", ""),
        ("/data", "Directory", "hostPath type check failed: /data is not a directory"),
        ("/etc/hosts", "Directory", "hostPath type check failed: /etc/hosts is not a directory"),
        ("/etc", "File", "hostPath type check failed: /etc is not a file"),
        ("/etc", "FileOrCreate", "hostPath type check failed: /etc is not a file"),
        ("/etc", "Socket", "hostPath type check failed: /etc is not a socket file"),
        ("/dev/sda", "BlockDevice", "hostPath type check failed: /dev/sda is not a block device"),
        ("/none/new", "FileOrCreate", "open /none/new: no such file or directory"),
        ("/etc/hosts/x", "", "mkdir /etc/hosts/x: not a directory"),
    ],
)
def test_a_path_of_a_node_is_of_its_type_or_made_so_or_refused(
    store: VolumeStore, path: str, kind: str, fact: str
) -> None:
    """A node that is played has the folders that each machine has, all of them empty."""
    volume = Volume(name="host", host_path=f"n1{path}", host_type=kind)
    if fact:
        with pytest.raises(SourceError) as refused:
            store.write("u1", volume)
        assert str(refused.value) == fact
    else:
        store.write("u1", volume)
        start(store, Mount(path="/host", volume="host"))


def test_pods_of_a_node_share_its_paths_and_other_nodes_do_not(store: VolumeStore) -> None:
    for pod, node in (("u1", "n1"), ("u2", "n1"), ("u3", "n2")):
        store.write(pod, Volume(name="host", host_path=f"{node}/var/log"))
    start(store, Mount(path="/log", volume="host")).write("/log/x", b"1")
    assert store.read("u2", "host", "x") == b"1"
    assert store.read("u3", "host", "x") is None


def test_on_disk_a_mounted_path_has_a_folder_of_the_machine(tmp_path: Path) -> None:
    """What a process is given of a volume; none for a container's own files, and none in memory."""
    store = VolumeStore(FolderTree(tmp_path))
    store.write("u1", Volume(name="data", kept_as="vol"))
    files = start(store, Mount(path="/root/.bitcoin", volume="data"))
    real = files.real("/root/.bitcoin")
    assert real is not None
    assert real.is_dir()
    assert files.real("/root") is None
    assert tmp_path in real.parents
