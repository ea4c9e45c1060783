"""What volumes hold: the objects, keys, modes and facts that a pod's spec asks for, with the kubelet's refusals."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.environment import SourceKind
from ctrlkit.fakes.cluster.node.pod_fields import Around, SourceError
from ctrlkit.fakes.cluster.node.runtime import Volume, VolumeFile
from ctrlkit.fakes.cluster.node.volumes.sources import (
    Known,
    TokenWish,
    files_of,
    folder_of,
    references,
    source_of,
    token_wishes,
    used_volumes,
)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


OBJECTS: dict[tuple[SourceKind, str], dict[str, Any]] = {
    (SourceKind.CONFIG_MAP, "web"): {"data": {"port": "80", "host": "a"}, "binaryData": {"logo": encoded(b"\xff\x00")}},
    (SourceKind.SECRET, "login"): {"data": {"user": encoded(b"bob"), "password": encoded(b"hunter2")}},
}
POD: dict[str, Any] = {
    "metadata": {"name": "web-0", "namespace": "demo", "uid": "u1", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "a"}]},
}
TOKEN = TokenWish("vault", 3600, "token")


def files(**source: Any) -> dict[str, VolumeFile]:
    """The files of a volume of one source."""
    around = Around(allocatable={"cpu": "4"})
    known = Known(pod=POD, around=around, objects=OBJECTS, tokens={TOKEN: "e.y.J"})
    return files_of({"name": "v", **source}, known)


def contents(**source: Any) -> dict[str, tuple[bytes, int]]:
    return {path: (file.content, file.mode) for path, file in files(**source).items()}


def test_a_config_map_is_a_file_for_each_key_of_both_its_parts() -> None:
    assert contents(configMap={"name": "web", "defaultMode": 0o400}) == {
        "port": (b"80", 0o400),
        "host": (b"a", 0o400),
        "logo": (b"\xff\x00", 0o400),
    }


def test_items_choose_keys_paths_and_modes() -> None:
    items = [{"key": "user", "path": "deep/./name"}, {"key": "password", "path": "word", "mode": 0o440}]
    assert contents(secret={"secretName": "login", "items": items}) == {
        "deep/name": (b"bob", 0o644),
        "word": (b"hunter2", 0o440),
    }


def test_what_files_hold_is_not_in_their_representation() -> None:
    """It may be secret."""
    projected = {"sources": [{"secret": {"name": "login"}}, {"configMap": {"name": "web"}}]}
    found = files(projected=projected)
    assert found.keys() >= {"user", "password"}
    assert "hunter2" not in repr(found)


def test_a_projected_volume_joins_its_sources() -> None:
    """As the one with the token of a pod's account, the certificate authority and the namespace."""
    facts = [
        {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}},
        {"path": "cpus", "mode": 0o400, "resourceFieldRef": {"containerName": "a", "resource": "limits.cpu"}},
    ]
    sources = [
        {"serviceAccountToken": {"audience": "vault", "expirationSeconds": 3600, "path": "token"}},
        {"configMap": {"name": "web", "items": [{"key": "port", "path": "port"}]}},
        {"downwardAPI": {"items": facts}},
        {"secret": {"name": "login", "items": [{"key": "user", "path": "port"}]}},
    ]
    assert contents(projected={"sources": sources, "defaultMode": 0o600}) == {
        "token": (b"e.y.J", 0o600),
        "port": (b"bob", 0o600),
        "namespace": (b"demo", 0o600),
        "cpus": (b"4", 0o400),
    }


def test_what_may_be_missing_leaves_no_file() -> None:
    assert contents(configMap={"name": "none", "optional": True}) == {}
    items = [{"key": "none", "path": "a"}, {"key": "port", "path": "b"}]
    assert contents(configMap={"name": "web", "optional": True, "items": items}) == {"b": (b"80", 0o644)}


