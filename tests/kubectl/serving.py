"""Runs the cases on `ctrlkit apiserver`, and reads what was recorded of a real control plane."""

from __future__ import annotations

import functools
import gzip
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ctrlkit.fakes.cluster.node.declarations import NODE
from tests.kubectl.battery import HERE, Outcome, Runner
from tests.support.kubectl import KUBECTL

RECORDED = HERE / "recorded.json.gz"
_SERVER = Path(sys.executable).with_name("ctrlkit")


@functools.cache
def recorded() -> tuple[Outcome, ...]:
    """What each case came to on a real control plane."""
    return msgspec.json.decode(gzip.decompress(RECORDED.read_bytes()), type=tuple[Outcome, ...])


@contextmanager
def served(kubeconfig: Path) -> Iterator[None]:
    """Run a new server of ours while the block lasts."""
    server = subprocess.Popen(
        [_SERVER, "apiserver", "--rbac", "--kubeconfig", kubeconfig], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("ready "), "the server does not start"
        yield
    finally:
        server.terminate()
        server.communicate()


def run_on_ours(folder: Path, numbers: list[int] | None = None) -> dict[int, Outcome]:
    """Run cases on a new server of ours; `folder` is for the kubeconfig and all that kubectl writes."""
    kubeconfig = folder / "kubeconfig"
    with served(kubeconfig):
        return Runner(kubeconfig, KUBECTL, NODE, folder).run(numbers)
