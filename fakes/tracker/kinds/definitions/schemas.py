"""
Rules of the schema of a definition's version: its keywords, its defaults, the rules that are expressions.

The causes come in the server's order: what keeps the schema from being structural, or else defaults that do not fit;
what is wrong with keywords, each node after those below it but for its own type; and then expressions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from ctrlkit.fakes.tracker.kinds.definitions.defaults import default_causes
from ctrlkit.fakes.tracker.kinds.definitions.lists import list_causes, map_causes
from ctrlkit.fakes.tracker.kinds.definitions.structural import EMBEDDED, PRESERVE, structural_causes, unsupported
from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.custom import CustomSchema, has_expressions
from ctrlkit.fakes.tracker.schema.internal import internal_text

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.cel.definitions import Place, Total

_REMEMBERED = 64
"""How many schemas are remembered, with what is wrong with them."""

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_META = ("metadata", "kind", "apiVersion")
_AT_A_ROOT_WITH_STATUS = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern "
    "MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields "
    "XValidations"
)
"""Keywords at the root of a schema that say nothing about a status, by the names of Go."""

_OTHERS = (
    "id $schema $ref type nullable default enum maxProperties minProperties allOf oneOf anyOf not additionalProperties "
    "patternProperties dependencies additionalItems definitions x-kubernetes-embedded-resource "
    "x-kubernetes-int-or-string x-kubernetes-list-map-keys x-kubernetes-list-type x-kubernetes-map-type"
)
_ELSEWHERE_ONLY = tuple(_OTHERS.split())
"""The other keywords, in the server's order; the type is among them because only one is allowed."""


def schema_causes(validation: Object, path: str, *, has_status: bool, is_unchanged: bool) -> list[Cause]:
    """
    Return what is wrong with a version's schema.

    Shape   `has_status` says that the version has a status subresource; `is_unchanged` that its schema was stored
            before, so that a rule of it may cost more than a new one.
    """
    schema = validation.get("openAPIV3Schema")
    if schema is None:
        return []
    try:
        text = msgspec.json.encode(schema)
    except (TypeError, ValueError, OverflowError):  # no schema that comes from JSON
        return _causes_of(schema, path, has_status=has_status, is_unchanged=is_unchanged)
    found = _judged(text, path, has_status=has_status, is_unchanged=False)
    if found and is_unchanged:  # less is asked of it than of a new one
        found = _judged(text, path, has_status=has_status, is_unchanged=True)
    return list(found)


@functools.lru_cache(maxsize=_REMEMBERED)
def _judged(text: bytes, path: str, *, has_status: bool, is_unchanged: bool) -> Sequence[Cause]:
    """Judge a schema once, whatever number of servers it is given to: each test has a server of its own."""
    return _causes_of(msgspec.json.decode(text), path, has_status=has_status, is_unchanged=is_unchanged)


def _causes_of(schema: Object, path: str, *, has_status: bool, is_unchanged: bool) -> list[Cause]:
    root = f"{path}.openAPIV3Schema"
    found = list(_root_causes(schema, root, has_status=has_status))
    problem = unsupported(schema)
    broken = [] if problem else structural_causes(schema, root) or default_causes(schema, root)
    review = _Review.of(schema, root, is_compiled=not problem and not broken, is_unchanged=is_unchanged)
    found += [*broken, *review.causes(schema)]
    if not found and problem:
        found.append(Cause.wrong(root, "", problem))
    return found or list(_unusable_causes(schema, path))


def _root_causes(schema: Object, root: str, *, has_status: bool) -> Iterator[Cause]:
    is_right = schema.get("type", "object") == "object"
    given = [word for word in _ELSEWHERE_ONLY if word in schema and not (word == "type" and is_right)]
    if not has_status:
        given = []
    if given[:1] == ["type"]:
        text = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        yield Cause.wrong(f"{root}.type", schema["type"], text)
    elif given:
        words = f"[{_AT_A_ROOT_WITH_STATUS}]"
        text = f"only {words} fields are allowed at the root of the schema if the status subresource is enabled"
        yield Cause.invalid(root, internal_text("JSONSchemaProps", schema), text)
    if schema.get("nullable"):
        yield Cause.forbidden(f"{root}.nullable", "nullable cannot be true at the root")


