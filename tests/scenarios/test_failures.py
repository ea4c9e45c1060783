"""What the guide says of images is so: each failure of its table is one line, and shows as it says; so is its file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.fakes import World
from ctrlkit.fakes import cluster as names
from ctrlkit.fakes.cluster import ALL, Exits, Image, Pull
from ctrlkit.fakes.cluster.node.images.files import read_images
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import PODS
from tests.support.snippets import ROOT, files_of

_ROW = re.compile(r"^\| (?P<what>[^|]+) \| `(?P<line>Image\([^|]*\))` \| (?P<after>[^|]+) \|$", re.MULTILINE)
ROWS = [row.groups() for row in _ROW.finditer((ROOT / "docs" / "testing-images.md").read_text())]
CONTAINER = {
    "name": "main",
    "image": "example.com/shop/web:2",
    "ports": [{"containerPort": 8080}],
    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
    "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}, "initialDelaySeconds": 15},
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"containers": [CONTAINER]},
}


def shown(pod: Unstructured) -> str:
    """What a pod's status shows of its container, in the words of the table."""
    (status,) = pod.at("status.containerStatuses")
    waiting, last = status["state"].get("waiting"), status["lastState"].get("terminated")
    now = "ready" if status["ready"] else "running, not ready" if "running" in status["state"] else ""
    if not status["restartCount"]:
        return now or f"waiting: {waiting['reason']}"
    return f"{now}, restarted after {last['reason']} {last['exitCode']}".removeprefix(", ")


def test_the_table_has_its_rows() -> None:
    """Otherwise the next test would say nothing."""
    assert len(ROWS) >= 14


@pytest.mark.parametrize(("line", "after"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_each_failure_is_one_line(line: str, after: str) -> None:
    """And shows as the table says."""
    declared: Any = eval(line, vars(names).copy())  # a line of our own guide
    async with World(cluster=ALL) as world:
        world.images["web"] = declared
        await world.client.create(PODS, POD)
        await world.advance("1m")
        assert shown(await world.client.get(PODS, "default/web")) == after


async def test_the_file_of_the_guide_declares_images(tmp_path: Path) -> None:
    """With the names of Python."""
    file = tmp_path / "images.yaml"
    file.write_text(files_of("docs/testing-images.md")["images.yaml"])
    images = read_images(file)
    assert images["web:2"] == Image(pull=Pull(error="not found"))
    assert images["report"] == Image(exits={1: Exits(1), 2: Exits.oom(after_s=30)})
    assert (images["web"].ready_after_s, images["*"].pull.error) == (20, "nothing else is here")
