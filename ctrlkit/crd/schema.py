"""
The structural schema of a Python type, as it stands in a CustomResourceDefinition.

Pure. Constraints are those of msgspec.Meta, annotated-types and pydantic's Field; what Python's annotations cannot say
is said by `Schema`. A type that no schema can say is refused with the path of its field.
"""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Literal, NotRequired, Required, Union, get_args, get_origin
from uuid import UUID

import msgspec

from ctrlkit.crd.fields import MISSING, Field, SchemaError, description_of, fields_of, is_class_with_fields
from ctrlkit.model import Condition, ObjectMeta, Unstructured
from ctrlkit.model.pydantic_models import is_model
from ctrlkit.model.schema import NO_DEFAULT, Schema, said_of_class

JsonSchema = dict[str, Any]

_SCALARS: Final[Mapping[object, JsonSchema]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bytes: {"type": "string", "format": "byte"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string"},
    timedelta: {"type": "string"},
    UUID: {"type": "string", "format": "uuid"},
    Decimal: {"type": "string"},
}

OF_EACH_OBJECT: Final = ("apiVersion", "kind", "metadata")
"""The fields of each object, of which a definition says nothing of its own."""

_ANYTHING: Final[JsonSchema] = {"x-kubernetes-preserve-unknown-fields": True}
_ANY_OBJECT: Final[JsonSchema] = {"type": "object", **_ANYTHING}

_CONDITION: Final[JsonSchema] = {
    "description": "What was last seen of one aspect of the object.",
    "type": "object",
    "required": ["lastTransitionTime", "message", "reason", "status", "type"],
    "properties": {
        "type": {
            "type": "string",
            "maxLength": 316,
            "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        },
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "reason": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        },
        "message": {"type": "string", "maxLength": 32768},
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        "lastTransitionTime": {"type": "string", "format": "date-time"},
    },
}
"""The limits of metav1.Condition, which are the same in each kind."""

_KNOWN: Final[Mapping[object, JsonSchema]] = {
    ObjectMeta: _ANY_OBJECT,
    Unstructured: _ANY_OBJECT,
    Condition: _CONDITION,
    Any: _ANYTHING,
    object: _ANYTHING,
    dict: _ANY_OBJECT,
}

_LIST_KEYS: Final[Mapping[object, tuple[str, ...]]] = {Condition: ("type",)}
"""The keys of lists of some types, where nothing else is said."""

_LISTS: Final = frozenset({list, tuple, Sequence})
_SETS: Final = frozenset({set, frozenset, AbstractSet})
_MAPPINGS: Final = frozenset({dict, Mapping})

_EMPTY: Final[tuple[Any, ...]] = ("", None, [], {})
"""Defaults that need not be written."""

_BOUNDS: Final[Mapping[str, Mapping[str, str]]] = {
    "string": {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
    "number": {"ge": "minimum", "le": "maximum", "multiple_of": "multipleOf"},
}
"""What constraints on Python types are called in a schema, by its type."""

_ORDER: Final = (
    *("description", "type", "format", "nullable", "default", "enum", "pattern"),
    *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
    *("required", "properties", "additionalProperties", "items", "allOf", "anyOf", "oneOf", "not"),
)


def schema_of(type_: Any) -> JsonSchema:
    """
    Return the structural schema of a type.

    >>> class Spec(msgspec.Struct, rename="camel"):
    ...     max_size: Annotated[int, msgspec.Meta(ge=1)] = 3
    >>> schema_of(Spec)
    {'type': 'object', 'properties': {'maxSize': {'type': 'integer', 'default': 3, 'minimum': 1}}}

    A field without a default is required. A default becomes the server's, unless it is empty ("", none, an empty list):
    a field that is absent reads the same. `X | None` is optional, and nullable only without a default.
    Errors  SchemaError names the field, the fact and the next step.
    """
    return _Builder(getattr(type_, "__name__", str(type_))).of(type_)


def object_schema_of(type_: type, *, enforced: bool = False) -> JsonSchema:
    """
    Return the schema of the objects of a kind: schema_of, with apiVersion, kind and metadata as a definition has them.

    Defaults that classes have are left out in `status`, for a new object has no status. With `enforced` it says no more
    than what decoding to the type checks: what stands in `Schema` alone, a server checks.
    """
    builder = _Builder(type_.__name__, enforced=enforced, of_status="status")
    fields = fields_of(type_, described=not enforced)
    schema = builder.of_fields(type_, [field for field in fields if field.wire_name not in OF_EACH_OBJECT])
    metadata = next((field.type for field in fields if field.wire_name == "metadata"), ObjectMeta)
    more = next((one.more for one in _peeled(metadata)[1] if isinstance(one, Schema)), {})
    whole = dict(zip(OF_EACH_OBJECT, ({"type": "string"}, {"type": "string"}, {"type": "object", **more}), strict=True))
    schema["properties"] = whole | schema["properties"]
    if _forbids_others(type_) and not {field.wire_name for field in fields} >= set(OF_EACH_OBJECT):
        raise SchemaError(
            f"schema of {type_.__name__}: it refuses fields that it does not name, and each object has apiVersion, "
            "kind and metadata; name them in it, or forbid unknown fields in the classes of spec and status alone"
        )
    return schema


@dataclass(frozen=True, slots=True)
class _Builder:
    root: str
    path: tuple[str, ...] = ()
    inside: tuple[type, ...] = ()
    enforced: bool = False
    of_status: str = ""
    """The field below which the defaults of classes are left out, "*" for each."""

    def of(self, type_: Any, annotations: Sequence[Any] = ()) -> JsonSchema:
        type_, own = _peeled(type_)
        annotations = (*own, *annotations)
        said = _merged(one for one in annotations if isinstance(one, Schema))
        schema = self._bare(type_, said)
        _constrain(schema, annotations)
        if said is not None:
            schema |= _open_parts(said) if self.enforced else said.to_schema()
        self._check_list(schema)
        return ordered(schema)

    def _check_list(self, schema: JsonSchema) -> None:
        """Refuse a list whose items cannot be told from each other, as servers do."""
        items = schema.get("items") or {}
        is_whole = "atomic" in (items.get("x-kubernetes-list-type"), items.get("x-kubernetes-map-type"))
        if schema.get("x-kubernetes-list-type") == "set" and items.get("type") in ("object", "array") and not is_whole:
            raise self._refusal("the items of a set are plain values", "write a list, or a list with list_map_keys")
        known, required = items.get("properties") or {}, items.get("required") or ()
        for key in schema.get("x-kubernetes-list-map-keys") or ():
            if key not in known or (key not in required and "default" not in known[key]):
                raise self._refusal(
                    f"{key} is a key of its items, and they need not have it",
                    "make it a required field of their class, or give it a default",
                )

    def _bare(self, type_: Any, said: Schema | None) -> JsonSchema:
        known = _said_instead(type_, said)
        if known is None and not (self.enforced and type_ is Condition):
            known = next((schema for one, schema in (*_KNOWN.items(), *_SCALARS.items()) if type_ is one), None)
        if known is not None:
            return deepcopy(known)
        members = _members(type_)
        if members is not None:
            return self._union(members)
        if get_origin(type_) is Literal or (isinstance(type_, type) and issubclass(type_, Enum)):
            return self._enum(type_)
        if is_class_with_fields(type_):
            return self._object(type_)
        return self._container(type_)

    def _container(self, type_: Any) -> JsonSchema:
        origin, arguments = get_origin(type_) or type_, get_args(type_)
        if origin in _MAPPINGS:
            key, value = arguments or (str, Any)
            key = _peeled(key)[0]
            if self._bare(key, None).get("type") != "string":
                raise self._refusal(f"keys of a mapping are text, {_name(key)} is not", "write dict[str, ...]")
            inner = self._below("{}")._value(value)
            return deepcopy(_ANY_OBJECT) if inner == _ANYTHING else {"type": "object", "additionalProperties": inner}
        if origin in _LISTS or origin in _SETS:
            if origin is tuple and (len(arguments) != 2 or arguments[1] is not ...):
                raise self._refusal(
                    f"the items of {_name(type_)} differ", "write a class with fields, or tuple[X, ...]"
                )
            item = arguments[0] if arguments else Any
            keys = _LIST_KEYS.get(_peeled(item)[0], ())
            more = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)} if keys else {}
            if origin in _SETS:
                more = {"x-kubernetes-list-type": "set"}
            return {"type": "array", "items": self._below("[]")._value(item), **more}
        raise self._refusal(
            f"no schema says {_name(type_)}",
            "use text, numbers, lists, mappings, enums and classes of fields, or write what a schema shall say as "
            "Annotated[..., Schema(type=...)]",
        )

    def _value(self, type_: Any) -> JsonSchema:
        """The schema of what a list or a mapping holds."""
        schema = self.of(type_)
        if _may_be_none(_peeled(type_)[0]):
            self._allow_null(schema)
        return ordered(schema)

    def _allow_null(self, schema: JsonSchema) -> None:
        schema["nullable"] = True
        if "enum" in schema and not self.enforced:
            raise self._refusal(
                "it may be None, which servers refuse for a value that is one of some",
                "make None its default, so that it is left out, or give it a value that means nothing",
            )

    def _enum(self, type_: Any) -> JsonSchema:
        values = list(get_args(type_)) or [member.value for member in type_]
        kinds = {type(value) for value in values}
        if len(kinds) != 1 or not kinds <= {str, int}:
            raise self._refusal(
                f"the values of {_name(type_)} are of several types", "use text, or whole numbers, only"
            )
        return {**_SCALARS[kinds.pop()], "enum": values}

    # ---- unions ------------------------------------------------------------------------------------------------------

    def _union(self, members: Sequence[Any]) -> JsonSchema:
        plain = [_peeled(member)[0] for member in members]
        if len(members) == 1:
            return self.of(members[0])
        if set(plain) == {int, str}:
            return {"x-kubernetes-int-or-string": True}
        if set(plain) == {int, float}:
            return {"type": "number"}
        if all(get_origin(one) is Literal for one in plain):
            return self._enum(Literal[tuple(value for one in plain for value in get_args(one))])
        if all(isinstance(one, type) and issubclass(one, msgspec.Struct) for one in plain):
            return self._tagged(plain)
        raise self._refusal(
            f"no schema says {' or '.join(map(_name, plain))}",
            "use tagged Structs, int | str, or write what a schema shall say as Annotated[..., Schema(type=...)]",
        )

    def _tagged(self, structs: Sequence[Any]) -> JsonSchema:
        """The fields of all, and for each value of the tag the fields that one requires."""
        configs = [struct.__struct_config__ for struct in structs]
        tags = {config.tag_field for config in configs}
        if len(tags) != 1 or None in tags:
            raise self._refusal(
                f"{' or '.join(map(_name, structs))} cannot be told from each other",
                'give each of them tag=..., tag_field="type"',
            )
        tag = configs[0].tag_field
        tag_type = "integer" if all(isinstance(config.tag, int) for config in configs) else "string"
        properties: dict[str, Any] = {tag: {"type": tag_type, "enum": [config.tag for config in configs]}}
        branches = []
        for struct, config in zip(structs, configs, strict=True):
            schema = self._object(struct)
            for name, whole in schema["properties"].items():
                value = {part: one for part, one in whole.items() if part != "default"}  # that is of one branch alone
                if name != tag and properties.setdefault(name, value) != value:
                    raise self._refusal(f"field {name} differs in {_name(struct)}", "give it one type, or two names")
            required = [name for name in schema.get("required", ()) if name != tag]
            branches.append({"required": [tag, *required], "properties": {tag: {"enum": [config.tag]}}})
        return {"type": "object", "required": [tag], "properties": properties, "oneOf": branches}

    # ---- classes -----------------------------------------------------------------------------------------------------

    def _object(self, cls: type) -> JsonSchema:
        if cls in self.inside:
            raise self._refusal(
                f"{cls.__name__} contains itself, and a schema has an end",
                "keep what is below as Any, or write Annotated[..., Schema(unknown_fields=True)]",
            )
        if issubclass(cls, msgspec.Struct) and cls.__struct_config__.array_like:
            raise self._refusal(f"{cls.__name__} travels as a list", "leave out array_like=True")
        return replace(self, inside=(*self.inside, cls)).of_fields(cls, fields_of(cls, described=not self.enforced))

    def of_fields(self, cls: type, fields: Sequence[Field]) -> JsonSchema:
        """The schema of a class with these of its fields."""
        required = [field.wire_name for field in fields if not field.has_default and field.wire_name != self.of_status]
        schema: JsonSchema = {
            "description": description_of(cls) or None,
            "type": "object",
            "required": required or None,
            "properties": {field.wire_name: self._below(field.wire_name)._field(field) for field in fields},
        }
        config = getattr(cls, "__struct_config__", None)
        if config is not None and config.tag_field is not None:
            kind = "integer" if isinstance(config.tag, int) else "string"
            schema["properties"] = {config.tag_field: {"type": kind, "enum": [config.tag]}, **schema["properties"]}
            schema["required"] = [config.tag_field, *required]
        said = said_of_class(cls)
        more = said.to_schema() if said is not None and not self.enforced else {}
        if is_model(cls) and getattr(cls, "model_config", {}).get("extra") == "allow":
            more = {**more, **_ANYTHING}
        if said is not None and said.unknown_fields and _forbids_others(cls):
            raise self._refusal(f"{_name(cls)} keeps unknown fields and refuses them", "say one of the two")
        if self.enforced and _forbids_others(cls):
            more = {**more, "additionalProperties": False}
        return ordered({name: value for name, value in schema.items() if value is not None} | more)

    def _field(self, field: Field) -> JsonSchema:
        type_, annotations = _peeled(field.type)
        annotations = (*annotations, *field.metadata)
        if type_ is None or type_ is type(None):
            raise self._refusal("its only value is None", "leave it out")
        schema = self.of(type_, annotations)
        if field.description:
            schema["description"] = field.description
        if _may_be_none(type_) and (self.enforced or not field.has_default or field.default is not None):
            self._allow_null(schema)
        if self.inside and is_model(self.inside[-1]) and schema.get("format") == "byte":
            del schema["format"]  # a model writes bytes as text
        said = _merged(one for one in annotations if isinstance(one, Schema))
        default = MISSING if self.of_status == "*" and not self.enforced else field.default
        if said is not None and said.has_default:
            default = said.default
        if said is not None and said.default is NO_DEFAULT:
            default = MISSING
        elif said is not None and said.has_default:
            default = msgspec.to_builtins(default)
        shown = _shown_default(default, schema, is_said=said is not None and said.has_default)
        if shown is not MISSING:
            schema["default"] = shown
        return ordered(schema)

    def _below(self, name: str) -> _Builder:
        of_status = "*" if self.of_status in ("*", name) else ""
        return replace(self, path=(*self.path, name), of_status=of_status)

    def _refusal(self, fact: str, next_step: str) -> SchemaError:
        where = ".".join(self.path).replace(".[]", "[]").replace(".{}", "{}")
        return SchemaError(f"schema of {self.root}{f', field {where}' if where else ''}: {fact}; {next_step}")


