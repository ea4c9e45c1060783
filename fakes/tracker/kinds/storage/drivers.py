"""What CSI drivers and their sidecars publish: CSIDrivers, CSINodes, CSIStorageCapacities and VolumeAttachments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds import go_forms
from ctrlkit.fakes.tracker.kinds.metadata import selector_causes
from ctrlkit.fakes.tracker.kinds.storage.volume_sources import driver_causes, source_causes
from ctrlkit.fakes.tracker.kinds.storage.volumes import access_mode_causes, fill_in_sources
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause, struct_text
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_LIFECYCLES = ("Persistent", "Ephemeral")
_SECONDS_MIN, _SECONDS_MAX, _PERIOD_MIN = 600, 2**32, 10
_NODE_ID_MAX = 256
_METADATA_MAX, _MESSAGE_MAX = 256 * 1024, 1024
_TOKENS_TEXT = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
_TOKENS_WARNING = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
    "logging of tokens in volume attributes"
)
_DEFAULTS = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}


# ---- CSIDriver ------------------------------------------------------------------------------------------------------


def _fill_in_driver(driver: Plain) -> None:
    spec: Plain = driver["spec"]
    for name, value in _DEFAULTS.items():
        if spec.get(name) is None:
            spec[name] = value
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def _drop_disabled(driver: Plain) -> None:
    driver["spec"].pop("preventPodSchedulingIfMissing", None)


def _begin_driver(driver: Plain) -> None:
    """A new driver has no generation; its first change has 1."""
    driver["metadata"].pop("generation", None)


def _driver_causes(driver: Object, old: Object | None) -> Iterator[Cause]:
    spec = driver["spec"]
    policy, period = spec["fsGroupPolicy"], spec.get("nodeAllocatableUpdatePeriodSeconds")
    if policy not in _GROUP_POLICIES:
        yield Cause.unsupported("spec.fsGroupPolicy", policy, _GROUP_POLICIES)
    requests = spec.get("tokenRequests") or ()
    yield from _token_causes(requests)
    for mode in spec["volumeLifecycleModes"]:
        if mode not in _LIFECYCLES:
            yield Cause.unsupported("spec.volumeLifecycleModes", mode, _LIFECYCLES)
    if period is not None and period < _PERIOD_MIN:
        text = f"must be greater than or equal to {_PERIOD_MIN} seconds"
        yield Cause.wrong("spec.nodeAllocatableUpdatePeriodSeconds", period, text)
    in_secrets = spec.get("serviceAccountTokenInSecrets")
    if in_secrets is not None and not requests:
        yield Cause.wrong("spec.serviceAccountTokenInSecrets", in_secrets, _TOKENS_TEXT)
    if old is not None:
        for name, shown in (("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")):
            yield from Cause.changed(f"spec.{shown}", spec[name], old["spec"][name])


def _token_causes(requests: Sequence[Object]) -> Iterator[Cause]:
    audiences: set[str] = set()
    for index, request in enumerate(requests):
        path, audience, seconds = f"spec.tokenRequests[{index}]", request["audience"], request.get("expirationSeconds")
        if audience in audiences:
            yield Cause.duplicate(f"{path}.audience", audience)
            continue
        audiences.add(audience)
        if seconds is not None and seconds < _SECONDS_MIN:
            text = "may not specify a duration less than 10 minutes"
            yield Cause.wrong(f"{path}.expirationSeconds", seconds, text)
        if seconds is not None and seconds > _SECONDS_MAX:
            text = "may not specify a duration larger than 2^32 seconds"
            yield Cause.wrong(f"{path}.expirationSeconds", seconds, text)


def _driver_warnings(driver: Object, old: Object | None) -> Iterator[str]:
    requests = driver["spec"].get("tokenRequests")
    is_new = old is None or requests != old["spec"].get("tokenRequests")
    if requests and is_new and driver["spec"].get("serviceAccountTokenInSecrets") is None:
        yield _TOKENS_WARNING


def _driver_cells(driver: Object, now: datetime) -> list[Any]:
    spec = section(driver, "spec")
    requests = spec.get("tokenRequests")
    return [
        name_of(driver),
        spec.get("attachRequired", True),
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        "<unset>" if requests is None else ",".join(one.get("audience", "") for one in requests),
        bool(spec.get("requiresRepublish")),
        ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
        age_of(driver, now),
    ]


CSI_DRIVERS = Strategy(
    blind_updates=False,
    generation=True,
    defaults=_fill_in_driver,
    drop=_drop_disabled,
    begin=_begin_driver,
    validate=_driver_causes,
    warn=_driver_warnings,
    cells=_driver_cells,
    deleted_is_shown=True,
)


# ---- CSINode --------------------------------------------------------------------------------------------------------


def _node_causes(node: Object, old: Object | None) -> Iterator[Cause]:
    drivers = node["spec"].get("drivers") or ()
    names: set[str] = set()
    for index, driver in enumerate(drivers):
        yield from _node_driver_causes(driver, f"spec.drivers[{index}]", names)
    before = {driver["name"]: driver for driver in (old["spec"].get("drivers") or () if old else ())}
    for driver in drivers:
        had = before.get(driver["name"])
        if had is not None and _without_count(driver) != _without_count(had):
            yield Cause.invalid("spec.drivers", struct_text(_without_count(driver)), "field is immutable")


def _without_count(driver: Object) -> dict[str, Any]:
    return {
        "Name": driver["name"],
        "NodeID": driver["nodeID"],
        "TopologyKeys": driver.get("topologyKeys") or None,
        "Allocatable": None,
    }


def _node_driver_causes(driver: Object, path: str, names: set[str]) -> Iterator[Cause]:
    name, node, keys = driver["name"], driver["nodeID"], driver.get("topologyKeys") or ()
    yield from driver_causes(name, f"{path}.name")
    if not node:
        yield Cause.required(f"{path}.nodeID")
    elif len(node) > _NODE_ID_MAX:
        yield Cause.wrong(f"{path}.nodeID", node, f"must be {_NODE_ID_MAX} characters or less")
    count = section(driver, "allocatable").get("count")
    if count is not None and count < 0:
        yield Cause.wrong(f"{path}.allocatable.count", count, "must be greater than or equal to 0")
    if name in names:
        yield Cause.duplicate(f"{path}.name", name)
    names.add(name)
    for index, key in enumerate(keys):
        if not key:
            yield Cause.required(path)
        if key in keys[:index]:
            yield Cause.duplicate(path, key)
        yield from Cause.all_wrong(path, key, formats.label_key(key))


def _node_cells(node: Object, now: datetime) -> list[Any]:
    return [name_of(node), len(section(node, "spec").get("drivers") or ()), age_of(node, now)]


CSI_NODES = Strategy(blind_updates=False, validate=_node_causes, cells=_node_cells, deleted_is_shown=True)


# ---- CSIStorageCapacity ---------------------------------------------------------------------------------------------


def _capacity_causes(capacity: Object, old: Object | None) -> Iterator[Cause]:
    topology, name, size = capacity.get("nodeTopology"), capacity["storageClassName"], capacity.get("capacity")
    if old is not None:
        yield from Cause.changed("nodeTopology", topology, old.get("nodeTopology"))
        yield from Cause.changed("storageClassName", name, old["storageClassName"])
    if topology is not None:
        yield from selector_causes(topology, "nodeTopology")
    yield from Cause.all_wrong("storageClassName", name, formats.subdomain(name))
    if size is not None and quantity_value(size) < 0:
        yield Cause.wrong("capacity", size, "must be greater than or equal to 0")


CSI_STORAGE_CAPACITIES = Strategy(blind_updates=False, validate=_capacity_causes)


# ---- VolumeAttachment -----------------------------------------------------------------------------------------------


def _fill_in_attachment(attachment: Plain) -> None:
    inline = attachment["spec"]["source"].get("inlineVolumeSpec")
    if inline is not None:
        fill_in_sources(inline)


def _attachment_causes(attachment: Object, old: Object | None) -> Iterator[Cause]:
    spec = attachment["spec"]
    source, node = spec["source"], spec["nodeName"]
    yield from driver_causes(spec["attacher"], "spec.attacher")
    yield from _attached_causes(source)
    yield from Cause.all_wrong("spec.nodeName", node, formats.subdomain(node))
    yield from _attachment_status_causes(attachment, None)
    name = source.get("persistentVolumeName")
    if name is not None:
        yield from Cause.all_wrong("spec.source.persistentVolumeName", name, formats.subdomain(name))
    if old is not None and spec != old["spec"]:
        shown = struct_text(go_forms.form("VolumeAttachmentSpec", spec))
        yield Cause.invalid("spec", shown, "field is immutable")


def _attached_causes(source: Object) -> Iterator[Cause]:
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    text = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if name is None and inline is None:
        yield Cause.required("spec.source", text)
    elif name is not None and inline is not None:
        yield Cause.forbidden("spec.source", text)
    elif name == "":
        yield Cause.required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName")
    elif inline is not None:
        yield from _inline_causes(inline, "spec.source.inlineVolumeSpec")


def _inline_causes(inline: Object, path: str) -> Iterator[Cause]:
    where = "in the context of inline volumes"
    for name, is_given in (("claimRef", inline.get("claimRef") is not None), ("capacity", inline.get("capacity"))):
        if is_given:
            yield Cause.forbidden(f"{path}.{name}", f"may not be specified {where}")
    if inline.get("csi") is None:
        yield Cause.required(f"{path}.csi", f"has to be specified {where}")
    if not inline.get("accessModes"):
        yield Cause.required(f"{path}.accessModes")
    yield from access_mode_causes(inline.get("accessModes") or (), f"{path}.accessModes")
    if inline.get("persistentVolumeReclaimPolicy", "Retain") not in ("", "Retain"):
        yield Cause.forbidden(f"{path}.persistentVolumeReclaimPolicy", f"may only be Retain {where}")
    if inline.get("nodeAffinity") is not None:
        yield Cause.forbidden(f"{path}.nodeAffinity", f"may not be specified {where}")
    yield from source_causes(inline, path, "")
    if inline.get("storageClassName"):
        yield Cause.forbidden(f"{path}.storageClassName", f"may not be specified {where}")
    if inline.get("volumeMode", "Filesystem") != "Filesystem":
        yield Cause.forbidden(f"{path}.volumeMode", f"may not specify volumeMode other than Filesystem {where}")


def _attachment_status_causes(attachment: Object, _old: object) -> Iterator[Cause]:
    status = section(attachment, "status")
    metadata = section(status, "attachmentMetadata")
    if sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items()) > _METADATA_MAX:
        yield Cause.too_long("status.attachmentMetadata", _METADATA_MAX)
    for name in ("attachError", "detachError"):
        error = section(status, name)
        if len(error.get("message") or "") > _MESSAGE_MAX:
            yield Cause.too_long(f"status.{name}.message", _METADATA_MAX)
        code = error.get("errorCode")
        if code is not None and code < 0:
            yield Cause.wrong(f"status.{name}.errorCode", code, "must be between 0 and 2147483647, inclusive")


def _attachment_cells(attachment: Object, now: datetime) -> list[Any]:
    spec, status = section(attachment, "spec"), section(attachment, "status")
    return [
        name_of(attachment),
        spec.get("attacher", ""),
        section(spec, "source").get("persistentVolumeName") or "",
        spec.get("nodeName", ""),
        bool(status.get("attached")),
        age_of(attachment, now),
    ]


VOLUME_ATTACHMENTS = Strategy(
    kept_by_status=("metadata",),
    blind_updates=False,
    defaults=_fill_in_attachment,
    validate=_attachment_causes,
    cells=_attachment_cells,
    deleted_is_shown=True,
)
