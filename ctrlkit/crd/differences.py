"""
What one structural schema accepts and another refuses or drops. Pure.

Two questions are answered with it: where a class and a definition disagree (`disagreements`), and what a new definition
breaks of objects that are stored under an old one (`breaking_changes`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, NamedTuple

from ctrlkit.crd.manifest import definition_of
from ctrlkit.crd.schema import OF_EACH_OBJECT, object_schema_of
from ctrlkit.model import AnyResource

JsonSchema = Mapping[str, Any]

_UNKNOWN: Final = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"

_UPPER: Final = ("maximum", "maxLength", "maxItems", "maxProperties")
_LOWER: Final = ("minimum", "minLength", "minItems", "minProperties")
_ALTERNATIVES: Final = ("allOf", "anyOf", "oneOf", "not")


class Aspect(Enum):
    """What differs."""

    FIELD = "field"
    OPEN = "open"
    TYPE = "type"
    REQUIRED = "required"
    NULL = "null"
    VALUES = "values"
    LIMIT = "limit"
    FORMAT = "format"
    LIST = "list"
    RULE = "rule"
    DEFAULT = "default"
    VERSION = "version"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Difference:
    """
    A place where two schemas differ, and how.

    >>> print(Difference("spec.size", Aspect.TYPE, "was integer, is string"))
    spec.size: was integer, is string
    """

    path: str
    aspect: Aspect
    fact: str

    def __str__(self) -> str:
        return f"{self.path}: {self.fact}" if self.path else self.fact


class Words(NamedTuple):
    """How a fact calls the two sides, and what it says of a field that only the first one has."""

    wide: str = "was"
    narrow: str = "is"
    dropped: str = "was a field, is dropped"


_CHANGED: Final = Words()
_LOST: Final = Words(dropped="the class reads it, the definition does not have it")
_UNREAD: Final = Words("the definition says", "the class")


def narrowings(wide: JsonSchema, narrow: JsonSchema, *, words: Words = _CHANGED) -> list[Difference]:
    """
    Return where something that the first schema accepts is refused or dropped by the second one.

    >>> for one in narrowings({"type": "integer", "maximum": 9}, {"type": "integer", "maximum": 5}):
    ...     print(one.fact)
    maximum was 9, is 5
    """
    return list(_narrowings(wide, narrow, "", words))


def _narrowings(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    if _accepts_anything(narrow):
        return
    if not _types(wide) <= _types(narrow):
        fact = f"{words.wide} {_type_name(wide)}, {words.narrow} {_type_name(narrow)}"
        yield Difference(path, Aspect.TYPE, fact)
        return
    if wide.get("nullable") and not narrow.get("nullable"):
        yield Difference(path, Aspect.NULL, f"{words.wide} nullable, {words.narrow} not")
    yield from _values(wide, narrow, path, words)
    yield from _limits(wide, narrow, path, words)
    yield from _lists(wide, narrow, path, words)
    yield from _rules(wide, narrow, path)
    yield from _fields(wide, narrow, path, words)
    if "items" in wide and "items" in narrow:
        yield from _narrowings(wide["items"], narrow["items"], f"{path}[]", words)


def _values(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    if "enum" not in narrow:
        return
    if "enum" not in wide:
        fact = f"{words.wide} any {_type_name(wide)}, {words.narrow} one of {_list(narrow['enum'])}"
        yield Difference(path, Aspect.VALUES, fact)
        return
    gone = [value for value in wide["enum"] if value not in narrow["enum"]]
    if gone:
        yield Difference(path, Aspect.VALUES, f"{words.wide} {_list(gone)} too, {words.narrow} {_list(narrow['enum'])}")


def _limits(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    for name in (*_UPPER, *_LOWER):
        limit, before = narrow.get(name), wide.get(name)
        if limit is None or (name in ("minLength", "minItems", "minProperties") and limit == 0):
            continue
        exclusive = f"exclusive{name.capitalize()}"
        is_tighter = before is None or (limit < before if name in _UPPER else limit > before)
        if is_tighter or (limit == before and narrow.get(exclusive) and not wide.get(exclusive)):
            had = "not limited" if before is None else before
            yield Difference(path, Aspect.LIMIT, f"{name} {words.wide} {had}, {words.narrow} {limit}")
    for name in ("pattern", "multipleOf"):
        if name in narrow and narrow[name] != wide.get(name):
            had = wide.get(name, "not limited")
            yield Difference(path, Aspect.LIMIT, f"{name} {words.wide} {had}, {words.narrow} {narrow[name]}")
    if "format" in narrow and narrow["format"] != wide.get("format") and not _is_wider_format(wide, narrow):
        had = wide.get("format", "free")
        yield Difference(path, Aspect.FORMAT, f"format {words.wide} {had}, {words.narrow} {narrow['format']}")


def _is_wider_format(wide: JsonSchema, narrow: JsonSchema) -> bool:
    return narrow["format"] in ("int64", "double") or (wide.get("format"), narrow["format"]) == ("float", "double")


def _lists(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    had, has = (one.get("x-kubernetes-list-type", "atomic") for one in (wide, narrow))
    if has not in ("atomic", had):
        yield Difference(
            path, Aspect.LIST, f"list type {words.wide} {had}, {words.narrow} {has}: equal items are refused"
        )
        return
    keys, old = (one.get("x-kubernetes-list-map-keys", []) for one in (narrow, wide))
    if has == "map" and sorted(keys) != sorted(old):
        yield Difference(path, Aspect.LIST, f"list keys {words.wide} {_list(old)}, {words.narrow} {_list(keys)}")


def _rules(wide: JsonSchema, narrow: JsonSchema, path: str) -> Iterator[Difference]:
    had = {rule.get("rule") for rule in wide.get("x-kubernetes-validations", ())}
    for rule in narrow.get("x-kubernetes-validations", ()):
        if rule.get("rule") not in had:
            yield Difference(path, Aspect.RULE, f"has a rule that was not there: {rule.get('rule')}")
    for name in _ALTERNATIVES:
        if name in narrow and narrow[name] != wide.get(name):
            yield Difference(path, Aspect.RULE, f"has another {name}, which may refuse what was accepted")


def _fields(wide: JsonSchema, narrow: JsonSchema, path: str, words: Words) -> Iterator[Difference]:
    inner, known = wide.get("properties", {}), narrow.get("properties", {})
    others = narrow.get("additionalProperties")
    for name, schema in inner.items():
        where = f"{path}.{name}" if path else name
        if name in known:
            yield from _narrowings(schema, known[name], where, words)
        elif isinstance(others, Mapping):
            yield from _narrowings(schema, others, where, words)
        elif not others and not narrow.get(_UNKNOWN):
            yield Difference(where, Aspect.FIELD, words.dropped + _near(name, known))
    values = wide.get("additionalProperties")
    if isinstance(values, Mapping) and isinstance(others, Mapping):
        yield from _narrowings(values, others, f"{path}{{}}", words)
    elif values and not others and not narrow.get(_UNKNOWN):
        yield Difference(path, Aspect.OPEN, f"{words.wide} a mapping with any keys, {words.narrow} dropped")
    elif wide.get(_UNKNOWN) and not narrow.get(_UNKNOWN) and not others:
        yield Difference(path, Aspect.OPEN, f"{words.wide} open to any field, {words.narrow} not: others are dropped")
    for name in narrow.get("required", ()):
        if name not in wide.get("required", ()) and "default" not in known.get(name, {}):
            where = f"{path}.{name}" if path else name
            yield Difference(where, Aspect.REQUIRED, f"{words.wide} optional, {words.narrow} required")


def _near(name: str, known: Mapping[str, Any]) -> str:
    """What a field may be called on the other side."""
    same = [other for other in known if _letters(other) == _letters(name)]
    near = same or difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _letters(name: str) -> str:
    return name.replace("_", "").lower()


def _accepts_anything(schema: JsonSchema) -> bool:
    return bool(schema.get(_UNKNOWN)) and "type" not in schema and "properties" not in schema


def _types(schema: JsonSchema) -> frozenset[str]:
    if schema.get(_INT_OR_STRING):
        return frozenset({"integer", "string"})
    if "type" not in schema:
        return frozenset({"integer", "string", "number", "boolean", "array", "object"})
    return frozenset({"integer", "number"} if schema["type"] == "number" else {schema["type"]})


def _type_name(schema: JsonSchema) -> str:
    if schema.get(_INT_OR_STRING):
        return "integer or string"
    return str(schema.get("type") or "any value")


def _list(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values)) or "none"


# ---- a class and a definition ----------------------------------------------------------------------------------------

_MATTERS_FOR_READING: Final = frozenset(
    {Aspect.TYPE, Aspect.REQUIRED, Aspect.NULL, Aspect.VALUES, Aspect.LIMIT, Aspect.FORMAT}
)


def disagreements(resource: AnyResource, definition: Mapping[str, Any]) -> list[Difference]:
    """
    Return where the type of a resource and a CustomResourceDefinition disagree about its objects.

    These are fields that the class reads and the server drops, values that the server lets through and the class cannot
    read, and defaults that differ. What only the definition has is no disagreement: a class reads what it needs.
    """
    spec = definition.get("spec") or {}
    found = list(_disagreeing_names(resource, spec))
    version = next((one for one in spec.get("versions") or () if one.get("name") == resource.version), None)
    if version is None:
        known = _list([one.get("name") for one in spec.get("versions") or ()])
        fact = f"version {resource.version} of the class is not in the definition, which has {known}"
        return [*found, Difference("", Aspect.VERSION, fact)]
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return found + schema_disagreements(resource, schema)


def schema_disagreements(resource: AnyResource, served: JsonSchema) -> list[Difference]:
    """Return where the type of a resource and the schema of its objects that a server has disagree."""
    read, served = (_without_metadata(one) for one in (object_schema_of(resource.type, enforced=True), served))
    return [
        *(one for one in narrowings(read, served, words=_LOST) if one.aspect is Aspect.FIELD),
        *(one for one in narrowings(served, read, words=_UNREAD) if one.aspect in _MATTERS_FOR_READING),
        *_defaults(read, served, ""),
    ]


def _without_metadata(schema: JsonSchema) -> JsonSchema:
    kept = {name: one for name, one in (schema.get("properties") or {}).items() if name not in OF_EACH_OBJECT}
    required = [name for name in schema.get("required") or () if name not in OF_EACH_OBJECT]
    return {**schema, "properties": kept, "required": required}


def _defaults(read: JsonSchema, served: JsonSchema, path: str) -> Iterator[Difference]:
    for name, schema in (read.get("properties") or {}).items():
        other = (served.get("properties") or {}).get(name)
        if other is None:
            continue
        where = f"{path}.{name}" if path else name
        if "default" in schema and "default" in other and schema["default"] != other["default"]:
            fact = f"the class has the default {schema['default']!r}, the definition {other['default']!r}"
            yield Difference(where, Aspect.DEFAULT, fact)
        yield from _defaults(schema, other, where)
        if "items" in schema and "items" in other:
            yield from _defaults(schema["items"], other["items"], f"{where}[]")


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


# ---- an old and a new definition -------------------------------------------------------------------------------------


def breaking_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """
    Return what a new CustomResourceDefinition breaks for objects that exist under an old one, and for their clients.

    `old` may be what a cluster printed: its `status.storedVersions` then say in which versions objects are stored.
    """
    before, after = old.get("spec") or {}, new.get("spec") or {}
    found = [
        Difference(
            "", Aspect.NAME, f"{what} was {was}, is {now}: that is another kind to a server; make a new definition"
        )
        for what, was, now in (
            ("group", before.get("group"), after.get("group")),
            ("scope", before.get("scope"), after.get("scope")),
            *((what, *((one.get("names") or {}).get(what) for one in (before, after))) for what in ("plural", "kind")),
        )
        if was != now
    ]
    versions = {one["name"]: one for one in after.get("versions") or ()}
    stored_in = (old.get("status") or {}).get("storedVersions") or [_storage_of(before)]
    found += _lost_versions(before, versions, stored_in)
    for one in before.get("versions") or ():
        if one["name"] in versions:
            found += [
                replace(each, path=f"{one['name']} {each.path}".rstrip())
                for each in _between(one, versions[one["name"]])
            ]
    was, now = _storage_of(before), _storage_of(after)
    if was != now and now in versions:
        fact = (
            f"objects are stored as {was}, new ones will be as {now}: rewrite those that are there, then take {was} "
            "out of status.storedVersions, before a later definition may leave it out"
        )
        found.append(Difference("", Aspect.VERSION, fact))
        if (after.get("conversion") or {}).get("strategy", "None") == "None" and was in versions:
            found += [
                replace(each, path=f"{was} to {now} {each.path}".rstrip())
                for each in _between(versions[was], versions[now])
            ]
    return found


def _lost_versions(
    before: Mapping[str, Any], versions: Mapping[str, Any], stored_in: Sequence[str]
) -> Iterator[Difference]:
    for one in before.get("versions") or ():
        name = one["name"]
        if name not in versions and name in stored_in:
            fact = (
                f"version {name} is left out while objects may be stored in it (status.storedVersions): that is refused"
            )
            yield Difference("", Aspect.VERSION, fact)
        elif name not in versions and one.get("served"):
            yield Difference("", Aspect.VERSION, f"version {name} is left out: its clients get 404")
        elif name in versions and one.get("served") and not versions[name].get("served"):
            yield Difference("", Aspect.VERSION, f"version {name} is served no more: its clients get 404")


def _between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    schemas = [_without_metadata((one.get("schema") or {}).get("openAPIV3Schema") or {}) for one in (old, new)]
    return narrowings(schemas[0], schemas[1])


def _storage_of(spec: Mapping[str, Any]) -> str:
    return next((str(one["name"]) for one in spec.get("versions") or () if one.get("storage")), "")


def outdated_parts(definition: Mapping[str, Any], *versions: AnyResource) -> list[str]:
    """Return the paths at which a definition is not what the types of its versions give; none where it is the same."""
    return list(_unequal(definition_of(*versions).get("spec"), definition.get("spec"), "spec"))


def _unequal(wanted: Any, there: Any, path: str) -> Iterator[str]:
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        for name in sorted(wanted.keys() | there.keys()):
            yield from _unequal(wanted.get(name), there.get(name), f"{path}.{name}")
    elif isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        for number, (one, other) in enumerate(zip(wanted, there, strict=True)):
            yield from _unequal(one, other, f"{path}[{number}]")
    elif wanted != there:
        yield path
