"""
The kinds the controller works with, decoded to the fields it uses; all other fields are skipped and cost nothing.

An object decoded to part of its fields is patched, never put back whole: a PUT would erase what was skipped.
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
"""A full mesh of n nodes is n x (n - 1) entries, and a node takes about 125 connections."""


class Spec(msgspec.Struct, frozen=True):
    """What is wanted: so many nodes, with the credentials in a secret of the network's namespace."""

    nodes: Annotated[int, Meta(ge=0, le=NODES_MAX)]
    secret: str | None = None


class NodeStatus(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One node: its ordinal in the StatefulSet, whether its RPC server answers, its pod's name and addresses."""

    ordinal: int
    ready: bool
    ip: str
    node_name: str
    dns_name: str


class Status(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What was found, and for which generation of the spec. `ready_nodes` is what the scale subresource shows."""

    observed_generation: int = 0
    ready_nodes: int = 0
    nodes: tuple[NodeStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()


class BitcoinNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network of bitcoin nodes that know each other."""

    metadata: ObjectMeta
    spec: Spec
    status: Status = Status()


class ServiceSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """`cluster_ip` is "None" for a headless service, which gives each pod a name of its own."""

    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    selector: dict[str, str] = {}


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service, as far as the controller cares for it."""

    metadata: ObjectMeta
    spec: ServiceSpec


class ExecAction(msgspec.Struct, frozen=True):
    """A command run inside the container."""

    command: tuple[str, ...] = ()


class Probe(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """How readiness is found out; `exec` is None where somebody chose another way."""

    exec: ExecAction | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 0


class SecretReference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A secret by name; a container starts without it if it is optional."""

    name: str = ""
    optional: bool = False


class EnvFrom(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Environment variables taken from elsewhere."""

    secret_ref: SecretReference | None = None


class Container(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """The fields of a container that the controller sets."""

    name: str
    image: str = ""
    image_pull_policy: str = ""
    readiness_probe: Probe | None = None
    env_from: tuple[EnvFrom, ...] = ()


class PodSpec(msgspec.Struct, frozen=True):
    """What runs in a pod."""

    containers: tuple[Container, ...] = ()


class TemplateMeta(msgspec.Struct, frozen=True):
    """What is written on each pod."""

    labels: dict[str, str] = {}


class PodTemplate(msgspec.Struct, frozen=True):
    """What each pod of a StatefulSet is made from."""

    metadata: TemplateMeta = TemplateMeta()
    spec: PodSpec = PodSpec()


class Selector(msgspec.Struct, frozen=True, rename="camel"):
    """The labels by which a StatefulSet finds its pods."""

    match_labels: dict[str, str] = {}


class StatefulSetSpec(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The fields of a StatefulSet that the controller sets."""

    replicas: int = 1
    service_name: str = ""
    selector: Selector = Selector()
    template: PodTemplate = PodTemplate()


class StatefulSet(msgspec.Struct, frozen=True, kw_only=True):
    """A StatefulSet, as far as the controller cares for it."""

    metadata: ObjectMeta
    spec: StatefulSetSpec


class PodCondition(msgspec.Struct, frozen=True):
    """One condition of a pod."""

    type: str
    status: str


class PodStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A pod's address and conditions."""

    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: tuple[PodCondition, ...] | None = None


class Pod(msgspec.Struct, frozen=True, kw_only=True):
    """A pod, as far as it tells about its bitcoin node."""

    metadata: ObjectMeta
    status: PodStatus = PodStatus()

    @property
    def ready(self) -> bool:
        """Whether its node can be talked to: it passed its probe, has an address and is not being deleted."""
        passed = any(c.type == "Ready" and c.status == "True" for c in self.status.conditions or ())
        return passed and bool(self.status.pod_ip) and not self.metadata.deleting


class Secret(msgspec.Struct, frozen=True):
    """A secret. What it holds appears in no `repr`, and so in no log, error or traceback."""

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
