"""
Where the type of a kind and a CustomResourceDefinition disagree about its objects. Pure.

Two who ask are told different things. Whoever reads a kind, its own or somebody else's, is told what makes the class
read something else than what is stored (`disagreements`). Whoever owns the kind is told all that gives an object
another verdict than the class's own definition would (`disagreements(..., owned=True)`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ctrlkit.crd.manifest import definition_of
from ctrlkit.crd.narrowing import Aspect, Difference, JsonSchema, Words, listed, narrowings
from ctrlkit.crd.schema import EMPTY, OF_EACH_OBJECT, object_schema_of
from ctrlkit.model import AnyResource
from ctrlkit.model.values import same

_LOST: Final = Words("the class reads", "the definition", dropped="the class reads it, the definition does not have it")
_UNCONVERTED: Final = Words(
    dropped="the version that is stored does not have it, and nothing converts, so it is dropped; write @conversion "
    "functions"
)
_UNREAD: Final = Words("the definition says", "the class", wide_sets_defaults=True)
_REFUSED: Final = Words(
    "the class says", "the definition", rule="the definition has a rule that the class does not have"
)
_UNCHECKED: Final = Words(
    "the definition says",
    "the class",
    rule="the class has a rule that the definition does not have",
    wide_sets_defaults=True,
)

_MATTERS_FOR_READING: Final = frozenset(
    {Aspect.TYPE, Aspect.REQUIRED, Aspect.NULL, Aspect.VALUES, Aspect.LIMIT, Aspect.FORMAT, Aspect.RULE}
)
_ONLY_THERE: Final = frozenset({Aspect.FIELD, Aspect.OPEN})
"""What only the definition has, which a class need not know."""


def disagreements(resource: AnyResource, definition: Mapping[str, Any], *, owned: bool = False) -> list[Difference]:
    """
    Return where the type of a resource and a CustomResourceDefinition disagree about its objects.

    These are fields that the class reads and the server drops, values that the server lets through and the class cannot
    read, and defaults that differ. What only the definition has is no disagreement: a class reads what it needs. With
    `owned` the class is the truth about the kind: what the definition refuses and the class does not, and the other way
    round, are differences too.
    """
    spec = definition.get("spec") or {}
    found = list(_disagreeing_names(resource, spec))
    version = next((one for one in spec.get("versions") or () if one.get("name") == resource.version), None)
    if version is None:
        known = listed([one.get("name") for one in spec.get("versions") or ()])
        fact = f"version {resource.version} of the class is not in the definition, which has {known}"
        return [*found, Difference("", Aspect.VERSION, fact)]
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return found + schema_disagreements(resource, schema, owned=owned)


def unconverted(definition: Mapping[str, Any]) -> list[tuple[str, Difference]]:
    """
    Return the fields that versions have and the stored one does not, each with its version; none where a webhook
    converts: a server drops what is written to them.
    """
    spec = definition.get("spec") or {}
    if (spec.get("conversion") or {}).get("strategy") == "Webhook":
        return []
    schemas: dict[str, JsonSchema] = {
        one["name"]: (one.get("schema") or {}).get("openAPIV3Schema") or {}
        for one in sorted(spec.get("versions") or (), key=lambda one: not one.get("storage"))
    }
    stored, *others = list(schemas) or [""]
    return [
        (name, one)
        for name in others
        for one in narrowings(schemas[name], schemas[stored], words=_UNCONVERTED)
        if one.aspect is Aspect.FIELD
    ]


def schema_disagreements(resource: AnyResource, served: JsonSchema, *, owned: bool = False) -> list[Difference]:
    """Return where the type of a resource and the schema of its objects that a server has disagree."""
    read, there = (without_metadata(one) for one in (object_schema_of(resource.type, enforced=True), served))
    found = [one for one in narrowings(read, there, words=_LOST) if one.aspect is Aspect.FIELD]
    found += [one for one in narrowings(there, read, words=_UNREAD) if one.aspect in _MATTERS_FOR_READING]
    found += _defaults(read, there, "")
    if owned:
        whole, there = (with_open_metadata(one) for one in (object_schema_of(resource.type), served))
        found += narrowings(whole, there, words=_REFUSED)
        found += [one for one in narrowings(there, whole, words=_UNCHECKED) if one.aspect not in _ONLY_THERE]
    return list(_each_once(found))


def _each_once(found: Sequence[Difference]) -> Iterator[Difference]:
    """The first one of those that say the same of a place; a field that is not there needs not be required too."""
    told: set[tuple[str, Aspect]] = set()
    for one in found:
        if (one.path, one.aspect) in told or (one.aspect is Aspect.REQUIRED and (one.path, Aspect.FIELD) in told):
            continue
        told |= {(one.path, one.aspect)} if one.aspect is not Aspect.RULE else set()
        yield one


def without_metadata(schema: JsonSchema) -> JsonSchema:
    """Return the schema of objects without the fields that each object has."""
    kept = {name: one for name, one in (schema.get("properties") or {}).items() if name not in OF_EACH_OBJECT}
    required = [name for name in schema.get("required") or () if name not in OF_EACH_OBJECT]
    return {**schema, "properties": kept, "required": required}


def with_open_metadata(schema: JsonSchema) -> JsonSchema:
    """Return the schema of objects, and of the fields that each object has no more than limits on its metadata."""
    whole = without_metadata(schema)
    metadata = (schema.get("properties") or {}).get("metadata") or {}
    limited = {
        name: one for name, one in (metadata.get("properties") or {}).items() if name in ("name", "generateName")
    }
    for_all = {"name": {"type": "string"}, "generateName": {"type": "string"}}
    said = {"type": "object", "properties": for_all | limited}
    return {**whole, "properties": {**whole["properties"], "metadata": said}}


def _defaults(read: JsonSchema, served: JsonSchema, path: str) -> Iterator[Difference]:
    """What an absent field reads as, and what a server makes of it."""
    for name, schema in (read.get("properties") or {}).items():
        other = (served.get("properties") or {}).get(name)
        if other is None:
            continue
        where = f"{path}.{name}" if path else name
        ours, theirs = completed(schema.get("default"), schema), completed(other.get("default"), other)
        if "default" not in schema and name not in (read.get("required") or ()) and theirs not in EMPTY:
            fact = f"the class has an empty default, or one that no definition has, the definition {theirs!r}"
            yield Difference(where, Aspect.DEFAULT, fact)
        elif "default" in schema and "default" in other and not same(ours, theirs):
            fact = f"the class has the default {ours!r}, the definition {theirs!r}"
            yield Difference(where, Aspect.DEFAULT, fact)
        yield from _defaults(schema, other, where)
    for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(read.get(part), Mapping) and isinstance(served.get(part), Mapping):
            yield from _defaults(read[part], served[part], f"{path}{mark}")


def completed(value: Any, schema: JsonSchema) -> Any:
    """
    Return a default with the defaults that a server sets inside of it.

    >>> completed({}, {"type": "object", "properties": {"size": {"type": "integer", "default": 3}}})
    {'size': 3}
    """
    if isinstance(value, list):
        return [completed(one, schema.get("items") or {}) for one in value]
    if not isinstance(value, Mapping):
        return value
    whole = dict(value)
    for name, one in (schema.get("properties") or {}).items():
        inner = whole.get(name, one.get("default"))
        if name in whole or inner is not None:
            whole[name] = completed(inner, one)
    return whole


def _disagreeing_names(resource: AnyResource, spec: Mapping[str, Any]) -> Iterator[Difference]:
    names = spec.get("names") or {}
    for what, ours, theirs in (
        ("group", resource.group, spec.get("group")),
        ("kind", resource.kind, names.get("kind")),
        ("plural", resource.plural, names.get("plural")),
        ("scope", resource.scope.value, spec.get("scope")),
    ):
        if ours != theirs:
            yield Difference("", Aspect.NAME, f"{what} of the class is {ours}, of the definition {theirs}")


def outdated_parts(definition: Mapping[str, Any], *versions: AnyResource) -> list[str]:
    """
    Return the paths at which a definition is not what the types of its versions give; none where it is the same.

    Types know nothing of how objects are converted, so `spec.conversion` is left out.
    """
    spec = {name: part for name, part in (definition.get("spec") or {}).items() if name != "conversion"}
    return list(_unequal(definition_of(*versions)["spec"], spec, "spec"))


def _unequal(wanted: Any, there: Any, path: str) -> Iterator[str]:
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        for name in sorted(wanted.keys() | there.keys()):
            yield from _unequal(wanted.get(name), there.get(name), f"{path}.{name}")
    elif isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        for number, (one, other) in enumerate(zip(wanted, there, strict=True)):
            yield from _unequal(one, other, f"{path}[{number}]")
    elif wanted != there:
        yield path
