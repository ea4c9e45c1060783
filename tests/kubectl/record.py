"""
Record what kubectl says of a real control plane: `python -m tests.kubectl.record --kubeconfig FILE`.

The control plane is kube-apiserver, kube-controller-manager and kube-scheduler with the admission plug-in
ServiceAccount and the node-lifecycle controller off, and without a node: the one of our own cluster is put there, whose
kubelet has the images that `ctrlkit apiserver` has. So the pods of both sides fare alike, and all else is compared.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from ctrlkit.fakes.cluster import ImageRuntime
from ctrlkit.fakes.cluster.node.declarations import NODE
from ctrlkit.fakes.cluster.node.images.common import COMMON_IMAGES
from ctrlkit.fakes.cluster.node.kubelet import add_kubelet
from ctrlkit.fakes.cluster.node.node import add_node
from ctrlkit.fakes.cluster.node.restart import CrashBackoff
from ctrlkit.manager import Manager, connect
from ctrlkit.model import MergePatch
from ctrlkit.model.kinds import NODES
from ctrlkit.telemetry import LogLevel, configure_logging
from tests.kubectl.battery import Outcome, Runner, matching
from tests.kubectl.comparison import without_prose
from tests.kubectl.serving import RECORDED, recorded
from tests.support.kubectl import KUBECTL

_NODE_THERE_S = 2.0
_FURNISHED = "kubectl wait --for=create sa/default --timeout=5s"


@asynccontextmanager
async def with_node(kubeconfig: Path) -> AsyncIterator[None]:
    """Put the node of our own cluster beside a real control plane while the block lasts."""
    async with connect(kubeconfig=str(kubeconfig)) as client, ImageRuntime(images=COMMON_IMAGES) as runtime:
        manager, stop = Manager(client, grace_s=0.0), asyncio.Event()
        add_node(manager)
        add_kubelet(manager, runtime, backoff=CrashBackoff())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(manager.run(stop))
            await asyncio.sleep(_NODE_THERE_S)
            await client.patch(NODES, NODE, MergePatch({"spec": {"taints": None}}))  # else node-lifecycle takes it away
            yield
            stop.set()


async def _run(kubeconfig: Path, pattern: str) -> bytes:
    numbers = matching(pattern)
    with tempfile.TemporaryDirectory(prefix="kubectl-") as folder:
        runner = Runner(kubeconfig, KUBECTL, NODE, Path(folder), furnished=_FURNISHED)
        async with with_node(kubeconfig):
            found = await asyncio.to_thread(runner.run, numbers)
    outcomes = dict(enumerate(recorded())) if pattern else {}
    outcomes |= {number: _without_prose(one) for number, one in found.items()}
    return msgspec.json.encode([outcome for _, outcome in sorted(outcomes.items())])


def _without_prose(outcome: Outcome) -> Outcome:
    return msgspec.structs.replace(outcome, output=without_prose(outcome.output))


def main() -> None:
    """Read the command line and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", type=Path, required=True, metavar="FILE")
    parser.add_argument("--into", type=Path, default=RECORDED, metavar="FILE")
    parser.add_argument("--only", default="", metavar="PATTERN", help="as for python -m tests.kubectl; the rest stays")
    given = parser.parse_args()
    configure_logging(level=LogLevel.WARNING)
    found = asyncio.run(_run(given.kubeconfig.resolve(), given.only))
    given.into.write_bytes(gzip.compress(found, mtime=0))


if __name__ == "__main__":
    main()
