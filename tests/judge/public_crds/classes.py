"""
Write a definition as Python classes: python -m tests.judge.public_crds.classes FILE NAME > tests/unit/crd/public/X.py

FILE has the CustomResourceDefinition NAME. The classes say what its schemas say of fields: names, types, limits and
defaults. Its prose and its rules in CEL are left out, which are somebody's text and code. Parts that are the same are
one class.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ctrlkit.fakes.releases.typed_kinds import snake_case

Schema = Mapping[str, Any]

_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_META = {
    "string": {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"},
    "array": {"minItems": "min_length", "maxItems": "max_length"},
    "integer": {"minimum": "ge", "maximum": "le", "multipleOf": "multiple_of"},
    "number": {"minimum": "ge", "maximum": "le", "multipleOf": "multiple_of"},
}
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_SAID = {
    "format": "format",
    "nullable": "nullable",
    "x-kubernetes-list-type": "list_type",
    "x-kubernetes-map-type": "map_type",
    "x-kubernetes-embedded-resource": "embedded",
}
_RULES = "x-kubernetes-validations"
_SHAPE = frozenset(
    {"type", "properties", "required", "items", "additionalProperties", "description", "x-kubernetes-int-or-string"}
)


class Writer:
    """Writes classes; each is named after the field it was first seen at."""

    def __init__(self) -> None:
        self.classes: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def object(self, schema: Schema, name: str) -> str:
        """Write the class of an object with fields; returns its name."""
        key = json.dumps(
            _without_prose({k: v for k, v in schema.items() if k not in ("default", "nullable")}), sort_keys=True
        )
        if key in self._names:
            return self._names[key]
        name = self._free(name)
        self._names[key] = name
        required = schema.get("required") or ()
        lines = [self._field(field, one, is_required=field in required) for field, one in schema["properties"].items()]
        said = _arguments({k: v for k, v in schema.items() if k not in (*_SHAPE, "default", "nullable")})
        head = f"@Schema({said})\n" if said else ""
        body = "\n".join(f"    {line}" for line in lines) or "    pass"
        self.classes[name] = (
            f'{head}class {name}(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):\n{body}\n'
        )
        return name

    def _free(self, name: str) -> str:
        taken = set(self._names.values())
        return next(one for one in (name, *(f"{name}{number}" for number in range(2, 999))) if one not in taken)

    def _field(self, wire_name: str, schema: Schema, *, is_required: bool) -> str:
        attribute = snake_case(re.sub(r"\W", "_", wire_name))
        type_ = self.type(schema, wire_name, is_optional=not is_required or bool(schema.get("nullable")))
        first, *rest = attribute.split("_")
        arguments = [] if is_required else ["default=None"]
        if first + "".join(part.capitalize() for part in rest) != wire_name:
            return f"{attribute}: {type_} = msgspec.field({', '.join([*arguments, f'name={wire_name!r}'])})"
        return f"{attribute}: {type_}" + ("" if is_required else " = None")

    def type(self, schema: Schema, name: str, *, is_optional: bool = False) -> str:
        """Write the type of a value, with what is said of it."""
        bare, used = self._bare(schema, name)
        rest = {k: v for k, v in schema.items() if k not in used and k not in _SHAPE}
        if bare.startswith("class "):
            bare, rest = bare.removeprefix("class "), {k: v for k, v in rest.items() if k in ("default", "nullable")}
        meta = {}
        if not bare.startswith(("Literal", "int |", "dict")):
            known = _META.get(schema.get("type", ""), {})
            meta = {known[k]: v for k, v in rest.items() if k in known and not _is_odd(k, v)}
            rest = {k: v for k, v in rest.items() if k not in known or _is_odd(k, v)}
        if bare == "object":
            bare, rest = "dict[str, Any]", {"type": "object", **rest}
        if meta:
            bare = f"Annotated[{bare}, Meta({', '.join(f'{k}={v!r}' for k, v in meta.items())})]"
        if is_optional and bare != "Any":
            bare = f"{bare} | None"
        said = _arguments(rest)
        return f"Annotated[{bare}, Schema({said})]" if said else bare

    def _bare(self, schema: Schema, name: str) -> tuple[str, set[str]]:
        """A Python type, and the keywords that it says itself; `class NAME` for a class, `object` for a bare object."""
        if schema.get("x-kubernetes-int-or-string"):
            return "int | str", {"anyOf"} if schema.get("anyOf") == _INT_OR_STRING else set()
        values = schema.get("enum")
        if values and schema.get("type") == "string" and all(isinstance(value, str) for value in values):
            return f"Literal[{', '.join(map(repr, values))}]", {"enum"}
        match schema.get("type"):
            case "array":
                return f"list[{self.type(schema.get('items') or {}, name)}]", set()
            case "object":
                return self._bare_object(schema, name)
            case str(known):
                return _SCALARS[known], set()
        return "Any", {"x-kubernetes-preserve-unknown-fields"}

    def _bare_object(self, schema: Schema, name: str) -> tuple[str, set[str]]:
        if "properties" in schema:
            return f"class {self.object(schema, _class_name(name))}", set()
        if isinstance(schema.get("additionalProperties"), Mapping):
            return f"dict[str, {self.type(schema['additionalProperties'], name)}]", set()
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return "dict[str, Any]", {"x-kubernetes-preserve-unknown-fields"}
        return "object", set()


def _is_odd(keyword: str, value: Any) -> bool:
    """Whether a limit cannot stand in msgspec's Meta: a pattern in another language than Python's, a length of 0."""
    if keyword == "pattern":
        try:
            re.compile(value)
        except re.error:
            return True
    return keyword == "minLength" and value == 0


def _class_name(field: str) -> str:
    name = re.sub(r"\W", "", field)
    return name[:1].upper() + name[1:]


def _arguments(rest: Schema) -> str:
    """What is said of a value, as arguments of Schema."""
    parts, more = [], {}
    for keyword, value in rest.items():
        if keyword in _SAID:
            parts.append(f"{_SAID[keyword]}={value!r}")
        elif keyword == "type":
            parts.append(f"type={value!r}")
        elif keyword == "default":
            parts.append(f"default={value!r}")
        elif keyword == "x-kubernetes-list-map-keys":
            parts.append(f"list_map_keys={tuple(value)!r}")
        elif keyword == "x-kubernetes-preserve-unknown-fields" and value:
            parts.append("unknown_fields=True")
        elif keyword != _RULES:
            more[keyword] = value
    if more:
        parts.append(f"more={more!r}")
    return ", ".join(parts)


def _without_prose(value: Any, *, is_properties: bool = False) -> Any:
    match value:
        case Mapping():
            kept = value if is_properties else {k: v for k, v in value.items() if k not in ("description", _RULES)}
            return {
                k: _without_prose(v, is_properties=not is_properties and k == "properties") for k, v in kept.items()
            }
        case list():
            return [_without_prose(one) for one in value]
    return value


def normal(schema: Any, *, is_properties: bool = False) -> Any:
    """Return a schema as it counts here: without prose and rules, sets in one order, and one way to say a thing."""
    match schema:
        case Mapping() if is_properties:
            return {name: normal(one) for name, one in schema.items()}
        case Mapping():
            kept = {k: v for k, v in schema.items() if k not in ("description", _RULES) and v is not False}
            if kept.get("x-kubernetes-int-or-string") and kept.get("anyOf") == _INT_OR_STRING:
                del kept["anyOf"]
            if kept.get("x-kubernetes-list-type") == "atomic":
                del kept["x-kubernetes-list-type"]
            if kept.get("x-kubernetes-list-map-keys"):
                kept["x-kubernetes-list-type"] = "map"
            if "required" in kept:
                kept["required"] = sorted(set(kept["required"]) - {"metadata", "apiVersion", "kind"})
            kept = {k: v for k, v in kept.items() if v not in ([], {}, None) or k == "default"}
            return {
                k: v if k == "default" else normal(v, is_properties=k == "properties") for k, v in sorted(kept.items())
            }
        case list():
            return [normal(one) for one in schema]
    return schema


def normal_versions(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of each version of a definition as it counts; what each object has goes without saying."""
    found = {}
    for version in definition["spec"]["versions"]:
        schema = normal(version["schema"]["openAPIV3Schema"])
        for name, plain in (("apiVersion", "string"), ("kind", "string"), ("metadata", "object")):
            if schema["properties"].get(name) == {"type": plain}:
                del schema["properties"][name]
        found[version["name"]] = schema
    return found


