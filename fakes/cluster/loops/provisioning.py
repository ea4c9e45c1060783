"""
What provisioners make: which of them there are here, and the volumes and growth that they give. Pure.

The cluster has a provisioner of its own, whose class `standard` is the default one, and plays those that local and
large public clusters have from the start, so that their manifests come to life. Claims of any other wait for a volume.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.cluster.loops.storage_objects import requested
from ctrlkit.fakes.cluster.loops.storage_plan import (
    MIGRATED,
    PROVISIONED_BY,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    Phase,
)
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.model import Unstructured

OWN = "ctrlkit/local-path"
CLASS: Mapping[str, Any] = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": OWN,
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "WaitForFirstConsumer",
    "allowVolumeExpansion": True,
}
"""
The class of the cluster's own provisioner: its claims are bound when their first pod is placed, as on most clusters.
"""

FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"
_HOSTNAME = "kubernetes.io/hostname"
_RESIZE = "Resizing"
_ON_NODE = "FileSystemResizePending"
_ON_NODE_TEXT = "Waiting for user to (re-)start a pod to finish file system resize of volume on node."


@dataclass(frozen=True, slots=True)
class Driver:
    """
    How a provisioner makes volumes: folders on a node under `path`, or volumes of a CSI driver.

    With `stays` a folder is on the node that was selected for the claim, and nowhere else.
    """

    path: str = ""
    stays: bool = False

    @property
    def is_csi(self) -> bool:
        """Whether it is a CSI driver."""
        return not self.path


_CSI = Driver()
DRIVERS: Mapping[str, Driver] = {
    OWN: Driver("/var/local-path-provisioner", stays=True),
    "rancher.io/local-path": Driver("/opt/local-path-provisioner", stays=True),
    "k8s.io/minikube-hostpath": Driver("/tmp/hostpath-provisioner"),
    "docker.io/hostpath": Driver("/var/lib/k8s-pvs"),
    "hostpath.csi.k8s.io": _CSI,
    **dict.fromkeys(MIGRATED.values(), _CSI),
}
"""By the name of the provisioner."""


def provisioner_of(claim: Unstructured, storage_class: Unstructured | None) -> str:
    """Return the provisioner that is to make a claim's volume now; "" if none of ours is."""
    annotations = claim.metadata.annotations or {}
    name = annotations.get(STORAGE_PROVISIONER, "")
    if storage_class is None or name not in DRIVERS or claim.metadata.deleting or not _can_be_made(claim):
        return ""
    asked = storage_class["provisioner"]
    waits = storage_class.get("volumeBindingMode") == "WaitForFirstConsumer" and not annotations.get(SELECTED_NODE)
    return name if MIGRATED.get(asked, asked) == name and not waits else ""


def _can_be_made(claim: Unstructured) -> bool:
    """Whether a claim has no volume, and asks for an empty one or another claim's copy: snapshots are not played."""
    source = claim.at("spec.dataSourceRef") or claim.at("spec.dataSource") or {}
    return not claim.at("spec.volumeName") and source.get("kind", "PersistentVolumeClaim") == "PersistentVolumeClaim"


def new_volume(claim: Unstructured, storage_class: Unstructured, provisioner: str) -> dict[str, Any]:
    """Build the volume that a provisioner makes for a claim."""
    driver, metadata, spec = DRIVERS[provisioner], claim.metadata, claim["spec"]
    name = f"pvc-{metadata.uid}"
    node = (metadata.annotations or {}).get(SELECTED_NODE, "")
    given: dict[str, Any] = {PROVISIONED_BY: provisioner}
    if driver.is_csi:
        prefix = "volume.kubernetes.io/provisioner-deletion-secret"
        given |= {f"{prefix}-name": "", f"{prefix}-namespace": ""}
        source: dict[str, Any] = {"csi": {"driver": provisioner, "volumeHandle": name, "fsType": "ext4"}}
        if spec.get("volumeAttributesClassName"):
            source["volumeAttributesClassName"] = spec["volumeAttributesClassName"]
    else:
        path = f"{driver.path}/{name}_{metadata.namespace}_{metadata.name}"
        source = {"hostPath": {"path": path, "type": "DirectoryOrCreate"}}
    if driver.stays and node:
        source["nodeAffinity"] = {"required": {"nodeSelectorTerms": [_on_node(node)]}}
    reference = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": metadata.namespace,
        "name": metadata.name,
        "uid": metadata.uid,
        "resourceVersion": metadata.resource_version,
    }
    return {
        "metadata": {"name": name, "annotations": given, **({"finalizers": [FINALIZER]} if driver.is_csi else {})},
        "spec": {
            "capacity": {"storage": requested(claim)},
            "accessModes": list(spec.get("accessModes") or ()),
            "volumeMode": spec.get("volumeMode") or "Filesystem",
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "storageClassName": storage_class.key.name,
            **({"mountOptions": storage_class["mountOptions"]} if storage_class.get("mountOptions") else {}),
            "claimRef": reference,
            **source,
        },
    }


