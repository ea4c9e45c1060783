"""Manifests that an embedded server starts with."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrlkit.errors import ConfigError
from ctrlkit.fakes.apiserver.serving import load_manifests
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model.kinds import CONFIG_MAPS

TWO = """\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: first}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: second, namespace: demo}
data: {text: hello}
"""


def written(tmp_path: Path, text: str) -> Path:
    """A file with a text."""
    path = tmp_path / "manifest.yaml"
    path.write_text(text)
    return path


def test_the_objects_of_a_file_are_there(tmp_path: Path) -> None:
    """Each in its namespace, which is made; in `default` where it names none."""
    tracker = Tracker()
    load_manifests(tracker, [written(tmp_path, TWO)])
    assert tracker.get(CONFIG_MAPS, "default/first")["metadata"]["namespace"] == "default"
    assert tracker.get(CONFIG_MAPS, "demo/second")["data"] == {"text": "hello"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- 1", "document 1 of .*manifest.yaml: it is of type list; write a mapping"),
        ("kind: [", "read the manifest .*: it is no YAML"),
        (
            "{apiVersion: v1, kind: Nothing, metadata: {name: a}}",
            "Nothing a: .*v1, Nothing: no such kind",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: A_b}}",
            "1 of .*: ConfigMap default/A_b: .* invalid",
        ),
        (f"{TWO}---\n5", "document 3 of .*: it is of type int"),
    ],
)
def test_what_is_no_object_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """File, position in it, and what is wrong."""
    with pytest.raises(ConfigError, match=complaint):
        load_manifests(Tracker(), [written(tmp_path, text)])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With what the operating system says."""
    with pytest.raises(ConfigError, match=r"read the manifest .*missing.yaml: No such file"):
        load_manifests(Tracker(), [tmp_path / "missing.yaml"])
