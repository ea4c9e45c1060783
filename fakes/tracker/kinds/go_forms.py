"""
How the server writes whole structs into its sentences: as JSON of its own types, which differ from the API's.

Their fields come in the order of Go's declaration, with Go's names, and those that are missing as well.
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

_VOLUME_SOURCE = (
    "gcePersistentDisk=GCEPersistentDisk:GCEPersistentDiskVolumeSource* "
    "awsElasticBlockStore=AWSElasticBlockStore:AWSElasticBlockStoreVolumeSource* "
    "hostPath:HostPathVolumeSource* glusterfs:GlusterfsPersistentVolumeSource* nfs=NFS:NFSVolumeSource* "
    "rbd=RBD:RBDPersistentVolumeSource* quobyte:QuobyteVolumeSource* iscsi=ISCSI:ISCSIPersistentVolumeSource* "
    "flexVolume:FlexPersistentVolumeSource* cinder:CinderPersistentVolumeSource* "
    "cephfs=CephFS:CephFSPersistentVolumeSource* fc=FC:FCVolumeSource* flocker:FlockerVolumeSource* "
    "azureFile:AzureFilePersistentVolumeSource* vsphereVolume:VsphereVirtualDiskVolumeSource* "
    "azureDisk:AzureDiskVolumeSource* photonPersistentDisk:PhotonPersistentDiskVolumeSource* "
    "portworxVolume:PortworxVolumeSource* scaleIO:ScaleIOPersistentVolumeSource* local:LocalVolumeSource* "
    "storageos=StorageOS:StorageOSPersistentVolumeSource* csi=CSI:CSIPersistentVolumeSource*"
)

_STRUCTS: Mapping[str, str] = {
    "PersistentVolumeSource": _VOLUME_SOURCE,
    "PersistentVolumeSpec": (
        f"capacity:_ {_VOLUME_SOURCE} accessModes:_ claimRef:ObjectReference* persistentVolumeReclaimPolicy:s "
        "storageClassName:s mountOptions:_ volumeMode:s* nodeAffinity:VolumeNodeAffinity* "
        "volumeAttributesClassName:s*"
    ),
    "VolumeAttachmentSpec": "attacher:s source:VolumeAttachmentSource nodeName:s",
    "VolumeAttachmentSource": "persistentVolumeName:s* inlineVolumeSpec:PersistentVolumeSpec*",
    "GCEPersistentDiskVolumeSource": "pdName=PDName:s fsType=FSType:s partition:i readOnly:b",
    "AWSElasticBlockStoreVolumeSource": "volumeID:s fsType=FSType:s partition:i readOnly:b",
    "HostPathVolumeSource": "path:s type:s*",
    "GlusterfsPersistentVolumeSource": "endpoints=EndpointsName:s path:s readOnly:b endpointsNamespace:s*",
    "NFSVolumeSource": "server:s path:s readOnly:b",
    "RBDPersistentVolumeSource": (
        "monitors=CephMonitors:_ image=RBDImage:s fsType=FSType:s pool=RBDPool:s user=RadosUser:s keyring:s "
        "secretRef:SecretReference* readOnly:b"
    ),
    "SecretReference": "name:s namespace:s",
    "QuobyteVolumeSource": "registry:s volume:s readOnly:b user:s group:s tenant:s",
    "ISCSIPersistentVolumeSource": (
        "targetPortal:s iqn=IQN:s lun:i iscsiInterface=ISCSIInterface:s fsType=FSType:s readOnly:b portals:_ "
        "chapAuthDiscovery=DiscoveryCHAPAuth:b chapAuthSession=SessionCHAPAuth:b secretRef:SecretReference* "
        "initiatorName:s*"
    ),
    "FlexPersistentVolumeSource": "driver:s fsType=FSType:s secretRef:SecretReference* readOnly:b options:_",
    "CinderPersistentVolumeSource": "volumeID:s fsType=FSType:s readOnly:b secretRef:SecretReference*",
    "CephFSPersistentVolumeSource": "monitors:_ path:s user:s secretFile:s secretRef:SecretReference* readOnly:b",
    "FCVolumeSource": "targetWWNs:_ lun:i* fsType=FSType:s readOnly:b wwids=WWIDs:_",
    "FlockerVolumeSource": "datasetName:s datasetUUID:s",
    "AzureFilePersistentVolumeSource": "secretName:s shareName:s readOnly:b secretNamespace:s*",
    "VsphereVirtualDiskVolumeSource": "volumePath:s fsType=FSType:s storagePolicyName:s storagePolicyID:s",
    "AzureDiskVolumeSource": ("diskName:s diskURI=DataDiskURI:s cachingMode:s* fsType=FSType:s* readOnly:b* kind:s*"),
    "PhotonPersistentDiskVolumeSource": "pdID:s fsType=FSType:s",
    "PortworxVolumeSource": "volumeID:s fsType=FSType:s readOnly:b",
    "ScaleIOPersistentVolumeSource": (
        "gateway:s system:s secretRef:SecretReference* sslEnabled=SSLEnabled:b protectionDomain:s storagePool:s "
        "storageMode:s volumeName:s fsType=FSType:s readOnly:b"
    ),
    "LocalVolumeSource": "path:s fsType=FSType:s*",
    "StorageOSPersistentVolumeSource": (
        "volumeName:s volumeNamespace:s fsType=FSType:s readOnly:b secretRef:ObjectReference*"
    ),
    "ObjectReference": ("kind:s namespace:s name:s uid=UID:s apiVersion=APIVersion:s resourceVersion:s fieldPath:s"),
    "CSIPersistentVolumeSource": (
        "driver:s volumeHandle:s readOnly:b fsType=FSType:s volumeAttributes:_ "
        "controllerPublishSecretRef:SecretReference* nodeStageSecretRef:SecretReference* "
        "nodePublishSecretRef:SecretReference* controllerExpandSecretRef:SecretReference* "
        "nodeExpandSecretRef:SecretReference*"
    ),
    "PersistentVolumeClaimSpec": (
        "accessModes:_ selector:_ resources:VolumeResourceRequirements volumeName:s storageClassName:s* "
        "volumeMode:s* dataSource:TypedLocalObjectReference* dataSourceRef:TypedObjectReference* "
        "volumeAttributesClassName:s*"
    ),
    "VolumeResourceRequirements": "limits:_ requests:_",
    "TypedLocalObjectReference": "apiGroup=APIGroup:s* kind:s name:s",
    "TypedObjectReference": "apiGroup=APIGroup:s* kind:s name:s namespace:s*",
    "VolumeNodeAffinity": "required:NodeSelector*",
    "NodeSelector": "nodeSelectorTerms:[]NodeSelectorTerm",
    "NodeSelectorTerm": ("matchExpressions:[]NodeSelectorRequirement matchFields:[]NodeSelectorRequirement"),
    "NodeSelectorRequirement": "key:s operator:s values:_",
}
"""
The structs, by name: fields as `name=GoName:type`, without GoName where it is the name with a capital.

