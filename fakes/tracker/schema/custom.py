"""
Schemas of custom resources: unknown fields are pruned, defaults filled in, and the rest is validated.

`jsonschema-rs` does the holding against rules; this module puts OpenAPI's dialect into its words and its findings into
the server's. Rules that are expressions (`x-kubernetes-validations`) are those of the package `cel`, which is imported
only for a schema that has any. Not carried out: formats other than those of times and bytes, and the rules of embedded
resources.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.correlation import Correlated
from ctrlkit.fakes.tracker.schema.nodes import Node as MergeNode
from ctrlkit.fakes.tracker.schema.nodes import custom
from ctrlkit.fakes.tracker.schema.patterns import PatternKeyword
from ctrlkit.fakes.tracker.schema.string_formats import TIME_FORMATS

if TYPE_CHECKING:
    import jsonschema_rs

    from ctrlkit.fakes.tracker.cel.validator import Validator

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
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)

_NOT_NEGATIVE = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
_LEVELS_SHOWN = 200
_BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
"""The reasons after which expressions are not looked at, since they may rely on what is wrong."""

_NOT_CHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)
INTEGERS = {
    "int32": range(-(2**31), 2**31),
    "int64": range(-(2**63), 2**63),
    "uint32": range(2**32),
    "uint64": range(2**64),
}
"""The numbers of each format of an integer; those of none are int64."""

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
        self.openapi: Node = openapi
        """The schema as it was written."""
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
        """Prune an object and fill in its defaults; return it, and the paths of pruned fields."""
        unknown: list[str] = []
        completed = _complete(_without(plain), self._root, "", unknown)
        return {name: plain[name] for name in plain if name in _NOT_THE_SCHEMAS} | completed, unknown

    def causes(
        self,
        plain: Mapping[str, Any],
        old: Mapping[str, Any] | None = None,
        warn: Callable[[str], None] = lambda _: None,
        kind: Mapping[str, str] | None = None,
    ) -> list[Cause]:
        """
        Return a cause for each rule that an object breaks.

        Shape   `old` is the object as it was, None for a new one; `warn` is told of rules that unchanged values break;
                `kind` are the apiVersion and kind of objects that do not say them themselves.
        """
        causes = self._value_causes(plain, Correlated(plain, old, self.openapi) if old else None)
        if self._expressions is None:
            return causes
        if any(cause.reason in _BLOCKING for cause in causes):
            return [*causes, Cause.invalid("<nil>", "null", _NOT_CHECKED)]
        named = kind or {}
        return [*causes, *self._expressions.causes({**named, **plain}, {**named, **old} if old else None, warn)]

    def _value_causes(self, plain: Mapping[str, Any], correlated: Correlated | None) -> list[Cause]:
        """Return a cause for each rule about values that an object breaks, but for those that it broke before."""
        instance = _without(plain)
        try:
            errors = list(self._validator.iter_errors(instance))
        except ValueError:  # it shows no finding about a value of many levels; no schema looks as deep as those go
            errors = list(self._validator.iter_errors(_cut(instance, _LEVELS_SHOWN)))
        if correlated is not None:
            errors = [error for error in errors if not correlated.unchanged_on(error.instance_path)]
        return [_cause(error) for error in errors]

    def check(self) -> None:
        """Compile the schema. Errors: ValueError if it is not one."""
        _ = self._validator, self.node

    @functools.cached_property
    def _expressions(self) -> Validator | None:
        """The schema's rules that are expressions, None if it has none."""
        if not has_expressions(self.openapi):
            return None
        from ctrlkit.fakes.tracker.cel.validator import Validator  # noqa: PLC0415  # only schemas with rules need it

        return Validator(self.openapi)

    @functools.cached_property
    def _validator(self) -> jsonschema_rs.Draft4Validator:
        import jsonschema_rs  # noqa: PLC0415  # only a test with custom resources pays for loading it

        keywords: dict[str, Any] = {PatternKeyword.name: PatternKeyword, _Range.name: _Range, _Format.name: _Format}
        return jsonschema_rs.Draft4Validator(_draft4(self._root), keywords=keywords)


def has_expressions(node: Node) -> bool:
    """Whether a schema has rules that are expressions."""
    if node.get("x-kubernetes-validations"):
        return True
    below = [*(node.get("properties") or {}).values(), node.get("items"), node.get("additionalProperties")]
    return any(isinstance(inner, Mapping) and has_expressions(inner) for inner in below)


def _without(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plain.items() if name not in _NOT_THE_SCHEMAS}


def _cut(value: Any, levels: int) -> Any:
    """A copy whose objects and arrays below a level are empty."""
    if isinstance(value, dict):
        return {name: _cut(inner, levels - 1) for name, inner in value.items()} if levels else {}
    if isinstance(value, list):
        return [_cut(item, levels - 1) for item in value] if levels else []
    return value


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
    """Return the rule for a field: an open one if any value is kept, None if the field is unknown."""
    properties: Node = node.get("properties") or {}
    if name in properties:
        rule: Node = properties[name]
        return rule
    additional = node.get("additionalProperties")
    if isinstance(additional, Mapping):
        return additional
    return {_PRESERVE: True} if additional or node.get(_PRESERVE) else None