def _shown_default(default: Any, schema: JsonSchema, *, is_said: bool) -> Any:
    """The default to write; MISSING for none. An object's is `{}` if there are defaults in it, so that they count."""
    if default is MISSING or is_said:
        return default
    if isinstance(default, dict) and schema.get("type") == "object" and "properties" in schema:
        inner = schema["properties"]
        if schema.get("required"):
            return default
        own = {
            name: value
            for name, value in default.items()
            if value not in _EMPTY and inner.get(name, {}).get("default", MISSING) != value
        }
        return own if own or any("default" in one for one in inner.values()) else MISSING
    return default if default not in _EMPTY else MISSING


def _said_instead(type_: Any, said: Schema | None) -> JsonSchema | None:
    """What stands in place of a type's own schema where `said` says all of it; None where it does not."""
    if said is None:
        return None
    if said.type or said.int_or_string:
        return {}
    if (said.embedded or said.unknown_fields) and not is_class_with_fields(type_):
        return {"type": "object"} if said.embedded or get_origin(type_) in _MAPPINGS else {}
    return None


def _open_parts(said: Schema) -> JsonSchema:
    """What is said that makes a schema wider, which decoding relies on."""
    schema = said.to_schema()
    return {name: schema[name] for name in ("type", "x-kubernetes-int-or-string", *_ANYTHING) if name in schema}


