"""
What a volume of a pod holds: its files, or the folder that stands for it, or why it cannot be had. Pure.

The texts of refusals are those of the kubelet and its volume plugins.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ctrlkit.fakes.cluster.node.environment import SourceKind, not_found
from ctrlkit.fakes.cluster.node.pod_fields import Around, SourceError, file_resource, metadata_value
from ctrlkit.fakes.cluster.node.runtime import Volume, VolumeFile
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

Plain = Mapping[str, Any]
Objects = Mapping[tuple[SourceKind, str], "Plain | None"]
"""The Secrets and ConfigMaps that volumes may refer to, by kind and name; None or missing for one that is not there."""

_DEFAULT_MODE = 0o644
_PATH_MAX, _NAME_MAX = 4096, 255
_PROJECTED = {"secret", "configMap", "downwardAPI", "projected"}


@dataclass(frozen=True, slots=True)
class TokenWish:
    """A token that a volume is to hold: for which audience ("" is the server), and for how long."""

    audience: str
    valid_s: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What files are made of: the pod, what it can be told, the objects, and the tokens that were issued for it."""

    pod: Plain
    around: Around
    objects: Objects
    tokens: Mapping[TokenWish, str]


# ---- which volumes, and what they refer to ---------------------------------------------------------------------------


def containers_of(pod: Plain) -> Iterator[Plain]:
    """Yield all containers of a pod."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod["spec"].get(field) or ()


def used_volumes(pod: Plain) -> list[Plain]:
    """
    Return the volumes that some container mounts; a kubelet does not look at others.

    >>> mounting = {"name": "a", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    >>> pod = {"spec": {"volumes": [{"name": "data"}, {"name": "spare"}], "containers": [mounting]}}
    >>> used_volumes(pod)
    [{'name': 'data'}]
    """
    volumes = pod["spec"].get("volumes")
    if not volumes:
        return []
    used = {
        mount["name"]
        for container in containers_of(pod)
        for field in ("volumeMounts", "volumeDevices")
        for mount in container.get(field) or ()
    }
    return [volume for volume in volumes if volume["name"] in used]


def mounted_images(pod: Plain, container: Plain) -> list[Plain]:
    """
    Return the images that a container has as volumes, in the form of a container's own.

    >>> pod = {"spec": {"volumes": [{"name": "model", "image": {"reference": "model:1"}}]}}
    >>> mounted_images(pod, {"volumeMounts": [{"name": "model", "mountPath": "/model"}]})
    [{'image': 'model:1'}]
    """
    images = {one["name"]: one["image"] for one in pod["spec"].get("volumes") or () if one.get("image") is not None}
    found: list[Plain] = []
    for name in dict.fromkeys(mount["name"] for mount in container.get("volumeMounts") or ()) if images else ():
        if name in images:
            policy = images[name].get("pullPolicy")
            own = {"image": images[name].get("reference") or ""}
            found.append({**own, "imagePullPolicy": policy} if policy else own)
    return found


def source_of(volume: Plain) -> str:
    """Return the name of a volume's source, such as `configMap`; a volume without one is an emptyDir."""
    return next((field for field in volume if field != "name" and volume[field] is not None), "emptyDir")


def references(volume: Plain) -> Iterator[tuple[SourceKind, str]]:
    """Yield the Secrets and ConfigMaps that a volume is made of."""
    for source in _sources(volume):
        if source.get("secret") is not None:
            yield SourceKind.SECRET, _name_of(source["secret"])
        elif source.get("configMap") is not None:
            yield SourceKind.CONFIG_MAP, _name_of(source["configMap"])


def token_wishes(volume: Plain) -> Iterator[TokenWish]:
    """Yield the tokens that a volume is to hold."""
    for source in _sources(volume):
        wish = source.get("serviceAccountToken")
        if wish is not None:
            yield TokenWish(wish.get("audience") or "", wish.get("expirationSeconds") or 3600, wish.get("path") or "")


def is_renewed(volume: Plain) -> bool:
    """Whether the files of a volume follow what they are made of, as long as the pod runs."""
    return source_of(volume) in _PROJECTED


def _sources(volume: Plain) -> Sequence[Plain]:
    projected = volume.get("projected")
    if projected is not None:
        return projected.get("sources") or ()
    return [{field: volume[field]} for field in ("secret", "configMap", "downwardAPI") if volume.get(field) is not None]


def _name_of(reference: Plain) -> str:
    return reference.get("name") or reference.get("secretName") or ""


# ---- files -----------------------------------------------------------------------------------------------------------


def files_of(volume: Plain, known: Known) -> dict[str, VolumeFile]:
    """
    Return the files of a volume that is made of objects, facts and tokens, by their paths.

    >>> around = Around(allocatable={})
    >>> settings = {"data": {"port": "80"}}
    >>> known = Known(pod={}, around=around, objects={(SourceKind.CONFIG_MAP, "web"): settings}, tokens={})
    >>> files_of({"name": "etc", "configMap": {"name": "web"}}, known)["port"].content
    b'80'

    Errors  SourceError for objects and keys that are not there and may not be missing, and for paths that no file can
            have. Of a projected volume it tells all that is wrong.
    """
    errors: dict[str, None] = {}
    files: dict[str, VolumeFile] = {}
    whole = volume[source_of(volume)]
    mode = whole.get("defaultMode")
    for source in _sources(volume):
        try:
            files.update(_files_of_source(source, _DEFAULT_MODE if mode is None else mode, known))
        except SourceError as error:
            errors[str(error)] = None
    if errors:
        raise SourceError(next(iter(errors)) if len(errors) == 1 else f"[{', '.join(errors)}]")
    return {_checked_path(path): file for path, file in files.items()}


def _files_of_source(source: Plain, mode: int, known: Known) -> Mapping[str, VolumeFile]:
    match source:
        case {"secret": Mapping() as reference}:
            return _from_secret(reference, mode, known)
        case {"configMap": Mapping() as reference}:
            return _from_config_map(reference, mode, known)
        case {"downwardAPI": Mapping() as facts}:
            return _from_facts(facts.get("items") or (), mode, known)
        case {"serviceAccountToken": Mapping()}:
            wish = next(token_wishes({"projected": {"sources": [source]}}))
            if wish not in known.tokens:
                raise SourceError("failed to fetch token: none was issued")
            return {wish.path: VolumeFile(content=known.tokens[wish].encode(), mode=mode)}
        case {"clusterTrustBundle": Mapping()}:
            raise SourceError("ClusterTrustBundle projection is not supported in static kubelet mode")
    return {}


def _from_secret(reference: Plain, mode: int, known: Known) -> Mapping[str, VolumeFile]:
    found = _find(SourceKind.SECRET, reference, known)
    data = {key: base64.b64decode(value or "") for key, value in (found.get("data") or {}).items()}
    return _select(data, reference, mode, "references non-existent secret key")


def _from_config_map(reference: Plain, mode: int, known: Known) -> Mapping[str, VolumeFile]:
    found = _find(SourceKind.CONFIG_MAP, reference, known)
    data = {key: base64.b64decode(value or "") for key, value in (found.get("binaryData") or {}).items()}
    data |= {key: (value or "").encode() for key, value in (found.get("data") or {}).items()}
    return _select(data, reference, mode, "configmap references non-existent config key")


def _find(kind: SourceKind, reference: Plain, known: Known) -> Plain:
    name = _name_of(reference)
    found = known.objects.get((kind, name))
    if found is None and not reference.get("optional"):
        raise not_found(kind, name)
    return found or {}


def _select(data: Mapping[str, bytes], reference: Plain, mode: int, complaint: str) -> Mapping[str, VolumeFile]:
    """Return all of the data, or the items that are asked for."""
    items = reference.get("items")
    if not items:
        return {key: VolumeFile(content=content, mode=mode) for key, content in data.items()}
    files: dict[str, VolumeFile] = {}
    for item in items:
        if item["key"] in data:
            files[item["path"]] = VolumeFile(content=data[item["key"]], mode=_mode_of(item, mode))
        elif not reference.get("optional"):
            raise SourceError(f"{complaint}: {item['key']}")
    return files


def _from_facts(items: Iterable[Plain], mode: int, known: Known) -> Mapping[str, VolumeFile]:
    files: dict[str, VolumeFile] = {}
    for item in items:
        if item.get("fieldRef") is not None:
            text = metadata_value(known.pod, item["fieldRef"].get("fieldPath") or "")
        else:
            text = file_resource(known.pod, item.get("resourceFieldRef") or {}, known.around)
        files[item["path"]] = VolumeFile(content=text.encode(), mode=_mode_of(item, mode))
    return files


def _mode_of(item: Plain, default: int) -> int:
    mode = item.get("mode")
    return default if mode is None else mode


def _checked_path(path: str) -> str:
    """Return a path without what adds nothing to it. Errors: SourceError for one that no file of a volume can have."""
    names = path.split("/")
    if not path:
        raise SourceError('invalid path: must not be empty: ""')
    if path.startswith("/"):
        raise SourceError(f"invalid path: must be relative path: {path}")
    if len(path) > _PATH_MAX:
        raise SourceError(f"invalid path: must be less than or equal to {_PATH_MAX} characters")
    if ".." in names:
        raise SourceError(f"invalid path: must not contain '..': {path}")
    if any(len(name.encode()) > _NAME_MAX for name in names):
        raise SourceError(f"invalid path: filenames must be less than or equal to {_NAME_MAX} characters")
    if names[0].startswith(".."):
        raise SourceError(f"invalid path: must not start with '..': {path}")
    return "/".join(name for name in names if name not in ("", "."))


# ---- folders ---------------------------------------------------------------------------------------------------------


def folder_of(spec: Plain, node: str, name: str) -> Volume:
    """
    Return the folder that stands for a volume: of a pod, or, by the spec of a PersistentVolume, of its claim.

    >>> folder_of({"name": "cache", "emptyDir": {}}, "n1", "cache")
    Volume(name='cache', files={}, kept_as='', host_path='', host_type='', size_limit=0, in_memory=False)
    >>> folder_of({"hostPath": {"path": "/var/log"}}, "n1", "log").host_path
    'n1/var/log'

    Shape   `node` is the one that the pod runs on: a path of a node is one of a folder that is played for it. `name` is
            the pod's name for the volume. Volumes of network file systems are kept by what they name, as if a server
            had them; those of drivers by their handle.
    Errors  SourceError for a path with `..`, and for a medium that is none.
    """
    kind = next((field for field in _FOLDERS if spec.get(field) is not None), "emptyDir")
    source = spec.get(kind) or {}
    match kind:
        case "hostPath":
            path = source["path"]
            if ".." in path.split("/"):
                raise SourceError(f"invalid HostPath `{path}`: must not contain '..'")
            return Volume(name=name, host_path=f"{node}/{path.lstrip('/')}", host_type=source.get("type") or "")
        case "local":
            path = source["path"]
            if ".." in path.split("/"):
                raise SourceError(f"invalid path: {path} must not contain '..'")
            return Volume(name=name, host_path=f"{node}/{path.lstrip('/')}")
        case "csi":
            return Volume(name=name, kept_as=f"csi/{source.get('driver')}/{source.get('volumeHandle')}")
        case "nfs":
            return Volume(name=name, kept_as=f"nfs/{source.get('server')}/{source.get('path', '').strip('/')}")
    medium = source.get("medium") or ""
    if medium not in ("", "Memory") and not medium.startswith("HugePages"):
        raise SourceError(f'unknown storage medium "{medium}"')
    size = int(quantity_value(source.get("sizeLimit") or "0")) if kind == "emptyDir" else 0
    return Volume(name=name, size_limit=size, in_memory=medium == "Memory")


_FOLDERS = ("hostPath", "local", "csi", "nfs", "emptyDir")