def _draft4(node: Node) -> dict[str, Any]:
    """Convert a node of a structural schema to JSON schema, draft 4."""
    rules = _rules(node)
    if node.get("nullable"):
        kinds = rules.get("type", [])
        rules["type"] = [*([kinds] if isinstance(kinds, str) else kinds), "null"]
        if "enum" in rules:
            rules["enum"] = [*rules["enum"], None]
    if node.get("properties"):
        rules["properties"] = {name: _draft4(inner) for name, inner in node["properties"].items()}
    for name in ("items", "additionalProperties", "not"):
        if isinstance(node.get(name), Mapping):
            rules[name] = _draft4(node[name])
    for name in ("allOf", "anyOf", "oneOf"):
        if node.get(name):
            rules[name] = [_draft4(inner) for inner in node[name]]
    return rules


def _rules(node: Node) -> dict[str, Any]:
    """Convert the rules of a node for the value itself, without those that draft 4 does not allow."""
    rules: dict[str, Any] = {name: node[name] for name in _RULES if node.get(name) is not None}
    for name in _NOT_NEGATIVE & rules.keys():
        rules[name] = max(rules[name], 0)
    if rules.get("multipleOf", 1) <= 0:
        del rules["multipleOf"]
    required = list(dict.fromkeys(rules.pop("required", ())))
    if required:
        rules["required"] = required
    if node.get("pattern"):
        rules[PatternKeyword.name] = node["pattern"]
    if node.get("type") == "string" and node.get("format") in TIME_FORMATS:
        rules[_Format.name] = node["format"]
    if node.get("type") == "integer":
        rules[_Range.name] = node.get("format") or ""
    if node.get(_INT_OR_STRING):
        rules["type"] = ["integer", "string"]
    return rules


class _Range:
    """A keyword for jsonschema-rs: integers lie in the range of their format."""

    name = "x-integer-range"

    def __init__(self, _schema: Any, form: str, _path: Any) -> None:
        self._form = form
        self._range = INTEGERS.get(form, INTEGERS["int64"])

    def validate(self, instance: Any) -> None:
        """Raise ValueError for an integer outside the range."""
        if isinstance(instance, int) and not isinstance(instance, bool) and instance not in self._range:
            form = f"with format {self._form}" if self._form else "(default format)"
            raise ValueError(f"must be of type integer {form}")


class _Format:
    """A keyword for jsonschema-rs: strings have their format."""

    name = "x-string-format"

    def __init__(self, _schema: Any, form: str, _path: Any) -> None:
        self._form = form
        self._holds = TIME_FORMATS[form]

    def validate(self, instance: Any) -> None:
        """Raise ValueError for a string without the format; the message is its name."""
        if isinstance(instance, str) and not self._holds(instance):
            raise ValueError(self._form)


_TEXTS = {
    "minimum": "should be greater than or equal to {limit}",
    "maximum": "should be less than or equal to {limit}",
    "exclusiveMinimum": "should be greater than {limit}",
    "exclusiveMaximum": "should be less than {limit}",
    "multipleOf": "should be a multiple of {multiple_of}",
    PatternKeyword.name: "should match '{message}'",
    "minLength": "should be at least {limit} chars long",
    "minItems": "should have at least {limit} items",
    "minProperties": "should have at least {limit} properties",
    "uniqueItems": "shouldn't contain duplicates",
}
"""The server's messages for rules that need no more than their facts."""


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
            return Cause.too_long(path, facts["limit"])
        case "maxItems" if isinstance(value, list):
            text = f"Too many: {len(value)}: must have at most {facts['limit']} items"
            return Cause(path, "FieldValueTooMany", text)
    return _plain_cause(error.kind.name, path, facts, error)


def _plain_cause(name: str, path: str, facts: Mapping[str, Any], error: jsonschema_rs.ValidationError) -> Cause:
    """Make a cause with the message of its rule, or the library's."""
    if name == _Format.name:
        shown = msgspec.json.encode(error.instance).decode()
        text = f"{path} in body must be of type {facts['message']}: {shown}"
        return Cause(path, "FieldValueTypeInvalid", f"Invalid value: {shown}: {text}")
    if name == _Range.name:
        return Cause.invalid("<nil>", '""', f"Checked value {facts['message']} in {path}")
    text = _TEXTS[name].format(**facts) if name in _TEXTS else error.message
    return Cause.invalid(path, msgspec.json.encode(error.instance).decode(), f"{path} in body {text}")


def _path_text(path: Iterable[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _wanted_type(facts: Mapping[str, Any]) -> str:
    kinds = [str(kind) for kind in facts["types"] if kind != "null"]
    return kinds[0] if len(kinds) == 1 else "integer or string"


def _type_name(value: object) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
