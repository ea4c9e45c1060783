"""
A custom resource's schema at work: fields it does not know are pruned, missing ones get their defaults, the rest is
held against its rules.

`jsonschema-rs` does the holding against rules; this module puts OpenAPI's dialect into its words and its findings into
the server's. Not carried out: `x-kubernetes-validations` (CEL), formats, and the rules of embedded resources.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from fakes.tracker.nodes import Node as MergeNode
from fakes.tracker.nodes import custom
from fakes.tracker.refusals import Cause

if TYPE_CHECKING:
    import jsonschema_rs

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_NOT_THE_SCHEMAS = ("apiVersion", "kind", "metadata")
_RULES = (
    "type",
    "required",
    "enum",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)

Node = Mapping[str, Any]


class CustomSchema:
    """
    The openAPIV3Schema of one version of a custom resource.

    >>> nodes = {"type": "integer", "minimum": 0, "default": 3}
    >>> spec = {"type": "object", "properties": {"nodes": nodes}}
    >>> schema = CustomSchema({"type": "object", "properties": {"spec": spec}})
    >>> schema.complete({"metadata": {}, "spec": {"bogus": 1}})
    ({'metadata': {}, 'spec': {'nodes': 3}}, ['spec.bogus'])
    >>> [cause.message for cause in schema.causes({"spec": {"nodes": -1}})]
    ['Invalid value: -1: spec.nodes in body should be greater than or equal to 0']
    """

    def __init__(self, openapi: Node) -> None:
        self._root = {
            **openapi,
            "properties": _without(openapi.get("properties") or {}),
            "required": [name for name in openapi.get("required") or () if name not in _NOT_THE_SCHEMAS],
        }

    @functools.cached_property
    def node(self) -> MergeNode:
        """How the fields of an object merge under server-side apply."""
        return custom(self._root)

    def complete(self, plain: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """The object pruned and with defaults, and the paths of the fields that were pruned."""
        unknown: list[str] = []
        completed = _complete(_without(plain), self._root, "", unknown)
        return {name: plain[name] for name in plain if name in _NOT_THE_SCHEMAS} | completed, unknown

    def causes(self, plain: Mapping[str, Any]) -> list[Cause]:
        """What the schema has against an object."""
        return [_cause(error) for error in self._validator.iter_errors(_without(plain))]

    @functools.cached_property
    def _validator(self) -> jsonschema_rs.Draft4Validator:
        import jsonschema_rs  # noqa: PLC0415  # only a test with custom resources pays for loading it

        return jsonschema_rs.Draft4Validator(_draft4(self._root))


def _without(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plain.items() if name not in _NOT_THE_SCHEMAS}


def _complete(value: Any, node: Node, path: str, unknown: list[str]) -> Any:
    if isinstance(value, list):
        items = node.get("items") or {_PRESERVE: node.get(_PRESERVE)}
        return [_complete(item, items, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    properties: Node = node.get("properties") or {}
    completed: dict[str, Any] = {}
    for name, inner in value.items():
        here = f"{path}.{name}".lstrip(".")
        rule = _rule_for(name, node)
        if rule is None:
            unknown.append(here)
        elif not (inner is None and "default" in rule and not rule.get("nullable")):
            completed[name] = _complete(inner, rule, here, unknown)
    for name, rule in properties.items():
        if name not in completed and "default" in rule:
            completed[name] = _complete(copy.deepcopy(rule["default"]), rule, f"{path}.{name}".lstrip("."), unknown)
    return completed


def _rule_for(name: str, node: Node) -> Node | None:
    """The rule for a field; one without content where any value is kept, None where the field is unknown."""
    properties: Node = node.get("properties") or {}
    if name in properties:
        rule: Node = properties[name]
        return rule
    additional = node.get("additionalProperties")
    if isinstance(additional, Mapping):
        return additional
    return {_PRESERVE: True} if additional or node.get(_PRESERVE) else None


def _draft4(node: Node) -> dict[str, Any]:
    """A node of a structural schema in the words of JSON schema, draft 4, which it is a dialect of."""
    rules: dict[str, Any] = {name: node[name] for name in _RULES if node.get(name) is not None}
    if node.get(_INT_OR_STRING):
        rules["type"] = ["integer", "string"]
    if node.get("nullable"):
        kinds = rules.get("type", [])
        rules["type"] = [*([kinds] if isinstance(kinds, str) else kinds), "null"]
        if "enum" in rules:
            rules["enum"] = [*rules["enum"], None]
    if not rules.get("required"):
        rules.pop("required", None)
    if node.get("properties"):
        rules["properties"] = {name: _draft4(inner) for name, inner in node["properties"].items()}
    for name in ("items", "additionalProperties", "not"):
        if isinstance(node.get(name), Mapping):
            rules[name] = _draft4(node[name])
    for name in ("allOf", "anyOf", "oneOf"):
        if node.get(name):
            rules[name] = [_draft4(inner) for inner in node[name]]
    return rules


_TEXTS = {
    "minimum": "should be greater than or equal to {limit}",
    "maximum": "should be less than or equal to {limit}",
    "exclusiveMinimum": "should be greater than {limit}",
    "exclusiveMaximum": "should be less than {limit}",
    "multipleOf": "should be a multiple of {multiple_of}",
    "pattern": "should match '{pattern}'",
    "minLength": "should be at least {limit} chars long",
    "minItems": "should have at least {limit} items",
    "minProperties": "should have at least {limit} properties",
    "uniqueItems": "shouldn't contain duplicates",
}
"""The server's words for the rules whose findings need nothing else."""


def _cause(error: jsonschema_rs.ValidationError) -> Cause:
    path = _path_text(error.instance_path)
    facts = error.kind.as_dict()
    value = error.instance
    match error.kind.name:
        case "required":
            return Cause.required(f"{path}.{facts['property']}".lstrip("."))
        case "type":
            kind = f'"{_type_name(value)}"'
            text = f"{path} in body must be of type {_wanted_type(facts)}: {kind}"
            return Cause(path, "FieldValueTypeInvalid", f"Invalid value: {kind}: {text}")
        case "enum":
            options = tuple(str(option) for option in facts["options"] if option is not None)
            return Cause.unsupported(path, str(value), options)
        case "maxLength":
            return Cause(path, "FieldValueTooLong", f"Too long: may not be more than {facts['limit']} bytes")
        case "maxItems" if isinstance(value, list):
            text = f"Too many: {len(value)}: must have at most {facts['limit']} items"
            return Cause(path, "FieldValueTooMany", text)
        case name:
            text = _TEXTS[name].format(**facts) if name in _TEXTS else error.message
            return Cause.invalid(path, msgspec.json.encode(value).decode(), f"{path} in body {text}")


def _path_text(path: Iterable[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _wanted_type(facts: Mapping[str, Any]) -> str:
    kinds = [str(kind) for kind in facts["types"] if kind != "null"]
    return kinds[0] if len(kinds) == 1 else "integer or string"


def _type_name(value: object) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
