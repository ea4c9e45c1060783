"""Any object that the schema of a definition takes, as hypothesis makes them; the rules in CEL are not asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hypothesis import strategies as st

from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.network_v1 import BITCOIN_NETWORKS_V1
from ctrlkit.crd import definition_of
from ctrlkit.model import AnyResource

Plain = dict[str, Any]

LIKELY: Final = {
    "image": ["bitcoin:29", "a/b@sha256:" + "a" * 64],
    "version": ["29.1", "0.21.1.0"],
    "requests": ["1", "500m"],
    "limits": ["1.5Gi", "2T"],
    "size": ["1Gi", "10Gi", "2.5T"],
    "className": ["", "fast"],
    "signetChallenge": ["51", "00ff"],
    "secret": ["rpc", "a.b"],
    "imagePullSecrets": ["a", "b.c"],
    "extra": ["debug=net", "maxmempool=5"],
    "name": ["a", "b1", "old"],
    "peers": ["a", "a:1", "[::1]:2"],
    "cidr": ["10.0.0.0/8", "::/0"],
    "except": ["10.1.0.0/16"],
    "key": ["a", "a.b/c"],
    "type": ["Available", "a.b/C"],
    "reason": ["Good", "A_b:c"],
    "lastTransitionTime": ["2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"],
}
"""Texts by the field they are in, where a pattern or a rule asks for more than letters."""
KEYS: Final = {"requests": ["cpu", "memory"], "limits": ["cpu", "memory", "a.b/c"]}
ANYTHING: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def schema_of(resource: AnyResource) -> Plain:
    """The schema of the objects of a version."""
    (version,) = (
        one
        for one in definition_of(BITCOIN_NETWORKS, BITCOIN_NETWORKS_V1)["spec"]["versions"]
        if one["name"] == resource.version
    )
    schema: Plain = version["schema"]["openAPIV3Schema"]
    return schema


def values(schema: Mapping[str, Any], field: str = "") -> st.SearchStrategy[Any]:
    """Any value that a schema takes; of the field of that name."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "boolean":
            return st.booleans()
        case "integer":
            least, most = schema.get("minimum", -(2**31)), schema.get("maximum", 2**31 - 1)
            return st.integers(least, most) | st.integers(least, min(most, least + 5))
        case "array":
            keys = schema.get("x-kubernetes-list-map-keys", ())
            is_set = schema.get("x-kubernetes-list-type") == "set"
            unique = (lambda item: tuple(item[key] for key in keys)) if keys else str if is_set else None
            return st.lists(values(schema["items"], field), max_size=2, unique_by=unique)
        case "object":
            return _objects(schema, field)
        case _:
            return _texts(schema, field)


def _texts(schema: Mapping[str, Any], field: str) -> st.SearchStrategy[str]:
    if field in LIKELY:
        return st.sampled_from(LIKELY[field])
    assert "pattern" not in schema, field
    return st.text("abc012", min_size=schema.get("minLength", 0), max_size=3)


def _objects(schema: Mapping[str, Any], field: str) -> st.SearchStrategy[Plain]:
    if "additionalProperties" in schema:
        keys = st.sampled_from(KEYS.get(field, ["a", "a.b/c"]))
        return st.dictionaries(keys, values(schema["additionalProperties"], field), max_size=2)
    if "properties" not in schema:
        return st.dictionaries(st.text("ab", min_size=1, max_size=2), ANYTHING, max_size=2)
    required = set(schema.get("required", ()))
    parts = {name: values(part, name) for name, part in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in required},
        optional={name: part for name, part in parts.items() if name not in required},
    )


def networks(resource: AnyResource) -> st.SearchStrategy[Plain]:
    """Any object of a version: its spec, and a status or none."""
    properties = schema_of(resource)["properties"]
    metadata = st.fixed_dictionaries(
        {"name": st.just("net"), "namespace": st.just("default")},
        optional={"annotations": st.just({"a": "b"}), "labels": st.just({"c": "d"})},
    )
    return st.fixed_dictionaries(
        {"metadata": metadata, "spec": values(properties["spec"])},
        optional={"status": values(properties["status"])},
    ).map(lambda parts: {"apiVersion": resource.api_version, "kind": resource.kind, **parts})
