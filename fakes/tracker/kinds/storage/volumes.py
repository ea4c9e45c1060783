"""PersistentVolumes."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.kinds import go_forms
from ctrlkit.fakes.tracker.kinds.core.pod_resources import round_amounts
from ctrlkit.fakes.tracker.kinds.core.pod_scheduling import node_selector_causes
from ctrlkit.fakes.tracker.kinds.storage.phases import pending
from ctrlkit.fakes.tracker.kinds.storage.volume_sources import SOURCES, source_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause, json_text, struct_text
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

ACCESS_MODES: Mapping[str, str] = {
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOnce": "RWO",
    "ReadWriteOncePod": "RWOP",
}
"""The access modes and their short forms."""

VOLUME_MODES = ("Block", "Filesystem")
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_MOUNT_ANNOTATION = "volume.beta.kubernetes.io/mount-options"
_RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
_SHOWN_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_MOUNTABLE = (
    *("gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "nfs", "rbd", "quobyte", "iscsi", "cinder", "cephfs"),
    *("azureFile", "vsphereVolume", "azureDisk", "photonPersistentDisk"),
)
"""Sources whose volumes may have mount options in an annotation."""

_AFFINITY_TEXT = "field is immutable, except for updating from beta label to GA"
_GONE = {
    "cephfs": ("cephfs", "v1.28", "v1.31"),
    "photonPersistentDisk": ("photonPersistentDisk", "v1.11", "v1.16"),
    "scaleIO": ("scaleIO", "v1.16", "v1.22"),
    "storageos": ("storageOS", "v1.22", "v1.25"),
    "glusterfs": ("glusterfs", "v1.25", "v1.26"),
    "rbd": ("rbd", "v1.28", "v1.31"),
}
"""Sources that no longer work: their name in the warning, deprecated since, without function since."""


def _fill_in(volume: Plain) -> None:
    spec: Plain = volume["spec"]
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    round_amounts(spec, "capacity")
    fill_in_sources(spec)


def fill_in_sources(spec: Plain) -> None:
    """Fill in the defaults of a volume's source."""
    defaults: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("hostPath", {"type": ""}),
        ("rbd", {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}),
        ("iscsi", {"iscsiInterface": "default"}),
        ("azureDisk", {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False}),
        ("scaleIO", {"storageMode": "ThinProvisioned", "fsType": "xfs"}),
    )
    for name, values in defaults:
        source = spec.get(name)
        if source is not None:
            for field, value in values.items():
                if source.get(field) in (None, ""):
                    source[field] = value


def _begin(volume: Plain) -> None:
    now = clock.timestamp(exchanges.now())
    volume["status"] = {"phase": "Pending", "lastPhaseTransitionTime": now}


def _keep_transition(volume: Plain, old: Object) -> None:
    """Note when the phase changed, if the caller does not say it."""
    status, before = section(volume, "status"), section(old, "status")
    said, had = status.get("lastPhaseTransitionTime"), before.get("lastPhaseTransitionTime")
    if status.get("phase") == before.get("phase"):
        when = said or had
    else:
        when = clock.timestamp(exchanges.now()) if said in (None, had) else said
    if when is not None and when != said:
        volume["status"] = {**status, "lastPhaseTransitionTime": when}


# ---- rules ----------------------------------------------------------------------------------------------------------


def access_mode_causes(modes: Any, path: str) -> Iterator[Cause]:
    """Yield a cause for each access mode that is not known, or does not go with the others."""
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield Cause.unsupported(path, mode, ACCESS_MODES)
    known = {mode for mode in modes if mode in ACCESS_MODES}
    if "ReadWriteOncePod" in known and len(known) > 1:
        yield Cause.forbidden(path, "may not use ReadWriteOncePod with other access modes")


def _causes(volume: Object, old: Object | None) -> Iterator[Cause]:
    spec = volume["spec"]
    yield from volume_causes(spec, "spec", volume["metadata"].get("name") or "")
    annotations = section(volume["metadata"], "annotations")
    if _MOUNT_ANNOTATION in annotations and not any(spec.get(name) is not None for name in _MOUNTABLE):
        text = "may not specify mount options for this volume type"
        yield Cause.forbidden(f"metadata.annotations.{_MOUNT_ANNOTATION}", text)
    if old is not None:
        yield from volume_causes(spec, "spec", volume["metadata"].get("name") or "")
        yield from _change_causes(spec, old["spec"])


def volume_causes(spec: Object, path: str, name: str) -> Iterator[Cause]:
    """Yield a cause for each rule that the spec of a volume breaks."""
    if not spec.get("accessModes"):
        yield Cause.required(f"{path}.accessModes")
    yield from access_mode_causes(spec.get("accessModes") or (), f"{path}.accessModes")
    yield from _capacity_causes(spec.get("capacity") or {}, f"{path}.capacity")
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy and policy not in _RECLAIM_POLICIES:
        yield Cause.unsupported(f"{path}.persistentVolumeReclaimPolicy", policy, _RECLAIM_POLICIES)
    affinity = spec.get("nodeAffinity")
    if affinity is not None:
        yield from _affinity_causes(affinity, f"{path}.nodeAffinity")
    yield from source_causes(spec, path, name)
    host_path = spec.get("hostPath")
    if host_path and posixpath.normpath(host_path["path"] or ".") == "/" and policy == "Recycle":
        text = "may not be 'recycle' for a hostPath mount of '/'"
        yield Cause.forbidden(f"{path}.persistentVolumeReclaimPolicy", text)
    yield from _class_causes(spec, path)


