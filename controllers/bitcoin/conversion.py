"""
Brings BitcoinNetworks from v1 to v2 and back.

    v2   spec: nodes, secret, chain, storage ...   status: replicas, nodes, height ...
    v1   spec: nodes, secret                       status: replicas, nodes   annotation GROUP/v2: all the rest, as JSON

So who reads a network as v1, changes it and sends it back keeps what v1 cannot say. The annotation is seen in v1 alone.
A server takes ANNOTATIONS_MAX of annotations; of a network that needs more, as v1, the messages are left out, then the
rest of the status, which the controller writes anew, and at last the rest of the spec: no network keeps others from
being listed.

What is in it is not to be trusted, because who writes v1 can write it: what does not fit the type of v2 is passed over,
and never an error, which would make a list of all networks fail. Objects are looked at as they are, without types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, GROUP, NodeStatus, Spec, Status
from ctrlkit.bitcoin.network_v1 import BITCOIN_NETWORKS_V1, NodeStatusV1, SpecV1, StatusV1
from ctrlkit.model import Unstructured
from ctrlkit.webhooks import conversion

Plain = dict[str, Any]

ANNOTATION: Final = f"{GROUP}/v2"
"""Of an object of v1: what it says in v2 and cannot say in v1."""

ANNOTATIONS_MAX: Final = 256 * 1024
"""Bytes of all annotations of an object, their names counted, that Kubernetes takes."""


@conversion(BITCOIN_NETWORKS.of(Unstructured), to=BITCOIN_NETWORKS_V1.of(Unstructured))
def to_v1(network: Unstructured) -> Unstructured:
    """Return a network as v1, with the rest of it in the annotation."""
    spec, more = _split(_mapping(network.get("spec")), SpecV1)
    status, more_status = _split(_mapping(network.get("status")), StatusV1)
    nodes = [_split(_mapping(node), NodeStatusV1) for node in _list(status.get("nodes"))]
    if "nodes" in status:
        status["nodes"] = [node for node, _ in nodes]
    more_nodes = [{"nodeName": node.get("nodeName"), **rest} for node, rest in nodes]
    if not any(rest for _, rest in nodes):
        more_nodes = []
    more_nodes_unsaid = [{name: value for name, value in node.items() if name != "message"} for node in more_nodes]
    tries: tuple[Plain, ...] = (
        {"spec": more, "status": more_status, "nodes": more_nodes},
        {"spec": more, "status": more_status, "nodes": more_nodes_unsaid},
        {"spec": more},
        {},
    )
    room = ANNOTATIONS_MAX - len(ANNOTATION) - _bytes_of_others(network)
    texts = (msgspec.json.encode({name: part for name, part in one.items() if part}, order="sorted") for one in tries)
    text = next((text.decode() for text in texts if len(text) <= room), "{}")
    return _network(network, spec, status, {ANNOTATION: text} if text != "{}" else {})


@conversion(BITCOIN_NETWORKS_V1.of(Unstructured), to=BITCOIN_NETWORKS.of(Unstructured))
def to_v2(network: Unstructured) -> Unstructured:
    """Return a network as v2, with what the annotation kept of it."""
    kept = _kept(network)
    spec = {**_fitting(kept.get("spec"), Spec, SpecV1), **_mapping(network.get("spec"))}
    status = {**_fitting(kept.get("status"), Status, StatusV1), **_mapping(network.get("status"))}
    if "nodes" in status:
        status["nodes"] = _with_rest(_list(status["nodes"]), _list(kept.get("nodes")))
    return _network(network, spec, status, {})


CONVERSIONS: Final = (to_v1, to_v2)


def _network(network: Unstructured, spec: Plain, status: Plain, annotations: Mapping[str, str]) -> Unstructured:
    """Return a network with another spec and status, and the annotation anew or not at all."""
    metadata = dict(_mapping(network.get("metadata")))
    metadata["annotations"] = {**_of_others(network), **annotations}
    parts = {"spec": spec} | ({"status": status} if status or "status" in network else {})
    return Unstructured({**network, "metadata": metadata, **parts})


def _of_others(network: Unstructured) -> Plain:
    annotations = _mapping(_mapping(network.get("metadata")).get("annotations"))
    return {name: text for name, text in annotations.items() if name != ANNOTATION}


def _bytes_of_others(network: Unstructured) -> int:
    """How much of ANNOTATIONS_MAX the other annotations take, as the server counts."""
    return sum(len(str(part).encode()) for pair in _of_others(network).items() for part in pair)


def _split(said: Plain, known: type[msgspec.Struct]) -> tuple[Plain, Plain]:
    """Return the fields that a type knows, and the others."""
    names = _names(known)
    return (
        {name: value for name, value in said.items() if name in names},
        {name: value for name, value in said.items() if name not in names},
    )


def _kept(network: Unstructured) -> Plain:
    text = _mapping(_mapping(network.get("metadata")).get("annotations")).get(ANNOTATION)
    try:
        return _mapping(msgspec.json.decode(text)) if isinstance(text, str) else {}
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}


def _fitting(kept: object, whole: type[msgspec.Struct], known: type[msgspec.Struct]) -> Plain:
    """Return what was kept of the fields that the smaller type does not know, as far as it fits the larger one."""
    names = _names(whole) - _names(known)
    return {name: value for name, value in _mapping(kept).items() if name in names and _fits(name, value, whole)}


def _fits(name: str, value: object, whole: type[msgspec.Struct]) -> bool:
    field = next(field for field in msgspec.structs.fields(whole) if field.encode_name == name)
    try:
        msgspec.convert(value, field.type)
    except msgspec.ValidationError:
        return False
    return value is not None


def _with_rest(nodes: Iterable[object], kept: Iterable[object]) -> list[object]:
    """Return nodes with what was kept of those of their names; of two of one name each takes its own."""
    rests: dict[object, list[Plain]] = {}
    for rest in map(_mapping, kept):
        rests.setdefault(str(rest.get("nodeName")), []).append(_fitting(rest, NodeStatus, NodeStatusV1))
    found = []
    for node in nodes:
        of_name = rests.get(str(_mapping(node).get("nodeName"))) or [{}]
        found.append({**of_name.pop(0), **node} if isinstance(node, dict) else node)
    return found


def _names(known: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(known))


def _mapping(value: object) -> Plain:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
