"""Random definitions of custom resources: good ones, and such as have a few things wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Plain = dict[str, Any]
Draw = st.DrawFn

GROUP = "fuzz.example.com"
_NAMES = ("a", "b", "c", "spec", "status", "metadata", "kind", "x-y", "in")
_TYPES = ("object", "array", "string", "integer", "number", "boolean")
_DEPTH_MAX = 3
_ODD = 0.12
"""How often something odd is put into a node."""

_VALUES: dict[str, tuple[Any, ...]] = {
    "string": ("", "a", "abc", "2024-01-01", "10s", "é<b>"),
    "integer": (0, 1, -1, 5, 2**31),
    "number": (0, 1.5, -2, 1000),
    "boolean": (True, False),
    "object": (
        {},
        {"a": 1},
        {"a": "x", "zz": 1},
        {"b": {}},
        {"metadata": {"name": "n", "labels": {"a": "_"}}, "kind": "A"},
    ),
    "array": ([], [1], ["a"], [{}], [{"a": "x"}], ["a", "a"]),
}
_ANY_VALUES = tuple(value for values in _VALUES.values() for value in values)
_FORMATS: dict[str, tuple[str, ...]] = {
    "string": ("date", "date-time", "byte", "uuid", "duration", "my-own", "ipv4", "int32"),
    "integer": ("int32", "int64", "int8"),
    "number": ("float", "double", "int32"),
}
_PATTERNS = ("^a", "[", "(?=x)", "a**", "\\d+", "(", "a{2000}", "\\", "(?P<n>x)", "[a-", "x{2,1}", "\\8", "(?i)k", "*")
_RULES: dict[str, tuple[str, ...]] = {
    "string": ("self == 'a'", "self.size() < 3", "self.matches('[')", "self.startsWith(1)", "oldSelf == self"),
    "integer": ("self > 0", "self > oldSelf", "self == 'a'", "self", "self.a"),
    "number": ("self > 0.0", "self > 0", "oldSelf < self"),
    "boolean": ("self", "!self", "self == oldSelf", "self > 0"),
    "object": ("has(self.a)", "self.a == self.a", "self.b > 0", "self == oldSelf", "self.all(k, k != 'a')", "true"),
    "array": ("self.all(x, x == x)", "self.size() > 0", "self[0] == 1", "oldSelf.size() > 0", "self.exists(x, x > 0)"),
}
_ODD_RULES = ("", " ", "1", "'a'", "self.", "a\nb", "self.nope", "oldSelf", "has(self)", "true || unknown", "x" * 20)
_LIST_TYPES = ("atomic", "set", "map", "odd")
_KEYWORDS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("id", ("x",)),
    ("$schema", ("http://x",)),
    ("$ref", ("#/a", "")),
    ("title", ("t",)),
    ("description", ("d",)),
    ("nullable", (True, False)),
    ("uniqueItems", (True,)),
    ("type", ("null", "foo", "", *_TYPES)),
    ("additionalItems", (True, False, {"type": "string"})),
    ("additionalProperties", (True, False, {}, {"type": "string"}, {"type": "object", "default": {}})),
    ("patternProperties", ({"a": {"type": "string"}},)),
    ("definitions", ({"a": {"type": "string"}}, {"a": {"type": "foo"}})),
    ("dependencies", ({"a": ["b"]}, {"a": {"type": "string"}})),
    ("items", ([{"type": "string"}], {}, {"type": "string"})),
    ("default", (*_ANY_VALUES, None)),
    ("example", (1, "x")),
    ("externalDocs", ({"url": "x"},)),
    ("enum", (["a", "b"], [1, 2], [None], [{"a": 1}], [])),
    ("required", (["a"], ["zz"], ["a", "a"])),
    ("pattern", _PATTERNS),
    ("maximum", (1, 0.5, 1e21)),
    ("exclusiveMinimum", (True,)),
    ("multipleOf", (0, 2, 0.1)),
    ("minLength", (-1, 2)),
    ("maxItems", (0, 2, -1)),
    ("not", ({}, {"type": "string"}, {"required": ["zz"]}, {"properties": {"zz": {"pattern": "["}}})),
    ("allOf", ([{"anyOf": [{"type": "integer"}, {"type": "string"}]}], [{"nullable": True}], [{"default": 1}])),
    ("anyOf", ([{"type": "integer"}, {"type": "string"}], [{"required": ["a"]}], [{"items": {"minLength": 1}}])),
    ("oneOf", ([{"properties": {"a": {"minLength": 1}}}, {"properties": {"metadata": {}}}], [{"title": "x"}])),
    ("x-kubernetes-preserve-unknown-fields", (True, False)),
    ("x-kubernetes-embedded-resource", (True, False)),
    ("x-kubernetes-int-or-string", (True, False)),
    ("x-kubernetes-list-type", _LIST_TYPES),
    ("x-kubernetes-list-map-keys", (["a"], ["a", "b"], ["a", "a"], ["zz"], [])),
    ("x-kubernetes-map-type", ("atomic", "granular", "odd")),
)
_METADATA_NODES: tuple[Any, ...] = (
    {"type": "object"},
    {"type": "object", "properties": {"name": {"type": "string", "pattern": "^a"}}},
    {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}, "generateName": {"type": "string"}}},
    {"type": "object", "properties": {"labels": {"type": "object"}}},
    {"type": "string"},
    {"type": "object", "description": "d"},
    {"type": "object", "default": {}, "properties": {"name": {"type": "string", "default": "x"}}},
)


def _chance(draw: Draw, share: float) -> bool:
    return draw(st.integers(0, 99)) >= 100 - round(share * 100)


def _some(draw: Draw, values: tuple[Any, ...]) -> Any:
    return draw(st.sampled_from(values))


@st.composite
def nodes(draw: Draw, depth: int = 0, kinds: tuple[str, ...] = _TYPES) -> Plain:
    """Draw a node of a schema."""
    kind = _some(draw, kinds if depth < _DEPTH_MAX else ("string", "integer", "boolean"))
    node: Plain = {"type": kind}
    _FILLED.get(kind, _limited)(draw, node, depth)
    if kind in _FORMATS and _chance(draw, 0.2):
        node["format"] = _some(draw, _FORMATS[kind])
    if kind == "string" and _chance(draw, 0.15):
        node["pattern"] = _some(draw, _PATTERNS)
    if _chance(draw, 0.2):
        node["default"] = _some(draw, _ANY_VALUES if _chance(draw, 0.2) else _VALUES[kind])
    if _chance(draw, 0.2):
        node["x-kubernetes-validations"] = draw(st.lists(_rules(kind), min_size=1, max_size=2))
    if _chance(draw, 0.12):
        word = _some(draw, ("allOf", "anyOf", "oneOf"))
        node[word] = draw(st.lists(_restrictions(node), min_size=1, max_size=2))
    while _chance(draw, _ODD):
        word, values = _some(draw, _KEYWORDS)
        node[word] = _some(draw, values)
    return node


def _limited(draw: Draw, node: Plain, _depth: int) -> None:
    of_text = node["type"] == "string"
    _limits(draw, node, "minLength" if of_text else "minimum", "maxLength" if of_text else "maximum")


def _limits(draw: Draw, node: Plain, least: str, most: str) -> None:
    for word in (least, most):
        if _chance(draw, 0.2):
            node[word] = _some(draw, (0, 1, 2, 3, 10))


def _object(draw: Draw, node: Plain, depth: int) -> None:
    if _chance(draw, 0.2) and depth:
        node["additionalProperties"] = draw(nodes(depth + 1))
        _limits(draw, node, "minProperties", "maxProperties")
    else:
        names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3, unique=True))
        node["properties"] = {
            name: _some(draw, _METADATA_NODES)
            if name == "metadata" and not _chance(draw, 0.2)
            else draw(nodes(depth + 1, ("string",) if name == "kind" and not _chance(draw, 0.2) else _TYPES))
            for name in names
        }
        if names and _chance(draw, 0.3):
            node["required"] = [_some(draw, (*names, "zz"))]
    if _chance(draw, 0.15):
        node["x-kubernetes-preserve-unknown-fields"] = True
    if depth and _chance(draw, 0.1):
        node["x-kubernetes-embedded-resource"] = True
        node["x-kubernetes-preserve-unknown-fields"] = None if _chance(draw, 0.3) else True
    if _chance(draw, 0.1):
        node["x-kubernetes-map-type"] = _some(draw, ("atomic", "granular"))


def _array(draw: Draw, node: Plain, depth: int) -> None:
    node["items"] = draw(nodes(depth + 1))
    _limits(draw, node, "minItems", "maxItems")
    if _chance(draw, 0.4):
        how = node["x-kubernetes-list-type"] = _some(draw, _LIST_TYPES[:3])
        names = tuple(node["items"].get("properties") or ())
        if how == "map" and not _chance(draw, 0.1):
            node["x-kubernetes-list-map-keys"] = [_some(draw, names or ("a",))]
            if names and not _chance(draw, 0.3):
                node["items"]["required"] = list(names)


_FILLED: dict[str, Callable[[Draw, Plain, int], None]] = {"object": _object, "array": _array}


@st.composite
def _rules(draw: Draw, kind: str) -> Plain:
    rule: Plain = {"rule": _some(draw, _ODD_RULES if _chance(draw, 0.15) else _RULES[kind])}
    for word, values in (
        ("message", ("m", " ", "a\nb")),
        ("messageExpression", ("'a'", "string(self)", "1", " ", "self.")),
        ("reason", ("FieldValueInvalid", "FieldValueForbidden", "Odd")),
        ("fieldPath", (".a", ".zz", "a", " ", ".a.b", "['a']", ".a\n", ".metadata", ".a[0]")),
        ("optionalOldSelf", (True, False)),
    ):
        if _chance(draw, 0.12):
            rule[word] = _some(draw, values)
    return rule


@st.composite
def _restrictions(draw: Draw, node: Plain) -> Plain:
    """Draw what stands within a junctor: of values that are typed, most often."""
    found: Plain = {}
    names = tuple(node.get("properties") or ())
    if names and _chance(draw, 0.6):
        found["required"] = [_some(draw, names)]
    if names and _chance(draw, 0.4):
        found["properties"] = {_some(draw, (*names, "zz")): _some(draw, ({"minLength": 1}, {"enum": ["a"]}, {}))}
    if node["type"] == "array" and _chance(draw, 0.4):
        found["items"] = {"minLength": 1}
    if _chance(draw, 0.3):
        found["pattern"] = _some(draw, _PATTERNS)
    if _chance(draw, _ODD):
        word, values = _some(draw, _KEYWORDS)
        found[word] = _some(draw, values)
    return found


_PATHS = (".spec.a", ".spec.b", ".a", ".spec", ".metadata.name", "spec.a", ".", "", ".spec['a']", ".spec.zz", ".b.c")
_COLUMN: dict[str, tuple[Any, ...]] = {
    "name": ("N", ""),
    "type": ("string", "integer", "date", "odd", ""),
    "jsonPath": (*_PATHS[:5], ".metadata.creationTimestamp", "spec"),
    "format": ("int32", "odd", "date-time"),
    "priority": (0, 1, -1),
    "description": ("d", ""),
}
_SERVICES: tuple[Plain, ...] = (
    {"name": "s", "namespace": "n"},
    {"name": "s"},
    {"namespace": "n", "name": "s", "path": "/a//b"},
    {},
)
_CLIENTS: tuple[Any, ...] = (
    {"url": "https://example.com/a"},
    {"url": "http://example.com"},
    {"url": "https://u@h?a=b#c"},
    {"url": "https:///a"},
    {"url": ""},
    {},
    {"url": "https://h", "service": _SERVICES[0]},
    *({"service": one} for one in _SERVICES),
    {"service": {"name": "s", "namespace": "n", "port": 0, "path": "a"}},
    {"url": "https://h", "caBundle": "bm9uZQ=="},
    None,
)
_REVIEWS: tuple[Any, ...] = (["v1"], ["v1beta1", "v1"], ["v2"], [], ["v1", "v1"], ["V_1"], None)


@st.composite
def versions(draw: Draw) -> Plain:
    """Draw a version."""
    version: Plain = {
        "name": _some(draw, ("v1", "v1", "v2", "v1beta1", "V_1")),
        "served": not _chance(draw, 0.2),
        "storage": not _chance(draw, 0.4),
        "schema": {"openAPIV3Schema": draw(nodes(0, _TYPES if _chance(draw, 0.05) else ("object",)))},
    }
    if _chance(draw, 0.04):
        version["schema"] = _some(draw, (None, {}, {"openAPIV3Schema": {}}))
    if _chance(draw, 0.25):
        scale = {name: f".{part}.a" for name, part in (("specReplicasPath", "spec"), ("statusReplicasPath", "status"))}
        odd = _some(
            draw, ({}, {"specReplicasPath": "x"}, {"statusReplicasPath": ".spec.a"}, {"labelSelectorPath": ".a"})
        )
        version["subresources"] = _some(
            draw, ({"status": {}}, {"status": {}, "scale": scale}, {"scale": scale | odd}, {})
        )
    if _chance(draw, 0.2):
        columns = {name: st.sampled_from(values) for name, values in _COLUMN.items()}
        required = {name: columns.pop(name) for name in ("name", "type", "jsonPath")}
        version["additionalPrinterColumns"] = draw(
            st.lists(st.fixed_dictionaries(required, optional=columns), max_size=2)
        )
    if _chance(draw, 0.2):
        paths = draw(st.lists(st.sampled_from(_PATHS), max_size=3))
        version["selectableFields"] = [{"jsonPath": path} for path in paths]
    if _chance(draw, 0.15):
        version["deprecated"] = _chance(draw, 0.7)
        version["deprecationWarning"] = _some(draw, ("old", "", "x" * 257, "a\nb", None))
    return version


@st.composite
def definitions(draw: Draw, plural: str = "things") -> Plain:
    """Draw a definition."""
    names: Plain = {"plural": plural, "kind": "Thing"}
    for part, values in (
        ("singular", ("thing", "T_h")),
        ("listKind", ("ThingList", "Thing", "A_b", "ThingSet")),
        ("shortNames", (["t"], ["T"], ["t", "u"], [])),
        ("categories", (["all"], ["A_"])),
        ("kind", ("", "a_b", "other")),
        ("plural", ("", "Things")),
    ):
        if _chance(draw, 0.06):
            names[part] = _some(draw, values)
    group = _some(draw, ("nodot", "", "A.b", "x.k8s.io")) if _chance(draw, 0.04) else GROUP
    every = draw(st.lists(versions(), min_size=1, max_size=2))
    if not _chance(draw, 0.15):
        for index, version in enumerate(every):
            version.update(name=f"v{index + 1}", storage=index == 0)
    if len(every) > 1 and _chance(draw, 0.4):
        part = _some(draw, ("schema", "subresources", "selectableFields", "additionalPrinterColumns"))
        if part in every[0]:
            every[1][part] = every[0][part]
    spec: Plain = {"group": group, "scope": _some(draw, ("Cluster",) * 12 + ("Namespaced", "Odd", "")), "names": names}
    spec["versions"] = every
    if _chance(draw, 0.1):
        webhook = {"clientConfig": _some(draw, _CLIENTS), "conversionReviewVersions": _some(draw, _REVIEWS)}
        strategy = _some(draw, ("Webhook", "Webhook", "None", "Odd", ""))
        spec["conversion"] = {"strategy": strategy, "webhook": None if _chance(draw, 0.1) else webhook}
    if _chance(draw, 0.03):
        spec["preserveUnknownFields"] = _chance(draw, 0.5)
    metadata: Plain = {"name": f"{names['plural']}.{group}" if not _chance(draw, 0.02) else "other"}
    if _chance(draw, 0.04):
        said = _some(draw, ("unapproved", "https://a/b", "x", ""))
        metadata["annotations"] = {"api-approved.kubernetes.io": said}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }
