"""
The kinds that the controller uses, as types with only the fields that it uses; others are not decoded.

Such objects are patched, never updated with PUT, which would erase the other fields.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ctrlkit.model import (
    Column,
    Condition,
    Definition,
    ObjectMeta,
    Resource,
    ScaleFields,
    Schema,
    custom_resource,
)
from ctrlkit.model.kinds import PODS as ANY_PODS
from ctrlkit.model.kinds import SECRETS as ANY_SECRETS
from ctrlkit.model.kinds import SERVICES as ANY_SERVICES
from ctrlkit.model.kinds import STATEFULSETS as ANY_STATEFULSETS

GROUP: Final = "bitcoincontroller.christianb93.github.com"
NODES_MAX: Final = 100
"""Most nodes of a network: a full mesh has n x (n - 1) entries, and a node accepts about 125 connections."""


_INT32: Final = Schema(format="int32")
_INT64: Final = Schema(format="int64")
_SECRET_NAME: Final = Schema(more={"maxLength": 253, "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"})
_NETWORK_NAME: Final = Schema(
    more={"properties": {"name": {"type": "string", "maxLength": 48, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"}}}
)
"""NAME-svc is a service's name, NAME-sts-0123456789 is the value of a label on each pod."""


class Spec(msgspec.Struct, frozen=True):
    """What a user wants: how many nodes, and the Secret with their credentials."""

    nodes: Annotated[int, Meta(ge=0, le=NODES_MAX), _INT32]
    """How many nodes the network has. With 0 it rests: its objects stay, its nodes and their chains are gone."""

    secret: Annotated[str | None, _SECRET_NAME] = None
    """
    The Secret in this namespace with the keys BC_RPC_USER and BC_RPC_PASSWORD. Without one the nodes use the defaults
    of their image.
    """


class NodeStatus(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What was last seen of one node."""

    ordinal: Annotated[int, _INT32]
    """The node's number in the StatefulSet, from 0."""

    ready: bool
    """Whether the node's RPC server answers."""

    ip: str
    """The address of the node's pod; empty while it has none."""

    node_name: str
    """The name of the node's pod."""

    dns_name: str
    """The name of the node under the network's headless service."""


class Status(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What the controller found; written by nobody else."""

    observed_generation: Annotated[int, _INT64] = 0
    """The generation of the spec that this status tells about."""

    ready_nodes: Annotated[int, _INT32] = 0
    """How many nodes are ready."""

    nodes: tuple[NodeStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()


class BitcoinNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network of bitcoin regtest nodes that are all connected with each other."""

    metadata: Annotated[ObjectMeta, _NETWORK_NAME]
    spec: Spec
    status: Status = Status()


class ServiceSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """`cluster_ip` is "None" for a headless Service, which gives each pod a DNS name."""

    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    selector: dict[str, str] = {}


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a Service that the controller uses."""

    metadata: ObjectMeta
    spec: ServiceSpec


class ExecAction(msgspec.Struct, frozen=True):
    """A command to run inside a container."""

    command: tuple[str, ...] = ()


class Probe(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """A readiness probe; `exec` is None for one of another type."""

    exec: ExecAction | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 0


class SecretReference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reference to a Secret; an optional one may be missing."""

    name: str = ""
    optional: bool = False


class EnvFrom(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A source of environment variables."""

    secret_ref: SecretReference | None = None


class Container(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """The fields of a container that the controller sets."""

    name: str
    image: str = ""
    image_pull_policy: str = ""
    readiness_probe: Probe | None = None
    env_from: tuple[EnvFrom, ...] = ()


class PodSpec(msgspec.Struct, frozen=True):
    """The containers of a pod."""

    containers: tuple[Container, ...] = ()


class TemplateMeta(msgspec.Struct, frozen=True):
    """The metadata of each pod of a StatefulSet."""

    labels: dict[str, str] = {}


class PodTemplate(msgspec.Struct, frozen=True):
    """The template of a StatefulSet's pods."""

    metadata: TemplateMeta = TemplateMeta()
    spec: PodSpec = PodSpec()


class Selector(msgspec.Struct, frozen=True, rename="camel"):
    """The labels by which a StatefulSet selects its pods."""

    match_labels: dict[str, str] = {}


class StatefulSetSpec(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The fields of a StatefulSet that the controller sets."""

    replicas: int = 1
    service_name: str = ""
    selector: Selector = Selector()
    template: PodTemplate = PodTemplate()


class StatefulSet(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a StatefulSet that the controller uses."""

    metadata: ObjectMeta
    spec: StatefulSetSpec


class PodCondition(msgspec.Struct, frozen=True):
    """A condition of a pod."""

    type: str
    status: str


class PodStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A pod's address and conditions."""

    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: tuple[PodCondition, ...] | None = None


class Pod(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a pod that describe its bitcoin node."""

    metadata: ObjectMeta
    status: PodStatus = PodStatus()

    @property
    def ready(self) -> bool:
        """Whether the node can be called: the pod is Ready, has an address, and is not being deleted."""
        passed = any(c.type == "Ready" and c.status == "True" for c in self.status.conditions or ())
        return passed and bool(self.status.pod_ip) and not self.metadata.deleting


class Secret(msgspec.Struct, frozen=True):
    """A Secret. Its `repr` shows no values, and so no log, error or traceback does."""

    data: dict[str, bytes] | None = None

    def __repr__(self) -> str:
        return "Secret(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


_AVAILABLE: Final = '.status.conditions[?(@.type=="Available")]'

BITCOIN_NETWORKS: Resource[BitcoinNetwork] = custom_resource(
    group=GROUP,
    version="v1",
    kind="BitcoinNetwork",
    plural="bitcoinnetworks",
    definition=Definition(
        short_names=("btcnet",),
        columns=(
            Column(name="Nodes", type="integer", json_path=".spec.nodes"),
            Column(name="Ready", type="integer", json_path=".status.readyNodes"),
            Column(name="Available", json_path=f"{_AVAILABLE}.status"),
            Column(name="Reason", json_path=f"{_AVAILABLE}.reason", priority=1),
            Column(name="Age", type="date", json_path=".metadata.creationTimestamp"),
        ),
        scale=ScaleFields(spec_replicas=".spec.nodes", status_replicas=".status.readyNodes"),
    ),
).of(BitcoinNetwork)
SERVICES: Resource[Service] = ANY_SERVICES.of(Service)
STATEFULSETS: Resource[StatefulSet] = ANY_STATEFULSETS.of(StatefulSet)
PODS: Resource[Pod] = ANY_PODS.of(Pod)
SECRETS: Resource[Secret] = ANY_SECRETS.of(Secret)
