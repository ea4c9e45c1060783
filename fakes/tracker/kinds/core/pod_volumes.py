"""Volumes of pods: the defaults and the rules of every source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.downward import fill_in_reference, reference_causes, resource_reference_causes
from ctrlkit.fakes.tracker.kinds.core.pod_resources import amount_causes, fill_in_claim_spec
from ctrlkit.fakes.tracker.kinds.metadata import annotation_causes, label_causes, selector_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

PULL_POLICIES = ("Always", "IfNotPresent", "Never")

_FILE_MODE = 0o644
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "hostPath": {"type": ""},
    "secret": {"defaultMode": _FILE_MODE},
    "configMap": {"defaultMode": _FILE_MODE},
    "downwardAPI": {"defaultMode": _FILE_MODE},
    "projected": {"defaultMode": _FILE_MODE},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
_MODE_TEXT = "must be a number between 0 and 0777 (octal), both inclusive"
_IN_FILES = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_ISCSI_NAMES = {
    "iqn": r"iqn\.\d{4}-\d{2}\.[A-Za-z0-9.-]+:[^,;*&$|\s]+$",
    "eui": r"^eui.[A-Za-z0-9]{16}$",
    "naa": r"^naa.[A-Za-z0-9]{32}$",
}
_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_BLOBS = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_MANAGED = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"


# ---- defaults --------------------------------------------------------------------------------------------------------


def fill_in_volume(volume: Plain, pull_policy: Callable[[str], str]) -> None:
    """Fill in the defaults of a volume; `pull_policy` says what that of an image is."""
    if len(volume) == 1:
        volume["emptyDir"] = {}
    for name, source in volume.items():
        for field, value in _DEFAULTS.get(name, {}).items():
            source.setdefault(field, value)
        if name in _FILLED:
            _FILLED[name](source)
    if "image" in volume:
        volume["image"].setdefault("pullPolicy", pull_policy(volume["image"].get("reference") or ""))


def _fill_in_files(source: Plain) -> None:
    for item in source.get("items") or ():
        fill_in_reference(item)


def _fill_in_projected(projected: Plain) -> None:
    if not projected.get("sources"):
        projected["sources"] = None
    for source in projected.get("sources") or ():
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        _fill_in_files(source.get("downwardAPI") or {})


def _fill_in_ephemeral(source: Plain) -> None:
    if "volumeClaimTemplate" in source:
        fill_in_claim_spec(source["volumeClaimTemplate"]["spec"])


_FILLED: Mapping[str, Callable[[Plain], None]] = {
    "downwardAPI": _fill_in_files,
    "projected": _fill_in_projected,
    "ephemeral": _fill_in_ephemeral,
}


# ---- rules -----------------------------------------------------------------------------------------------------------


def volume_causes(volumes: Iterable[Object], pod_name: str, path: str, valid: dict[str, Object]) -> Iterator[Cause]:
    """
    Yield a cause for each rule that a pod's volumes break, and put those without fault into `valid`, by name.

    Shape   `pod_name` is "" for a template, and for a pod that has no name yet.
    """
    claims = {f"{pod_name}-{volume['name']}" for volume in volumes if pod_name and "ephemeral" in volume}
    for index, volume in enumerate(volumes):
        here, name = f"{path}[{index}]", volume["name"]
        found = list(_source_causes(volume, here, pod_name))
        if not name:
            found.append(Cause.required(f"{here}.name"))
        else:
            found += Cause.all_wrong(f"{here}.name", name, formats.dns_label(name))
        if name in valid:
            found.append(Cause.duplicate(f"{here}.name", name))
        if not found:
            valid[name] = volume
        yield from found
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in claims:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            yield Cause.wrong(f"{here}.persistentVolumeClaim.claimName", claim, text)


def _source_causes(volume: Object, path: str, pod_name: str) -> Iterator[Cause]:
    is_first = True
    for name, rule in _SOURCES.items():
        if name not in volume:
            continue
        if is_first:
            yield from rule(volume[name], f"{path}.{_RULE_PATHS.get(name, name)}")
        else:
            yield Cause.forbidden(f"{path}.{_EXTRA_PATHS.get(name, name)}", "may not specify more than 1 volume type")
        if name == "iscsi":
            yield from _initiator_length_causes(volume, path)
        if name == "ephemeral" and is_first and pod_name and volume["name"]:
            claim = f"{pod_name}-{volume['name']}"
            for text in formats.subdomain(claim):
                yield Cause.wrong(f"{path}.name", volume["name"], f'PVC name "{claim}": {text}')
        is_first = False
    if is_first:
        yield Cause.required(path, "must specify a volume type")


def _requiring(*names: str) -> Callable[[Object, str], Iterator[Cause]]:
    """Return a rule that some fields of a source must have a value."""

    def causes(source: Object, path: str) -> Iterator[Cause]:
        for name in names:
            owner, _, field = name.rpartition(".")
            held = source.get(owner) if owner else source
            if held is not None and not held.get(field):
                yield Cause.required(f"{path}.{name}")

    return causes


def _empty_dir(source: Object, path: str) -> Iterator[Cause]:
    if "sizeLimit" in source and quantity_value(source["sizeLimit"]) < 0:
        yield Cause.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _host_path(source: Object, path: str) -> Iterator[Cause]:
    if not source.get("path"):
        yield Cause.required(f"{path}.path")
        return
    yield from no_backsteps_causes(source["path"], f"{path}.path")
    if source["type"] not in HOST_PATH_TYPES:
        yield Cause.unsupported(f"{path}.type", source["type"], HOST_PATH_TYPES)


def _git_repo(source: Object, path: str) -> Iterator[Cause]:
    yield from _requiring("repository")(source, path)
    yield from descending_path_causes(source.get("directory") or "", f"{path}.directory")


def _disk(name: str) -> Callable[[Object, str], Iterator[Cause]]:
    def causes(source: Object, path: str) -> Iterator[Cause]:
        yield from _requiring(name)(source, path)
        if not 0 <= source.get("partition", 0) <= 255:
            yield Cause.wrong(f"{path}.partition", source["partition"], "must be between 1 and 255, inclusive")

    return causes


def _keyed(name: str) -> Callable[[Object, str], Iterator[Cause]]:
    """Return the rule of a source of files by their keys, of which the field `name` names the object."""

    def causes(source: Object, path: str) -> Iterator[Cause]:
        yield from _requiring(name)(source, path)
        yield from _mode_causes(source, "defaultMode", path)
        for index, item in enumerate(source.get("items") or ()):
            yield from _item_causes(item, f"{path}.items[{index}]")

    return causes


def _item_causes(item: Object, path: str) -> Iterator[Cause]:
    yield from _requiring("key", "path")(item, path)
    yield from _file_path_causes(item["path"], f"{path}.path")
    yield from _mode_causes(item, "mode", path)


def _mode_causes(source: Object, name: str, path: str) -> Iterator[Cause]:
    mode = source.get(name)
    if mode is not None and not 0 <= mode <= 0o777:
        yield Cause.wrong(f"{path}.{name}", mode, _MODE_TEXT)


def _nfs(source: Object, path: str) -> Iterator[Cause]:
    yield from _requiring("server", "path")(source, path)
    if not source["path"].startswith("/"):
        yield Cause.wrong(f"{path}.path", source["path"], "must be an absolute path")


def _iscsi(source: Object, path: str) -> Iterator[Cause]:
    yield from _requiring("targetPortal", "iqn")(source, path)
    if source["iqn"]:
        yield from _iscsi_name_causes(source["iqn"], f"{path}.iqn")
    if not 0 <= source["lun"] <= 255:
        yield Cause.wrong(f"{path}.lun", source["lun"], "must be between 0 and 255, inclusive")
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and "secretRef" not in source:
        yield Cause.required(f"{path}.secretRef")
    if "initiatorName" in source:
        yield from _iscsi_name_causes(source["initiatorName"], f"{path}.initiatorname")


def _iscsi_name_causes(name: str, path: str) -> Iterator[Cause]:
    pattern = _ISCSI_NAMES.get(name[:3])
    if pattern is None:
        yield Cause.wrong(path, name, "must be valid format starting with iqn, eui, or naa")
    elif not re.search(pattern, name):
        yield Cause.wrong(path, name, "must be valid format")


def _initiator_length_causes(volume: Object, path: str) -> Iterator[Cause]:
    source = volume["iscsi"]
    if "initiatorName" in source and len(f"{volume['name']}:{source['targetPortal']}") > 64:
        text = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is "
            "specified."
        )
        yield Cause.wrong(f"{path}.name", volume["name"], text)


def _flocker(source: Object, path: str) -> Iterator[Cause]:
    name, uid = source.get("datasetName") or "", source.get("datasetUUID")
    if not name and not uid:
        yield Cause.required(path, "one of datasetName and datasetUUID is required")
    if name and uid:
        yield Cause.wrong(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in name:
        yield Cause.wrong(f"{path}.datasetName", name, "must not contain '/'")


def _quobyte(source: Object, path: str) -> Iterator[Cause]:
    text = "must be a host:port pair or multiple pairs separated by commas"
    if not source["registry"]:
        yield Cause.required(f"{path}.registry", text)
    elif len(source.get("tenant") or "") >= 65:
        yield Cause.required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in source["registry"].split(","):
            if not re.fullmatch(r"([^:\[\]]*|\[[^\[\]]*\]):[^:\[\]]*", pair):
                yield Cause.wrong(f"{path}.registry", source["registry"], text)
    yield from _requiring("volume")(source, path)


def _downward(source: Object, path: str) -> Iterator[Cause]:
    yield from _mode_causes(source, "defaultMode", path)
    for item in source.get("items") or ():
        yield from _downward_file_causes(item, path)


def _downward_file_causes(item: Object, path: str) -> Iterator[Cause]:
    yield from _requiring("path")(item, path)
    yield from _file_path_causes(item["path"], f"{path}.path")
    if "fieldRef" in item:
        yield from reference_causes(item["fieldRef"], _IN_FILES, f"{path}.fieldRef")
        if "resourceFieldRef" in item:
            yield Cause.wrong(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif "resourceFieldRef" in item:
        yield from resource_reference_causes(item["resourceFieldRef"], f"{path}.resourceFieldRef", needs_container=True)
    else:
        yield Cause.required(path, "one of fieldRef and resourceFieldRef is required")
    yield from _mode_causes(item, "mode", path)


def _fibre_channel(source: Object, path: str) -> Iterator[Cause]:
    names, ids = source.get("targetWWNs") or [], source.get("wwids") or []
    if not names and not ids:
        yield Cause.required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if names and ids:
        yield Cause.wrong(f"{path}.targetWWNs", names, "targetWWNs and wwids can not be specified simultaneously")
    if names and "lun" not in source:
        yield Cause.required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif names and not 0 <= source["lun"] <= 255:
        yield Cause.wrong(f"{path}.lun", source["lun"], "must be between 0 and 255, inclusive")


def _flex_volume(source: Object, path: str) -> Iterator[Cause]:
    yield from _requiring("driver")(source, path)
    for key in source.get("options") or ():
        domain = f".{key.partition('/')[0].lower()}"
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            yield Cause.wrong(f"{path}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved")


def _azure_disk(source: Object, path: str) -> Iterator[Cause]:
    yield from _requiring("diskName", "diskURI")(source, path)
    for name, values in (("cachingMode", ("None", "ReadOnly", "ReadWrite")), ("kind", _AZURE_KINDS)):
        if source[name] not in values:
            yield Cause.unsupported(f"{path}.{name}", source[name], values)
    uri = source["diskURI"]
    if source["kind"] == "Managed" and not uri.startswith("/subscriptions/"):
        yield Cause.unsupported(f"{path}.diskURI", uri, (_MANAGED,))
    if source["kind"] != "Managed" and not uri.startswith("https://"):
        yield Cause.unsupported(f"{path}.diskURI", uri, (_BLOBS,))


_AZURE_KINDS = ("Dedicated", "Managed", "Shared")


def _storage_os(source: Object, path: str) -> Iterator[Cause]:
    yield from _requiring("volumeName")(source, path)
    for name in ("volumeName", "volumeNamespace"):
        if source.get(name):
            yield from Cause.all_wrong(f"{path}.{name}", source[name], formats.dns_label(source[name]))
    yield from _requiring("secretRef.name")(source, path)


def _csi(source: Object, path: str) -> Iterator[Cause]:
    driver = source["driver"]
    if not driver:
        yield Cause.required(f"{path}.driver")
    else:
        if len(driver) > 63:
            yield Cause.too_long(f"{path}.driver", 63)
        yield from Cause.all_wrong(f"{path}.driver", driver, formats.subdomain(driver.lower()))
    if "nodePublishSecretRef" in source:
        name = source["nodePublishSecretRef"].get("name") or ""
        if not name:
            yield Cause.required(f"{path}.nodePublishSecretRef.name")
        else:
            yield from Cause.all_wrong(f"{path}.name", name, formats.subdomain(name))


def _image(source: Object, path: str) -> Iterator[Cause]:
    if not source.get("reference") and path.startswith("spec.volumes"):  # a template may leave it to an override
        yield Cause.required(f"{path}.reference")
    if source["pullPolicy"] not in PULL_POLICIES:
        yield Cause.unsupported(f"{path}.pullPolicy", source["pullPolicy"], PULL_POLICIES)


# ---- claims for one pod ----------------------------------------------------------------------------------------------


def _ephemeral(source: Object, path: str) -> Iterator[Cause]:
    template, here = source.get("volumeClaimTemplate"), f"{path}.volumeClaimTemplate"
    if template is None:
        yield Cause.required(here)
        return
    meta = template.get("metadata") or {}
    yield from annotation_causes(meta.get("annotations"), f"{here}.metadata.annotations")
    yield from label_causes(meta.get("labels"), f"{here}.metadata.labels")
    for name in meta:
        if name not in ("annotations", "labels"):
            yield Cause.forbidden(f"{here}.metadata.{'UID' if name == 'uid' else name}", "cannot be set")
    yield from claim_spec_causes(template["spec"], f"{here}.spec")


def claim_spec_causes(spec: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that the spec of a claim breaks, in a template or a claim."""
    modes = spec.get("accessModes") or []
    if not modes:
        yield Cause.required(f"{path}.accessModes", "at least 1 access mode is required")
    if "selector" in spec:
        yield from selector_causes(spec["selector"], f"{path}.selector")
    for mode in modes:
        if mode not in _ACCESS_MODES:
            yield Cause.unsupported(f"{path}.accessModes", mode, _ACCESS_MODES)
    if "ReadWriteOncePod" in modes and any(mode in _ACCESS_MODES[:3] for mode in modes):
        yield Cause.forbidden(f"{path}.accessModes", "may not use ReadWriteOncePod with other access modes")
    yield from _size_causes((spec["resources"].get("requests") or {}).get("storage"), f"{path}.resources[storage]")
    yield from _class_causes(spec, "storageClassName", path)
    if spec["volumeMode"] not in ("Block", "Filesystem"):
        yield Cause.unsupported(f"{path}.volumeMode", spec["volumeMode"], ("Block", "Filesystem"))
    for field in ("dataSource", "dataSourceRef"):
        if field in spec:
            yield from _data_source_causes(spec[field], f"{path}.{field}")
    yield from _class_causes(spec, "volumeAttributesClassName", path)


