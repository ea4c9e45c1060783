"""The sources of PersistentVolumes: what each needs, as data, and the rules that data cannot say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ctrlkit.fakes.tracker.kinds.core.pod_volumes import HOST_PATH_TYPES
from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

_PARTITION_TEXT = "must be between 1 and 255, inclusive"
_LUNS = range(256)
_REGISTRY_TEXT = "must be a host:port pair or multiple pairs separated by commas"
_DISK_KINDS = ("Dedicated", "Managed", "Shared")
_CACHING_MODES = ("None", "ReadOnly", "ReadWrite")
_MANAGED_DISK = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_DISK = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_IQN = re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9-.]+)(:[^,;*&$|\s]+)$")
_EUI = re.compile(r"eui.[A-Za-z0-9]{16}$")
_NAA = re.compile(r"naa.[A-Za-z0-9]{32}$")
_DRIVER_MAX = 63

Check = Callable[[Object, str, str], Iterator[Cause]]
"""Yields the causes of a source at a path; the third argument is the volume's name."""


class Source(NamedTuple):
    """One kind of source: the fields it cannot do without, and what else must hold."""

    required: tuple[str, ...] = ()
    check: Check | None = None
    path: str = ""
    """The name in the server's sentences, if it is not the field's."""


def _host_path(source: Object, path: str, _volume: str) -> Iterator[Cause]:
    if not source["path"]:
        return
    yield from no_backsteps(source["path"], f"{path}.path")
    kind = source.get("type") or ""
    if kind not in HOST_PATH_TYPES:
        yield Cause.unsupported(f"{path}.type", kind, HOST_PATH_TYPES)


def no_backsteps(text: str, path: str) -> Iterator[Cause]:
    """Yield a cause for a path with `..` in it."""
    if ".." in text.split("/"):
        yield Cause.wrong(path, text, "must not contain '..'")


def _local(source: Object, path: str, _volume: str) -> Iterator[Cause]:
    yield from no_backsteps(source["path"], f"{path}.path")


def _partition(source: Object, path: str, _volume: str) -> Iterator[Cause]:
    number = source.get("partition") or 0
    if not 0 <= number <= 255:
        yield Cause.wrong(f"{path}.partition", number, _PARTITION_TEXT)


def _glusterfs(source: Object, path: str, _volume: str) -> Iterator[Cause]:
    namespace = source.get("endpointsNamespace")
    if namespace == "":
        text = "if the endpointnamespace is set, it must be a valid namespace name"
        yield Cause.wrong(f"{path}.endpointsNamespace", "", text)
    elif namespace is not None:
        yield from Cause.all_wrong(f"{path}.endpointsNamespace", namespace, formats.dns_label(namespace))


def _flocker(source: Object, path: str, _volume: str) -> Iterator[Cause]:
    name, uuid = source.get("datasetName") or "", source.get("datasetUUID") or ""
    if not name and not uuid:
        yield Cause.required(path, "one of datasetName and datasetUUID is required")
    if name and uuid:
        yield Cause.wrong(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in name:
        yield Cause.wrong(f"{path}.datasetName", name, "must not contain '/'")


def _nfs(source: Object, path: str, _volume: str) -> Iterator[Cause]:
    if not source["path"].startswith("/"):
        yield Cause.wrong(f"{path}.path", source["path"], "must be an absolute path")


def _quobyte(source: Object, path: str, _volume: str) -> Iterator[Cause]:
    registry = source["registry"]
    if not registry:
        yield Cause.required(f"{path}.registry", _REGISTRY_TEXT)
    elif len(source.get("tenant") or "") >= 65:
        yield Cause.required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in registry.split(","):
            if not re.fullmatch(r"([^:\[\]]*|\[[^\[\]]*\]):[^:]*", pair):
                yield Cause.wrong(f"{path}.registry", registry, _REGISTRY_TEXT)
    if not source["volume"]:
        yield Cause.required(f"{path}.volume")


def _secret(*, needs_namespace: bool) -> Check:
    def check(source: Object, path: str, _volume: str) -> Iterator[Cause]:
        secret = source.get("secretRef")
        if secret is not None:
            for name in ("name", "namespace") if needs_namespace else ("name",):
                if not secret.get(name):
                    yield Cause.required(f"{path}.secretRef.{name}")

    return check


def _iscsi(source: Object, path: str, volume: str) -> Iterator[Cause]:
    portal, initiator, name = source["targetPortal"], source.get("initiatorName"), source["iqn"]
    if not portal:
        yield Cause.required(f"{path}.targetPortal")
    if initiator is not None and len(f"{volume}:{portal}") > 64:
        text = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is "
            "specified."
        )
        yield Cause.wrong(f"{path}.targetportal", portal, text)
    if not name:
        yield Cause.required(f"{path}.iqn")
    elif not _is_initiator(name):
        yield Cause.wrong(f"{path}.iqn", name, "must be valid format")
    if source["lun"] not in _LUNS:
        yield Cause.wrong(f"{path}.lun", source["lun"], "must be between 0 and 255, inclusive")
    secret = source.get("secretRef")
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and secret is None:
        yield Cause.required(f"{path}.secretRef")
    if secret is not None and not secret.get("name"):
        yield Cause.required(f"{path}.secretRef.name")
    if initiator is not None and not _is_initiator(initiator):
        yield Cause.wrong(f"{path}.initiatorname", initiator, "must be valid format")


def _is_initiator(name: str) -> bool:
    return any(pattern.match(name) for pattern in (_IQN, _EUI, _NAA))


