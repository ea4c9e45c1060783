"""
The volumes of pods as trees of files, and what a container sees of them at the paths where they are mounted.

A pod's own volumes go with the pod. What is kept under a name of its own, and what lies on a node, outlives it. The
container's own files, at all other paths, last for one run of it.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable
from urllib.parse import quote

from ctrlkit.fakes.cluster.node.pod_fields import SourceError
from ctrlkit.fakes.cluster.node.runtime import ContainerId, ContainerRefused, ContainerSpec, Mount, Volume
from ctrlkit.fakes.cluster.node.volumes.files import Bound, ContainerFiles, Limit, absolute, size_of
from ctrlkit.fakes.cluster.node.volumes.trees import Entry, Tree, Written, parts_of

_KEPT, _HOSTS = "volumes", "nodes"
_VOLUMES, _CONTAINERS, _MOUNTS = ".volumes", ".containers", ".mounts"  # beside folders with the names of containers
_NAME_MAX = 200

FOLDERS_OF_NODES = (
    *("bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin", "srv"),
    *("sys", "tmp", "usr", "var", "dev/shm", "etc/kubernetes", "etc/ssl/certs", "lib/modules", "run/containerd"),
    *("run/udev", "sys/fs/cgroup", "usr/share", "usr/src", "var/lib", "var/log", "var/run", "var/lib/containerd"),
    *("var/lib/kubelet", "var/lib/kubelet/pods", "var/log/containers", "var/log/pods"),
)
"""What a pod finds of its node in volumes of type hostPath, all of it empty."""

FILES_OF_NODES = ("etc/hostname", "etc/hosts", "etc/localtime", "etc/machine-id", "etc/os-release", "etc/resolv.conf")
SOCKETS_OF_NODES = ("run/containerd/containerd.sock", "var/run/docker.sock")


class VolumeStore:
    """
    The volumes of all pods of a runtime.

    >>> from ctrlkit.fakes.cluster.node.volumes.trees import MemoryTree
    >>> store = VolumeStore(MemoryTree())
    >>> store.write("u1", Volume(name="scratch"))
    >>> mounts = (Mount(path="/tmp", volume="scratch"),)
    >>> files = store.open(ContainerSpec(id=ContainerId("u1", "a"), image="a", environment={}, mounts=mounts))
    >>> files.write("/tmp/x", b"1")
    >>> files.names("/tmp"), store.read("u1", "scratch", "x")
    (['x'], b'1')
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._places: dict[tuple[str, str], str] = {}
        self._projected: set[str] = set()
        self._limits: dict[str, Limit] = {}
        self._in_memory: set[str] = set()
        self._lost: set[str] = set()
        self._on_exceeded: Callable[[str], None] = lambda pod_uid: None

    @property
    def is_empty(self) -> bool:
        """Whether no pod has a volume."""
        return not self._places

    def on_exceeded(self, callback: Callable[[str], None]) -> None:
        """Call `callback` with the uid of a pod that has put more into a volume than the volume is to hold."""
        self._on_exceeded = callback

    def size(self, pod_uid: str, volume: str) -> int:
        """Return how much is in a pod's volume, in bytes."""
        place = self._places.get((pod_uid, volume))
        return 0 if place is None else size_of(self._tree, place)

    def write(self, pod_uid: str, volume: Volume) -> None:
        """
        Make a volume, or bring the files in it up to date that are given; what containers have written stays.

        Errors  SourceError where a path of a node is not of the type that is asked for, and for paths that no file can
                have.
        """
        try:
            place = self._write(pod_uid, volume)
        except OSError as error:
            path = f"/{volume.host_path.partition('/')[2]}" if volume.host_path else volume.name
            raise SourceError(f"mkdir {path}: {(error.strerror or str(error)).lower()}") from None
        self._places[pod_uid, volume.name] = place
        if volume.in_memory:
            self._in_memory.add(place)
        if volume.size_limit:
            self._limits[place] = Limit(place, volume.size_limit, volume.in_memory, lambda: self._on_exceeded(pod_uid))

    def _write(self, pod_uid: str, volume: Volume) -> str:
        """Make a volume and write its files; return its place."""
        if volume.host_path:
            return self._on_node(volume)
        place = _kept(volume.kept_as) if volume.kept_as else f"{pod_uid}/{_VOLUMES}/{volume.name}"
        self._tree.make_folder(place)
        if volume.files or place in self._projected:
            self._projected.add(place)
            self._tree.project(place, {path: Written(file.content, file.mode) for path, file in volume.files.items()})
        return place

    def read(self, pod_uid: str, volume: str, path: str) -> bytes | None:
        """Return a file of a pod's volume; None if there is none."""
        place = self._places.get((pod_uid, volume))
        try:
            return None if place is None else self._tree.read(f"{place}/{path}")
        except OSError:
            return None

    def node(self, name: str) -> ContainerFiles:
        """
        Return the files of a node, by absolute paths, as volumes of type hostPath show them.

        >>> from ctrlkit.fakes.cluster.node.volumes.trees import MemoryTree
        >>> store = VolumeStore(MemoryTree())
        >>> store.node("n1").write("/etc/hostname", b"one")
        >>> store.node("n2").read("/etc/hostname")
        b'n2\\n'
        """
        self._furnish(name)
        return ContainerFiles(self._tree, f"{_HOSTS}/.own", [Bound("/", _hosted(name))])

    def open(self, spec: ContainerSpec) -> ContainerFiles:
        """
        Return what a container sees that is about to start; its own files are empty.

        Errors  ContainerRefused (CreateContainerConfigError) for a volume that was not written and a subPath that
                cannot be had.
        """
        try:
            self._tree.remove(_mounts_of(spec.id))
        except OSError:  # a program has put a link there
            text = f'failed to prepare mounts of container "{spec.id.name}"'
            raise ContainerRefused("CreateContainerError", text) from None
        bound = [self._bind(spec.id, index, mount) for index, mount in enumerate(spec.mounts)]
        own = f"{spec.id.pod_uid}/{_CONTAINERS}/{spec.id.name}"
        return ContainerFiles(self._tree, own, bound, message_path=spec.termination_message_path)

    def keep(self, pod_uid: str) -> None:
        """Let the next `forget` of a pod leave its volumes, but for those in memory: its node is to boot again."""
        self._lost.add(pod_uid)

    def forget(self, pod_uid: str) -> None:
        """Remove what belongs to a pod alone."""
        if pod_uid in self._lost:
            self._lost.discard(pod_uid)
            self._power_off(pod_uid)
            return
        for key in [key for key in self._places if key[0] == pod_uid]:
            place = self._places.pop(key)
            self._projected.discard(place)
            self._limits.pop(place, None)
            self._in_memory.discard(place)
        self._tree.remove(pod_uid)

    def _power_off(self, pod_uid: str) -> None:
        """Remove what a pod has of its own and does not survive the end of its node."""
        found = self._tree.find(pod_uid)
        for name in self._tree.names(pod_uid) if found is not None else ():
            if name != _VOLUMES:
                self._tree.remove(f"{pod_uid}/{name}")
        for (uid, _), place in self._places.items():
            if uid == pod_uid and place in self._in_memory:
                self._tree.remove(place)

    def remove(self, volume: Volume) -> None:
        """Remove a volume that outlives pods, as whoever provided it does in the end."""
        place = _hosted(volume.host_path) if volume.host_path else _kept(volume.kept_as)
        self._tree.remove(place)

    def _bind(self, container: ContainerId, index: int, mount: Mount) -> Bound:
        place = self._places.get((container.pod_uid, mount.volume))
        if place is None:
            text = f'cannot find volume "{mount.volume}" to mount into container "{container.name}"'
            raise ContainerRefused("CreateContainerConfigError", text)
        limit = self._limits.get(place)
        if mount.sub_path:
            place = self._below(container, index, mount, place)
        return Bound(absolute(mount.path), place, mount.read_only, limit)

    def _below(self, container: ContainerId, index: int, mount: Mount, volume: str) -> str:
        """Return the place of a subPath, which is made if it is not there; what is projected does not change there."""
        place, at = f"{volume}/{mount.sub_path}", f'volumeMount "{mount.volume}" of container "{container.name}"'
        try:
            found = self._tree.find(place)
            if found is None:
                self._tree.make_folder(place)
            elif volume in self._projected:
                copy = f"{_mounts_of(container)}/{index}"
                _copy(self._tree, place, copy)
                return copy
        except PermissionError:
            raise ContainerRefused("CreateContainerConfigError", f"failed to prepare subPath for {at}") from None
        except OSError:
            text = f"failed to create subPath directory for {at}"
            raise ContainerRefused("CreateContainerConfigError", text) from None
        return place

    # ---- paths of nodes ----------------------------------------------------------------------------------------------

    def _on_node(self, volume: Volume) -> str:
        """Return the place of a node's path, of the type that is asked for."""
        place = _hosted(volume.host_path)
        node, _, path = volume.host_path.partition("/")
        self._furnish(node)
        found, wanted, shown = self._tree.find(place), volume.host_type, f"/{path}"
        if found is None and wanted in ("", "DirectoryOrCreate"):
            self._tree.make_folder(place)
        elif found is None and wanted == "FileOrCreate":
            try:
                self._tree.write(place, Written(b""))
            except OSError:
                raise SourceError(f"open {shown}: no such file or directory") from None
        elif wanted in _TYPES and not self._is(_TYPES[wanted], found, path):
            raise SourceError(f"hostPath type check failed: {shown} is not {_TYPES[wanted]}")
        return place

    def _is(self, kind: str, found: Entry | None, path: str) -> bool:
        if kind == "a socket file":
            return "/".join(parts_of(path)) in SOCKETS_OF_NODES
        return found is not None and kind == ("a directory" if found.is_folder else "a file")

    def _furnish(self, node: str) -> None:
        root = _hosted(node)
        if self._tree.find(root) is None:
            for folder in FOLDERS_OF_NODES:
                self._tree.make_folder(f"{root}/{folder}")
            for file in FILES_OF_NODES:
                self._tree.write(f"{root}/{file}", Written(f"{node}\n".encode() if file == "etc/hostname" else b""))


_TYPES = {
    "Directory": "a directory",
    "DirectoryOrCreate": "a directory",
    "File": "a file",
    "FileOrCreate": "a file",
    "Socket": "a socket file",
    "CharDevice": "a character device",
    "BlockDevice": "a block device",
}


def _mounts_of(container: ContainerId) -> str:
    return f"{container.pod_uid}/{_MOUNTS}/{container.name}"


def _hosted(host_path: str) -> str:
    return f"{_HOSTS}/{'/'.join(parts_of(host_path))}"


def _kept(name: str) -> str:
    """Return the place of what is kept under a name, which may have any characters."""
    plain = f"v-{quote(name, safe='')}"
    if len(plain) > _NAME_MAX:
        plain = f"h-{hashlib.sha256(name.encode()).hexdigest()}"
    return f"{_KEPT}/{plain}"


def _copy(tree: Tree, source: str, target: str) -> None:
    found = tree.find(source)
    if found is None:
        return
    if not found.is_folder:
        tree.make_folder(posixpath.dirname(target))
        tree.write(target, Written(tree.read(source), found.mode))
        return
    tree.make_folder(target)
    for name in tree.names(source):
        _copy(tree, f"{source}/{name}", f"{target}/{name}")