def _size_causes(size: str | None, path: str) -> Iterator[Cause]:
    if size is None:
        yield Cause.required(path)
    elif quantity_value(size) <= 0:
        yield Cause.wrong(path, size, "must be greater than zero")
    else:
        yield from amount_causes("storage", size, path)


def _class_causes(spec: Object, field: str, path: str) -> Iterator[Cause]:
    if spec.get(field):
        yield from Cause.all_wrong(f"{path}.{field}", spec[field], formats.subdomain(spec[field]))


def _data_source_causes(source: Object, path: str) -> Iterator[Cause]:
    yield from _requiring("name", "kind")(source, path)
    group = source.get("apiGroup") or ""
    if not group and source["kind"] != "PersistentVolumeClaim":
        text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        yield Cause.wrong(path, source["kind"], text)
    if group:
        yield from Cause.all_wrong(f"{path}.apiGroup", group, formats.subdomain(group))


# ---- projected volumes -----------------------------------------------------------------------------------------------


def _projected(source: Object, path: str) -> Iterator[Cause]:
    yield from _mode_causes(source, "defaultMode", path)
    paths: set[str] = set()
    for index, one in enumerate(source.get("sources") or ()):
        here = f"{path}.sources[{index}]"
        for name, rule in _PROJECTIONS.items():
            if name in one:
                yield from rule(one[name], f"{here}.{name}", path, paths)
        if len(one) > 1:
            yield Cause.forbidden(here, "may not specify more than 1 volume type per source")


