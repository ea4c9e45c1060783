"""What the controller of commit a2a870f made for a network, for tests of what becomes of it."""

from __future__ import annotations

import functools
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from ctrlkit.bitcoin.network import BITCOIN_NETWORKS


@functools.cache
def _written() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")))


def made_before(uid: str, *, nodes: int = 3, secret: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return Service and StatefulSet of a network demo/net with this uid."""
    service, statefulset = deepcopy(_written())
    for one in (service, statefulset):
        one["metadata"]["ownerReferences"][0]["uid"] = uid
    statefulset["spec"]["replicas"] = nodes
    (container,) = statefulset["spec"]["template"]["spec"]["containers"]
    if secret is None:
        del container["envFrom"]
    else:
        container["envFrom"][0]["secretRef"]["name"] = secret
    return service, statefulset


def network_made_before(uid: str = "", **spec: Any) -> dict[str, Any]:
    """Return the network demo/net; with a uid it is there as on its cluster."""
    metadata = {"name": "net", "namespace": "demo", **({"uid": uid} if uid else {})}
    return {
        "apiVersion": BITCOIN_NETWORKS.api_version,
        "kind": BITCOIN_NETWORKS.kind,
        "metadata": metadata,
        "spec": {"nodes": 3, **spec},
    }
