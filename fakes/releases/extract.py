"""
Make the data of a release from what one of its servers publishes.

Run      python -m ctrlkit.fakes.releases.extract FOLDER GO_TYPES NAME
In       FOLDER: `api_v1.json.gz`, `apis_apps.json.gz` ... (all that is served below /openapi/v3, slashes as
         underscores), `v2.json.gz` (/openapi/v2), `discovery.json` ({path: document}, legacy and aggregated),
         `tables.json` ({path of a list: columnDefinitions}); all without their prose. GO_TYPES: what gotypes/main.go
         prints, run with the release's modules (its head says how).
Out      NAME/facts.json beside this module, a line for each kind and each type, so that releases can be compared with
         diff; and NAME/openapi with the documents as they were served.

A field of a type is a word and attributes. The word is `s` text, `b` bool, `i32`/`i64` integer, `n` number, `y` base64,
`q` quantity, `t`/`u` time in (micro)seconds, `x` integer or text, `?` anything, or the name of a type; with `[]` before
it a list, with `{}` a map. `!` behind it says that the server always sends the field, `*` that it tells an empty value
from none; with both a missing one is sent as null. Attributes: `merge=KEY` (a list under a strategic merge patch, by a
key, or as a set), `retain` (`$retainKeys` is used), `keys=A,B`, `set`, `atomic`, `granular` (under server-side apply),
`required`, `enum=A|B`, `default=JSON`, `go=NAME` (the field's type in Go, where the word does not tell), `in=NAME` (the
embedded structs that the field is in), `off` (the server reads the field and drops it, because a feature is off).
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ctrlkit.fakes.releases import go_type

_SCALARS = {"string": "s", "boolean": "b", "integer": "i64", "number": "n"}
_SPECIAL = {
    "resource.Quantity": "q",
    "util.intstr.IntOrString": "x",
    "meta.v1.Time": "t",
    "meta.v1.MicroTime": "u",
}
_GO_NAMES = {
    "s": "string", "b": "bool", "i32": "int32", "i64": "int64", "n": "float64", "y": "[]uint8",
    "q": "resource.Quantity", "t": "v1.Time", "u": "v1.MicroTime", "x": "intstr.IntOrString",
}  # fmt: skip
_EVERYWHERE = "TypeMeta"
"""The struct of `kind` and `apiVersion`, which is embedded in the type of each kind."""
_BARE = ("io.k8s.api.core.v1.", "io.k8s.apimachinery.pkg.apis.meta.v1.")
"""Packages whose types have the names they have in Go; a type of the same name elsewhere has its group before it."""

_OFF: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "1.34": {
        "AllocatedDeviceStatus": ("shareID",),
        "AllocationResult": ("allocationTimestamp",),
        "CSIDriverSpec": ("nodeAllocatableUpdatePeriodSeconds",),
        "Container": ("restartPolicyRules",),
        "ContainerStatus": ("allocatedResourcesStatus",),
        "Device": (
            "allNodes",
            "allowMultipleAllocations",
            "bindingConditions",
            "bindingFailureConditions",
            "bindsToNode",
            "consumesCounters",
            "nodeName",
            "nodeSelector",
            "taints",
        ),
        "DeviceCapacity": ("requestPolicy",),
        "DeviceClassSpec": ("extendedResourceName",),
        "DeviceConstraint": ("distinctAttribute",),
        "DeviceRequestAllocationResult": (
            "bindingConditions",
            "bindingFailureConditions",
            "consumedCapacity",
            "shareID",
        ),
        "DeviceSubRequest": ("capacity",),
        "EnvVarSource": ("fileKeyRef",),
        "EphemeralContainer": ("restartPolicy", "restartPolicyRules"),
        "ExactDeviceRequest": ("capacity",),
        "HPAScalingRules": ("tolerance",),
        "PodSpec": ("hostnameOverride",),
        "PodStatus": ("extendedResourceClaimStatus",),
        "ResourceSliceSpec": ("perDeviceNodeSelection", "sharedCounters"),
    }
}
"""Fields of features that are off by default in a release, which no document of its server tells."""

Facts = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""What Go says of the fields of each type."""