def _taken_causes(place: str, shown: str, path: str, paths: set[str]) -> Iterator[Cause]:
    if place in paths:
        yield Cause.wrong(path, shown, "conflicting duplicate paths")
    paths.add(place)


def _projected_keys(source: Object, path: str, whole: str, paths: set[str]) -> Iterator[Cause]:
    yield from _requiring("name")(source, path)
    for index, item in enumerate(source.get("items") or ()):
        yield from _item_causes(item, f"{path}.items[{index}]")
        if item["path"]:
            yield from _taken_causes(item["path"], source.get("name") or "", whole, paths)


def _projected_downward(source: Object, path: str, whole: str, paths: set[str]) -> Iterator[Cause]:
    for item in source.get("items") or ():
        yield from _downward_file_causes(item, path)
        if item["path"]:
            yield from _taken_causes(item["path"], item["path"], whole, paths)


def _projected_token(source: Object, path: str, whole: str, _paths: set[str]) -> Iterator[Cause]:
    seconds, here = source["expirationSeconds"], f"{path}.expirationSeconds"
    if seconds < 600:
        yield Cause.wrong(here, seconds, "may not specify a duration less than 10 minutes")
    if seconds > 2**32:
        yield Cause.wrong(here, seconds, "may not specify a duration larger than 2^32 seconds")
    if not source["path"]:
        yield Cause.required(f"{whole}.path")
    else:
        yield from _file_path_causes(source["path"], f"{whole}.path")


