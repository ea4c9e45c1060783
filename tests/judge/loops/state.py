"""What is in a namespace at rest, without what is by chance: names, times, versions, addresses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ctrlkit.client import Client
from ctrlkit.model import AnyResource, Unstructured
from ctrlkit.model.kinds import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    EVENTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICASETS,
    REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS,
    SERVICES,
)
from tests.stories.scene import without_suffix

KINDS: tuple[AnyResource, ...] = (
    DEPLOYMENTS,
    REPLICASETS,
    REPLICATION_CONTROLLERS,
    PODS,
    SERVICES,
    ENDPOINT_SLICES,
    ENDPOINTS,
    POD_DISRUPTION_BUDGETS,
    RESOURCE_QUOTAS,
)
_OF_METADATA = {"uid", "namespace", "resourceVersion", "creationTimestamp", "managedFields", "deletionTimestamp"}
_BY_CHANCE = {"lastTransitionTime", "lastUpdateTime", "lastProbeTime", "startTime", "startedAt", "finishedAt", "uid"}
_BY_CHANCE |= {"containerID", "imageID", "hostIP", "hostIPs", "podIP", "podIPs", "ip", "resourceVersion"}
_BY_CHANCE |= {"waiting", "observedPodGeneration", "clusterIP", "clusterIPs", "nodeName", "namespace"}
_HASH = "pod-template-hash"
_WRITTEN_OFTEN = ("endpointslices", "endpoints", "replicasets")
"""Kinds that are written once or more often on the way to where they belong, as it comes."""
_IN_ANY_ORDER = ("subsets", "addresses", "notReadyAddresses", "endpoints")
_ADDRESS = re.compile(r"198\.18\.\d+\.\d+")
"""The address of a pod of our kubelet."""
_SIZES = re.compile(r"(?<=>) from \d+ to \d+")
"""In how many steps a ReplicaSet is scaled depends on what a controller sees at a time."""
_GONE = re.compile(r"\bweb-[bcdfghjklmnpqrstvwxz2456789]{8,10}\b")
_CHANGED = "endpoints.kubernetes.io/last-change-trigger-time"

Objects = Mapping[str, Sequence[Unstructured]]
State = dict[str, list[Any]]


async def read(client: Client, namespace: str) -> Objects:
    """All objects of a namespace that matter, and the Events, by kind."""
    return {kind.plural: await client.list(kind.of(Unstructured), namespace=namespace) for kind in (*KINDS, EVENTS)}


def state_of(found: Objects) -> State:
    """The objects by kind, in an order that does not depend on names by chance; and what the Events say, each once."""
    hashes = _hashes(found["replicasets"])
    state = {kind.plural: _sorted(_plain(kind.plural, one, hashes) for one in found[kind.plural]) for kind in KINDS}
    said = {(one["involvedObject"]["kind"], one["reason"], one["message"]) for one in found["events"]}
    said = {(kind, reason, text.removeprefix("(combined from similar events): ")) for kind, reason, text in said}
    state["events"] = sorted({_renamed(" ".join(one), hashes) for one in said if one[0] not in ("Pod", "Node")})
    return state


def _hashes(sets: Sequence[Unstructured]) -> Mapping[str, str]:
    """A name for each hash: what it is the hash of."""
    return {one.at(f"metadata.labels.{_HASH}"): _described(one) for one in sets if one.at(f"metadata.labels.{_HASH}")}


def _described(found: Unstructured) -> str:
    template = found["spec"]["template"]
    labels = {name: value for name, value in template["metadata"]["labels"].items() if name not in (_HASH, "app")}
    container = template["spec"]["containers"][0]
    return f"<{container['image']} {len(container.get('ports', ()))} {labels}>"


def _renamed(text: str, hashes: Mapping[str, str]) -> str:
    for one, name in hashes.items():
        text = text.replace(one, name)
    text = _SIZES.sub("", text)
    return _GONE.sub("web-<gone>", without_suffix(text)) if "web-" in text else without_suffix(text)


def _plain(kind: str, found: Mapping[str, Any], hashes: Mapping[str, str]) -> Any:
    metadata = {name: value for name, value in found["metadata"].items() if name not in _OF_METADATA}
    metadata["is going"] = "deletionTimestamp" in found["metadata"]
    if kind in _WRITTEN_OFTEN:
        metadata.pop("generation", None)
        metadata["annotations"] = {n: v for n, v in metadata.get("annotations", {}).items() if n != _CHANGED}
    labels = metadata.get("labels") or {}
    if labels.get(_HASH, "") not in ("", *hashes):  # that of a ReplicaSet that is gone
        metadata["labels"] = labels | {_HASH: "<gone>"}
    kept = {**found, "metadata": metadata}
    return _without(json.loads(_renamed(json.dumps(kept), hashes)), generations=kind not in _WRITTEN_OFTEN)


def _without(value: Any, *, generations: bool) -> Any:
    """Leave out what is by chance, and sort what is in the order of addresses or uids."""
    if isinstance(value, dict):
        left_out = _BY_CHANCE if generations else _BY_CHANCE | {"observedGeneration"}
        kept = {name: _without(inner, generations=generations) for name, inner in value.items() if name not in left_out}
        return kept | {name: _sorted(kept[name]) for name in _IN_ANY_ORDER if kept.get(name)}
    if isinstance(value, list):
        return [_without(inner, generations=generations) for inner in value]
    return "<address>" if isinstance(value, str) and _ADDRESS.fullmatch(value) else value


def _sorted(found: Any) -> list[Any]:
    return sorted(found, key=lambda one: json.dumps(one, sort_keys=True))