def digest_of(definition: Mapping[str, Any]) -> str:
    """Return a digest of what the schemas of a definition say."""
    return hashlib.sha256(json.dumps(normal_versions(definition), sort_keys=True).encode()).hexdigest()


def write(definition: Mapping[str, Any]) -> str:
    """Return the text of a module with the classes of a definition and its resources."""
    spec, writer = definition["spec"], Writer()
    kind, resources, exported = spec["names"]["kind"], [], []
    for version in spec["versions"]:
        schema = dict(version["schema"]["openAPIV3Schema"])
        properties = dict(schema["properties"])
        own = {name: one for name, one in properties.items() if name not in ("apiVersion", "kind", "metadata")}
        name = writer.object({**schema, "properties": own}, kind)
        said = [f"storage={version['storage']}"]
        if spec["group"].endswith(".k8s.io"):
            said.append("annotations={'api-approved.kubernetes.io': 'unapproved, for tests'}")
        if "status" not in (version.get("subresources") or {}):
            said.append("status=False")
        constant = f"{re.sub(r'(?<!^)(?=[A-Z])', '_', kind).upper()}_{version['name'].upper()}"
        exported.append(constant)
        resources.append(
            f"{constant} = custom_resource(group={spec['group']!r}, version={version['name']!r}, kind={kind!r}, "
            f"plural={spec['names']['plural']!r}, scope=Scope.{spec['scope'].upper()}, "
            f"definition=Definition({', '.join(said)})).of({name})"
        )
    body = (
        "\n\n".join(writer.classes.values())
        + "\n\n"
        + "\n".join(resources)
        + f"\n\nVERSIONS = ({', '.join(exported)},)\n"
    )
    words = [word for word in ("Annotated", "Any", "Literal") if re.search(rf"\b{word}\b", body)]
    ours = [word for word in ("Definition", "Schema", "Scope", "custom_resource") if re.search(rf"\b{word}\b", body)]
    return (
        f'"""{kind} of {spec["group"]}, as classes."""\n\nfrom __future__ import annotations\n\n'
        f"from typing import {', '.join(words)}\n\nimport msgspec\n"
        + ("from msgspec import Meta\n" if "Meta(" in body else "")
        + f"\nfrom ctrlkit.model import {', '.join(ours)}\n\n\n{body}"
    )


def without_rules(schema: Any) -> Any:
    """Return a schema without its rules in CEL."""
    match schema:
        case Mapping():
            return {name: without_rules(one) for name, one in schema.items() if name != _RULES}
        case list():
            return [without_rules(one) for one in schema]
    return schema


def find(path: Path, name: str) -> Mapping[str, Any]:
    """Return the definition of a name from a file."""
    with path.open() as file:
        documents: Iterator[Any] = yaml.load_all(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return next(one for one in documents if one and one.get("metadata", {}).get("name") == name)


def main(arguments: Sequence[str]) -> None:
    """Print the module."""
    path, name = arguments
    sys.stdout.write(write(find(Path(path), name)))


if __name__ == "__main__":
    main(sys.argv[1:])