# ---- paths -----------------------------------------------------------------------------------------------------------


def no_backsteps_causes(place: str, path: str) -> Iterator[Cause]:
    """Yield a cause for a path with a step up."""
    if ".." in place.split("/"):
        yield Cause.wrong(path, place, "must not contain '..'")


def descending_path_causes(place: str, path: str) -> Iterator[Cause]:
    """Yield a cause for a path that is not below where it begins."""
    if place.startswith("/"):
        yield Cause.wrong(path, place, "must be a relative path")
    yield from no_backsteps_causes(place, path)


def _file_path_causes(place: str, path: str) -> Iterator[Cause]:
    yield from descending_path_causes(place, path)
    if place.startswith("..") and not place.startswith("../"):
        yield Cause.wrong(path, place, "must not start with '..'")


_PROJECTIONS: Mapping[str, Callable[[Object, str, str, set[str]], Iterator[Cause]]] = {
    "secret": _projected_keys,
    "configMap": _projected_keys,
    "downwardAPI": _projected_downward,
    "serviceAccountToken": _projected_token,
}
_SOURCES: Mapping[str, Callable[[Object, str], Iterator[Cause]]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "gitRepo": _git_repo,
    "gcePersistentDisk": _disk("pdName"),
    "awsElasticBlockStore": _disk("volumeID"),
    "secret": _keyed("secretName"),
    "nfs": _nfs,
    "iscsi": _iscsi,
    "glusterfs": _requiring("endpoints", "path"),
    "flocker": _flocker,
    "persistentVolumeClaim": _requiring("claimName"),
    "rbd": _requiring("monitors", "image"),
    "cinder": _requiring("volumeID", "secretRef.name"),
    "cephfs": _requiring("monitors"),
    "quobyte": _quobyte,
    "downwardAPI": _downward,
    "fc": _fibre_channel,
    "flexVolume": _flex_volume,
    "configMap": _keyed("name"),
    "azureFile": _requiring("secretName", "shareName"),
    "vsphereVolume": _requiring("volumePath"),
    "photonPersistentDisk": _requiring("pdID"),
    "portworxVolume": _requiring("volumeID"),
    "azureDisk": _azure_disk,
    "storageos": _storage_os,
    "projected": _projected,
    "scaleIO": _requiring("gateway", "system", "volumeName"),
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
"""The rule of each source, in the order in which a server looks at them."""

_RULE_PATHS = {"gcePersistentDisk": "persistentDisk"}
_EXTRA_PATHS = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""Names that the server's messages have for a source, where it has another in the API."""