def _on_node(name: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": _HOSTNAME, "operator": "In", "values": [name]}]}


def is_to_be_deleted(volume: Unstructured) -> bool:
    """Whether a provisioner of ours is to delete a volume that it made: its claim has gone."""
    made_by = (volume.metadata.annotations or {}).get(PROVISIONED_BY)
    return (
        made_by in DRIVERS
        and volume.at("status.phase") == Phase.RELEASED
        and volume.at("spec.persistentVolumeReclaimPolicy") == "Delete"
    )


# ---- growth ----------------------------------------------------------------------------------------------------------


def may_need_provisioner(claim: Unstructured) -> bool:
    """Whether a claim has no volume, or is bound to one and does not have just what it asks for."""
    if not claim.at("spec.volumeName"):
        return True
    status = claim.get("status") or {}
    has = (status.get("capacity") or {}).get("storage"), status.get("currentVolumeAttributesClassName")
    asks = requested(claim), claim["spec"].get("volumeAttributesClassName")
    return status.get("phase") == Phase.BOUND and has != asks


def wants_growth(claim: Unstructured, volume: Unstructured) -> bool:
    """Whether a claim asks for more than it has, of a volume that one of ours made for it."""
    made_by = (volume.metadata.annotations or {}).get(PROVISIONED_BY)
    has = quantity_value((claim.at("status.capacity") or {}).get("storage", "0"))
    return (
        made_by in DRIVERS
        and claim.at("status.phase") == Phase.BOUND
        and volume.at("spec.claimRef.uid") == claim.metadata.uid
        and quantity_value(requested(claim)) > has
    )


def waits_for_node(claim: Unstructured) -> bool:
    """Whether a volume has grown, and the file system on it is to follow when a pod uses it."""
    return bool((claim.at("status.allocatedResourceStatuses") or {}).get("storage") == "NodeResizePending")


def growing(claim: Unstructured, now: datetime) -> dict[str, Any]:
    """Return the status of a claim whose volume begins to grow."""
    return _with_growth(claim, "ControllerResizeInProgress", {"type": _RESIZE}, now)


def grown_on_server(claim: Unstructured, now: datetime) -> dict[str, Any]:
    """Return the status of a claim whose volume has grown, but not its file system."""
    return _with_growth(claim, "NodeResizePending", {"type": _ON_NODE, "message": _ON_NODE_TEXT}, now)


def grown(claim: Unstructured) -> dict[str, Any]:
    """Return the status of a claim that has what it asks for."""
    status = {name: value for name, value in claim["status"].items() if name not in ("conditions", _STATUSES)}
    conditions = [one for one in claim["status"].get("conditions") or () if one["type"] not in (_RESIZE, _ON_NODE)]
    left = {name: value for name, value in (claim.at(f"status.{_STATUSES}") or {}).items() if name != "storage"}
    status["capacity"] = {**(status.get("capacity") or {}), "storage": requested(claim)}
    return {**status, **({"conditions": conditions} if conditions else {}), **({_STATUSES: left} if left else {})}


_STATUSES = "allocatedResourceStatuses"


def _with_growth(claim: Unstructured, word: str, condition: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    status = dict(claim["status"])
    others = [one for one in status.get("conditions") or () if one["type"] not in (_RESIZE, _ON_NODE)]
    stamp = clock.timestamp(now)
    told = {"status": "True", "lastProbeTime": None, "lastTransitionTime": stamp}
    return status | {
        "allocatedResources": {**(status.get("allocatedResources") or {}), "storage": requested(claim)},
        _STATUSES: {**(status.get(_STATUSES) or {}), "storage": word},
        "conditions": [*others, {**condition, **told}],
    }


# ---- attributes ------------------------------------------------------------------------------------------------------


def wanted_attributes(claim: Unstructured, volume: Unstructured) -> str:
    """Return the attributes class that a driver of ours is to give to a bound claim's volume; "" for none."""
    made_by = (volume.metadata.annotations or {}).get(PROVISIONED_BY, "")
    wanted = claim.at("spec.volumeAttributesClassName") or ""
    is_mine = made_by in DRIVERS and DRIVERS[made_by].is_csi and volume.at("spec.claimRef.uid") == claim.metadata.uid
    is_new = wanted != claim.at("status.currentVolumeAttributesClassName")
    return wanted if is_mine and is_new and claim.at("status.phase") == Phase.BOUND else ""


def modifying(claim: Unstructured, wanted: str, *, is_there: bool) -> dict[str, Any]:
    """Return the status of a claim whose volume gets other attributes, or waits for a class of them to be made."""
    progress = "InProgress" if is_there else "Pending"
    told = {"targetVolumeAttributesClassName": wanted, "status": progress}
    return {**claim["status"], "modifyVolumeStatus": told}


def modified(claim: Unstructured, wanted: str) -> dict[str, Any]:
    """Return the status of a claim whose volume has other attributes."""
    status = {name: value for name, value in claim["status"].items() if name != "modifyVolumeStatus"}
    return status | {"currentVolumeAttributesClassName": wanted}