def _unusable_causes(schema: Object, path: str) -> Iterator[Cause]:
    """Refuse a schema that no validator can be built for."""
    try:
        CustomSchema(schema).check()
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        yield Cause.invalid(path, '""', f"error building validator: {reason}")


# ---- the nodes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Site:
    """
    Where a node is.

    Shape   `no_default` says why it may have no default, None if it may; `in_meta` that it is within the metadata of an
            object; `cel` is where it is for expressions, None where these are not looked at.
    """

    path: str
    no_default: str | None = None
    in_meta: bool = False
    cel: Place | None = None
    is_root: bool = False

    def below(self, step: str, cel: Place | None = None) -> _Site:
        return replace(self, path=f"{self.path}.{step}", cel=cel, is_root=False)


@dataclass(slots=True)
class _Review:
    """The review of one schema: what was found, keywords and expressions apart."""

    root: _Site
    total: Total | None = None
    found: list[Cause] = field(default_factory=list)
    expressions: list[Cause] = field(default_factory=list)

    @classmethod
    def of(cls, schema: Object, path: str, *, is_compiled: bool, is_unchanged: bool) -> _Review:
        """Begin a review. Expressions are compiled if the schema is structural."""
        site = _Site(path, is_root=True)
        if not (is_compiled and has_expressions(schema)):
            return cls(site)
        from ctrlkit.fakes.tracker.cel import definitions  # noqa: PLC0415  # only schemas with rules need it

        return cls(replace(site, cel=definitions.root_place(path)), definitions.Total(is_unchanged=is_unchanged))

    def causes(self, schema: Object) -> list[Cause]:
        """Review all nodes of a schema."""
        self._node(schema, self.root)
        over = self.total.causes(self.root.path) if self.total else ()
        return [*self.found, *self.expressions, *over]

    def _node(self, node: Object, site: _Site) -> None:
        before = len(self.found)
        self.found += _keyword_causes(node, site)
        places: Mapping[str, Place] = {}
        place = site.cel
        if place is not None and self.total is not None:
            place = place.entered(node)
            places = place.below(node)
        for inner, below in _below(node, site, places):
            self._node(inner, below)
        self.found += _shape_causes(node, site.path)
        rules = node.get("x-kubernetes-validations")
        if not rules:
            return
        from ctrlkit.fakes.tracker.cel import definitions  # noqa: PLC0415  # only schemas with rules need it

        self.found += definitions.form_causes(node, site.path, is_readable=not unsupported(node))
        if place is not None and self.total is not None and len(self.found) == before:
            self.expressions += definitions.rule_causes(node, place, self.total)


def _below(node: Object, site: _Site, places: Mapping[str, Place]) -> Iterator[tuple[Object, _Site]]:
    """Yield the nodes below a node, in the server's order."""

    def at(step: str, **more: Any) -> _Site:
        return replace(site.below(step, places.get(f"{site.path}.{step}")), **more)

    if isinstance(node.get("additionalProperties"), Mapping):
        barred = "inside additionalProperties applying to object metadata" if site.in_meta else site.no_default
        yield node["additionalProperties"], at("additionalProperties", no_default=barred)
    for name, inner in (node.get("properties") or {}).items():
        more: dict[str, Any] = {}
        if (site.is_root or node.get(EMBEDDED)) and name in _META:
            more = {"in_meta": True} | ({"no_default": f"in top-level {name}"} if site.is_root else {})
        yield inner, at(f"properties[{name}]", **more)
    for inner, step in _combined(node):
        yield inner, site.below(step)
    for inner, step in _items(node.get("items")):
        yield inner, at(step)
    for name, inner in (node.get("dependencies") or {}).items():
        if isinstance(inner, Mapping):
            yield inner, site.below(f"dependencies[{name}]")


def _combined(node: Object) -> Iterator[tuple[Object, str]]:
    if node.get("not") is not None:
        yield node["not"], "not"
    for word in ("allOf", "oneOf", "anyOf"):
        for index, inner in enumerate(node.get(word) or ()):
            yield inner, f"{word}[{index}]"
    for name, inner in (node.get("definitions") or {}).items():
        yield inner, f"definitions[{name}]"