def _peeled(type_: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without Annotated, Required, NewType and aliases around it, and its annotations."""
    annotations: tuple[Any, ...] = ()
    while True:
        origin = get_origin(type_)
        if origin is Annotated:
            annotations = (*type_.__metadata__, *annotations)
            type_ = type_.__origin__
        elif origin in (Required, NotRequired):
            (type_,) = get_args(type_)
        elif hasattr(type_, "__supertype__"):
            type_ = type_.__supertype__
        elif type(type_).__name__ == "TypeAliasType":
            type_ = type_.__value__
        else:
            return type_, annotations


def _members(type_: Any) -> list[Any] | None:
    """The members of a union without None; None for another type."""
    if get_origin(type_) not in (Union, types.UnionType):
        return None
    return [member for member in get_args(type_) if member not in (type(None), msgspec.UnsetType)]


def _may_be_none(type_: Any) -> bool:
    return get_origin(type_) in (Union, types.UnionType) and type(None) in get_args(type_)


def _merged(said: Iterator[Schema]) -> Schema | None:
    found = list(said)
    return functools.reduce(Schema.with_more, found) if found else None


def _constrain(schema: JsonSchema, annotations: Sequence[Any]) -> None:
    """Add what msgspec.Meta, annotated-types and pydantic's Field say, which have their limits as attributes."""
    kind = "number" if schema.get("type") == "integer" else schema.get("type", "")
    for one in annotations:
        if isinstance(one, (str, Schema)):
            continue
        for attribute, name in _BOUNDS.get(kind, {}).items():
            limit = getattr(one, attribute, None)
            if limit is not None and not (name == "minLength" and limit == 0):
                schema[name] = _plain_limit(limit)
        if kind == "number":
            for attribute, bound in (("gt", "minimum"), ("lt", "maximum")):
                limit = getattr(one, attribute, None)
                if limit is not None:
                    schema |= {bound: _plain_limit(limit), f"exclusive{bound.capitalize()}": True}
        description = getattr(one, "description", None)
        if isinstance(description, str):
            schema["description"] = description
        if isinstance(one, msgspec.Meta) and one.extra_json_schema:
            schema |= one.extra_json_schema


def _plain_limit(limit: Any) -> Any:
    if isinstance(limit, re.Pattern):
        return limit.pattern
    return float(limit) if isinstance(limit, Decimal) else limit


def ordered(schema: JsonSchema) -> JsonSchema:
    """Return a schema with its parts in one order."""
    rest = sorted(schema.keys() - set(_ORDER))
    return {name: schema[name] for name in (*_ORDER, *rest) if name in schema}


def _forbids_others(cls: type) -> bool:
    """Whether a class refuses fields that it does not name."""
    config = getattr(cls, "__struct_config__", None)
    return bool(config and config.forbid_unknown_fields) or (
        is_model(cls) and getattr(cls, "model_config", {}).get("extra") == "forbid"
    )


def _name(type_: Any) -> str:
    return getattr(type_, "__name__", None) or str(type_)
