"""
Claims of pods as a kubelet reads them: which volume is meant, and why there is none. Pure.

The texts are the kubelet's, which tells them after `failed to process volumes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.fakes.cluster.loops.provisioning import DRIVERS
from ctrlkit.fakes.cluster.loops.scheduling.node_fit import selects
from ctrlkit.fakes.cluster.loops.storage_plan import PROVISIONED_BY
from ctrlkit.fakes.cluster.node.pod_fields import SourceError
from ctrlkit.fakes.cluster.node.volumes.sources import containers_of, source_of
from ctrlkit.fakes.tracker.schema.go_text import quoted
from ctrlkit.model import Unstructured

Plain = Mapping[str, Any]

PROTECTION = "kubernetes.io/pvc-protection"

_MIGRATED = {
    "awsElasticBlockStore": "volumeID",
    "azureDisk": "diskName",
    "azureFile": "shareName",
    "cinder": "volumeID",
    "gcePersistentDisk": "pdName",
    "portworxVolume": "volumeID",
    "vsphereVolume": "volumePath",
}
"""Sources that CSI drivers have taken over, and the fields that tell their volumes apart."""

_UNKNOWN = (
    *("cephfs", "flexVolume", "flocker", "glusterfs", "photonPersistentDisk", "quobyte", "rbd", "scaleIO"),
    "storageos",
)
"""Sources that the API still knows, and kubelets do not."""

_DISKS = {"fc": "no Fibre Channel disk", "iscsi": "no iSCSI portal"}
"""Sources of machines, of which none is played."""


class NotProcessed(SourceError):
    """A volume that a kubelet cannot begin to mount."""


class NotAttached(SourceError):
    """A volume of a driver that nobody runs, which would have to be attached first."""


def claim_name(pod: Plain, volume: Plain) -> str:
    """
    Return the name of a volume's claim; "" for a volume without one.

    >>> claim_name({"metadata": {"name": "web-0"}}, {"name": "scratch", "ephemeral": {}})
    'web-0-scratch'
    """
    match source_of(volume):
        case "persistentVolumeClaim":
            return str(volume["persistentVolumeClaim"]["claimName"])
        case "ephemeral":
            return f"{pod['metadata']['name']}-{volume['name']}"
    return ""


def bound_volume(pod: Plain, volume: Plain, claim: Plain | None) -> str:
    """
    Return the name of the PersistentVolume that a claim is bound to.

    >>> claim = {"metadata": {}, "spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}}
    >>> bound_volume({}, {"persistentVolumeClaim": {"claimName": "data"}}, claim)
    'pv-1'

    Errors  NotProcessed for a claim that is missing, is not bound or goes.
    """
    name = claim_name(pod, volume)
    if claim is None:
        raise NotProcessed(f"failed to fetch PVC from API server: persistentvolumeclaims {quoted(name)} not found")
    metadata = claim["metadata"]
    if metadata.get("deletionTimestamp") and PROTECTION not in (metadata.get("finalizers") or ()):
        raise NotProcessed("PVC is being deleted")
    if (claim.get("status") or {}).get("phase") != "Bound":
        raise NotProcessed("PVC is not bound")
    if not claim["spec"].get("volumeName"):
        raise NotProcessed("PVC has empty pvc.Spec.VolumeName")
    return str(claim["spec"]["volumeName"])


def check_owner(pod: Plain, volume: Plain, claim: Plain) -> None:
    """Check that the claim of an ephemeral volume was made for the pod."""
    owners = claim["metadata"].get("ownerReferences") or ()
    if not any(one.get("controller") and one.get("uid") == pod["metadata"]["uid"] for one in owners):
        of_claim, of_pod = (f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in (claim, pod))
        raise NotProcessed(f"PVC {of_claim} was not created for pod {of_pod} (pod is not owner)")


def check_reference(claim: Plain, name: str, persistent: Plain | None) -> None:
    """Check that a PersistentVolume is there, and kept for the claim that names it."""
    if persistent is None:
        text = f"persistentvolumes {quoted(name)} not found"
        raise NotProcessed(f"failed to fetch PV {name} from API server: {text}")
    reference = persistent["spec"].get("claimRef")
    if reference is None:
        text = "it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim"
        raise NotProcessed(f"found PV object {name} but {text}")
    if reference.get("uid") != claim["metadata"]["uid"]:
        given, wanted = reference.get("uid") or "", claim["metadata"]["uid"]
        text = f"its pv.Spec.ClaimRef.UID {given} does not point to claim.UID {wanted}"
        raise NotProcessed(f"found PV object {name} but {text}")


def check_mode(pod: Plain, volume: Plain, persistent: Plain) -> None:
    """Check that containers use a file system as one, and a block device as one."""
    mode, name = persistent["spec"].get("volumeMode") or "Filesystem", volume["name"]
    for field, wanted in (("volumeMounts", "Filesystem"), ("volumeDevices", "Block")):
        mounts = (mount for container in containers_of(pod) for mount in container.get(field) or ())
        if mode != wanted and any(mount["name"] == name for mount in mounts):
            raise NotProcessed(f"volume {name} has volumeMode {mode}, but is specified in {field}")


def check_source(spec: Plain, name: str) -> None:
    """
    Check that something here can mount a volume, of a pod or a PersistentVolume.

    Errors  NotProcessed for a source that kubelets do not know, NotAttached for a driver that is not there.
    """
    if any(spec.get(field) is not None for field in _UNKNOWN):
        raise NotProcessed(
            f"failed to get Plugin from volumeSpec for volume {quoted(name)} err=no volume plugin matched"
        )
    csi = spec.get("csi")
    if csi is not None and "volumeHandle" in csi and csi.get("driver") not in DRIVERS:
        driver, handle = csi.get("driver"), csi["volumeHandle"]
        raise NotAttached(f"timed out waiting for external-attacher of {driver} CSI driver to attach volume {handle}")


def is_attached(spec: Plain) -> bool:
    """Whether a volume is a disk that has to be attached to a node: that of a driver."""
    return "volumeHandle" in (spec.get("csi") or ())


def mount_obstacle(spec: Plain, labels: Mapping[str, str]) -> tuple[str, str] | None:
    """
    Return the step that fails and why, of a volume that no node or not this one can mount; None if nothing is wrong.

    >>> mount_obstacle({"gitRepo": {}}, {})[0]
    'MountVolume.SetUp'
    """
    affinity = (spec.get("nodeAffinity") or {}).get("required")
    if affinity is not None and not selects(affinity, {"metadata": {"labels": labels}}):
        return "MountVolume.NodeAffinity check", "no matching NodeSelectorTerms"
    if spec.get("gitRepo") is not None:
        text = (
            "git-repo volume plugin has been disabled; if necessary, it may be re-enabled by enabling the feature-gate"
        )
        return "MountVolume.SetUp", f"{text} `GitRepoVolumeDriver`"
    for field, text in _DISKS.items():
        if spec.get(field) is not None:
            return "MountVolume.WaitForAttach", f"{text} can be reached from here"
    csi = spec.get("csi")
    if csi is not None and "volumeHandle" not in csi:
        text = f"driver name {csi.get('driver')} not found in the list of registered CSI drivers"
        return "MountVolume.SetUp", f"kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: {text}"
    return None


def is_cleared(persistent: Unstructured) -> bool:
    """Whether what is in a PersistentVolume goes when it is deleted, as those who make volumes see to it."""
    spec, made_by = persistent["spec"], (persistent.metadata.annotations or {}).get(PROVISIONED_BY)
    path = (spec.get("hostPath") or {}).get("path") or ""
    is_ours = made_by in DRIVERS or (not made_by and path.startswith("/tmp/"))
    return spec.get("persistentVolumeReclaimPolicy") == "Delete" and is_ours


def kept_name(spec: Plain) -> str:
    """
    Return what tells the volume of an old cloud source from others; "" for any other source.

    >>> kept_name({"gcePersistentDisk": {"pdName": "disk-1"}})
    'gcePersistentDisk/disk-1'
    """
    return next((f"{field}/{spec[field].get(key)}" for field, key in _MIGRATED.items() if spec.get(field)), "")
