"""Runs the cases on `ctrlkit apiserver`, and reads what was recorded of a real control plane."""

from __future__ import annotations

import functools
import gzip
from pathlib import Path

import msgspec

from ctrlkit.fakes.cluster.node.declarations import NODE
from tests.kubectl.battery import HERE, Outcome, Runner
from tests.support.kubectl import KUBECTL
from tests.support.served import served

RECORDED = HERE / "recorded.json.gz"


@functools.cache
def recorded() -> tuple[Outcome, ...]:
    """What each case came to on a real control plane."""
    return msgspec.json.decode(gzip.decompress(RECORDED.read_bytes()), type=tuple[Outcome, ...])


def run_on_ours(folder: Path, numbers: list[int] | None = None) -> dict[int, Outcome]:
    """Run cases on a new server of ours; `folder` is for the kubeconfig and all that kubectl writes."""
    kubeconfig = folder / "kubeconfig"
    with served(kubeconfig, "--rbac"):
        return Runner(kubeconfig, KUBECTL, NODE, folder).run(numbers)
