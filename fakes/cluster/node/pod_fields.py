"""
What a container is told of its pod: `fieldRef` and `resourceFieldRef`, in variables and in downward API volumes. Pure.

Kubernetes' paths, defaults and texts of refusals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from ctrlkit.errors import CtrlkitError
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.go_text import quoted
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

_SPEC = {"spec.nodeName": "nodeName", "spec.host": "nodeName", "spec.serviceAccountName": "serviceAccountName"}
_CONVERTED = ("spec.restartPolicy", "spec.schedulerName", "status.phase")
_METADATA = ("metadata.name", "metadata.namespace", "metadata.uid")
_MAPS = ("metadata.labels", "metadata.annotations")
_DEFAULTED = ("cpu", "memory", "ephemeral-storage")
_POD_LEVEL = ("cpu", "memory")


class SourceError(CtrlkitError):
    """What a variable or a file is to be made of is not there; the text is the kubelet's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """
    What a container is told of that stands in no manifest.

    Shape   `host` is the address of its node, `address` the one of its pod, `allocatable` what the node has.
    """

    host: str = ""
    address: str = ""
    allocatable: Mapping[str, str]


def field_value(pod: Mapping[str, Any], path: str, around: Around) -> str:
    """
    Return what a variable's fieldRef stands for.

    >>> around = Around(host="10.0.0.1", address="10.1.0.1", allocatable={})
    >>> pod = {"metadata": {"name": "web"}, "spec": {"nodeName": "n1"}}
    >>> [field_value(pod, path, around) for path in ("metadata.name", "spec.nodeName", "status.podIP")]
    ['web', 'n1', '10.1.0.1']

    Errors  SourceError for a path that variables cannot have.
    """
    if path in _SPEC:
        return str(pod["spec"].get(_SPEC[path]) or "")
    if path in ("status.hostIP", "status.hostIPs"):
        return around.host
    if path in ("status.podIP", "status.podIPs"):
        return around.address
    _, subscript = split_path(path)
    if subscript is None and path not in (*_METADATA, *_MAPS, *_CONVERTED):
        raise SourceError(f"field label not supported: {path}")
    return metadata_value(pod, path)


def metadata_value(pod: Mapping[str, Any], path: str) -> str:
    """
    Return a field of a pod's metadata as a text; labels and annotations in lines, sorted.

    >>> metadata_value({"metadata": {"labels": {"b": "2", "a": "1"}}}, "metadata.labels")
    'a="1"\\nb="2"'
    >>> metadata_value({"metadata": {"labels": {"b": "2"}}}, "metadata.labels['b']")
    '2'

    Errors  SourceError for another path.
    """
    name, subscript = split_path(path)
    if subscript is not None:
        if name not in _MAPS:
            raise SourceError(f"fieldPath {quoted(path)} does not support subscript")
        key = subscript.lower() if name == "metadata.annotations" else subscript
        problems = tuple(formats.label_key(key))
        if problems:
            raise SourceError(f"invalid key subscript in {path}: {';'.join(problems)}")
        return str(_entries(pod, name).get(subscript) or "")
    if path in _MAPS:
        return "\n".join(f"{key}={quoted(value)}" for key, value in sorted(_entries(pod, path).items()))
    if path in _METADATA:
        return str(pod["metadata"].get(path.removeprefix("metadata.")) or "")
    raise SourceError(f"unsupported fieldPath: {path}")


def split_path(path: str) -> tuple[str, str | None]:
    """
    Split the subscript off a path; None where there is none.

    >>> split_path("metadata.labels['app']"), split_path("metadata.name")
    (('metadata.labels', 'app'), ('metadata.name', None))
    """
    name, opened, rest = path.partition("['")
    return (name, rest[:-2]) if name and opened and rest.endswith("']") else (path, None)


def _entries(pod: Mapping[str, Any], path: str) -> Mapping[str, str]:
    return pod["metadata"].get(path.removeprefix("metadata.")) or {}


# ---- resources -------------------------------------------------------------------------------------------------------


def variable_resource(
    pod: Mapping[str, Any], container: Mapping[str, Any], selector: Mapping[str, Any], around: Around
) -> str:
    """
    Return what a variable's resourceFieldRef stands for: without a limit, the pod's, or all that the node has.

    >>> around = Around(allocatable={"cpu": "4"})
    >>> variable_resource({"spec": {"containers": []}}, {}, {"resource": "limits.cpu", "divisor": "1m"}, around)
    '4000'

    Errors  SourceError for a container that the pod does not have, and for another resource.
    """
    limits = (pod["spec"].get("resources") or {}).get("limits") or {}
    own = {name: size for name, size in limits.items() if name in _POD_LEVEL and name in around.allocatable}
    default = {**around.allocatable, **{name: size for name, size in own.items() if quantity_value(size)}}
    name = selector.get("containerName") or ""
    if not name:
        return _resource(container, selector, default)
    found = _find(pod, name)
    is_init = all(one["name"] != name for one in pod["spec"].get("containers") or ())
    return _resource(found, selector, {} if is_init else default)


def file_resource(pod: Mapping[str, Any], selector: Mapping[str, Any], around: Around) -> str:
    """Return what a file's resourceFieldRef stands for: without a limit, all that the node has. Errors as there."""
    return _resource(_find(pod, selector.get("containerName") or ""), selector, around.allocatable)


def _find(pod: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = next((one for one in _containers(pod) if one["name"] == name), None)
    if found is None:
        raise SourceError(f"container {name} not found")
    return found


def _containers(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from pod["spec"].get("containers") or ()
    yield from pod["spec"].get("initContainers") or ()


def _resource(container: Mapping[str, Any], selector: Mapping[str, Any], default: Mapping[str, str]) -> str:
    asked = selector.get("resource") or ""
    part, _, name = asked.partition(".")
    if part not in ("limits", "requests") or (name not in _DEFAULTED and not name.startswith("hugepages-")):
        raise SourceError(f"unsupported container resource : {asked}")
    size = quantity_value(((container.get("resources") or {}).get(part) or {}).get(name) or "0")
    if part == "limits" and not size and name in _DEFAULTED:
        size = quantity_value(default.get(name) or "0")
    divisor = quantity_value(selector.get("divisor") or "0") or Decimal(1)
    scale = 3 if name == "cpu" else 0  # a cpu counts in thousandths, the others in whole ones
    return str(-(-_whole(size, scale) // _whole(divisor, scale)))


def _whole(value: Decimal, scale: int) -> int:
    return int(value.scaleb(scale).to_integral_value(ROUND_CEILING))
