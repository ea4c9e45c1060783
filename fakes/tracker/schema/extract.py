"""
Make types.json, the types of the built-in kinds, from the OpenAPI documents that an API server publishes.

Run      python -m ctrlkit.fakes.tracker.schema.extract FOLDER
In       FOLDER holds `api_v1.json`, `apis_apps_v1.json` ... (as served below /openapi/v3, slashes as underscores),
         plain or gzipped.
Out      types.json beside this module: {"kinds": {"apps/v1 StatefulSet": type}, "atomic": [type], "types": {type:
         {field: text}}}; types.py says what a text means. OpenAPI does not tell which fields keep an empty value, so
         `_KEPT` does.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ctrlkit.model import AnyResource
from ctrlkit.model.kinds import BUILT_IN

OUT = Path(__file__).with_name("types.json")

_SCALARS = {"string": "s", "boolean": "b", "integer": "i64", "number": "n"}
_SPECIAL = {
    "resource.Quantity": "q",
    "util.intstr.IntOrString": "x",
    "meta.v1.Time": "t",
    "meta.v1.MicroTime": "u",
}
_NULL_TIMES = {
    "ContainerStateRunning": ("startedAt",),
    "ContainerStateTerminated": ("startedAt", "finishedAt"),
    "DeploymentCondition": ("lastTransitionTime", "lastUpdateTime"),
    "Event": ("eventTime", "firstTimestamp", "lastTimestamp"),
    "EventSeries": ("lastObservedTime",),
    "NamespaceCondition": ("lastTransitionTime",),
    "NodeCondition": ("lastHeartbeatTime", "lastTransitionTime"),
    "PersistentVolumeClaimCondition": ("lastProbeTime", "lastTransitionTime"),
    "PodCondition": ("lastProbeTime", "lastTransitionTime"),
    "StatefulSetCondition": ("lastTransitionTime",),
}
"""Times that are sent as null if missing."""

_ALWAYS_LISTS = frozenset({"ClusterRole.rules", "ProjectedVolumeSource.sources", "Role.rules"})
"""Lists that are sent as null if missing, though the document does not require them."""

_NEVER_MADE_UP = frozenset({"DeploymentSpec.selector", "StatefulSetSpec.selector"})
"""Required fields whose absence the server notices."""

# fmt: off
_KEPT = frozenset(
    {
        "AzureDiskVolumeSource.readOnly", "CSIVolumeSource.readOnly", "ClientIPConfig.timeoutSeconds",
        "ClusterTrustBundleProjection.name", "ClusterTrustBundleProjection.signerName", "DeploymentSpec.replicas",
        "FCVolumeSource.lun", "HostPathVolumeSource.type", "PodDNSConfigOption.value", "PodSpec.priority",
        "RollingUpdateStatefulSetStrategy.partition", "StatefulSetSpec.replicas",
        "TypedLocalObjectReference.apiGroup", "TypedObjectReference.apiGroup", "TypedObjectReference.namespace",
        "activeDeadlineSeconds", "allocateLoadBalancerNodePorts", "allowPrivilegeEscalation", "appProtocol",
        "automountServiceAccountToken", "blockOwnerDeletion", "collisionCount", "controller",
        "currentVolumeAttributesClassName", "defaultMode", "defaultUser", "deletionGracePeriodSeconds",
        "enableServiceLinks", "expirationSeconds", "fsGroup", "holderIdentity", "hostProcess", "hostUsers",
        "hostnameOverride", "immutable", "leaseDurationSeconds", "leaseTransitions", "loadBalancerClass",
        "localhostProfile", "maxExpirationSeconds", "maxItems", "maxLength", "maxProperties", "maximum",
        "minDomains", "minItems", "minLength", "minProperties", "minimum", "mode", "multipleOf", "optional",
        "podGroupName", "preferredHolder", "privileged", "progressDeadlineSeconds", "readOnlyRootFilesystem",
        "resourceClaimName", "resourceClaimTemplateName", "revisionHistoryLimit", "runAsGroup", "runAsNonRoot",
        "runAsUser", "runtimeClassName", "service", "setHostnameAsFQDN", "shareProcessNamespace", "started",
        "storageClassName", "terminatingReplicas", "terminationGracePeriodSeconds", "tolerationSeconds",
        "trafficDistribution", "user", "volumeAttributesClassName", "x-kubernetes-preserve-unknown-fields",
    }
)
# fmt: on
"""Fields, by `Type.field` or of any type, whose empty values are kept."""


class _Extract:
    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas
        self.types: dict[str, dict[str, str]] = {}
        self.atomic: set[str] = set()

    def kind(self, resource: AnyResource) -> str:
        """Return the type of a kind's objects, and add it and those below it to `types`."""
        wanted = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        for name, schema in self._schemas.items():
            if wanted in (schema.get("x-kubernetes-group-version-kind") or ()) and "properties" in schema:
                return self._type(name)
        raise SystemExit(f"no schema of {resource.kind} {resource.api_version}; add its document to the folder")

    def _type(self, full_name: str) -> str:
        name = full_name.rpartition(".")[2]
        schema = self._schemas[full_name]
        if name in self.types:
            return name
        fields = self.types[name] = {}
        if schema.get("x-kubernetes-map-type") == "atomic":
            self.atomic.add(name)
        for field, node in schema["properties"].items():
            word = self._word(node)
            is_always = field in schema.get("required", ()) or ("default" in node and not node["default"])
            is_always = is_always or field in _NULL_TIMES.get(name, ()) or f"{name}.{field}" in _ALWAYS_LISTS
            is_always = is_always and f"{name}.{field}" not in _NEVER_MADE_UP
            is_kept = field in _KEPT or f"{name}.{field}" in _KEPT
            mark = "!" if is_always else "*" if is_kept else ""
            fields[field] = " ".join([word + mark, *_merging(node)])
        return name

    def _word(self, node: dict[str, Any]) -> str:
        reference = node.get("$ref") or next((part["$ref"] for part in node.get("allOf", ()) if "$ref" in part), "")
        if reference:
            return self._named(reference.rpartition("/")[2])
        match node.get("type"):
            case "array":
                return "[]" + self._word(node["items"])
            case "object" if isinstance(node.get("additionalProperties"), dict):
                return "{}" + self._word(node["additionalProperties"])
            case "string" if node.get("format") == "byte":
                return "y"
            case "integer" if node.get("format") == "int32":
                return "i32"
            case kind:
                return _SCALARS.get(str(kind), "?")

    def _named(self, full_name: str) -> str:
        for end, word in _SPECIAL.items():
            if full_name.endswith(end):
                return word
        return self._type(full_name) if "properties" in self._schemas[full_name] else "?"