A type is s (text), i (integer), b (boolean), _ (as in the API, null where it is empty), a struct, or [] and a struct; *
marks a pointer.
"""

_ZEROS: Mapping[str, Any] = {"s": "", "i": 0, "b": False, "_": None}


class _Member(NamedTuple):
    name: str
    shown: str
    type: str


@functools.cache
def _members(struct: str) -> tuple[_Member, ...]:
    found = []
    for text in _STRUCTS[struct].split():
        names, _, kind = text.partition(":")
        name, _, shown = names.partition("=")
        found.append(_Member(name, shown or name[:1].upper() + name[1:], kind))
    return tuple(found)


def form(struct: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a struct in the server's own form.

    >>> form("HostPathVolumeSource", {"path": "/x"})
    {'Path': '/x', 'Type': None}
    """
    return {member.shown: _form(member.type, value.get(member.name)) for member in _members(struct)}


def _form(kind: str, value: Any) -> Any:
    if kind.endswith("*"):
        return None if value is None else _form(kind[:-1], value)
    if kind in _ZEROS:
        return value or _ZEROS[kind]
    if kind.startswith("[]"):
        return [form(kind[2:], one) for one in value] if value else None
    return form(kind, value or {})


def difference(struct: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """
    Return the difference of two structs as the server writes it.

    >>> print(difference("HostPathVolumeSource", {"path": "/x"}, {"path": "/y"}))
    @@ -1,4 +1,4 @@
     {
    - "Path": "/x",
    + "Path": "/y",
      "Type": null
     }
    <BLANKLINE>
    """
    before, after = (_lines(json.dumps(form(struct, one), indent=1, ensure_ascii=False)) for one in (old, new))
    return "".join(list(difflib.unified_diff(before, after))[2:])


def _lines(document: str) -> list[str]:
    return [f"{line}\n" for line in document.split("\n")]
