"""The claims of pods: those that they name, and those that are made for them alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.cache import Informer
from ctrlkit.model import Unstructured

BY_CLAIM = "claim"
"""The index of pods by the namespace and name of a claim, as `demo/data`."""


def claims_of(pod: Unstructured) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """
    Yield the name of each claim of a pod, with the volume that it is for.

    >>> mine, named = {"name": "tmp", "ephemeral": {}}, {"name": "d", "persistentVolumeClaim": {"claimName": "data"}}
    >>> pod = Unstructured({"metadata": {"name": "web"}, "spec": {"volumes": [mine, named, {"name": "x"}]}})
    >>> [name for name, _ in claims_of(pod)]
    ['web-tmp', 'data']
    """
    for volume in pod.at("spec.volumes") or ():
        if "ephemeral" in volume:
            yield f"{pod.key.name}-{volume['name']}", volume
        elif "persistentVolumeClaim" in volume:
            yield volume["persistentVolumeClaim"]["claimName"], volume


def index_by_claim(pods: Informer[Unstructured]) -> None:
    """Let pods be found by their claims. Once is enough."""
    if BY_CLAIM not in pods.indexes:
        pods.add_index(
            BY_CLAIM, lambda record: [f"{record.key.namespace}/{name}" for name, _ in claims_of(record.shared)]
        )
