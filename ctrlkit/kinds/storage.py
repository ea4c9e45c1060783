"""The kinds of storage.k8s.io/v1 with all their fields; made by ctrlkit.fakes.releases.typed_kinds."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ctrlkit.kinds.base import TypedKind, show_read_only
from ctrlkit.kinds.core import LabelSelector, PersistentVolumeSpec
from ctrlkit.model import ObjectMeta, Resource, kinds

__all__ = [
    "CSI_DRIVERS",
    "CSI_NODES",
    "CSI_STORAGE_CAPACITIES",
    "STORAGE_CLASSES",
    "VOLUME_ATTACHMENTS",
    "VOLUME_ATTRIBUTES_CLASSES",
    "CSIDriver",
    "CSIDriverSpec",
    "CSINode",
    "CSINodeDriver",
    "CSINodeSpec",
    "CSIStorageCapacity",
    "StorageClass",
    "TokenRequest",
    "TopologySelectorLabelRequirement",
    "TopologySelectorTerm",
    "VolumeAttachment",
    "VolumeAttachmentSource",
    "VolumeAttachmentSpec",
    "VolumeAttachmentStatus",
    "VolumeAttributesClass",
    "VolumeError",
    "VolumeNodeResources",
]


class TokenRequest(TypedKind, frozen=True, kw_only=True):
    """The fields of a TokenRequest."""

    audience: str
    expiration_seconds: int | None = None


class CSIDriverSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a CSIDriverSpec."""

    attach_required: bool | None = None
    fs_group_policy: str | None = None
    node_allocatable_update_period_seconds: int | None = None
    pod_info_on_mount: bool | None = None
    prevent_pod_scheduling_if_missing: bool | None = None
    requires_republish: bool | None = None
    se_linux_mount: bool | None = None
    service_account_token_in_secrets: bool | None = None
    storage_capacity: bool | None = None
    token_requests: tuple[TokenRequest, ...] = ()
    volume_lifecycle_modes: tuple[str, ...] = ()


class CSIDriver(TypedKind, frozen=True, kw_only=True):
    """A CSIDriver with all its fields."""

    metadata: ObjectMeta
    spec: CSIDriverSpec


class VolumeNodeResources(TypedKind, frozen=True, kw_only=True):
    """The fields of a VolumeNodeResources."""

    count: int | None = None


class CSINodeDriver(TypedKind, frozen=True, kw_only=True):
    """The fields of a CSINodeDriver."""

    name: str
    node_id: str = msgspec.field(name="nodeID")
    allocatable: VolumeNodeResources | None = None
    topology_keys: tuple[str, ...] | None = None


class CSINodeSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a CSINodeSpec."""

    drivers: tuple[CSINodeDriver, ...] | None


class CSINode(TypedKind, frozen=True, kw_only=True):
    """A CSINode with all its fields."""

    metadata: ObjectMeta
    spec: CSINodeSpec


class CSIStorageCapacity(TypedKind, frozen=True, kw_only=True):
    """A CSIStorageCapacity with all its fields."""

    metadata: ObjectMeta
    storage_class_name: str
    capacity: str | None = None
    maximum_volume_size: str | None = None
    node_topology: LabelSelector | None = None


class TopologySelectorLabelRequirement(TypedKind, frozen=True, kw_only=True):
    """The fields of a TopologySelectorLabelRequirement."""

    key: str
    values: tuple[str, ...]


class TopologySelectorTerm(TypedKind, frozen=True, kw_only=True):
    """The fields of a TopologySelectorTerm."""

    match_label_expressions: tuple[TopologySelectorLabelRequirement, ...] = ()


class StorageClass(TypedKind, frozen=True, kw_only=True):
    """A StorageClass with all its fields."""

    metadata: ObjectMeta
    provisioner: str
    allow_volume_expansion: bool | None = None
    allowed_topologies: tuple[TopologySelectorTerm, ...] = ()
    mount_options: tuple[str, ...] = ()
    parameters: Mapping[str, str] = {}
    reclaim_policy: str | None = None
    """Delete, Recycle or Retain."""
    volume_binding_mode: str | None = None
    """Immediate or WaitForFirstConsumer."""


show_read_only(StorageClass, "parameters")


class VolumeAttachmentSource(TypedKind, frozen=True, kw_only=True):
    """The fields of a VolumeAttachmentSource."""

    inline_volume_spec: PersistentVolumeSpec | None = None
    persistent_volume_name: str | None = None


class VolumeAttachmentSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a VolumeAttachmentSpec."""

    attacher: str
    node_name: str
    source: VolumeAttachmentSource


class VolumeError(TypedKind, frozen=True, kw_only=True):
    """The fields of a VolumeError."""

    error_code: int | None = None
    message: str = ""
    time: str | None = None


class VolumeAttachmentStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a VolumeAttachmentStatus."""

    attach_error: VolumeError | None = None
    attached: bool = False
    attachment_metadata: Mapping[str, str] = {}
    detach_error: VolumeError | None = None


show_read_only(VolumeAttachmentStatus, "attachment_metadata")


class VolumeAttachment(TypedKind, frozen=True, kw_only=True):
    """A VolumeAttachment with all its fields."""

    metadata: ObjectMeta
    spec: VolumeAttachmentSpec
    status: VolumeAttachmentStatus = VolumeAttachmentStatus()


class VolumeAttributesClass(TypedKind, frozen=True, kw_only=True):
    """A VolumeAttributesClass with all its fields."""

    driver_name: str
    metadata: ObjectMeta
    parameters: Mapping[str, str] = {}


show_read_only(VolumeAttributesClass, "parameters")


CSI_DRIVERS: Resource[CSIDriver] = kinds.CSI_DRIVERS.of(CSIDriver)
CSI_NODES: Resource[CSINode] = kinds.CSI_NODES.of(CSINode)
CSI_STORAGE_CAPACITIES: Resource[CSIStorageCapacity] = kinds.CSI_STORAGE_CAPACITIES.of(CSIStorageCapacity)
STORAGE_CLASSES: Resource[StorageClass] = kinds.STORAGE_CLASSES.of(StorageClass)
VOLUME_ATTACHMENTS: Resource[VolumeAttachment] = kinds.VOLUME_ATTACHMENTS.of(VolumeAttachment)
VOLUME_ATTRIBUTES_CLASSES: Resource[VolumeAttributesClass] = kinds.VOLUME_ATTRIBUTES_CLASSES.of(VolumeAttributesClass)