class _Types:
    def __init__(self, schemas: Mapping[str, Any], facts: Facts) -> None:
        self._schemas = schemas
        self._facts = {_openapi_name(name): fields for name, fields in facts.items()}
        self._names = dict(_names(schemas))
        self.types: dict[str, dict[str, str]] = {}
        self.atomic: set[str] = set()

    def kind(self, group: str, version: str, kind: str) -> str:
        """Return the type of a kind's objects, and add it and those below it to `types`; "" if it has none."""
        wanted = {"group": group, "version": version, "kind": kind}
        for name, schema in self._schemas.items():
            if wanted in (schema.get("x-kubernetes-group-version-kind") or ()) and "properties" in schema:
                return self._type(name)
        return ""

    def _type(self, full_name: str) -> str:
        name = self._names[full_name]
        if name in self.types:
            return name
        fields = self.types[name] = {}
        schema, facts = self._schemas[full_name], self._facts.get(full_name, {})
        if schema.get("x-kubernetes-map-type") == "atomic":
            self.atomic.add(name)
        for field, node in schema["properties"].items():
            fields[field] = self._field(node, facts.get(field), is_required=field in schema.get("required", ()))
        return name

    def _field(self, node: Mapping[str, Any], fact: Mapping[str, Any] | None, *, is_required: bool) -> str:
        word = self._word(node)
        mark = _mark(fact) if fact else "!" if is_required else ""
        attributes = [*_merging(node), *(["required"] if is_required else [])]
        enum = [str(one) for one in node.get("enum", ())]
        if enum:
            attributes.append(f"enum={'|'.join(enum)}")
        if node.get("default"):
            attributes.append(f"default={json.dumps(node['default'], separators=(',', ':'))}")
        if fact and fact["go"] != self._go_name(word):
            attributes.append(f"go={fact['go']}")
        if fact and fact.get("in", _EVERYWHERE) != _EVERYWHERE:
            attributes.append(f"in={fact['in']}")
        return " ".join([word + mark, *attributes])

    def _word(self, node: Mapping[str, Any]) -> str:
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

    def _go_name(self, word: str) -> str:
        if word.startswith("[]"):
            return f"[]{self._go_name(word[2:])}"
        if word.startswith("{}"):
            return f"map[string]{self._go_name(word[2:])}"
        return _GO_NAMES.get(word) or go_type(word)


def _mark(fact: Mapping[str, Any]) -> str:
    is_pointer = fact.get("pointer", False)
    is_struct = fact["kind"] == "struct" and not is_pointer
    is_omitted = fact.get("omitsZero") or (fact["omits"] and not is_struct)
    return ("" if is_omitted else "!") + ("*" if is_pointer else "")


def _openapi_name(go_name: str) -> str:
    """
    Return the name of a type in OpenAPI documents.

    >>> _openapi_name("k8s.io/api/core/v1.Container")
    'io.k8s.api.core.v1.Container'
    """
    domain, _, path = go_name.partition("/")
    return ".".join([*reversed(domain.split(".")), *path.split("/")])