def _fc(source: Object, path: str, _volume: str) -> Iterator[Cause]:
    names, ids, lun = source.get("targetWWNs") or [], source.get("wwids") or [], source.get("lun")
    if not names and not ids:
        yield Cause.required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if names and ids:
        yield Cause.wrong(f"{path}.targetWWNs", names, "targetWWNs and wwids can not be specified simultaneously")
    if names and lun is None:
        yield Cause.required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif names and lun not in _LUNS:
        yield Cause.wrong(f"{path}.lun", lun, "must be between 0 and 255, inclusive")


def _flex(source: Object, path: str, _volume: str) -> Iterator[Cause]:
    for key in source.get("options") or ():
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            text = "kubernetes.io and k8s.io namespaces are reserved"
            yield Cause.wrong(f"{path}.options[{key}]", key, text)


def _azure_file(source: Object, path: str, _volume: str) -> Iterator[Cause]:
    if source.get("secretNamespace") == "":
        yield Cause.required(f"{path}.secretNamespace")


def _azure_disk(source: Object, path: str, _volume: str) -> Iterator[Cause]:
    mode, kind, uri = source.get("cachingMode"), source.get("kind"), source["diskURI"]
    if mode is not None and mode not in _CACHING_MODES:
        yield Cause.unsupported(f"{path}.cachingMode", mode, _CACHING_MODES)
    if kind is not None and kind not in _DISK_KINDS:
        yield Cause.unsupported(f"{path}.kind", kind, _DISK_KINDS)
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        yield Cause.unsupported(f"{path}.diskURI", uri, (_MANAGED_DISK,))
    if kind not in (None, "Managed") and not uri.startswith("https://"):
        yield Cause.unsupported(f"{path}.diskURI", uri, (_BLOB_DISK,))


def _storage_os(source: Object, path: str, volume: str) -> Iterator[Cause]:
    name, namespace = source.get("volumeName"), source.get("volumeNamespace")
    if not name:
        yield Cause.required(f"{path}.volumeName")
    else:
        yield from Cause.all_wrong(f"{path}.volumeName", name, formats.dns_label(name))
    if namespace:
        yield from Cause.all_wrong(f"{path}.volumeNamespace", namespace, formats.dns_label(namespace))
    yield from _secret(needs_namespace=True)(source, path, volume)


def _csi(source: Object, path: str, _volume: str) -> Iterator[Cause]:
    yield from driver_causes(source["driver"], f"{path}.driver")
    if not source["volumeHandle"]:
        yield Cause.required(f"{path}.volumeHandle")
    for name in ("controllerPublish", "controllerExpand", "nodePublish", "nodeExpand"):
        secret = source.get(f"{name}SecretRef")
        if secret is not None:
            yield from _reference(secret, f"{path}.{name}SecretRef")


def driver_causes(name: str, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that the name of a CSI driver breaks."""
    if not name:
        yield Cause.required(path)
        return
    if len(name) > _DRIVER_MAX:
        yield Cause.too_long(path, _DRIVER_MAX)
    yield from Cause.all_wrong(path, name, formats.subdomain(name.lower()))


def _reference(secret: Object, path: str) -> Iterator[Cause]:
    for name, rule in (("name", formats.subdomain), ("namespace", formats.dns_label)):
        if secret.get(name):
            yield from Cause.all_wrong(f"{path}.{name}", secret[name], rule(secret[name]))
        else:
            yield Cause.required(f"{path}.{name}")


SOURCES: Mapping[str, Source] = {
    "hostPath": Source(("path",), _host_path),
    "gcePersistentDisk": Source(("pdName",), _partition, path="persistentDisk"),
    "awsElasticBlockStore": Source(("volumeID",), _partition),
    "glusterfs": Source(("endpoints", "path"), _glusterfs),
    "flocker": Source((), _flocker),
    "nfs": Source(("server", "path"), _nfs),
    "rbd": Source(("monitors", "image")),
    "quobyte": Source((), _quobyte),
    "cephfs": Source(("monitors",)),
    "iscsi": Source((), _iscsi),
    "cinder": Source(("volumeID",), _secret(needs_namespace=True)),
    "fc": Source((), _fc),
    "flexVolume": Source(("driver",), _flex),
    "azureFile": Source(("secretName", "shareName"), _azure_file),
    "vsphereVolume": Source(("volumePath",)),
    "photonPersistentDisk": Source(("pdID",)),
    "portworxVolume": Source(("volumeID",)),
    "azureDisk": Source(("diskName", "diskURI"), _azure_disk),
    "scaleIO": Source(("gateway", "system", "volumeName")),
    "local": Source(("path",), _local),
    "storageos": Source((), _storage_os),
    "csi": Source((), _csi),
}
"""Every source, in the order in which a server looks at them."""

MORE_THAN_ONE = {"cephfs": "cephFS"}
"""The names of sources that the server spells otherwise where there is more than one."""


def source_causes(spec: Object, path: str, volume: str) -> Iterator[Cause]:
    """Yield a cause for each rule that the sources of a volume break; there must be one."""
    count = 0
    for name, source in SOURCES.items():
        given: Any = spec.get(name)
        if given is None:
            continue
        if count and name != "flexVolume":
            text = "may not specify more than 1 volume type"
            yield Cause.forbidden(f"{path}.{MORE_THAN_ONE.get(name, name)}", text)
            continue
        count += 1
        here = f"{path}.{source.path or name}"
        for field in source.required:
            if not given.get(field):
                yield Cause.required(f"{here}.{field}")
        if source.check is not None:
            yield from source.check(given, here, volume)
        if name == "local" and spec.get("nodeAffinity") is None:
            yield Cause.required(f"{path}.nodeAffinity", "Local volume requires node affinity")
    if not count:
        yield Cause.required(path, "must specify a volume type")