def _merging(node: dict[str, Any]) -> Iterator[str]:
    """Yield how a list or map merges, if not in the plain way."""
    is_list = node.get("type") == "array"
    list_type = node.get("x-kubernetes-list-type")
    if is_list and "merge" in node.get("x-kubernetes-patch-strategy", "").split(","):
        yield f"merge={node.get('x-kubernetes-patch-merge-key', '')}"
    if list_type == "map":
        yield f"keys={','.join(node['x-kubernetes-list-map-keys'])}"
    if list_type == "set":
        yield "set"
    if list_type == "atomic" or node.get("x-kubernetes-map-type") == "atomic":
        yield "atomic"


def extract(folder: Path, resources: Iterable[AnyResource]) -> dict[str, Any]:
    """Return the types of some kinds. Errors: SystemExit if no document has a kind."""
    schemas: dict[str, Any] = {}
    for path in sorted([*folder.glob("api*_v1.json"), *folder.glob("api*_v1.json.gz")]):
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        schemas |= json.loads(text).get("components", {}).get("schemas", {})
    found = _Extract(schemas)
    kinds = {f"{resource.api_version} {resource.kind}": found.kind(resource) for resource in resources}
    return {"kinds": kinds, "atomic": sorted(found.atomic), "types": dict(sorted(found.types.items()))}


def main() -> None:
    """Write types.json from the folder named on the command line."""
    found = extract(Path(sys.argv[1]), BUILT_IN)
    lines = [f" {json.dumps(name)}: {json.dumps(fields)}" for name, fields in found["types"].items()]
    head = f'{{"kinds": {json.dumps(found["kinds"])},\n"atomic": {json.dumps(found["atomic"])},\n"types": {{\n'
    OUT.write_text(head + ",\n".join(lines) + "\n}}\n")


if __name__ == "__main__":
    main()