def _items(items: Any) -> Iterator[tuple[Object, str]]:
    if isinstance(items, Mapping):
        yield items, "items"
    elif isinstance(items, list):
        yield from ((inner, f"items[{index}]") for index, inner in enumerate(items))


def _keyword_causes(node: Object, site: _Site) -> Iterator[Cause]:
    """Check which keywords a node has, before what is below it."""
    path, kind = site.path, node.get("type") or ""
    if kind and kind not in TYPES:
        yield Cause.unsupported(f"{path}.type", kind, TYPES)
    if "default" in node and site.no_default is not None:
        yield Cause.forbidden(f"{path}.default", f"must not be set {site.no_default}")
    for word, is_there in _NEVER.items():
        if is_there(node.get(word)):
            yield Cause.forbidden(f"{path}.{word}", f"{word} is not supported")
    if kind == "null":
        yield Cause.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(node.get("items"), list):
        yield Cause.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if site.in_meta and node.get(EMBEDDED):
        yield Cause.forbidden(f"{path}.{EMBEDDED}", "must not be used inside of resource meta")
    if node.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield Cause.forbidden(f"{path}.uniqueItems", text)
    if node.get("properties") and node.get("additionalProperties") not in (None, True):
        text = "additionalProperties and properties are mutual exclusive"
        yield Cause.forbidden(f"{path}.additionalProperties", text)


def _is_there(value: Any) -> bool:
    return value is not None


_NEVER: Mapping[str, Callable[[Any], bool]] = {
    "id": bool,
    "additionalItems": _is_there,
    "patternProperties": bool,
    "definitions": bool,
    "dependencies": _is_there,
    "$ref": _is_there,
}
"""Keywords that no node may have, and what of them counts."""


def _shape_causes(node: Object, path: str) -> Iterator[Cause]:
    """Check Kubernetes' own keywords of a node, after what is below it."""
    if node.get(PRESERVE) is False:
        yield Cause.wrong(f"{path}.{PRESERVE}", value=False, text="must be true or undefined")
    yield from map_causes(node, path)
    yield from list_causes(node, path)


# ---- formats ---------------------------------------------------------------------------------------------------------

_OF_TEXTS = (
    "bsonobjectid uri email hostname ipv4 ipv6 cidr mac uuid uuid3 uuid4 uuid5 isbn isbn10 isbn13 creditcard ssn "
    "hexcolor rgbcolor byte password date duration datetime k8sshortname k8slongname"
)
_TEXT_FORMATS = frozenset(_OF_TEXTS.split())
_FORMATS: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"int32", "int64"}),
    "number": frozenset({"float", "double"}),
}


def unknown_formats(definition: Object) -> Iterator[str]:
    """Yield the formats that the schemas of a definition name and the server does not know."""
    for version in definition["spec"].get("versions") or ():
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is not None:
            yield from _unknown_formats(msgspec.json.encode(schema))


@functools.lru_cache(maxsize=_REMEMBERED)
def _unknown_formats(text: bytes) -> tuple[str, ...]:
    """The formats of one schema, which are looked for once, as its causes are."""
    found = []
    for node in every_node(msgspec.json.decode(text)):
        form, kind = node.get("format") or "", node.get("type") or ""
        is_text = kind in ("", "string")
        known = form.replace("-", "") in _TEXT_FORMATS if is_text else form in _FORMATS.get(kind, ())
        if form and not known:
            found.append(form)
    return tuple(found)


def every_node(node: Object) -> Iterator[Object]:
    """Yield a node of a schema and all below it, whatever they are for."""
    left: list[Any] = [node]
    while left:
        one = left.pop()
        if not isinstance(one, dict):
            continue
        yield one
        below: list[Any] = []
        for word in _PARTS:
            if word in one:
                below += one[word] if isinstance(one[word], list) else [one[word]]
        for word in _NAMED_PARTS:
            if word in one:
                below += (one[word] or {}).values()
        left += reversed(below)


_PARTS = ("items", "allOf", "anyOf", "oneOf", "not", "additionalProperties", "additionalItems")
_NAMED_PARTS = ("properties", "patternProperties", "definitions", "dependencies")
