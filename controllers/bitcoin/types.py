"""
The kinds that the controller uses, as types with only the fields that it uses; others are not decoded.

Such objects are patched, never updated with PUT, which would erase the other fields.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ctrlkit.model import Condition, ObjectMeta, Resource, custom_resource
from ctrlkit.model.kinds import PODS as ANY_PODS
from ctrlkit.model.kinds import SECRETS as ANY_SECRETS
from ctrlkit.model.kinds import SERVICES as ANY_SERVICES
from ctrlkit.model.kinds import STATEFULSETS as ANY_STATEFULSETS

GROUP: Final = "bitcoincontroller.christianb93.github.com"
NODES_MAX: Final = 100
"""Most nodes of a network: a full mesh has n x (n - 1) entries, and a node accepts about 125 connections."""


class Spec(msgspec.Struct, frozen=True):
    """The number of nodes, and the Secret with their credentials in the network's namespace."""

    nodes: Annotated[int, Meta(ge=0, le=NODES_MAX)]
    secret: str | None = None


class NodeStatus(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A node: its ordinal in the StatefulSet, whether its RPC server answers, and its pod's name and addresses."""

    ordinal: int
    ready: bool
    ip: str
    node_name: str
    dns_name: str


class Status(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The status of a network; `ready_nodes` is the value of the scale subresource."""

    observed_generation: int = 0
    ready_nodes: int = 0
    nodes: tuple[NodeStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()


class BitcoinNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network of bitcoin nodes that are all connected with each other."""

    metadata: ObjectMeta
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


BITCOIN_NETWORKS: Resource[BitcoinNetwork] = custom_resource(
    group=GROUP, version="v1", kind="BitcoinNetwork", plural="bitcoinnetworks"
).of(BitcoinNetwork)
SERVICES: Resource[Service] = ANY_SERVICES.of(Service)
STATEFULSETS: Resource[StatefulSet] = ANY_STATEFULSETS.of(StatefulSet)
PODS: Resource[Pod] = ANY_PODS.of(Pod)
SECRETS: Resource[Secret] = ANY_SECRETS.of(Secret)