@pytest.mark.parametrize(
    ("source", "fact"),
    [
        ({"configMap": {"name": "nope"}}, 'configmap "nope" not found'),
        ({"secret": {"secretName": "nope"}}, 'secret "nope" not found'),
        (
            {"configMap": {"name": "web", "items": [{"key": "k", "path": "a"}]}},
            "configmap references non-existent config key: k",
        ),
        (
            {"secret": {"secretName": "login", "items": [{"key": "k", "path": "a"}]}},
            "references non-existent secret key: k",
        ),
        (
            {"projected": {"sources": [{"secret": {"name": "a"}}, {"configMap": {"name": "b"}}]}},
            '[secret "a" not found, configmap "b" not found]',
        ),
        ({"projected": {"sources": [{"secret": {"name": "a"}}] * 2}}, 'secret "a" not found'),
        (
            {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "spec.nodeName"}}]}},
            "unsupported fieldPath: spec.nodeName",
        ),
    ],
)
def test_what_is_missing_is_told_in_the_kubelets_words(source: dict[str, Any], fact: str) -> None:
    """A projected volume tells all that is missing, each once."""
    with pytest.raises(SourceError) as refused:
        files(**source)
    assert str(refused.value) == fact


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        ("", 'must not be empty: ""'),
        ("/etc/passwd", "must be relative path: /etc/passwd"),
        ("../x", "must not contain '..': ../x"),
        ("a/../../x", "must not contain '..': a/../../x"),
        ("..x/y", "must not start with '..': ..x/y"),
        ("a/" * 2048 + "a", "must be less than or equal to 4096 characters"),
        ("a" * 256, "filenames must be less than or equal to 255 characters"),
    ],
)
def test_a_path_that_no_file_can_have_is_refused(path: str, fact: str) -> None:
    """Even if a server let it through."""
    with pytest.raises(SourceError) as refused:
        files(configMap={"name": "web", "items": [{"key": "port", "path": path}]})
    assert str(refused.value) == f"invalid path: {fact}"


@given(st.text(alphabet="a./", max_size=8))
def test_for_any_path_a_file_stays_in_its_volume_or_is_refused(path: str) -> None:
    try:
        (found,) = files(configMap={"name": "web", "items": [{"key": "port", "path": path}]})
    except SourceError:
        return
    assert not found.startswith("/")
    assert ".." not in found.split("/")


def test_volumes_that_no_container_mounts_are_not_looked_at() -> None:
    """Those that an init container or a block device uses are."""
    containers = [{"name": "a", "volumeMounts": [{"name": "etc", "mountPath": "/etc"}]}]
    first = [{"name": "b", "volumeDevices": [{"name": "disk", "devicePath": "/dev/x"}]}]
    volumes = [{"name": name} for name in ("etc", "disk", "spare")]
    pod = {"spec": {"volumes": volumes, "containers": containers, "initContainers": first}}
    assert [volume["name"] for volume in used_volumes(pod)] == ["etc", "disk"]


def test_a_volume_says_what_it_needs() -> None:
    sources = [{"secret": {"name": "a"}}, {"configMap": {"name": "b"}}, {"serviceAccountToken": {"path": "t"}}]
    volume = {"name": "v", "projected": {"sources": sources}}
    assert list(references(volume)) == [(SourceKind.SECRET, "a"), (SourceKind.CONFIG_MAP, "b")]
    assert list(token_wishes(volume)) == [TokenWish("", 3600, "t")]
    assert list(references({"name": "v", "emptyDir": {}})) == []
    assert (source_of({"name": "v"}), source_of(volume)) == ("emptyDir", "projected")


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        ({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, Volume(name="v", size_limit=2**20, in_memory=True)),
        ({}, Volume(name="v")),
        ({"image": {"reference": "web:2"}}, Volume(name="v")),
        (
            {"hostPath": {"path": "/var/log", "type": "Directory"}},
            Volume(name="v", host_path="n1/var/log", host_type="Directory"),
        ),
        ({"local": {"path": "/mnt/disk"}}, Volume(name="v", host_path="n1/mnt/disk")),
        ({"csi": {"driver": "d", "volumeHandle": "h"}}, Volume(name="v", kept_as="csi/d/h")),
        ({"nfs": {"server": "s", "path": "/a/"}}, Volume(name="v", kept_as="nfs/s/a")),
    ],
)
def test_other_volumes_are_folders_of_a_pod_a_node_or_a_server(source: dict[str, Any], folder: Volume) -> None:
    """Paths of nodes differ from node to node, what a server or a driver has is the same everywhere."""
    assert folder_of(source, "n1", "v") == folder


@pytest.mark.parametrize(
    ("source", "fact"),
    [
        ({"hostPath": {"path": "/a/../b"}}, "invalid HostPath `/a/../b`: must not contain '..'"),
        ({"local": {"path": "/a/../b"}}, "invalid path: /a/../b must not contain '..'"),
        ({"emptyDir": {"medium": "Tape"}}, 'unknown storage medium "Tape"'),
    ],
)
def test_a_folder_that_cannot_be_is_refused(source: dict[str, Any], fact: str) -> None:
    with pytest.raises(SourceError) as refused:
        folder_of(source, "n1", "v")
    assert str(refused.value) == fact
