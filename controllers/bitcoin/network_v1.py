"""
The kind BitcoinNetwork, version v1: nodes and a Secret. It is served for those who wrote it, and stored no more.

What the nodes of such a network are made of, where they keep their chains and all else is what version v2 has for those
who say nothing of it; conversion.py brings one to the other.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, NETWORK_NAME, ObjectName
from ctrlkit.bitcoin.rules import NODES, SECRET_OF_OTHERS
from ctrlkit.model import Column, Condition, Definition, ObjectMeta, Resource, Schema, custom_resource

_INT32: Final = Schema(format="int32")
_INT64: Final = Schema(format="int64")


class SpecV1(msgspec.Struct, frozen=True):
    """What a user wants: how many nodes, and the Secret with their credentials."""

    nodes: Annotated[int, Meta(ge=0), _INT32, Schema(rules=NODES)]
    """How many nodes the network has. With 0 they rest, and their claims stay."""

    secret: ObjectName | None = None
    """
    The Secret in this namespace with the keys BC_RPC_USER and BC_RPC_PASSWORD. Without one the controller makes one,
    NAME-credentials.
    """


class NodeStatusV1(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What was last seen of one node."""

    ordinal: Annotated[int, _INT32]
    """The node's number in the StatefulSet, from 0."""

    ready: bool
    """Whether its pod is ready and has an address."""

    ip: str
    """The address of the node's pod; empty while it has none."""

    node_name: str
    """The name of the node's pod."""

    dns_name: str
    """The name of the node under the network's headless service."""


class StatusV1(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What the controller found; written by nobody else."""

    observed_generation: Annotated[int, _INT64] = 0
    """The generation of the spec that this status tells about."""

    replicas: Annotated[int, _INT32] = 0
    """How many pods there are of the nodes that spec.nodes counts."""

    selector: str = ""
    """Selects those pods: for the scale subresource, and so for a HorizontalPodAutoscaler."""

    ready_nodes: Annotated[int, _INT32] = 0
    """How many nodes are ready."""

    nodes: tuple[NodeStatusV1, ...] = ()
    conditions: tuple[Condition, ...] = ()


@Schema(rules=SECRET_OF_OTHERS)
class BitcoinNetworkV1(msgspec.Struct, frozen=True, kw_only=True):
    """A network of bitcoin nodes."""

    metadata: Annotated[ObjectMeta, NETWORK_NAME]
    spec: SpecV1
    status: StatusV1 = StatusV1()


_AVAILABLE: Final = '.status.conditions[?(@.type=="Available")]'

BITCOIN_NETWORKS_V1: Resource[BitcoinNetworkV1] = custom_resource(
    group=BITCOIN_NETWORKS.group,
    version="v1",
    kind=BITCOIN_NETWORKS.kind,
    plural=BITCOIN_NETWORKS.plural,
    definition=Definition(
        short_names=BITCOIN_NETWORKS.definition.short_names,
        columns=(
            Column(name="Nodes", type="integer", json_path=".spec.nodes"),
            Column(name="Ready", type="integer", json_path=".status.readyNodes"),
            Column(name="Available", json_path=f"{_AVAILABLE}.status"),
            Column(name="Reason", json_path=f"{_AVAILABLE}.reason", priority=1),
            Column(name="Age", type="date", json_path=".metadata.creationTimestamp"),
        ),
        scale=BITCOIN_NETWORKS.definition.scale,
        storage=False,
    ),
).of(BitcoinNetworkV1)