def _capacity_causes(capacity: Mapping[str, str], path: str) -> Iterator[Cause]:
    if not capacity:
        yield Cause.required(path)
    if "storage" not in capacity or len(capacity) > 1:
        shown = json_text(capacity) if capacity else "null"
        yield Cause(path, "FieldValueNotSupported", f'Unsupported value: {shown}: supported values: "storage"')
    for name, size in capacity.items():
        value = quantity_value(size)
        if value < 0:
            yield Cause.invalid(f"{path}[{name}]", size, "must be a valid resource quantity")
        if value <= 0:
            yield Cause.wrong(f"{path}[{name}]", size, "must be greater than zero")


def _affinity_causes(affinity: Object, path: str) -> Iterator[Cause]:
    if affinity.get("required") is None:
        yield Cause.required(f"{path}.required", "must specify required node constraints")
    else:
        yield from node_selector_causes(affinity["required"], f"{path}.required")


def _class_causes(spec: Object, path: str) -> Iterator[Cause]:
    name, mode, attributes = (spec.get(one) for one in ("storageClassName", "volumeMode", "volumeAttributesClassName"))
    if name:
        yield from Cause.all_wrong(f"{path}.storageClassName", name, formats.subdomain(name))
    if mode is not None and mode not in VOLUME_MODES:
        yield Cause.unsupported(f"{path}.volumeMode", mode, VOLUME_MODES)
    if attributes is None:
        return
    if attributes:
        yield from Cause.all_wrong(f"{path}.volumeAttributesClassName", attributes, formats.subdomain(attributes))
    else:
        yield Cause.required(f"{path}.volumeAttributesClassName", "an empty string is disallowed")
    if spec.get("csi") is None:
        yield Cause.required(f"{path}.csi", "has to be specified when using volumeAttributesClassName")


def _change_causes(spec: Object, old: Object) -> Iterator[Cause]:
    now, before = ({name: one.get(name) for name in SOURCES} for one in (spec, old))
    csi, had = now["csi"], before["csi"]
    if csi and had and had.get("controllerExpandSecretRef") is None:
        now["csi"] = {name: value for name, value in csi.items() if name != "controllerExpandSecretRef"}
    if now != before:
        shown = go_forms.difference("PersistentVolumeSource", before, now)
        text = f"spec.persistentvolumesource is immutable after creation\n{shown}"
        yield Cause.forbidden("spec.persistentvolumesource", text)
    yield from Cause.changed("volumeMode", spec.get("volumeMode"), old.get("volumeMode"))
    if old.get("nodeAffinity") is not None and spec.get("nodeAffinity") != old["nodeAffinity"]:
        affinity = spec.get("nodeAffinity")
        shown = "null" if affinity is None else struct_text(go_forms.form("VolumeNodeAffinity", affinity))
        yield Cause.invalid("nodeAffinity", shown, _AFFINITY_TEXT)
    if old.get("volumeAttributesClassName") is not None and spec.get("volumeAttributesClassName") is None:
        yield Cause.forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden")


def _warnings(volume: Object, _old: object) -> Iterator[str]:
    annotations, spec = section(volume["metadata"], "annotations"), volume["spec"]
    told = (
        (CLASS_ANNOTATION, 'deprecated since v1.8; use "storageClassName" attribute instead'),
        (_MOUNT_ANNOTATION, 'deprecated since v1.31; use "mountOptions" attribute instead'),
    )
    yield from (f"metadata.annotations[{name}]: {text}" for name, text in told if name in annotations)
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield (
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
            "approach is to use dynamic provisioning."
        )
    for name, (shown, since, until) in _GONE.items():
        if spec.get(name) is not None:
            yield f"spec.{shown}: deprecated in {since}, non-functional in {until}+"


def shown_modes(modes: Any) -> str:
    """Format access modes for a table."""
    return ",".join(ACCESS_MODES[mode] for mode in _SHOWN_MODES if mode in (modes or ()))


def class_of(thing: Object) -> str:
    """Return the storage class of a volume or claim, also where an old annotation names it."""
    noted = section(section(thing, "metadata"), "annotations").get(CLASS_ANNOTATION)
    return str(noted if noted is not None else section(thing, "spec").get("storageClassName") or "")


def _cells(volume: Object, now: datetime) -> list[Any]:
    spec, status = section(volume, "spec"), section(volume, "status")
    claim = spec.get("claimRef")
    is_going = section(volume, "metadata").get("deletionTimestamp")
    return [
        name_of(volume),
        section(spec, "capacity").get("storage", "0"),
        shown_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        "Terminating" if is_going else status.get("phase", ""),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        class_of(volume),
        spec.get("volumeAttributesClassName") or "<unset>",
        status.get("reason", ""),
        age_of(volume, now),
        spec.get("volumeMode") or "<unset>",
    ]


PERSISTENT_VOLUMES = Strategy(
    defaults=_fill_in,
    begin=_begin,
    defaults_beside_spec=pending,
    keep_status=_keep_transition,
    validate=_causes,
    validate_status=lambda *_: (),
    warn=_warnings,
    cells=_cells,
    set_by_server=("metadata.finalizers",),
    deleted_is_shown=True,
)