def _names(schemas: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each type's full name and the shortest that no other has."""
    by_last = defaultdict(list)
    for full_name in schemas:
        by_last[full_name.rpartition(".")[2]].append(full_name)
    for last, full_names in by_last.items():
        for full_name in full_names:
            is_bare = len(full_names) == 1 or full_name.startswith(_BARE)
            yield full_name, last if is_bare else ".".join(full_name.split(".")[-3:])


def _merging(node: Mapping[str, Any]) -> Iterator[str]:
    """Yield how a list or map merges, if not in the plain way."""
    is_list = node.get("type") == "array"
    list_type = node.get("x-kubernetes-list-type")
    strategy = node.get("x-kubernetes-patch-strategy", "").split(",")
    if is_list and "merge" in strategy:
        yield f"merge={node.get('x-kubernetes-patch-merge-key', '')}"
    if "retainKeys" in strategy:
        yield "retain"
    if list_type == "map":
        yield f"keys={','.join(node['x-kubernetes-list-map-keys'])}"
    if list_type == "set":
        yield "set"
    if list_type == "atomic" or node.get("x-kubernetes-map-type") == "atomic":
        yield "atomic"
    if node.get("x-kubernetes-map-type") == "granular" and "allOf" in node:
        yield "granular"


def _resources(folder: Path, types: _Types) -> Iterator[dict[str, Any]]:
    """Yield each kind at each version, in the order of discovery."""
    documents = json.loads((folder / "discovery.json").read_text())
    columns = json.loads((folder / "tables.json").read_text())
    hashes: dict[str, list[str]] = {}
    groups = [group["name"] for group in documents["/apis"]["groups"]]
    found = []
    for path, document in documents.items():
        if "groupVersion" not in document:
            continue
        group, _, version = document["groupVersion"].rpartition("/")
        entries = document["resources"]
        for entry in entries:
            if "/" in entry["name"]:
                continue
            name = entry["name"]
            one = {
                "group": group,
                "version": version,
                "kind": entry["kind"],
                "plural": name,
                "singular": entry["singularName"],
                "namespaced": entry["namespaced"],
                "type": types.kind(group, version, entry["kind"]),
                "verbs": entry["verbs"],
                "short_names": entry.get("shortNames", []),
                "categories": entry.get("categories", []),
                "storage_hash": entry.get("storageVersionHash", ""),
                "subresources": {
                    other["name"].partition("/")[2]: _subresource(other)
                    for other in entries
                    if other["name"].startswith(f"{name}/")
                },
                "columns": [
                    [c["name"], c["type"], c["format"], c["priority"]] for c in columns.get(f"{path}/{name}", ())
                ],
            }
            hashes.setdefault(one["storage_hash"], []).append(f"{group}/{version}")
            found.append(one)
    order = {group: place for place, group in enumerate(["", *groups])}
    yield from sorted(found, key=lambda one: order[one["group"]])


def _subresource(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": entry["kind"],
        "group": entry.get("group", ""),
        "version": entry.get("version", ""),
        "verbs": entry["verbs"],
    }


def _document(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _drop(types: dict[str, dict[str, str]], release: str) -> None:
    """Mark the fields that a release's server drops."""
    for name, fields in _OFF.get(release, {}).items():
        for field in fields:
            types[name][field] += " off"


def extract(folder: Path, go_types: Facts, release: str) -> str:
    """Return the text of facts.json."""
    schemas: dict[str, Any] = {}
    for path in sorted(folder.glob("api*_v*.json.gz")):
        schemas |= _document(path).get("components", {}).get("schemas", {})
    types = _Types(schemas, go_types)
    kinds = list(_resources(folder, types))
    _drop(types.types, release)
    parts = {
        "version": _line(_document(folder / "v2.json.gz")["info"]["version"].partition("+")[0]),
        "kinds": "[\n" + ",\n".join(f"  {_line(kind)}" for kind in kinds) + "\n ]",
        "atomic": _line(sorted(types.atomic)),
        "types": "{\n"
        + ",\n".join(f"  {_line(name)}: {_line(types.types[name])}" for name in sorted(types.types))
        + "\n }",
    }
    return "{\n" + ",\n".join(f" {_line(name)}: {text}" for name, text in parts.items()) + "\n}\n"


def main() -> None:
    """Write the data of the release named on the command line."""
    folder, go_types, name = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), sys.argv[3]
    out = Path(__file__).with_name(name)
    documents = out / "openapi"
    documents.mkdir(parents=True, exist_ok=True)
    (out / "facts.json").write_text(extract(folder, go_types, name))
    for path in folder.glob("*.json.gz"):
        document = _document(path)
        if "paths" in document:
            text = json.dumps(_described(document), separators=(",", ":"))
            (documents / path.name).write_bytes(gzip.compress(text.encode(), mtime=0))


def _described(value: Any) -> Any:
    """
    Return a part of an OpenAPI document in which each response has a description, as it must: the words of its code.

    >>> _described({"responses": {"201": {}}})
    {'responses': {'201': {'description': 'Created'}}}
    """
    if isinstance(value, list):
        return [_described(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: _described(one) for name, one in value.items()}
    responses = found.get("responses")
    if isinstance(responses, dict):
        found["responses"] = {
            code: {"description": HTTPStatus(int(code)).phrase, **one} for code, one in responses.items()
        }
    return found


if __name__ == "__main__":
    main()
