"""
Record what the manifests become on a real control plane: `python -m tests.manifests.record --kubeconfig FILE`.

It needs a new one, set up as for tests/kubectl/record.py. The node of our own cluster is put there, and the class that
claims get which name none; volumes are made here for the claims that wait for somebody outside to do so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from ctrlkit.client import Client
from ctrlkit.fakes.cluster.loops.provisioning import CLASS
from ctrlkit.manager import connect
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES
from ctrlkit.telemetry import LogLevel, configure_logging
from tests.kubectl.record import with_node
from tests.manifests.sitting import Outcomes, Sitting, batches, outcomes
from tests.manifests.table import RECORDED

_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
_LOOK_EVERY_S = 4.0
_CALM = 4
"""How many looks in a row must show the same."""


async def _provision(client: Client) -> None:
    """Make volumes for the claims that have been told who is to make them."""
    for claim in await client.list(PERSISTENT_VOLUME_CLAIMS):
        who = (claim.metadata.annotations or {}).get(_PROVISIONER)
        if who is None or claim.at("spec.volumeName"):
            continue
        reference = {"name": claim.key.name, "namespace": claim.key.namespace, "uid": claim.metadata.uid}
        spec: dict[str, Any] = {
            "capacity": {"storage": claim.at("spec.resources.requests.storage")},
            "accessModes": claim.at("spec.accessModes"),
            "storageClassName": claim.at("spec.storageClassName"),
            "claimRef": reference | {"apiVersion": "v1", "kind": "PersistentVolumeClaim"},
            "hostPath": {"path": f"/volumes/{claim.metadata.uid}"},
        }
        name = f"pvc-{claim.metadata.uid}"
        annotations = {"pv.kubernetes.io/provisioned-by": who}
        body = {"metadata": {"name": name, "annotations": annotations}, "spec": spec}
        await client.create(PERSISTENT_VOLUMES, body)


async def _run(kubeconfig: Path) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        async with with_node(kubeconfig), connect(kubeconfig=str(kubeconfig)) as client:
            sitting = Sitting(kubeconfig, Path(folder), client)
            await client.create(STORAGE_CLASSES, dict(CLASS))
            await sitting.define_networks()
            found = []
            for names in batches():
                said = await sitting.apply(names)
                found.append({"files": names, "said": said, "become": await _come_to_rest(client)})
            return found


async def _come_to_rest(client: Client) -> Outcomes:
    """Look until nothing changes any more."""
    seen: list[Outcomes] = []
    while len(seen) < _CALM or any(one != seen[-1] for one in seen[-_CALM:]):
        await asyncio.sleep(_LOOK_EVERY_S)
        await _provision(client)
        seen.append(await outcomes(client))
    return seen[-1]


def main() -> None:
    """Read the command line and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", type=Path, required=True, metavar="FILE")
    given = parser.parse_args()
    configure_logging(level=LogLevel.WARNING)
    found = asyncio.run(_run(given.kubeconfig.resolve()))
    RECORDED.write_text(json.dumps(found, indent=3) + "\n")


if __name__ == "__main__":
    main()
