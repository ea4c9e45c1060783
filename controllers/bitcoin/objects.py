"""
The built-in kinds that the controller reads, as types with only the fields that it uses; others are not decoded.

Such objects are applied and patched, never updated with PUT, which would erase the other fields. What is read of them
for their `metadata` alone, is decoded for nothing else.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ctrlkit.model import ObjectMeta, PartialObjectMetadata, Resource
from ctrlkit.model.kinds import EVENTS as ANY_EVENTS
from ctrlkit.model.kinds import NETWORK_POLICIES as ANY_POLICIES
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS as ANY_CLAIMS
from ctrlkit.model.kinds import POD_DISRUPTION_BUDGETS as ANY_BUDGETS
from ctrlkit.model.kinds import PODS as ANY_PODS
from ctrlkit.model.kinds import SECRETS as ANY_SECRETS
from ctrlkit.model.kinds import SERVICES as ANY_SERVICES
from ctrlkit.model.kinds import STATEFULSETS as ANY_STATEFULSETS

NODE_CONTAINER: Final = "bitcoind"
"""The name of the container that runs a node."""


class Struct(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A part of an object. Its fields are named in camel case."""


# ---- pods ------------------------------------------------------------------------------------------------------------


class ObjectCondition(Struct, frozen=True):
    """A condition of a pod or a claim."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class Waiting(Struct, frozen=True):
    """Why a container does not run yet, such as `ImagePullBackOff`."""

    reason: str = ""
    message: str = ""


class Ended(Struct, frozen=True):
    """How a run of a container ended; `message` is the end of its log where it wrote nothing else."""

    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""


class Running(Struct, frozen=True):
    """That a container runs."""


class ContainerState(Struct, frozen=True):
    """What a container is doing; one of which neither is told waits."""

    running: Running | None = None
    waiting: Waiting | None = None
    terminated: Ended | None = None


class ContainerStatus(Struct, frozen=True):
    """What a container is doing, and how its run before ended."""

    name: str
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()

    @property
    def ran(self) -> bool:
        """Whether the container was started at any time."""
        runs = (self.state.running, self.state.terminated, self.last_state.running, self.last_state.terminated)
        return any(run is not None for run in runs) or self.restart_count > 0 or bool(self.started)


class ClaimSource(Struct, frozen=True):
    """The claim that a volume is."""

    claim_name: str


class Volume(Struct, frozen=True):
    """A volume of a pod; `persistent_volume_claim` is None for one of another kind."""

    name: str
    persistent_volume_claim: ClaimSource | None = None


class SecretReference(Struct, frozen=True):
    """A reference to a Secret; an optional one may be missing."""

    name: str = ""
    optional: bool = False


class EnvironmentSource(Struct, frozen=True):
    """A source of environment variables; `secret_ref` is None for one of another kind."""

    secret_ref: SecretReference | None = None


class Container(Struct, frozen=True):
    """The image of a container, and where its environment comes from."""

    name: str
    image: str = ""
    env_from: tuple[EnvironmentSource, ...] | None = None


class PodSpec(Struct, frozen=True):
    """Where a pod runs, of which images, and with which claims."""

    node_name: str = ""
    containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] | None = None


class PodStatus(Struct, frozen=True):
    """What is known of a pod that was made."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: tuple[ObjectCondition, ...] | None = None
    init_container_statuses: tuple[ContainerStatus, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None


class Pod(Struct, frozen=True):
    """The fields of a pod that describe its bitcoin node."""

    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def address(self) -> str:
        """Where the node can be called; nowhere once the pod has ended, as its address may be another pod's by now."""
        return "" if self.status.phase in ("Failed", "Succeeded") else self.status.pod_ip

    @property
    def ready(self) -> bool:
        """Whether the node can be called: the pod is Ready, has an address, and is not being deleted."""
        ready = self.condition("Ready")
        is_ready = ready is not None and ready.status == "True"
        return is_ready and bool(self.address) and not self.metadata.deleting

    def condition(self, kind: str) -> ObjectCondition | None:
        """Return the condition of a type; None if there is none."""
        return next((one for one in self.status.conditions or () if one.type == kind), None)

    def never_ran(self, container: str = NODE_CONTAINER) -> bool:
        """
        Whether it is known that a container was never started: no Kubernetes node has the pod, or its status says so.

        A container of which nothing is told may have run.
        """
        if not (self.spec.node_name or self.status.pod_ip) and self.status.phase in ("", "Pending"):
            return True
        told = self._told(container)
        return told is not None and told.state.waiting is not None and not told.ran

    def ran(self, container: str = NODE_CONTAINER) -> bool:
        """Whether it is known that a container was started: its status says so, or the pod is ready."""
        told = self._told(container)
        return self.ready or (told is not None and told.ran)

    def _told(self, container: str) -> ContainerStatus | None:
        return next((one for one in self.status.container_statuses or () if one.name == container), None)

    @property
    def claims(self) -> tuple[str, ...]:
        """The names of the claims that it mounts."""
        sources = (volume.persistent_volume_claim for volume in self.spec.volumes or ())
        return tuple(source.claim_name for source in sources if source is not None)


# ---- claims ----------------------------------------------------------------------------------------------------------


class StorageAmounts(Struct, frozen=True):
    """How much of what a claim asks for, or has."""

    storage: str = ""


class ClaimResources(Struct, frozen=True):
    """What a claim asks for."""

    requests: StorageAmounts = StorageAmounts()


class ClaimSpec(Struct, frozen=True):
    """What a claim asks for; no class where it is the cluster's default, and there was none."""

    storage_class_name: str | None = None
    resources: ClaimResources = ClaimResources()


class ClaimStatus(Struct, frozen=True):
    """Whether a claim is bound, and how large it is."""

    phase: str = ""
    capacity: StorageAmounts = StorageAmounts()
    conditions: tuple[ObjectCondition, ...] | None = None


class Claim(Struct, frozen=True):
    """A PersistentVolumeClaim, on which a node keeps its chain."""

    metadata: ObjectMeta
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


# ---- what a network owns ---------------------------------------------------------------------------------------------


class ServiceSpec(Struct, frozen=True):
    """`cluster_ip` is "None" for a headless Service, which gives each pod a DNS name."""

    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    selector: dict[str, str] = {}


class Service(Struct, frozen=True):
    """The fields of a Service that the controller uses."""

    metadata: ObjectMeta
    spec: ServiceSpec


class TemplateMeta(Struct, frozen=True):
    """The metadata of each pod of a StatefulSet."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] | None = None


class PodTemplate(Struct, frozen=True):
    """The template of a StatefulSet's pods."""

    metadata: TemplateMeta = TemplateMeta()
    spec: PodSpec = PodSpec()


class Selector(Struct, frozen=True):
    """The labels by which a StatefulSet selects its pods."""

    match_labels: dict[str, str] = {}


class ClaimRetention(Struct, frozen=True):
    """What happens to the claims of a StatefulSet that is deleted."""

    when_deleted: str = "Retain"


class StatefulSetSpec(Struct, frozen=True):
    """What a StatefulSet makes; claims are made of `volume_claim_templates`, which cannot change."""

    replicas: int = 1
    service_name: str = ""
    selector: Selector = Selector()
    template: PodTemplate = PodTemplate()
    volume_claim_templates: tuple[dict[str, Any], ...] | None = None
    persistent_volume_claim_retention_policy: ClaimRetention | None = None


class StatefulSetStatus(Struct, frozen=True):
    """How far the StatefulSet's controller is."""

    observed_generation: int = 0
    replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""


class StatefulSet(Struct, frozen=True):
    """The fields of a StatefulSet that the controller uses."""

    metadata: ObjectMeta
    spec: StatefulSetSpec
    status: StatefulSetStatus = StatefulSetStatus()

    @property
    def image(self) -> str:
        """The image of its nodes; empty where no container is called as ours is."""
        return image_in(self.spec.template.spec)


def image_in(spec: PodSpec) -> str:
    """
    Return the image of the node in a pod.

    >>> image_in(PodSpec(containers=(Container(name="bitcoind", image="bitcoin:29.1"),)))
    'bitcoin:29.1'
    """
    return next((container.image for container in spec.containers if container.name == NODE_CONTAINER), "")


class Secret(Struct, frozen=True):
    """A Secret. Its `repr` shows no values, and so no log, error or traceback does."""

    metadata: ObjectMeta = ObjectMeta()
    data: dict[str, bytes] | None = None

    def __repr__(self) -> str:
        return "Secret(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


# ---- Events ----------------------------------------------------------------------------------------------------------


class Involved(Struct, frozen=True):
    """The object that an Event is about."""

    kind: str = ""
    name: str = ""
    uid: str = ""


class Series(Struct, frozen=True):
    """When an Event that repeats was seen last."""

    last_observed_time: str | None = None


class Event(Struct, frozen=True):
    """The fields of an Event that say what happened, and when that was seen last."""

    metadata: ObjectMeta
    involved_object: Involved = Involved()
    type: str = ""
    reason: str = ""
    message: str = ""
    last_timestamp: str | None = None
    event_time: str | None = None
    series: Series | None = None

    @property
    def seen(self) -> str:
        """The second in which it was seen last, as RFC 3339 text without a zone, which is UTC."""
        of_series = self.series.last_observed_time if self.series is not None else None
        return (of_series or self.last_timestamp or self.event_time or self.metadata.creation_timestamp or "")[:19]


SERVICES: Resource[Service] = ANY_SERVICES.of(Service)
STATEFULSETS: Resource[StatefulSet] = ANY_STATEFULSETS.of(StatefulSet)
PODS: Resource[Pod] = ANY_PODS.of(Pod)
CLAIMS: Resource[Claim] = ANY_CLAIMS.of(Claim)
SECRETS: Resource[Secret] = ANY_SECRETS.of(Secret)
EVENTS: Resource[Event] = ANY_EVENTS.of(Event)
BUDGETS: Resource[PartialObjectMetadata] = ANY_BUDGETS.metadata_only()
POLICIES: Resource[PartialObjectMetadata] = ANY_POLICIES.metadata_only()
